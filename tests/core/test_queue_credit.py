"""Credit for a queue: given where what it foretold came true, lead by lead."""

import json

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.forecast import LEADS
from custom_components.computeload.core.queue_credit import QueueCredit
from custom_components.computeload.core.queue_forecast import QueueForecast

STEP_S = 900.0


def forecast(
    start_s: float, arriving_w: float, leaving_w: float, steps: int = 192
) -> QueueForecast:
    return QueueForecast(
        start_s=start_s,
        arriving_w=np.full((2, steps), arriving_w),
        leaving_w=np.full((2, steps), leaving_w),
        arrivals=(),
    )


def lived(arrives: float, leaves: float, *, count: int = 200, noise_w: float = 5.0) -> QueueCredit:
    """Return the credit of a queue of which such shares come true, one step ahead."""
    credit = QueueCredit()
    random = np.random.default_rng(5)
    load_w = 10_000.0
    for number in range(count):
        start_s = number * STEP_S
        come, go = random.uniform(0.0, 500.0, 2)
        credit.foretold(forecast(start_s, come, go, steps=1), load_w)
        load_w += arrives * come - leaves * go + random.normal(0.0, noise_w)
        credit.settle(start_s, load_w)
    return credit


def test_without_experience_no_credit_is_given() -> None:
    believed = QueueCredit().believed(forecast(0.0, 500.0, 300.0))
    assert not believed.scenarios_w.any()
    assert lived(1.0, 1.0, count=10).shares().max() == 0.0


@pytest.mark.parametrize(
    ("arrives", "leaves"), [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.2), (0.0, 0.0)]
)
def test_credit_is_what_came_true(arrives: float, leaves: float) -> None:
    shares = lived(arrives, leaves).shares()[:, 0]
    assert shares.tolist() == pytest.approx([arrives, leaves], abs=0.1)


def test_a_load_that_does_the_contrary_earns_no_credit() -> None:
    assert lived(-1.0, -1.0).shares()[:, 0].tolist() == [0.0, 0.0]


def test_what_misses_more_than_a_load_that_stays_earns_no_credit() -> None:
    # What is foretold comes true at first, and the contrary of it later.
    credit = QueueCredit()
    random = np.random.default_rng(8)
    for number in range(500):
        come = float(random.uniform(0.0, 500.0))
        credit.foretold(forecast(number * STEP_S, come, 0.0, steps=1), 0.0)
        credit.settle(number * STEP_S, come if number < 120 else -0.5 * come)
    assert credit.shares()[:, 0].tolist() == [0.0, 0.0]


def test_rare_jumps_do_not_undo_what_mostly_holds() -> None:
    credit = QueueCredit()
    random = np.random.default_rng(6)
    for number in range(400):
        come, go = random.uniform(0.0, 500.0, 2)
        jump = 5000.0 if number % 20 == 0 else 0.0
        credit.foretold(forecast(number * STEP_S, come, go, steps=1), 0.0)
        credit.settle(number * STEP_S, come - go + jump)
    assert credit.shares()[:, 0].tolist() == pytest.approx([1.0, 1.0], abs=0.15)


def test_each_lead_earns_its_own() -> None:
    # What is foretold comes true an hour later, and is not to be seen before.
    credit = QueueCredit()
    random = np.random.default_rng(7)
    told = random.uniform(0.0, 500.0, 400)
    for number, come in enumerate(told):
        before = float(told[number - 3]) if number >= 3 else 0.0
        credit.foretold(forecast(number * STEP_S, float(come), 0.0), 0.0)
        credit.settle(number * STEP_S, before)
    shares = dict(zip(LEADS.tolist(), credit.shares()[0].tolist(), strict=True))
    assert shares[4] > 0.9
    assert shares[4] > shares[1] + 0.05


def test_a_forecast_keeps_only_what_is_believed() -> None:
    believed = lived(1.0, 0.0).believed(forecast(0.0, 500.0, 300.0))
    assert believed.mean_w[0] == pytest.approx(500.0, abs=50.0)


def test_credit_survives_storage() -> None:
    credit = lived(0.5, 0.2)
    again = QueueCredit().restore(json.loads(json.dumps(credit.to_state())))
    assert again.shares().tolist() == credit.shares().tolist()


@pytest.mark.parametrize(
    "wrong",
    [{"leads": [1]}, {"count": [1.0]}, {"products": None}, {"squares": [[[float("nan")] * 2] * 2]}],
)
def test_a_damaged_store_is_refused_and_changes_nothing(wrong: dict[str, object]) -> None:
    credit = lived(0.5, 0.2)
    before = credit.to_state()
    with pytest.raises((TypeError, ValueError)):
        credit.restore(before | wrong)
    assert credit.to_state() == before


ANY = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(0.0, 1e6), ANY), max_size=150))
def test_whatever_comes_shares_lie_between_nothing_and_all(
    steps: list[tuple[float, float, float]],
) -> None:
    credit = QueueCredit()
    for number, (come, go, load_w) in enumerate(steps):
        credit.foretold(forecast(number * STEP_S, come, go, steps=4), load_w)
        credit.settle(number * STEP_S, load_w)
    shares = credit.shares()
    assert ((shares >= 0.0) & (shares <= 1.0)).all()


def test_what_was_not_seen_yet_has_no_skill() -> None:
    assert QueueCredit().skill() == pytest.approx(np.ones(len(LEADS)))
