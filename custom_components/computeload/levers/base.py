"""One lever of a cluster, as it is looked at and given back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..core.levers import Consent
from ..core.queue import QueueState
from .hands import Hands

type Save = Callable[[], Awaitable[None]]
"""Puts the states of all levers on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the levers look at."""

    state: QueueState
    room_w: float | None
    """What could be drawn on top now for hours; None while the site's draw is not known."""
    missing_w: float
    """What is above the limits, and batteries and PV cannot cover."""
    headroom_w: float
    """What could be drawn on top at this moment."""
    compute_w: float | None
    """What the cluster draws; None while one of its branches is not known."""
    longest_s: float
    """For so long a job may be put off."""
    asked: bool
    """Whether this lever's turn has come."""
    demanded: bool
    """Whether somebody asks for all that this lever can give."""


class Tool:
    """One lever. Its state was made in one mode: in earnest, or in a dry run."""

    def __init__(self, hands: Hands, save: Save) -> None:
        """Start with nothing moved."""
        self.hands = hands
        self.mode = Consent.OFF
        self._save = save

    @property
    def earnest(self) -> bool:
        """Return whether what is done is really done."""
        return self.mode is Consent.ON

    async def look(self, view: View) -> None:
        """Do what is to be done now."""
        raise NotImplementedError

    async def give_back(self) -> None:
        """Undo all that was done, for good."""

    async def let_go(self) -> None:
        """Undo all that was done, until somebody looks again: Home Assistant stops."""
        await self.give_back()

    async def settle(self) -> None:
        """Try again to undo what could not be undone."""

    def to_state(self) -> Any:
        """Return what was done in earnest, ready for JSON."""
        return None

    def restore(self, state: Any) -> None:
        """Take what was stored. Raises KeyError, TypeError or ValueError for anything else."""
