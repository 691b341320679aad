"""All signals of a site: built from its options, ticked once a minute, kept over restarts."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
import json
from typing import TYPE_CHECKING, Any, Final
import zlib

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_utc_time_change
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from ..const import CONF_CARBON, CONF_CURRENCY, CONF_OPERATOR, CONF_PRICE, CONF_PV, DOMAIN, LOGGER
from ..core.model import AssetKind, Quantity
from ..core.series import Series, Unit
from .coordinator import ISSUES, SeriesSignal, issue_id
from .fetch import Reader
from .operator_limit import ISSUE, OperatorLimit
from .quote import Quote
from .solar import SolarSignal, async_read_solar
from .sources import CARBON_SOURCES, PRICE_SOURCES, SOURCE, AnySource, HttpSource, Options

if TYPE_CHECKING:
    from ..coordinator import ComputeLoadConfigEntry

STORE_VERSION: Final = 1
SAVE_DELAY_S: Final = 60.0
TICK_SECOND: Final = 2
"""Prices change on the minute; a moment later nobody asks too early."""
FORECASTS: Final = "forecasts"


def signal_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where a site's signals are kept."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry_id}.signals")


def reader_of(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> Reader:
    """Return what reads sources for a site that is loaded."""
    simulator = entry.runtime_data.simulator
    return Reader(
        hass=hass,
        currency=entry.data[CONF_CURRENCY],
        zone=dt_util.get_default_time_zone(),
        day_ahead=simulator.scenario.day_ahead if simulator is not None else None,
    )


class SiteSignals:
    """The signals of one site; None for those that it does not have."""

    def __init__(self, hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
        """Build what the user has chosen."""
        self._hass = hass
        self._entry = entry
        self._store = signal_store(hass, entry.entry_id)
        self._options = {key: dict(value) for key, value in entry.options.items()}
        simulator = entry.runtime_data.simulator
        if simulator is not None and simulator.scenario.prices is not None:
            self._options.setdefault(CONF_PRICE, {SOURCE: "scenario"})
        self.price = self._sourced(CONF_PRICE, Unit.PRICE, PRICE_SOURCES)
        self.carbon = self._sourced(CONF_CARBON, Unit.CARBON, CARBON_SOURCES)
        self.pv = self._solar()
        self.operator = OperatorLimit(hass, entry) if CONF_OPERATOR in self._options else None

    @property
    def series(self) -> dict[str, SeriesSignal]:
        """Return the signals that are series, by their names."""
        each = {CONF_PRICE: self.price, CONF_CARBON: self.carbon, CONF_PV: self.pv}
        return {name: signal for name, signal in each.items() if signal is not None}

    def _sourced(
        self, sort: str, unit: Unit, table: Mapping[str, AnySource]
    ) -> SeriesSignal | None:
        options = self._options.get(sort)
        if options is None:
            return None
        source = table.get(options[SOURCE])
        if source is None:
            LOGGER.error("%s: %s is no source of %s", self._entry.title, options[SOURCE], sort)
            return None
        return SeriesSignal(
            **self._shared(sort, unit),
            read=partial(self._async_read, source, options),
            every_s=source.every_s,
        )

    def _solar(self) -> SolarSignal | None:
        forecasts = self._options.get(CONF_PV, {}).get(FORECASTS, [])
        if not forecasts and not self._entry.runtime_data.of_kind(AssetKind.PV):
            return None
        simulator = self._entry.runtime_data.simulator
        place = simulator.scenario if simulator is not None else self._hass.config

        async def read(first: bool) -> Quote:  # noqa: ARG001, FBT001 - forecasts have no past
            return await async_read_solar(self._hass, forecasts)

        return SolarSignal(
            **self._shared(CONF_PV, Unit.POWER),
            read=read if forecasts else None,
            every_s=900.0,
            measure=self._pv_power_w,
            rated_w=self.pv_rated_w,
            place=(place.latitude, place.longitude),
        )

    def _shared(self, sort: str, unit: Unit) -> dict[str, Any]:
        return {
            "hass": self._hass,
            "entry": self._entry,
            "clock": self._entry.runtime_data.clock,
            "sort": sort,
            "unit": unit,
            "zone": dt_util.get_default_time_zone(),
            "currency": self._entry.data[CONF_CURRENCY],
            "changed": self._changed,
        }

    async def _async_read(self, source: AnySource, options: Options, first: bool) -> Quote:  # noqa: FBT001
        reader = reader_of(self._hass, self._entry)
        days_back = source.days_back if first and isinstance(source, HttpSource) else 0
        span = reader.span(self._entry.runtime_data.clock.now(), days_back=days_back)
        return await reader.async_read(source, options, span)

    # -- PV as measured ------------------------------------------------------------------

    def _pv_power_w(self) -> float | None:
        """Return what PV gives now; None while it is not known, or held back by a limit."""
        for device in self._entry.runtime_data.of_kind(AssetKind.PV):
            latest = device.latest
            if latest is not None and latest.number(Quantity.POWER_LIMIT_W) is not None:
                return None
        return self._entry.runtime_data.controller.view.pv_w()

    def pv_rated_w(self) -> float | None:
        """Return what the inverters can give together; None while that is not known."""
        rated = [
            device.latest.number(Quantity.RATED_POWER_W)
            for device in self._entry.runtime_data.of_kind(AssetKind.PV)
            if device.latest is not None
        ]
        return sum(each for each in rated if each is not None) or None

    # -- life ------------------------------------------------------------------------------

    async def async_start(self) -> None:
        """Read back what is known, and tick from now on, until the entry unloads."""
        for key in (*ISSUES, ISSUE):
            ir.async_delete_issue(self._hass, DOMAIN, issue_id(key, self._entry.entry_id))
        if not self.series and self.operator is None:
            return
        stored = await self._store.async_load() or {}
        for name, signal in self.series.items():
            state = stored.get(name)
            if state is None or state.get("of") != self._fingerprint(name):
                continue
            try:
                signal.restore(state)
            except ArithmeticError, KeyError, OSError, TypeError, ValueError:
                LOGGER.warning("%s: what was stored is damaged; starting afresh", signal.name)
        self._entry.async_on_unload(
            async_track_utc_time_change(self._hass, self._tick, second=TICK_SECOND)
        )
        self._entry.async_on_unload(self._async_stop)
        for device in self._entry.runtime_data.of_kind(AssetKind.PV):
            self._entry.async_on_unload(device.async_add_listener(self._pv_answered))
        self._tick(dt_util.utcnow())

    @callback
    def _tick(self, _: datetime) -> None:
        for signal in self.series.values():
            signal.async_tick()
        if self.operator is not None:
            self.operator.async_tick()

    @callback
    def _pv_answered(self) -> None:
        """Publish as soon as it is known what the inverters can give."""
        if self.pv is not None and not self.pv.data.series:
            self.pv.async_publish()

    def operator_w(self) -> float | None:
        """Return the import limit of the grid operator, W; None without one."""
        return None if self.operator is None else self.operator.limit_w()

    @callback
    def _changed(self) -> None:
        self._store.async_delay_save(self._to_store, SAVE_DELAY_S)

    async def _async_stop(self) -> None:
        await self._store.async_save(self._to_store())

    @callback
    def _to_store(self) -> dict[str, Any]:
        return {
            name: {**signal.to_state(), "of": self._fingerprint(name)}
            for name, signal in self.series.items()
        }

    def _fingerprint(self, name: str) -> int:
        """Return what tells one source's past from another's, without saying what it is."""
        return zlib.crc32(json.dumps(self._options.get(name), sort_keys=True).encode())

    def diagnostics(self) -> dict[str, Any]:
        """Return how the signals are."""
        return {
            name: {
                "source": self._options.get(name, {}).get(SOURCE),
                "reach": signal.past.known_until,
                "fetched": signal.data.fetched,
                "problems": dict(signal.data.problems),
                "slots": len(signal.data.series),
            }
            for name, signal in self.series.items()
        }


def series_rows(series: Series) -> list[dict[str, Any]]:
    """Return a series for a chart: start and end as ISO text, value, kind."""
    return [
        {
            "start": slot.start.isoformat(),
            "end": slot.end.isoformat(),
            "value": slot.value,
            "kind": slot.kind.value,
        }
        for slot in series
    ]
