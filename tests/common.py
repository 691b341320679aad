"""A site in Home Assistant, made of the real parts: simulator, sockets, drivers, control."""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigSubentry, ConfigSubentryDataWithId
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import (
    CONF_CONNECTION_LIMIT_KW,
    CONF_CURRENCY,
    CONF_LINK,
    CONF_POLL_S,
    CONF_PROFILE,
    CONF_ROLE,
    CONF_SCENARIO,
    CONF_SIMULATION,
    CONF_TARGET_PEAK_KW,
    CONF_UNIT_ID,
    DOMAIN,
    LINK_TCP,
)
from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.core.model import AssetKind
from custom_components.computeload.core.proof import Check
from custom_components.computeload.simulation import simulated_subentries
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite
from custom_components.computeload.simulator.spec import Scenario

PATIENCE_S = 15.0
POLL_S = 0.2
STILL = 1e-9
"""A speed at which a simulated site does not change while a test looks at it."""


@cache
def steady_lab() -> Scenario:
    """Return the scenario of these tests: one meter, two batteries, PV, six branches."""
    return load_scenario(Path(__file__).with_name("lab.yaml"))


def build_lab(_: str = "", speed: float = STILL) -> SimulatedSite:
    """Return the lab at noon on a summer day."""
    scenario = steady_lab()
    return SimulatedSite(scenario, start=scenario.default_start(), speed=speed)


def real_entry(**data: Any) -> MockConfigEntry:
    """Return a real site without devices."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Lab",
        entry_id="site",
        unique_id="lab",
        data={CONF_CURRENCY: "EUR", CONF_CONNECTION_LIMIT_KW: 25.0, **data},
    )


def simulated_entry() -> MockConfigEntry:
    """Return a simulated site whose subentries are called as the scenario's devices."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Lab",
        entry_id="site",
        unique_id="lab",
        data={
            CONF_CURRENCY: "EUR",
            CONF_CONNECTION_LIMIT_KW: 25.0,
            CONF_TARGET_PEAK_KW: 6.0,
            CONF_SIMULATION: {CONF_SCENARIO: "lab"},
        },
        subentries_data=[
            ConfigSubentryDataWithId(
                subentry_id=each["data"][CONF_LINK]["device"],
                data={**each["data"], CONF_POLL_S: POLL_S},
                subentry_type=each["subentry_type"],
                title=each["title"],
                unique_id=each["unique_id"],
            )
            for each in simulated_subentries(steady_lab())
        ],
    )


def add_asset(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    lab: SimulatedSite,
    device_id: str,
    *,
    subentry_id: str | None = None,
    **data: Any,
) -> ConfigSubentry:
    """Give a real site one of the lab's devices, by its address."""
    endpoint = lab.endpoints[device_id]
    link = {"type": LINK_TCP, "host": endpoint.host, "port": endpoint.port}
    stored = {
        CONF_PROFILE: endpoint.profile,
        CONF_LINK: link,
        CONF_UNIT_ID: endpoint.unit_id,
        CONF_POLL_S: POLL_S,
    }
    if endpoint.kind is AssetKind.METER:
        stored[CONF_ROLE] = endpoint.role.value
    subentry = ConfigSubentry(
        data=MappingProxyType(stored | data),
        subentry_id=subentry_id or device_id,
        subentry_type=endpoint.kind.value,
        title=endpoint.name,
        unique_id=f"{endpoint.kind.value} {subentry_id or device_id}",
    )
    hass.config_entries.async_add_subentry(entry, subentry)
    return subentry


async def async_wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something that the site does by itself; fail when it does not."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0.02)


async def async_set_up(hass: HomeAssistant, entry: MockConfigEntry) -> SiteRuntime:
    """Set a site up and wait until all its devices have answered and were decided on."""
    if hass.config_entries.async_get_entry(entry.entry_id) is None:
        entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    runtime: SiteRuntime = entry.runtime_data
    await async_settle(hass, runtime)
    return runtime


def prove(entry: MockConfigEntry) -> None:
    """Let a site that is set up have passed all that its controller depends on."""
    runtime: SiteRuntime = entry.runtime_data
    for device in runtime.devices.values():
        checks: dict[str, str] = {Check.FRESHNESS: "freshness_passed", Check.UNIT: "unit_passed"}
        if device.kind is AssetKind.METER:
            checks[Check.SIGN] = "sign_grid_passed"
        if device.kind is AssetKind.BATTERY:
            checks[Check.COMMAND] = "command_passed"
        runtime.proof.async_record_passed(device.asset_id, checks)


async def async_settle(hass: HomeAssistant, runtime: SiteRuntime) -> None:
    """Wait until every device has published, and publish the site."""
    devices = runtime.devices.values()
    await async_wait_for(lambda: all(each.data is not None for each in devices))
    seen = runtime.controller.decision
    await async_wait_for(lambda: runtime.controller.decision is not seen)
    await runtime.controller.async_refresh()
    if runtime.controller.data.load_power_w is not None:
        await async_wait_for(lambda: runtime.planning.data.plan is not None)
    await hass.async_block_till_done()
