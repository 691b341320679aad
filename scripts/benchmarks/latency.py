"""From a change in the meter's register to the setpoint's arrival at the battery."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import json
from pathlib import Path
import shutil
import statistics
import sys
import tempfile
from typing import Final

from scripts import launcher
from scripts.benchmarks.responder import TARGET_W
from scripts.benchmarks.site import write_site

ROOT: Final = Path(__file__).parents[2]
BLOCK_REGISTERS: Final = 76
"""What the driver's fast read asks of this meter; the floor asks for the same."""
FIRST_PORT: Final = 18123


@dataclass(frozen=True, slots=True)
class Latency:
    """Latencies of one run."""

    seconds: tuple[float, ...]
    missed: int

    @property
    def median_ms(self) -> float:
        """Return the median."""
        return 1000.0 * statistics.median(self.seconds)

    @property
    def p99_ms(self) -> float:
        """Return the 99th percentile."""
        return 1000.0 * sorted(self.seconds)[int(0.99 * len(self.seconds))]


class Responder:
    """The responder's process."""

    def __init__(self, process: asyncio.subprocess.Process, ports: dict[str, int]) -> None:
        """Use ``started``."""
        self._process = process
        self.meter = ports["meter"]
        self.battery = ports["battery"]

    @classmethod
    @asynccontextmanager
    async def started(cls, delay_ms: float, samples: int) -> AsyncIterator[Responder]:
        """Run a responder for a while."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.benchmarks.responder",
            "--delay-ms",
            str(delay_ms),
            "--samples",
            str(samples),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None  # noqa: S101
        try:
            yield cls(process, json.loads(await process.stdout.readline()))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def measure(self) -> Latency:
        """Start the steps and wait for what they took."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(b"\n")
        result = json.loads(await self._process.stdout.readline())
        if not result["latencies_s"]:
            raise RuntimeError("the responder saw no answer to any of its steps")
        return Latency(tuple(result["latencies_s"]), result["missed"])


async def floor(kind: str, delay_ms: float, samples: int) -> Latency:
    """Time a bare loop, "raw" or on the Modbus "library"."""
    async with Responder.started(delay_ms, samples) as responder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.benchmarks.floor",
            kind,
            str(responder.meter),
            str(responder.battery),
            str(BLOCK_REGISTERS),
            cwd=ROOT,
        )
        try:
            return await responder.measure()
        finally:
            process.kill()
            await process.wait()


async def inside_home_assistant(
    delay_ms: float, samples: int, *, background: bool = False
) -> Latency:
    """Time the integration in a running Home Assistant, with 200 states a second or alone."""
    async with Responder.started(delay_ms, samples) as responder:
        with tempfile.TemporaryDirectory(prefix="computeload-bench-") as folder:
            config = Path(folder)
            write_site(
                config,
                meter_port=responder.meter,
                battery_port=responder.battery,
                target_kw=TARGET_W / 1000.0,
            )
            launcher.prepare(config, port := launcher.free_port(FIRST_PORT))
            if background:
                shutil.copytree(
                    Path(__file__).parent / "background",
                    config / "custom_components" / "background",
                )
                with (config / "configuration.yaml").open("a") as file:
                    file.write("background:\n")
            home = launcher.HomeAssistant(config, port)
            await home.start()
            try:
                # Its start is over when it answers, but not yet the work of starting.
                await asyncio.sleep(10.0)
                return await responder.measure()
            finally:
                await home.stop()
                for line in home.complaints():
                    print(line, file=sys.stderr)
