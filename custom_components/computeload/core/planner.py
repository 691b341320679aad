"""The planner: from a problem to a plan that has been checked and can be explained.

One linear programme per plan (see ``plan_lp``), kept between plans so that the next one
starts warm. Without HiGHS, or if it fails, simple rules plan instead. A plan that breaks
the battery's bounds or does not balance is never handed out.
"""

from collections import OrderedDict
from datetime import timedelta
import logging
import math
from typing import Final

import numpy as np

from .plan import (
    Floats,
    Plan,
    PlanError,
    PlanProblem,
    PlanReason,
    PlanSource,
    PlanStep,
    ShadowPrices,
)
from .plan_explain import reasons, shadow_prices, simple_reasons
from .plan_rules import battery_by_rules

try:
    from .plan_lp import DispatchLp, Shape, Solution
except ImportError:  # pragma: no cover - highspy is a requirement, but may lack a wheel
    HAS_OPTIMISER = False
else:
    HAS_OPTIMISER = True

_LOGGER = logging.getLogger(__name__)
_KW: Final = 1000.0
_KEPT_SHAPES: Final = 8
_STILL_W: Final = 1.0
"""Less power than this is nothing."""
_TOLERANCE_W: Final = 1.0
_TOLERANCE_WH: Final = 1.0


class Planner:
    """Makes plans; not thread-safe: one planner per site, one plan at a time."""

    def __init__(self, *, optimise: bool = True) -> None:
        """Start without any programme. ``optimise=False`` plans by rules alone."""
        self._optimise = optimise and HAS_OPTIMISER
        self._programmes: OrderedDict[Shape, DispatchLp] = OrderedDict()
        self._failing = False

    def plan(self, problem: PlanProblem) -> Plan:
        """Return the plan for a problem; raises PlanError for one that contradicts itself."""
        if self._optimise:
            try:
                plan = _from_solution(problem, self._programme(problem).solve(problem))
                check(problem, plan)
            except PlanError as error:
                if not self._failing:
                    _LOGGER.warning("Planning by simple rules for now: %s", error)
                self._failing = True
            else:
                self._failing = False
                return plan
        plan = _from_rules(problem)
        check(problem, plan)
        return plan

    def _programme(self, problem: PlanProblem) -> DispatchLp:
        shape = Shape.of(problem)
        programme = self._programmes.pop(shape, None) or DispatchLp(problem)
        self._programmes[shape] = programme
        while len(self._programmes) > _KEPT_SHAPES:
            self._programmes.popitem(last=False)
        return programme


def check(problem: PlanProblem, plan: Plan) -> None:
    """Raise PlanError unless the plan is one for this problem that a site could follow.

    The state of charge stays within bounds and follows from the battery's power, the
    battery keeps its limits, the grid power balances.
    """
    battery, n = problem.battery, len(problem.step_s)
    if len(plan.steps) != n:
        raise PlanError("the plan has another number of steps than its problem")
    columns = [(s.battery_w, s.grid_w, s.soc, s.target_w) for s in plan.steps]
    power, grid, soc, target = np.array(columns).T
    load = [s.compute_cap_w for s in plan.steps]
    pv = [s.pv_limit_w for s in plan.steps]
    load_w = np.where([cap is None for cap in load], problem.load_w, np.array(load, np.float64))
    pv_w = np.where([cap is None for cap in pv], problem.pv_w, np.array(pv, np.float64))
    factors = np.where(power > 0.0, 1.0 / battery.efficiency_discharge, battery.efficiency_charge)
    start = min(max(problem.energy_wh, battery.least_wh), battery.most_wh)
    stored = start - np.cumsum(power * problem.hours * factors)
    slack = _TOLERANCE_WH * (1.0 + np.arange(n))
    over = np.maximum(power - battery.discharge_w, -battery.charge_w - power)
    outside = np.maximum(stored - battery.most_wh, battery.least_wh - stored)
    for wrong, what in (
        (~np.isfinite(power + grid + soc) | np.isnan(target), "a value is not finite"),
        (over > _TOLERANCE_W, "the battery cannot do what is planned"),
        (outside > slack, "the battery would hold more or less than it can"),
        (np.abs(stored - soc * battery.capacity_wh) > slack, "the energy does not follow"),
        (np.abs(load_w - pv_w - power - grid) > _TOLERANCE_W, "the powers do not balance"),
    ):
        if wrong.any():
            step = int(np.argmax(wrong))
            raise PlanError(f"step {step} at {plan.steps[step].start:%Y-%m-%d %H:%M}: {what}")


def _from_solution(problem: PlanProblem, solution: Solution) -> Plan:
    # Giving and taking at once only burns energy. With negative prices that pays in the
    # programme, but no battery does it: the net power is what can be followed.
    battery_w, stored_wh = _followed(problem, (solution.discharge - solution.charge) * _KW)
    moved_w = (solution.caught_up - solution.put_off) * _KW
    curtailed_w = solution.curtailed * _KW
    return _plan(
        problem,
        source=PlanSource.OPTIMISER,
        battery_w=battery_w,
        stored_wh=stored_wh,
        pv_limit_w=np.where(curtailed_w > _STILL_W, problem.pv_w - curtailed_w, np.nan),
        compute_cap_w=np.where(np.abs(moved_w) > _STILL_W, problem.load_w + moved_w, np.nan),
        reasons=reasons(problem, solution, battery_w),
        cost_eur=solution.objective,
        shadow=shadow_prices(solution),
    )


