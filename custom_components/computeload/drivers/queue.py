"""What the rest of the package may ask of any scheduler of compute jobs."""

from datetime import datetime
from typing import Protocol

from ..core.levers import Lever
from ..core.queue import QueueState


class Queue(Protocol):
    """One cluster's scheduler. It is never asked to end a job.

    Every method may raise DeviceError; none blocks, none retries, each ends within its own
    timeout.
    """

    @property
    def abilities(self) -> frozenset[Lever]:
        """Return what it can be asked for, as far as it is known by now."""
        ...

    async def read(self) -> QueueState:
        """Return jobs, nodes and partitions as they are now."""
        ...

    async def defer(self, job_id: str, until: datetime) -> None:
        """Keep a pending job from starting before a time (UTC-aware); now: let it start."""
        ...

    async def requeue(self, job_id: str) -> None:
        """End a running job that may be requeued; it waits for its turn again, from the start."""
        ...

    async def drain(self, node: str, reason: str) -> None:
        """Let a node take no further jobs; those on it go on."""
        ...

    async def resume(self, node: str) -> None:
        """Let a drained node take jobs again."""
        ...
