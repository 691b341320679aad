"""What can be asked of compute when batteries and PV cannot hold a limit, by rising harm.

A job is never ended for good. Every lever needs the user's own consent; what is not consented
to is only reckoned with, and said. Pure: time is passed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from .numbers import known
from .queue import Job, QueueState
from .queue_jobs import is_taken, is_up

CALM_S: Final = 600.0
"""A lever is given back when there was nothing missing for so long, the worst one first."""
FULL_LIFT: Final = 1.05
"""A budget that is so far above what compute drew before it was cut is none any more."""


class Lever(StrEnum):
    """Something that lowers what compute draws; by rising harm."""

    HOLD = "hold"
    """A job that waits starts later."""
    CAP = "cap"
    """Jobs that run become slower: less power is given to them."""
    DRAIN = "drain"
    """Nodes that are free take no further jobs."""
    REQUEUE = "requeue"
    """Jobs that run are put back into the queue, and begin anew."""


class Consent(StrEnum):
    """What the user lets a lever do."""

    OFF = "off"
    DRY_RUN = "dry_run"
    """Say what would be done, and do nothing."""
    ON = "on"


AFTER_S: Final = {Lever.CAP: 60.0, Lever.DRAIN: 300.0, Lever.REQUEUE: 900.0}
"""A lever's turn comes when power was missing for so long in spite of the ones before it."""


def up_to(worst: Lever | None) -> frozenset[Lever]:
    """Return a lever and all those of less harm; none for None."""
    levers = tuple(Lever)
    return frozenset(levers[: levers.index(worst) + 1]) if worst is not None else frozenset()


def worst_of(levers: Iterable[Lever | None]) -> Lever | None:
    """Return the lever of most harm; None where there is none."""
    return max(filter(None, levers), key=tuple(Lever).index, default=None)


# -- how far to go ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pressure:
    """How long power has been missing, or has not; the memory between two looks."""

    worst: Lever | None = None
    """The lever of most harm whose turn has come."""
    since_s: float | None = None
    """Since when power has been missing, with pauses shorter than ``CALM_S``."""
    missed_s: float = 0.0
    """When it was missing last, or when a lever was given back last."""


def press(shortfall_w: float, now_s: float, memory: Pressure) -> Pressure:
    """Return how far the levers are to go, after what is missing now (W).

    One that is given back goes alone: the next one waits for another ``CALM_S``.
    """
    if shortfall_w > 0.0:
        since_s = now_s if memory.since_s is None else memory.since_s
        due = (each for each, after_s in AFTER_S.items() if now_s - since_s >= after_s)
        worst = worst_of((memory.worst, *due))
        return Pressure(worst=worst, since_s=since_s, missed_s=now_s)
    if memory.since_s is None or now_s - memory.missed_s < CALM_S:
        return memory
    less = up_to(memory.worst) - {memory.worst, Lever.HOLD}
    if not less:
        return Pressure()
    return replace(memory, worst=worst_of(less), missed_s=now_s)


# -- the budget ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Budget:
    """What compute may draw, while it is cut."""

    power_w: float
    uncut_w: float
    """What it drew when it was cut first."""


def next_budget(
    budget: Budget | None, compute_w: float, shortfall_w: float, headroom_w: float
) -> Budget | None:
    """Return what compute may draw from now on; None: as much as it likes.

    ``compute_w``: what it draws. ``shortfall_w``: what is missing. ``headroom_w``: what could be
    drawn on top; half of it is given back at a time, so that the return sets no new peak.
    """
    if not known(compute_w):
        return budget
    if shortfall_w > 0.0:
        was_w = compute_w if budget is None else min(budget.power_w, compute_w)
        uncut_w = compute_w if budget is None else budget.uncut_w
        return Budget(max(was_w - shortfall_w, 0.0), uncut_w)
    if budget is None or not known(headroom_w):
        return budget
    more_w = budget.power_w + max(headroom_w, 0.0) / 2.0
    return None if more_w >= FULL_LIFT * budget.uncut_w else replace(budget, power_w=more_w)


# -- which nodes, which jobs ------------------------------------------------------------------


def free_nodes(state: QueueState) -> list[str]:
    """Return the nodes that could take a job now."""
    return [node.name for node in state.nodes if is_up(node) and not is_taken(node)]


def lose_least(
    jobs: Iterable[tuple[Job, float]], needed_w: float, now_s: float
) -> list[tuple[Job, float]]:
    """Return which running jobs to put back, with what they draw (W), to free ``needed_w``.

    Of those that may be put back at all, the ones that have done the least work so far.
    """

    def lost_ws(each: tuple[Job, float]) -> float:
        job, power_w = each
        started_s = job.starts_at.timestamp() if job.starts_at is not None else now_s
        return max(now_s - started_s, 0.0) * power_w

    chosen: list[tuple[Job, float]] = []
    for job, power_w in sorted((each for each in jobs if each[0].requeueable), key=lost_ws):
        if needed_w <= 0.0:
            break
        chosen.append((job, power_w))
        needed_w -= power_w
    return chosen
