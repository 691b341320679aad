"""What is known of a cluster over time: who runs, what it draws, what its queue brings.

The scheduler says what runs and waits, the meters of its branches what that draws. From
both come the power and run time of job classes, the account of who used the energy, and a
forecast of the load with the credit that such forecasts have earned.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
import math
from typing import Any, Final

from .forecast import STEP_S
from .job_classes import JobClasses, JobView
from .job_energy import JobEnergy, Metered, running_in
from .numbers import known
from .queue import Job, QueueState
from .queue_credit import QueueCredit
from .queue_forecast import JobsNow, QueueForecast, Train, WaitErrors, forecast_queue
from .queue_jobs import is_up, jobs_now, part_on, view_of
from .queue_outlook import QueueOutlook

STATE_VERSION: Final = 1
_ENDED_KEPT_S: Final = 2.0 * 3600.0
"""So long after its end a job may still be in a quarter that the ledger has not closed."""
_MONTHS: Final = 2
_IDLE_SHARE: Final = 0.3
"""Of the power of nodes at work, while nothing better is known."""
_IDLE_RISE: Final = 0.001
"""The idle power follows a branch that is never empty upward this slowly, by reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A metered branch that feeds nodes of the cluster."""

    asset_id: str
    hosts: frozenset[str] | None
    """The nodes it feeds; None for all there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What the queue is expected to bring."""

    jobs: JobsNow
    raw: QueueForecast
    """As the queue tells it."""
    forecast: QueueForecast
    """As believed: with the credit that forecasts of this cluster have earned."""
    load_w: float
    """The site's load that it starts from."""
    train: Train | None
    """The next stretch above the target that waiting jobs bring about."""
    step: Train | None
    """The next step up of the load, whatever the target."""

    def expected_w(self, lead_s: float) -> float:
        """Return the mean load of the step that is so far ahead, W."""
        index = min(max(math.ceil(lead_s / STEP_S) - 1, 0), len(self.forecast.mean_w) - 1)
        return max(self.load_w + float(self.forecast.mean_w[index]), 0.0)


@dataclass(slots=True)
class _Run:
    job: Job
    ended_s: float | None = None

    def part(self, hosts: frozenset[str] | None) -> JobView | None:
        return part_on(self.job, hosts)


