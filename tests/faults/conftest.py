"""The lab under control, in fast time, and a log that must stay clean."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
import logging
from unittest.mock import patch

from homeassistant.core import HomeAssistant
import pytest

from custom_components.computeload.core.window import window_start
from custom_components.computeload.simulator.server import SimulatedSite
from custom_components.computeload.simulator.spec import Scenario

from .fast_time import SPEED, fast_time
from .lab import CHARGING_KW, SHAVING_KW, Lab, build_site, controlled, islanding_lab

CHATTY = ("asyncio", "homeassistant", "modbus_connection", "pymodbus.logging", "tmodbus")


@pytest.fixture(name="bugs_are_logged")
def bugs_are_logged_fixture() -> None:
    """Mark a test that is about errors in the log."""


@pytest.fixture(name="clean_log", autouse=True)
def clean_log_fixture(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Fail a test during which anybody logged an error or a traceback."""
    for name in CHATTY:
        caplog.set_level(logging.WARNING, name)
    caplog.set_level(logging.INFO, "custom_components.computeload")
    yield
    if "bugs_are_logged" in request.fixturenames:
        return
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    errors = [r for r in records if r.levelno >= logging.ERROR or r.exc_info]
    # Of a link that is reset the library below says so itself, in one line.
    assert [r.getMessage() for r in errors if not r.name.startswith("tmodbus")] == []


@pytest.fixture(name="into_window_s")
def into_window_s_fixture() -> float:
    """Return how far into a quarter of an hour the lab starts; most tests see no end of it."""
    return 300.0


@pytest.fixture(name="scenario")
def scenario_fixture() -> Scenario:
    """Return the lab of most tests: nothing in it happens by chance."""
    return islanding_lab()


@pytest.fixture(name="start")
def start_fixture(scenario: Scenario, into_window_s: float) -> datetime:
    """Return when the lab starts."""
    return window_start(scenario.default_start()) + timedelta(seconds=into_window_s)


@pytest.fixture(name="speed")
def speed_fixture() -> float:
    """Return how many times as fast as real time passes."""
    return SPEED


@pytest.fixture(name="site")
async def site_fixture(
    hass: HomeAssistant,
    socket_enabled: None,
    scenario: Scenario,
    speed: float,
    start: datetime,
) -> AsyncIterator[SimulatedSite]:
    """Return the lab's devices behind their sockets, in fast time."""
    fast_time(speed)
    site = build_site(scenario, start)
    with patch("custom_components.computeload.SystemClock", lambda: site.clock):
        await site.start()
        yield site
        await site.stop()


@pytest.fixture(name="shaving")
async def shaving_fixture(hass: HomeAssistant, site: SimulatedSite) -> AsyncIterator[Lab]:
    """Return a lab whose batteries give 6 kW to keep a target of 5 kW."""
    async with controlled(hass, site, SHAVING_KW) as lab:
        yield lab


@pytest.fixture(name="charging")
async def charging_fixture(hass: HomeAssistant, site: SimulatedSite) -> AsyncIterator[Lab]:
    """Return a lab whose batteries take 7 kW, with room below a target of 20 kW."""
    async with controlled(hass, site, CHARGING_KW) as lab:
        yield lab
