"""Which requests read a set of values, and what the device refuses of them.

Values are pooled into as few block reads as the device allows. A block that the device
refuses as not existing is split, until what it really refuses is found and left out; the
rest stays. What was left out is tried again now and then.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from modbus_connection import ModbusExceptionError, ReadBlock

from .base import DeviceError
from .blocks import Page, Ranges, Registers
from .link import ABSENT_CODES, TimedUnit, refused
from .spec import Link, Register

RETRY_S: Final = 3600.0
"""How long a refused value is left alone."""

_PATIENCE: Final = 3
"""A device that refuses this much and serves nothing is not ready, or not the right one."""


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
        known: Iterable[Register] = (),
    ) -> None:
        """Plan the requests; without an ``essential`` value a read fails as a whole.

        ``known`` are registers that are there too, so that a request may run over them.
        """
        self._name = name
        self._units = units
        self._link = link
        self._ranges = ranges
        self._essential = essential
        self._refused: dict[str, tuple[Register, float]] = {}
        by_unit: dict[str, dict[str, Register]] = {}
        for key, register in registers.items():
            by_unit.setdefault(register.unit, {})[key] = register
        known = tuple(known)
        self._pages = [
            self._page(group, link.max_gap, (p for p in known if p.unit == unit))
            for unit, group in by_unit.items()
        ]

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
                return await self._pages[0].read()
            except ModbusExceptionError as error:
                if not learn or error.exception_code not in ABSENT_CODES:
                    raise refused(self._name, _what(error.block), error) from error
        return await self._read_pages(now_s, learn=learn)

    async def _read_pages(self, now_s: float, *, learn: bool) -> dict[str, Any]:
        """Read page by page, and learn what the device does not have."""
        raw: dict[str, Any] = {}
        good: list[Page] = []
        refusals: dict[str, tuple[Register, float]] = {}
        queue = [*self._pages, *(self._due(now_s) if learn else ())]
        while queue:
            page = queue.pop(0)
            try:
                raw |= await page.read()
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
                if not _unit_of(page.registers):
                    raise
                good.append(page)
            else:
                good.append(page)
        retried = {key for page in good for key in page.registers}
        kept = {key: entry for key, entry in self._refused.items() if key not in retried}
        self._refused = kept | refusals
        self._pages = good
        return raw

    def _due(self, now_s: float) -> list[Page]:
        """Return pages for the refused values whose time has come to be tried again."""
        return [
            self._page({key: register}, 0)
            for key, (register, since_s) in self._refused.items()
            if now_s - since_s >= RETRY_S
        ]

    def _page(self, registers: Registers, max_gap: int, known: Iterable[Register] = ()) -> Page:
        """Return a page that reads these registers, running over gaps of that length."""
        return Page(
            registers,
            self._units[_unit_of(registers)],
            link=self._link,
            ranges=self._ranges,
            max_gap=max_gap,
            known=known,
        )

    def _split(self, page: Page, block: ReadBlock | None) -> list[Page]:
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
        return [
            self._page({key: page.registers[key] for key in outside}, page.max_gap),
            self._page({key: page.registers[key] for key in inside}, page.max_gap),
        ]


def _unit_of(registers: Registers) -> str:
    """Return the unit id, by its name in the profile, that a page is read from."""
    return next(iter(registers.values())).unit


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
