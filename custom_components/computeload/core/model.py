"""The words that all parts share: quantities, readings, commands, contracts.

Signs everywhere: grid import +, battery discharge +, PV production +, load consumption +,
so ``grid = load - pv - battery``. Units: W, Wh, s, UTC-aware datetimes; state of charge
is a fraction 0..1. A driver turns the device's own signs and units into these at the
edge, and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol


class AssetKind(StrEnum):
    """What an asset is to the site; each is one config subentry type."""

    METER = "meter"
    BATTERY = "battery"
    PV = "pv"
    LOAD = "load"


class Quantity(StrEnum):
    """What a device can report. The unit is in the name; the value is in our signs."""

    POWER_W = "power_w"
    POWER_L1_W = "power_l1_w"
    POWER_L2_W = "power_l2_w"
    POWER_L3_W = "power_l3_w"
    VOLTAGE_L1_V = "voltage_l1_v"
    VOLTAGE_L2_V = "voltage_l2_v"
    VOLTAGE_L3_V = "voltage_l3_v"
    CURRENT_L1_A = "current_l1_a"
    CURRENT_L2_A = "current_l2_a"
    CURRENT_L3_A = "current_l3_a"
    FREQUENCY_HZ = "frequency_hz"
    POWER_FACTOR = "power_factor"
    APPARENT_POWER_VA = "apparent_power_va"
    REACTIVE_POWER_VAR = "reactive_power_var"
    ENERGY_IMPORT_WH = "energy_import_wh"
    """Meter: drawn from the grid. Battery: charged. Load: consumed."""
    ENERGY_EXPORT_WH = "energy_export_wh"
    """Meter: fed in. Battery: discharged. PV: produced."""
    SOC = "soc"
    SOH = "soh"
    CAPACITY_WH = "capacity_wh"
    TEMPERATURE_C = "temperature_c"
    CHARGE_LIMIT_W = "charge_limit_w"
    """The most the device takes now, as a positive number."""
    DISCHARGE_LIMIT_W = "discharge_limit_w"
    """The most the device gives now, as a positive number."""
    RATED_POWER_W = "rated_power_w"
    SETPOINT_W = "setpoint_w"
    """The command that the device holds now; absent while it is under its own control."""
    POWER_LIMIT_W = "power_limit_w"
    """PV: the production limit in force; absent while there is none."""
    STATE = "state"
    """One word out of the profile's own table, for people."""
    ALARMS = "alarms"
    """Names of the active alarms; the empty string while there are none."""
    GRID_PRESENT = "grid_present"
    """1.0 while the device sees the grid, 0.0 while it runs an island."""


TEXT_QUANTITIES: Final = frozenset({Quantity.STATE, Quantity.ALARMS})

type Value = float | str
type Values = Mapping[Quantity, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one device said in one poll. A quantity that it did not report is absent."""

    at: datetime
    """Wall clock, UTC, when the answer was in."""
    monotonic_s: float
    """The same moment on the clock that never steps."""
    values: Values
    channels: tuple[Values, ...] = ()
    """Branches or outlets of a multi-channel device, in its own order."""

    def number(self, quantity: Quantity) -> float | None:
        """Return a numeric quantity, or None where the device did not report it."""
        value = self.values.get(quantity)
        return value if isinstance(value, float | int) else None

    def text(self, quantity: Quantity) -> str | None:
        """Return a textual quantity, or None where the device did not report it."""
        value = self.values.get(quantity)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one asset is told now.

    For a battery ``power_w`` is its AC power, discharge +. For PV it is the most that it
    may produce. None releases the asset: it goes back to its own control.
    """

    asset_id: str
    power_w: float | None
    reason: Reason


class Reason(StrEnum):
    """Why a decision is what it is. Each has a plain sentence in the translations."""

    OFF = "off"
    """Control is switched off; nothing is commanded."""
    IDLE = "idle"
    """Nothing needs the battery now."""
    PEAK = "peak"
    """Discharging: without it this window would end above the target peak."""
    ALREADY_BILLED = "already_billed"
    """Not shaving: a higher peak is already billed, so this window costs nothing more."""
    CONNECTION_LIMIT = "connection_limit"
    """Discharging or charging less: the grid connection would be overloaded."""
    OPERATOR_LIMIT = "operator_limit"
    """The grid operator limits the draw at the moment."""
    EXPORT_LIMIT = "export_limit"
    """Feed-in would exceed its limit: charging, or PV is curtailed."""
    RECHARGE = "recharge"
    """Charging below the target peak, to be ready for the next one."""
    SURPLUS = "surplus"
    """Charging from PV that would otherwise be fed in."""
    SELF_CONSUMPTION = "self_consumption"
    """Discharging stored energy instead of buying."""
    PLAN = "plan"
    """Following the plan."""
    RESERVE = "reserve"
    """Holding back the energy that is reserved for an outage."""
    EMPTY = "empty"
    """The battery would be needed, but has nothing left to give."""
    UNAVOIDABLE = "unavoidable"
    """Battery at its limit and still not enough: this window ends above the target."""
    METER_STALE = "meter_stale"
    """The grid meter is silent or not believable; winding down to safety."""
    RELEASED = "released"
    """Given back to the battery's own control."""
    ISLANDED = "islanded"
    """The grid is gone; the battery must be free to carry the site."""
    NO_METER = "no_meter"
    """No grid meter has been added yet."""
    NO_BATTERY = "no_battery"
    """There is no battery that could be controlled now."""


class Clock(Protocol):
    """Where the time comes from; simulated sites bring their own."""

    def now(self) -> datetime:
        """Return the wall clock, UTC-aware."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never steps."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The fail-safe contract of a controllable device (its profile states all of it)."""

    lapse_s: float | None
    """A command not repeated for this long is dropped by the device; None: it never is."""
    lapse_to: str
    """What the device does by itself after a lapse or a release, in plain words."""
    heartbeat_s: float | None
    """How often an unchanged command is repeated; None: never."""
    persistent: bool
    """Whether commands are stored in flash, so that they must not be written cyclically."""
    on_grid_loss: str
    """What the device does with a command when the grid fails, in plain words."""
    min_interval_s: float = 0.0
    """The least time between two commands that differ."""
    resolution_w: float = 1.0
    """The smallest step that the device's setpoint can express."""
    delay_s: float = 1.0
    """How long the device takes from command to effect."""
    doubt: str = ""
    """What sources disagree about, or nobody has confirmed, in plain words; empty for nothing."""

    @property
    def needs_consent(self) -> bool:
        """Return whether it may be commanded only by a user who accepts what can happen.

        A command that never lapses stays in force when the controller ends without a
        release; one that is stored in flash wears it out; one that is in doubt may do
        something else.
        """
        return self.lapse_s is None or self.persistent or bool(self.doubt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a device says it is."""

    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
