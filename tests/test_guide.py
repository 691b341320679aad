"""The first steps: what a new site is told to do next, until its controller runs."""

from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.computeload.const import CONF_TARIFF
from custom_components.computeload.feeds.guide import GUIDE
from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, prove, real_entry


async def steps(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, dict[str, Any]]:
    """Return the steps by their key."""
    payload = await GUIDE.payload(hass, entry)
    return {step["key"]: step for step in payload["steps"]}


def following(shown: dict[str, dict[str, Any]]) -> str | None:
    """Return the step that is shown as the next one."""
    return next((key for key, step in shown.items() if step["needed"] and not step["done"]), None)


async def test_the_way_leads_from_a_meter_to_the_switch(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    await async_set_up(hass, entry)
    shown = await steps(hass, entry)
    assert list(shown) == [
        *("meter", "battery", "price", "tariff", "check", "observe", "switch_on"),
    ]
    assert not any(step["done"] for step in shown.values())
    assert following(shown) == "meter"

    add_asset(hass, entry, lab, "grid")
    await hass.async_block_till_done()
    assert following(await steps(hass, entry)) == "price"

    # With a charge for peaks there is something to save, whatever energy costs.
    hass.config_entries.async_update_entry(entry, options={CONF_TARIFF: {"preset": "de_monthly"}})
    await hass.async_block_till_done()
    shown = await steps(hass, entry)
    assert shown["tariff"]["done"]
    assert not shown["price"]["needed"]
    assert following(shown) == "check"

    prove(entry)
    assert following(await steps(hass, entry)) == "switch_on"

    controller = entry.runtime_data.controller
    await controller.async_change(replace(controller.settings, enabled=True))
    assert following(await steps(hass, entry)) is None
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def test_a_card_learns_at_once_that_the_controller_runs(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    devices, entry_id = dr.async_get(hass), still_site.entry_id
    site = next(
        each.id
        for each in dr.async_entries_for_config_entry(devices, entry_id)
        if each.entry_type is dr.DeviceEntryType.SERVICE
    )
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "computeload/guide", "site": site})
    assert (await client.receive_json())["success"]
    assert (await client.receive_json())["event"]["running"] is False
    controller = still_site.runtime_data.controller
    prove(still_site)
    await controller.async_change(replace(controller.settings, enabled=True))
    controller.async_update_listeners()
    assert (await client.receive_json())["event"]["running"] is True


@pytest.mark.parametrize("key", ["battery", "observe"])
async def test_what_is_only_advice_holds_nobody_up(
    hass: HomeAssistant, still_site: MockConfigEntry, key: str
) -> None:
    assert (await steps(hass, still_site))[key]["needed"] is False
