"""The site's time, its life from start to stop, and its control from outside."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
import signal
import sys

import aiohttp
from aiohttp import web
import pytest

from custom_components.computeload.simulator.__main__ import main
from custom_components.computeload.simulator.clock import SimClock
from custom_components.computeload.simulator.panel_http import build_panel
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

from .conftest import START
from .wire import SilentError, Wire


def test_the_clock_runs_scaled_stops_and_jumps() -> None:
    real_s = 100.0
    clock = SimClock(START, 10.0, lambda: real_s)
    real_s += 5
    assert clock.elapsed_s == 0.0, "it starts on hold"
    clock.resume()
    real_s += 3
    assert clock.now() == START + timedelta(seconds=30)
    clock.jump(100)
    clock.pause()
    real_s += 50
    assert clock.monotonic_s() == pytest.approx(130.0)
    clock.resume()
    clock.resume()
    real_s += 1
    assert clock.elapsed_s == pytest.approx(140.0)


async def test_on_hold_nothing_changes_and_advancing_is_exact(
    site: SimulatedSite, wire: Wire
) -> None:
    before = await wire.registers("grid", 0, 80, function=4)
    await asyncio.sleep(0.05)
    assert await wire.registers("grid", 0, 80, function=4) == before
    elapsed_s = site.physics.elapsed_s
    await site.advance(900)
    assert site.physics.elapsed_s == elapsed_s + 900 == site.clock.elapsed_s
    assert site.physics.now == site.clock.now()
    assert await wire.registers("grid", 0, 80, function=4) != before


async def test_time_passes_by_itself_and_a_read_is_never_behind(socket_enabled: None) -> None:
    site = SimulatedSite(load_scenario("cfd-lab"), speed=600.0)
    assert abs(site.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    await site.start()
    wire = Wire(site)
    await asyncio.sleep(0.1)
    await wire.value("grid", 52, "f", function=4)
    assert site.physics.elapsed_s > 30
    wire.close()
    await site.stop()
    stopped_s = site.physics.elapsed_s
    await asyncio.sleep(0.05)
    assert site.physics.elapsed_s == stopped_s


async def test_the_same_seed_start_and_commands_give_the_same_registers(
    socket_enabled: None,
) -> None:
    seen = []
    for seed in (4, 4, 5):
        site = SimulatedSite(load_scenario("cfd-lab"), seed=seed, start=START)
        await site.start(paused=True)
        wire = Wire(site)
        await wire.write("cabinet2", 706, "f", 3000.0)
        await site.advance(1200)
        seen.append(await wire.registers("grid", 0, 80, function=4))
        wire.close()
        await site.stop()
    assert seen[0] == seen[1] != seen[2]


async def test_stopping_closes_everything_and_starting_again_goes_on(
    socket_enabled: None,
) -> None:
    site = SimulatedSite(load_scenario("cfd-lab"), start=START)
    await site.stop()
    await site.start()
    wire = Wire(site)
    await wire.value("grid", 52, "f", function=4)
    first = site.endpoints["grid"]
    await site.stop()
    await site.stop()
    with pytest.raises(SilentError):
        await wire.value("grid", 52, "f", function=4)
    await site.start(ports={"grid": first.port})
    assert site.endpoints["grid"] == first
    assert await wire.value("grid", 52, "f", function=4) > 0
    wire.close()
    await site.stop()


async def test_a_port_that_is_taken_leaves_nothing_open(socket_enabled: None) -> None:
    one = SimulatedSite(load_scenario("cfd-lab"))
    await one.start()
    other = SimulatedSite(load_scenario("cfd-lab"))
    with pytest.raises(OSError, match="address already in use"):
        await other.start(ports={"branches": one.endpoints["grid"].port})
    assert {port.port for port in other.ports.values()} == {0}
    assert not other.clock.running
    await one.stop()


async def test_several_requests_in_one_segment_are_all_answered(site: SimulatedSite) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.endpoints["grid"].port)
    request = bytes.fromhex("0000 0006 01 04 0034 0002")
    frames = b"".join(tid.to_bytes(2) + request for tid in range(5))
    for cut in (frames[:17], frames[17:20], frames[20:]):
        writer.write(cut)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(2):
        assert [(await reader.readexactly(13))[1] for _ in range(5)] == [0, 1, 2, 3, 4]
    writer.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 20,
        bytes.fromhex("0001 0000 0003 01 04 00"),
        bytes.fromhex("0001 0000 0002 01 63"),
        bytes.fromhex("0001 0000 0008 01 10 0000 0005 0a 00"),
    ],
    ids=["http", "short read", "unknown function", "short write"],
)
async def test_garbage_ends_the_connection_and_nothing_else(
    site: SimulatedSite, wire: Wire, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.endpoints["grid"].port)
    writer.write(garbage)
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()
    assert await wire.value("grid", 52, "f", function=4) > 0
    assert "Traceback" not in caplog.text


@pytest.fixture(name="panel")
async def _panel(site: SimulatedSite) -> AsyncIterator[str]:
    """Return the address of the site's control port."""
    runner = web.AppRunner(build_panel(site))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_the_control_port_shows_breaks_mends_and_moves_time(
    site: SimulatedSite, panel: str
) -> None:
    async with aiohttp.ClientSession(panel) as http:

        async def call(
            method: str, path: str, body: object = None
        ) -> tuple[int, dict[str, object]]:
            async with http.request(method, path, json=body) as answer:
                return answer.status, await answer.json()

        status, state = await call("GET", "/state")
        assert status == 200
        assert state["scenario"] == "cfd-lab"
        assert state["grid_w"] == pytest.approx(site.physics.grid_w)
        assert state["running"] is False
        body = {"device": "grid", "fault": "slow", "parameters": {"delay_s": 2}}
        assert await call("POST", "/faults", body) == (
            200,
            {"faults": {"grid": {"slow": {"delay_s": 2}}}},
        )
        assert (await call("DELETE", "/faults/grid"))[1] == {"faults": {}}
        elapsed_s = site.clock.elapsed_s
        status, moved = await call("POST", "/advance", {"seconds": 30})
        assert moved["elapsed_s"] == elapsed_s + 30
        assert (await call("POST", "/resume"))[1]["running"] is True
        assert (await call("POST", "/pause"))[1]["running"] is False
        for path, bad in (
            ("/faults", {"device": "attic", "fault": "slow"}),
            ("/faults", {"device": "grid", "fault": "slow", "parameters": 3}),
            ("/faults", [1]),
            ("/advance", {"seconds": "many"}),
            ("/advance", {"seconds": 1e12}),
        ):
            status, answer = await call("POST", path, bad)
            assert status == 400
            assert answer["error"]
        async with http.post("/faults", data=b"\xff{") as refused:
            assert refused.status == 400


async def test_it_runs_by_itself_says_where_and_ends_on_interrupt(socket_enabled: None) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "custom_components.computeload.simulator",
        "cfd-lab",
        "--control-port",
        "0",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A test run in the background ignores interrupts, and so would what it starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout
    async with asyncio.timeout(60):
        lines = [(await process.stdout.readline()).decode() for _ in range(7)]
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert lines[0].startswith("Fluid dynamics lab")
    assert "eastron_sdm630" in lines[1]
    assert "http://127.0.0.1:" in lines[6]
    assert process.returncode == 0
    assert errors == b""


def test_what_it_cannot_run_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nowhere"]) == 1
    assert "There is no scenario 'nowhere'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["cfd-lab", "--speed", "-1"])
