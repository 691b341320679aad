"""Judging what a source says, standing in for it, asking it again, and showing it."""

from datetime import datetime, timedelta

import pytest

from custom_components.computeload.core.series import Kind, Series, Slot, Unit
from custom_components.computeload.signals.cadence import (
    REST_S,
    tomorrow_missing,
    wait_after_failure_s,
    wait_after_success_s,
    worth_telling,
)
from custom_components.computeload.signals.checks import PER_EURO, check_prices, missing
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.signals.preview import preview
from custom_components.computeload.signals.usual import flat, typical_day

from .payloads import BERLIN, DAY, HOUR, MIDNIGHT, QUARTER

USUAL_DAY = [0.08, 0.07, 0.06, 0.06, 0.07, 0.09, 0.12, 0.15, 0.14, 0.1, 0.06, 0.03] * 2
NOTHING = Series(Unit.PRICE)


def hourly(values: list[float], start: datetime = MIDNIGHT, kind: Kind = Kind.DAY_AHEAD) -> Series:
    """Return hourly prices."""
    slots = (
        Slot(start + n * HOUR, start + (n + 1) * HOUR, value, kind)
        for n, value in enumerate(values)
    )
    return Series(Unit.PRICE, tuple(slots))


def verdict(values: list[float], past: Series = NOTHING, currency: str = "EUR") -> str | None:
    """Return the key of what is said about prices."""
    try:
        check_prices(hourly(values), past, currency)
    except SignalError as err:
        return err.key
    return None


# Plausibility


@pytest.mark.parametrize("currency", sorted(PER_EURO))
def test_prices_of_any_currency_pass_in_their_own_unit_and_in_no_other(currency: str) -> None:
    own = [PER_EURO[currency] * value for value in USUAL_DAY]
    assert verdict(own, currency=currency) is None
    assert verdict([value * 1000.0 for value in own], currency=currency) == "price_too_high"
    assert verdict([value * 100.0 for value in own], currency=currency) == "price_too_high"
    assert verdict([value / 1000.0 for value in own], currency=currency) == "price_too_low"
    assert verdict([value / 100.0 for value in own], currency=currency) == "price_too_low"


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([-0.5] * 24, id="paid to draw all day"),
        pytest.param([0.0] * 20 + [0.02] * 4, id="a windy holiday"),
        pytest.param([0.9] * 24, id="August 2022"),
        pytest.param([0.1] * 23 + [4.0], id="one hour of scarcity"),
        pytest.param([0.0], id="too little to judge"),
        pytest.param([], id="nothing"),
    ],
)
def test_extreme_days_that_markets_have_seen_pass(values: list[float]) -> None:
    assert verdict(values) is None


def test_one_price_beyond_any_market_is_noticed() -> None:
    assert verdict([0.1] * 23 + [40.0]) == "price_too_high"


def test_a_day_a_hundred_times_off_the_days_before_is_noticed() -> None:
    past = hourly(USUAL_DAY, MIDNIGHT - DAY)
    assert verdict([value * 10.0 for value in USUAL_DAY], past) is None
    assert verdict([value * 100.0 for value in USUAL_DAY], past, "XYZ") == "price_jumped"
    assert verdict([value / 100.0 for value in USUAL_DAY], past, "XYZ") == "price_jumped"


def test_a_currency_that_is_not_known_is_judged_by_the_days_before_only() -> None:
    assert verdict([value * 1000.0 for value in USUAL_DAY], currency="XYZ") is None


def test_the_sentence_says_what_the_prices_look_like() -> None:
    with pytest.raises(SignalError) as caught:
        check_prices(hourly([80.0] * 24), NOTHING, "EUR")
    assert caught.value.details == {"median": "80", "currency": "EUR"}


def test_gaps_are_counted_up_to_the_end_of_what_is_published() -> None:
    gap = Series(Unit.PRICE, (*hourly([0.1] * 3), *hourly([0.1], MIDNIGHT + 5 * HOUR)))
    assert missing(gap, MIDNIGHT) == 2 * HOUR
    assert missing(gap, MIDNIGHT + 4 * HOUR) == HOUR
    assert missing(gap, MIDNIGHT + DAY) == timedelta()
    assert missing(gap.over(flat(Unit.PRICE, 1.0, MIDNIGHT, MIDNIGHT + DAY)), MIDNIGHT) == 2 * HOUR


# Standing in


def test_a_typical_day_is_the_mean_of_the_same_quarters_of_the_days_before() -> None:
    past = hourly([0.1] * 12 + [0.2] * 12, MIDNIGHT - 2 * DAY).over(
        hourly([0.3] * 12 + [0.4] * 12, MIDNIGHT - DAY)
    )
    usual = typical_day(past, MIDNIGHT, MIDNIGHT + DAY, BERLIN)
    assert {slot.kind for slot in usual} == {Kind.STAND_IN}
    assert len(usual) == 96
    assert usual.mean(MIDNIGHT, MIDNIGHT + 12 * HOUR) == pytest.approx(0.2)
    assert usual.mean(MIDNIGHT + 12 * HOUR, MIDNIGHT + DAY) == pytest.approx(0.3)


