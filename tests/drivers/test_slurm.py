"""The client of slurmrestd, against a server behind a real socket."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
import json
import time
from typing import Any

import aiohttp
from aiohttp import web
import pytest

from custom_components.computeload.clock import SystemClock
from custom_components.computeload.drivers.base import (
    AuthError,
    DeviceError,
    PayloadError,
    ServerRefusedError,
    ServerSilentError,
    ServerUnreachableError,
    WrongDeviceError,
)
from custom_components.computeload.drivers.queue import Queue
from custom_components.computeload.drivers.slurm import SlurmAccess, SlurmQueue
from custom_components.computeload.drivers.slurm_server import SlurmServer

from . import slurm_payloads as payload
from .http_servers import free_port, serving


def token(valid_s: float = 3600.0, name: str = "exp") -> str:
    """Return what looks like a token; nobody here checks its signature."""
    claims = json.dumps({name: int(time.time() + valid_s), "sun": "ada"}).encode()
    return f"head.{urlsafe_b64encode(claims).decode().rstrip('=')}.c2VjcmV0"


class Restd:
    """A slurmrestd with one job, as a test wants it."""

    def __init__(self, *versions: int) -> None:
        """Speak these versions."""
        self.versions = versions
        self.token = token()
        self.asked: list[str] = []
        self.changes: list[tuple[str, Any]] = []
        self.says: dict[str, web.Response] = {}
        self.jobs: list[dict[str, Any]] | None = None

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_route("*", "/slurm/v0.0.{version}/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        version, path = int(request.match_info["version"]), request.match_info["path"]
        self.asked.append(f"{version} {path}")
        if version not in self.versions:
            return web.Response(status=404, text="Unable find requested URL.")
        if (said := self.says.pop(path, None)) is not None:
            return said
        if request.headers.get("X-SLURM-USER-TOKEN") != self.token:
            return web.Response(status=401, text="Authentication failure")
        assert request.headers["X-SLURM-USER-NAME"] == "ada"
        if request.method == "POST":
            self.changes.append((path, await request.json()))
            return web.json_response(payload.answer(version))
        jobs = [payload.job(version)] if self.jobs is None else self.jobs
        contents: dict[str, dict[str, Any]] = {
            "ping/": {"pings": []},
            "jobs/": {"jobs": jobs},
            "nodes/": {"nodes": [payload.node(version)]},
            "partitions/": {"partitions": [payload.partition(version)]},
            "diag/": {"statistics": payload.diag(version)},
        }
        return web.json_response(payload.answer(version, **contents[path]))


@pytest.fixture(name="session")
async def session_fixture(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session like the one that Home Assistant shares."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(name="restd")
def restd_fixture() -> Restd:
    """Return a slurmrestd of the middle of the range."""
    return Restd(42, 43, 44)


@pytest.fixture(name="url")
async def url_fixture(session: aiohttp.ClientSession, restd: Restd) -> AsyncIterator[str]:
    """Serve it."""
    async with serving(restd.app()) as url:
        yield url


@pytest.fixture(name="queue")
def queue_fixture(session: aiohttp.ClientSession, restd: Restd, url: str) -> SlurmQueue:
    """Return its client."""
    return client(session, url, restd.token)


def client(
    session: aiohttp.ClientSession, url: str, word: str, timeout_s: float = 30.0
) -> SlurmQueue:
    """Return a client with a token."""
    server = SlurmServer(session, url, "Cluster", timeout_s)
    return SlurmQueue(server, SlurmAccess(user="ada", token=word), SystemClock())


async def test_all_is_read_with_the_newest_common_version(queue: SlurmQueue, restd: Restd) -> None:
    adapter: Queue = queue
    state = await adapter.read()
    assert [job.id for job in state.pending] == ["4711"]
    assert [node.name for node in state.nodes] == ["gpu1"]
    assert [partition.name for partition in state.partitions] == ["batch"]
    assert state.planned_at == datetime.fromtimestamp(payload.NOW_S - 30, UTC)
    assert restd.asked[:4] == ["46 ping/", "45 ping/", "44 ping/", "44 jobs/"]
    restd.asked.clear()
    await queue.read()
    assert restd.asked == ["44 jobs/", "44 nodes/", "44 partitions/", "44 diag/"]


async def test_a_server_that_was_updated_is_asked_again_for_its_version(
    queue: SlurmQueue, restd: Restd
) -> None:
    await queue.read()
    restd.versions = (45, 46)
    with pytest.raises(ServerRefusedError):
        await queue.read()
    await queue.read()
    assert await queue.version() == 46


async def test_a_server_without_a_common_version_is_the_wrong_one(
    queue: SlurmQueue, restd: Restd
) -> None:
    restd.versions = ()
    with pytest.raises(WrongDeviceError, match=r"not slurmrestd v0\.0\.38 to v0\.0\.46"):
        await queue.read()


async def test_a_queue_of_thousands_is_read(queue: SlurmQueue, restd: Restd) -> None:
    restd.jobs = [payload.job(44, job_id=each) for each in range(1, 5001)]
    assert len((await queue.read()).pending) == 5000


@pytest.mark.parametrize(
    ("version", "begin"),
    [
        (38, f"uts{payload.NOW_S}"),
        (39, payload.NOW_S),
        (44, {"set": True, "infinite": False, "number": payload.NOW_S}),
    ],
)
async def test_a_job_is_put_off(
    queue: SlurmQueue, restd: Restd, version: int, begin: object
) -> None:
    restd.versions = (version,)
    await queue.defer("12", datetime.fromtimestamp(payload.NOW_S, UTC))
    assert restd.changes == [("job/12", {"begin_time": begin})]


LATER = datetime.fromtimestamp(payload.NOW_S + 3600, UTC)


async def test_what_is_no_job_is_not_asked_for(queue: SlurmQueue, restd: Restd) -> None:
    with pytest.raises(ServerRefusedError):
        await queue.defer("12/../13", LATER)
    assert restd.asked == []


def denied() -> list[web.Response]:
    """Return the ways in which Slurm refuses a token."""
    protocol = [{"error_number": 1007, "error": "Protocol authentication error"}]
    return [
        web.Response(status=401, text="Authentication failure"),
        web.Response(status=403),
        web.Response(status=500, text="Authentication does not apply to request"),
        web.json_response({"jobs": [], "errors": protocol}),
        web.json_response({"jobs": None, "errors": protocol}, status=500),
    ]


@pytest.mark.parametrize("way", range(5))
async def test_a_token_that_is_refused_in_any_way_is_an_auth_error(
    queue: SlurmQueue, restd: Restd, way: int
) -> None:
    restd.says["jobs/"] = denied()[way]
    with pytest.raises(AuthError) as caught:
        await queue.read()
    assert restd.token not in str(caught.value) + repr(caught.value.placeholders)


@pytest.mark.parametrize("word", ["no token", token(-1.0), token(name="other"), "a.b.c"])
async def test_an_unspecified_error_with_a_token_that_is_over_is_an_auth_error(
    session: aiohttp.ClientSession, restd: Restd, url: str, word: str
) -> None:
    unspecified = {"errors": [{"error_number": -1, "error": "Unspecified error"}]}
    restd.says["ping/"] = web.json_response(unspecified, status=500)
    with pytest.raises(AuthError):
        await client(session, url, word).read()


async def test_an_unspecified_error_with_a_good_token_is_a_refusal(
    queue: SlurmQueue, restd: Restd
) -> None:
    restd.says["jobs/"] = web.json_response({"errors": [{"error_number": -1}]}, status=500)
    with pytest.raises(ServerRefusedError) as caught:
        await queue.read()
    assert caught.value.placeholders == {"device": "Cluster", "what": "jobs", "code": "-1"}


async def test_errors_in_an_answer_that_looks_good_are_seen(
    queue: SlurmQueue, restd: Restd
) -> None:
    restd.says["job/7"] = web.json_response({"errors": [{"error_code": 2017}, "odd"]})
    with pytest.raises(ServerRefusedError) as caught:
        await queue.defer("7", LATER)
    assert caught.value.placeholders["code"] == "2017"


async def test_damage_is_named_by_its_place(queue: SlurmQueue, restd: Restd) -> None:
    restd.jobs = [payload.job(44), payload.job(44, cpus="many")]
    with pytest.raises(PayloadError, match=r"jobs\[1\]\.cpus: 'many' instead of a number"):
        await queue.read()


async def test_an_error_without_json_is_a_refusal(queue: SlurmQueue, restd: Restd) -> None:
    restd.says["jobs/"] = web.Response(status=502, text="<html>")
    with pytest.raises(ServerRefusedError, match="code 502"):
        await queue.read()


async def test_nobody_there_is_said_without_the_token(session: aiohttp.ClientSession) -> None:
    word = token()
    with pytest.raises(ServerUnreachableError) as caught:
        await client(session, f"http://127.0.0.1:{free_port()}", word).read()
    assert word not in str(caught.value)


async def test_silence_ends(session: aiohttp.ClientSession) -> None:
    given_up = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await given_up.wait()
        return web.Response(status=410)

    app = web.Application()
    app.router.add_get("/{path:.*}", never)
    async with serving(app) as url:
        with pytest.raises(ServerSilentError):
            await client(session, url, token(), timeout_s=0.2).read()
        given_up.set()


@pytest.mark.parametrize("word", ["one\r\nX-Other: two", "ключ"])
async def test_a_token_that_no_header_may_have_is_not_sent(
    session: aiohttp.ClientSession, restd: Restd, url: str, word: str
) -> None:
    with pytest.raises(DeviceError) as caught:
        await client(session, url, word).read()
    assert word not in str(caught.value)
    assert restd.asked == []


def test_the_token_is_not_shown() -> None:
    access = SlurmAccess(user="ada", token="a secret")  # noqa: S106 - made up
    assert "a secret" not in repr(access)
