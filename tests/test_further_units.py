"""A device with several unit ids: each is asked for, checked, and read from."""

from collections.abc import AsyncIterator
from dataclasses import replace

from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.core.model import AssetKind, Quantity

from .common import real_entry
from .drivers.fact_tables import TABLES, FactDevice, listening
from .test_config_flow import suggested
from .test_subentry_flow import answer, begin

TABLE = TABLES["victron_gx_ess_external"]
SIZE = {"capacity_kwh": 30.0, "charge_limit_kw": 10.0, "discharge_limit_kw": 10.0}
INVERTERS = 246
"""Where this site's inverters are; the profile suggests another unit id."""


@pytest.fixture(name="gx")
async def gx_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[int]:
    """Serve a GX whose inverters have another unit id than usual; returns its port."""
    facts = tuple(
        replace(fact, unit_id=INVERTERS) if fact.unit_id else fact for fact in TABLE.facts
    )
    table = replace(TABLE, facts=facts, orders=())
    units = {unit_id: FactDevice(table, unit_id, []) for unit_id in (TABLE.unit_id, INVERTERS)}
    async with listening(units) as port:
        yield port


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, gx: int) -> AsyncIterator[MockConfigEntry]:
    """Return a site without devices."""
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def test_further_unit_ids_are_asked_for_checked_and_used(
    hass: HomeAssistant, site: MockConfigEntry, gx: int
) -> None:
    result = await begin(hass, site, AssetKind.BATTERY)
    result = await answer(hass, result, {"profile": TABLE.profile})
    assert suggested(result) == {"port": 502, "unit_id": 100, "unit_id_vebus": 227}
    place = {"host": "127.0.0.1", "port": gx, "unit_id": 100}

    result = await answer(hass, result, {**place, "unit_id_vebus": 227})
    assert result["errors"] == {"base": "wrong_device"}
    result = await answer(hass, result, {**place, "unit_id_vebus": INVERTERS})
    assert result["step_id"] == "confirm"
    result = await answer(hass, result, {**suggested(result), **SIZE})
    assert result["type"] is FlowResultType.CREATE_ENTRY

    (device,) = site.runtime_data.devices.values()
    await device.async_refresh()
    assert device.data.number(Quantity.SETPOINT_W) == TABLE.made["setpoint_w"]
    assert device.controllable


async def test_a_stored_unit_id_is_filled_in_again(
    hass: HomeAssistant, site: MockConfigEntry, gx: int
) -> None:
    result = await begin(hass, site, AssetKind.BATTERY)
    result = await answer(hass, result, {"profile": TABLE.profile})
    place = {"host": "127.0.0.1", "port": gx, "unit_id": 100, "unit_id_vebus": INVERTERS}
    result = await answer(hass, result, place)
    await answer(hass, result, {**suggested(result), **SIZE})
    (subentry,) = site.subentries.values()
    assert subentry.data["more_unit_ids"] == {"vebus": INVERTERS}

    result = await hass.config_entries.subentries.async_init(
        (site.entry_id, subentry.subentry_type),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
    )
    result = await answer(hass, result, {"profile": TABLE.profile})
    assert suggested(result)["unit_id_vebus"] == INVERTERS
