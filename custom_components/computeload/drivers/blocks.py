"""Which registers each request reads, and what its answer holds.

The requests are planned once. An answer is taken apart by precompiled structs, because the
control loop polls as fast as the device answers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from modbus_connection import ModbusExceptionError, ReadBlock

from .link import TimedUnit
from .spec import Link, Register, RegisterType, Space

SCALE_EXPONENTS: Final = range(-10, 11)
"""What SunSpec allows; devices that wake up report anything."""

type Registers = Mapping[str, Register]
type Ranges = Mapping[Space, tuple[tuple[int, int], ...]]

_CODES: Final = {
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}


class Page:
    """Values of one unit id that are read together, in one or more requests."""

    def __init__(
        self,
        registers: Registers,
        unit: TimedUnit,
        *,
        link: Link,
        ranges: Ranges,
        max_gap: int,
        known: Iterable[Register] = (),
    ) -> None:
        """Plan the requests; they run over gaps of ``max_gap`` registers, and over ``known`` ones.

        Raises ValueError for a value that does not fit into one request.
        """
        self.registers = registers
        self.max_gap = max_gap
        self._unit = unit
        scales = {
            f"10^{place.space}:{place.scale_address}": _exponent(place)
            for place in registers.values()
            if place.scale_address is not None
        }
        self._scales = tuple(scales)
        self._scaled = tuple(
            (key, f"10^{place.space}:{place.scale_address}")
            for key, place in registers.items()
            if place.scale_address is not None
        )
        self._blocks = tuple(_blocks({**registers, **scales}, link, ranges, max_gap, tuple(known)))

    async def read(self) -> dict[str, Any]:
        """Read all values as the registers' own numbers, but for 10^n; None for "no value".

        Raises ModbusExceptionError, with the block, when the device refuses one.
        """
        raw: dict[str, Any] = {}
        for block in self._blocks:
            is_input = block.space == "input"
            read = (
                self._unit.read_input_registers if is_input else self._unit.read_holding_registers
            )
            try:
                answer = await read(block.address, block.count)
            except ModbusExceptionError as error:
                place = ReadBlock(block.space, block.address, block.count)
                text = str(error)
                raise ModbusExceptionError.from_code(
                    error.exception_code, text, block=place
                ) from error
            block.decode(answer, raw)
        for key, scale in self._scaled:
            raw[key] = _scaled(raw[key], raw[scale])
        for scale in self._scales:
            del raw[scale]
        return raw


class _Block:
    """One request."""

    def __init__(self, registers: Registers) -> None:
        """Compile how the answer is taken apart; the registers lie in one space."""
        places = registers.values()
        self.space: Space = next(iter(places)).space
        self.address = min(place.address for place in places)
        self.count = max(place.end for place in places) - self.address
        self._words = Struct(f">{self.count}H")
        self._layers = tuple(self._compiled(registers))
        self._nan = tuple((key, _as_read(place)) for key, place in registers.items() if place.nan)
        self._texts = tuple(k for k, p in registers.items() if p.type is RegisterType.STRING)

    def _compiled(self, registers: Registers) -> Iterator[tuple[bool, Struct, tuple[str, ...]]]:
        """Yield structs for values that do not overlap; one for each order of words at least.

        Values whose low word comes first are read from the answer's words in reverse.
        """
        for backwards in (False, True):
            waiting = sorted(
                (self._offset(place, backwards=backwards), key)
                for key, place in registers.items()
                if _is_backwards(place) == backwards
            )
            while waiting:
                code, keys, at, left = ">", [], 0, []
                for offset, key in waiting:
                    if offset < at:
                        left.append((offset, key))
                        continue
                    place = registers[key]
                    code += f"{2 * (offset - at)}x{_CODES.get(place.type, f'{2 * place.count}s')}"
                    keys.append(key)
                    at = offset + place.count
                yield backwards, Struct(code + f"{2 * (self.count - at)}x"), tuple(keys)
                waiting = left

    def _offset(self, place: Register, *, backwards: bool) -> int:
        """Return how many words stand before a value."""
        return self.address + self.count - place.end if backwards else place.address - self.address

    def decode(self, answer: Sequence[int], into: dict[str, Any]) -> None:
        """Add the values of an answer, which has as many words as were asked for."""
        packed = self._words.pack(*answer)
        for backwards, layer, keys in self._layers:
            content = self._words.pack(*reversed(answer)) if backwards else packed
            into.update(zip(keys, layer.unpack(content), strict=True))
        for key, patterns in self._nan:
            if into[key] in patterns:
                into[key] = None
        for key in self._texts:
            into[key] = into[key].decode("ascii", errors="ignore").rstrip("\0")


def _blocks(
    registers: Registers, link: Link, ranges: Ranges, max_gap: int, known: tuple[Register, ...]
) -> Iterator[_Block]:
    """Group values into as few requests as the device's limits allow."""
    spaces: tuple[Space, ...] = ("holding", "input")
    for space in spaces:
        waiting = {key: place for key, place in registers.items() if place.space == space}
        there = [place for place in (*known, *waiting.values()) if place.space == space]
        for start, end in _islands(there, ranges.get(space), max_gap):
            inside = [(p.address, p.end, k) for k, p in waiting.items() if start <= p.address < end]
            group: dict[str, Register] = {}
            first = -1
            for address, its_end, key in sorted(inside):
                if its_end - address > link.max_registers:
                    raise ValueError(f"{key} is longer than {link.max_registers} registers")
                if group and its_end - first > link.max_registers:
                    yield _Block(group)
                    group = {}
                first = address if not group else first
                group[key] = waiting[key]
            if group:
                yield _Block(group)


def _islands(
    places: Iterable[Register], ranges: tuple[tuple[int, int], ...] | None, max_gap: int
) -> list[tuple[int, int]]:
    """Return where a request may go on from one register to the next: start, and end after."""
    result: list[tuple[int, int]] = []
    last_range: tuple[int, int] | None = None
    for address, end in sorted({(place.address, place.end) for place in places}):
        its_range = next((r for r in ranges or () if r[0] <= address <= r[1]), None)
        joined = result and its_range == last_range
        if joined and (its_range is not None or address - result[-1][1] <= max_gap):
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((address, end))
        last_range = its_range
    return result


def _exponent(place: Register) -> Register:
    """Return the register with the power of ten of a value."""
    return Register(
        address=place.scale_address or 0, type=RegisterType.INT16, count=1, space=place.space
    )


def _is_backwards(place: Register) -> bool:
    """Whether a value's low word comes first."""
    return place.word_order == "little" and place.type is not RegisterType.STRING


def _as_read(place: Register) -> frozenset[int]:
    """Return the patterns for "no value" as the numbers that they are read as."""
    bits = 16 * place.count
    signed = place.type.is_signed
    return frozenset(n - (1 << bits) if signed and n >> bits - 1 else n for n in place.nan)


def _scaled(value: float | None, exponent: int) -> float | None:
    """Return a value times a power of ten; None where there is no such power."""
    if value is None or exponent not in SCALE_EXPONENTS:
        return None
    # A division keeps 231.2 what it is, where a factor of 0.1 makes 231.20000000000002 of it.
    return value * 10.0**exponent if exponent >= 0 else value / 10.0**-exponent
