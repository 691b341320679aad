"""What can be asked of compute when batteries and PV cannot hold a limit, by rising harm.

A job is never ended for good. Every lever needs the user's own consent; what is not consented
to is only reckoned with, and said. Pure: time is passed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
import math
from typing import Final


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


def up_to(worst: Lever | None) -> frozenset[Lever]:
    """Return a lever and all those of less harm; none for None."""
    levers = tuple(Lever)
    return frozenset(levers[: levers.index(worst) + 1]) if worst is not None else frozenset()


def worst_of(levers: Iterable[Lever | None]) -> Lever | None:
    """Return the lever of most harm; None where there is none."""
    order = tuple(Lever)
    return max(filter(None, levers), key=order.index, default=None)
