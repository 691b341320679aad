"""What has to be written now: setpoints against what was written last.

A device is told something only when that differs enough from what it was told, or when
its command would lapse. What keeps a limit is never delayed; everything else may wait.
"""

from collections.abc import Mapping
from typing import Final

from .model import Command, Reason
from .numbers import known, not_negative
from .site import BatteryState, ControlState, Limits, Memory, PvState, Sent, SiteState

URGENT_DEADBAND: Final = 0.005
"""Share of a battery's power; a limit is kept this closely."""
CALM_DEADBAND: Final = 0.02
CALM_INTERVAL_S: Final = 2.0
"""Charging and stepping back follow the load's noise no faster and no closer than this."""
PV_DEADBAND: Final = 0.01
PV_LIFT_MARGIN: Final = 1.05
"""A curtailment is lifted once there is this much room, or it would flap."""
URGENT_STATES: Final = frozenset({ControlState.SHAVING, ControlState.LIMITING, ControlState.SAFE})


def battery_commands(
    setpoints: Mapping[str, float],
    control: ControlState,
    reason: Reason,
    state: SiteState,
    memory: Memory,
) -> tuple[dict[str, Sent], tuple[Command, ...]]:
    """Return what is now known to be sent to each battery, and what of it must be written."""
    now_s = state.monotonic_s
    sent: dict[str, Sent] = {}
    commands: list[Command] = []
    for battery in state.batteries:
        last = memory.sent.get(battery.asset_id)
        goal_w = setpoints.get(battery.asset_id)
        if goal_w is None:
            if last is not None and last.power_w is not None:
                commands.append(
                    Command(asset_id=battery.asset_id, power_w=None, reason=Reason.RELEASED)
                )
            continue
        changes = _changes(goal_w, last, battery, now_s, urgent=control in URGENT_STATES)
        if changes or last is None or last.power_w is None:
            sent[battery.asset_id] = Sent(power_w=goal_w, at_s=now_s, changed_s=now_s)
            commands.append(Command(asset_id=battery.asset_id, power_w=goal_w, reason=reason))
        elif battery.heartbeat_s is not None and now_s - last.at_s >= battery.heartbeat_s:
            sent[battery.asset_id] = Sent(
                power_w=last.power_w, at_s=now_s, changed_s=last.changed_s
            )
            commands.append(Command(asset_id=battery.asset_id, power_w=last.power_w, reason=reason))
        else:
            sent[battery.asset_id] = last
    return sent, tuple(commands)


def _changes(
    goal_w: float, last: Sent | None, battery: BatteryState, now_s: float, *, urgent: bool
) -> bool:
    """Tell whether the goal is worth a write, given what the battery holds already."""
    if last is None or last.power_w is None:
        return True
    low_w = -not_negative(battery.charge_limit_w)
    high_w = not_negative(battery.discharge_limit_w)
    if not low_w <= last.power_w <= high_w:
        return True
    if goal_w == last.power_w:
        return False
    if now_s - last.changed_s < battery.min_interval_s:
        return False
    # Only a rising discharge (or falling charge) keeps a limit; the rest is tidying up.
    rising = urgent and goal_w > last.power_w
    span_w = max(high_w, -low_w)
    deadband_w = max((URGENT_DEADBAND if rising else CALM_DEADBAND) * span_w, battery.resolution_w)
    if goal_w == 0.0 or abs(goal_w - last.power_w) >= deadband_w:
        return rising or now_s - last.changed_s >= CALM_INTERVAL_S
    return False


def pv_commands(
    grid_w: float, state: SiteState, limits: Limits, memory: Memory
) -> tuple[dict[str, Sent], tuple[Command, ...]]:
    """Limit PV where feed-in would exceed its limit with the batteries at what they give.

    ``grid_w`` is the grid power to expect once the batteries follow their setpoints.
    """
    now_s = state.monotonic_s
    sent: dict[str, Sent] = {}
    commands: list[Command] = []
    inverters = [p for p in state.pv if p.usable and known(p.power_w)]
    total_w = sum(not_negative(p.power_w) for p in inverters)
    for inverter in inverters:
        last = memory.sent_pv.get(inverter.asset_id)
        if last is not None and last.power_w is None:
            last = None
        goal_w = _pv_goal_w(inverter, grid_w, total_w, limits, limited=last is not None)
        if goal_w is None:
            if last is not None:
                commands.append(
                    Command(asset_id=inverter.asset_id, power_w=None, reason=Reason.RELEASED)
                )
            continue
        if last is not None and last.power_w is not None:
            heartbeat_s = inverter.heartbeat_s
            beat = heartbeat_s is not None and now_s - last.at_s >= heartbeat_s
            if not beat and abs(goal_w - last.power_w) <= PV_DEADBAND * not_negative(
                inverter.rated_w
            ):
                sent[inverter.asset_id] = last
                continue
        sent[inverter.asset_id] = Sent(power_w=goal_w, at_s=now_s, changed_s=now_s)
        commands.append(
            Command(asset_id=inverter.asset_id, power_w=goal_w, reason=Reason.EXPORT_LIMIT)
        )
    return sent, tuple(commands)


def _pv_goal_w(
    inverter: PvState, grid_w: float, total_w: float, limits: Limits, *, limited: bool
) -> float | None:
    """Return this inverter's share of what may be produced; None: no limit is needed."""
    if limits.export_w is None or total_w <= 0.0:
        return None
    room_w = total_w + grid_w + not_negative(limits.export_w)
    if room_w >= total_w * (PV_LIFT_MARGIN if limited else 1.0):
        return None
    part = not_negative(inverter.power_w) / total_w
    return min(max(room_w * part, 0.0), not_negative(inverter.rated_w))
