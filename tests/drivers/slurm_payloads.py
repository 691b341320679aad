"""What slurmrestd says, in the forms of its versions; all names and values are made up."""

import json
from typing import Any

NOW_S = 1_795_000_000


def number(version: int, value: float | None, *, infinite: bool = False) -> Any:
    """Return a number as a version writes it."""
    if version < 40:
        return value
    return {"set": value is not None, "infinite": infinite, "number": value or 0}


def words(version: int, *of_it: str) -> Any:
    """Return a state as a version writes it."""
    return of_it[0] if version < 40 else list(of_it)


def job(version: int, **changes: Any) -> dict[str, Any]:
    """Return a job that waits for two nodes."""
    entry = {
        "job_id": 4711,
        "name": "climate",
        "user_name": "ada",
        "account": "physics",
        "partition": "batch",
        "qos": "normal",
        "job_state": words(version, "PENDING"),
        "state_reason": "Resources",
        "array_task_string": "",
        "array_max_tasks": number(version, 0),
        "submit_time": number(version, NOW_S - 600),
        "eligible_time": number(version, NOW_S - 600),
        "start_time": number(version, NOW_S + 1800),
        "end_time": number(version, NOW_S + 9000),
        "time_limit": number(version, 120),
        "node_count": number(version, 2),
        "cpus": number(version, 128),
        "tasks": number(version, 8),
        "sockets_per_node": number(version, None),
        "nodes": "",
        "gres_detail": [],
        "tres_alloc_str": "",
        "tres_req_str": "cpu=128,mem=256G,node=2,billing=128",
        "tres_per_job": "",
        "tres_per_node": "",
        "tres_per_socket": "",
        "tres_per_task": "",
        "requeue": True,
    }
    if version >= 40:
        entry["hold"] = False
    return entry | changes


def node(version: int, **changes: Any) -> dict[str, Any]:
    """Return a node with four GPUs, of which two are taken."""
    entry: dict[str, Any] = {
        "name": "gpu1",
        "partitions": ["batch"],
        "cpus": 64,
        "alloc_cpus": 32,
        "cpu_load": 1234,
        "gres": "gpu:h100:4(S:0-1)",
        "gres_used": "gpu:h100:2(IDX:0-1)",
    }
    if version < 40:
        return entry | {"state": "mixed", "state_flags": ["drain"]} | changes
    energy = {"current_watts": number(version, 850), "last_collected": NOW_S}
    return entry | {"state": ["MIXED", "DRAIN"], "energy": energy} | changes


def partition(version: int) -> dict[str, Any]:
    """Return a partition of four nodes and a day."""
    if version < 39:
        return {
            "name": "batch",
            "state": "UP",
            "nodes": "cn[1-3],gpu1",
            "total_nodes": 4,
            "total_cpus": 256,
            "max_time_limit": 1440,
        }
    return {
        "name": "batch",
        "partition": {"state": ["UP"]},
        "nodes": {"configured": "cn[1-3],gpu1", "total": 4},
        "cpus": {"total": 256},
        "maximums": {"time": number(version, 1440)},
    }


def diag(version: int) -> dict[str, Any]:
    """Return what the scheduler says of itself."""
    return {"jobs_pending": 1, "bf_when_last_cycle": number(version, NOW_S - 30)}


def answer(version: int, **content: Any) -> dict[str, Any]:
    """Return a whole answer around a list."""
    meta = {"plugin": {"data_parser": f"data_parser/v0.0.{version}"}}
    whole = {"meta": meta, "errors": [], **content}
    return whole if version < 40 else {**content, "meta": meta, "errors": [], "warnings": []}


def raw(version: int, **content: Any) -> bytes:
    """Return a whole answer as it comes over the wire."""
    return json.dumps(answer(version, **content), indent=2).encode()