def test_working_days_stand_in_for_working_days_and_weekends_for_weekends() -> None:
    past = NOTHING
    for back in range(1, 15):
        day = MIDNIGHT - back * DAY
        weekend = day.astimezone(BERLIN).weekday() >= 5
        past = past.over(hourly([0.05 if weekend else 0.2] * 24, day))
    week = typical_day(past, MIDNIGHT, MIDNIGHT + 7 * DAY, BERLIN)
    for n in range(7):
        day = MIDNIGHT + n * DAY
        weekend = day.astimezone(BERLIN).weekday() >= 5
        assert week.mean(day, day + DAY) == pytest.approx(0.05 if weekend else 0.2)


def test_quarters_that_no_day_has_stay_holes() -> None:
    usual = typical_day(hourly([0.1] * 3, MIDNIGHT - DAY), MIDNIGHT, MIDNIGHT + DAY, BERLIN)
    assert usual.end == MIDNIGHT + 3 * HOUR


def test_a_stand_in_begins_and_ends_where_it_is_asked_to() -> None:
    begin, end = MIDNIGHT + timedelta(minutes=7), MIDNIGHT + timedelta(minutes=50)
    for usual in (
        typical_day(hourly([0.1] * 24, MIDNIGHT - DAY), begin, end, BERLIN),
        flat(Unit.PRICE, 0.1, begin, end),
    ):
        assert (usual.start, usual.end) == (begin, end)
        assert usual.holes(begin, end) == []


# Asking again


def local(hour: float, day: int = 0) -> datetime:
    """Return a local hour of 23 November or some days later, UTC."""
    return MIDNIGHT + day * DAY + hour * HOUR


def test_tomorrow_is_missed_from_15_oclock_on() -> None:
    today = hourly([0.1] * 24)
    assert not tomorrow_missing(today, local(14.9), BERLIN)
    assert tomorrow_missing(today, local(15), BERLIN)
    assert tomorrow_missing(NOTHING, local(15), BERLIN)
    assert not tomorrow_missing(hourly([0.1] * 48), local(15), BERLIN)
    # Delivery days of another zone may end an hour or two after ours.
    assert tomorrow_missing(hourly([0.1] * 26), local(15), BERLIN)
    assert not tomorrow_missing(hourly([0.1] * 39), local(15), BERLIN)


def test_a_stand_in_is_not_what_the_source_has_published() -> None:
    filled = hourly([0.1] * 24).over(flat(Unit.PRICE, 0.1, MIDNIGHT, MIDNIGHT + 2 * DAY))
    assert tomorrow_missing(filled, local(16), BERLIN)


def test_a_source_that_has_told_all_is_left_alone_until_it_can_know_more() -> None:
    today, both = hourly([0.1] * 24), hourly([0.1] * 48)
    hour = 3600.0
    assert wait_after_success_s(today, local(2), BERLIN, hour) == REST_S
    assert wait_after_success_s(today, local(10), BERLIN, hour) == 3 * hour
    assert wait_after_success_s(today, local(12.9), BERLIN, hour) == hour
    assert wait_after_success_s(today, local(13.5), BERLIN, hour) == hour
    assert wait_after_success_s(both, local(13.5), BERLIN, hour) == REST_S
    assert wait_after_success_s(both, local(13.5), BERLIN, 60.0) == 60.0


def test_failures_are_followed_by_longer_waits_up_to_an_hour() -> None:
    down = SignalError("source_unreachable")
    waits = [wait_after_failure_s(down, n, 3600.0) for n in range(1, 30)]
    assert waits[:4] == [60.0, 120.0, 240.0, 480.0]
    assert waits == sorted(waits)
    assert waits[-1] == 3600.0


def test_a_source_that_asks_to_be_left_alone_is() -> None:
    assert wait_after_failure_s(SignalError("limited", retry_after_s=7200.0), 1, 60.0) == 7200.0


def test_what_passes_by_itself_is_told_only_when_it_goes_on() -> None:
    assert not worth_telling(SignalError("source_unreachable"), 1)
    assert worth_telling(SignalError("source_unreachable"), 3)
    for key in ("limited", "price_too_high", "token_refused", "currency_differs"):
        assert worth_telling(SignalError(key), 1)


# Showing


def test_a_preview_tells_the_next_24_hours_in_figures_and_blocks() -> None:
    seen = preview(hourly([0.1] * 12 + [0.2] * 6 + [0.3] * 12), MIDNIGHT + timedelta(minutes=20))
    assert seen is not None
    assert (seen.least, seen.most) == (0.1, 0.3)
    assert seen.mean == pytest.approx((0.1 * (11 + 2 / 3) + 0.2 * 6 + 0.3 * (6 + 1 / 3)) / 24)
    assert seen.step == HOUR
    assert seen.until == MIDNIGHT + 30 * HOUR
    assert seen.line == "▁" * 12 + "▅" * 6 + "█" * 6


def test_a_preview_shows_holes_and_flat_prices() -> None:
    seen = preview(Series(Unit.PRICE, hourly([0.2] * 3).slots[::2]), MIDNIGHT)
    assert seen is not None
    assert seen.line == "▅·▅" + "·" * 21


def test_there_is_no_preview_of_the_past() -> None:
    assert preview(hourly([0.1] * 3), MIDNIGHT + DAY) is None
    assert preview(NOTHING, MIDNIGHT) is None


def test_quarters_show_as_quarters() -> None:
    seen = preview(flat(Unit.PRICE, 0.1, MIDNIGHT, MIDNIGHT + DAY), MIDNIGHT)
    assert seen is not None
    assert seen.step == QUARTER
