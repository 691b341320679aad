"""One signal over time: asked, judged, kept, stood in for, and talked about."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.series import Kind, Series, Slot, Unit
from custom_components.computeload.signals.coordinator import HORIZON, SeriesSignal
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.signals.quote import Quote
from custom_components.computeload.signals.solar import SolarSignal

from ..common import real_entry
from .payloads import BERLIN, DAY, HOUR, MIDNIGHT

NOON = MIDNIGHT + 12 * HOUR
MINUTE = timedelta(minutes=1)


@dataclass
class HandClock:
    """A clock that is set by hand."""

    at: datetime = NOON

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.at

    def monotonic_s(self) -> float:
        """Return the same in seconds."""
        return self.at.timestamp()


@dataclass
class Source:
    """A source that answers what it is told to."""

    answer: Series | Exception
    asked: list[bool] = field(default_factory=list)
    """Whether the past was asked for, each time."""

    async def read(self, first: bool) -> Quote:
        """Answer."""
        self.asked.append(first)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Quote(self.answer, "EUR", "a licence")


def hours(
    values: list[float],
    start: datetime = MIDNIGHT,
    unit: Unit = Unit.PRICE,
    kind: Kind = Kind.DAY_AHEAD,
) -> Series:
    """Return a series of hours."""
    slots = (Slot(start + n * HOUR, start + (n + 1) * HOUR, v, kind) for n, v in enumerate(values))
    return Series(unit, tuple(slots))


TODAY = hours([0.1] * 24)
BOTH = hours([0.1] * 24 + [0.2] * 24)
DOWN = SignalError("source_unreachable", {"source": "the test"})


@pytest.fixture(name="clock")
def clock_fixture() -> HandClock:
    """Return a clock at noon."""
    return HandClock()


def signal_of(
    hass: HomeAssistant, clock: HandClock, source: Source, sort: str = "price"
) -> SeriesSignal:
    """Return a signal of a site."""
    entry = hass.config_entries.async_get_entry("site")
    if entry is None:
        (entry := real_entry()).add_to_hass(hass)
    return SeriesSignal(
        hass,
        entry,
        clock,
        sort=sort,
        unit=Unit.PRICE if sort == "price" else Unit.CARBON,
        zone=BERLIN,
        read=source.read,
        every_s=3600.0,
        currency="EUR",
        changed=lambda: None,
    )


def issues(hass: HomeAssistant) -> dict[str, dict[str, str] | None]:
    """Return the repair issues that there are, with their details."""
    found = ir.async_get(hass).issues.values()
    return {
        each.translation_key: each.translation_placeholders
        for each in found
        if each.domain == DOMAIN and each.translation_key is not None
    }


def kinds(series: Series) -> list[Kind]:
    """Return the kinds of a series, repeats left out."""
    found: list[Kind] = []
    for slot in series:
        if not found or found[-1] is not slot.kind:
            found.append(slot.kind)
    return found


def waiting_s(signal: SeriesSignal) -> float:
    """Return how long the source is left alone."""
    return signal._next_s - signal.hass.loop.time()


async def test_what_a_source_says_is_published_with_its_licence(
    hass: HomeAssistant, clock: HandClock
) -> None:
    signal = signal_of(hass, clock, Source(BOTH))
    await signal.async_refresh()
    assert signal.data.series.at(NOON) == BOTH.at(NOON)
    assert signal.data.now(NOON + 13 * HOUR) == BOTH.at(NOON + 13 * HOUR)
    assert (signal.data.fetched, signal.data.note) == (NOON, "a licence")
    assert signal.data.problems == {}


async def test_behind_what_is_published_stands_in_what_is_usual_marked_as_such(
    hass: HomeAssistant, clock: HandClock
) -> None:
    signal = signal_of(hass, clock, Source(hours([0.1] * 12 + [0.3] * 12)))
    await signal.async_ask()
    series = signal.data.series
    assert (series.start, series.end) == (NOON, NOON + HORIZON)
    assert series.holes(NOON, NOON + HORIZON) == []
    assert kinds(series) == [Kind.DAY_AHEAD, Kind.STAND_IN]
    assert series.known_until == MIDNIGHT + DAY
    assert series.mean(MIDNIGHT + DAY, MIDNIGHT + 1.5 * DAY) == pytest.approx(0.1)
    assert series.mean(MIDNIGHT + 1.5 * DAY, MIDNIGHT + 2 * DAY) == pytest.approx(0.3)


async def test_a_source_that_knows_only_now_is_continued_as_it_is(
    hass: HomeAssistant, clock: HandClock
) -> None:
    now_only = hours([300.0], NOON, Unit.CARBON, Kind.MEASURED)
    signal = signal_of(hass, clock, Source(now_only), "carbon")
    await signal.async_ask()
    assert {slot.value for slot in signal.data.series} == {300.0}
    assert kinds(signal.data.series) == [Kind.MEASURED, Kind.STAND_IN]
    assert signal.data.series.end == NOON + HORIZON


async def test_the_past_is_asked_for_once(hass: HomeAssistant, clock: HandClock) -> None:
    source = Source(BOTH)
    signal = signal_of(hass, clock, source)
    await signal.async_ask()
    await signal.async_ask()
    assert source.asked == [True, False]


async def test_the_last_good_series_holds_while_the_source_is_down(
    hass: HomeAssistant, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(BOTH)
    signal = signal_of(hass, clock, source)
    await signal.async_ask()
    good = signal.past
    source.answer = DOWN
    for _ in range(5):
        await signal.async_ask()
    assert signal.past == good
    assert signal.data.series.at(NOON + 13 * HOUR) == BOTH.at(NOON + 13 * HOUR)
    assert issues(hass)["price_failed"] is not None
    assert caplog.text.count("price_failed") == 1

    clock.at = MIDNIGHT + 3 * DAY
    signal.async_publish()
    assert kinds(signal.data.series) == [Kind.STAND_IN]
    assert signal.data.series.holes(clock.at, clock.at + HORIZON) == []

    source.answer = hours([0.1] * 48, MIDNIGHT + 3 * DAY)
    await signal.async_ask()
    assert issues(hass) == {}
    assert "price_failed is over" in caplog.text


async def test_a_failure_that_may_pass_is_told_only_the_third_time(
    hass: HomeAssistant, clock: HandClock
) -> None:
    signal = signal_of(hass, clock, Source(DOWN))
    for told in (False, False, True):
        await signal.async_ask()
        assert ("price_failed" in issues(hass)) is told
    assert not signal.data.series


async def test_a_source_that_was_asked_too_often_is_told_and_left_alone_as_long_as_it_says(
    hass: HomeAssistant, clock: HandClock
) -> None:
    source = Source(SignalError("limited", {"source": "it"}, retry_after_s=7200.0))
    signal = signal_of(hass, clock, source)
    await signal.async_ask()
    assert "price_failed" in issues(hass)
    assert waiting_s(signal) == pytest.approx(7200.0, abs=5.0)
    signal.async_tick()
    assert len(source.asked) == 1


async def test_a_source_is_asked_when_it_is_time_and_not_twice_at_once(
    hass: HomeAssistant, clock: HandClock
) -> None:
    source = Source(BOTH)
    signal = signal_of(hass, clock, source)
    signal.async_tick()
    signal.async_tick()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(source.asked) == 1
    signal.async_tick()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(source.asked) == 1
    assert 3600.0 - 1.0 <= waiting_s(signal) <= 6 * 3600.0 + 240.0


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (hours([80.0] * 24), "price_too_high"),
        (hours([0.00008] * 24), "price_too_low"),
    ],
)
async def test_prices_in_a_wrong_unit_are_told_at_once_and_not_used(
    hass: HomeAssistant, clock: HandClock, wrong: Series, key: str
) -> None:
    source = Source(TODAY)
    signal = signal_of(hass, clock, source)
    await signal.async_ask()
    source.answer = wrong
    await signal.async_ask()
    assert signal.past == TODAY.between(MIDNIGHT, MIDNIGHT + DAY)
    assert "price_failed" in issues(hass)
    assert signal._error is not None
    assert signal._error.key == key


async def test_prices_a_hundred_times_those_of_the_days_before_are_not_used(
    hass: HomeAssistant, clock: HandClock
) -> None:
    source = Source(hours([0.01] * 24))
    signal = signal_of(hass, clock, source)
    await signal.async_ask()
    clock.at += DAY
    source.answer = hours([1.0] * 24, MIDNIGHT + DAY)
    await signal.async_ask()
    assert signal._error is not None
    assert signal._error.key == "price_jumped"
    assert signal.data.series.at(clock.at) is not None
    assert kinds(signal.data.series) == [Kind.STAND_IN]


async def test_tomorrow_that_is_missing_at_15_oclock_is_told_until_it_is_there(
    hass: HomeAssistant, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(TODAY)
    signal = signal_of(hass, clock, source)
    await signal.async_ask()
    assert issues(hass) == {}
    clock.at = MIDNIGHT + 15 * HOUR
    for _ in range(3):
        signal.async_publish()
    assert set(issues(hass)) == {"price_tomorrow_missing"}
    assert caplog.text.count("price_tomorrow_missing") == 1
    source.answer = BOTH
    await signal.async_ask()
    assert issues(hass) == {}


async def test_gaps_are_told_and_filled(hass: HomeAssistant, clock: HandClock) -> None:
    slots = [slot for slot in BOTH if slot.start not in {NOON + HOUR, NOON + 2 * HOUR}]
    signal = signal_of(hass, clock, Source(Series(Unit.PRICE, tuple(slots))))
    await signal.async_ask()
    assert issues(hass) == {"price_gaps": {"site": "Lab", "details": "2"}}
    gap = signal.data.series.at(NOON + HOUR)
    assert gap is not None
    assert gap.kind is Kind.STAND_IN


async def test_an_error_that_nobody_expected_is_logged_once_and_told(
    hass: HomeAssistant, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    signal = signal_of(hass, clock, Source(ZeroDivisionError("a typo")))
    await signal.async_ask()
    await signal.async_ask()
    assert caplog.text.count("unexpected error") == 1
    assert "price_failed" in issues(hass)


async def test_what_is_older_than_two_weeks_is_forgotten(
    hass: HomeAssistant, clock: HandClock
) -> None:
    source = Source(TODAY)
    signal = signal_of(hass, clock, source)
    for n in range(30):
        clock.at = NOON + n * DAY
        source.answer = hours([0.1] * 24, MIDNIGHT + n * DAY)
        await signal.async_ask()
    assert signal.past.start is not None
    assert clock.at - signal.past.start == timedelta(days=14)


async def test_a_restart_goes_on_where_it_was_and_does_not_ask_again(
    hass: HomeAssistant, clock: HandClock
) -> None:
    first = signal_of(hass, clock, Source(BOTH))
    await first.async_ask()
    source = Source(DOWN)
    second = signal_of(hass, clock, source)
    second.restore(first.to_state())
    second.async_tick()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert source.asked == []
    assert second.past == first.past
    assert second.data.series == first.data.series
    assert second.data.fetched == NOON


async def test_a_signal_that_has_never_heard_anything_asks_at_once_after_a_restart(
    hass: HomeAssistant, clock: HandClock
) -> None:
    first = signal_of(hass, clock, Source(DOWN))
    await first.async_ask()
    second = signal_of(hass, clock, source := Source(BOTH))
    second.restore(first.to_state())
    second.async_tick()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert source.asked == [True]


async def test_not_even_a_restart_bothers_a_source_that_asked_to_be_left_alone(
    hass: HomeAssistant, clock: HandClock
) -> None:
    limited = SignalError("limited", {"source": "it"}, retry_after_s=7200.0)
    first = signal_of(hass, clock, Source(limited))
    await first.async_ask()
    second = signal_of(hass, clock, source := Source(BOTH))
    second.restore(first.to_state())
    second.async_tick()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert source.asked == []
    assert waiting_s(second) == pytest.approx(7200.0, abs=5.0)


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"past": 5, "fetched": None, "due": None},
        {"past": [[1, 2]], "fetched": None, "due": None},
        {"past": [[0, 1, "x", "day_ahead"]], "fetched": None, "due": None},
        {"past": [[1e30, 2e30, 1.0, "day_ahead"]], "fetched": None, "due": None},
        {"past": [], "fetched": "x", "due": None},
    ],
)
async def test_a_damaged_store_is_an_error_that_can_be_caught(
    hass: HomeAssistant, clock: HandClock, damaged: dict[str, Any]
) -> None:
    signal = signal_of(hass, clock, Source(BOTH))
    with pytest.raises((ArithmeticError, KeyError, OSError, TypeError, ValueError)):
        signal.restore(damaged)


# PV


class Roof:
    """What PV gives, and what its inverters are rated at."""

    power_w: float | None = 0.0
    rated_w: float | None = 5000.0


def solar_of(
    hass: HomeAssistant, clock: HandClock, roof: Roof, source: Source | None
) -> SolarSignal:
    """Return a PV signal on a roof in Berlin."""
    if (entry := hass.config_entries.async_get_entry("site")) is None:
        (entry := real_entry()).add_to_hass(hass)
    return SolarSignal(
        hass,
        entry,
        clock,
        sort="pv",
        unit=Unit.POWER,
        zone=BERLIN,
        read=None if source is None else source.read,
        every_s=900.0,
        changed=lambda: None,
        measure=lambda: roof.power_w,
        rated_w=lambda: roof.rated_w,
        place=(52.5, 13.4),
    )


def run(signal: SolarSignal, clock: HandClock, minutes: int) -> None:
    """Let minutes pass."""
    for _ in range(minutes):
        signal.async_tick()
        clock.at += MINUTE


async def test_without_a_forecast_half_of_a_clear_sky_stands_in(
    hass: HomeAssistant, clock: HandClock
) -> None:
    signal = solar_of(hass, clock, Roof(), None)
    signal.async_tick()
    assert kinds(signal.data.series) == [Kind.STAND_IN]
    assert signal.data.series.at(MIDNIGHT + DAY).value == 0.0  # type: ignore[union-attr]
    today, left = signal.today_wh(), signal.remaining_wh()
    assert today is not None
    assert left is not None
    # Eight short hours of November, at a fraction of 5 kW.
    assert 2000.0 < today < 8000.0
    assert 0.3 * today < left < 0.6 * today


async def test_without_anything_there_is_nothing(hass: HomeAssistant, clock: HandClock) -> None:
    roof = Roof()
    roof.rated_w = None
    signal = solar_of(hass, clock, roof, None)
    signal.async_tick()
    assert not signal.data.series
    assert (signal.today_wh(), signal.remaining_wh()) == (None, None)
    await signal.async_ask()
    assert signal.data.fetched is None


async def test_a_forecast_is_corrected_by_what_the_roof_gives(
    hass: HomeAssistant, clock: HandClock
) -> None:
    clock.at = MIDNIGHT + 11 * HOUR
    roof, source = Roof(), Source(hours([1000.0] * 24 * 5, MIDNIGHT, Unit.POWER, Kind.FORECAST))
    signal = solar_of(hass, clock, roof, source)
    await signal.async_ask()
    roof.power_w = 500.0
    for day in range(3):
        clock.at = MIDNIGHT + day * DAY + 11 * HOUR
        run(signal, clock, 61)
    noon = MIDNIGHT + 3 * DAY + 11 * HOUR
    assert signal.build(noon, noon + HOUR).mean(noon, noon + HOUR) == pytest.approx(750.0)
    assert signal.build(noon - HOUR, noon).mean(noon - HOUR, noon) == pytest.approx(1000.0)
    today = MIDNIGHT + 2 * DAY + 11 * HOUR
    done = signal.build(today, today + HOUR).at(today)
    assert done is not None
    assert (done.value, done.kind) == (500.0, Kind.MEASURED)


async def test_an_hour_in_which_pv_was_held_back_or_silent_teaches_nothing(
    hass: HomeAssistant, clock: HandClock
) -> None:
    clock.at = MIDNIGHT + 11 * HOUR
    roof, source = Roof(), Source(hours([1000.0] * 48, MIDNIGHT, Unit.POWER, Kind.FORECAST))
    signal = solar_of(hass, clock, roof, source)
    await signal.async_ask()
    roof.power_w = 500.0
    run(signal, clock, 40)
    roof.power_w = None
    run(signal, clock, 25)
    assert not signal.measured
    assert signal.correction.factor(MIDNIGHT + 11 * HOUR) == 1.0


async def test_days_that_were_measured_stand_in_better_than_the_sky(
    hass: HomeAssistant, clock: HandClock
) -> None:
    roof = Roof()
    signal = solar_of(hass, clock, roof, None)
    signal.measured = hours([700.0] * 72, MIDNIGHT - 3 * DAY, Unit.POWER, Kind.MEASURED)
    signal.async_tick()
    assert {slot.value for slot in signal.data.series} == {700.0}
    assert kinds(signal.data.series) == [Kind.STAND_IN]


async def test_what_a_roof_has_taught_survives_a_restart(
    hass: HomeAssistant, clock: HandClock
) -> None:
    clock.at = MIDNIGHT + 11 * HOUR
    roof, source = Roof(), Source(hours([1000.0] * 48, MIDNIGHT, Unit.POWER, Kind.FORECAST))
    signal = solar_of(hass, clock, roof, source)
    await signal.async_ask()
    roof.power_w = 500.0
    run(signal, clock, 61)
    again = solar_of(hass, clock, roof, source)
    again.restore(signal.to_state())
    assert again.measured == signal.measured
    assert again.correction.factor(MIDNIGHT + 11 * HOUR) == pytest.approx(0.875)
