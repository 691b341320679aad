"""The control law: what every battery and PV inverter should do now.

``decide`` is pure and total. For any input, values that are not finite or not known
included, it answers with safe commands and a reason. It is the only place where
setpoints are made: live control, shadow mode, backtest and simulation all call it.

Precedence, hard to soft: device protection, operator limit and connection capacity,
backup reserve, target peak, price and self-consumption.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
import math
from typing import Final

from .dispatch import battery_commands, pv_commands
from .model import Command, Reason
from .numbers import known, not_negative
from .plan import Plan, PlanStep
from .share import share
from .site import (
    BatteryState,
    ControlState,
    Decision,
    GridState,
    Limits,
    Memory,
    SiteState,
    Strategy,
)

TARGET_MARGIN: Final = 0.005
"""Aim this much below the target: meter and counter never agree to the last watt-hour."""
RECHARGE_CEILING: Final = 0.92
"""Recharging stays this far below the target, so that a small step of load needs no battery."""
LAST_SECONDS_S: Final = 15.0
"""Nearer than this to a window's end its budget is energy to be split, not power to be chased."""
RAMP_DOWN_S: Final = 10.0
"""How long a discharge takes to wind down once the meter is not to be trusted."""
SOC_GUARD: Final = 0.002
"""Stop this far from a bound: readings are coarse and batteries react late."""
SOC_SLACK: Final = 0.01
"""A state of charge this far beyond empty or full is rounding; further is a fault."""
TAPER_S: Final = 60.0
"""Never ask for more than the energy left would last for this long."""
ARRIVED: Final = 0.01
"""A battery this near to its command, as a share of its power, has followed it."""
KEEPING: Final = frozenset({ControlState.SHAVING, ControlState.LIMITING})
"""The states in which a limit or the target is being kept."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """Battery power for the whole site, and what it is for."""

    power_w: float
    state: ControlState
    reason: Reason
    hard_w: float = 0.0
    """The part of it that a hard limit asks for: for that the reserve may be used."""
    hard_reason: Reason = Reason.CONNECTION_LIMIT


def decide(state: SiteState, limits: Limits, memory: Memory, plan: Plan | None = None) -> Decision:
    """Return what every controllable asset should do now; never raises.

    Strategies that follow a plan do so while it reaches; without one they shave peaks.
    """
    step = plan.step(state.now) if plan is not None and limits.strategy.follows_plan else None
    if step is not None:
        limits = _planned(limits, step)
    batteries = tuple(b for b in state.batteries if _controllable(b))
    if not state.grid_present:
        return _release_all(state, memory, ControlState.ISLANDED, Reason.ISLANDED)
    grid = _believable(state.grid, limits)
    if grid is None or grid.age_s > limits.stale_s:
        return _without_meter(grid, state, batteries, limits, memory)

    natural_w = _natural_w(grid.power_w, batteries, memory)
    target_w, already_billed = _target_w(state, limits)
    # A plan's target is where a peak begins to cost, not a cliff to keep away from.
    allowed_w = _allowed_w(state, target_w * (1.0 - (TARGET_MARGIN if step is None else 0.0)))
    import_w = _hard_import_w(grid, limits)

    wish = _wish(
        natural_w, allowed_w, import_w, target_w, limits, already_billed=already_billed, step=step
    )
    wish = _within_export(wish, natural_w, limits, step)
    shared_w, given_w = _shared(wish.power_w, batteries, limits, _floor(limits, hard=False))
    if wish.hard_w > max(given_w, 0.0):
        wish = replace(wish, state=ControlState.LIMITING, reason=wish.hard_reason)
        shared_w, given_w = _shared(wish.hard_w, batteries, limits, _floor(limits, hard=True))
    at_risk = natural_w > allowed_w
    unavoidable = at_risk and _unavoidable(natural_w, allowed_w, batteries, state, limits)
    wish = _explained(wish, given_w, batteries, limits)
    missing_w = max(wish.power_w - given_w, 0.0) if wish.state in KEEPING else 0.0
    reason = Reason.UNAVOIDABLE if unavoidable and missing_w > 0.0 else wish.reason

    sent, commands = battery_commands(shared_w, wish.state, reason, state, memory)
    sent_pv, curtailing = pv_commands(natural_w - given_w, state, limits, memory)
    window = state.window
    return Decision(
        state=wish.state,
        reason=reason,
        setpoints=_all_setpoints(state, shared_w),
        commands=commands + curtailing,
        memory=Memory(natural_w=natural_w, sent=sent, sent_pv=sent_pv),
        natural_w=natural_w,
        target_w=target_w,
        projected_mean_w=window.projected_mean_w(state.now, grid.power_w) if window else None,
        allowed_w=allowed_w,
        headroom_w=min(allowed_w, import_w) - grid.power_w,
        shortfall_w=missing_w,
        peak_at_risk=at_risk,
        peak_unavoidable=unavoidable,
    )


def _controllable(battery: BatteryState) -> bool:
    """Tell whether a battery may be commanded at all: what it says must make sense."""
    return (
        battery.usable
        and known(battery.power_w)
        and known(battery.soc)
        and -SOC_SLACK <= battery.soc <= 1.0 + SOC_SLACK
        and math.isfinite(battery.capacity_wh)
        and battery.capacity_wh > 0.0
    )


def _believable(grid: GridState | None, limits: Limits) -> GridState | None:
    """Return the meter's answer unless it cannot be true.

    Ten times the connection would have tripped it long ago, so such a value is an error
    of unit or a broken reading.
    """
    if grid is None or not math.isfinite(grid.power_w) or not grid.age_s >= 0.0:
        return None
    if abs(grid.power_w) > 10.0 * max(limits.connection_w, 1000.0):
        return None
    if grid.phase_w is not None and not all(math.isfinite(p) for p in grid.phase_w):
        return replace(grid, phase_w=None)
    return grid


def _natural_w(grid_w: float, batteries: tuple[BatteryState, ...], memory: Memory) -> float:
    """Estimate what the site would draw with these batteries at rest.

    One that cannot be commanded is not among them: whatever it does, it does as a part of
    the load, and the meter knows more of it than its last reading.

    Meter and batteries are read at different moments, and a battery takes its time to
    follow. While a command is still taking effect the battery's power is only known to
    lie between its last reading and the command, and with it the load to lie in a range.
    The value in that range that changes least from the last estimate is taken: otherwise
    the loop would chase its own commands.
    """
    low_w = high_w = grid_w
    for battery in batteries:
        power_w = battery.power_w or 0.0
        sent = memory.sent.get(battery.asset_id)
        goal_w = power_w
        if (
            sent is not None
            and sent.power_w is not None
            and battery.reading_s < sent.changed_s + battery.settle_s
            and abs(sent.power_w - power_w) > ARRIVED * not_negative(battery.discharge_limit_w)
        ):
            goal_w = sent.power_w
        low_w += min(power_w, goal_w)
        high_w += max(power_w, goal_w)
    if memory.natural_w is None or not math.isfinite(memory.natural_w):
        return min(max(grid_w, low_w), high_w) if low_w != high_w else low_w
    return min(max(memory.natural_w, low_w), high_w)


def _target_w(state: SiteState, limits: Limits) -> tuple[float, bool]:
    """Return the mean to keep, and whether it is a peak that is billed already."""
    target_w = not_negative(limits.target_w, limits.connection_w)
    billed_w = not_negative(state.billed_peak_w, 0.0)
    if billed_w > target_w:
        return billed_w, True
    return target_w, False


def _allowed_w(state: SiteState, aim_w: float) -> float:
    """Return the mean import that the rest of the running window may have.

    Time of the window in which the meter was not heard counts as drawn at the aim.
    """
    window = state.window
    if window is None:
        return aim_w
    left_s = window.left_s(state.now)
    budget_wh = window.remaining_wh(state.now, aim_w)
    if not math.isfinite(budget_wh):
        return aim_w
    if left_s < LAST_SECONDS_S and budget_wh < 0.0:
        # What is overdrawn cannot be won back in a second; the next window starts clean.
        return aim_w
    # What was saved or overdrawn so far is spread over the rest, but never over so short a
    # time that a watt-hour becomes a jump of power.
    ahead_wh = budget_wh - aim_w * left_s / 3600.0
    return aim_w + ahead_wh * 3600.0 / max(left_s, LAST_SECONDS_S)


def _hard_import_w(grid: GridState, limits: Limits) -> float:
    """Return the most that may be imported at any instant, as power of the whole site."""
    import_w = not_negative(limits.connection_w, 0.0)
    if limits.operator_w is not None:
        import_w = min(import_w, not_negative(limits.operator_w, 0.0))
    if limits.phase_w is not None and math.isfinite(limits.phase_w) and grid.phase_w is not None:
        # Three-phase batteries act on all phases alike, so the fullest phase decides.
        over_w = max(grid.phase_w) - max(limits.phase_w, 0.0)
        import_w = min(import_w, grid.power_w - 3.0 * over_w)
    return import_w


def _wish(
    natural_w: float,
    allowed_w: float,
    import_w: float,
    target_w: float,
    limits: Limits,
    *,
    already_billed: bool,
    step: PlanStep | None,
) -> _Wish:
    """Return what the batteries should do together, before anyone asks whether they can."""
    hard_w = natural_w - import_w
    peak_w = min(natural_w - allowed_w, max(natural_w, 0.0))
    hard_reason = Reason.CONNECTION_LIMIT
    if limits.operator_w is not None and limits.operator_w < limits.connection_w:
        hard_reason = Reason.OPERATOR_LIMIT
    if hard_w > 0.0 and hard_w >= peak_w:
        return _Wish(hard_w, ControlState.LIMITING, hard_reason, hard_w, hard_reason)
    if peak_w > 0.0 and not (step is not None and step.battery_w > peak_w):
        return _Wish(peak_w, ControlState.SHAVING, Reason.PEAK, hard_w, hard_reason)
    if step is not None:
        return _planned_wish(natural_w, min(allowed_w, import_w), step)
    ceiling_w = min(allowed_w, import_w, RECHARGE_CEILING * target_w)
    return _own_wish(natural_w, ceiling_w, limits, already_billed=already_billed)


def _own_wish(natural_w: float, ceiling_w: float, limits: Limits, *, already_billed: bool) -> _Wish:
    """Return what to do without a plan while no limit is near: be ready for the next peak."""
    surplus_w = max(-natural_w, 0.0)
    if limits.strategy is Strategy.SELF_CONSUMPTION:
        if surplus_w > 0.0:
            return _Wish(-surplus_w, ControlState.CHARGING, Reason.SURPLUS)
        return _Wish(natural_w, ControlState.DISCHARGING, Reason.SELF_CONSUMPTION)
    if natural_w < ceiling_w:
        reason = Reason.SURPLUS if surplus_w > 0.0 else Reason.RECHARGE
        return _Wish(natural_w - ceiling_w, ControlState.CHARGING, reason)
    idle = Reason.ALREADY_BILLED if already_billed and natural_w > limits.target_w else Reason.IDLE
    return _Wish(0.0, ControlState.IDLE, idle)


def _planned(limits: Limits, step: PlanStep) -> Limits:
    """Return the limits as the plan has them: its target, and no feed-in where it says so."""
    export_w = limits.export_w
    if step.pv_limit_w is not None:
        planned_w = max(-step.grid_w, 0.0)
        export_w = planned_w if export_w is None else min(export_w, planned_w)
    return replace(limits, target_w=step.target_w, export_w=export_w)


def _planned_wish(natural_w: float, most_w: float, step: PlanStep) -> _Wish:
    """Return the plan's power, less where the load left other room than was planned."""
    if step.battery_w > 0.0:
        return _Wish(step.battery_w, ControlState.DISCHARGING, Reason.PLAN)
    room_w = max(min(most_w, step.charge_ceiling_w) - natural_w, 0.0)
    charge_w = min(-step.battery_w, room_w)
    if charge_w > 0.0:
        return _Wish(-charge_w, ControlState.CHARGING, Reason.PLAN)
    return _Wish(0.0, ControlState.IDLE, Reason.PLAN)


