"""Jobs: when they come, how long they run, when they pause to write a checkpoint.

Each workload is a stream of jobs, one at a time, on nodes of its own. A job is handed in some
time before it is due, and starts then unless somebody keeps it from it, its nodes are still
taken, or one of them takes no jobs. When jobs are handed in does not depend on any of that.
The shapes are those of measured compute: between idle and full load within seconds, and every
some minutes a dip of seconds while a solver writes its checkpoint.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Final

_BOOT_S: Final = 90.0
_AHEAD_S: Final = 3600.0
"""A job is handed in so long before it is due, or as soon as the one before it is due."""
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
    """One job: it waits, runs on its nodes, and is gone."""

    number: int
    workload: WorkloadSpec
    nodes: tuple[str, ...]
    node_w: float
    """What it draws on each of them, W above idle."""
    lasts_s: float
    submitted_s: float
    due_s: float
    """When it starts if nothing keeps it from it."""
    held: bool = False
    not_before_s: float = 0.0
    started_s: float | None = None
    ends_s: float = inf
    runs: int = 0
    """How often it was started; every requeue begins it anew."""

    def may_start(self, now_s: float) -> bool:
        """Return whether nobody keeps it from starting."""
        return not self.held and max(self.due_s, self.not_before_s) <= now_s


class _Event(StrEnum):
    SUBMIT = "submit"
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
        self.waiting: list[Job] = []
        """In the order in which they were handed in."""
        self.delays_s: list[float] = []
        """How much later than due each job that was started once has started."""
        self.drained: set[str] = set()
        """Nodes that take no further jobs."""
        self.extra_w = {node: 0.0 for workload in workloads for node in workload.nodes}
        self.next_s = inf
        """The simulated second of the next event."""
        self._workloads = workloads
        # When jobs come must not depend on when others were let go.
        self._random, self._dips = Random(random.random()), Random(random.random())
        self._numbers = 0
        self._due: dict[str, Job] = {}
        """By stream: the job that is handed in next."""
        self._events: list[tuple[float, int, _Event, WorkloadSpec, Job | None, int]] = []
        self._events_made = 0
        for workload in workloads:
            if workload.running_for_s is None:
                self._submit_after(workload, 0.0, 0.0)
            else:
                began_s = -workload.running_for_s
                job = self._new(workload, began_s, began_s)
                job.lasts_s = workload.running_for_s + workload.first_job_h * 3600.0
                self._begin(job, began_s)
                self._submit_after(workload, job.ends_s, 0.0)

    # -- what a scheduler's operator can do ------------------------------------------------

    def hold(self, number: int, *, held: bool, elapsed_s: float) -> bool:
        """Keep a waiting job from starting, or let it; False: there is none of that number."""
        job = self._waiting_job(number)
        if job is not None:
            job.held = held
            self._push(elapsed_s, _Event.START, job.workload, job)
        return job is not None

    def defer(self, number: int, until_s: float, elapsed_s: float) -> bool:
        """Keep a waiting job from starting before a time; False: there is none of that number."""
        job = self._waiting_job(number)
        if job is not None:
            job.not_before_s = until_s
            self._push(max(until_s, elapsed_s), _Event.START, job.workload, job)
        return job is not None

    def requeue(self, number: int, elapsed_s: float, *, held: bool = False) -> bool:
        """End a running job and let it wait again; False: there is none of that number."""
        job = next((each for each in self.running if each.number == number), None)
        if job is None:
            return False
        self._stop(job)
        job.started_s, job.ends_s, job.held = None, inf, held
        self.waiting.insert(0, job)
        self._push(elapsed_s + _BOOT_S, _Event.START, job.workload, job)
        return True

    def drain(self, nodes: Iterable[str], *, drained: bool, elapsed_s: float) -> None:
        """Let nodes take no further jobs, or take them again."""
        (self.drained.update if drained else self.drained.difference_update)(nodes)
        for workload in self._workloads:
            self._push(elapsed_s, _Event.START, workload, None)

    # -- time --------------------------------------------------------------------------------

    def tick(self, elapsed_s: float) -> None:
        """Let all events happen that are due."""
        events = self._events
        while events and events[0][0] <= elapsed_s:
            at_s, _, event, workload, job, run = heappop(events)
            if event is _Event.SUBMIT:
                self._submit(workload, at_s)
            elif event is _Event.START:
                self._start_next(workload, at_s)
            elif job is not None and job.runs == run and job.started_s is not None:
                self._go_on(event, job, at_s)
        self.next_s = events[0][0] if events else inf

    def kill_all(self) -> None:
        """Lose every running job; nothing starts until ``resume``."""
        self.killed += len(self.running)
        self.running.clear()
        self.waiting.clear()
        self._events.clear()
        self.next_s = inf
        for node in self.extra_w:
            self.extra_w[node] = 0.0

    def resume(self, elapsed_s: float) -> None:
        """Let jobs come again after an outage, once the nodes have booted."""
        for workload in self._workloads:
            self._submit_after(workload, elapsed_s + _BOOT_S, elapsed_s)

    def _waiting_job(self, number: int) -> Job | None:
        return next((each for each in self.waiting if each.number == number), None)

    def _new(self, workload: WorkloadSpec, submitted_s: float, due_s: float) -> Job:
        """Draw a job."""
        random = self._random
        lasts_s = random.uniform(*workload.lasts_h) * 3600.0
        width = random.randint(*workload.width)
        self._numbers += 1
        return Job(
            number=self._numbers,
            workload=workload,
            nodes=workload.nodes[:width],
            node_w=workload.node_w * random.uniform(*workload.intensity),
            lasts_s=lasts_s,
            submitted_s=submitted_s,
            due_s=due_s,
        )

    def _submit(self, workload: WorkloadSpec, at_s: float) -> None:
        """Hand in the job that was drawn for now, and draw the next of its stream."""
        job = self._due.pop(workload.id)
        job.submitted_s = at_s
        self.waiting.append(job)
        self._push(job.due_s, _Event.START, workload, job)
        self._submit_after(workload, job.due_s + job.lasts_s, at_s)

    def _start_next(self, workload: WorkloadSpec, at_s: float) -> None:
        """Start the first job of a stream that may, if the stream's nodes are free."""
        if any(each.workload is workload for each in self.running):
            return
        for job in self.waiting:
            if job.workload is workload and job.may_start(at_s):
                if self.drained.isdisjoint(job.nodes):
                    self.waiting.remove(job)
                    self._begin(job, at_s)
                return

    def _begin(self, job: Job, at_s: float) -> None:
        self.started += 1
        job.runs += 1
        if job.runs == 1:
            self.delays_s.append(max(at_s - job.due_s, 0.0))
        job.started_s, job.ends_s = at_s, at_s + job.lasts_s
        self.running.append(job)
        self._draw(job, job.node_w)
        self._push(job.ends_s, _Event.FINISH, job.workload, job)
        self._plan_checkpoint(job, max(at_s, 0.0))

    def _stop(self, job: Job) -> None:
        self.running.remove(job)
        self._draw(job, 0.0)

    def _go_on(self, event: _Event, job: Job, at_s: float) -> None:
        """Let a running job dip, resume or finish."""
        workload = job.workload
        if event is _Event.FINISH:
            self.finished += 1
            self._stop(job)
            job.started_s = None
            self._start_next(workload, at_s)
        elif event is _Event.DIP:
            self._draw(job, job.node_w * (1 - workload.checkpoint_depth))
            self._push(at_s + workload.checkpoint_lasts_s, _Event.RESUME, workload, job)
        else:
            self._draw(job, job.node_w)
            self._plan_checkpoint(job, at_s)

    def _submit_after(self, workload: WorkloadSpec, after_s: float, now_s: float) -> None:
        """Draw a stream's next job, due after the pause and a wait at random."""
        busy_h = sum(workload.lasts_h) / 2 + workload.pause_h
        spare_s = max(60.0, 86400.0 / workload.per_day - busy_h * 3600.0)
        wait_s = min(self._random.expovariate(1 / spare_s), _LONGEST_WAIT * spare_s)
        due_s = after_s + workload.pause_h * 3600.0 + wait_s
        self._due[workload.id] = self._new(workload, due_s, due_s)
        self._push(max(due_s - _AHEAD_S, now_s), _Event.SUBMIT, workload, None)

    def _plan_checkpoint(self, job: Job, now_s: float) -> None:
        """Dip next at some time around the stated interval, unless the job ends before."""
        workload = job.workload
        at_s = now_s + workload.checkpoint_every_s * self._dips.uniform(0.8, 1.2)
        if at_s + workload.checkpoint_lasts_s < job.ends_s:
            self._push(at_s, _Event.DIP, workload, job)

    def _draw(self, job: Job, node_w: float) -> None:
        for node in job.nodes:
            self.extra_w[node] = node_w

    def _push(self, at_s: float, event: _Event, workload: WorkloadSpec, job: Job | None) -> None:
        self._events_made += 1
        run = job.runs if job is not None else 0
        heappush(self._events, (at_s, self._events_made, event, workload, job, run))
        self.next_s = self._events[0][0]
