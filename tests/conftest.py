"""What the tests of the Home Assistant layer share.

The tests of core, drivers and simulator live below this too, and run without Home
Assistant: nothing here may ask for it unless a test does.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

# Home Assistant's test package brings a package `custom_components` of its own; importing
# ours first makes it the one that is found.
import custom_components.computeload  # noqa: F401
from custom_components.computeload.simulator.server import SimulatedSite
from scripts.launcher import is_deprecation

from .common import async_set_up, build_lab, simulated_entry

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``scripts/soak`` say how long, and with which faults."""
    group = parser.getgroup("computeload")
    group.addoption("--soak-hours", type=float, default=2.0, help="simulated hours of the soak")
    group.addoption("--soak-seed", type=int, default=1, help="of everything random in the soak")


@pytest.fixture(autouse=True)
def find_the_integration(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant load integrations from `custom_components`, and keep files apart."""
    if "recorder_mock" in request.fixturenames:
        # The recorder's database has to be there before Home Assistant is.
        request.getfixturevalue("recorder_db_url")
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")
        request.getfixturevalue("own_folder")


@pytest.fixture(autouse=True)
def nothing_deprecated(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which Home Assistant says that we use what it is going to remove."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    assert [text for record in records if is_deprecation(text := record.getMessage())] == []


@pytest.fixture
def own_folder(hass: HomeAssistant, tmp_path: Path) -> None:
    """Give every test a configuration folder of its own: ledgers are real files."""
    hass.config.config_dir = str(tmp_path)


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compare what Home Assistant's own snapshots compare: no ids, no times."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
def entity_registry_enabled_by_default() -> Iterator[None]:
    """Enable all entities, those that are off until a user wants them included."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default", return_value=True
    ):
        yield


@pytest.fixture
async def lab(socket_enabled: None) -> AsyncIterator[SimulatedSite]:
    """Return a lab at a still moment, its devices behind sockets of their own."""
    site = build_lab()
    await site.start()
    yield site
    await site.stop()


@pytest.fixture
async def still_site(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[MockConfigEntry]:
    """Return a simulated site that is set up and stands still; its values never change."""
    async with running(hass, build_lab) as entry:
        yield entry


@pytest.fixture
async def live_site(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[MockConfigEntry]:
    """Return a simulated site that is set up and runs, in real time."""
    async with running(hass, partial(build_lab, speed=1.0)) as entry:
        yield entry


@asynccontextmanager
async def running(
    hass: HomeAssistant, build: Callable[[str], SimulatedSite]
) -> AsyncIterator[MockConfigEntry]:
    """Set a simulated site up, and unload it in the end."""
    entry = simulated_entry()
    with patch("custom_components.computeload.simulation._build", build):
        await async_set_up(hass, entry)
        yield entry
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()
