"""A simulated site on loopback ports, and a client that is not the project's own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

from .wire import Wire

START = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
"""Noon in Munich: the sun shines, and a job is running."""


@pytest.fixture(name="site")
async def _site(socket_enabled: None) -> AsyncIterator[SimulatedSite]:
    """Return the fluid dynamics lab, a minute into its day, time on hold."""
    site = SimulatedSite(load_scenario("cfd-lab"), seed=5, start=START)
    await site.start(paused=True)
    await site.advance(60)
    yield site
    await site.stop()


@pytest.fixture(name="wire")
async def _wire(site: SimulatedSite) -> AsyncIterator[Wire]:
    """Return a Modbus client for every device of the site."""
    wire = Wire(site)
    yield wire
    wire.close()
