"""Metered windows for tariff tests, written as people say them."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from custom_components.computeload.core.tariff import Metered, Tariff, bill
from custom_components.computeload.core.tariff.bill import ItemKind
from custom_components.computeload.core.tariff.metered import Floats

if TYPE_CHECKING:
    from custom_components.computeload.core.tariff.calendar import Instants

BERLIN = "Europe/Berlin"


def instants(first: str, last: str, *, zone: str = BERLIN, step_s: int = 900) -> Instants:
    """Return every window start from a local time up to, but not including, another."""
    start, end = (_utc(text, zone) for text in (first, last))
    return np.arange(start, end, step_s, dtype=np.int64)


def metered(
    first: str,
    last: str,
    base_kw: float = 0.0,
    peaks: Mapping[str, float] | None = None,
    *,
    zone: str = BERLIN,
    step_s: int = 900,
) -> Metered:
    """Return a load that is flat but for some windows, named by their local start."""
    starts = instants(first, last, zone=zone, step_s=step_s)
    load_kw = np.full(len(starts), base_kw)
    for when, power_kw in (peaks or {}).items():
        load_kw[np.searchsorted(starts, _utc(when, zone))] = power_kw
    return Metered.of(starts, load_kw * step_s / 3.6, step_s=step_s)


def demand_items(tariff: Tariff, windows: Metered) -> dict[tuple[str, str], tuple[float, float]]:
    """Return (quantity, amount with VAT) of each demand item by name and period."""
    items = bill(tariff, windows, day_ahead=np.zeros(len(windows))).items
    return {
        (item.name, item.period): (item.quantity, item.cents / 100.0)
        for item in items
        if item.kind is ItemKind.DEMAND
    }


def zeros(windows: Metered) -> Floats:
    """Return a market that gives electricity away."""
    return np.zeros(len(windows))


def at(text: str, zone: str = BERLIN) -> datetime:
    """Return a local time as an aware moment."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def later(text: str, hours: float, zone: str = BERLIN) -> Instants:
    """Return the quarters of some hours from a local time on."""
    start = _utc(text, zone)
    return np.arange(start, start + round(hours * 3600), 900, dtype=np.int64)


def _utc(text: str, zone: str) -> int:
    return round(at(text, zone).timestamp())
