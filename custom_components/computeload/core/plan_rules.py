"""A plan by simple rules, for when the optimiser is missing or has failed.

PV surplus is stored; peaks above what is already paid are shaved as far as the energy
goes; in the cheapest hours the battery is charged, in the dearest discharged, if the
difference pays for losses and wear. Not the best plan, but a safe one.
"""

from typing import Final

import numpy as np

from .plan import Floats, PlanProblem

_DEAR: Final = 0.7
_CHEAP: Final = 0.3
"""Quantiles of the price between which the battery rests."""


def battery_by_rules(problem: PlanProblem) -> Floats:
    """Return battery power per step in W, shape (n,), discharge +, within all its bounds."""
    battery = problem.battery
    net_w = problem.load_w - problem.pv_w
    keep_w = _levels_w(problem)
    price = problem.buying_price
    cheap, dear = np.quantile(price, (_CHEAP, _DEAR))
    loss = battery.efficiency_charge * battery.efficiency_discharge
    pays = cheap / loss + battery.wear_eur_per_kwh < dear
    stored = min(max(problem.energy_wh, battery.least_wh), battery.most_wh)
    reserve = min(max(problem.reserve_wh, battery.least_wh), battery.most_wh)
    ceiling_w = problem.charge_ceiling_w
    result = np.zeros_like(net_w)
    for step, hours in enumerate(problem.hours):
        net = float(net_w[step])
        wish = max(net - keep_w[step], 0.0)
        if wish == 0.0 and net < 0.0:
            wish = net
        elif wish == 0.0 and pays and price[step] >= dear:
            wish = max(net, 0.0)
        elif wish == 0.0 and pays and price[step] <= cheap:
            most_w = keep_w[step] if ceiling_w is None else min(keep_w[step], ceiling_w[step])
            wish = min(net - most_w, 0.0)
        power = battery.within(wish, stored, float(hours))
        if power > 0.0 and net <= keep_w[step]:
            above_wh = max(stored - reserve, 0.0)
            power = min(power, above_wh * battery.efficiency_discharge / float(hours))
        result[step] = power
        stored = battery.stored_after(stored, power, float(hours))
    return result


def _levels_w(problem: PlanProblem) -> Floats:
    """Return the grid power per step that nothing more is paid for, or that must be kept."""
    levels = np.full(len(problem.step_s), np.inf)
    if problem.import_limit_w is not None:
        levels[:] = problem.import_limit_w
    for peak in problem.peaks:
        with np.errstate(divide="ignore"):
            free = np.where(peak.weights > 0.0, peak.free_w / np.abs(peak.weights), np.inf)
        levels = np.minimum(levels, free)
    # With nothing paid yet, the battery cannot hold 0: the mean is what it can hold at best.
    mean = max(float(np.average(problem.load_w - problem.pv_w, weights=problem.step_s)), 0.0)
    return np.maximum(levels, mean) if problem.import_limit_w is None else levels
