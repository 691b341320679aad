"""Jobs: when they come, how long they run, when they pause to write a checkpoint.

Each workload is a stream of jobs, one at a time, on nodes of its own. The shapes are those
of measured compute: between idle and full load within seconds, and every some minutes a
dip of seconds while a solver writes its checkpoint.
"""

from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Final

_BOOT_S: Final = 90.0
_LONGEST_WAIT: Final = 3.0
"""No pause is longer than this many times its mean, so that every day has its jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSpec:
    """A stream of jobs of one kind."""

    id: str
    name: str
    nodes: tuple[str, ...]
    """The branches that its jobs run on."""
    width: tuple[int, int]
    """How many of them a job takes, from..to."""
    per_day: float
    lasts_h: tuple[float, float]
    pause_h: float
    """The least time from one job's end to the next one's start."""
    node_w: float
    """What a busy node draws on top of idle."""
    intensity: tuple[float, float] = (0.9, 1.0)
    """How much of ``node_w`` a job really draws, from..to."""
    checkpoint_every_s: float = 900.0
    checkpoint_lasts_s: float = 15.0
    checkpoint_depth: float = 0.4
    """The fraction of ``node_w`` that goes away while a checkpoint is written."""
    running_for_s: float | None = None
    """How long a job has been running at the start; None: none is."""
    first_job_h: float = 1.5
    """How long that job goes on from the start."""


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One job on its nodes."""

    number: int
    workload: WorkloadSpec
    nodes: tuple[str, ...]
    node_w: float
    started_s: float
    ends_s: float


class _Event(StrEnum):
    START = "start"
    FINISH = "finish"
    DIP = "dip"
    RESUME = "resume"


class Jobs:
    """All job streams of the site. ``extra_w`` says what jobs draw per branch now."""

    def __init__(self, workloads: tuple[WorkloadSpec, ...], random: Random) -> None:
        """Start the jobs that are running at the beginning; draw when the others come."""
        self.started = self.finished = self.killed = 0
        self.running: list[Job] = []
        self.extra_w = {node: 0.0 for workload in workloads for node in workload.nodes}
        self.next_s = inf
        """The simulated second of the next event."""
        self._workloads = workloads
        self._random = random
        self._events: list[tuple[float, int, _Event, WorkloadSpec, Job | None]] = []
        self._events_made = 0
        for workload in workloads:
            if workload.running_for_s is None:
                self._start_after(workload, 0.0)
            else:
                self._start(
                    workload, -workload.running_for_s, workload.first_job_h * 3600.0, nodes=None
                )

    def tick(self, elapsed_s: float) -> None:
        """Let all events happen that are due."""
        events = self._events
        while events and events[0][0] <= elapsed_s:
            at_s, _, event, workload, job = heappop(events)
            if event is _Event.START:
                random = self._random
                lasts_s = random.uniform(*workload.lasts_h) * 3600.0
                self._start(workload, at_s, lasts_s, nodes=random.randint(*workload.width))
            elif job is not None:
                self._go_on(event, job, at_s)
        self.next_s = events[0][0] if events else inf

    def kill_all(self) -> None:
        """Lose every running job; nothing starts until ``resume``."""
        self.killed += len(self.running)
        self.running.clear()
        self._events.clear()
        self.next_s = inf
        for node in self.extra_w:
            self.extra_w[node] = 0.0

    def resume(self, elapsed_s: float) -> None:
        """Let jobs come again after an outage, once the nodes have booted."""
        for workload in self._workloads:
            self._start_after(workload, elapsed_s + _BOOT_S)

    def _go_on(self, event: _Event, job: Job, at_s: float) -> None:
        """Let a running job dip, resume or finish."""
        workload = job.workload
        if event is _Event.FINISH:
            self.finished += 1
            self.running.remove(job)
            self._draw(job, 0.0)
            self._start_after(workload, at_s)
        elif event is _Event.DIP:
            self._draw(job, job.node_w * (1 - workload.checkpoint_depth))
            self._push(at_s + workload.checkpoint_lasts_s, _Event.RESUME, workload, job)
        else:
            self._draw(job, job.node_w)
            self._plan_checkpoint(job, at_s)

    def _start(
        self, workload: WorkloadSpec, started_s: float, lasts_s: float, *, nodes: int | None
    ) -> None:
        """Start a job that ends ``lasts_s`` from now (from the start, if it is older)."""
        random = self._random
        now_s = max(started_s, 0.0)
        self.started += 1
        job = Job(
            number=self.started,
            workload=workload,
            nodes=workload.nodes[:nodes],
            node_w=workload.node_w * random.uniform(*workload.intensity),
            started_s=started_s,
            ends_s=now_s + lasts_s,
        )
        self.running.append(job)
        self._draw(job, job.node_w)
        self._push(job.ends_s, _Event.FINISH, workload, job)
        self._plan_checkpoint(job, now_s)

    def _start_after(self, workload: WorkloadSpec, after_s: float) -> None:
        """Draw when the stream's next job comes: after the pause, then at random."""
        busy_h = sum(workload.lasts_h) / 2 + workload.pause_h
        spare_s = max(60.0, 86400.0 / workload.per_day - busy_h * 3600.0)
        wait_s = min(self._random.expovariate(1 / spare_s), _LONGEST_WAIT * spare_s)
        self._push(after_s + workload.pause_h * 3600.0 + wait_s, _Event.START, workload, None)

    def _plan_checkpoint(self, job: Job, now_s: float) -> None:
        """Dip next at some time around the stated interval, unless the job ends before."""
        workload = job.workload
        at_s = now_s + workload.checkpoint_every_s * self._random.uniform(0.8, 1.2)
        if at_s + workload.checkpoint_lasts_s < job.ends_s:
            self._push(at_s, _Event.DIP, workload, job)

    def _draw(self, job: Job, node_w: float) -> None:
        for node in job.nodes:
            self.extra_w[node] = node_w

    def _push(self, at_s: float, event: _Event, workload: WorkloadSpec, job: Job | None) -> None:
        self._events_made += 1
        heappush(self._events, (at_s, self._events_made, event, workload, job))
        self.next_s = self._events[0][0]
