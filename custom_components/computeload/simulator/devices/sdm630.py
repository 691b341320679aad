"""Eastron SDM630: float32 values in input registers, kWh counters, settings in FC 3.

It measures the grid connection or one branch. Behind a serial gateway, as it is in the
field; at most 80 registers (40 values) per request.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from ...core.model import AssetKind, Quantity
from ..physics import LOAD_VAR_PER_W, Phase
from ..registers import Block, Kind, Point, Raw
from ..spec import GRID
from .base import WireDevice

_INPUT: Final = frozenset({4})
_HOLDING: Final = frozenset({3})
_DARK: Final = Phase(0.0, 0.0, 0.0, 0.0)


class Sdm630(WireDevice):
    """The meter. Power import (or consumption) is positive, as in the real one."""

    kind: ClassVar[AssetKind] = AssetKind.METER
    gateway: ClassVar[bool] = True
    most_registers: ClassVar[int] = 80
    write_functions: ClassVar[frozenset[int]] = frozenset({16})

    def build(self) -> list[Block]:
        """Lay out the map: measurements, line voltages, energies, settings, identity."""
        self._tick = -1
        self._phases = (_DARK, _DARK, _DARK)
        self._branch = None
        if self.wire.serves != (GRID,):
            self._branch = self.physics.loads.branches[self.wire.serves[0]]
        measured = [
            *self._by_phase(0, lambda p: p.voltage_v, "voltage_v"),
            *self._by_phase(6, lambda p: p.current_a, "current_a"),
            *self._by_phase(12, lambda p: p.power_w, "power_w"),
            *self._by_phase(18, _apparent_va),
            *self._by_phase(24, lambda p: p.reactive_var),
            *self._by_phase(30, _power_factor),
            self._value(48, lambda: self._sum(lambda p: p.current_a)),
            self._value(52, lambda: self._sum(lambda p: p.power_w), Quantity.POWER_W),
            self._value(56, lambda: _apparent_va(self._total()), Quantity.APPARENT_POWER_VA),
            self._value(60, lambda: self._total().reactive_var, Quantity.REACTIVE_POWER_VAR),
            self._value(62, lambda: _power_factor(self._total()), Quantity.POWER_FACTOR),
            self._value(70, lambda: self.physics.frequency_hz, Quantity.FREQUENCY_HZ),
            self._value(72, lambda: self._energy_kwh("import"), Quantity.ENERGY_IMPORT_WH),
            self._value(74, lambda: self._energy_kwh("export"), Quantity.ENERGY_EXPORT_WH),
            self._value(84, self._demand_w),
            self._value(86, self._highest_demand_w),
        ]
        lines = [
            *(self._value(200 + 2 * i, partial(self._line_v, i)) for i in range(3)),
            self._value(224, lambda: 0.0),
        ]
        energies = [
            self._value(342, lambda: self._energy_kwh("import") + self._energy_kwh("export")),
            *(self._value(346 + 2 * i, partial(self._energy_kwh, f"import{i}")) for i in range(3)),
            *(self._value(352 + 2 * i, partial(self._energy_kwh, f"export{i}")) for i in range(3)),
        ]
        settings = [
            self._value(0, lambda: 15.0),
            self._value(2, lambda: 15.0),
            self._value(18, lambda: 0.0),
            self._value(20, lambda: float(self.wire.unit_id)),
            self._value(28, lambda: 4.0),
        ]
        identity = [
            Point(name="serial", address=64512, kind=Kind.U32, get=lambda: self.serial),
            Point(name="version", address=64515, kind=Kind.U16, get=lambda: 0x0124),
        ]
        return [
            Block(0, 88, measured, functions=_INPUT, unused=0),
            Block(200, 26, lines, functions=_INPUT, unused=0),
            Block(342, 40, energies, functions=_INPUT, unused=0),
            Block(0, 30, settings, functions=_HOLDING, unused=0),
            Block(64512, 4, identity, functions=_HOLDING, unused=0),
        ]

    def _value(
        self, address: int, get: Callable[[], Raw], quantity: Quantity | None = None
    ) -> Point:
        return Point(name=f"r{address}", address=address, kind=Kind.F32, get=get, quantity=quantity)

    def _by_phase(
        self, address: int, value: Callable[[Phase], float], stem: str = ""
    ) -> list[Point]:
        """Return three points, one per phase; the stem is that of the quantities."""
        points = []
        for index in range(3):
            name, _, unit = stem.rpartition("_")
            quantity = Quantity(f"{name}_l{index + 1}_{unit}") if stem else None
            points.append(
                self._value(address + 2 * index, partial(self._of_phase, index, value), quantity)
            )
        return points

    def _of_phase(self, index: int, value: Callable[[Phase], float]) -> float:
        return value(self._now()[index])

    def _now(self) -> tuple[Phase, Phase, Phase]:
        """Return the three phases, worked out once per step of the physics."""
        if self._tick != self.physics.ticks:
            self._phases = (self._phase(0), self._phase(1), self._phase(2))
            self._tick = self.physics.ticks
        return self._phases

    def _phase(self, index: int) -> Phase:
        branch = self._branch
        if branch is None:
            return self.physics.phase(index)
        voltage_v = self.physics.voltage_v(index)
        share = (branch.share_l1, branch.share_l2, branch.share_l3)[index]
        power_w = branch.power_w * share
        reactive_var = power_w * LOAD_VAR_PER_W
        apparent_va = (power_w**2 + reactive_var**2) ** 0.5
        return Phase(voltage_v, apparent_va / voltage_v if voltage_v else 0, power_w, reactive_var)

    def _sum(self, value: Callable[[Phase], float]) -> float:
        return sum(value(phase) for phase in self._now())

    def _total(self) -> Phase:
        return Phase(0.0, 0.0, self._sum(lambda p: p.power_w), self._sum(lambda p: p.reactive_var))

    def _line_v(self, index: int) -> float:
        """Return the voltage between a phase and the next, 120 degrees apart."""
        phases = self._now()
        a, b = phases[index].voltage_v, phases[(index + 1) % 3].voltage_v
        return float((a * a + b * b + a * b) ** 0.5)

    def _energy_kwh(self, counter: str) -> float:
        physics, branch = self.physics, self._branch
        if branch is not None:
            shares = (1.0, branch.share_l1, branch.share_l2, branch.share_l3)
            index = int(counter[6:]) + 1 if len(counter) > len("import") else 0
            energy_ws = branch.energy_ws * shares[index] if counter.startswith("import") else 0.0
        elif len(counter) > len("import"):
            phases = physics.phase_import_ws if "import" in counter else physics.phase_export_ws
            energy_ws = phases[int(counter[6:])]
        else:
            energy_ws = physics.import_ws if counter == "import" else physics.export_ws
        return self.counted(counter, energy_ws) / 1000.0

    def _demand_w(self) -> float:
        """Return the mean of the last complete demand period (the site's quarter hours)."""
        windows = self.physics.windows
        return windows[-1].mean_import_w if windows and self._branch is None else 0.0

    def _highest_demand_w(self) -> float:
        return self.physics.peak_w if self._branch is None else 0.0


def _apparent_va(phase: Phase) -> float:
    return float((phase.power_w**2 + phase.reactive_var**2) ** 0.5)


def _power_factor(phase: Phase) -> float:
    apparent_va = _apparent_va(phase)
    return phase.power_w / apparent_va if apparent_va else 1.0
