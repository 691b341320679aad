"""Prometheus queries: against a real Prometheus, and against what a server should not say."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import time
from typing import Any, cast

import aiohttp
from aiohttp import web
from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.computeload.clock import SystemClock
from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import (
    AuthError,
    DeviceError,
    PayloadError,
    QueryError,
    Scope,
    ServerRefusedError,
)
from custom_components.computeload.drivers.http import HttpServer
from custom_components.computeload.drivers.prometheus import Access, PrometheusDevice, Query

from .http_servers import PATIENCE_S, beside_python, free_port, process, serving

SECRET = "secret word"  # noqa: S105 - of a server in this process
METRICS = """\
# TYPE node_power_watts gauge
node_power_watts{node="1"} 631.95
node_power_watts{node="2"} 69.9
# TYPE node_energy_joules_total counter
node_energy_joules_total{node="1"} 7200000
node_power_broken_watts NaN
gpu_power_blank 9223372036854775794
"""


@pytest.fixture(name="session")
async def session_fixture(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session like the one that Home Assistant shares."""
    async with aiohttp.ClientSession() as session:
        yield session


def query(
    session: aiohttp.ClientSession,
    url: str,
    text: str,
    unit: str = "W",
    energy: Query | None = None,
    **access: str,
) -> PrometheusDevice:
    """Return a load that is a query."""
    server = HttpServer(session, url, "Racks", 20.0)
    return PrometheusDevice(
        server,
        Access(**access),
        SystemClock(),
        power=Query(text=text, unit=unit),
        energy=energy,
        stale_s=150.0,
    )


# -- a real one ------------------------------------------------------------------------


@pytest.fixture(name="prometheus")
async def prometheus_fixture(session: aiohttp.ClientSession, tmp_path: Path) -> AsyncIterator[str]:
    """Run Prometheus with a small exporter to scrape, and return its address."""
    program = beside_python("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed here")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=METRICS)

    exporter = web.Application()
    exporter.router.add_get("/metrics", metrics)
    async with serving(exporter) as target:
        (tmp_path / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            "  - job_name: exporter\n"
            f"    static_configs: [{{targets: ['{target.removeprefix('http://')}']}}]\n"
        )
        address = f"127.0.0.1:{free_port()}"
        command = (
            program,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={address}",
        )
        ready = f"http://{address}/-/ready"
        async with process(*command, url=ready, folder=tmp_path):
            yield f"http://{address}"


