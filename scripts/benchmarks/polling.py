"""Thirty devices polled once a second inside Home Assistant, beside one that is dead."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
import json
import os
from pathlib import Path
import statistics
import sys
import tempfile
from typing import Final

from custom_components.computeload.coordinator import LEAST_FULL_S
from custom_components.computeload.drivers import selection
from custom_components.computeload.drivers.profile import load_library
from custom_components.computeload.drivers.spec import Field, Profile, Register
from scripts import launcher
from scripts.benchmarks.fleet import ALIVE, profile_of
from scripts.benchmarks.latency import FIRST_PORT, ROOT
from scripts.benchmarks.site import subentry, write_entry

PERIOD_S: Final = 1.0
WARM_UP_S: Final = 30.0
_POLL_S: Final = 0.5
"""Requests that are closer together than this belong to one poll."""


@dataclass(frozen=True, slots=True)
class Polling:
    """What was seen of the polls of all devices that live."""

    cpu: float
    """Share of one core that all of Home Assistant takes."""
    missed: int
    """Polls that did not come."""
    jitter: float
    """How much of a period a poll comes early or late, 99th percentile over all devices."""
    requests: float
    """Requests that were sent, as a multiple of the least that can read the same values."""


def least_requests(profile: Profile, fields: Iterable[Field]) -> int:
    """Return the least requests that read these fields, whatever lies between them."""
    places = sorted(
        (place.space, place.address, place.end)
        for field in fields
        if isinstance(place := field.location, Register)
    )
    count, space, start = 0, "", 0
    for its_space, its_start, its_end in places:
        if its_space != space or its_end - start > profile.link.max_registers:
            count, space, start = count + 1, its_space, its_start
    return count


def _least_per_period(profile: Profile) -> float:
    """Return the mean of the least requests: mostly the fast values, now and then all."""
    full = PERIOD_S / LEAST_FULL_S
    fast_fields, all_fields = selection.fast(profile).fields, selection.everything(profile).fields
    return (1.0 - full) * least_requests(profile, fast_fields) + full * least_requests(
        profile, all_fields
    )


def _polls(asked_s: list[float]) -> list[float]:
    """Return when each poll began."""
    result: list[float] = []
    last_s = float("-inf")
    for at_s in asked_s:
        if at_s - last_s > _POLL_S:
            result.append(at_s)
        last_s = at_s
    return result


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _write_site(config: Path, ports: list[int]) -> None:
    """Write a site with a meter for each port; the first is the one at the grid."""
    meters = [
        subentry(
            index,
            "meter",
            f"Meter {index}",
            {
                "profile": profile_of(index),
                "link": {"type": "tcp", "host": "127.0.0.1", "port": port},
                "unit_id": 1,
                "poll_s": PERIOD_S,
                "role": "branch" if index else "grid",
            },
        )
        for index, port in enumerate(ports)
    ]
    write_entry(config, meters, target_kw=400.0, enabled=False)


async def measure(seconds: float) -> Polling:
    """Run the site and watch its devices being asked."""
    fleet = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scripts.benchmarks.fleet",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert fleet.stdin is not None  # noqa: S101
    assert fleet.stdout is not None  # noqa: S101
    try:
        ports = json.loads(await fleet.stdout.readline())
        with tempfile.TemporaryDirectory(prefix="computeload-bench-") as folder:
            config = Path(folder)
            _write_site(config, ports)
            launcher.prepare(config, port := launcher.free_port(FIRST_PORT))
            home = launcher.HomeAssistant(config, port)
            await home.start()
            try:
                await asyncio.sleep(WARM_UP_S)
                fleet.stdin.write(b"\n")
                await fleet.stdout.readline()
                before_s = _cpu_s(home.pid)
                await asyncio.sleep(seconds)
                cpu = (_cpu_s(home.pid) - before_s) / seconds
                fleet.stdin.write(b"\n")
                asked_s: list[list[float]] = json.loads(await fleet.stdout.readline())
            finally:
                await home.stop()
                for line in home.complaints():
                    print(line, file=sys.stderr)
    finally:
        fleet.kill()
        await fleet.wait()
    return _judged(asked_s, cpu, seconds)


def _judged(asked_s: list[list[float]], cpu: float, seconds: float) -> Polling:
    """Return the figures of all devices together."""
    library = load_library()
    least = sum(_least_per_period(library.profiles[profile_of(n)]) for n in range(ALIVE))
    polls = [_polls(times) for times in asked_s]
    late = [
        abs(after - before - PERIOD_S) / PERIOD_S
        for times in polls
        for before, after in pairwise(times)
    ]
    missed = sum(max(round(seconds / PERIOD_S) - 1 - len(times), 0) for times in polls)
    total = sum(len(times) for times in asked_s)
    return Polling(
        cpu=cpu,
        missed=missed,
        jitter=statistics.quantiles(late, n=100)[98],
        requests=total / (least * seconds / PERIOD_S),
    )