@dataclass(slots=True)
class Cluster:
    """The memory of one cluster."""

    branches: tuple[Branch, ...] = ()
    classes: JobClasses = field(default_factory=JobClasses)
    waits: WaitErrors = field(default_factory=WaitErrors)
    credit: QueueCredit = field(default_factory=QueueCredit)
    energy: JobEnergy = field(default_factory=JobEnergy)
    """Of all time; the ones below begin anew."""
    today: JobEnergy = field(default_factory=JobEnergy)
    months: dict[str, JobEnergy] = field(default_factory=dict)
    """By YYYY-MM: the running month and the one before."""
    state: QueueState | None = None
    _runs: dict[str, _Run] = field(default_factory=dict)
    _expected: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of waiting jobs: when they were to start when that was first said, and when that was."""
    _idle_w: dict[str, float] = field(default_factory=dict)
    _day: str = ""

    def __post_init__(self) -> None:
        """Let both accounts weigh jobs by what their classes draw."""
        self.energy.weigh = self.today.weigh = self._weight

    def _weight(self, job: JobView) -> float:
        return self.classes.estimate(job).node_w * max(job.nodes, 0)

    # -- what has happened -------------------------------------------------------------------

    def take(self, state: QueueState) -> None:
        """Take a new state of the scheduler, and learn from what has changed since the last."""
        now_s = state.at.timestamp()
        running = {job.id: job for job in state.running}
        for job_id, run in self._runs.items():
            if run.ended_s is None and job_id not in running:
                run.ended_s = now_s
                view = view_of(run.job)
                if known(view.start_s):
                    self.classes.learn(view, run_s=now_s - view.start_s)
        for job_id, job in running.items():
            if job_id not in self._runs and (told := self._expected.get(job_id)) is not None:
                expected_s, since_s = told
                started_s = job.starts_at.timestamp() if job.starts_at else now_s
                self.waits.learn(expected_s=expected_s - since_s, waited_s=started_s - since_s)
            self._runs[job_id] = _Run(job)
        self._runs = {
            job_id: run
            for job_id, run in self._runs.items()
            if run.ended_s is None or now_s - run.ended_s < _ENDED_KEPT_S
        }
        # Those that started are told of above, and need it no more.
        self._expected = {
            job.id: self._expected.get(job.id, (job.starts_at.timestamp(), now_s))
            for job in state.pending
            if job.starts_at is not None
        }
        self.state = state

    def meter(self, power_w: Mapping[str, float]) -> None:
        """Take what the branches draw now (W by asset), and learn what the classes draw."""
        if self.state is None:
            return
        for branch in self.branches:
            now_w = power_w.get(branch.asset_id)
            if known(now_w):
                parts = (part_on(job, branch.hosts) for job in self.state.running)
                jobs = [part for part in parts if part is not None]
                idle_w = self._idle(branch.asset_id, now_w, empty=not jobs)
                self.classes.learn_branch(jobs, max(now_w - idle_w, 0.0))

    def _idle(self, asset_id: str, now_w: float, *, empty: bool) -> float:
        """Return what a branch draws without jobs: seen when it is empty, else its lowest."""
        idle_w = self._idle_w.get(asset_id)
        if idle_w is None:
            idle_w = now_w if empty else _IDLE_SHARE * now_w
        if empty:
            idle_w += 0.1 * (now_w - idle_w)
        elif now_w < idle_w:
            idle_w = now_w
        else:
            idle_w += _IDLE_RISE * (now_w - idle_w)
        self._idle_w[asset_id] = idle_w
        return idle_w

    def close(
        self,
        start_s: float,
        energy_wh: Mapping[str, float],
        *,
        day: date,
        price_eur_per_kwh: float | None,
        co2_g_per_kwh: float | None,
    ) -> None:
        """Share what the branches drew in a closed quarter (Wh by asset) among its jobs.

        ``day``: the local day it belongs to; the account of today begins anew with another.
        """
        if self.state is None:
            return
        accounts = (self.energy, self._of_day(day), self._of_month(day))
        for branch in self.branches:
            wh = energy_wh.get(branch.asset_id)
            if not known(wh) or wh < 0.0:
                continue
            nodes = [
                node
                for node in self.state.nodes
                if is_up(node) and (branch.hosts is None or node.name in branch.hosts)
            ]
            parts = ((run.part(branch.hosts), run.ended_s) for run in self._runs.values())
            jobs = running_in(
                [(part, ended_s) for part, ended_s in parts if part is not None],
                start_s,
                start_s + STEP_S,
            )
            metered = Metered(
                seconds=STEP_S,
                energy_wh=wh,
                jobs=jobs,
                nodes=len(nodes),
                idle_node_w=self._idle_w.get(branch.asset_id, 0.0) / max(len(nodes), 1),
                price_eur_per_kwh=price_eur_per_kwh,
                co2_g_per_kwh=co2_g_per_kwh,
            )
            for account in accounts:
                account.add(metered)

    def _of_day(self, day: date) -> JobEnergy:
        if day.isoformat() != self._day:
            self._day, self.today = day.isoformat(), JobEnergy(weigh=self._weight)
        return self.today

    def _of_month(self, day: date) -> JobEnergy:
        account = self.months.setdefault(f"{day:%Y-%m}", JobEnergy(weigh=self._weight))
        for label in sorted(self.months)[:-_MONTHS]:
            del self.months[label]
        return account

    # -- what will ---------------------------------------------------------------------------

    def foresee(self, load_w: float, target_w: float) -> Foreseen | None:
        """Return what the queue brings, from a load (W) and a target; None: nothing is known.

        Thousands of jobs take a good part of a second: not for an event loop.
        """
        if self.state is None or not known(load_w):
            return None
        jobs = jobs_now(self.state)
        raw = forecast_queue(jobs, self.classes, self.waits)
        believed = self.credit.believed(raw) if self.credit.experienced else raw
        return Foreseen(
            jobs=jobs,
            raw=raw,
            forecast=believed,
            load_w=load_w,
            train=raw.next_train(load_w, target_w),
            step=raw.next_train(load_w, load_w * 1.02 + 1.0),
        )

    def outlook(self, foreseen: Foreseen) -> QueueOutlook:
        """Return a forecast as one model among those of the site's load."""
        return QueueOutlook(foreseen.forecast.mean_w, self.credit.skill())

    def remember(self, foreseen: Foreseen) -> None:
        """Keep a forecast until it comes due, once for each quarter."""
        self.credit.foretold(foreseen.raw, foreseen.load_w)

    # -- storage -----------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return what is to survive a restart, ready for JSON."""
        return {
            "classes": self.classes.to_state(),
            "waits": self.waits.to_state(),
            "credit": self.credit.to_state(),
            "energy": self.energy.to_state(),
            "today": self.today.to_state(),
            "day": self._day,
            "months": {label: each.to_state() for label, each in self.months.items()},
            "idle_w": self._idle_w,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what was stored; a part that cannot be used is begun anew."""
        parts: Iterable[tuple[str, Callable[[Any], object]]] = (
            ("classes", self.classes.restore),
            ("waits", self.waits.restore),
            ("credit", self.credit.restore),
            ("energy", self.energy.restore),
            ("today", self.today.restore),
            ("idle_w", self._restore_idle),
            ("months", self._restore_months),
        )
        for name, restore in parts:
            with suppress(AttributeError, KeyError, TypeError, ValueError):
                restore(state[name])
        self._day = str(state.get("day", ""))

    def _restore_months(self, state: Mapping[str, Any]) -> None:
        self.months = {
            str(label): JobEnergy(weigh=self._weight).restore(each) for label, each in state.items()
        }

    def _restore_idle(self, state: Mapping[str, Any]) -> None:
        idle_w = {str(asset): float(watts) for asset, watts in state.items()}
        self._idle_w = {a: w for a, w in idle_w.items() if math.isfinite(w) and w >= 0.0}
