"""Series: values with a start and an end each, holes, and what is made of them."""

from datetime import UTC, datetime, timedelta
import math
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.series import (
    Kind,
    Series,
    SeriesError,
    Slot,
    Unit,
    joined,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def slot(start_h: float, end_h: float, value: float, kind: Kind = Kind.DAY_AHEAD) -> Slot:
    """Return a slot by hours after noon."""
    return Slot(NOON + start_h * HOUR, NOON + end_h * HOUR, value, kind)


def series(*slots: Slot) -> Series:
    """Return a series of prices."""
    return Series(Unit.PRICE, slots)


@pytest.mark.parametrize(
    "slots",
    [
        pytest.param((slot(0, 2, 1.0), slot(1, 3, 1.0)), id="overlap"),
        pytest.param((slot(1, 2, 1.0), slot(0, 1, 1.0)), id="order"),
        pytest.param((slot(1, 1, 1.0),), id="no duration"),
        pytest.param((slot(0, 1, math.nan),), id="not a number"),
        pytest.param((slot(0, 1, math.inf),), id="infinite"),
        pytest.param(
            (Slot(NOON.astimezone(ZoneInfo("Europe/Berlin")), NOON + HOUR, 1.0, Kind.DAY_AHEAD),),
            id="local time",
        ),
    ],
)
def test_what_is_no_series_is_refused(slots: tuple[Slot, ...]) -> None:
    with pytest.raises(SeriesError):
        series(*slots)


def test_a_moment_finds_its_slot_and_a_hole_finds_none() -> None:
    known = series(slot(0, 1, 0.1), slot(2, 3, 0.3))
    assert known.at(NOON) == known.slots[0]
    assert known.at(NOON + HOUR) is None
    assert known.at(NOON + 2.5 * HOUR) == known.slots[1]
    assert known.at(NOON + 3 * HOUR) is None
    assert known.at(NOON - QUARTER) is None


def test_a_part_is_cut_at_its_edges() -> None:
    part = series(slot(0, 1, 0.1), slot(1, 2, 0.2)).between(NOON + QUARTER, NOON + 1.5 * HOUR)
    assert part == series(slot(0.25, 1, 0.1), slot(1, 1.5, 0.2))


def test_holes_are_found_inside_and_at_both_ends() -> None:
    known = series(slot(0, 1, 0.1), slot(2, 3, 0.3))
    assert known.holes(NOON - HOUR, NOON + 4 * HOUR) == [
        (NOON - HOUR, NOON),
        (NOON + HOUR, NOON + 2 * HOUR),
        (NOON + 3 * HOUR, NOON + 4 * HOUR),
    ]
    assert known.holes(NOON, NOON + HOUR) == []


def test_the_better_series_holds_and_the_other_fills_its_holes() -> None:
    good = series(slot(0, 1, 0.1), slot(2, 3, 0.3))
    usual = series(slot(-1, 4, 0.2, Kind.STAND_IN))
    both = good.over(usual)
    assert [s.value for s in both] == [0.2, 0.1, 0.2, 0.3, 0.2]
    assert both.holes(NOON - HOUR, NOON + 4 * HOUR) == []
    assert both.known_until == NOON + 3 * HOUR
    assert both.end == NOON + 4 * HOUR
    assert good.over(series()) == good
    assert series().over(good) == good


def test_mean_and_integral_weigh_by_time() -> None:
    known = series(slot(0, 1, 1.0), slot(1, 1.25, 5.0))
    assert known.mean(NOON, NOON + 2 * HOUR) == pytest.approx(1.8)
    assert known.integral(NOON, NOON + 2 * HOUR) == pytest.approx(2.25)
    assert known.mean(NOON + 3 * HOUR, NOON + 4 * HOUR) is None


def test_samples_have_a_constant_step_and_say_where_nothing_is_known() -> None:
    samples = series(slot(0, 1, 1.0), slot(1, 1.5, 3.0)).sampled(NOON, QUARTER * 2, 4)
    assert samples[:3] == [1.0, 1.0, 3.0]
    assert math.isnan(samples[3])


def test_slots_in_any_order_are_joined_and_the_later_given_holds() -> None:
    assert joined(Unit.PRICE, [slot(1, 2, 0.2), slot(0, 1, 0.1), slot(1, 2, 0.9)]) == series(
        slot(0, 1, 0.1), slot(1, 2, 0.9)
    )
    assert joined(Unit.PRICE, [slot(0, 2, 0.1), slot(1, 2, 0.2)]) == series(
        slot(0, 1, 0.1), slot(1, 2, 0.2)
    )


def test_an_empty_series_has_no_edges() -> None:
    nothing = series()
    assert joined(Unit.PRICE, []) == nothing
    assert (nothing.start, nothing.end, nothing.known_until) == (None, None, None)
    assert not nothing
    assert len(nothing) == 0
    assert nothing.at(NOON) is None
    assert nothing.times(2.0) == nothing


def test_values_are_changed_slot_by_slot() -> None:
    assert series(slot(0, 1, 0.1), slot(1, 2, 0.2)).times(10.0) == series(
        slot(0, 1, 1.0), slot(1, 2, 2.0)
    )


pieces = st.lists(st.tuples(st.floats(0.1, 3.0), st.floats(0.0, 2.0), st.floats(-9, 9)), max_size=9)


def laid_out(parts: list[tuple[float, float, float]], kind: Kind) -> Series:
    """Return a series of lengths, holes behind them and values."""
    at, slots = NOON, []
    for hours, hole, value in parts:
        slots.append(Slot(at, at + hours * HOUR, value, kind))
        at += (hours + hole) * HOUR
    return series(*slots)


@given(pieces, pieces)
def test_filling_loses_nothing_and_leaves_only_common_holes(
    one: list[tuple[float, float, float]], two: list[tuple[float, float, float]]
) -> None:
    good, usual = laid_out(one, Kind.DAY_AHEAD), laid_out(two, Kind.STAND_IN)
    both = good.over(usual)
    far = NOON + 100 * HOUR
    for start, end in both.holes(NOON, far):
        middle = start + (end - start) / 2
        assert good.at(middle) is None
        assert usual.at(middle) is None
    for each in good:
        assert both.mean(each.start, each.end) == pytest.approx(each.value)
