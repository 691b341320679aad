"""A simulated site under the control law, without wires: as fast as it can be computed.

Readings come late and commands take their time as on a real site: the meter is read every
second, the cabinets half a second apart from it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from custom_components.computeload.core.control import decide
from custom_components.computeload.core.deferral import Deferral, Waiting, decide_starts, give_w
from custom_components.computeload.core.learning import learn
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.plan import BatterySpec, Floats, Plan
from custom_components.computeload.core.planning import Connection, SitePlanning
from custom_components.computeload.core.site import (
    BatteryState,
    Decision,
    GridState,
    Limits,
    Memory,
    SiteState,
    Strategy,
)
from custom_components.computeload.core.so_far import SoFar
from custom_components.computeload.core.tariff import Tariff, already_paid_w
from custom_components.computeload.core.window import PeakLog, Window, WindowTracker
from custom_components.computeload.simulator.cabinet import BatteryPhysics
from custom_components.computeload.simulator.past import simulated_past
from custom_components.computeload.simulator.physics import SitePhysics
from custom_components.computeload.simulator.spec import DEVICES, Scenario

WITH_COOLING = 1.24
"""What cooling adds to a job's power in the lab."""


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


def keep_back(
    site: SitePhysics,
    limits: Limits,
    batteries: tuple[BatteryState, ...],
    memory: Deferral,
    longest_s: float,
) -> Deferral:
    """Keep waiting jobs from starting while there is no room for them, as the live site does."""
    jobs, now_s = site.loads.jobs, site.elapsed_s
    waiting = [
        Waiting(
            job_id=str(job.number),
            power_w=job.workload.node_w * len(job.nodes) * WITH_COOLING,
            starts_s=job.due_s,
        )
        for job in jobs.waiting
    ]
    room_w = limits.target_w + give_w(batteries, limits.reserve) - (site.load_w - site.pv_w)
    starts = decide_starts(waiting, room_w, now_s, longest_s, memory)
    for held, numbers in ((True, starts.hold), (False, starts.release)):
        for number in numbers:
            jobs.hold(int(number), held=held, elapsed_s=now_s)
    return starts.memory


def run(
    scenario: Scenario,
    *,
    hours: float,
    limits: Limits | None,
    seed: int = 1,
    every_s: float = 1.0,
    planned: Planned | None = None,
    longest_delay_s: float | None = None,
) -> Outcome:
    """Run the site for some hours; without limits nobody controls it.

    With ``longest_delay_s`` waiting jobs may be kept back for so long.
    """
    site = SitePhysics(scenario, seed)
    outcome = Outcome(site)
    tracker, peaks, memory = WindowTracker(), PeakLog(scenario.timezone), Memory()
    seen = {b: battery_state(b, cabinet, 0.0) for b, cabinet in site.batteries.items()}
    deferral = Deferral()
    for step in range(int(hours * 3600.0 / every_s)):
        site.step(every_s)
        if limits is None:
            continue
        now_s = site.elapsed_s
        if longest_delay_s is not None and step % max(round(60.0 / every_s), 1) == 0:
            deferral = keep_back(site, limits, tuple(seen.values()), deferral, longest_delay_s)
        for window in tracker.update(site.now, now_s, site.grid_w, site.import_ws / 3600.0):
            peaks.add(window)
            outcome.windows.append(window)
            if planned is not None:
                planned.close(site, outcome)
        peak = peaks.peak(site.now)
        if planned is not None:
            planned.renew(site)
        state = SiteState(
            now=site.now,
            monotonic_s=now_s,
            grid=GridState(power_w=site.grid_w, age_s=0.0),
            window=tracker.window,
            billed_peak_w=planned.paid_w if planned else peak.mean_w if peak else 0.0,
            batteries=tuple(seen.values()),
        )
        decision = decide(state, limits, memory, planned.plan if planned else None)
        memory = decision.memory
        _carry_out(decision, site, outcome, tracker.window)
        seen = {b: battery_state(b, cabinet, now_s) for b, cabinet in site.batteries.items()}
    return outcome