def _within_export(wish: _Wish, natural_w: float, limits: Limits, step: PlanStep | None) -> _Wish:
    """Keep a discharge from being fed in unless that is planned; charge what must not be."""
    planned_w = max(-step.grid_w, 0.0) if step is not None else 0.0
    most_w = max(natural_w + planned_w, 0.0)
    if limits.export_w is not None:
        must_w = natural_w + not_negative(limits.export_w, 0.0)
        if must_w < 0.0 and wish.power_w > must_w:
            return _Wish(must_w, ControlState.LIMITING, Reason.EXPORT_LIMIT)
    return replace(wish, power_w=min(wish.power_w, most_w))


def _floor(limits: Limits, *, hard: bool) -> float:
    """Return the state of charge that this purpose may not go below."""
    floor = not_negative(limits.soc_min, 0.0)
    return floor if hard else max(floor, not_negative(limits.reserve, 0.0))


def _shared(
    power_w: float, batteries: tuple[BatteryState, ...], limits: Limits, floor: float
) -> tuple[dict[str, float], float]:
    """Split a power among the batteries; return their setpoints and the sum."""
    ceiling = min(not_negative(limits.soc_max, 1.0), 1.0)
    energies: list[float] = []
    caps: list[float] = []
    for battery in batteries:
        soc = battery.soc or 0.0
        if power_w > 0.0:
            energy_wh = (soc - floor - SOC_GUARD) * battery.capacity_wh
            cap_w = not_negative(battery.discharge_limit_w)
        else:
            energy_wh = (ceiling - SOC_GUARD - soc) * battery.capacity_wh
            cap_w = not_negative(battery.charge_limit_w)
        energy_wh = max(energy_wh, 0.0)
        energies.append(energy_wh)
        caps.append(min(cap_w, energy_wh * 3600.0 / TAPER_S))
    sign = 1.0 if power_w > 0.0 else -1.0
    parts = share(abs(power_w), energies, caps)
    setpoints = {
        b.asset_id: sign * _stepped(part, b.resolution_w)
        for b, part in zip(batteries, parts, strict=True)
    }
    return setpoints, sum(setpoints.values())


