"""Jobs of a cluster, as a scheduler tells of them."""

from dataclasses import replace
from typing import Any, Final

from custom_components.computeload.core.queue import Job, JobState

_RUNNING: Final = Job(
    id="1",
    name="run",
    user="ada",
    account="lab",
    partition="compute",
    qos="normal",
    state=JobState.RUNNING,
    reason="",
    held=False,
    submitted_at=None,
    eligible_at=None,
    starts_at=None,
    ends_at=None,
    time_limit_s=3600.0,
    nodes=1,
    cpus=1,
    gpus=0,
    hosts=("a1",),
    tasks=1,
    tasks_at_once=None,
    requeueable=True,
)


def job(job_id: str, **changes: Any) -> Job:
    """Return a job that runs on one node, or one that differs from it."""
    return replace(_RUNNING, id=job_id, **changes)
