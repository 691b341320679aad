"""Queued work without a scheduler: a number of waiting jobs, and of running ones, from anywhere.

What is known is how many there are; which they are is not. Jobs that run are taken to end in the
order in which they began, so that their usual run time can be learned. Nothing can be asked of
such a queue.
"""

from collections import deque
from datetime import datetime
from typing import Final, NoReturn

from ..core.levers import Lever
from ..core.model import Clock
from ..core.queue import Job, JobState, Node, Partition, QueueState
from .base import EntitySilentError, RefusedError
from .entity import StateGetter

MOST: Final = 10_000
"""No number is taken for more jobs than this."""
PARTITION: Final = "queue"


class QueuedWork:
    """Implements ``queue.Queue`` with the states of entities."""

    def __init__(
        self, get: StateGetter, clock: Clock, *, waiting: str, running: str | None, machines: int
    ) -> None:
        """Take the entities by their ids, and how many machines there are."""
        self._get = get
        self._clock = clock
        self._waiting = waiting
        self._running = running
        self._machines = machines
        self._began: deque[tuple[int, datetime]] = deque()
        self._numbers = 0

    @property
    def abilities(self) -> frozenset[Lever]:
        """Return nothing: who counts jobs cannot put them off."""
        return frozenset()

    async def read(self) -> QueueState:
        """Return as many jobs as there are. Raises EntitySilentError."""
        at = self._clock.now()
        waiting = self._count(self._waiting)
        running = self._count(self._running) if self._running else 0
        while len(self._began) > running:
            self._began.popleft()
        while len(self._began) < running:
            self._numbers += 1
            self._began.append((self._numbers, at))
        hosts = tuple(str(n + 1) for n in range(self._machines))
        jobs = [_job(str(number), at=began) for number, began in self._began]
        if waiting:
            jobs.append(_job("waiting", tasks=waiting))
        return QueueState(
            at=at,
            jobs=tuple(jobs),
            nodes=tuple(_node(host, taken=n < running) for n, host in enumerate(hosts)),
            partitions=(
                Partition(
                    name=PARTITION,
                    up=True,
                    hosts=hosts,
                    nodes=len(hosts),
                    cpus=len(hosts),
                    time_limit_s=None,
                ),
            ),
            planned_at=None,
        )

    def _count(self, entity: str) -> int:
        state = self._get(entity)
        number = None if state is None else state.number
        if number is None:
            raise EntitySilentError(entity, "says no number")
        return min(max(round(number), 0), MOST)

    async def defer(self, job_id: str, until: datetime) -> None:  # noqa: ARG002 - the protocol's
        """Refuse."""
        self._refuse(f"putting job {job_id} off")

    async def requeue(self, job_id: str) -> None:
        """Refuse."""
        self._refuse(f"putting job {job_id} back")

    async def drain(self, node: str, reason: str) -> None:  # noqa: ARG002 - the protocol's
        """Refuse."""
        self._refuse(f"draining {node}")

    async def resume(self, node: str) -> None:
        """Refuse."""
        self._refuse(f"resuming {node}")

    def _refuse(self, what: str) -> NoReturn:
        raise RefusedError(
            f"{self._waiting}: {what} is not possible", device=self._waiting, what=what, code="-"
        )


def _job(job_id: str, *, at: datetime | None = None, tasks: int = 1) -> Job:
    """Return a job of one machine; with a time it runs since then, else it waits."""
    return Job(
        id=job_id,
        name=PARTITION,
        user="",
        account="",
        partition=PARTITION,
        qos="",
        state=JobState.PENDING if at is None else JobState.RUNNING,
        reason="",
        held=False,
        submitted_at=None,
        eligible_at=None,
        starts_at=at,
        ends_at=None,
        time_limit_s=None,
        nodes=1,
        cpus=1,
        gpus=0,
        hosts=() if at is None else (job_id,),
        tasks=tasks,
        tasks_at_once=None,
        requeueable=False,
    )


def _node(host: str, *, taken: bool) -> Node:
    return Node(
        name=host,
        states=frozenset({"ALLOCATED" if taken else "IDLE"}),
        partitions=(PARTITION,),
        cpus=1,
        cpus_used=int(taken),
        cpu_load=None,
        gpus=0,
        gpus_used=0,
        power_w=None,
    )
