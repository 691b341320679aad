"""What a user lets a cluster's levers do, and what they did."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from ..core.levers import Consent, Lever

LONGEST_H: Final = 4.0
"""No job is put off for longer, unless the user says otherwise."""
_FIRST: Final = {
    Lever.HOLD: Consent.DRY_RUN,
    Lever.CAP: Consent.OFF,
    Lever.DRAIN: Consent.OFF,
    Lever.REQUEUE: Consent.OFF,
}


class Deed(StrEnum):
    """What a lever did."""

    PUT_OFF = "put_off"
    LET_GO = "let_go"
    CUT = "cut"
    LIFTED = "lifted"
    DRAINED = "drained"
    RESUMED = "resumed"
    REQUEUED = "requeued"


PEAK: Final = "peak"
"""Why a lever was moved, where nobody else has asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that was done, or would have been."""

    at: datetime
    deed: Deed
    what: tuple[str, ...] = ()
    """Jobs or nodes."""
    power_w: float | None = None
    """What the jobs draw together; of a cut: what is left to compute."""
    why: str = PEAK
    dry_run: bool = False

    def described(self) -> dict[str, Any]:
        """Return it for an event or a download."""
        return {
            "what": list(self.what),
            "power_kw": None if self.power_w is None else round(self.power_w / 1000.0, 2),
            "reason": self.why,
            "dry_run": self.dry_run,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverSettings:
    """What the user has set for one cluster."""

    consent: Mapping[Lever, Consent] = field(default_factory=_FIRST.copy)
    longest_s: float = LONGEST_H * 3600.0
    """For so long a job may be put off."""
    budget_w: float | None = None
    """More than this compute is not to draw; None: no limit."""

    def allowing(self, lever: Lever, consent: Consent) -> Self:
        """Return the settings with another consent."""
        return replace(self, consent={**self.consent, lever: consent})

    def to_state(self) -> dict[str, Any]:
        """Return them ready for JSON."""
        return {
            "consent": dict(self.consent),
            "longest_s": self.longest_s,
            "budget_w": self.budget_w,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return what was stored. Raises KeyError, TypeError or ValueError for anything else."""
        consent = {Lever(lever): Consent(each) for lever, each in state["consent"].items()}
        budget_w = state["budget_w"]
        return cls(
            consent=_FIRST | consent,
            longest_s=float(state["longest_s"]),
            budget_w=None if budget_w is None else float(budget_w),
        )