class Planned:
    """Plans a simulated site as the live one is planned: every five minutes, from its past."""

    def __init__(self, scenario: Scenario, tariff: Tariff, *, days: int = 28) -> None:
        """Learn so many days before the scenario's start, in which its peaks were shaved."""
        self.plan: Plan | None = None
        self.paid_w = 0.0
        self._scenario = scenario
        self._so_far = SoFar()
        self._renewed = datetime.min.replace(tzinfo=UTC)
        specs = scenario.batteries
        self._spec = BatterySpec(
            capacity_wh=sum(each.capacity_wh for each in specs),
            charge_w=sum(each.charge_w for each in specs),
            discharge_w=sum(each.discharge_w for each in specs),
            soc_min=0.05,
            wear_eur_per_kwh=0.02,
        )
        self._planning = SitePlanning(
            tariff=tariff,
            battery=self._spec,
            connection=Connection(reserve_wh=0.1 * self._spec.capacity_wh),
            strategy=Strategy.AUTOMATIC,
        )
        past = list(simulated_past(scenario, scenario.default_start(), days))
        plants = {wire.id for wire in scenario.wires if DEVICES[wire.device] == "pv"}
        pv = [sum(q.served_wh[each] for each in plants) for q in past]
        imported = np.array([q.import_wh for q in past])
        given = [sum(q.discharged_wh.values()) - sum(q.charged_wh.values()) for q in past]
        load = imported - [q.export_wh for q in past] + pv + given
        start_s = int(past[0].start.timestamp())
        learn(self._planning, start_s, 4.0 * load, 4.0 * np.array(pv), 4.0 * imported)
        self._energies_ws = (0.0, 0.0, 0.0)

    def close(self, site: SitePhysics, outcome: Outcome) -> None:
        """Take the window that has just ended."""
        energies_ws = (
            sum(branch.energy_ws for branch in site.loads.branches.values()),
            sum(plant.energy_ws for plant in site.pv.values()),
            site.import_ws,
        )
        means = [
            (now - was) / 900.0 for now, was in zip(energies_ws, self._energies_ws, strict=True)
        ]
        self._energies_ws = energies_ws
        start_s = int(outcome.windows[-1].start.timestamp())
        if start_s >= self._planning.load.past.end_s:
            self._planning.close(start_s, *(np.array([mean]) for mean in means))

    def renew(self, site: SitePhysics) -> None:
        """Look at the site, and plan when it is time to."""
        stored_wh = sum(each.soc * each.spec.capacity_wh for each in site.batteries.values())
        self._so_far.see(site.now, site.load_w, site.pv_w, stored_wh)
        window = self._so_far.window()
        if site.now - self._renewed < timedelta(minutes=5) or window is None:
            return
        self._renewed = site.now
        self.paid_w = already_paid_w(self._planning.charges(window.start))
        self.plan = self._planning.plan(
            self._planning.problem(
                window.start,
                load_now_w=window.load_w,
                pv_now_w=window.pv_w,
                energy_wh=window.stored_wh,
                day_ahead=self.prices(window.start, 192),
            )
        )

    def prices(self, start: datetime, count: int) -> Floats:
        """Return the market's price of so many quarters, per kWh."""
        day = start.astimezone(self._scenario.timezone).date()
        known = {
            at: price
            for n in range(count // 96 + 2)
            for at, price in self._scenario.day_ahead(day + timedelta(days=n))
        }
        quarters = (start + timedelta(minutes=15 * n) for n in range(count))
        return np.array([known[each.replace(minute=0)] for each in quarters])


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


def battery_state(asset_id: str, cabinet: BatteryPhysics, now_s: float) -> BatteryState:
    """Return a cabinet as the control law sees it."""
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
