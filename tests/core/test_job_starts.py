"""When waiting jobs are let go: below a learned level, evenly, and not for nothing."""

from hypothesis import given, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.job_starts import (
    PRICE_STEPS,
    WEEK,
    QueueLevel,
    forced,
    is_cheaper_later,
)

LONGEST = 16


def level(of: QueueLevel, net_w: float, **changes: float) -> float:
    """Ask for the level of a quarter."""
    known = {"waiting_w": 0.0, "forced_w": 0.0, "paid_w": 0.0, "give_w": 0.0}
    return of.level_w(net_w=net_w, **{**known, **changes})


def test_the_level_is_what_would_have_been_drawn_on_average() -> None:
    of = QueueLevel()
    level(of, 10_000.0)
    assert level(of, 20_000.0, waiting_w=4_000.0, give_w=10_000.0) == 17_000.0


def test_after_a_week_the_past_is_forgotten() -> None:
    of = QueueLevel()
    level(of, 1e6)
    for _ in range(WEEK):
        last_w = level(of, 10_000.0)
    assert last_w == 10_000.0


def test_what_is_paid_already_is_free() -> None:
    assert level(QueueLevel(), 10_000.0, paid_w=30_000.0) == 30_000.0


def test_what_batteries_cannot_keep_away_is_no_level_to_hold() -> None:
    of = QueueLevel()
    for _ in range(50):
        level(of, 10_000.0)
    assert level(of, 30_000.0, forced_w=2_000.0, give_w=5_000.0) == 27_000.0


def test_a_job_whose_time_is_up_has_to_go() -> None:
    assert forced([0], LONGEST) == 1.0
    assert forced([], LONGEST) == 0.0


def test_many_jobs_that_come_due_together_are_let_go_before() -> None:
    assert forced([8] * 100, LONGEST) > 1.0
    assert forced([LONGEST], LONGEST) < 0.1


@given(st.lists(st.integers(0, LONGEST), max_size=60))
def test_going_on_like_this_no_job_is_late(left: list[int]) -> None:
    waiting, quarters = sorted(left), 0
    owed = 0.0
    while waiting:
        owed = max(owed - np.floor(owed), 0.0) + forced(waiting, LONGEST)
        going = min(max(round(np.ceil(owed)), 0), len(waiting))
        waiting = waiting[going:]
        assert all(each > 0 for each in waiting)
        waiting = [each - 1 for each in waiting]
        quarters += 1
        assert quarters <= LONGEST + 1


@pytest.mark.parametrize(
    ("later", "left", "waits"), [(0.05, 16, True), (0.095, 16, False), (0.05, 0, False)]
)
def test_a_job_waits_for_a_price_that_is_much_lower(later: float, left: int, waits: bool) -> None:
    prices = np.array([0.1] * 8 + [later] * 40)
    assert is_cheaper_later(prices, left) is waits


def test_prices_that_are_not_out_are_not_waited_for() -> None:
    assert not is_cheaper_later(np.array([0.1] * 4 + [0.0] * (PRICE_STEPS - 4)), 16)