async def scraped(device: PrometheusDevice) -> float | None:
    """Return the power, as soon as there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return (await device.read(Scope.FULL)).number(Quantity.POWER_W)
            except QueryError as error:
                if "it finds nothing" not in str(error):
                    raise
                await asyncio.sleep(0.2)


async def test_a_real_prometheus_gives_power_energy_and_reasons(
    session: aiohttp.ClientSession, prometheus: str
) -> None:
    total = query(session, prometheus, "sum(node_power_watts)")
    assert await scraped(total) == pytest.approx(701.85)
    in_kw = query(session, prometheus, "sum(node_power_watts) / 1000", unit="kW")
    assert await scraped(in_kw) == pytest.approx(701.85)
    scalar = query(session, prometheus, "scalar(sum(node_power_watts))")
    assert await scraped(scalar) == pytest.approx(701.85)

    energy = Query(text="sum(node_energy_joules_total)", unit="J")
    both = query(session, prometheus, "sum(node_power_watts)", energy=energy)
    reading = await both.read(Scope.FULL)
    assert reading.number(Quantity.ENERGY_IMPORT_WH) == pytest.approx(2000.0)
    assert (await both.read(Scope.FAST)).number(Quantity.ENERGY_IMPORT_WH) is None

    for text, why in (
        ("sum(", "the server says bad_data: .*parse error"),
        ("no_such_metric", "it finds nothing"),
        ("node_power_watts", "it finds 2 series instead of one"),
        ("node_power_watts[5m]", "it gives a matrix, not a number"),
        ('"word"', "it gives a string, not a number"),
        ("node_power_broken_watts", "it gives no number now"),
        ("gpu_power_blank", "it gives no number now"),
        ("vector(1) / 0", "it gives no number now"),
    ):
        with pytest.raises(QueryError, match=why):
            await query(session, prometheus, text).read(Scope.FULL)


# -- what a server may say instead -----------------------------------------------------


def app(content: Any, status: int = 200, seen: list[web.Request] | None = None) -> web.Application:
    """Return a server that always says the same."""

    async def answer(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append(request)
        if isinstance(content, str):
            return web.Response(text=content, status=status)
        return web.json_response(content, status=status)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    return application


def vector(value: Any, age_s: float = 0.0) -> dict[str, Any]:
    """Return the answer to an instant query."""
    sample = {"metric": {}, "value": [time.time() - age_s, value]}
    return {"status": "success", "data": {"resultType": "vector", "result": [sample]}}


@pytest.mark.parametrize(
    ("content", "status", "error", "why"),
    [
        (vector("5", age_s=200.0), 200, QueryError, r"its newest value is \d+ s old"),
        (vector("+Inf"), 200, QueryError, "it gives no number now"),
        (vector("five"), 200, PayloadError, "a sample without a time and a value"),
        (vector(None), 200, PayloadError, "a sample without a time and a value"),
        ({"status": "success", "data": None}, 200, QueryError, "a result without a type"),
        ([], 200, QueryError, "a result without a type"),
        ("<html>", 200, PayloadError, "no JSON"),
        ("not found", 404, ServerRefusedError, "the query refused with code 404"),
        ("", 502, ServerRefusedError, "code 502"),
        ("", 302, ServerRefusedError, "code 302"),
        ("", 401, AuthError, "the credentials are not accepted"),
        ({"status": "error", "errorType": "timeout"}, 503, QueryError, "the server says timeout"),
    ],
)
async def test_every_other_answer_has_a_reason(
    session: aiohttp.ClientSession, content: Any, status: int, error: type[DeviceError], why: str
) -> None:
    async with serving(app(content, status)) as url:
        with pytest.raises(error, match=why):
            await query(session, url, "up").read(Scope.FULL)


async def test_credentials_go_into_the_header_and_nowhere_else(
    session: aiohttp.ClientSession,
) -> None:
    seen: list[web.Request] = []
    async with serving(app(vector("5"), seen=seen)) as url:
        await query(session, url + "/prefix/", "up").read(Scope.FULL)
        await query(session, url, "up", token=SECRET).read(Scope.FULL)
        basic = query(session, url, "up", username="reader", password=SECRET)
        await basic.read(Scope.FULL)
    plain, bearer, named = seen
    assert plain.path == "/prefix/api/v1/query"
    assert "Authorization" not in plain.headers
    assert bearer.headers["Authorization"] == f"Bearer {SECRET}"
    assert named.headers["Authorization"].startswith("Basic ")
    assert all(SECRET.split(maxsplit=1)[0] not in request.path_qs for request in seen)


async def test_a_query_cannot_be_commanded(session: aiohttp.ClientSession) -> None:
    device = query(session, "http://127.0.0.1:1", "up")
    assert device.contract is None
    with pytest.raises(DeviceError):
        await device.command(1.0)
    await device.release()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "data", "resultType", "result", "value", "error"]), inner
        )
    ),
    max_leaves=12,
)


@given(data=JSON | st.fixed_dictionaries({"resultType": st.just("vector"), "result": JSON}))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_server_says_gives_a_number_or_a_reason(data: Any) -> None:
    server = HttpServer(cast("aiohttp.ClientSession", None), "http://x", "Racks", 1.0)
    device = PrometheusDevice(server, Access(), SystemClock(), power=Query(text="up", unit="W"))
    try:
        at, value = device._sample(data)
    except DeviceError:
        return
    assert isinstance(at, float)
    assert abs(value) < 1e19
