"""Answers of slurmrestd, in the forms of its versions, and damaged."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.queue import Job, JobState, Node, Partition, QueueState
from custom_components.computeload.drivers.slurm_notation import (
    array_tasks,
    gpus_in_gres,
    gpus_in_tres,
    hosts,
)
from custom_components.computeload.drivers.slurm_parse import (
    parse_jobs,
    parse_nodes,
    parse_nothing,
    parse_partitions,
    parse_planned_at,
)
from custom_components.computeload.drivers.slurm_record import SlurmPayloadError
from tests.shared import shared

from . import slurm_payloads as payload

NOW = datetime.fromtimestamp(payload.NOW_S, UTC)
VERSIONS = (38, 43, 44, 45)
each_version = pytest.mark.parametrize("version", VERSIONS)


def one(version: int = 44, **changes: Any) -> Job:
    """Return the job that an answer with this entry gives."""
    (job,) = parse_jobs(payload.raw(version, jobs=[payload.job(version, **changes)])).records
    return job


@each_version
def test_a_pending_job_reads_the_same_in_every_version(version: int) -> None:
    assert one(version) == Job(
        id="4711",
        name="climate",
        user="ada",
        account="physics",
        partition="batch",
        qos="normal",
        state=JobState.PENDING,
        reason="Resources",
        held=False,
        submitted_at=NOW - timedelta(minutes=10),
        eligible_at=NOW - timedelta(minutes=10),
        starts_at=NOW + timedelta(minutes=30),
        ends_at=NOW + timedelta(minutes=150),
        time_limit_s=7200.0,
        nodes=2,
        cpus=128,
        gpus=0,
        hosts=(),
        tasks=1,
        tasks_at_once=None,
        requeueable=True,
    )


@each_version
def test_a_node_reads_the_same_in_every_version(version: int) -> None:
    answer = parse_nodes(payload.raw(version, nodes=[payload.node(version)]))
    assert answer.records == [
        Node(
            name="gpu1",
            states=frozenset({"MIXED", "DRAIN"}),
            partitions=("batch",),
            cpus=64,
            cpus_used=32,
            cpu_load=12.34,
            gpus=4,
            gpus_used=2,
            power_w=None if version == 38 else 850.0,
        )
    ]


@each_version
def test_a_partition_reads_the_same_in_every_version(version: int) -> None:
    answer = parse_partitions(payload.raw(version, partitions=[payload.partition(version)]))
    assert answer.records == [
        Partition(
            name="batch",
            up=True,
            hosts=("cn1", "cn2", "cn3", "gpu1"),
            nodes=4,
            cpus=256,
            time_limit_s=86400.0,
        )
    ]


@each_version
def test_the_time_of_the_last_backfill_is_read(version: int) -> None:
    answer = parse_planned_at(payload.raw(version, statistics=payload.diag(version)))
    assert answer.records == [NOW - timedelta(seconds=30)]


@each_version
def test_what_is_not_set_or_infinite_is_none(version: int) -> None:
    infinite = payload.number(version, None, infinite=True)
    unset = payload.number(version, None)
    job = one(version, time_limit=infinite, start_time=unset, end_time=payload.number(version, 0))
    assert (job.time_limit_s, job.starts_at, job.ends_at) == (None, None, None)


def test_old_versions_have_numbers_for_no_limit() -> None:
    assert one(38, time_limit=4294967295).time_limit_s is None
    assert one(38, time_limit=-1).time_limit_s is None


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["RUNNING", "CONFIGURING"], JobState.RUNNING),
        ("COMPLETING", JobState.RUNNING),
        (["PENDING", "REQUEUED"], JobState.PENDING),
        ("SUSPENDED", JobState.SUSPENDED),
        (["A_STATE_OF_TOMORROW"], JobState.UNKNOWN),
        ([], JobState.UNKNOWN),
    ],
)
def test_flags_do_not_hide_the_state(words: Any, state: JobState) -> None:
    assert one(job_state=words).state is state


@pytest.mark.parametrize("words", ["COMPLETED", ["CANCELLED"], ["COMPLETED", "COMPLETING"]])
def test_what_has_ended_is_left_out(words: Any) -> None:
    jobs = [payload.job(44, job_state=words), payload.job(44, job_id=2)]
    assert [job.id for job in parse_jobs(payload.raw(44, jobs=jobs)).records] == ["2"]


@pytest.mark.parametrize(
    "held", [{"hold": True}, {"state_reason": "JobHeldUser"}, {"state_reason": "JobHeldAdmin"}]
)
def test_a_held_job_has_no_expected_start(held: dict[str, Any]) -> None:
    job = one(**held)
    assert job.held
    assert job.starts_at is None


def test_an_array_that_waits_is_counted_not_listed() -> None:
    job = one(array_task_string="5-99%10")
    assert (job.tasks, job.tasks_at_once) == (95, 10)


def test_the_gpus_come_from_the_surest_place_that_names_some() -> None:
    per_task = {"tres_per_task": "gres/gpu:1"}
    per_socket = per_task | {
        "tres_per_socket": "gres:gpu:2",
        "sockets_per_node": payload.number(44, 3),
    }
    per_node = per_socket | {"tres_per_node": "gres/gpu:h100=3"}
    per_job = per_node | {"tres_per_job": "gres/gpu:5"}
    asked = per_job | {"tres_req_str": "cpu=8,gres/gpu=7"}
    given_ = asked | {"tres_alloc_str": "cpu=8,gres/gpu:a100=4,gres/gpu:h100=6"}
    detailed = given_ | {"gres_detail": ["gpu:h100:4(IDX:0-3)", "gpu:h100:4(IDX:0,1,2-3)"]}
    places = (per_task, per_socket, per_node, per_job, asked, given_, detailed)
    assert [one(**place).gpus for place in places] == [8, 12, 6, 5, 7, 10, 8]


def test_a_node_without_an_energy_sensor_has_no_power() -> None:
    energy = {"current_watts": payload.number(44, 0), "last_collected": 0}
    answer = parse_nodes(payload.raw(44, nodes=[payload.node(44, energy=energy)]))
    assert answer.records[0].power_w is None


def test_the_queue_tells_running_from_pending() -> None:
    jobs = (one(), one(job_id=2, job_state=["RUNNING"], nodes="cn[1-2]"))
    state = QueueState(at=NOW, jobs=jobs, nodes=(), partitions=(), planned_at=None)
    assert [job.id for job in state.pending] == ["4711"]
    assert [(job.id, job.hosts) for job in state.running] == [("2", ("cn1", "cn2"))]


def test_recorded_answers_are_read() -> None:
    for version in ("25.05_0.0.43", "25.11_0.0.44"):
        folder = shared("samples", "slurm", version)
        (job,) = parse_jobs((folder / "slurm-job-gpus-running.json").read_bytes()).records
        assert (job.state, job.gpus, len(job.hosts)) == (JobState.RUNNING, 4, 1)
        (job,) = parse_jobs((folder / "slurm-job-pending.json").read_bytes()).records
        assert (job.state, job.reason) == (JobState.PENDING, "BeginTime")
        assert len(parse_nodes((folder / "slurm-nodes.json").read_bytes()).records) >= 6
        partitions = parse_partitions((folder / "slurm-partitions.json").read_bytes())
        assert [each.up for each in partitions.records] == [True, True]
        assert parse_nothing((folder / "slurm-jwt-invalid-token.json").read_bytes()).errors


# -- short forms -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("(null)", ()),
        ("login", ("login",)),
        ("cn[08-10,12].lab,x-1", ("cn08.lab", "cn09.lab", "cn10.lab", "cn12.lab", "x-1")),
        ("r[1-2]n[3-4]", ("r1n3", "r1n4", "r2n3", "r2n4")),
    ],
)
def test_a_list_of_hosts_is_expanded(text: str, names: tuple[str, ...]) -> None:
    assert hosts(text) == names


@pytest.mark.parametrize("text", ["cn[1-", "cn[3-1]", "cn[a]", ",", "a,,b", "n[0-99999999]", "a b"])
def test_what_is_no_list_of_hosts_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"list of hosts|range of numbers|comma without"):
        hosts(text)


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("7", (1, None)),
        ("0-30:10", (4, None)),
        ("1,3,5-6%2", (4, 2)),
        ("1,3,...", (2, None)),
        ("1-3%0", (3, None)),
    ],
)
def test_the_tasks_of_an_array_are_counted(text: str, tasks: tuple[int, int | None]) -> None:
    assert array_tasks(text) == tasks


@pytest.mark.parametrize("text", ["x", "3-1", "1-2:0", "1-9999999999", "1%x", "..."])
def test_what_is_no_list_of_tasks_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a list of array tasks"):
        array_tasks(text)


def test_other_resources_are_no_gpus() -> None:
    assert gpus_in_gres(["shard:8,gpu:2,gpu:a100:1(S:0),gpumem:7", "license:3", "gpu"]) == 4
    assert gpus_in_tres("cpu=8,gres/shard=4,gres/gpumem=80") == 0


# -- damage ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"job_id": "12"}, "jobs[0].job_id"),
        ({"job_id": None}, "jobs[0].job_id"),
        ({"node_count": -5}, "jobs[0].node_count"),
        ({"start_time": 10**15}, "jobs[0].start_time"),
        ({"cpus": {"set": True}}, "jobs[0].cpus"),
        ({"name": 3}, "jobs[0].name"),
        ({"job_state": [1]}, "jobs[0].job_state"),
        ({"requeue": "yes"}, "jobs[0].requeue"),
        ({"time_limit": float("nan")}, "jobs[0].time_limit"),
        ({"nodes": "cn[1-"}, "jobs[0]"),
        ({"array_task_string": "many"}, "jobs[0]"),
    ],
)
def test_damage_is_named_by_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(SlurmPayloadError) as caught:
        one(**changes)
    assert str(caught.value).startswith(place)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"jobs": [{}', b"\xff", b'{"jobs" []}'])
def test_what_is_not_json_is_an_error(text: bytes) -> None:
    with pytest.raises(SlurmPayloadError):
        parse_jobs(text)


@pytest.mark.parametrize("jobs", [None, {}, 5])
def test_an_answer_without_its_list_is_an_error(jobs: Any) -> None:
    with pytest.raises(SlurmPayloadError):
        parse_jobs(payload.raw(44, jobs=jobs))
    with pytest.raises(SlurmPayloadError):
        parse_jobs(payload.raw(44))


def test_the_errors_of_an_answer_are_kept() -> None:
    said = [{"error_number": 1007}]
    raw = json.dumps({"jobs": None, "errors": said}).encode()
    assert parse_jobs(raw).errors == said
    assert parse_nothing(b"").errors == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["set", "infinite", "number", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(data=st.data(), version=st.sampled_from(VERSIONS))
def test_any_value_in_any_place_gives_a_result_or_an_error_with_a_place(
    data: st.DataObject, version: int
) -> None:
    for key, entry, parse in (
        ("jobs", payload.job(version), parse_jobs),
        ("nodes", payload.node(version), parse_nodes),
        ("partitions", payload.partition(version), parse_partitions),
        ("statistics", payload.diag(version), parse_planned_at),
    ):
        entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(ANYTHING)
        content = entry if key == "statistics" else [entry]
        try:
            parse(payload.raw(version, **{key: content}))
        except SlurmPayloadError as error:
            assert str(error).startswith(key)  # noqa: PT017 - most values are good ones


@given(data=st.data())
def test_any_damaged_byte_gives_a_result_or_an_error(data: st.DataObject) -> None:
    raw = bytearray(payload.raw(44, jobs=[payload.job(44)]))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_jobs(raw[: data.draw(st.integers(0, len(raw)))])
    except SlurmPayloadError as error:
        assert str(error)  # noqa: PT017 - some damage is none
