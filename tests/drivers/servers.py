"""A small Modbus TCP server of pymodbus, to read and command over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
import struct
import time

from modbus_connection import ModbusTcpParams, ModbusUnit
from modbus_connection.pymodbus import ModbusConnection as PymodbusConnection
from modbus_connection.tmodbus import ModbusConnection as TmodbusConnection
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from custom_components.computeload.drivers.document import ProfileError
from custom_components.computeload.drivers.modbus import ModbusDevice, open_device
from custom_components.computeload.drivers.profile import SHIPPED, load_library
from custom_components.computeload.drivers.schema import read_profile
from custom_components.computeload.drivers.spec import Profile

HOLDING, INPUT = 3, 4
WRITES = (6, 16)


def words(code: str, *values: float) -> list[int]:
    """Return values as registers, high word first; ``code`` is a struct format."""
    packed = struct.pack(f">{len(values)}{code}", *values)
    return list(struct.unpack(f">{len(packed) // 2}H", packed))


def text(value: str, count: int) -> list[int]:
    """Return a text as registers, padded with NUL."""
    return list(struct.unpack(f">{count}H", value.encode().ljust(2 * count, b"\0")))


class FakeDevice:
    """Registers behind unit id 1; what is not set does not exist.

    ``requests`` logs (function, address, count), ``writes`` (function, address, words).
    """

    def __init__(self) -> None:
        """Start with no registers."""
        self.holding: dict[int, int] = {}
        self.input: dict[int, int] = {}
        self.requests: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, int, list[int]]] = []
        self.refuse: Callable[[int, int, int], ExcCodes | None] = lambda *_: None
        self.answering = asyncio.Event()
        self.answering.set()

    def set(self, address: int, values: Iterable[int], *, space: int = HOLDING) -> None:
        """Fill registers."""
        target = self.holding if space == HOLDING else self.input
        target.update(enumerate(values, start=address))

    async def answer(  # noqa: PLR0917 - the shape is pymodbus's
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Answer one request, in the shape that pymodbus asks for."""
        await self.answering.wait()
        if (refusal := self.refuse(function, address, count)) is not None:
            return refusal
        space = self.input if function == INPUT else self.holding
        wanted = range(address, address + count)
        if any(each not in space for each in wanted):
            return ExcCodes.ILLEGAL_ADDRESS
        if values is not None:
            written = [int(value) for value in values]
            self.writes.append((function, address, written))
            self.holding.update(zip(wanted, written, strict=True))
            return None
        self.requests.append((function, address, count))
        for each in wanted:
            registers[each - start] = space[each]
        return None


@asynccontextmanager
async def served(device: FakeDevice, *, unit_id: int = 1, port: int = 0) -> AsyncIterator[int]:
    """Serve a device on a port of the loopback, a free one by default; yields the port."""
    everything = SimData(0, count=65536, values=0, datatype=DataType.REGISTERS)
    simulated = SimDevice(unit_id, simdata=[everything], action=device.answer)
    server = ModbusTcpServer([simulated], address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        assert isinstance(server.transport, asyncio.Server)
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        device.answering.set()
        await asyncio.sleep(0.01)
        await server.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def connected(
    port: int, *, unit_id: int = 1, pymodbus: bool = False
) -> AsyncIterator[ModbusUnit]:
    """Connect through one of the two independent clients."""
    params = ModbusTcpParams(host="127.0.0.1", port=port)
    connection = (PymodbusConnection if pymodbus else TmodbusConnection)(params)
    try:
        yield connection.for_unit(unit_id)
    finally:
        await connection.close()


@asynccontextmanager
async def opened(
    profile: Profile,
    device: FakeDevice,
    *,
    pymodbus: bool = False,
    channels: int | None = None,
    timeout_s: float | None = None,
    clock: HandClock | None = None,
) -> AsyncIterator[ModbusDevice]:
    """Serve a device and open it through a profile."""
    async with served(device) as port, connected(port, pymodbus=pymodbus) as unit:
        handle = open_device(
            profile,
            unit,
            clock or HandClock(),
            channels=channels,
            request_timeout_s=timeout_s,
        )
        yield handle
        handle.close()


class HandClock:
    """A clock that a test sets; it starts at the present."""

    def __init__(self) -> None:
        """Start now."""
        self.passed_s = 0.0
        self._start_s = time.monotonic()

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return the time that the test lets pass."""
        return self._start_s + self.passed_s


def shipped(name: str) -> Profile:
    """Return a profile that comes with the integration."""
    return LIBRARY.profiles[name]


def made(body: str, kind: str = "meter") -> Profile:
    """Return the profile of a text; the head is filled in."""
    profile, errors = read(body, kind)
    assert profile is not None, errors
    return profile


def read(body: str, kind: str = "meter") -> tuple[Profile | None, list[ProfileError]]:
    """Read a profile whose head is filled in; line 8 is the first of the body."""
    return read_profile(HEAD.replace("KIND", kind) + body, "profiles/test.yaml", "test")


def head_lines() -> int:
    """Return how many lines stand before the body."""
    return HEAD.count("\n")


HEAD = """kind: KIND
title: A device
manufacturer: Somebody
models: [One]
confidence: low
tested_on: simulated device only
sources: [a test]
"""
LIBRARY = load_library([SHIPPED])

CONTRACT: Mapping[str, str] = {
    "lapse_s": "60",
    "lapse_to": "its own control",
    "heartbeat_s": "20",
    "persistent": "false",
    "on_grid_loss": "it stops",
}


def contract(**changes: str) -> str:
    """Return a contract as YAML; changes replace lines."""
    lines = {**CONTRACT, **changes}
    return "".join(f"    {key}: {value}\n" for key, value in lines.items())


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder; returns the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder
