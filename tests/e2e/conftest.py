"""One real Home Assistant and one browser for the tests of this folder.

They run outside of this process: what the test package of Home Assistant does around every
test, no sockets and no tasks left behind, is for one that runs inside of it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright
import pytest
import pytest_asyncio
import pytest_socket

from scripts.chromium import find_chromium, launch_options
from scripts.client import Client
from scripts.launcher import HomeAssistant, free_port, running


@pytest.fixture(autouse=True)
def verify_cleanup() -> None:
    """Replace the check for tasks left behind: those of the browser stay for the module."""


@pytest.fixture(autouse=True)
def enable_event_loop_debug() -> None:
    """Replace the debug mode of the event loop, which slows the browser's pipes."""


@pytest.fixture(autouse=True)
def sockets(socket_enabled: None) -> None:
    """Allow sockets."""


@dataclass(frozen=True, slots=True)
class RunningHome:
    """A Home Assistant that runs, and its owner's session."""

    home: HomeAssistant
    client: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHome]:
    """Return a Home Assistant that was just installed: an owner, and nothing else."""
    pytest_socket.enable_socket()
    config: Path = tmp_path_factory.mktemp("config")
    async with running(config, free_port(8500)) as (home, client):
        yield RunningHome(home, client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Return a browser; without one the test is skipped."""
    if find_chromium() is None:
        pytest.skip("Chromium is not installed here")
    pytest_socket.enable_socket()
    async with async_playwright() as playwright:
        running_browser = await playwright.chromium.launch(**launch_options())
        yield running_browser
        await running_browser.close()
