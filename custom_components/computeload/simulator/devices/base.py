"""What every simulated device is to the server: registers to read and to write."""

from collections.abc import Mapping
from typing import ClassVar, Final
from zlib import crc32

from ...core.model import AssetKind, Quantity
from ..physics import SitePhysics
from ..registers import AddressError, Bend, Block, RegisterMap
from ..spec import WireSpec

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
DEVICE_FAILURE: Final = 4
GATEWAY_TARGET_SILENT: Final = 11


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """The device answers with a Modbus exception."""

    def __init__(self, code: int) -> None:
        """Keep the exception code."""
        super().__init__(f"exception {code}")
        self.code = code


class WireDevice:
    """One device: a register map over the physics, and what writes do to it."""

    kind: ClassVar[AssetKind]
    gateway: ClassVar[bool] = False
    """Behind a gateway: other unit ids are answered with exception 11, not with silence."""
    most_registers: ClassVar[int] = 125
    """The longest read it answers."""
    write_functions: ClassVar[frozenset[int]] = frozenset({6, 16})

    def __init__(self, wire: WireSpec, physics: SitePhysics) -> None:
        """Build the map once; its points look into the physics when they are read."""
        self.wire = wire
        self.physics = physics
        self.bends: Mapping[Quantity | None, Bend] = {}
        self._frozen: object = None
        self._revision = 0
        self._counters: dict[str, float] = {}
        self._zeros: dict[str, float] = {}
        """What the counters had counted when the device last started."""
        self._map = RegisterMap(self.build())

    @property
    def serial(self) -> int:
        """A serial number that stays with the device's id."""
        return 10_000_000 + crc32(self.wire.id.encode()) % 80_000_000

    def build(self) -> list[Block]:
        """Return the register map."""
        raise NotImplementedError

    def apply(self, values: Mapping[str, float | None]) -> None:  # noqa: ARG002 - none here
        """Take written values, by point name; raises Refusal. None means "no value"."""
        raise Refusal(ILLEGAL_ADDRESS)

    def reset(self) -> None:
        """Forget what is kept in RAM, as a restart does."""

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Answer a read; raises Refusal."""
        if not 1 <= count <= self.most_registers:
            raise Refusal(ILLEGAL_VALUE)
        stamp = self._frozen or (self.physics.ticks, self._revision)
        try:
            return self._map.read(function, address, count, stamp, self.bends)
        except AddressError as err:
            raise Refusal(ILLEGAL_ADDRESS) from err

    def write(self, function: int, address: int, registers: list[int]) -> None:
        """Answer a write; raises Refusal."""
        if function not in self.write_functions:
            raise Refusal(ILLEGAL_FUNCTION)
        try:
            values = self._map.written(address, registers)
        except AddressError as err:
            raise Refusal(ILLEGAL_ADDRESS) from err
        self.apply({point.name: value for point, value in values})
        self._revision += 1

    def restart(self) -> None:
        """Start anew: counters at zero, RAM empty."""
        for block in self._map.blocks:
            for point in block.points:
                point.get()
        self._zeros = dict(self._counters)
        self.reset()
        self._revision += 1

    def bend(self, bends: Mapping[Quantity | None, Bend]) -> None:
        """Falsify what is read from now on; with nothing, tell the truth again."""
        self.bends = bends
        self._revision += 1

    def freeze(self, *, frozen: bool) -> None:
        """Keep answering what is true at this moment, or come back to the present."""
        if not frozen:
            self._frozen = None
        elif self._frozen is None:
            self._frozen = stamp = ("frozen", self.physics.ticks, self._revision)
            for block in self._map.blocks:
                block.image(stamp, self.bends)
        self._revision += 1

    @property
    def quantities(self) -> frozenset[Quantity]:
        """What faults can falsify."""
        points = (point for block in self._map.blocks for point in block.points)
        return frozenset(point.quantity for point in points if point.quantity is not None)

    def counted(self, name: str, energy_ws: float) -> float:
        """Turn the physics' Ws into the Wh that a counter shows since its restart."""
        energy_wh = energy_ws / 3600.0
        self._counters[name] = energy_wh
        return energy_wh - self._zeros.get(name, 0.0)
