"""The peaks: month by month, how long the grid power was how high, when the load is, and why.

All of it is read from the ledger in the executor, when a card asks and after each quarter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from homeassistant.core import HomeAssistant
import numpy as np

from ..const import CONF_CURRENCY
from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_read import Column, LedgerReader
from ..core.load_shape import duration, heat
from ..core.plan import BatterySpec
from ..core.post_mortem import explain_peaks
from ..core.savings import Billed
from ..core.tariff import Tariff
from ..peak_stories import asset_names, metered_windows, told
from ..plan_inputs import InputsOf
from ..savings_sensors import billed_names, billed_unit
from .base import Feed, Payload, unix_ms

MONTHS: Final = timedelta(days=396)
"""Thirteen months: this one beside the same of the year before."""
RECENT: Final = timedelta(days=35)
_COLUMNS: Final = (Column.IMPORT_W, Column.WITHOUT_IMPORT_W, Column.LOAD_W)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What the site is, taken in the event loop."""

    now: datetime
    tariff: Tariff
    battery: BatterySpec | None
    names: dict[str, str]


def _read(reader: LedgerReader, ground: _Ground) -> Payload:
    """Return what the ledger says. Blocks; raises LedgerError."""
    metered = metered_windows(reader)
    if metered is None:
        return {"months": [], "days": 0, "duration": None, "heat": None, "stories": []}
    now, zone = ground.now, ground.tariff.calendar.zone
    history = reader.history(_COLUMNS, now - RECENT, now)
    import_w, without_w, load_w = (history.columns[each] for each in _COLUMNS)
    known = np.isfinite(import_w)
    stories = explain_peaks(ground.tariff, metered, reader.quarters, battery=ground.battery)
    return {
        "months": [
            {"month": month, "mean_w": round(peak.mean_w), "start": unix_ms(peak.start)}
            for month, peak in reader.peaks(now - MONTHS, now, zone).items()
        ],
        "days": round(float(known.sum()) / 96.0),
        "duration": {
            "with": duration(import_w),
            "without": duration(np.where(np.isfinite(without_w), without_w, import_w)),
        },
        "heat": heat(history.starts, load_w, zone),
        "stories": [told(story, ground.names) for story in stories],
    }


def _billed(each: Billed, unit: str | None) -> dict[str, Any]:
    return {
        "name": each.name,
        "period": each.label,
        "billed": round(each.billed, 2),
        "unit": unit,
        "amount": each.cents / 100.0,
    }


async def _async_payload(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> Payload:
    runtime = entry.runtime_data
    ground = _Ground(
        now=runtime.clock.now(),
        tariff=runtime.tariff,
        battery=InputsOf(entry).storage(),
        names=asset_names(entry),
    )
    billed = runtime.savings.data.billed
    units = {name: billed_unit(each) for name, each in billed_names(runtime.tariff).items()}
    read = await hass.async_add_executor_job(partial(_read, runtime.ledger.reader, ground))
    return {
        "currency": entry.data[CONF_CURRENCY],
        "target_w": round(runtime.controller.target_w),
        "billed": [_billed(each, units.get(name)) for name, each in billed.items()],
        **read,
    }


PEAKS: Final = Feed(
    name="peaks",
    payload=_async_payload,
    listen=lambda _, entry, news: entry.runtime_data.savings.async_add_listener(news),
)
