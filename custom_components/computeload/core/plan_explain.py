"""Why a plan is as it is: a reason for each step, and the prices of what is scarce."""

from typing import TYPE_CHECKING, Final

import numpy as np

from .plan import Floats, PlanProblem, PlanReason, ShadowPrices

if TYPE_CHECKING:
    from .plan_lp import Solution

_STILL_W: Final = 1.0
_FREE: Final = 1e-6
"""A shadow price below this is the solver's rounding."""
_SLACK_W: Final = 5.0


def reasons(problem: PlanProblem, solution: Solution, battery_w: Floats) -> list[PlanReason]:
    """Return one reason per step for an optimised plan.

    A discharge is for the peak where a peak has a price in that step, else because energy
    is dear. Holding is for later use where stored energy is worth more than it would save
    now; where it is not, the difference does not pay for losses and wear.
    """
    guarding = np.zeros(len(battery_w), dtype=np.bool_)
    for duals in solution.peak_duals:
        guarding |= duals > _FREE
    guesses = simple_reasons(problem, battery_w)
    worth = solution.energy_duals
    gain = problem.battery.efficiency_discharge * problem.buying_price
    gain = gain - problem.battery.efficiency_discharge * problem.battery.wear_eur_per_kwh
    energy_wh = np.concatenate(([problem.energy_wh], solution.energy[:-1] * 1000.0))
    result: list[PlanReason] = []
    for step, guess in enumerate(guesses):
        reason = guess
        if guess is PlanReason.DEAR and guarding[step]:
            reason = PlanReason.PEAK
        elif guess is PlanReason.WEAR and energy_wh[step] > problem.battery.least_wh + _SLACK_W:
            kept = energy_wh[step] <= problem.reserve_wh + _SLACK_W
            if problem.reserve_wh > 0.0 and kept:
                reason = PlanReason.RESERVE
            elif problem.guard_wh > 0.0 and energy_wh[step] <= problem.guard_wh + _SLACK_W:
                reason = PlanReason.GUARD
            elif worth[step] > gain[step] + _FREE:
                reason = PlanReason.KEEP
        result.append(reason)
    return result


def simple_reasons(problem: PlanProblem, battery_w: Floats) -> list[PlanReason]:
    """Return one reason per step from what the battery does alone."""
    net_w = problem.load_w - problem.pv_w
    result = []
    energy_wh = problem.energy_wh
    for power, net, hours in zip(
        battery_w.tolist(), net_w.tolist(), problem.hours.tolist(), strict=True
    ):
        if power > _STILL_W:
            limit = problem.import_limit_w
            over = limit is not None and net > limit - _SLACK_W
            result.append(PlanReason.LIMIT if over else PlanReason.DEAR)
        elif power < -_STILL_W:
            if energy_wh < problem.reserve_wh - _SLACK_W:
                result.append(PlanReason.RESERVE)
            elif energy_wh < problem.guard_wh - _SLACK_W:
                result.append(PlanReason.GUARD)
            else:
                surplus = net < -_STILL_W and power >= net - _STILL_W
                result.append(PlanReason.SURPLUS if surplus else PlanReason.CHEAP)
        else:
            result.append(PlanReason.WEAR)
        energy_wh = problem.battery.stored_after(energy_wh, power, hours)
    return result


def shadow_prices(solution: Solution) -> ShadowPrices:
    """Return what one more of each scarce thing would have saved.

    They hold for small changes around this plan, at its prices and its forecast.
    """
    return ShadowPrices(
        connection_eur_per_kw=solution.connection_price,
        energy_eur_per_kwh=float(solution.energy_duals[0]),
        capacity_eur_per_kwh=solution.capacity_price,
        power_eur_per_kw=solution.power_price,
        peak_eur_per_kw=float(sum(np.maximum(duals, 0.0).sum() for duals in solution.peak_duals)),
    )
