"""From a scheduler's whole state to what must be known of its jobs to foresee them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from .job_classes import JobView
from .queue import Job, Node, QueueState
from .queue_forecast import JobsNow

MOST_TASKS: Final = 200
"""So many of an array's waiting tasks are looked at one by one; they start one after another."""
BLOCKED: Final = frozenset(
    {
        "BadConstraints",
        "Dependency",
        "DependencyNeverSatisfied",
        "PartitionDown",
        "PartitionInactive",
    }
)
"""Reasons for which a job waits for something else than its turn."""
DOWN: Final = frozenset(
    {"DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING", "MAINT", "UNKNOWN"}
)
ASLEEP: Final = frozenset({"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN", "POWERING_UP"})
TAKEN: Final = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})


def jobs_now(state: QueueState) -> JobsNow:
    """Return a cluster's jobs as a forecast takes them; what nothing is known of is left out.

    Pending jobs that are held or wait for something else than their turn are no load to come.
    """
    return JobsNow(
        now_s=state.at.timestamp(),
        running=[view_of(job) for job in state.running],
        pending=list(_waiting(state)),
        free_nodes=_free_nodes(state),
    )


def view_of(job: Job, task: int = 0) -> JobView:
    """Return one job, or one of an array's waiting tasks, as its class is learned from."""
    return JobView(
        job_id=f"{job.id}_{task}" if job.tasks > 1 else job.id,
        user=job.user,
        account=job.account,
        partition=job.partition,
        name=job.name,
        nodes=max(job.nodes, 1),
        gpus=job.gpus,
        limit_s=job.time_limit_s,
        start_s=_seconds(job.starts_at) if task == 0 else None,
    )


def is_up(node: Node) -> bool:
    """Return whether a node could run jobs: neither broken, nor drained, nor switched off."""
    return node.states.isdisjoint(DOWN | ASLEEP)


def is_taken(node: Node) -> bool:
    """Return whether jobs run on a node."""
    return not node.states.isdisjoint(TAKEN)


def _waiting(state: QueueState) -> Iterator[JobView]:
    """Yield the jobs that wait for their turn: those with an expected start first."""
    ready = [job for job in state.pending if not job.held and job.reason not in BLOCKED]
    ready.sort(key=lambda job: _seconds(job.starts_at) or float("inf"))
    for job in ready:
        at_once = min(job.tasks, job.tasks_at_once or job.tasks, MOST_TASKS)
        for task in range(at_once):
            yield view_of(job, task)


def _free_nodes(state: QueueState) -> dict[str, int]:
    """Return by partition how many nodes could take a job now."""
    free = {node.name for node in state.nodes if is_up(node) and not is_taken(node)}
    partitions = [each for each in state.partitions if each.up]
    return {each.name: len(free.intersection(each.hosts)) for each in partitions}


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def part_on(job: Job, hosts: frozenset[str] | None) -> JobView | None:
    """Return the part of a running job that is on some nodes; None where none of it is.

    ``hosts``: None for all nodes there are.
    """
    view = view_of(job)
    if hosts is None:
        return view
    nodes = sum(host in hosts for host in job.hosts)
    if not nodes:
        return None
    return replace(view, nodes=nodes, gpus=round(view.gpus * nodes / len(job.hosts)))
