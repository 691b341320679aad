"""The rule by which values become states: what is written, and what is left out."""

from random import Random

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.entity import AT_ONCE, HOLD_S, Gate, Pace

POWER = Pace(step=50.0, share=0.02, every_s=120.0)
SAMPLE_S = 5.0


def written(gate: Gate, values: list[float]) -> list[tuple[float, float]]:
    """Return the states that become of values which come every few seconds."""
    times = [SAMPLE_S * number for number in range(len(values))]
    return [(t, v) for t, v in zip(times, values, strict=True) if gate.lets_pass(v, t)]


def test_the_first_value_is_written() -> None:
    assert Gate(POWER).lets_pass(1000.0, 0.0)


def test_an_equal_value_is_never_written_again() -> None:
    assert written(Gate(POWER), [1000.0] * 1000) == [(0.0, 1000.0)]


def test_a_jump_is_written_at_the_next_sample() -> None:
    assert written(Gate(POWER), [4000.0, 7600.0])[-1] == (SAMPLE_S, 7600.0)


def test_a_small_change_is_written_after_the_longest_time() -> None:
    states = written(Gate(POWER), [10_000.0] + [10_001.0] * 100)
    assert states == [(0.0, 10_000.0), (POWER.every_s, 10_001.0)]


def test_words_and_what_is_unknown_are_written_at_once() -> None:
    gate = Gate(Pace(step=1e9, every_s=1e9))
    values = ["idle", "shaving", None, 5.0, None]
    assert [gate.lets_pass(value, 0.1 * at) for at, value in enumerate(values)] == [True] * 5


def test_at_once_writes_every_change() -> None:
    assert len(written(Gate(AT_ONCE), [1.0, 1.1, 1.2, 1.1])) == 4


def test_a_counter_is_written_by_the_clock() -> None:
    gate = Gate(Pace(step=float("inf"), every_s=60.0))
    states = written(gate, [float(10 * n) for n in range(121)])
    assert [at for at, _ in states] == [60.0 * n for n in range(11)]


def test_noise_costs_less_than_a_state_a_minute() -> None:
    random = Random(1)  # noqa: S311 - noise, not a secret
    values = [10_000.0 * (1.0 + random.gauss(0.0, 0.01)) for _ in range(720)]
    assert len(written(Gate(POWER), values)) <= 60


@given(
    st.lists(st.floats(-50_000, 50_000), min_size=2, max_size=200),
    st.floats(1, 500),
    st.floats(0, 0.2),
)
def test_what_is_left_out_never_exceeds_what_the_pace_allows(
    values: list[float], step: float, share: float
) -> None:
    pace = Pace(step=step, share=share, every_s=300.0)
    gate, shown, left_out = Gate(pace), 0.0, 0.0
    for number, value in enumerate(values):
        if gate.lets_pass(value, number * SAMPLE_S):
            shown, left_out = value, 0.0
        else:
            left_out += abs(value - shown) * SAMPLE_S
            assert left_out < pace.worth(shown) or left_out == 0.0


@pytest.mark.parametrize(("shown", "worth_w"), [(0.0, 50.0), (1000.0, 50.0), (-10_000.0, 200.0)])
def test_the_larger_of_step_and_share_counts(shown: float, worth_w: float) -> None:
    assert POWER.worth(shown) == worth_w * HOLD_S
