"""The floor: a bare asyncio loop that reads the meter, subtracts and writes the setpoint.

No Modbus library, no Home Assistant, no safety: what Python and the kernel allow.
Arguments: the meter's port, the battery's port, and how many registers to read.
"""

import asyncio
import struct
import sys
from typing import Final

from scripts.benchmarks.responder import TARGET_W

DEADBAND_W: Final = 500.0


async def main(meter_port: int, battery_port: int, registers: int) -> None:
    """Loop until killed."""
    meter_in, meter_out = await asyncio.open_connection("127.0.0.1", meter_port)
    battery_in, battery_out = await asyncio.open_connection("127.0.0.1", battery_port)
    setpoint_w = 0.0
    request = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, registers)
    while True:
        meter_out.write(request)
        answer = await meter_in.readexactly(9 + 2 * registers)
        (grid_w,) = struct.unpack_from(">f", answer, 9 + 2 * 52)
        goal_w = max(grid_w + setpoint_w - TARGET_W, 0.0)
        if abs(goal_w - setpoint_w) > DEADBAND_W:
            setpoint_w = goal_w
            battery_out.write(struct.pack(">HHHBBHHBf", 1, 0, 11, 1, 16, 706, 2, 4, setpoint_w))
            await battery_in.readexactly(12)


if __name__ == "__main__":
    asyncio.run(main(*(int(arg) for arg in sys.argv[1:4])))
