"""The post-mortem of billed peaks: who drew them, what the battery did, what would have helped."""

from datetime import UTC, datetime
from functools import partial
from typing import Final

from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util.json import JsonValueType
import numpy as np
import voluptuous as vol

from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_db import LedgerError
from ..core.ledger_read import Column, LedgerReader
from ..core.post_mortem import PostMortem, explain_peaks, periods_of
from ..core.tariff import Metered
from ..plan_inputs import InputsOf
from .base import ActionDescription, Answer, Arguments, failed, wrong

CONF_CHARGE: Final = "charge"
CONF_PERIOD: Final = "period"
_KW_DIGITS: Final = 3
_COLUMNS: Final = (Column.IMPORT_W, Column.EXPORT_W)


async def _async_explain(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> Answer:
    """Explain what is billed for power."""
    runtime = site.runtime_data
    spec, _ = InputsOf(site).batteries()
    try:
        metered = await hass.async_add_executor_job(_metered, runtime.ledger.reader)
        if metered is None:
            raise failed("ledger_empty", site=site.title)
        known = await hass.async_add_executor_job(periods_of, runtime.tariff, metered)
        charge, period = _chosen(site, known, arguments)
        stories = await hass.async_add_executor_job(
            partial(
                explain_peaks,
                runtime.tariff,
                metered,
                runtime.ledger.reader.quarters,
                battery=spec if spec.capacity_wh > 0.0 else None,
                charge=charge,
                period=period,
            )
        )
    except LedgerError as err:
        raise failed("ledger_unreadable", problem=str(err)) from err
    names = {each.subentry_id: each.title for each in site.subentries.values()}
    return {
        "currency": runtime.tariff.currency,
        "peaks": [_told(story, names) for story in stories],
    }


def _metered(reader: LedgerReader) -> Metered | None:
    """Return all windows that the ledger has; None for none."""
    if (span := reader.span()) is None:
        return None
    history = reader.history(_COLUMNS, *span)
    import_wh, export_wh = (history.columns[each] / 4.0 for each in _COLUMNS)
    return Metered.of(history.starts.astype(np.int64), import_wh, export_wh)


def _chosen(
    site: ComputeLoadConfigEntry, known: dict[str, tuple[str, ...]], arguments: Arguments
) -> tuple[str | None, str | None]:
    """Return the charge and period that are asked for; raises what names a wrong one."""
    charge: str | None = arguments.get(CONF_CHARGE)
    period: str | None = arguments.get(CONF_PERIOD)
    if not known:
        raise failed("no_demand_charge", site=site.title)
    if charge is not None and charge not in known:
        raise wrong("charge_unknown", CONF_CHARGE, charge, known=", ".join(known))
    labels = sorted({p for name, each in known.items() if charge in (None, name) for p in each})
    if period is not None and period not in labels:
        raise wrong("period_unknown", CONF_PERIOD, period, known=", ".join(labels[-12:]))
    return charge, period


def _told(story: PostMortem, names: dict[str, str]) -> Answer:
    rise_kw = sum(max(part.above_kw or 0.0, 0.0) for part in story.parts)
    parts: list[JsonValueType] = [
        {
            "name": None if part.asset_id is None else names.get(part.asset_id, part.asset_id),
            "power_kw": _rounded(part.power_kw),
            "usual_kw": _rounded(part.usual_kw),
            "above_usual_kw": _rounded(part.above_kw),
            "share_of_load_percent": _percent(part.power_kw / story.load_kw)
            if story.load_kw
            else None,
            "share_of_rise_percent": _percent(max(part.above_kw, 0.0) / rise_kw)
            if part.above_kw is not None and rise_kw > 0.0
            else None,
            "could_have_avoided_it": part.enough,
        }
        for part in story.parts
    ]
    return {
        "charge": story.charge,
        "time_class": story.slot,
        "period": story.period,
        "start": _moment(story.start),
        "end": _moment(story.end),
        "import_kw": _rounded(story.mean_kw),
        "billed": _rounded(story.billed),
        "cost": round(story.cost, 2),
        "load_kw": _rounded(story.load_kw),
        "parts": parts,
        "pv_kw": _rounded(story.pv_kw),
        "usual_pv_kw": _rounded(story.usual_pv_kw),
        "battery": {
            "cause": story.battery.value,
            "power_kw": _rounded(story.battery_kw),
            "planned_kw": _rounded(story.planned_battery_kw),
            "reason": None if story.reason is None else story.reason.value,
            "target_kw": _rounded(story.target_kw),
            "charge_before_percent": _percent(story.soc_before),
            "charge_after_percent": _percent(story.soc_after),
        },
        "avoided_by": {
            "down_to_kw": _rounded(story.level_kw),
            "more_kw": _rounded(story.more_kw),
            "more_kwh": _rounded(story.more_kwh),
            "windows": story.windows,
            "saves": round(story.avoidable, 2),
        },
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _KW_DIGITS)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100.0 * share, 1)


EXPLAIN_ACTIONS: Final = (
    ActionDescription(
        name="explain_peak",
        schema={
            vol.Optional(CONF_CHARGE): cv.string,
            vol.Optional(CONF_PERIOD): cv.string,
        },
        handler=_async_explain,
        admin=False,
        supports_response=SupportsResponse.ONLY,
    ),
)
