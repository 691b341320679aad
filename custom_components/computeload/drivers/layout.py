"""Which requests read a set of values, and what the device refuses of them.

Values are pooled into as few block reads as the device allows. A block that the device
refuses as not existing is split, until what it really refuses is found and left out; the
rest stays. What was left out is tried again now and then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from modbus_connection import ModbusExceptionError, ModbusUnit, ReadBlock
from modbus_connection.model import ManualComponent

from .base import DeviceError
from .decode import library_field
from .link import ABSENT_CODES, TimedUnit, refused
from .spec import Link, Register, Space

RETRY_S: Final = 3600.0
"""How long a refused value is left alone."""

_PATIENCE: Final = 3
"""A device that refuses this much and serves nothing is not ready, or not the right one."""

type Registers = Mapping[str, Register]
type Ranges = Mapping[Space, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True)
class _Page:
    """Values that are read together, in one or more requests."""

    registers: Registers
    component: ManualComponent
    unit: str


class Layout:
    """Reads one set of values of a device."""

    def __init__(
        self,
        name: str,
        units: Mapping[str, TimedUnit],
        registers: Registers,
        *,
        link: Link,
        ranges: Ranges,
        essential: frozenset[str],
    ) -> None:
        """Plan the requests; without an ``essential`` value a read fails as a whole."""
        self._name = name
        self._units = units
        self._link = link
        self._ranges = ranges
        self._essential = essential
        self._refused: dict[str, tuple[Register, float]] = {}
        by_unit: dict[str, dict[str, Register]] = {}
        for key, register in registers.items():
            by_unit.setdefault(register.unit, {})[key] = register
        self._pages = [self._page(group, link.max_gap) for group in by_unit.values()]

    @property
    def refused(self) -> frozenset[str]:
        """The values that the device does not have."""
        return frozenset(self._refused)

    async def read(self, now_s: float, *, learn: bool = True) -> dict[str, Any]:
        """Read all values as the registers' own numbers; None for "not implemented".

        With ``learn`` a refused block is split, otherwise it raises RefusedError.
        """
        if len(self._pages) == 1 and not self._refused:
            try:
                return await self._pages[0].component.async_update(notify=False)
            except ModbusExceptionError as error:
                if not learn or error.exception_code not in ABSENT_CODES:
                    raise refused(self._name, _what(error.block), error) from error
        return await self._read_pages(now_s, learn=learn)

    async def _read_pages(self, now_s: float, *, learn: bool) -> dict[str, Any]:
        """Read page by page, and learn what the device does not have."""
        raw: dict[str, Any] = {}
        good: list[_Page] = []
        refusals: dict[str, tuple[Register, float]] = {}
        queue = [*self._pages, *(self._due(now_s) if learn else ())]
        while queue:
            page = queue.pop(0)
            try:
                raw |= await page.component.async_update(notify=False)
            except ModbusExceptionError as error:
                parts = self._split(page, error.block)
                hopeless = not parts and (
                    bool(page.registers.keys() & self._essential)
                    or (not good and (not queue or len(refusals) >= _PATIENCE))
                )
                if not learn or error.exception_code not in ABSENT_CODES or hopeless:
                    raise refused(self._name, _what(error.block), error) from error
                if not parts:
                    refusals |= {key: (place, now_s) for key, place in page.registers.items()}
                queue = parts + queue
            except DeviceError:
                if not page.unit:
                    raise
                good.append(page)
            else:
                good.append(page)
        retried = {key for page in good for key in page.registers}
        kept = {key: entry for key, entry in self._refused.items() if key not in retried}
        self._refused = kept | refusals
        self._pages = good
        return raw

    def _due(self, now_s: float) -> list[_Page]:
        """Return pages for the refused values whose time has come to be tried again."""
        return [
            self._page({key: register}, 0)
            for key, (register, since_s) in self._refused.items()
            if now_s - since_s >= RETRY_S
        ]

    def _page(self, registers: Registers, max_gap: int) -> _Page:
        """Return a page that reads these registers, running over gaps of that length."""
        unit = next(iter(registers.values())).unit
        component = ManualComponent(
            cast("ModbusUnit", self._units[unit]),
            max_gap=max_gap + 1,
            max_span=self._link.max_registers,
            holding_ranges=self._ranges.get("holding"),
            input_ranges=self._ranges.get("input"),
        )
        for key, register in registers.items():
            component.add(key, library_field(register), space=register.space)
        return _Page(registers, component, unit)

    def _split(self, page: _Page, block: ReadBlock | None) -> list[_Page]:
        """Return smaller pages for a page whose block was refused; none for a single value.

        Values that lie elsewhere stay together. Values of the block are first freed from
        the gaps between them, then halved.
        """
        keys = sorted(page.registers, key=lambda k: _place(page.registers[k]))
        inside = [key for key in keys if block and _within(page.registers[key], block)]
        if len(inside) in {0, len(keys)}:
            groups = _runs(keys, page.registers)
            if len(groups) == 1:
                middle = len(keys) // 2
                groups = [keys[:middle], keys[middle:]] if middle else []
            return [self._page({k: page.registers[k] for k in group}, 0) for group in groups]
        outside = [key for key in keys if key not in inside]
        gap = page.component.max_gap - 1
        return [
            self._page({key: page.registers[key] for key in outside}, gap),
            self._page({key: page.registers[key] for key in inside}, gap),
        ]


def _within(register: Register, block: ReadBlock) -> bool:
    """Whether a refused block holds a register."""
    inside = block.address <= register.address < block.address + block.count
    return inside and register.space == block.space


def _runs(keys: Iterable[str], registers: Registers) -> list[list[str]]:
    """Group keys, in the order of their addresses, into runs without a gap."""
    runs: list[list[str]] = []
    end = ("", -1)
    for key in keys:
        if _place(registers[key]) != end:
            runs.append([])
        runs[-1].append(key)
        end = (registers[key].space, registers[key].end)
    return runs


def _place(register: Register) -> tuple[str, int]:
    """Return what registers are ordered by."""
    return register.space, register.address


def _what(block: ReadBlock | None) -> str:
    """Name a refused block."""
    if block is None:
        return "a read"
    return f"a read of {block.space} registers {block.address} to {block.address + block.count - 1}"
