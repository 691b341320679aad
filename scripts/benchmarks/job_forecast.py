"""What the queue foretells against what the load alone does, simulated and on a measured log.

The log is not part of the repository: a CSV with ``submit_unix, wait_s, run_s, cores,
req_walltime_s, user, queue``. Nobody metered these jobs: a core that is busy counts as 10 W.
Nothing is known of a job before it was handed in, and not when it ends before it has ended.
"""

import csv
from dataclasses import dataclass, replace
import gzip
from pathlib import Path
from typing import Final

import numpy as np

from custom_components.computeload.core.forecast import STEP_S, Forecaster
from custom_components.computeload.core.job_classes import JobClasses, JobView
from custom_components.computeload.core.plan import Floats
from custom_components.computeload.core.queue_credit import QueueCredit
from custom_components.computeload.core.queue_forecast import JobsNow, forecast_queue
from custom_components.computeload.core.tariff import read_tariff
from custom_components.computeload.simulator.jobs import Job
from custom_components.computeload.simulator.physics import SitePhysics
from custom_components.computeload.simulator.scenario import load_scenario

CORE_W: Final = 10.0
LEADS: Final = {"15 min": 1, "1 h": 4, "4 h": 16}
LEARNING_DAYS: Final = 14
DAYS: Final = 90
EVERY: Final = 4
"""Quarters between two forecasts."""
SIMULATED_DAYS: Final = 28
SIMULATED_LEARNING_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean absolute errors at one lead, W."""

    lead: str
    persistence_w: float
    load_alone_w: float
    queue_as_told_w: float
    queue_with_credit_w: float


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    submit_s: Floats
    start_s: Floats
    end_s: Floats
    cores: Floats
    views: tuple[JobView, ...]


def can_be_read(path: Path) -> bool:
    """Return whether a log says when its jobs were handed in."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return "submit_unix" in (csv.DictReader(stream).fieldnames or ())


def _read(path: Path) -> _Log:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    submit, wait, run, cores = (
        np.array([float(row[name]) for row in rows])
        for name in ("submit_unix", "wait_s", "run_s", "cores")
    )
    views = tuple(
        JobView(
            job_id=row["job_id"],
            user=row["user"],
            # All queues share the machines; which one a job is in tells of what kind it is.
            account=row["queue"],
            partition="all",
            nodes=int(row["cores"]),
            limit_s=float(row["req_walltime_s"]) or None,
        )
        for row in rows
    )
    return _Log(submit, submit + wait, submit + wait + run, cores, views)


def _load(log: _Log, first_s: float, count: int) -> Floats:
    """Return the mean load of each quarter, W."""
    change = np.zeros(count + 2)
    for at_s, sign in ((log.start_s, 1.0), (log.end_s, -1.0)):
        place = np.clip((at_s - first_s) / STEP_S, 0.0, count)
        step = place.astype(np.int64)
        np.add.at(change, step, sign * log.cores * (1.0 - (place - step)))
        np.add.at(change, step + 1, sign * log.cores * (place - step))
    load: Floats = CORE_W * np.cumsum(change)[:count]
    return load


class _Race:
    """Both kinds of forecast side by side, quarter by quarter."""

    def __init__(self, timezone: str, node_w: float, learning_days: int) -> None:
        self.classes = JobClasses(node_w=node_w)
        self._forecaster = Forecaster(
            read_tariff({"tariff": {"timezone": timezone}}).calendar, at_least=0.0
        )
        self._credit = QueueCredit()
        self._learning_days = learning_days
        self._guesses: list[tuple[int, dict[int, Floats]]] = []
        self._load_w: list[float] = []

    def close(self, start_s: float, load_w: float) -> None:
        """Take the mean load of a quarter that is over."""
        self._load_w.append(load_w)
        self._forecaster.extend(int(start_s), np.array([load_w]))
        self._credit.settle(start_s, load_w)

    def foresee(self, now: JobsNow, now_w: float) -> None:
        """Forecast from what the scheduler says and the meter shows."""
        told = forecast_queue(now, self.classes)
        believed = self._credit.believed(told) if self._credit.experienced else told
        self._credit.foretold(told, now_w)
        if len(self._load_w) < 96 * self._learning_days:
            return
        alone = self._forecaster.forecast(max(LEADS.values())).mean_w
        guesses = {
            steps: np.array(
                [
                    now_w,
                    alone[steps - 1],
                    max(now_w + told.mean_w[steps - 1], 0.0),
                    max(now_w + believed.mean_w[steps - 1], 0.0),
                ]
            )
            for steps in LEADS.values()
        }
        self._guesses.append((len(self._load_w), guesses))

    def errors(self) -> list[Errors]:
        """Return the mean absolute errors at each lead."""
        found = []
        for lead, steps in LEADS.items():
            missed = [
                np.abs(guesses[steps] - self._load_w[first + steps - 1])
                for first, guesses in self._guesses
                if first + steps <= len(self._load_w)
            ]
            found.append(Errors(lead, *np.mean(missed, axis=0).tolist()))
        return found


