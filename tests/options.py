"""The options flow of a running site, for the tests of its parts."""

from collections.abc import AsyncIterator
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .common import real_entry

MENU = ["check", "price", "tariff", "carbon", "pv", "advanced"]
ADVANCED = ["planning", "operator", "outage"]


@pytest.fixture(name="site")
async def site_fixture(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> AsyncIterator[MockConfigEntry]:
    """Return a real site that runs, at a moment that lasts: no hour begins while one looks."""
    freezer.move_to("2026-11-23T11:20:00+00:00")
    await hass.config.async_set_time_zone("Europe/Berlin")
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def open_page(hass: HomeAssistant, site: MockConfigEntry, page: str) -> ConfigFlowResult:
    """Begin, and choose a signal from the menu."""
    menu = await hass.config_entries.options.async_init(site.entry_id)
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == MENU
    if page in ADVANCED:
        menu = await answer(hass, menu, {"next_step_id": "advanced"}, FlowResultType.MENU)
        assert menu["menu_options"] == ADVANCED
    return await answer(hass, menu, {"next_step_id": page}, FlowResultType.MENU)


async def answer(
    hass: HomeAssistant,
    result: ConfigFlowResult,
    answers: dict[str, Any],
    shown: FlowResultType = FlowResultType.FORM,
) -> ConfigFlowResult:
    """Fill in what is shown."""
    assert result["type"] is shown
    result = await hass.config_entries.options.async_configure(result["flow_id"], answers)
    await hass.async_block_till_done()
    return result


def options_of(result: ConfigFlowResult, field: str = "source") -> list[str]:
    """Return what a field offers."""
    schema = result["data_schema"]
    assert schema is not None
    options: list[Any] = schema.schema[field].config["options"]
    return [each if isinstance(each, str) else each["value"] for each in options]
