"""How far the compute levers go, and how they are given back."""

from datetime import UTC, datetime

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.levers import (
    AFTER_S,
    CALM_S,
    Budget,
    Lever,
    Pressure,
    lose_least,
    next_budget,
    press,
    up_to,
    worst_of,
)

from .jobs import job

NOW_S = 1_795_000_000.0


def pressed(*looks: tuple[float, float]) -> list[Lever | None]:
    """Return the worst lever at each look: (seconds, W missing)."""
    memory, worst = Pressure(), []
    for seconds, missing_w in looks:
        memory = press(missing_w, NOW_S + seconds, memory)
        worst.append(memory.worst)
    return worst


def test_levers_come_by_rising_harm_and_only_when_power_goes_on_missing() -> None:
    looks = [(0.0, 5.0), (60.0, 5.0), (300.0, 5.0), (900.0, 5.0)]
    assert pressed(*looks) == [None, Lever.CAP, Lever.DRAIN, Lever.REQUEUE]


def test_a_moment_without_power_missing_is_no_relief() -> None:
    assert pressed((0.0, 5.0), (30.0, 0.0), (60.0, 5.0))[-1] is Lever.CAP


def test_levers_are_given_back_one_at_a_time_the_worst_one_first() -> None:
    calm = [(900.0 + n * CALM_S, 0.0) for n in range(1, 5)]
    back = pressed((0.0, 5.0), (900.0, 5.0), *calm)[2:]
    assert back == [Lever.DRAIN, Lever.CAP, None, None]


@given(st.lists(st.tuples(st.floats(1.0, 1200.0), st.sampled_from([0.0, 10.0])), max_size=60))
def test_no_lever_comes_before_its_time(looks: list[tuple[float, float]]) -> None:
    memory, now_s = Pressure(), NOW_S
    for seconds, missing_w in looks:
        now_s += seconds
        before, memory = memory, press(missing_w, now_s, memory)
        if memory.worst is not None and memory.worst not in up_to(before.worst):
            assert memory.since_s is not None
            assert now_s - memory.since_s >= AFTER_S[memory.worst]


def test_the_worst_of_several_demands_counts() -> None:
    assert worst_of([None, Lever.DRAIN, Lever.HOLD]) is Lever.DRAIN
    assert worst_of([None]) is None
    assert up_to(Lever.CAP) == {Lever.HOLD, Lever.CAP}
    assert up_to(None) == frozenset()


def test_compute_is_cut_by_what_is_missing_and_further_if_that_was_not_enough() -> None:
    first = next_budget(None, 50_000.0, 8_000.0, -8_000.0)
    assert first == Budget(42_000.0, 50_000.0)
    assert next_budget(first, 42_000.0, 2_000.0, -2_000.0) == Budget(40_000.0, 50_000.0)


def test_a_budget_is_given_back_by_halves_of_the_room_and_then_ends() -> None:
    cut = Budget(40_000.0, 50_000.0)
    more = next_budget(cut, 40_000.0, 0.0, 10_000.0)
    assert more == Budget(45_000.0, 50_000.0)
    assert next_budget(more, 45_000.0, 0.0, 20_000.0) is None


@pytest.mark.parametrize("compute_w", [float("nan"), float("inf")])
def test_a_draw_that_is_not_known_changes_no_budget(compute_w: float) -> None:
    cut = Budget(40_000.0, 50_000.0)
    assert next_budget(cut, compute_w, 5_000.0, 0.0) == cut


def test_jobs_that_lose_least_are_put_back_and_no_more_than_needed() -> None:
    def began(minutes: float) -> datetime:
        return datetime.fromtimestamp(NOW_S - 60.0 * minutes, tz=UTC)

    old = job("1", starts_at=began(600), requeueable=True)
    young = job("2", starts_at=began(5), requeueable=True)
    fixed = job("3", starts_at=began(1), requeueable=False)
    running = [(old, 1_000.0), (young, 1_000.0), (fixed, 1_000.0)]
    assert lose_least(running, 900.0, NOW_S) == [(young, 1_000.0)]
    assert lose_least(running, 1_500.0, NOW_S) == [(young, 1_000.0), (old, 1_000.0)]
    assert lose_least(running, 0.0, NOW_S) == []
