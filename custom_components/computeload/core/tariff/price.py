"""Prices of a kWh, for each step of an array of window starts."""

import math
from typing import TYPE_CHECKING

import numpy as np

from .calendar import Calendar, Instants, LocalTime
from .spec import Adder, EnergyPrice, Tariff

if TYPE_CHECKING:
    from .metered import Floats


def import_price(
    tariff: Tariff,
    starts: Instants,
    day_ahead: Floats | None,
    *,
    full_load_hours: float | None = None,
) -> Floats:
    """Return what one more kWh costs in each step, per kWh, with taxes and VAT.

    ``starts``: seconds since 1970 (UTC), shape (n,). ``day_ahead``: the market's price per
    kWh in each step, same shape; NaN stays NaN, negative prices stay negative.
    ``full_load_hours`` chooses between two price sheets (see ``DemandBook``). Raises
    ValueError if the tariff follows the market and no prices are given.
    """
    net = _net_price(tariff.energy_import, tariff.calendar, starts, day_ahead)
    for charge in tariff.demand:
        net += charge.sheet(full_load_hours).per_kwh
    return net * tariff.vat_factor


def export_price(tariff: Tariff, starts: Instants, day_ahead: Floats | None) -> Floats:
    """Return what one exported kWh earns in each step; no VAT. As ``import_price``."""
    return _net_price(tariff.energy_export, tariff.calendar, starts, day_ahead)


def prices_at(
    tariff: Tariff, at_s: float, day_ahead: float | None
) -> tuple[float | None, float | None]:
    """Return what a kWh costs and earns at a moment; None where the market's price is missing."""
    starts = np.array([int(at_s)], dtype=np.int64)
    market = np.array([math.nan if day_ahead is None else day_ahead])
    buy, sell = import_price(tariff, starts, market), export_price(tariff, starts, market)
    known = (float(side[0]) if math.isfinite(side[0]) else None for side in (buy, sell))
    return next(known), next(known)


def adder_price(adder: Adder, calendar: Calendar, local: LocalTime) -> Floats:
    """Return the amount per kWh that an adder has at each time."""
    table = np.array([adder.per_kwh[each.name] for each in adder.classes] + [0.0])
    # No class is index -1, which is the 0 at the end.
    return table[calendar.classify(adder.classes, local)]


def market_price(side: EnergyPrice, starts: Instants, day_ahead: Floats | None) -> Floats:
    """Return the part of the price that follows the market; raises ValueError without one."""
    if side.day_ahead_factor == 0.0:
        return np.zeros(len(starts))
    if day_ahead is None or day_ahead.shape != starts.shape:
        raise ValueError("this tariff follows the day-ahead market: one price per step is needed")
    return side.day_ahead_factor * day_ahead


def _net_price(
    side: EnergyPrice, calendar: Calendar, starts: Instants, day_ahead: Floats | None
) -> Floats:
    price = market_price(side, starts, day_ahead)
    local = calendar.local(starts)
    for adder in (*side.adders, *side.taxes):
        price = price + adder_price(adder, calendar, local)
    return price
