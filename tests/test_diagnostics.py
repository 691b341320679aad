"""Diagnostics and system health: enough to help, nothing that says where the site is."""

import json
from unittest.mock import patch

from homeassistant.components.diagnostics import REDACTED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.json import JSONEncoder
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, get_system_health_info

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.diagnostics import (
    LIBRARIES,
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
    library_versions,
)
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, async_wait_for, real_entry


async def test_a_sites_diagnostics_tell_what_it_does_and_why(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    told = await async_get_config_entry_diagnostics(hass, still_site)
    assert set(told["versions"]) == set(LIBRARIES)
    assert told["settings"]["enabled"] is False
    assert told["proof"]["accepted"] is False
    checks = {(each["check"], each["asset_id"]) for each in told["proof"]["findings"]}
    assert {("sign", "grid"), ("command", "cabinet1"), ("balance", "")} <= checks
    assert "month" in told["savings"]
    assert told["decisions"][-1]["reason"]
    assert set(told["devices"]) == set(still_site.subentries)
    meter = told["devices"]["grid"]
    assert meter["profile"] == "eastron_sdm630"
    assert meter["reading"]["values"]["power_w"] > 0.0
    assert meter["link"]["polls"] > 0
    assert told["devices"]["cabinet1"]["contract"]["lapse_s"] > 0.0
    assert len(told["devices"]["branches"]["reading"]["channels"]) == 6
    assert set(told["writers"]) == {"cabinet1", "cabinet2", "roof"}
    assert told["profile_errors"] == []
    json.dumps(told, cls=JSONEncoder)


async def test_diagnostics_carry_no_address_and_no_serial_number(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    add_asset(hass, entry, lab, "grid")
    runtime = await async_set_up(hass, entry)
    identity = runtime.devices["grid"].identity
    assert identity is not None
    serial = identity.serial
    assert serial
    await lab.faults.inject("grid", Fault.REFUSED_CONNECTION)
    await async_wait_for(lambda: runtime.devices["grid"].link.last_error is not None)
    runtime.devices["grid"].link.last_error = f"127.0.0.1 refused, serial {serial}"
    told = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps(told, cls=JSONEncoder)
    assert "127.0.0.1" not in text
    assert serial not in text
    assert told["devices"]["grid"]["link"]["last_error"] == (
        f"{REDACTED} refused, serial {REDACTED}"
    )
    await hass.config_entries.async_unload(entry.entry_id)


async def test_diagnostics_carry_no_token_and_no_area(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    options = {"source": "entsoe", "area": "XK-99", "token": "do-not-tell"}
    hass.config_entries.async_update_entry(entry, options={"price": options})
    with patch(
        "custom_components.computeload.signals.fetch.Reader.async_read",
        side_effect=SignalError("limited", retry_after_s=3600.0),
    ):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
    told = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps(told, cls=JSONEncoder)
    assert told["options"]["price"]["source"] == "entsoe"
    assert told["signals"]["price"]["fetched"] is None
    assert "do-not-tell" not in text
    assert "XK-99" not in text
    await hass.config_entries.async_unload(entry.entry_id)


async def test_one_device_has_diagnostics_of_its_own_and_the_site_all(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    devices = dr.async_get(hass)
    entry_id = still_site.entry_id
    roof = devices.async_get_device_by_identifier((DOMAIN, "roof"), entry_id)
    site = devices.async_get_device_by_identifier((DOMAIN, entry_id), entry_id)
    assert roof is not None
    assert site is not None
    told = await async_get_device_diagnostics(hass, still_site, roof)
    assert told["asset"]["profile"] == "sunspec_pv"
    told = await async_get_device_diagnostics(hass, still_site, site)
    assert "devices" in told


def test_a_library_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.computeload.diagnostics.LIBRARIES", ("no-such-library",))
    assert library_versions() == {"no-such-library": "not installed"}


async def test_system_health_counts_sites_and_devices(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    info = await get_system_health_info(hass, DOMAIN)
    assert info["sites"] == "1 / 1"
    assert info["controlling"] == 0
    assert info["devices_answering"] == "5 / 5"
    assert info["version"]
    assert info["tmodbus"]