def _from_rules(problem: PlanProblem) -> Plan:
    battery_w, stored_wh = _followed(problem, battery_by_rules(problem))
    nothing = np.full(len(battery_w), np.nan)
    grid_w = problem.load_w - problem.pv_w - battery_w
    return _plan(
        problem,
        source=PlanSource.RULES,
        battery_w=battery_w,
        stored_wh=stored_wh,
        pv_limit_w=nothing,
        compute_cap_w=nothing,
        reasons=simple_reasons(problem, battery_w),
        cost_eur=cost_eur(problem, grid_w, battery_w, float(stored_wh[-1])),
        shadow=None,
    )


def cost_eur(problem: PlanProblem, grid_w: Floats, battery_w: Floats, left_wh: float) -> float:
    """Return what a schedule costs: energy, wear and peaks, less the value of what is left."""
    imported = np.maximum(grid_w, 0.0) / _KW * problem.hours
    exported = np.maximum(-grid_w, 0.0) / _KW * problem.hours
    cost = float(imported @ problem.buying_price - exported @ problem.selling_price)
    given = np.maximum(battery_w, 0.0) / _KW * problem.hours
    cost += float(given.sum()) * problem.battery.wear_eur_per_kwh
    for peak in problem.peaks:
        above = np.maximum((peak.weights * grid_w).max() - peak.levels_w, 0.0)
        widths = np.append(np.diff(peak.levels_w), np.inf)
        cost += float(np.minimum(above, widths) @ peak.rates_eur_per_kw) / _KW
    return cost - problem.stored_value * left_wh / _KW


def _followed(problem: PlanProblem, battery_w: Floats) -> tuple[Floats, Floats]:
    """Return the power that the battery can really follow, and what is stored after it."""
    battery = problem.battery
    stored = min(max(problem.energy_wh, battery.least_wh), battery.most_wh)
    powers, energies = [], []
    for power, hours in zip(battery_w.tolist(), problem.hours.tolist(), strict=True):
        real = battery.within(power, stored, hours)
        stored = battery.stored_after(stored, real, hours)
        powers.append(real)
        energies.append(stored)
    return np.array(powers), np.array(energies)


def _plan(
    problem: PlanProblem,
    *,
    source: PlanSource,
    battery_w: Floats,
    stored_wh: Floats,
    pv_limit_w: Floats,
    compute_cap_w: Floats,
    reasons: list[PlanReason],
    cost_eur: float,
    shadow: ShadowPrices | None,
) -> Plan:
    load_w = np.where(np.isnan(compute_cap_w), problem.load_w, compute_cap_w)
    pv_w = np.where(np.isnan(pv_limit_w), problem.pv_w, pv_limit_w)
    grid_w = load_w - pv_w - battery_w
    ceiling_w = problem.charge_ceiling_w
    columns = zip(
        problem.offsets_s.tolist(),
        problem.step_s.tolist(),
        battery_w.tolist(),
        pv_limit_w.tolist(),
        compute_cap_w.tolist(),
        grid_w.tolist(),
        (stored_wh / max(problem.battery.capacity_wh, 1e-9)).tolist(),
        _targets_w(problem, grid_w).tolist(),
        (np.full(len(grid_w), np.inf) if ceiling_w is None else ceiling_w).tolist(),
        reasons,
        strict=True,
    )
    steps = tuple(
        PlanStep(
            start=problem.start + timedelta(seconds=offset),
            end=problem.start + timedelta(seconds=offset + length),
            battery_w=power,
            pv_limit_w=None if math.isnan(pv_limit) else pv_limit,
            compute_cap_w=None if math.isnan(cap) else cap,
            grid_w=grid,
            soc=soc,
            target_w=target,
            charge_ceiling_w=ceiling,
            reason=reason,
        )
        for offset, length, power, pv_limit, cap, grid, soc, target, ceiling, reason in columns
    )
    return Plan(made_at=problem.start, source=source, steps=steps, cost_eur=cost_eur, shadow=shadow)


def _targets_w(problem: PlanProblem, grid_w: Floats) -> Floats:
    """Return, for each step, the mean that no peak of the plan is raised by.

    That is the plan's own highest mean of each peak, or what is already paid for it.
    """
    targets = np.full(len(grid_w), np.inf)
    for peak in problem.peaks:
        counts = peak.weights > 0.0
        if counts.any():
            highest = max(float((peak.weights * grid_w)[counts].max()), peak.free_w)
            targets[counts] = np.minimum(targets[counts], highest / peak.weights[counts])
    if problem.import_limit_w is not None:
        targets = np.minimum(targets, problem.import_limit_w)
    return targets
