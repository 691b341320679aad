"""Runs a site through a measured series as if it were live, and counts the money.

Each step: the plan is renewed when it is due, with nothing known but the past, the prices
that are out, and what the meters show now; then the live control law decides, and physics
does what the battery can. The bill is the tariff's own, the yardstick is perfect foresight.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
import time
from typing import Final

import numpy as np

from .backtest_data import Measured, TestSite
from .backtest_jobs import JobLog, JobStream
from .control import decide
from .job_starts import RELIED_H
from .learning import learn
from .plan import Floats, Plan, PlanStep
from .planning import Connection, SitePlanning
from .price_outlook import known_until, with_stand_in
from .site import BatteryState, Decision, GridState, Limits, Memory, PvState, SiteState, Strategy
from .window import Source, Window

_UNLIMITED_W: Final = 1e9
_STEP_S: Final = 900.0
_EVERY: Final = 4
"""Steps between two plans."""
SURPRISE: Final = 0.05
"""A load that differs from the plan by this share of the battery's power calls for a new one."""
_HORIZON: Final = 44 * 4 + 8
_BATTERY: Final = "battery"
_PV: Final = "pv"


@dataclass(slots=True, eq=False)
class Schedule:
    """What happened, shape (n,) each; powers W, energies Wh."""

    load_w: Floats
    """The measured one, or what it would have been with jobs that waited."""
    grid_w: Floats
    battery_w: Floats
    pv_w: Floats
    stored_wh: Floats
    target_w: Floats
    reasons: list[str] = field(default_factory=list)
    """Of the steps that were run."""
    plan_s: list[float] = field(default_factory=list)
    run_s: float = 0.0
    delays_s: Floats | None = None
    """By how much each job started later than it did; None without jobs."""
    errors: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)
    """Of load and PV, per lead in steps: mean absolute error, and that of persistence."""
    coverage: dict[str, dict[int, float]] = field(default_factory=dict)
    """Of load and PV, per lead in steps: how often the 80 % interval held."""


def run(
    series: Measured,
    site: TestSite,
    strategy: Strategy,
    progress: Callable[[float], None] | None = None,
    *,
    lived_w: Floats | None = None,
    jobs: JobLog | None = None,
) -> Schedule:
    """Return what the site would have done; ``progress`` hears how far it is (0..1).

    ``jobs``: those behind the load; they are then delayed where that saves money or a peak.

    ``lived_w``: the grid power of the first steps, as it was: those are learned from, and
    the run starts after them, with ``start_wh`` stored. NaN where it is not known.
    """
    return _Run(series, site, strategy, lived_w, jobs).go(progress)


