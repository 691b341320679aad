"""Register images: named points of typed values, encoded when they are read.

A device describes its map as points; this module turns their present values into
registers and written registers into values. High word first, as all devices here have it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import isnan, nan
import struct
from typing import Final, NamedTuple

from ..core.model import Quantity

type Raw = float | int | str | None
"""A point's value in the device's own unit and sign; None: not available."""

UNUSED: Final = 0xFFFF


class _Type(NamedTuple):
    code: str
    words: int
    absent: float


class Kind(Enum):
    """How a number lies in registers, and the pattern that says "not available"."""

    U16 = _Type("H", 1, 0xFFFF)
    I16 = _Type("h", 1, -0x8000)
    U32 = _Type("I", 2, 0xFFFFFFFF)
    I32 = _Type("i", 2, -0x80000000)
    U64 = _Type("Q", 4, 0xFFFFFFFFFFFFFFFF)
    ACC32 = _Type("I", 2, 0)
    F32 = _Type("f", 2, nan)
    F64 = _Type("d", 4, nan)
    TEXT = _Type("s", 1, 0)


_LIMITS: Final = {
    Kind.U16: (0, 0xFFFE),
    Kind.I16: (-0x7FFF, 0x7FFF),
    Kind.U32: (0, 0xFFFFFFFE),
    Kind.I32: (-0x7FFFFFFF, 0x7FFFFFFF),
    Kind.U64: (0, 0xFFFFFFFFFFFFFFFE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value in the map. ``quantity`` names it for faults that bend values."""

    name: str
    address: int
    kind: Kind
    get: Callable[[], Raw]
    scale: float = 1.0
    """What one count stands for."""
    words: int = 1
    """Length of a text in registers; other kinds know theirs."""
    quantity: Quantity | None = None
    writable: bool = False

    @property
    def length(self) -> int:
        """How many registers it takes."""
        return self.words if self.kind is Kind.TEXT else self.kind.value.words

    @property
    def code(self) -> str:
        """Its format for ``struct``."""
        return f"{self.words * 2}s" if self.kind is Kind.TEXT else self.kind.value.code

    def encode(self, value: Raw) -> float | int | bytes:
        """Turn a value into what ``struct`` packs; what does not fit is clamped."""
        kind = self.kind
        if kind is Kind.TEXT:
            return str(value or "").encode()[: self.words * 2]
        if value is None or isinstance(value, str):
            absent = kind.value.absent
            return absent if kind in (Kind.F32, Kind.F64) else int(absent)
        if kind in (Kind.F32, Kind.F64):
            return float(value)
        if isnan(value):
            return int(kind.value.absent)
        count = round(value / self.scale)
        if kind is Kind.ACC32:
            return count % 0x1_0000_0000
        low, high = _LIMITS[kind]
        return low if count < low else min(count, high)

    def decode(self, registers: list[int]) -> float | None:
        """Turn written registers into a value; None where they say "no value"."""
        packed = struct.pack(f">{len(registers)}H", *registers)
        (count,) = struct.unpack(f">{self.code}", packed)
        if isnan(count):
            return None
        absent = self.kind.value.absent
        return None if count == absent and self.kind is not Kind.ACC32 else count * self.scale


type Bend = Callable[[Raw], Raw]
"""What a fault does to a value on its way to the wire."""

type Bends = Mapping[Quantity | None, Bend]
"""Bends by quantity; under None the one for every measured value."""


class Block:
    """A gapless range of registers that is read with certain function codes."""

    def __init__(
        self,
        start: int,
        length: int,
        points: Iterable[Point],
        *,
        functions: frozenset[int],
        unused: int = UNUSED,
    ) -> None:
        """Lay out the points; registers between them read as ``unused``.

        Raises ValueError where points overlap or stick out.
        """
        self.start = start
        self.end = start + length
        self.functions = functions
        self.points = tuple(sorted(points, key=lambda point: point.address))
        layout = [">"]
        self._packed: list[float | int | bytes] = []
        self._places: list[int] = []
        at = start
        for point in self.points:
            if point.address < at or point.address + point.length > self.end:
                raise ValueError(f"{point.name} does not fit at {point.address}")
            gap = point.address - at
            layout.append("H" * gap + point.code)
            self._packed += [unused] * gap
            self._places.append(len(self._packed))
            self._packed.append(0)
            at = point.address + point.length
        layout.append("H" * (self.end - at))
        self._packed += [unused] * (self.end - at)
        self._pack = struct.Struct("".join(layout)).pack
        self._unpack = struct.Struct(f">{length}H").unpack
        self._stamp: object = None
        self._image: tuple[int, ...] = ()

    def image(self, stamp: object, bends: Bends) -> tuple[int, ...]:
        """Return the registers; they are encoded anew whenever the stamp has changed."""
        if stamp != self._stamp:
            packed = self._packed
            for place, point in zip(self._places, self.points, strict=True):
                value = point.get()
                if bends and point.quantity is not None:
                    bend = bends.get(point.quantity) or bends.get(None)
                    value = bend(value) if bend else value
                packed[place] = point.encode(value)
            self._image = self._unpack(self._pack(*packed))
            self._stamp = stamp
        return self._image


class AddressError(Exception):
    """A request touches a register that does not exist, or cannot be written."""


class RegisterMap:
    """All blocks of a device."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        """Take blocks that do not overlap within one function code."""
        self.blocks = tuple(sorted(blocks, key=lambda block: block.start))
        self._by_function = {
            function: [block for block in self.blocks if function in block.functions]
            for function in {function for block in self.blocks for function in block.functions}
        }

    def read(
        self, function: int, address: int, count: int, stamp: object, bends: Bends
    ) -> list[int]:
        """Return registers, also across adjoining blocks; raises AddressError at a gap."""
        blocks = self._by_function.get(function, [])
        index = bisect_right(blocks, address, key=lambda block: block.start) - 1
        words: list[int] = []
        while len(words) < count:
            at = address + len(words)
            block = blocks[index] if 0 <= index < len(blocks) else None
            if block is None or not block.start <= at < block.end:
                raise AddressError(f"no register {at} for function {function}")
            first = at - block.start
            words += block.image(stamp, bends)[first : first + count - len(words)]
            index += 1
        return words

    def written(self, address: int, registers: list[int]) -> list[tuple[Point, float | None]]:
        """Decode a write into values of writable points, in the order of addresses.

        Raises AddressError where it touches anything else, or half of a value.
        """
        end = address + len(registers)
        values = []
        covered = 0
        for block in self.blocks:
            if block.end <= address or block.start >= end:
                continue
            for point in block.points:
                inside = address <= point.address and point.address + point.length <= end
                if point.writable and inside:
                    first = point.address - address
                    values.append((point, point.decode(registers[first : first + point.length])))
                    covered += point.length
        if covered != len(registers):
            raise AddressError(f"registers {address}..{end - 1} cannot be written")
        return values
