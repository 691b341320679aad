"""What the control law is told, and what it answers.

``SiteState`` is the site as metered now, ``Limits`` what must or should be kept,
``Memory`` what the law remembers from its last run, ``Decision`` its answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .model import Command, Reason
from .window import Window


class Strategy(StrEnum):
    """What the controller is after, besides keeping the limits."""

    AUTOMATIC = "automatic"
    """Follow the plan: energy, peaks and wear together, whatever costs least."""
    ARBITRAGE = "arbitrage"
    """Follow a plan that looks at energy prices alone."""
    PEAK_SHAVING = "peak_shaving"
    """Discharge for peaks, recharge whenever there is room below the target."""
    SELF_CONSUMPTION = "self_consumption"
    """Charge from PV surplus only, discharge to buy less; peaks are shaved too."""
    OBSERVE = "observe"
    """Watch and report, command nothing."""

    @property
    def follows_plan(self) -> bool:
        """Tell whether a plan decides, as long as there is one."""
        return self in (Strategy.AUTOMATIC, Strategy.ARBITRAGE)


class ControlState(StrEnum):
    """What the controller is doing, in one word."""

    OFF = "off"
    OBSERVING = "observing"
    IDLE = "idle"
    SHAVING = "shaving"
    LIMITING = "limiting"
    CHARGING = "charging"
    DISCHARGING = "discharging"
    SAFE = "safe"
    ISLANDED = "islanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridState:
    """The last believable answer of the grid meter."""

    power_w: float
    """Import +, export -."""
    age_s: float
    """How long ago the meter said so."""
    phase_w: tuple[float, float, float] | None = None
    """Power per phase, in the same sign, where the meter gives phases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryState:
    """One battery cabinet as it reports itself, and what it may be asked for."""

    asset_id: str
    power_w: float | None
    """AC power now, discharge +. None: unknown."""
    soc: float | None
    """State of charge, 0..1. None: unknown."""
    reading_s: float
    """Monotonic time of the reading that this comes from."""
    capacity_wh: float
    charge_limit_w: float
    """The most that it takes now: the lesser of what is configured and what it reports."""
    discharge_limit_w: float
    """The most that it gives now, likewise."""
    usable: bool = True
    """False while it must not be commanded: silent, refusing, in alarm, not following."""
    heartbeat_s: float | None = None
    """Repeat an unchanged command this often; None: never."""
    min_interval_s: float = 0.0
    resolution_w: float = 1.0
    settle_s: float = 2.0
    """How long after a command its effect shows in the readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PvState:
    """One PV inverter whose production can be limited."""

    asset_id: str
    power_w: float | None
    rated_w: float
    usable: bool = True
    heartbeat_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteState:
    """The site now."""

    now: datetime
    monotonic_s: float
    grid: GridState | None
    """None while nothing believable is known."""
    window: Window | None
    billed_peak_w: float = 0.0
    """The highest window mean of the running billing period."""
    batteries: tuple[BatteryState, ...] = ()
    pv: tuple[PvState, ...] = ()
    grid_present: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What must be kept (hard), and what should be (the target peak, the reserve)."""

    connection_w: float
    """What the grid connection carries, import."""
    target_w: float
    """The mean import that no window should exceed."""
    phase_w: float | None = None
    """What one phase of the connection carries."""
    operator_w: float | None = None
    """A limit of the grid operator on import, while there is one."""
    export_w: float | None = None
    """The most that may be fed in; None: no limit."""
    soc_min: float = 0.05
    soc_max: float = 1.0
    reserve: float = 0.0
    """State of charge that is kept for outages; peaks do not use it, the hard limits do."""
    stale_s: float = 5.0
    """An older meter reading is not acted on any more."""
    release_s: float = 60.0
    """After this long without the meter the batteries are given back."""
    strategy: Strategy = Strategy.PEAK_SHAVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The last command that went to an asset."""

    power_w: float | None
    at_s: float
    """When it was last written."""
    changed_s: float
    """When it last changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the law carries from one run to the next."""

    natural_w: float | None = None
    """What the site would draw with all batteries at rest, as last estimated."""
    sent: Mapping[str, Sent] = field(default_factory=dict)
    sent_pv: Mapping[str, Sent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, why, and how the running window looks."""

    state: ControlState
    reason: Reason
    setpoints: Mapping[str, float | None]
    """What every controllable battery should do; None: its own control."""
    commands: tuple[Command, ...]
    """What has to be written now: changes and heartbeats only."""
    memory: Memory
    natural_w: float | None = None
    target_w: float | None = None
    """The mean import that is being kept."""
    projected_mean_w: float | None = None
    """The mean that the window ends with if the import goes on as it is now."""
    allowed_w: float | None = None
    """The mean import that the rest of the window may have."""
    headroom_w: float | None = None
    """What could be drawn on top now without any limit or the target being exceeded."""
    shortfall_w: float = 0.0
    """What batteries cannot cover of what is above the limits: the compute levers' turn."""
    peak_at_risk: bool = False
    peak_unavoidable: bool = False
