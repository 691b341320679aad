"""The floors: bare asyncio loops that read the meter, subtract and write the setpoint.

No Home Assistant, no decoding of more than one value, no safety. ``raw`` frames its own
bytes: what Python and the kernel allow. ``library`` does the same through the Modbus
library that Home Assistant shares among integrations, which is the least that any
integration on a shared connection can take.

Arguments: raw or library, the meter's port, the battery's port, how many registers to read.
"""

import asyncio
from collections.abc import Awaitable, Callable
import struct
import sys
from typing import Final

from modbus_connection import ModbusTcpParams
from modbus_connection.tmodbus import ModbusConnection

from scripts.benchmarks.responder import TARGET_W

DEADBAND_W: Final = 500.0
_POWER: Final = 52
_SETPOINT: Final = 706

type Read = Callable[[], Awaitable[float]]
type Write = Callable[[float], Awaitable[None]]


async def loop(read: Read, write: Write) -> None:
    """Control until killed."""
    setpoint_w = 0.0
    while True:
        grid_w = await read()
        goal_w = max(grid_w + setpoint_w - TARGET_W, 0.0)
        if abs(goal_w - setpoint_w) > DEADBAND_W:
            setpoint_w = goal_w
            await write(setpoint_w)


async def raw(meter_port: int, battery_port: int, registers: int) -> tuple[Read, Write]:
    """Return the accesses over plain streams."""
    meter_in, meter_out = await asyncio.open_connection("127.0.0.1", meter_port)
    battery_in, battery_out = await asyncio.open_connection("127.0.0.1", battery_port)
    request = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, registers)

    async def read() -> float:
        meter_out.write(request)
        answer = await meter_in.readexactly(9 + 2 * registers)
        power_w: float = struct.unpack_from(">f", answer, 9 + 2 * _POWER)[0]
        return power_w

    async def write(power_w: float) -> None:
        battery_out.write(struct.pack(">HHHBBHHBf", 1, 0, 11, 1, 16, _SETPOINT, 2, 4, power_w))
        await battery_in.readexactly(12)

    return read, write


async def library(meter_port: int, battery_port: int, registers: int) -> tuple[Read, Write]:
    """Return the accesses over the shared Modbus library."""
    meter, battery = (
        ModbusConnection(ModbusTcpParams(host="127.0.0.1", port=port)).for_unit(1)
        for port in (meter_port, battery_port)
    )

    async def read() -> float:
        words = await meter.read_input_registers(0, registers)
        power_w: float = struct.unpack(">f", struct.pack(">HH", *words[_POWER : _POWER + 2]))[0]
        return power_w

    async def write(power_w: float) -> None:
        words = struct.unpack(">HH", struct.pack(">f", power_w))
        await battery.write_registers(_SETPOINT, list(words))

    return read, write


async def main(kind: str, meter_port: int, battery_port: int, registers: int) -> None:
    """Run one of the floors."""
    accesses = {"raw": raw, "library": library}[kind]
    await loop(*await accesses(meter_port, battery_port, registers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *(int(arg) for arg in sys.argv[2:5])))
