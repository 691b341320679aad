"""A simulated site under the control law, without wires: as fast as it can be computed.

Readings come late and commands take their time as on a real site: the meter is read every
second, the cabinets half a second apart from it.
"""

from dataclasses import dataclass, field

from custom_components.computeload.core.control import decide
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.site import (
    BatteryState,
    Decision,
    GridState,
    Limits,
    Memory,
    SiteState,
)
from custom_components.computeload.core.window import PeakLog, Window, WindowTracker
from custom_components.computeload.simulator.cabinet import BatteryPhysics
from custom_components.computeload.simulator.physics import SitePhysics
from custom_components.computeload.simulator.spec import Scenario


@dataclass
class Outcome:
    """What a run led to."""

    site: SitePhysics
    windows: list[Window] = field(default_factory=list)
    """The controller's own account of the windows."""
    short_windows: set[object] = field(default_factory=set)
    """Starts of windows in which the batteries had too little to give at some moment."""
    writes: int = 0
    reasons: set[Reason] = field(default_factory=set)


def run(
    scenario: Scenario,
    *,
    hours: float,
    limits: Limits | None,
    seed: int = 1,
    every_s: float = 1.0,
) -> Outcome:
    """Run the site for some hours; without limits nobody controls it."""
    site = SitePhysics(scenario, seed)
    outcome = Outcome(site)
    tracker, peaks, memory = WindowTracker(), PeakLog(scenario.timezone), Memory()
    seen = {b: _battery_state(b, cabinet, 0.0) for b, cabinet in site.batteries.items()}
    for _ in range(int(hours * 3600.0 / every_s)):
        site.step(every_s)
        if limits is None:
            continue
        now_s = site.elapsed_s
        for window in tracker.update(site.now, now_s, site.grid_w, site.import_ws / 3600.0):
            peaks.add(window)
            outcome.windows.append(window)
        peak = peaks.peak(site.now)
        state = SiteState(
            now=site.now,
            monotonic_s=now_s,
            grid=GridState(power_w=site.grid_w, age_s=0.0),
            window=tracker.window,
            billed_peak_w=peak.mean_w if peak else 0.0,
            batteries=tuple(seen.values()),
        )
        decision = decide(state, limits, memory)
        memory = decision.memory
        _carry_out(decision, site, outcome, tracker.window)
        seen = {b: _battery_state(b, cabinet, now_s) for b, cabinet in site.batteries.items()}
    return outcome


def _carry_out(
    decision: Decision, site: SitePhysics, outcome: Outcome, window: Window | None
) -> None:
    outcome.reasons.add(decision.reason)
    if decision.peak_unavoidable and window is not None:
        outcome.short_windows.add(window.start)
    for command in decision.commands:
        outcome.writes += 1
        site.batteries[command.asset_id].command(
            command.power_w, site.elapsed_s, expires_s=site.elapsed_s + 60.0
        )


def _battery_state(asset_id: str, cabinet: BatteryPhysics, now_s: float) -> BatteryState:
    return BatteryState(
        asset_id=asset_id,
        power_w=cabinet.power_w,
        soc=cabinet.soc,
        reading_s=now_s,
        capacity_wh=cabinet.spec.capacity_wh,
        charge_limit_w=cabinet.charge_limit_w,
        discharge_limit_w=cabinet.discharge_limit_w,
        heartbeat_s=20.0,
        settle_s=cabinet.spec.delay_s + 4.0 * cabinet.spec.ramp_s + 1.0,
    )
