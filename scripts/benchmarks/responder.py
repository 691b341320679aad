"""A meter and a battery that answer as fast as Python can, and take the time.

Runs as a process of its own. It serves a grid meter and a battery over Modbus TCP, raises
the load in steps and stamps, on one clock, when the meter's register changed and when the
setpoint that answers it arrived. Prints its ports, then one line of JSON with the
latencies in seconds.
"""

import argparse
import asyncio
from collections.abc import Callable
from functools import partial
import json
import random
import struct
import sys
import time
from typing import Final

METER_UNIT: Final = 1
BATTERY_UNIT: Final = 1
TARGET_W: Final = 20_000.0
BASE_W: Final = 30_000.0
STEP_W: Final = 2_000.0
STEPS: Final = 40
BATTERY_W: Final = 100_000.0
SETTLE_S: Final = 3.0
"""Stepping back is unhurried by design; only rising load is timed."""
MISSED_S: Final = 2.0

_SETPOINT: Final = 706
_READ_HOLDING: Final = 3
_READ_INPUT: Final = 4
_WRITE: Final = 16
_SERIAL_NUMBER: Final = 64512
_HEADER_BYTES: Final = 6


class Registers:
    """A flat image of one register space."""

    def __init__(self, size: int) -> None:
        """Start with zeros."""
        self.data = bytearray(2 * size)

    def put(self, address: int, layout: str, value: float | bytes) -> None:
        """Write a value in struct notation, big endian."""
        struct.pack_into(">" + layout, self.data, 2 * address, value)


class Bench:
    """The site: load, battery, and when what happened."""

    def __init__(self) -> None:
        """Start above the target, so that the battery is in use from the beginning."""
        self.load_w = BASE_W
        self.setpoint_w = 0.0
        self.changed_s = 0.0
        self.answered: asyncio.Future[float] | None = None
        self.meter = Registers(400)
        self.serial = Registers(8)
        self.battery = Registers(800)
        self.reads = 0
        self.energy_wh = 1e6
        self._at_s = time.perf_counter()
        self.serial.put(0, "I", 4711)
        for phase in range(3):
            self.meter.put(2 * phase, "f", 230.0)
        self.meter.put(70, "f", 50.0)
        self.battery.put(0, "H", 0x6201)
        self.battery.put(200, "32s", b"_sum")
        self.battery.put(500, "32s", b"ess0")
        self.battery.put(302, "H", 60)
        self.battery.put(417, "H", 1)
        self.battery.put(420, "f", 1e6)
        self.battery.put(702, "f", -BATTERY_W)
        self.battery.put(704, "f", BATTERY_W)

    def meter_image(self) -> bytearray:
        """Bring the meter up to date: grid = load - battery, at once."""
        now_s = time.perf_counter()
        grid_w = self.load_w - self.setpoint_w
        self.energy_wh += max(grid_w, 0.0) * (now_s - self._at_s) / 3600.0
        self._at_s = now_s
        self.reads += 1
        for phase in range(3):
            self.meter.put(12 + 2 * phase, "f", grid_w / 3.0)
        self.meter.put(52, "f", grid_w)
        self.meter.put(0, "f", 230.0 + (self.reads % 10) / 10.0)
        self.meter.put(72, "f", self.energy_wh / 1000.0)
        return self.meter.data

    def battery_image(self) -> bytearray:
        """Bring the battery up to date: it follows at once."""
        self.battery.put(303, "f", self.setpoint_w)
        return self.battery.data

    def command(self, power_w: float) -> None:
        """Take a setpoint; the first that rises after a step answers it."""
        now_s = time.perf_counter()
        rises = power_w > self.setpoint_w + STEP_W / 2.0
        self.setpoint_w = power_w
        if rises and self.answered is not None and not self.answered.done():
            self.answered.set_result(now_s - self.changed_s)


class Connection(asyncio.Protocol):
    """Modbus TCP, the little of it that is needed: FC 3, 4 and 16."""

    def __init__(
        self, image: Callable[[int], bytearray], write: Callable[[float], None], delay_s: float
    ) -> None:
        """Serve ``image`` by function code; hand a float at the setpoint to ``write``."""
        self._image = image
        self._write = write
        self._delay_s = delay_s
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self._buffer += data
        while len(self._buffer) >= _HEADER_BYTES:
            transaction, _, length = struct.unpack_from(">HHH", self._buffer)
            if len(self._buffer) < _HEADER_BYTES + length:
                return
            end = _HEADER_BYTES + length
            frame, self._buffer = self._buffer[_HEADER_BYTES:end], self._buffer[end:]
            answer = self._answer(frame)
            header = struct.pack(">HHHB", transaction, 0, len(answer) + 1, frame[0])
            if self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, self._send, header + answer)
            else:
                self._send(header + answer)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _answer(self, frame: bytes) -> bytes:
        code, address, count = struct.unpack_from(">BHH", frame, 1)
        if code == _WRITE:
            if address == _SETPOINT:
                self._write(struct.unpack_from(">f", frame, 7)[0])
            return struct.pack(">BHH", code, address, count)
        data = self._image(code)
        if code == _READ_HOLDING and address >= _SERIAL_NUMBER:
            address -= _SERIAL_NUMBER
        part = data[2 * address : 2 * (address + count)]
        if len(part) != 2 * count:
            return bytes((code | 0x80, 2))
        return bytes((code, 2 * count)) + part


async def main() -> None:
    """Serve, step the load, print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--samples", type=int, default=200)
    options = parser.parse_args()
    bench, loop = Bench(), asyncio.get_running_loop()
    delay_s = options.delay_ms / 1000.0

    def meter(code: int) -> bytearray:
        return bench.meter_image() if code == _READ_INPUT else bench.serial.data

    def battery(_code: int) -> bytearray:
        return bench.battery_image()

    ports = []
    for image in (meter, battery):
        connection = partial(Connection, image, bench.command, delay_s)
        server = await loop.create_server(connection, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps({"meter": ports[0], "battery": ports[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    latencies: list[float] = []
    missed = 0
    random.seed(1)
    while len(latencies) < options.samples:
        await asyncio.sleep(SETTLE_S)
        for _ in range(STEPS):
            await asyncio.sleep(random.uniform(0.06, 0.1))  # noqa: S311
            bench.answered = loop.create_future()
            bench.changed_s = time.perf_counter()
            bench.load_w += STEP_W
            try:
                latencies.append(await asyncio.wait_for(bench.answered, MISSED_S))
            except TimeoutError:
                missed += 1
            if len(latencies) >= options.samples or missed > STEPS:
                break
        bench.load_w = BASE_W
        if missed > STEPS:
            break
    print(
        json.dumps({"latencies_s": latencies, "missed": missed, "reads": bench.reads}), flush=True
    )


if __name__ == "__main__":
    asyncio.run(main())
