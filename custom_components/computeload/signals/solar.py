"""PV: Home Assistant's own solar forecasts, corrected by what this roof has given.

Without a forecast, or behind its end, what was measured at the same hour of the last days
stands in; before there are such days, half of a clear sky.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from ..core.series import Kind, Series, Slot, Unit, joined
from .coordinator import SeriesSignal, from_rows, to_rows
from .correction import Comparison, Correction
from .error import SignalError
from .quote import Quote
from .sun import clear_sky
from .usual import ENOUGH_DAYS, REMEMBERED, STEP, typical_day
from .values import local_midnight, shown
from .wh_hours import read_wh_hours, summed

HOUR: Final = timedelta(hours=1)
MINUTES_HEARD: Final = 45
"""An hour counts as measured when PV was heard in so many of its minutes."""
USUAL_CLEARNESS: Final = 0.5
"""What the sky lets through on a middling day, of what a clear one does."""

type Forecast = Callable[[HomeAssistant, str], Awaitable[Mapping[str, Any] | None]]
type Measured = Callable[[], float | None]
"""What PV gives now, W; None while it is not known, or held back by a limit."""


class SolarSignal(SeriesSignal):
    """The PV forecast of a site, W."""

    def __init__(
        self,
        *args: Any,
        measure: Measured,
        rated_w: Callable[[], float | None],
        place: tuple[float, float],
        **kwargs: Any,
    ) -> None:
        """Start without anything measured.

        ``rated_w`` says what the inverters can give, ``place`` is latitude and longitude.
        """
        super().__init__(*args, **kwargs)
        self._place = place
        self._measure = measure
        self._rated_w = rated_w
        self.measured = Series(Unit.POWER)
        """Hourly means of the last two weeks."""
        self.correction = Correction(self.zone)
        self._hour: datetime | None = None
        self._expected_w: float | None = None
        self._heard: list[float] = []
        self._today = Series(Unit.POWER)

    # -- measuring -----------------------------------------------------------------------

    @override
    @callback
    def async_tick(self) -> None:
        """Take this minute's PV power too."""
        now = self.clock.now()
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._close_hour()
            self._hour, self._heard = hour, []
            self._expected_w = self.past.mean(hour, hour + HOUR)
        if (power_w := self._measure()) is not None:
            self._heard.append(max(power_w, 0.0))
        super().async_tick()

    @callback
    def _close_hour(self) -> None:
        if self._hour is None or len(self._heard) < MINUTES_HEARD:
            return
        mean_w = sum(self._heard) / len(self._heard)
        slot = Slot(self._hour, self._hour + HOUR, mean_w, Kind.MEASURED)
        kept = self.measured.between(self._hour - REMEMBERED, self._hour)
        self.measured = joined(Unit.POWER, (*kept, slot))
        if self._expected_w is not None:
            self.correction.add(Comparison(self._hour, self._expected_w, mean_w))
        self._changed()

    # -- forecasting -----------------------------------------------------------------------

    @override
    def grounds(self) -> tuple[object, ...]:
        """Return all that the series is built of; the correction changes with what is measured."""
        return (self.past, self.measured, self._rated_w())

    @override
    @callback
    def rebuild(self, begin: datetime) -> None:
        """Build what is published, and the whole of today."""
        super().rebuild(begin)
        start = local_midnight(begin, self.zone)
        self._today = self.build(start, local_midnight(begin, self.zone, 1))

    @override
    def build(self, start: datetime, end: datetime) -> Series:
        """Return what was measured, the corrected forecast, and stand-ins around them."""
        known = self.measured.between(start, end).over(
            self.correction.corrected(self.past.between(start, end))
        )
        if known and not known.holes(start, end):
            return known
        if len({slot.start.date() for slot in self.measured}) >= ENOUGH_DAYS:
            known = known.over(typical_day(self.measured, start, end, self.zone))
        return known.over(self._clear_sky(start, end))

    def _clear_sky(self, start: datetime, end: datetime) -> Series:
        rated_w = self._rated_w()
        if not rated_w:
            return Series(Unit.POWER)
        slots = []
        while start < end:
            until = min(start + STEP, end)
            share = clear_sky(start + (until - start) / 2, *self._place)
            value = USUAL_CLEARNESS * min(share, 1.0) * rated_w
            slots.append(Slot(start, until, value, Kind.STAND_IN))
            start = until
        return Series(Unit.POWER, tuple(slots))

    def today_wh(self) -> float | None:
        """Return what the whole local day gives: measured so far, forecast from here, Wh."""
        return self._sum_wh(self._today.start)

    def remaining_wh(self) -> float | None:
        """Return what the rest of the local day gives, Wh."""
        return self._sum_wh(self.clock.now())

    def _sum_wh(self, start: datetime | None) -> float | None:
        end = self._today.end
        return None if start is None or end is None else self._today.integral(start, end)

    # -- storage -----------------------------------------------------------------------------

    @override
    def to_state(self) -> dict[str, Any]:
        """Return what a restart must not lose."""
        compared = [
            [each.start.timestamp(), each.forecast_w, each.measured_w]
            for each in self.correction.known
        ]
        return {**super().to_state(), "measured": to_rows(self.measured), "compared": compared}

    @override
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with what was measured and learned."""
        super().restore(state)
        self.measured = from_rows(Unit.POWER, state["measured"])
        compared = (
            Comparison(datetime.fromtimestamp(at, UTC), float(forecast_w), float(measured_w))
            for at, forecast_w, measured_w in state["compared"]
        )
        self.correction = Correction(self.zone, compared)


async def async_solar_entries(hass: HomeAssistant) -> list[ConfigEntry]:
    """Return the config entries that can forecast PV; none without the energy dashboard."""
    platforms = await _async_platforms(hass)
    return [entry for entry in hass.config_entries.async_entries() if entry.domain in platforms]


async def async_read_solar(hass: HomeAssistant, entry_ids: Sequence[str]) -> Quote:
    """Return the sum of the chosen solar forecasts, W.

    Raises SignalError.
    """
    platforms = await _async_platforms(hass)
    parts = []
    for entry_id in entry_ids:
        entry = hass.config_entries.async_get_entry(entry_id)
        if entry is None or (ask := platforms.get(entry.domain)) is None:
            raise SignalError("forecast_missing", field="forecasts")
        try:
            answer = await ask(hass, entry_id)
        except Exception as err:
            # What another integration may raise is not known here.
            raise SignalError("source_says", {"what": shown(repr(err))}) from err
        if answer is None:
            raise SignalError("no_data", field="forecasts")
        parts.append(read_wh_hours(answer))
    return Quote(summed(parts))


async def _async_platforms(hass: HomeAssistant) -> Mapping[str, Forecast]:
    """Return who forecasts PV, by domain: what the energy dashboard itself asks.

    No public helper offers it, so its absence is no error of anybody's.
    """
    if "energy" not in hass.config.components:
        return {}
    try:
        from homeassistant.components.energy.websocket_api import (  # noqa: PLC0415
            async_get_energy_platforms,
        )
    except ImportError:
        return {}
    return await async_get_energy_platforms(hass)
