"""Two hours without a grid in the simulated cluster: what runs, for how long, and the return."""

from dataclasses import replace

import pytest

from custom_components.computeload.core.control import decide
from custom_components.computeload.core.deferral import Deferral
from custom_components.computeload.core.outage import (
    Promise,
    Stage,
    Supply,
    next_stage,
    reserve_soc,
    reserve_wh,
    stored_wh,
)
from custom_components.computeload.core.site import GridState, Limits, Memory, SiteState, Strategy
from custom_components.computeload.core.window import WindowTracker
from custom_components.computeload.simulator.physics import SitePhysics
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.spec import Scenario
from tests.closed_loop import battery_state, keep_back

PROTECTED = ("storage", "network", "login", "ups")
PROMISE = Promise(protect_s=2.0 * 3600.0, shutdown_s=300.0)
SOC_MIN, EFFICIENCY = 0.1, 0.955

TARGET_W = 80_000.0
LONGEST_S = 4.0 * 3600.0


class OutageDay:
    """The cluster's lab, and what a user's levers and scripts do in it."""

    def __init__(
        self, scenario: Scenario, *, requeues: bool = True, lead_s: float = 1800.0
    ) -> None:
        """Let the lab run for a while; ``requeues``: whether jobs may be put back."""
        self._requeues = requeues
        self.site = SitePhysics(scenario)
        self.site.step(lead_s)
        self.stages: list[Stage] = []
        self.stage = Stage.GRID
        self.least_protected_w = float("inf")
        self._off_s: float | None = None

    @property
    def protected_w(self) -> float:
        """Return what the protected branches draw."""
        branches = self.site.loads.branches
        return 0.0 if self.site.dark else sum(branches[name].power_w for name in PROTECTED)

    @property
    def rest(self) -> list[str]:
        """Return the branches that are not protected."""
        return [name for name in self.site.loads.branches if name not in PROTECTED]

    def supply(self) -> Supply:
        """Return what there is; only the block carries an island."""
        site = self.site
        block = [battery_state("block", site.batteries["block"], site.elapsed_s)]
        return Supply(
            stored_wh=stored_wh(block, soc_min=SOC_MIN, efficiency=EFFICIENCY),
            discharge_w=site.batteries["block"].discharge_limit_w,
            load_w=site.load_w,
            protected_w=self.protected_w,
            pv_w=site.pv_w,
        )

    def outage(self, seconds: float, promise: Promise = PROMISE, until_soc: float = 0.0) -> float:
        """Lose the grid; return for how long the protected load ran, at most ``seconds``.

        The run ends at a state of charge.
        """
        site, began_s = self.site, self.site.elapsed_s
        site.lose_grid()
        while (elapsed_s := site.elapsed_s - began_s) < seconds:
            site.step(10.0)
            if site.dark or site.batteries["block"].soc <= until_soc:
                break
            self.least_protected_w = min(self.least_protected_w, self.protected_w)
            self._act(next_stage(self.stage, self.supply(), promise, elapsed_s))
        return site.elapsed_s - began_s

    def _act(self, stage: Stage) -> None:
        site, jobs, now_s = self.site, self.site.loads.jobs, self.site.elapsed_s
        if stage is not self.stage:
            self.stages.append(stage)
            self.stage = stage
        for job in jobs.waiting:
            jobs.hold(job.number, held=True, elapsed_s=now_s)
        if self._requeues and stage in (Stage.REQUEUE, Stage.SHUTDOWN, Stage.LAST):
            for job in list(jobs.running):
                jobs.requeue(job.number, now_s, held=True)
        if stage in (Stage.SHUTDOWN, Stage.LAST) and self._off_s is None:
            # The user's script takes its time; and the cooling runs on for some minutes.
            self._off_s = now_s + 0.7 * PROMISE.shutdown_s
        if self._off_s is not None and now_s >= self._off_s:
            site.loads.switch(self.rest, on=False, elapsed_s=now_s)

    def restart(self, seconds: float, limits: Limits) -> list[float]:
        """Get the grid back under control; return the means of the windows from then on."""
        site = self.site
        site.restore_grid()
        site.loads.switch(self.rest, on=True, elapsed_s=site.elapsed_s)
        deferral, memory, tracker, means = Deferral(), Memory(), WindowTracker(), []
        for job in site.loads.jobs.waiting:
            job.not_before_s = site.elapsed_s
        for second in range(int(seconds)):
            site.step(1.0)
            now_s = site.elapsed_s
            batteries = tuple(
                battery_state(name, each, now_s) for name, each in site.batteries.items()
            )
            if second % 60 == 0:
                deferral = keep_back(site, limits, batteries, deferral, LONGEST_S)
            windows = tracker.update(site.now, now_s, site.grid_w, site.import_ws / 3600.0)
            means += [window.mean_w for window in windows]
            state = SiteState(
                now=site.now,
                monotonic_s=now_s,
                grid=GridState(power_w=site.grid_w, age_s=0.0),
                window=tracker.window,
                billed_peak_w=0.0,
                batteries=batteries,
            )
            decision = decide(state, limits, memory)
            memory = decision.memory
            for command in decision.commands:
                site.batteries[command.asset_id].command(
                    command.power_w, now_s, expires_s=now_s + 60.0
                )
        return means


def charged(scenario: Scenario, soc: float) -> Scenario:
    """Return the lab with its cabinets at a state of charge, without sun."""
    batteries = tuple(replace(each, soc_start=soc) for each in scenario.batteries)
    return replace(scenario, batteries=batteries, pv=())


def test_two_hours_at_full_load() -> None:
    day = OutageDay(charged(load_scenario("climate-hpc"), 0.6))
    before_w, protected_w = day.site.load_w, day.protected_w
    assert before_w > 80_000.0
    running = len(day.site.loads.jobs.running)
    assert running >= 2
    ran_s = day.outage(2.0 * 3600.0)
    assert (ran_s, day.site.blackouts) == (2.0 * 3600.0, 0)
    assert day.least_protected_w > 0.9 * protected_w
    assert day.stages[0] is Stage.HOLD
    assert day.stages == sorted(day.stages, key=list(Stage).index)
    assert Stage.SHUTDOWN in day.stages
    limits = Limits(
        connection_w=160_000.0,
        target_w=TARGET_W,
        soc_min=SOC_MIN,
        reserve=0.3,
        strategy=Strategy.PEAK_SHAVING,
    )
    soc = day.site.batteries["block"].soc
    means = day.restart(3.0 * 3600.0, limits)
    assert max(means) <= TARGET_W
    jobs = day.site.loads.jobs
    assert jobs.killed == 0
    assert len(jobs.running) >= 1
    assert day.site.batteries["block"].soc > soc + 0.02


@pytest.mark.parametrize("minutes", [60.0, 120.0])
def test_the_reserve_lasts_as_long_as_promised(minutes: float) -> None:
    """Just the reserve is there when the grid goes, and all runs until it is shut down."""
    promise = replace(PROMISE, protect_s=60.0 * minutes)
    day = OutageDay(charged(load_scenario("climate-hpc"), 0.9), requeues=False)
    supply, block = day.supply(), day.site.batteries["block"]
    state = battery_state("block", block, day.site.elapsed_s)
    needed_wh = reserve_wh(supply.protected_w, supply.load_w, promise)
    block.soc = reserve_soc(needed_wh, [state], soc_min=SOC_MIN, efficiency=EFFICIENCY)
    ran_s = day.outage(2.0 * promise.protect_s, promise, SOC_MIN)
    assert ran_s == pytest.approx(promise.protect_s, rel=0.1)
