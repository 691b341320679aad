"""Battery cabinets: what they hold, what they may do now, and how fast they obey."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf
from typing import Final

_TAPER_SOC: Final = 0.05
"""Over this much SoC below full and above the floor, power is taken back to nothing."""
_WARM_C: Final = 45.0
_HOT_C: Final = 55.0
_COLD_C: Final = 5.0
_FREEZING_C: Final = -5.0


class OwnControl(StrEnum):
    """What a cabinet does while nobody commands it."""

    IDLE = "idle"
    SELF_CONSUMPTION = "self_consumption"


class Alarm(StrEnum):
    """What a cabinet complains about."""

    OVER_TEMPERATURE = "over_temperature"
    UNDER_TEMPERATURE = "under_temperature"
    LOW_SOC = "low_soc"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySpec:
    """One cabinet with its inverter. Powers are AC, positive numbers."""

    id: str
    name: str
    capacity_wh: float
    charge_w: float
    discharge_w: float
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    soc_start: float = 0.6
    soc_floor: float = 0.05
    """Below this the cabinet's own protection ends the discharge."""
    standby_w: float = 40.0
    """What the cabinet draws from its cells for itself."""
    delay_s: float = 1.0
    """From a command's arrival until the power begins to move."""
    ramp_s: float = 1.0
    """Time constant of the power's movement."""
    ambient_c: float = 22.0
    own_control: OwnControl = OwnControl.IDLE
    islanding: bool = False
    """Whether it forms the grid when the public one fails."""


