"""What the queue foretells against what the load alone does, on a measured log of jobs.

The log is not part of the repository: a CSV with ``submit_unix, wait_s, run_s, cores,
req_walltime_s, user, queue``. Nobody metered these jobs: a core that is busy counts as 10 W.
Nothing is known of a job before it was handed in, and not when it ends before it has ended.
"""

import csv
from dataclasses import dataclass
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

CORE_W: Final = 10.0
LEADS: Final = {"15 min": 1, "1 h": 4, "4 h": 16}
LEARNING_DAYS: Final = 14
DAYS: Final = 90
EVERY: Final = 4
"""Quarters between two forecasts."""
SITE: Final = {"tariff": {"timezone": "Europe/Prague"}}


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
            partition=row["queue"],
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


def compare(path: Path) -> list[Errors]:
    """Run through the log, and return the errors after a time of learning."""
    log = _read(path)
    first_s = float(np.ceil(log.submit_s.min() / 86_400.0) * 86_400.0)
    count = 96 * DAYS
    load_w = _load(log, first_s, count + 200)
    forecaster = Forecaster(read_tariff(SITE).calendar, at_least=0.0)
    classes = JobClasses(node_w=CORE_W)
    credit = QueueCredit()
    most: dict[str, int] = {}
    missed: dict[str, list[Floats]] = {lead: [] for lead in LEADS}
    ended = 0
    by_end = np.argsort(log.end_s, kind="stable")
    for step in range(count):
        now_s = first_s + step * STEP_S
        while ended < len(by_end) and log.end_s[by_end[ended]] <= now_s:
            job = int(by_end[ended])
            classes.learn(
                log.views[job], run_s=float(log.end_s[job] - log.start_s[job]), node_w=CORE_W
            )
            ended += 1
        if step:
            forecaster.extend(int(now_s - STEP_S), load_w[step - 1 : step])
            credit.settle(now_s - STEP_S, float(load_w[step - 1]))
        if step % EVERY or not step:
            continue
        now = _jobs(log, now_s, most)
        told = forecast_queue(now, classes)
        now_w = CORE_W * sum(job.nodes for job in now.running)
        believed = credit.believed(told) if credit.experienced else told
        credit.foretold(told, now_w)
        if step < 96 * LEARNING_DAYS:
            continue
        alone = forecaster.forecast(max(LEADS.values())).mean_w
        for lead, steps in LEADS.items():
            true_w = float(load_w[step + steps - 1])
            guesses = np.array(
                [
                    now_w,
                    float(alone[steps - 1]),
                    max(now_w + float(told.mean_w[steps - 1]), 0.0),
                    max(now_w + float(believed.mean_w[steps - 1]), 0.0),
                ]
            )
            missed[lead].append(np.abs(guesses - true_w))
    return [Errors(lead, *np.mean(rows, axis=0).tolist()) for lead, rows in missed.items()]


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
        running=[_started(view, start_s) for view, start_s in running],
        pending=[view for view, _ in sorted(pending, key=lambda each: each[1])],
        free_nodes={name: nodes - busy.get(name, 0) for name, nodes in most.items()},
    )


def _started(view: JobView, start_s: float) -> JobView:
    return JobView(
        job_id=view.job_id,
        user=view.user,
        partition=view.partition,
        nodes=view.nodes,
        limit_s=view.limit_s,
        start_s=start_s,
    )
