"""Automations made from the blueprints, in a Home Assistant with somebody else's sensors."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import shutil
from typing import Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

FOLDER: Final = Path(__file__).parent.parent / "blueprints"
SETPOINT: Final = "input_number.battery_setpoint"
PRICE: Final = "sensor.price"
TURNS: Final = 60
"""So many turns of the event loop are enough for what has to happen next."""


@pytest.fixture(name="home")
async def home_fixture(hass: HomeAssistant, tmp_path: Path) -> AsyncIterator[HomeAssistant]:
    """Return Home Assistant with the blueprints in its folder and a setpoint to act on."""
    shutil.copytree(FOLDER, tmp_path / "blueprints")
    hass.config.config_dir = str(tmp_path)
    limits = {"min": -20000, "max": 20000, "initial": 0, "unit_of_measurement": "W"}
    assert await async_setup_component(
        hass, "input_number", {"input_number": {"battery_setpoint": limits}}
    )
    yield hass
    if hass.services.has_service(AUTOMATION, "turn_off") and not hass.is_stopping:
        await hass.services.async_call(AUTOMATION, "turn_off", {"entity_id": "all"}, blocking=True)


async def automate(hass: HomeAssistant, name: str, inputs: dict[str, object]) -> None:
    """Make an automation from a blueprint."""
    use = {"path": f"computeload/{name}.yaml", "input": inputs}
    config = {AUTOMATION: [{"id": name, "alias": name, "use_blueprint": use}]}
    assert await async_setup_component(hass, AUTOMATION, config)
    await hass.async_block_till_done()
    assert hass.states.get(f"automation.{name}") is not None


async def later(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float = 10) -> None:
    """Let time pass."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def go_on(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float = 0.0) -> None:
    """Let time pass without waiting for an automation that waits itself."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    for _ in range(TURNS):
        await asyncio.sleep(0)


def say(hass: HomeAssistant, entity_id: str, value: object, unit: str, **more: object) -> None:
    """Let a foreign sensor report."""
    hass.states.async_set(entity_id, str(value), {"unit_of_measurement": unit, **more})


def setpoint(hass: HomeAssistant) -> float:
    """Return what the battery is told, in W."""
    state = hass.states.get(SETPOINT)
    assert state is not None
    return float(state.state)
