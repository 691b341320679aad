"""What the controller publishes, what the user sets, and what is kept on disk."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
import math
from typing import Any, TypedDict

from .core.model import Reason
from .core.site import ControlState, Strategy
from .core.window import TrackerState, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user sets while the site runs; kept over restarts."""

    enabled: bool = False
    strategy: Strategy = Strategy.AUTOMATIC
    target_w: float | None = None
    """None: what the site was set up with."""
    connection_w: float | None = None
    """None: what the site's connection carries."""
    soc_min: float = 0.05
    reserve: float = 0.1
    backup_s: float = 0.0
    """For so long the protected load is to run in an outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteData:
    """The site as published. Powers in W, in our signs; None where it is not known."""

    grid_power_w: float | None = None
    load_power_w: float | None = None
    pv_power_w: float | None = None
    battery_power_w: float | None = None
    soc: float | None = None
    """State of charge of all batteries together, 0..1."""
    window: Window | None = None
    running_mean_w: float | None = None
    """Mean import of the running window so far."""
    projected_mean_w: float | None = None
    """The mean that the window ends with if the import goes on as it is now."""
    remaining_wh: float | None = None
    """What may still be drawn before the window exceeds the target."""
    target_w: float | None = None
    """The mean import that is being kept: the plan's, a peak that is billed, or the user's."""
    billed_peak_w: float | None = None
    headroom_w: float | None = None
    setpoint_w: float | None = None
    """What the batteries are told together; with control off, what they would be."""
    data_age_s: float | None = None
    state: ControlState = ControlState.OFF
    reason: Reason = Reason.OFF
    """Why the state is what it is; with control off, why it would be something else."""
    peak_at_risk: bool = False
    peak_unavoidable: bool = False
    grid_present: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """One decision that differed from the one before, for diagnostics."""

    at: datetime
    state: ControlState
    reason: Reason
    grid_w: float | None
    setpoints: Mapping[str, float | None]


class StoredState(TypedDict):
    """The controller on disk."""

    settings: dict[str, Any]
    window: TrackerState | None
    peaks: list[tuple[str, float, float, str]]
    engaged: list[str]


class BaseLoad:
    """The lowest draw of the last day, in hourly buckets."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._hours: deque[tuple[int, float]] = deque(maxlen=24)

    def add(self, now_s: float, natural_w: float) -> None:
        """Take what the site draws now with its batteries at rest (W)."""
        hour = math.floor(now_s / 3600.0)
        if self._hours and self._hours[-1][0] == hour:
            natural_w = min(self._hours.pop()[1], natural_w)
        self._hours.append((hour, natural_w))

    @property
    def lowest_w(self) -> float | None:
        """Return the lowest draw seen; None before the first."""
        return min((w for _, w in self._hours), default=None)

    @property
    def hours(self) -> int:
        """Return for how many hours of the last day something was seen."""
        return len(self._hours)
