"""The stories of billed peaks as they are told outside: to an action, to the dashboard."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.util.json import JsonValueType
import numpy as np

from .core.ledger_read import Column, LedgerReader
from .core.post_mortem import PostMortem
from .core.tariff import Metered

_KW_DIGITS: Final = 3
_COLUMNS: Final = (Column.IMPORT_W, Column.EXPORT_W)


def metered_windows(reader: LedgerReader) -> Metered | None:
    """Return all windows that the ledger has; None for none. Blocks; raises LedgerError."""
    if (span := reader.span()) is None:
        return None
    history = reader.history(_COLUMNS, *span)
    import_wh, export_wh = (history.columns[each] / 4.0 for each in _COLUMNS)
    return Metered.of(history.starts.astype(np.int64), import_wh, export_wh)


def asset_names(entry: ConfigEntry) -> dict[str, str]:
    """Return the names of a site's assets, by id."""
    return {each.subentry_id: each.title for each in entry.subentries.values()}


def told(story: PostMortem, names: Mapping[str, str]) -> dict[str, JsonValueType]:
    """Return a story; ``names`` are those of the assets, by id. Powers in kW, shares in %."""
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
