"""A device whose commands are in doubt is only read until its user confirms."""

from collections.abc import AsyncIterator
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.core.model import AssetKind, Quantity

from .common import real_entry
from .drivers.fact_tables import TABLES, FactDevice, listening
from .drivers.servers import shipped
from .test_config_flow import suggested
from .test_subentry_flow import answer, begin

TABLE = TABLES["ferroamp_energyhub"]
LIMITS = {"capacity_kwh": 30.0, "charge_limit_kw": 10.0, "discharge_limit_kw": 10.0}


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[MockConfigEntry]:
    """Return a site without devices."""
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def reach_confirm(hass: HomeAssistant, site: MockConfigEntry, port: int) -> Any:
    """Walk to the last step of adding a battery whose control is not certain."""
    result = await begin(hass, site, AssetKind.BATTERY)
    result = await answer(hass, result, {"profile": TABLE.profile})
    place = {"host": "127.0.0.1", "port": port, "unit_id": TABLE.unit_id}
    result = await answer(hass, result, place)
    assert result["step_id"] == "confirm"
    return result


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_doubtful_battery_is_commanded_only_when_its_user_has_confirmed(
    hass: HomeAssistant, site: MockConfigEntry, *, accepted: bool
) -> None:
    device = FactDevice(TABLE, TABLE.unit_id, [])
    contract = shipped(TABLE.profile).contract
    assert contract
    async with listening({TABLE.unit_id: device}) as port:
        result = await reach_confirm(hass, site, port)
        assert result["description_placeholders"]["doubt"] == contract.doubt
        answers = suggested(result) | LIMITS
        if accepted:
            answers["accept_stuck_command"] = True
        result = await answer(hass, result, answers)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        (battery,) = site.runtime_data.devices.values()
        await battery.async_refresh()
        assert battery.data.number(Quantity.POWER_W) == TABLE.expected()["power_w"]
        assert battery.controllable is accepted
        assert bool(site.runtime_data.controller.crew.writers) is accepted
        assert await hass.config_entries.async_unload(site.entry_id)
        await hass.async_block_till_done()
