"""What the integration adds to the memory of Home Assistant, the largest simulated site included.

Both processes run the same Home Assistant for the same time; one of them has the site.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
import re
import tempfile
from typing import Final

from scripts import launcher
from scripts.benchmarks.latency import FIRST_PORT
from scripts.benchmarks.recorder import set_up

KIB_PER_MB: Final = 1000.0 / 1.024


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory, MB."""

    without_mb: float
    with_site_mb: float

    @property
    def added_mb(self) -> float:
        """Return what the integration costs."""
        return self.with_site_mb - self.without_mb


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return float(found[1]) / KIB_PER_MB if found else float("nan")


async def measure(minutes: float) -> Memory:
    """Run Home Assistant without and with the site, each for so many minutes."""
    without, with_site = [await _resident(minutes, site=site) for site in (False, True)]
    return Memory(without_mb=without, with_site_mb=with_site)


async def _resident(minutes: float, *, site: bool) -> float:
    with tempfile.TemporaryDirectory(prefix="computeload-bench-") as folder:
        config = Path(folder)
        port = launcher.free_port(FIRST_PORT)
        async with launcher.running(config, port) as (home, client):
            if site:
                await set_up(client)
            await asyncio.sleep(minutes * 60.0)
            return resident_mb(home.pid)
