"""How often a battery turns round within an hour for less than its losses and wear."""

from itertools import pairwise
from typing import Final

import numpy as np

from custom_components.computeload.core.backtest import Schedule
from custom_components.computeload.core.backtest_data import Measured, TestSite
from custom_components.computeload.core.tariff import export_price, import_price

_STILL: Final = 0.02
_SOON: Final = 4
_KEEPS: Final = frozenset({"peak", "unavoidable", "limit", "connection_limit", "export_limit"})


def unpaid_reversals(series: Measured, site: TestSite, schedule: Schedule) -> list[int]:
    """Return the steps at which the battery turned round for nothing.

    A change of sign within an hour, not for a peak or a limit, at prices whose difference is
    less than what the way through the battery loses and wears.
    """
    battery = site.battery
    buy = import_price(site.tariff, series.starts, series.price)
    sell = np.maximum(export_price(site.tariff, series.starts, series.price), 0.0)
    price = np.where(schedule.grid_w > 0.0, buy, sell)
    moving = np.abs(schedule.battery_w) > _STILL * battery.discharge_w
    steps = np.flatnonzero(moving).tolist()
    result = []
    for before, after in pairwise(steps):
        turned = schedule.battery_w[before] * schedule.battery_w[after] < 0.0
        if not turned or after - before > _SOON:
            continue
        charged, given = sorted((before, after), key=lambda step: schedule.battery_w[step])
        through = battery.efficiency_charge * battery.efficiency_discharge
        gain = through * (price[given] - battery.wear_eur_per_kwh) - price[charged]
        kept = {schedule.reasons[before], schedule.reasons[after]} & _KEEPS
        if gain < 0.0 and not kept:
            result.append(after)
    return result