def _stepped(power_w: float, resolution_w: float) -> float:
    """Round down to what the device can express: a limit is never exceeded by rounding."""
    if not resolution_w > 0.0:
        return power_w
    return math.floor(power_w / resolution_w) * resolution_w


def _unavoidable(
    natural_w: float,
    allowed_w: float,
    batteries: tuple[BatteryState, ...],
    state: SiteState,
    limits: Limits,
) -> bool:
    """Tell whether this window ends above the target whatever the batteries do."""
    need_w = natural_w - allowed_w
    power_w = sum(not_negative(b.discharge_limit_w, 0.0) for b in batteries)
    floor = _floor(limits, hard=False)
    energy_wh = sum(max((b.soc or 0.0) - floor, 0.0) * b.capacity_wh for b in batteries)
    left_s = state.window.left_s(state.now) if state.window else 0.0
    return power_w < need_w or energy_wh < need_w * left_s / 3600.0


def _explained(
    wish: _Wish, given_w: float, batteries: tuple[BatteryState, ...], limits: Limits
) -> _Wish:
    """Say why a wish was not granted, where it was not."""
    if given_w != 0.0 or wish.power_w == 0.0:
        return wish
    if wish.state not in KEEPING:
        reason = Reason.IDLE if batteries else Reason.NO_BATTERY
        return replace(wish, state=ControlState.IDLE, reason=reason)
    if not batteries:
        return replace(wish, reason=Reason.NO_BATTERY)
    if wish.power_w < 0.0:
        return wish
    held = any((b.soc or 0.0) > _floor(limits, hard=True) + SOC_GUARD for b in batteries)
    reserved = held and wish.state is ControlState.SHAVING
    return replace(wish, reason=Reason.RESERVE if reserved else Reason.EMPTY)


