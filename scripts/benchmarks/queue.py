"""A queue of thousands of jobs: how long it takes to read, and what the event loop notices.

A server in a process of its own answers as slurmrestd does; names and values are made up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import gc
import json
from statistics import median
import subprocess
import sys
import time
from typing import Any, Final

from aiohttp import ClientSession

from custom_components.computeload.clock import SystemClock
from custom_components.computeload.core.cluster import Branch, Cluster
from custom_components.computeload.drivers.slurm import SlurmAccess, SlurmQueue
from custom_components.computeload.drivers.slurm_parse import parse_jobs
from custom_components.computeload.drivers.slurm_server import SlurmServer

JOBS: Final = 5000
NODES: Final = 200
ROUNDS: Final = 7
LOOK_S: Final = 0.001
NOW_S: Final = 1_795_000_000
VERSION: Final = "v0.0.43"


@dataclass(frozen=True, slots=True)
class QueueTimes:
    """Medians in ms, of which the loop's lateness is the worst."""

    json_ms: float
    """The floor: what it takes to decode the answer at all."""
    parse_ms: float
    """Decoding, and turning it into records."""
    update_ms: float
    """Taking the state into the memory of a cluster."""
    foresee_ms: float
    read_ms: float
    """The whole reading, over a socket."""
    lateness_ms: float
    megabytes: float


def _number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


def _job(index: int) -> dict[str, Any]:
    running = index < NODES
    start_s = NOW_S - 600 if running else NOW_S + 60 * index
    return {
        "job_id": 10_000 + index,
        "name": f"run{index % 40}_{index}",
        "user_name": f"user{index % 60}",
        "account": f"group{index % 12}",
        "partition": ("batch", "gpu")[index % 2],
        "qos": "normal",
        "job_state": ["RUNNING" if running else "PENDING"],
        "state_reason": "None" if running else "Resources",
        "array_task_string": "",
        "array_max_tasks": _number(0),
        "submit_time": _number(NOW_S - 3600),
        "eligible_time": _number(NOW_S - 3600),
        "start_time": _number(start_s),
        "end_time": _number(start_s + 7200),
        "time_limit": _number(120),
        "node_count": _number(1 + index % 4),
        "cpus": _number(64),
        "nodes": f"cn{index:03d}" if running else "",
        "gres_detail": [],
        "tres_alloc_str": "cpu=64,mem=256G,node=1,billing=64,gres/gpu=2" if running else "",
        "tres_req_str": "cpu=64,mem=256G,node=1,billing=64,gres/gpu=2",
        "requeue": True,
        "hold": False,
        "command": f"/home/user{index % 60}/project/run_{index}.sh",
        "current_working_directory": f"/home/user{index % 60}/project",
        "standard_output": f"/home/user{index % 60}/project/slurm-{10_000 + index}.out",
    }


def _node(index: int) -> dict[str, Any]:
    return {
        "name": f"cn{index:03d}",
        "state": ["ALLOCATED"],
        "partitions": ["batch", "gpu"],
        "cpus": 64,
        "alloc_cpus": 64,
        "cpu_load": 6400,
        "gres": "gpu:h100:4",
        "gres_used": "gpu:h100:2(IDX:0-1)",
        "energy": {"current_watts": _number(900), "last_collected": NOW_S},
    }


def answers() -> dict[str, bytes]:
    """Return what the server says, by path."""
    partitions = [
        {
            "name": name,
            "partition": {"state": ["UP"]},
            "nodes": {"configured": "cn[000-199]", "total": NODES},
            "cpus": {"total": 64 * NODES},
            "maximums": {"time": _number(1440)},
        }
        for name in ("batch", "gpu")
    ]
    content: dict[str, dict[str, Any]] = {
        "ping": {"pings": []},
        "jobs": {"jobs": [_job(index) for index in range(JOBS)]},
        "nodes": {"nodes": [_node(index) for index in range(NODES)]},
        "partitions": {"partitions": partitions},
        "diag": {"statistics": {"bf_when_last_cycle": _number(NOW_S)}},
    }
    meta = {"meta": {"plugin": {"data_parser": f"data_parser/{VERSION}"}}, "errors": []}
    return {path: json.dumps(each | meta).encode() for path, each in content.items()}


@asynccontextmanager
async def _served() -> AsyncIterator[str]:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.benchmarks.queue_server", stdout=subprocess.PIPE
    )
    assert server.stdout is not None  # noqa: S101 - it is a pipe
    try:
        yield (await server.stdout.readline()).decode().strip()
    finally:
        server.terminate()
        await server.wait()


async def _late(worst: list[float]) -> None:
    """Note how late the loop comes back to who sleeps for a moment."""
    while True:
        began_s = time.perf_counter()
        await asyncio.sleep(LOOK_S)
        worst.append(1000.0 * (time.perf_counter() - began_s - LOOK_S))


def _timed(what: Any) -> float:
    began_s = time.perf_counter()
    what()
    return 1000.0 * (time.perf_counter() - began_s)


async def measure() -> QueueTimes:
    """Read the queue some times over."""
    raw = answers()["jobs"]
    jsons = [_timed(lambda: json.loads(raw)) for _ in range(ROUNDS)]
    parses = [_timed(lambda: parse_jobs(bytearray(raw))) for _ in range(ROUNDS)]
    # A full collection of garbage looks at all that the process has loaded: not the queue's doing.
    gc.collect()
    gc.freeze()
    cluster = Cluster(branches=(Branch(asset_id="rack", hosts=None),))
    reads, updates, foresees, late = [], [], [], list[float]()
    async with _served() as url, ClientSession() as session:
        server = SlurmServer(session, url, "Bench", 30.0)
        queue = SlurmQueue(server, SlurmAccess(user="bench", token="x"), SystemClock())  # noqa: S106
        await queue.read()
        watch = asyncio.create_task(_late(late))
        for _ in range(ROUNDS):
            began_s = time.perf_counter()
            state = await queue.read()
            reads.append(1000.0 * (time.perf_counter() - began_s))
            updates.append(_timed(lambda: cluster.take(state)))  # noqa: B023 - called at once
            began_s = time.perf_counter()
            await asyncio.to_thread(cluster.foresee, 100_000.0, 150_000.0)
            foresees.append(1000.0 * (time.perf_counter() - began_s))
        watch.cancel()
    return QueueTimes(
        json_ms=median(jsons),
        parse_ms=median(parses),
        update_ms=median(updates),
        foresee_ms=median(foresees),
        read_ms=median(reads),
        lateness_ms=max(late),
        megabytes=len(raw) / 1e6,
    )
