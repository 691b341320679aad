"""From the answers of slurmrestd to the queue: pure, and without waiting for anything.

What is read is described in Slurm's OpenAPI documents, v0.0.38 to v0.0.46. An answer with
thousands of jobs is taken apart job by job, so that another thread gets its turn between
them, and the whole never is in memory as objects.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
import json
import re
from typing import Any, Final

from ..core.queue import Job, JobState, Node, Partition
from .slurm_notation import array_tasks, gpus_in_gres, gpus_in_tres, hosts
from .slurm_record import Record, SlurmPayloadError

STATES: Final = {
    "PENDING": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "SUSPENDED": JobState.SUSPENDED,
    **dict.fromkeys(
        (
            "BOOT_FAIL",
            "CANCELLED",
            "COMPLETED",
            "DEADLINE",
            "FAILED",
            "NODE_FAIL",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "TIMEOUT",
        ),
        JobState.ENDED,
    ),
}
FLAGS: Final = {
    **dict.fromkeys(
        ("COMPLETING", "CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"),
        JobState.RUNNING,
    ),
    **dict.fromkeys(
        ("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"),
        JobState.PENDING,
    ),
}
"""What old versions say instead of the state, and new ones beside it."""
HELD: Final = frozenset({"JobHeldUser", "JobHeldAdmin"})
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\r\n]*")


@dataclass(slots=True, kw_only=True)
class Answer[T]:
    """An answer taken apart: the records of its list, and the rest of it."""

    records: list[T] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> list[Any]:
        """Return what slurmrestd says went wrong, also in an answer that looks good."""
        errors = self.rest.get("errors")
        if errors is None:
            return []
        return errors if isinstance(errors, list) else [errors]


def parse[T](raw: bytes | bytearray, key: str, make: Callable[[Record], T | None]) -> Answer[T]:
    """Read an answer whose list is called ``key``; what ``make`` returns None for is left out.

    Raises SlurmPayloadError, which names the place.
    """
    answer: Answer[T] = Answer()
    for name, index, value in _members(raw, key):
        if index is None:
            answer.rest[name] = value
            continue
        record = Record(value, f"{key}[{index}]")
        try:
            made = make(record)
        except SlurmPayloadError:
            raise
        except ValueError as error:
            raise SlurmPayloadError(f"{record.place}: {error}") from error
        if made is not None:
            answer.records.append(made)
    if not answer.errors and type(answer.rest.get(key)) is not list:
        raise SlurmPayloadError(f"{key}: no list")
    return answer


def parse_nothing(raw: bytes | bytearray) -> Answer[None]:
    """Read an answer of which only the errors matter. Raises SlurmPayloadError."""
    rest = {name: value for name, _, value in _members(raw, "")} if raw else {}
    return Answer(rest=rest)


def _members(raw: bytes | bytearray, key: str) -> Iterator[tuple[str, int | None, Any]]:
    """Yield the members of the outermost object.

    One of its lists comes empty, and then its elements one by one, with their index.
    """
    try:
        text = raw.decode()
        at = _after(text, 0, "{")
        while (at := _skip(text, at)) < len(text) and text[at] != "}":
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _after(text, at, ":"))
            if name == key and text[at : at + 1] == "[":
                yield name, None, []
                at = _skip(text, at + 1)
                index = 0
                while text[at : at + 1] != "]":
                    value, at = _DECODER.raw_decode(text, at)
                    yield name, index, value
                    index += 1
                    at = _comma(text, at, "]")
                at += 1
            else:
                value, at = _DECODER.raw_decode(text, at)
                yield str(name), None, value
            at = _comma(text, at, "}")
        _after(text, at, "}")
    except SlurmPayloadError:
        raise
    except (ValueError, RecursionError) as error:
        raise SlurmPayloadError("the answer is not JSON") from error


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _after(text: str, at: int, sign: str) -> int:
    """Return the place behind a sign that must come next."""
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise SlurmPayloadError(f"the answer is not JSON: no {sign} at {at}")
    return at + 1


def _comma(text: str, at: int, end: str) -> int:
    """Return the place of the next member, or of the end."""
    at = _skip(text, at)
    return at if text[at : at + 1] == end else _skip(text, _after(text, at, ","))


# -- jobs ------------------------------------------------------------------------------


def parse_jobs(raw: bytes | bytearray) -> Answer[Job]:
    """Read ``/jobs/``; what has ended is left out. Raises SlurmPayloadError."""
    return parse(raw, "jobs", job)


def job(record: Record) -> Job | None:
    """Return one job; None where it has ended. Raises ValueError."""
    state = _state(record.texts("job_state"))
    if state is JobState.ENDED:
        return None
    number = record.count("job_id")
    if number == 0:
        raise record.error("job_id", "missing")
    tasks, at_once = 1, None
    if waiting := record.text("array_task_string"):
        tasks, at_once = array_tasks(waiting)
        at_once = at_once or record.count("array_max_tasks") or None
    nodes = record.count("node_count")
    minutes = record.number("time_limit")
    reason = record.text("state_reason")
    held = record.flag("hold") or reason in HELD
    # The start that was worked out before it was held stays in the record.
    nowhere = held and state is JobState.PENDING
    return Job(
        id=str(number),
        name=record.text("name"),
        user=record.text("user_name"),
        account=record.text("account"),
        partition=record.text("partition"),
        qos=record.text("qos"),
        state=state,
        reason="" if reason == "None" else reason,
        held=held,
        submitted_at=record.time("submit_time"),
        eligible_at=record.time("eligible_time"),
        starts_at=None if nowhere else record.time("start_time"),
        ends_at=None if nowhere else record.time("end_time"),
        time_limit_s=minutes * 60.0 if minutes else None,
        nodes=nodes,
        cpus=record.count("cpus"),
        gpus=_gpus(record, nodes),
        hosts=hosts(record.text("nodes")),
        tasks=tasks,
        tasks_at_once=at_once,
        requeueable=record.flag("requeue"),
    )


def _state(words: tuple[str, ...]) -> JobState:
    for known in (STATES, FLAGS):
        for word in words:
            if (state := known.get(word)) is not None:
                return state
    return JobState.UNKNOWN


def _gpus(record: Record, nodes: int) -> int:
    """Return the GPUs of a job, from the first place that names some.

    What is allocated is surer than what was asked for; and clusters that do not account
    for GPUs name them in the last places only.
    """
    return (
        gpus_in_gres(record.texts("gres_detail"))
        or gpus_in_tres(record.text("tres_alloc_str"))
        or gpus_in_tres(record.text("tres_req_str"))
        or gpus_in_gres(record.texts("tres_per_job"))
        or gpus_in_gres(record.texts("tres_per_node")) * max(nodes, 1)
        or gpus_in_gres(record.texts("tres_per_socket"))
        * max(nodes, 1)
        * max(record.count("sockets_per_node"), 1)
        or gpus_in_gres(record.texts("tres_per_task")) * max(record.count("tasks"), 1)
    )


# -- nodes, partitions, the scheduler ----------------------------------------------------


def parse_nodes(raw: bytes | bytearray) -> Answer[Node]:
    """Read ``/nodes/``. Raises SlurmPayloadError."""
    return parse(raw, "nodes", node)


def node(record: Record) -> Node:
    """Return one node. Raises ValueError."""
    words = (*record.texts("state"), *record.texts("state_flags"))
    load = record.number("cpu_load")
    energy = record.record("energy")
    return Node(
        name=record.name("name"),
        states=frozenset(
            part.strip("*~#!%$@^-").upper() for word in words for part in word.split("+") if part
        ),
        partitions=record.texts("partitions"),
        cpus=record.count("cpus"),
        cpus_used=record.count("alloc_cpus"),
        cpu_load=None if load is None else load / 100.0,
        gpus=gpus_in_gres(record.texts("gres")),
        gpus_used=gpus_in_gres(record.texts("gres_used")),
        # Without a sensor Slurm says 0 W, and that it was never collected.
        power_w=energy.number("current_watts") if energy.number("last_collected") else None,
    )


def parse_partitions(raw: bytes | bytearray) -> Answer[Partition]:
    """Read ``/partitions/``. Raises SlurmPayloadError."""
    return parse(raw, "partitions", partition)


def partition(record: Record) -> Partition:
    """Return one partition, whose form changed with v0.0.39. Raises ValueError."""
    old = record.has("total_nodes")
    if old:
        state, configured = record.texts("state"), record.text("nodes")
        nodes, cpus = record.count("total_nodes"), record.count("total_cpus")
        minutes = record.number("max_time_limit")
    else:
        state, of_nodes = record.record("partition").texts("state"), record.record("nodes")
        configured, nodes = of_nodes.text("configured"), of_nodes.count("total")
        cpus = record.record("cpus").count("total")
        minutes = record.record("maximums").number("time")
    return Partition(
        name=record.name("name"),
        up="UP" in state,
        hosts=hosts(configured),
        nodes=nodes,
        cpus=cpus,
        time_limit_s=minutes * 60.0 if minutes else None,
    )


def parse_planned_at(raw: bytes | bytearray) -> Answer[datetime | None]:
    """Read ``/diag/``: when the backfill last ran, as the one record. Raises SlurmPayloadError."""
    answer: Answer[datetime | None] = Answer(rest=parse_nothing(raw).rest)
    if not answer.errors:
        statistics = Record(answer.rest.get("statistics"), "statistics")
        answer.records.append(statistics.time("bf_when_last_cycle"))
    return answer