def compare(path: Path) -> list[Errors]:
    """Run through a log, and return the errors after a time of learning."""
    log = _read(path)
    first_s = float(np.ceil(log.submit_s.min() / 86_400.0) * 86_400.0)
    count = 96 * DAYS
    load_w = _load(log, first_s, count)
    race = _Race("Europe/Prague", CORE_W, LEARNING_DAYS)
    most: dict[str, int] = {}
    ended = 0
    by_end = np.argsort(log.end_s, kind="stable")
    for step in range(count):
        now_s = first_s + step * STEP_S
        while ended < len(by_end) and log.end_s[by_end[ended]] <= now_s:
            job = int(by_end[ended])
            run_s = float(log.end_s[job] - log.start_s[job])
            race.classes.learn(log.views[job], run_s=run_s, node_w=CORE_W)
            ended += 1
        if step:
            race.close(now_s - STEP_S, float(load_w[step - 1]))
        if step and step % EVERY == 0:
            now = _jobs(log, now_s, most)
            race.foresee(now, CORE_W * sum(job.nodes for job in now.running))
    return race.errors()


def compare_simulated() -> list[Errors]:
    """Return the errors in the simulated cluster, whose scheduler says when jobs will start."""
    scenario = load_scenario("climate-hpc")
    site = SitePhysics(scenario, step_s=5.0)
    start_s = scenario.default_start().timestamp()
    start_s = float(np.ceil(start_s / STEP_S) * STEP_S)
    site.step_to(start_s - site.start.timestamp())
    race = _Race(scenario.timezone.key, 150.0, SIMULATED_LEARNING_DAYS)
    running: dict[int, JobView] = {}
    offset_s = site.start.timestamp()
    jobs = site.loads.jobs
    for step in range(96 * SIMULATED_DAYS):
        now_s = start_s + step * STEP_S
        there = {job.number: _simulated(job, offset_s) for job in jobs.running}
        for number in running.keys() - there.keys():
            # It ended some time in the quarter that is over.
            began_s = running[number].start_s or now_s
            race.classes.learn(running[number], run_s=now_s - STEP_S / 2.0 - began_s)
        running = there
        racks_w = sum(site.loads.branches[name].level_w for name in jobs.extra_w)
        idle_w = sum(site.loads.branches[name].spec.idle_w for name in jobs.extra_w)
        race.classes.learn_branch(list(running.values()), max(racks_w - idle_w, 0.0))
        race.foresee(
            JobsNow(
                now_s=now_s,
                running=list(running.values()),
                pending=[_simulated(job, offset_s) for job in jobs.waiting],
            ),
            site.load_w,
        )
        before_ws = sum(branch.energy_ws for branch in site.loads.branches.values())
        site.step(STEP_S)
        after_ws = sum(branch.energy_ws for branch in site.loads.branches.values())
        race.close(now_s, (after_ws - before_ws) / STEP_S)
    return race.errors()


def _simulated(job: Job, offset_s: float) -> JobView:
    workload = job.workload
    at_s = job.due_s if job.started_s is None else job.started_s
    return JobView(
        job_id=str(job.number),
        user=workload.id,
        partition="compute",
        name=workload.name,
        nodes=len(job.nodes),
        limit_s=1.3 * workload.lasts_h[1] * 3600.0,
        start_s=offset_s + at_s,
    )


def _jobs(log: _Log, now_s: float, most: dict[str, int]) -> JobsNow:
    """Return what a scheduler would tell; ``most`` remembers the size of each queue's share."""
    there = np.flatnonzero((log.submit_s <= now_s) & (log.end_s > now_s))
    running, pending = [], []
    for job in there:
        view = log.views[int(job)]
        if log.start_s[job] <= now_s:
            running.append((view, float(log.start_s[job])))
        else:
            pending.append((view, float(log.submit_s[job])))
    busy: dict[str, int] = {}
    for view, _ in running:
        busy[view.partition] = busy.get(view.partition, 0) + view.nodes
    for name, nodes in busy.items():
        most[name] = max(most.get(name, 0), nodes)
    return JobsNow(
        now_s=now_s,
        running=[replace(view, start_s=start_s) for view, start_s in running],
        pending=[view for view, _ in sorted(pending, key=lambda each: each[1])],
        free_nodes={name: nodes - busy.get(name, 0) for name, nodes in most.items()},
    )