class BatteryPhysics:
    """One cabinet. ``power_w`` is its AC power, discharge +."""

    __slots__ = (
        "_alpha",
        "_heating_c_per_ws",
        "_pending",
        "_step_h",
        "_target_w",
        "_temperature_alpha",
        "ambient_c",
        "charge_limit_w",
        "charged_ws",
        "command_expires_s",
        "command_w",
        "discharge_limit_w",
        "discharged_ws",
        "forming",
        "lapses",
        "max_soc",
        "min_soc",
        "power_w",
        "revert_to_w",
        "soc",
        "spec",
        "stuck",
        "temperature_c",
    )

    def __init__(self, spec: BatterySpec, step_s: float) -> None:
        """Start idle, uncommanded and at the temperature of the room."""
        self.spec = spec
        self.soc = spec.soc_start
        self.min_soc = self.max_soc = spec.soc_start
        self.power_w = 0.0
        self.charged_ws = 0.0
        """AC energy taken, Ws."""
        self.discharged_ws = 0.0
        """AC energy given, Ws."""
        self.ambient_c = self.temperature_c = spec.ambient_c
        self.charge_limit_w = spec.charge_w
        self.discharge_limit_w = spec.discharge_w
        self.forming = False
        """Whether it carries an island at the moment."""
        self.command_w: float | None = None
        """The command in force; None: under its own control."""
        self.command_expires_s = inf
        self.revert_to_w: float | None = None
        self.lapses = 0
        """How often a command ran out because nobody repeated it."""
        self.stuck = False
        """Whether the command in force never runs out."""
        self._target_w = 0.0
        self._pending: deque[tuple[float, float | None]] = deque()
        self._step_h = step_s / 3600.0
        self._alpha = 1 - exp(-step_s / max(spec.ramp_s, 1e-3))
        self._temperature_alpha = 1 - exp(-step_s / 5400.0)
        # At full power for good, the losses warm the cells by some 15 K above the room.
        full_loss_w = spec.discharge_w * (1 / spec.discharge_efficiency - 1)
        self._heating_c_per_ws = 15.0 / max(full_loss_w, 1.0)
        self._refresh_limits()

    def command(
        self,
        power_w: float | None,
        now_s: float,
        *,
        expires_s: float = inf,
        revert_to_w: float | None = None,
    ) -> None:
        """Command an AC power, discharge +, or with None give it back to itself.

        ``expires_s`` is the simulated second at which the command runs out; the cabinet
        then takes ``revert_to_w``, or with None goes back to its own control.
        """
        if power_w != self.command_w:
            self._pending.append((now_s + self.spec.delay_s, power_w))
        self.command_w = power_w
        self.command_expires_s = inf if power_w is None else expires_s
        self.revert_to_w = revert_to_w

    def set_soc(self, soc: float) -> None:
        """Let the state of charge jump, as a recalibrated battery management does."""
        self.soc = max(0.0, min(1.0, soc))
        self.min_soc = min(self.min_soc, self.soc)
        self.max_soc = max(self.max_soc, self.soc)
        self._refresh_limits()

    @property
    def stored_wh(self) -> float:
        """The energy in the cells."""
        return self.soc * self.spec.capacity_wh

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that are active now."""
        alarms = []
        if self.temperature_c > _WARM_C:
            alarms.append(Alarm.OVER_TEMPERATURE)
        if self.temperature_c < _COLD_C:
            alarms.append(Alarm.UNDER_TEMPERATURE)
        if self.soc <= self.spec.soc_floor:
            alarms.append(Alarm.LOW_SOC)
        return tuple(alarms)

    def tick(self, elapsed_s: float, grid_w: float) -> float:
        """Advance the cabinet's own control by one step and return its AC power.

        ``grid_w`` is the site's exchange of the step before, as the cabinet's own
        transformer sees it.
        """
        if elapsed_s >= self.command_expires_s and not self.stuck:
            self.lapses += 1
            self.command(self.revert_to_w, elapsed_s)
        pending = self._pending
        while pending and pending[0][0] <= elapsed_s:
            power_w = pending.popleft()[1]
            self._target_w = 0.0 if power_w is None else power_w
        target_w = self._target_w
        if (
            self.spec.own_control is OwnControl.SELF_CONSUMPTION
            and self.command_w is None
            and not pending
        ):
            target_w = self._target_w = self.power_w + 0.7 * grid_w
        target_w = max(-self.charge_limit_w, min(self.discharge_limit_w, target_w))
        return self.settle(self.power_w + (target_w - self.power_w) * self._alpha)

    def settle(self, power_w: float) -> float:
        """Set the AC power for this step within the limits, and return what it became."""
        power_w = max(-self.charge_limit_w, min(self.discharge_limit_w, power_w))
        self.power_w = power_w
        return power_w

    def account(self, step_s: float) -> None:
        """Book one step at the present power: energy, losses, temperature, new limits."""
        spec = self.spec
        power_w = self.power_w
        if power_w >= 0.0:
            cells_w = power_w / spec.discharge_efficiency
            loss_w = cells_w - power_w
            self.discharged_ws += power_w * step_s
        else:
            cells_w = power_w * spec.charge_efficiency
            loss_w = cells_w - power_w
            self.charged_ws -= power_w * step_s
        soc = self.soc - (cells_w + spec.standby_w) * self._step_h / spec.capacity_wh
        self.soc = soc = max(0.0, min(1.0, soc))
        if soc < self.min_soc:
            self.min_soc = soc
        elif soc > self.max_soc:
            self.max_soc = soc
        settled_c = self.ambient_c + loss_w * self._heating_c_per_ws
        self.temperature_c += (settled_c - self.temperature_c) * self._temperature_alpha
        self._refresh_limits()

    def _refresh_limits(self) -> None:
        """Work out what the cabinet may take and give now.

        The taper is linear over the last 5 % on either side; temperature takes the power
        back between 45 and 55 degrees and, for charging, between 5 and -5. The energy that
        fits within one step bounds both, so that no step overshoots.
        """
        spec = self.spec
        soc = self.soc
        temperature_c = self.temperature_c
        warm = 1.0
        cold = 1.0
        if temperature_c > _WARM_C:
            warm = max(0.0, (_HOT_C - temperature_c) / (_HOT_C - _WARM_C))
        elif temperature_c < _COLD_C:
            cold = max(0.0, (temperature_c - _FREEZING_C) / (_COLD_C - _FREEZING_C))
        room = 1.0 - soc
        charge_w = spec.charge_w * warm * cold
        if room < _TAPER_SOC:
            charge_w *= room / _TAPER_SOC
            charge_w = min(
                charge_w, room * spec.capacity_wh / self._step_h / spec.charge_efficiency
            )
        left = soc - spec.soc_floor
        discharge_w = spec.discharge_w * warm
        if left < _TAPER_SOC:
            discharge_w *= max(0.0, left / _TAPER_SOC)
            usable_w = left * spec.capacity_wh / self._step_h - spec.standby_w
            discharge_w = max(0.0, min(discharge_w, usable_w * spec.discharge_efficiency))
        self.charge_limit_w = charge_w
        self.discharge_limit_w = discharge_w
