"""What a user corrected of a device, without touching its profile.

A current transformer that was mounted the wrong way round, a register in kW that the facts
call W: such a mistake belongs to one device at one site, not to its profile. It is undone
at the driver's edge, so that everything behind it sees right values only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from .model import Quantity, Reading, Value

POWERS: Final = (Quantity.POWER_W, Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W)
PHASE_POWERS: Final = POWERS[1:]
_COUNTERS: Final = (Quantity.ENERGY_IMPORT_WH, Quantity.ENERGY_EXPORT_WH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Corrections of one device; the default corrects nothing."""

    sign: int = 1
    """-1 turns the total and the phase powers round."""
    scale: float = 1.0
    """Factor on the total and the phase powers."""
    phase_signs: tuple[int, int, int] = (1, 1, 1)
    """-1 turns one phase round, and takes it out of the total twice."""
    swap_counters: bool = False
    """Whether the import counter is the export counter."""
    counter_scale: float = 1.0
    """Factor on the energy counters."""
    command_sign: int = 1
    """-1: what the device calls discharging is charging."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return what is stored; what is missing there is not corrected."""
        raw = dict(data)
        if "phase_signs" in raw:
            l1, l2, l3 = raw["phase_signs"]
            raw["phase_signs"] = (l1, l2, l3)
        return cls(**raw)

    def to_data(self) -> dict[str, Any]:
        """Return what is to be stored, as JSON knows it: only what is corrected."""
        neutral = asdict(Overrides())
        data = {key: value for key, value in asdict(self).items() if value != neutral[key]}
        if "phase_signs" in data:
            data["phase_signs"] = list(self.phase_signs)
        return data

    def then(self, more: Overrides) -> Overrides:
        """Return both corrections in one; the same one twice is none."""
        l1, l2, l3 = (a * b for a, b in zip(self.phase_signs, more.phase_signs, strict=True))
        return replace(
            self,
            sign=self.sign * more.sign,
            scale=self.scale * more.scale,
            phase_signs=(l1, l2, l3),
            swap_counters=self.swap_counters != more.swap_counters,
            counter_scale=self.counter_scale * more.counter_scale,
            command_sign=self.command_sign * more.command_sign,
        )

    def corrected(self, reading: Reading) -> Reading:
        """Return what the device would have said without its mistakes."""
        values: dict[Quantity, Value] = dict(reading.values)
        factor = self.sign * self.scale
        self._turn_phases(values)
        for quantity in POWERS:
            if isinstance(value := values.get(quantity), int | float):
                values[quantity] = value * factor
        for quantity in _COUNTERS:
            if isinstance(value := values.get(quantity), int | float):
                values[quantity] = value * self.counter_scale
        if self.swap_counters:
            imported, exported = (values.pop(quantity, None) for quantity in _COUNTERS)
            swapped = zip(_COUNTERS, (exported, imported), strict=True)
            values |= {quantity: value for quantity, value in swapped if value is not None}
        if isinstance(told := values.get(Quantity.SETPOINT_W), int | float):
            values[Quantity.SETPOINT_W] = told * self.command_sign
        return replace(reading, values=values)

    def _turn_phases(self, values: dict[Quantity, Value]) -> None:
        for quantity, sign in zip(PHASE_POWERS, self.phase_signs, strict=True):
            if sign > 0:
                continue
            phase, total = values.get(quantity), values.pop(Quantity.POWER_W, None)
            if isinstance(phase, int | float):
                values[quantity] = -phase
                if isinstance(total, int | float):
                    # Without the phase the total is wrong, and a wrong one is worse than none.
                    values[Quantity.POWER_W] = total - 2.0 * phase
