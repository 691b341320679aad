"""What a cluster's scheduler knows: jobs that run, jobs that wait, and where they may run.

Nothing in here is particular to one scheduler; a driver turns what its own says into this.
Times are UTC-aware.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """What a job is doing, as far as its power is concerned."""

    PENDING = "pending"
    RUNNING = "running"
    """It holds its nodes: also while they boot, and while it cleans up."""
    SUSPENDED = "suspended"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """The scheduler names a state that is not known here; nothing is concluded from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job; or all tasks of an array that still wait, as one record."""

    id: str
    """What the scheduler wants to hear when the job is held or released."""
    name: str
    user: str
    account: str
    partition: str
    qos: str
    state: JobState
    reason: str
    """Why it waits, in the scheduler's word; empty where there is none."""
    held: bool
    """It waits because somebody said so."""
    submitted_at: datetime | None
    eligible_at: datetime | None
    starts_at: datetime | None
    """When it started; of a pending job when the scheduler expects it to, if it knows."""
    ends_at: datetime | None
    """When it ended, or will have to: its start and its time limit."""
    time_limit_s: float | None
    """None where it has none, or none is known."""
    nodes: int
    cpus: int
    gpus: int
    """Of all its nodes together, for one task of an array."""
    hosts: tuple[str, ...]
    """The nodes it runs on; empty while it waits."""
    tasks: int
    """How many jobs this record stands for: 1, or the tasks of an array that still wait."""
    tasks_at_once: int | None
    """How many of them may run at the same time; None where it is not limited."""
    requeueable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine of the cluster."""

    name: str
    states: frozenset[str]
    """The scheduler's words, in capitals: IDLE, ALLOCATED, DRAIN, POWERED_DOWN."""
    partitions: tuple[str, ...]
    cpus: int
    cpus_used: int
    cpu_load: float | None
    """The load average of the operating system."""
    gpus: int
    gpus_used: int
    power_w: float | None
    """What the node's own energy sensor says; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A part of the cluster that jobs are queued for."""

    name: str
    up: bool
    """Jobs may start in it."""
    hosts: tuple[str, ...]
    nodes: int
    cpus: int
    time_limit_s: float | None
    """The longest that a job may ask for; None where it is not limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """All of it at one time."""

    at: datetime
    """When it was asked for."""
    jobs: tuple[Job, ...]
    """Those that run or wait; what has ended is left out."""
    nodes: tuple[Node, ...]
    partitions: tuple[Partition, ...]
    planned_at: datetime | None
    """When the scheduler last worked out the starts of pending jobs; None where it never did."""

    @property
    def pending(self) -> tuple[Job, ...]:
        """Return the jobs that wait, held ones included."""
        return tuple(job for job in self.jobs if job.state is JobState.PENDING)

    @property
    def running(self) -> tuple[Job, ...]:
        """Return the jobs that hold nodes."""
        return tuple(job for job in self.jobs if job.state is JobState.RUNNING)
