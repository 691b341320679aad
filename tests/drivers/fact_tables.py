"""Devices made from tables of facts, to hold profiles to something that they are not made from.

A table (``facts/<id>.yaml``) says what is publicly known about a device's registers, with one
plausible raw value for each and what it means in our units and signs. It was carried over from
the collected facts without looking at the profile. ``facts/README.md`` describes the format.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
import math
from pathlib import Path
import struct
from typing import Any, Final

from modbus_connection import ModbusTcpParams
from modbus_connection.pymodbus import ModbusConnection as PymodbusConnection
from modbus_connection.tmodbus import ModbusConnection as TmodbusConnection
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
import yaml

from custom_components.computeload.core.model import Value
from custom_components.computeload.drivers.modbus import ModbusDevice, open_device
from custom_components.computeload.drivers.spec import Profile

from .servers import HOLDING, INPUT, FakeDevice, HandClock, text
from .sunspec_device import TABLES as POINTS, content

FACTS: Final = Path(__file__).with_name("facts")
GARBAGE: Final = 0xA5A5
"""What unused registers hold where a device serves them; no value may be made from it."""

CODES: Final = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One register of a device: where it is, what it holds, and what that means."""

    name: str
    at: int
    """The address in the request frame; in a SunSpec model, counted from its header."""
    type: str
    raw: float | str
    """What the registers hold, as a number of this type, or a text."""
    space: str = "holding"
    words: str = "big"
    count: int | None = None
    """The number of registers of a text."""
    scale: float = 1.0
    offset: float = 0.0
    scale_at: int | None = None
    """Where the power of ten stands; ``scale`` is then that power of ten."""
    unit: str = ""
    sign: str = ""
    nan: int | None = None
    """The raw pattern that means "no value"."""
    model: int | None = None
    """The SunSpec model that the addresses count from."""
    unit_id: int | None = None
    channel: int | None = None
    """Which channel of a multi-channel device; None for the device itself."""
    means: Mapping[str, Value]
    """Quantities and their values in our units and signs; empty where only a part of one."""

    @property
    def is_number(self) -> bool:
        """Whether the registers hold a number."""
        return self.type != "string"

    def registers(self, raw: float | None = None) -> list[int]:
        """Return the registers' words, for another raw value where one is given."""
        if not self.is_number:
            return text(str(self.raw), self.count or 0)
        number = self.raw if raw is None else raw
        code = CODES[self.type]
        packed = struct.pack(f">{code}", number if code in "fd" else int(number))
        result = list(struct.unpack(f">{len(packed) // 2}H", packed))
        return result if self.words == "big" else result[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command, or a release, and the requests that must go over the wire for it."""

    command: float | None
    """In our sign; None is a release."""
    writes: tuple[tuple[int, int, int, tuple[int, ...]], ...]
    """Unit id, function code, first address, words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTable:
    """What is known about one device, with values for its registers."""

    id: str
    profile: str
    shared: str
    """Which of the collected files it was carried over from."""
    kind: str
    unit_id: int
    max_registers: int
    refuses_gaps: bool
    functions: frozenset[int]
    """The function codes that write to the device."""
    models: Mapping[int, tuple[int, int]]
    """SunSpec models: where they begin, and how long they say that they are."""
    facts: tuple[Fact, ...]
    made: Mapping[str, Value]
    """Quantities that are made from several registers."""
    channels: int
    identity: Mapping[str, str]
    left_out: Mapping[str, str]
    """Known registers that the profile does not read, and why."""
    orders: tuple[Order, ...]

    def expected(self, channel: int | None = None) -> dict[str, Value]:
        """Return all quantities that a reading must have, for the device or a channel."""
        result: dict[str, Value] = dict(self.made) if channel is None else {}
        for fact in self.facts:
            if fact.channel == channel:
                result |= fact.means
        return result

    def place(self, fact: Fact) -> int:
        """Return the address of a fact on the wire."""
        return fact.at + (self.models[fact.model][0] if fact.model is not None else 0)


def load_table(path: Path) -> FactTable:
    """Read one table of facts."""
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    serve = document.get("serve", {})
    unit_id = serve.get("unit_id", 1)
    return FactTable(
        id=path.stem,
        profile=document.get("profile", path.stem),
        shared=document["shared"],
        kind=document["kind"],
        unit_id=unit_id,
        max_registers=serve.get("max_registers", 125),
        refuses_gaps=serve.get("gaps", "filled") == "refused",
        functions=frozenset(serve.get("functions", (6, 16))),
        models={number: (at, length) for number, (at, length) in serve.get("models", {}).items()},
        facts=tuple(Fact(**{"means": {}, **row}) for row in document["registers"]),
        made=document.get("made", {}),
        channels=document.get("channels", 0),
        identity=document.get("identity", {}),
        left_out=document.get("left_out", {}),
        orders=tuple(_order(entry, unit_id) for entry in document.get("orders", ())),
    )


def _order(entry: Mapping[str, Any], unit_id: int) -> Order:
    """Read one command and what it writes."""
    return Order(
        command=None if entry["command"] == "release" else float(entry["command"]),
        writes=tuple(
            (write.get("unit_id", unit_id), write["fc"], write["at"], tuple(write["words"]))
            for write in entry["writes"]
        ),
    )


TABLES: Final = {path.stem: load_table(path) for path in sorted(FACTS.glob("*.yaml"))}


class FactDevice(FakeDevice):
    """One unit id of a device that is made from a table."""

    def __init__(self, table: FactTable, unit_id: int, log: list[Any]) -> None:
        """Lay out the registers; writes of all unit ids go to one log."""
        super().__init__()
        self._table = table
        self._unit_id = unit_id
        self._log = log
        if not table.refuses_gaps:
            self._fill()
        for number, (at, length) in table.models.items():
            self.set(at, [number, length])
        for order in table.orders:
            for unit, _, at, words in order.writes:
                if unit == unit_id:
                    self.set(at, [0] * len(words))
        for fact in table.facts:
            if (fact.unit_id or table.unit_id) == unit_id:
                self.put(fact)
        self.refuse = self._refusal

    def put(self, fact: Fact, raw: float | None = None) -> None:
        """Set the registers of a fact, to another raw value where one is given."""
        space = INPUT if fact.space == "input" else HOLDING
        self.set(self._table.place(fact), fact.registers(raw), space=space)
        if fact.scale_at is not None:
            exponent = round(math.log10(fact.scale))
            at = fact.scale_at + (self._table.models[fact.model][0] if fact.model else 0)
            self.set(at, [exponent % 0x10000], space=space)

    async def answer(  # noqa: PLR0917 - the shape is pymodbus's
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Answer one request, and log it when it wrote."""
        result = await super().answer(function, start, address, count, registers, values)
        if values is not None and result is None:
            written = tuple(int(value) for value in values)
            self._log.append((self._unit_id, function, address, written))
        return result

    def _fill(self) -> None:
        """Put garbage around everything that is known, as devices do in their gaps."""
        if self._table.models:
            self._fill_models()
            return
        for fact in self._table.facts:
            low = max(fact.at - 130, 0)
            space = INPUT if fact.space == "input" else HOLDING
            self.set(low, [GARBAGE] * (min(fact.at + 130, 0x10000) - low), space=space)

    def _fill_models(self) -> None:
        """Put "not implemented" into all points of the SunSpec models."""
        models = self._table.models
        end = max(at + length + 2 for at, length in models.values())
        start = min(at for at, _ in models.values())
        self.set(start, [0xFFFF] * (end - start + 2))
        self.set(start - 2, [0x5375, 0x6E53])
        for number, (at, length) in models.items():
            for offset, kind, *rest in POINTS.get(str(number), {}).values():
                if offset < length + 2:
                    self.set(at + offset, content(kind, rest, None))

    def _refusal(self, function: int, address: int, count: int) -> ExcCodes | None:
        """Refuse what the device would refuse, whatever is there."""
        del address
        if function in {HOLDING, INPUT}:
            return ExcCodes.ILLEGAL_VALUE if count > self._table.max_registers else None
        return None if function in self._table.functions else ExcCodes.ILLEGAL_FUNCTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A device on a port, as its facts describe it, and its driver."""

    device: ModbusDevice
    units: Mapping[int, FactDevice]
    writes: list[tuple[int, int, int, tuple[int, ...]]]
    table: FactTable
    opened: Callable[[Profile], ModbusDevice]
    """Opens the same device through another profile; the caller closes it."""

    def put(self, fact: Fact, raw: float | None = None) -> None:
        """Change what the registers of a fact hold."""
        self.units[fact.unit_id or self.table.unit_id].put(fact, raw)


@asynccontextmanager
async def served_table(
    table: FactTable, profile: Profile, *, pymodbus: bool = False
) -> AsyncIterator[Served]:
    """Serve a table over TCP, and open the device through a profile."""
    log: list[tuple[int, int, int, tuple[int, ...]]] = []
    ids = {table.unit_id, *(fact.unit_id for fact in table.facts if fact.unit_id is not None)}
    ids |= {write[0] for order in table.orders for write in order.writes}
    units = {unit_id: FactDevice(table, unit_id, log) for unit_id in sorted(ids)}
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(units))
        client = PymodbusConnection if pymodbus else TmodbusConnection
        connection = client(ModbusTcpParams(host="127.0.0.1", port=port))
        stack.push_async_callback(connection.close)

        def opened(profile: Profile) -> ModbusDevice:
            patient = replace(profile.link, connect_delay_s=0.0, spacing_s=0.0)
            return open_device(
                replace(profile, link=patient),
                connection.for_unit(profile.link.unit_id),
                HandClock(),
                more_units={
                    name: connection.for_unit(unit)
                    for name, unit in profile.link.more_unit_ids.items()
                },
                channels=table.channels if profile.channels else None,
            )

        device = opened(profile)
        stack.callback(device.close)
        yield Served(device=device, units=units, writes=log, table=table, opened=opened)


@asynccontextmanager
async def listening(units: Mapping[int, FactDevice]) -> AsyncIterator[int]:
    """Listen on a free port of the loopback, for several unit ids; yields the port."""
    everything = SimData(0, count=65536, values=0, datatype=DataType.REGISTERS)
    simulated = [
        SimDevice(unit_id, simdata=[everything], action=unit.answer)
        for unit_id, unit in units.items()
    ]
    server = ModbusTcpServer(simulated, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        assert isinstance(server.transport, asyncio.Server)
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]
