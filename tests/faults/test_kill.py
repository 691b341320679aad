"""A real Home Assistant process is killed; the devices, a process of their own, go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import signal
import sys
from typing import Any, Final

import aiohttp
from homeassistant.config_entries import ConfigSubentryDataWithId
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import (
    CONF_CURRENCY,
    CONF_LINK,
    CONF_SIMULATION,
    DOMAIN,
    LINK_TCP,
)
from custom_components.computeload.simulation import simulated_site_data, simulated_subentries
from scripts.client import Client
from scripts.demo import switch_on, wait_for_site
from scripts.launcher import HOST, ROOT, HomeAssistant, free_port, prepare
from tests.common import steady_lab

LAPSE_S: Final = 60.0
ENTRIES_VERSION: Final = (1, 5)
TARGET_KW: Final = 6.0
LAB: Final = ROOT / "tests" / "lab.yaml"

type State = dict[str, Any]


class Devices:
    """The simulated lab in a process of its own."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        """Ask it at this address."""
        self._url = url
        self._session = session

    async def state(self) -> State:
        """Return what is true on the site now."""
        async with self._session.get(f"{self._url}/state") as answer:
            state: State = await answer.json()
            return state

    async def until(self, happens: Callable[[State], bool], *, within_s: float) -> State:
        """Wait for what the lab does; return its state then."""
        state = await self.state()
        end_s = state["elapsed_s"] + within_s
        while not happens(state):
            assert state["elapsed_s"] < end_s, f"not within {within_s:g} s: {state['batteries']}"
            await asyncio.sleep(0.5)
            state = await self.state()
        return state


@asynccontextmanager
async def devices() -> AsyncIterator[Devices]:
    """Run the lab's devices, at the pace of real time."""
    port = free_port(18500)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "custom_components.computeload.simulator",
        str(LAB),
        "--control-port",
        str(port),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60.0):
            while b"faults and time" not in await process.stdout.readline():
                assert process.returncode is None
        async with aiohttp.ClientSession() as session:
            yield Devices(f"http://{HOST}:{port}", session)
    finally:
        # A test run in the background ignores interrupts, and so does what it starts.
        process.terminate()
        await process.wait()


def configure(config: Path, state: State) -> str:
    """Write the lab's site into a configuration folder, by its addresses; return its id."""
    scenario = steady_lab()
    data = simulated_site_data(scenario) | {CONF_CURRENCY: "EUR"}
    data.pop(CONF_SIMULATION)
    subentries = []
    for each in simulated_subentries(scenario):
        device_id = each["data"][CONF_LINK]["device"]
        endpoint = state["endpoints"][device_id]
        link = {"type": LINK_TCP, "host": endpoint["host"], "port": endpoint["port"]}
        subentries.append(
            ConfigSubentryDataWithId(
                subentry_id=device_id,
                data={**each["data"], CONF_LINK: link},
                subentry_type=each["subentry_type"],
                title=each["title"],
                unique_id=each["unique_id"],
            )
        )
    entry = MockConfigEntry(domain=DOMAIN, title="Lab", data=data, subentries_data=subentries)
    major, minor = ENTRIES_VERSION
    stored = {
        "version": major,
        "minor_version": minor,
        "key": "core.config_entries",
        "data": {"entries": [entry.as_dict()]},
    }
    (config / ".storage" / "core.config_entries").write_text(json.dumps(stored, default=str))
    return entry.entry_id


def shaved(state: State) -> bool:
    """Tell whether all batteries give what they are told, and the target is kept."""
    batteries = state["batteries"].values()
    commanded = all((battery["command_w"] or 0.0) > 500.0 for battery in batteries)
    return commanded and state["grid_w"] < 1020.0 * TARGET_KW


def free(state: State) -> bool:
    """Tell whether nobody commands any battery."""
    return all(battery["command_w"] is None for battery in state["batteries"].values())


@pytest.mark.slow
async def test_after_a_real_kill_the_batteries_lapse_and_the_next_start_takes_them_up(
    socket_enabled: None, tmp_path: Path
) -> None:
    port = free_port(8700)
    prepare(tmp_path, port)
    home = HomeAssistant(tmp_path, port)
    async with devices() as lab:
        entry_id = configure(tmp_path, await lab.state())
        try:
            await home.start()
            async with Client.logged_in(home.url) as client:
                await wait_for_site(client, entry_id)
                await switch_on(client, entry_id)
            before = await lab.until(shaved, within_s=60.0)

            os.kill(home.pid, signal.SIGKILL)
            await home.wait()
            # Nobody says anything any more: each device ends its command by itself.
            lapsed = await lab.until(free, within_s=LAPSE_S + 2.0)
            for name, battery in lapsed["batteries"].items():
                assert battery["lapses"] == before["batteries"][name]["lapses"] + 1
            await lab.until(lambda state: abs(state["battery_w"]) < 100.0, within_s=10.0)

            await home.start()
            await lab.until(shaved, within_s=120.0)
        finally:
            code = await home.stop()
        assert code == 0
        last = await lab.state()
        # The one without a register for its release is told 0 W.
        assert not any(battery["command_w"] for battery in last["batteries"].values())
        assert [line for line in home.complaints() if "Traceback" in line] == []
