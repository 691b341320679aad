"""The lab whose devices fail: a real Home Assistant in control of it, and what to ask it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import (
    CONF_LINK,
    CONF_OVERRIDES,
    CONF_TARGET_PEAK_KW,
    DOMAIN,
    LINK_TCP,
    LOGGER,
)
from custom_components.computeload.controller import Controller
from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.simulator.cabinet import BatteryPhysics
from custom_components.computeload.simulator.clock import SimClock
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.port import Write
from custom_components.computeload.simulator.server import SimulatedSite
from custom_components.computeload.simulator.spec import Scenario
from tests.common import add_asset, async_set_up, prove, real_entry, steady_lab

from .gateway import HOST, Gateway

type Injected = tuple[Fault, dict[str, float | str]]

SHAVING_KW = 5.0
"""A target far below the lab's 11 kW: the cabinets give 6 kW."""
CHARGING_KW = 20.0
"""A target far above it: the cabinets take 7 kW."""


def faults(which: dict[str, Injected]) -> pytest.MarkDecorator:
    """Run a test once for each of these faults, as ``fault`` and ``parameters``."""
    return pytest.mark.parametrize(("fault", "parameters"), which.values(), ids=which)


def islanding_lab() -> Scenario:
    """Return the lab at noon, its first cabinet able to carry it as an island."""
    scenario = steady_lab()
    first, second = scenario.batteries
    return replace(scenario, batteries=(replace(first, islanding=True), second))


def build_site(scenario: Scenario, start: datetime) -> SimulatedSite:
    """Return a site whose time is the event loop's, from ``start`` (UTC) on."""
    site = SimulatedSite(scenario, start=start)
    site.clock = SimClock(site.clock.start, 1.0, asyncio.get_running_loop().time)
    return site


@dataclass(slots=True)
class Lab:
    """A lab under control."""

    hass: HomeAssistant
    site: SimulatedSite
    entry: MockConfigEntry

    @property
    def runtime(self) -> SiteRuntime:
        """Return what the loaded site is made of."""
        runtime: SiteRuntime = self.entry.runtime_data
        return runtime

    @property
    def controller(self) -> Controller:
        """Return the control loop."""
        return self.runtime.controller

    @property
    def cabinets(self) -> tuple[BatteryPhysics, ...]:
        """Return the batteries as they physically are."""
        return tuple(self.site.physics.batteries.values())

    @property
    def battery_w(self) -> float:
        """Return what the batteries really give (W, discharge +)."""
        return self.site.physics.battery_w

    @property
    def command_w(self) -> float:
        """Return what the batteries are told together (W, discharge +)."""
        return sum(cabinet.command_w or 0.0 for cabinet in self.cabinets)

    @property
    def released(self) -> bool:
        """Return whether nothing is commanded and nobody is held to be engaged.

        A cabinet without a register for that is told 0 W, which lapses by itself.
        """
        first, second = self.cabinets
        writers = self.controller.crew.writers.values()
        return (
            first.command_w is None
            and not second.command_w
            and not any(writer.engaged for writer in writers)
        )

    @property
    def now_s(self) -> float:
        """Return the simulated second."""
        return self.site.clock.elapsed_s

    async def seconds(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def until(self, happens: Callable[[], bool], *, within_s: float) -> float:
        """Wait for what the site does by itself; return after how many seconds it did."""
        began_s = self.now_s
        while not happens():
            assert self.now_s - began_s <= within_s, f"not within {within_s:g} s"
            await asyncio.sleep(0.1)
        return self.now_s - began_s

    async def fault(self, device_id: str, fault: Fault, **parameters: float | str) -> None:
        """Let something go wrong."""
        await self.site.faults.inject(device_id, fault, **parameters)

    async def mend(self) -> None:
        """Let everything be as it should again."""
        await self.site.faults.clear_all()

    def writes_since(self, since_s: float, device_id: str | None = None) -> list[Write]:
        """Return what was written on the wire from a simulated second on."""
        return [
            write
            for write in self.site.writes
            if write.elapsed_s >= since_s and device_id in {None, write.device_id}
        ]

    def logged(self, caplog: pytest.LogCaptureFixture, level: int, text: str) -> int:
        """Return how often we logged something with this text at this level."""
        ours = [r for r in caplog.get_records("call") if r.name == LOGGER.name]
        return sum(r.levelno == level and text in r.getMessage() for r in ours)

    def issue(self, key: str, asset_id: str) -> bool:
        """Tell whether the user sees this repair issue."""
        registry = ir.async_get(self.hass)
        return registry.async_get_issue(DOMAIN, f"{key}_{asset_id}") is not None

    def state(self, entity_id: str) -> str:
        """Return an entity's state."""
        state = self.hass.states.get(entity_id)
        assert state is not None, entity_id
        return state.state

    async def call(self, domain: str, service: str, entity_id: str, **data: Any) -> None:
        """Call an action of an entity, as the user does."""
        await self.hass.services.async_call(
            domain, service, {"entity_id": entity_id, **data}, blocking=True
        )

    async def switch(self, *, on: bool) -> None:
        """Turn the controller on or off."""
        await self.call("switch", "turn_on" if on else "turn_off", "switch.lab_controller")

    async def put_away(self) -> None:
        """Unload the site, unless that was done already."""
        if self.entry.state is ConfigEntryState.LOADED and self.hass.is_running:
            await self.hass.config_entries.async_unload(self.entry.entry_id)
        await self.hass.async_block_till_done()

    async def choose(self, strategy: Strategy) -> None:
        """Choose what the controller is after."""
        await self.call("select", "select_option", "select.lab_strategy", option=strategy.value)


async def set_up_lab(
    hass: HomeAssistant,
    site: SimulatedSite,
    target_kw: float,
    *,
    options: Mapping[str, Any] | None = None,
    gateway: Gateway | None = None,
    behind: Collection[str] = (),
) -> Lab:
    """Configure the lab as a real site with real links, prove it, and switch control on.

    The devices ``behind`` a gateway are reached through it.
    """
    lab = await installed_lab(
        hass, site, target_kw, options=options, gateway=gateway, behind=behind
    )
    prove(lab.entry)
    await lab.switch(on=True)
    return lab


async def installed_lab(
    hass: HomeAssistant,
    site: SimulatedSite,
    target_kw: float,
    *,
    options: Mapping[str, Any] | None = None,
    gateway: Gateway | None = None,
    behind: Collection[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Lab:
    """Configure the lab as a real site with real links; control stays off.

    ``overrides`` are corrections by device.
    """
    entry = real_entry(**{CONF_TARGET_PEAK_KW: target_kw})
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options=options or {})
    for device_id in site.endpoints:
        through: dict[str, Any] = {}
        if gateway is not None and device_id in behind:
            through[CONF_LINK] = {"type": LINK_TCP, "host": HOST, "port": gateway.port}
        if overrides and device_id in overrides:
            through[CONF_OVERRIDES] = overrides[device_id]
        add_asset(hass, entry, site, device_id, poll_s=1.0, **through)
    await async_set_up(hass, entry)
    return Lab(hass, site, entry)


@asynccontextmanager
async def controlled(
    hass: HomeAssistant, site: SimulatedSite, target_kw: float, **settings: Any
) -> AsyncIterator[Lab]:
    """Set a lab up, wait until its batteries do what they should, and put it away again."""
    lab = await set_up_lab(hass, site, target_kw, **settings)
    await lab.until(lambda: abs(lab.battery_w) > 5_000.0, within_s=20.0)
    # A few seconds more, and what is commanded is what is given.
    await lab.seconds(5.0)
    yield lab
    await lab.put_away()