def _all_setpoints(state: SiteState, shared_w: Mapping[str, float]) -> dict[str, float | None]:
    return {b.asset_id: shared_w.get(b.asset_id) for b in state.batteries}


def _without_meter(
    grid: GridState | None,
    state: SiteState,
    batteries: tuple[BatteryState, ...],
    limits: Limits,
    memory: Memory,
) -> Decision:
    """Wind down while the meter is silent or not believable, then release.

    Charging stops at once, since it may be what overloads the connection. Discharging
    winds down, since the load that it carried is probably still there. ``grid`` is the
    last answer that was believed; without any there is nothing to wind down from.
    """
    age_s = grid.age_s if grid is not None else math.inf
    if age_s > limits.release_s:
        return _release_all(state, memory, ControlState.SAFE, Reason.METER_STALE)
    left = 1.0 - (age_s - limits.stale_s) / RAMP_DOWN_S
    setpoints: dict[str, float] = {}
    for battery in batteries:
        last = memory.sent.get(battery.asset_id)
        if last is None or last.power_w is None:
            continue
        discharge_w = max(last.power_w, 0.0)
        # ``last`` shrinks with every step, so the line is followed, not compounded.
        line_w = not_negative(battery.discharge_limit_w, 0.0) * max(left, 0.0)
        safe_w = min(discharge_w, line_w)
        setpoints[battery.asset_id] = _stepped(safe_w, battery.resolution_w)
    sent, commands = battery_commands(
        setpoints, ControlState.SAFE, Reason.METER_STALE, state, memory
    )
    return Decision(
        state=ControlState.SAFE,
        reason=Reason.METER_STALE,
        setpoints=_all_setpoints(state, setpoints),
        commands=commands,
        memory=replace(memory, sent=sent),
    )


def _release_all(
    state: SiteState, memory: Memory, control: ControlState, reason: Reason
) -> Decision:
    """Give every asset that was ever taken back to its own control."""
    commands = [
        Command(asset_id=asset_id, power_w=None, reason=reason)
        for sent in (memory.sent, memory.sent_pv)
        for asset_id, last in sent.items()
        if last.power_w is not None
    ]
    return Decision(
        state=control,
        reason=reason,
        setpoints={b.asset_id: None for b in state.batteries},
        commands=tuple(commands),
        memory=Memory(),
    )
