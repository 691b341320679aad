"""Socomec DIRIS Digiware: one block of registers per measured load, 2048 apart.

Load n begins at 18432 + (n-1) * 2048 with voltages in 0.01 V, currents in mA and powers
in W; its counters, in whole kWh, lie 1411 registers on.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from ...core.model import AssetKind, Quantity
from ..loads import Branch
from ..physics import LOAD_VAR_PER_W
from ..registers import Block, Kind, Point, Raw
from .base import WireDevice

FIRST: Final = 18432
STRIDE: Final = 2048
_READ: Final = frozenset({3})
_ENERGIES: Final = 1408
_APPARENT_PER_W: Final = (1 + LOAD_VAR_PER_W**2) ** 0.5


class SocomecDigiware(WireDevice):
    """The branch meter, behind its display as a gateway."""

    kind: ClassVar[AssetKind] = AssetKind.LOAD
    gateway: ClassVar[bool] = True

    def build(self) -> list[Block]:
        """Lay out two blocks per load: measurements and energies."""
        blocks = []
        for number, name in enumerate(self.wire.serves):
            branch = self.physics.loads.branches[name]
            start = FIRST + number * STRIDE
            blocks += [
                Block(start, 64, self._measurements(start, branch), functions=_READ),
                Block(start + _ENERGIES, 16, self._energies(start, branch), functions=_READ),
            ]
        return blocks

    def _measurements(self, start: int, branch: Branch) -> list[Point]:
        def point(
            offset: int,
            kind: Kind,
            get: Callable[[], Raw],
            scale: float = 1.0,
            quantity: Quantity | None = None,
        ) -> Point:
            return Point(
                name=f"{branch.spec.id}.{offset}",
                address=start + offset,
                kind=kind,
                get=get,
                scale=scale,
                quantity=quantity,
            )

        physics = self.physics
        points = [
            point(32, Kind.U32, lambda: 0.0, 0.001),
            point(44, Kind.I32, lambda: branch.power_w, quantity=Quantity.POWER_W),
            point(
                46,
                Kind.I32,
                lambda: branch.power_w * LOAD_VAR_PER_W,
                quantity=Quantity.REACTIVE_POWER_VAR,
            ),
            point(
                52,
                Kind.U32,
                lambda: branch.power_w * _APPARENT_PER_W,
                quantity=Quantity.APPARENT_POWER_VA,
            ),
            point(54, Kind.I16, lambda: 1 / _APPARENT_PER_W, 0.001, quantity=Quantity.POWER_FACTOR),
        ]
        for index, share in enumerate((branch.share_l1, branch.share_l2, branch.share_l3)):
            phase = f"l{index + 1}"
            points += [
                point(
                    12 + 2 * index,
                    Kind.U32,
                    partial(physics.voltage_v, index),
                    0.01,
                    Quantity(f"voltage_{phase}_v"),
                ),
                point(
                    26 + 2 * index,
                    Kind.U32,
                    partial(self._current_a, branch, index, share),
                    0.001,
                    Quantity(f"current_{phase}_a"),
                ),
                point(
                    56 + 2 * index,
                    Kind.I32,
                    partial(_part_w, branch, share),
                    1.0,
                    Quantity(f"power_{phase}_w"),
                ),
            ]
        return points

    def _energies(self, start: int, branch: Branch) -> list[Point]:
        return [
            Point(
                name=f"{branch.spec.id}.import",
                address=start + 1411,
                kind=Kind.U32,
                get=lambda: self.counted(branch.spec.id, branch.energy_ws) // 1000.0,
                quantity=Quantity.ENERGY_IMPORT_WH,
            ),
            Point(
                name=f"{branch.spec.id}.export",
                address=start + 1414,
                kind=Kind.U32,
                get=lambda: 0.0,
                quantity=Quantity.ENERGY_EXPORT_WH,
            ),
        ]

    def _current_a(self, branch: Branch, index: int, share: float) -> float:
        voltage_v = self.physics.voltage_v(index)
        return branch.power_w * share * _APPARENT_PER_W / voltage_v if voltage_v else 0.0


def _part_w(branch: Branch, share: float) -> float:
    return branch.power_w * share