class _Run:
    """One run through one series."""

    def __init__(
        self,
        series: Measured,
        site: TestSite,
        strategy: Strategy,
        lived_w: Floats | None,
        jobs: JobLog | None,
    ) -> None:
        self._series, self._site, self._strategy = series, site, strategy
        self._lived_w = np.zeros(0) if lived_w is None else lived_w
        n = len(series)
        self._pv_w = series.pv_per_kwp * site.pv_peak_kw * 1000.0
        self._known = known_until(site.tariff.calendar, series.starts)
        self._planning = SitePlanning(
            tariff=site.tariff,
            battery=site.battery,
            connection=Connection(
                import_limit_w=site.import_limit_w,
                export_limit_w=site.export_limit_w,
                reserve_wh=site.reserve_wh,
            ),
            strategy=strategy,
        )
        self._limits = Limits(
            connection_w=site.import_limit_w or _UNLIMITED_W,
            target_w=site.import_limit_w or _UNLIMITED_W,
            export_w=site.export_limit_w,
            soc_min=site.battery.soc_min,
            soc_max=site.battery.soc_max,
            reserve=min(site.reserve_wh / max(site.battery.capacity_wh, 1e-9), 1.0),
            strategy=strategy,
        )
        delaying = jobs is not None and strategy is not Strategy.OBSERVE
        self._jobs = JobStream(series, jobs) if jobs is not None and delaying else None
        self._memory = Memory()
        self._plan: Plan | None = None
        self._closed = 0
        self._stored_wh = site.start_wh
        self.result = Schedule(
            load_w=series.load_w.copy(),
            grid_w=np.zeros(n),
            battery_w=np.zeros(n),
            pv_w=self._pv_w.copy(),
            stored_wh=np.zeros(n),
            target_w=np.full(n, np.nan),
        )

    def go(self, progress: Callable[[float], None] | None) -> Schedule:
        """Run from the first step to the last."""
        begun = time.perf_counter()
        n, first = len(self._series), len(self._lived_w)
        if first:
            self._learn()
        for step in range(first, n):
            self._move_jobs(step)
            if self._strategy is not Strategy.OBSERVE and self._due(step):
                self._renew(step)
            self._act(step)
            if progress is not None and step % 960 == 0:
                progress(step / n)
        self.result.run_s = time.perf_counter() - begun
        if self._jobs is not None:
            self.result.delays_s = self._jobs.delays_s
        forecasts = {"load": self._planning.load, "pv": self._planning.pv}
        self.result.errors = {name: each.errors() for name, each in forecasts.items()}
        self.result.coverage = {name: each.coverage() for name, each in forecasts.items()}
        return self.result

    def _learn(self) -> None:
        """Take the steps that have happened, as the live site takes its ledger."""
        series, result, past = self._series, self.result, slice(0, len(self._lived_w))
        result.grid_w[past] = self._lived_w
        result.stored_wh[past] = self._stored_wh
        start_s = int(series.starts[0])
        learn(self._planning, start_s, series.load_w[past], self._pv_w[past], self._lived_w)
        self._closed = len(self._lived_w)

    def _move_jobs(self, step: int) -> None:
        """Let the jobs start that are to start in this step."""
        if self._jobs is None:
            return
        battery, start_s = self._site.battery, int(self._series.starts[step])
        usable_wh = max(self._stored_wh - battery.least_wh, 0.0) * battery.efficiency_discharge
        if step > self._closed:
            self._close(step)
        billed_w = self._planning.billed_w(datetime.fromtimestamp(start_s, UTC)) or 0.0
        prices = self._series.price[step : self._known[step]]
        self.result.load_w[step] = self._jobs.step(
            step,
            pv_w=float(self._pv_w[step]),
            stored_w=min(usable_wh / RELIED_H, battery.discharge_w),
            paid_w=billed_w,
            prices=prices if self._strategy.follows_plan else None,
        )

    @property
    def _level_w(self) -> float | None:
        return None if self._jobs is None else self._jobs.level_w

    def _close(self, step: int) -> None:
        """Let the planning learn of the steps that have passed."""
        past = slice(self._closed, step)
        self._planning.close(
            int(self._series.starts[self._closed]),
            self.result.load_w[past],
            self.result.pv_w[past],
            self.result.grid_w[past],
        )
        self._closed = step

    def _due(self, step: int) -> bool:
        """Tell whether to plan anew: each hour, and when the load is not what was planned."""
        planned = self._planned(step)
        if step % _EVERY == 0 or planned is None:
            return True
        net_w = float(self.result.load_w[step] - self._pv_w[step])
        surprise_w = abs(net_w - planned.grid_w - planned.battery_w)
        return surprise_w > SURPRISE * self._site.battery.discharge_w

    def _planned(self, step: int) -> PlanStep | None:
        if self._plan is None:
            return None
        return self._plan.step(datetime.fromtimestamp(int(self._series.starts[step]), UTC))

    def _renew(self, step: int) -> None:
        begun = time.perf_counter()
        series = self._series
        if step > self._closed:
            self._close(step)
        problem = self._planning.problem(
            datetime.fromtimestamp(int(series.starts[step]), UTC),
            load_now_w=float(self.result.load_w[step]),
            pv_now_w=float(self._pv_w[step]),
            energy_wh=self._stored_wh,
            day_ahead=with_stand_in(series.price[: self._known[step]], step, _HORIZON),
            level_w=self._level_w,
        )
        self._plan = self._planning.plan(problem)
        self.result.plan_s.append(time.perf_counter() - begun)

    def _act(self, step: int) -> None:
        decision = self._decide(step)
        battery, result = self._site.battery, self.result
        hours = _STEP_S / 3600.0
        asked_w = decision.setpoints.get(_BATTERY) or 0.0
        power_w = battery.within(asked_w, self._stored_wh, hours)
        self._stored_wh = battery.stored_after(self._stored_wh, power_w, hours)
        sent = decision.memory.sent_pv.get(_PV)
        limit_w = sent.power_w if sent is not None else None
        pv_w = float(self._pv_w[step])
        if limit_w is not None:
            pv_w = min(pv_w, max(limit_w, 0.0))
        result.battery_w[step] = power_w
        result.pv_w[step] = pv_w
        result.grid_w[step] = float(result.load_w[step]) - pv_w - power_w
        result.stored_wh[step] = self._stored_wh
        planned = self._planned(step)
        if planned is not None:
            result.target_w[step] = planned.target_w
        result.reasons.append(
            planned.reason.value
            if planned is not None and decision.reason.value == "plan"
            else decision.reason.value
        )
        self._memory = decision.memory

    def _decide(self, step: int) -> Decision:
        """Return what the control law wants, with the meters as they are in this step.

        The step's own means stand for what the meters show: the live loop follows the load
        within seconds, and acts on the energy of the window as it builds up.
        """
        series, site = self._series, self._site
        start = datetime.fromtimestamp(int(series.starts[step]), UTC)
        before_w = float(self.result.battery_w[step - 1]) if step else 0.0
        pv_w = float(self._pv_w[step])
        capacity_wh = site.battery.capacity_wh
        state = SiteState(
            now=start + timedelta(milliseconds=1),
            monotonic_s=step * _STEP_S,
            grid=GridState(power_w=float(self.result.load_w[step]) - pv_w - before_w, age_s=0.0),
            window=Window(
                start=start, energy_wh=0.0, covered_s=0.0, source=Source.POWER, length_s=_STEP_S
            ),
            batteries=(
                BatteryState(
                    asset_id=_BATTERY,
                    power_w=before_w,
                    soc=self._stored_wh / capacity_wh if capacity_wh > 0.0 else None,
                    reading_s=step * _STEP_S,
                    capacity_wh=capacity_wh,
                    charge_limit_w=site.battery.charge_w,
                    discharge_limit_w=site.battery.discharge_w,
                ),
            ),
            pv=(PvState(asset_id=_PV, power_w=pv_w, rated_w=site.pv_peak_kw * 1000.0),),
        )
        held = self._jobs is not None and not self._strategy.follows_plan
        plan = None if held else self._plan
        return decide(state, self._limits_at(step), self._memory, plan)

    def _limits_at(self, step: int) -> Limits:
        """Return the limits; what follows no plan by itself still gets its target from it."""
        planned = self._planned(step)
        if self._level_w is not None and not self._strategy.follows_plan:
            # What the jobs are kept below is what the battery holds.
            return replace(self._limits, target_w=min(self._level_w, self._limits.target_w))
        if planned is None or self._strategy.follows_plan:
            return self._limits
        return replace(self._limits, target_w=min(planned.target_w, self._limits.target_w))
