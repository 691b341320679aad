"""The queue of a real Slurm: munge, slurmctld, slurmd and slurmrestd with tokens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
import time

import aiohttp
import pytest

from custom_components.computeload.clock import SystemClock
from custom_components.computeload.core.levers import Lever
from custom_components.computeload.core.queue import Job, JobState, QueueState
from custom_components.computeload.drivers.base import AuthError, ServerRefusedError
from custom_components.computeload.drivers.slurm import DRAINS, SlurmAccess, SlurmQueue
from custom_components.computeload.drivers.slurm_server import SlurmServer
from scripts.slurm_lab import SlurmLab

PATIENCE_S = 60.0


@pytest.fixture(name="session")
async def session_fixture(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session like the one that Home Assistant shares."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(name="queue")
async def queue_fixture(session: aiohttp.ClientSession, lab: SlurmLab) -> AsyncIterator[SlurmQueue]:
    """Return a client with a good token; afterwards no job is left."""
    yield client(session, lab, lab.token())
    await asyncio.to_thread(lab.clear)


def client(session: aiohttp.ClientSession, lab: SlurmLab, word: str) -> SlurmQueue:
    """Return a client with a token."""
    server = SlurmServer(session, lab.url, "Lab", PATIENCE_S)
    return SlurmQueue(server, SlurmAccess(user="root", token=word), SystemClock())


async def seen(
    read: Callable[[], Awaitable[QueueState]], job: int, there: Callable[[Job], bool]
) -> Job:
    """Return a job as soon as it is as it should be."""
    until = time.monotonic() + PATIENCE_S
    found: Job | None = None
    while time.monotonic() < until:
        found = next((each for each in (await read()).jobs if each.id == str(job)), None)
        if found is not None and there(found):
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"job {job} stays {found}")


def running(job: Job) -> bool:
    return job.state is JobState.RUNNING


def put_off(job: Job) -> bool:
    return job.reason == "BeginTime"


def planned(job: Job) -> bool:
    return job.state is JobState.PENDING and job.starts_at is not None


async def test_running_and_pending_jobs_are_seen_with_their_starts(
    lab: SlurmLab, queue: SlurmQueue
) -> None:
    first = lab.submit(120, "-t3", "-J", "first")
    now = await seen(queue.read, first, running)
    second = lab.submit(60, "-t2", "-J", "second")
    array = lab.submit(60, "-t2", "--array=5-9%2")
    later = await seen(queue.read, second, planned)

    assert (now.name, now.user, now.partition, now.cpus) == ("first", "root", "work", lab.cpus)
    assert now.time_limit_s == 180.0
    assert now.starts_at is not None
    assert now.ends_at == now.starts_at + timedelta(minutes=3)
    assert later.starts_at is not None
    assert later.starts_at >= now.ends_at
    waiting = await seen(queue.read, array, planned)
    assert (waiting.tasks, waiting.tasks_at_once) == (5, 2)

    state = await queue.read()
    assert [job.id for job in state.running] == [str(first)]
    (node,) = state.nodes
    assert now.hosts == (node.name,)
    assert (node.cpus, node.cpus_used) == (lab.cpus, lab.cpus)
    (partition,) = state.partitions
    assert (partition.name, partition.up, partition.hosts) == ("work", True, now.hosts)
    assert state.planned_at is not None
    assert abs(state.at - state.planned_at) < timedelta(minutes=2)


async def test_a_job_that_is_put_off_waits_and_starts_when_it_is_let_go(
    lab: SlurmLab, queue: SlurmQueue
) -> None:
    before = lab.submit(120, "-t3")
    await seen(queue.read, before, running)
    job = lab.submit(120, "-t3")
    await seen(queue.read, job, lambda each: each.state is JobState.PENDING)
    await queue.defer(str(job), datetime.now(UTC) + timedelta(hours=4))
    lab.ask("scancel", str(before), check=True)
    await seen(queue.read, job, put_off)
    after = lab.submit(1, "-t1")
    await seen(queue.read, after, running)
    assert (await seen(queue.read, job, put_off)).state is JobState.PENDING
    await queue.defer(str(job), datetime.now(UTC))
    await seen(queue.read, job, running)


async def test_a_job_that_its_user_holds_is_seen_as_held(lab: SlurmLab, queue: SlurmQueue) -> None:
    job = lab.submit(60, "-t1", "--hold")
    assert (await seen(queue.read, job, lambda each: each.held)).starts_at is None


async def test_a_deferred_job_is_not_eligible_before(lab: SlurmLab, queue: SlurmQueue) -> None:
    before = lab.submit(120, "-t3")
    await seen(queue.read, before, running)
    job = lab.submit(60, "-t1")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    await queue.defer(str(job), until)
    lab.ask("scancel", str(before), check=True)
    later = await seen(queue.read, job, lambda each: each.reason == "BeginTime")
    assert later.state is JobState.PENDING
    assert later.starts_at is not None
    assert later.starts_at >= until


async def test_a_job_that_does_not_exist_is_a_refusal(queue: SlurmQueue) -> None:
    with pytest.raises(ServerRefusedError):
        await queue.defer("999999", datetime.now(UTC))


async def test_a_token_that_expires_is_an_auth_error(
    lab: SlurmLab, session: aiohttp.ClientSession
) -> None:
    queue = client(session, lab, lab.token(lifespan_s=3))
    await queue.read()
    await asyncio.sleep(5.0)
    with pytest.raises(AuthError):
        await queue.read()


async def test_a_controller_that_dies_and_comes_back_costs_nothing(
    lab: SlurmLab, queue: SlurmQueue
) -> None:
    job = lab.submit(120, "-t3", "-J", "survivor")
    await seen(queue.read, job, running)
    # What it has not yet written down, a controller that is killed forgets.
    await asyncio.to_thread(lab.write_down, job)
    lab.kill_controller()
    with pytest.raises(ServerRefusedError):
        await queue.read()
    lab.start_controller()
    await seen(queue.read, job, running)


async def test_what_this_version_cannot_do_is_known_beforehand(
    lab: SlurmLab, queue: SlurmQueue
) -> None:
    state = await queue.read()
    version = await queue.version()
    assert (Lever.HOLD in queue.abilities) is True
    assert (Lever.DRAIN in queue.abilities) is (version >= DRAINS)
    node = state.nodes[0].name
    if Lever.DRAIN in queue.abilities:
        await queue.drain(node, "a test")
        assert "DRAIN" in (await queue.read()).nodes[0].states
        await queue.resume(node)
    else:
        with pytest.raises(ServerRefusedError):
            await queue.drain(node, "a test")
