"""The entities of a site: all of them at a still moment, and how they take trouble."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    mock_restore_cache_with_extra_data,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

from custom_components.computeload.const import DOMAIN, PLATFORMS
from custom_components.computeload.coordinator import DeviceCoordinator, LinkQuality
from custom_components.computeload.core.model import AssetKind, Quantity, Reading
from custom_components.computeload.sensor import RESET_S
from custom_components.computeload.simulator.faults import Fault

from .common import async_set_up, async_wait_for, build_lab, simulated_entry

BUILD = "custom_components.computeload.simulation._build"


@pytest.fixture(name="even_latency")
def even_latency_fixture() -> Iterator[None]:
    """Let every poll take the same time: the only thing that no still site holds still."""

    def success(self: LinkQuality, took_s: float) -> None:
        self.polls, self.in_a_row, self.latency_s = self.polls + 1, 0, 0.004

    with patch.object(LinkQuality, "success", success):
        yield


@pytest.mark.usefixtures("socket_enabled", "entity_registry_enabled_by_default", "even_latency")
# Only clusters have events, and the lab has none: theirs are in test_cluster.
@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each is not Platform.EVENT])
async def test_every_entity_of_a_platform(
    hass: HomeAssistant,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
    platform: Platform,
) -> None:
    entry = simulated_entry()
    with (
        patch(BUILD, build_lab),
        patch("custom_components.computeload.PLATFORMS", [platform]),
    ):
        await async_set_up(hass, entry)
        await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)
        await hass.config_entries.async_unload(entry.entry_id)


async def test_every_asset_is_a_device_behind_the_sites(
    hass: HomeAssistant, still_site: MockConfigEntry, device_registry: dr.DeviceRegistry
) -> None:
    devices = {
        next(iter(device.identifiers))[1]: device
        for device in dr.async_entries_for_config_entry(device_registry, still_site.entry_id)
    }
    site = devices.pop(still_site.entry_id)
    assert site.name == "Lab"
    assert site.entry_type is dr.DeviceEntryType.SERVICE
    assert set(devices) == set(still_site.subentries)
    for subentry_id, device in devices.items():
        assert device.via_device_id == site.id
        assert device.config_subentry_id == subentry_id
        assert device.name == still_site.subentries[subentry_id].title
    assert devices["grid"].manufacturer == "Eastron"
    assert devices["grid"].serial_number


@pytest.mark.parametrize(
    ("device_id", "keys"),
    [
        ("grid", {"energy_imported", "energy_exported"}),
        ("cabinet1", {"energy_charged", "energy_discharged"}),
        ("roof", {"energy_produced"}),
        ("branches", {"energy_consumed", "channel_energy"}),
    ],
)
async def test_energy_is_named_by_what_it_means_for_the_device(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    device_id: str,
    keys: set[str],
) -> None:
    entities = er.async_entries_for_config_entry(entity_registry, still_site.entry_id)
    found = {
        entity.translation_key
        for entity in entities
        if entity.config_subentry_id == device_id and entity.original_device_class == "energy"
    }
    assert found == keys


def entity_id(hass: HomeAssistant, owner: str, key: str, platform: str = "sensor") -> str:
    """Return what an entity is called here."""
    found = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{owner}_{key}")
    assert found is not None
    return found


def state(hass: HomeAssistant, owner: str, key: str, platform: str = "sensor") -> str:
    """Return an entity's state."""
    found = hass.states.get(entity_id(hass, owner, key, platform))
    assert found is not None
    return found.state


def say(
    hass: HomeAssistant,
    device: DeviceCoordinator,
    values: dict[Quantity, Any],
    after_s: float = 10.0,
) -> None:
    """Let a device have said this, so many seconds from now."""
    before = device.data
    reading = Reading(
        at=before.at + timedelta(seconds=1),
        monotonic_s=before.monotonic_s + 1.0,
        values=values,
        channels=before.channels,
    )
    with patch.object(hass.loop, "time", return_value=hass.loop.time() + after_s):
        device.async_set_updated_data(reading)


async def test_a_dead_device_takes_only_its_own_entities_with_it(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = still_site.runtime_data
    await runtime.simulator.faults.inject("cabinet2", Fault.REFUSED_CONNECTION)
    await async_wait_for(lambda: not runtime.devices["cabinet2"].last_update_success)
    assert state(hass, "cabinet2", "power") == STATE_UNAVAILABLE
    assert state(hass, "cabinet2", "grid_present", "binary_sensor") == STATE_UNAVAILABLE
    # A total holds: nothing was charged back because nobody answers.
    assert float(state(hass, "cabinet2", "energy_import")) >= 0.0
    for other in ("grid", "cabinet1", "roof", "branches"):
        assert float(state(hass, other, "power")) >= 0.0
    assert state(hass, "site", "grid_power") not in (STATE_UNAVAILABLE, STATE_UNKNOWN)

    await runtime.simulator.faults.clear_all()
    await async_wait_for(lambda: runtime.devices["cabinet2"].last_update_success)
    await hass.async_block_till_done()
    assert float(state(hass, "cabinet2", "power")) == 0.0


async def test_what_a_device_does_not_say_is_unknown(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    device = still_site.runtime_data.devices["cabinet1"]
    say(hass, device, {Quantity.POWER_W: 500.0})
    assert float(state(hass, "cabinet1", "power")) == 0.5
    for key in ("soc", "temperature", "alarms"):
        assert state(hass, "cabinet1", key) == STATE_UNKNOWN
    assert state(hass, "cabinet1", "alarm", "binary_sensor") == STATE_UNKNOWN


async def test_a_device_that_has_not_answered_yet_is_unavailable(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    entry = simulated_entry()
    entry.add_to_hass(hass)
    lab = build_lab()
    await lab.faults.inject("roof", Fault.NO_ANSWER)
    with patch(BUILD, return_value=lab):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        assert state(hass, "roof", "power") == STATE_UNAVAILABLE
        assert state(hass, "roof", "alarm", "binary_sensor") == STATE_UNAVAILABLE
        await lab.faults.clear_all()
        roof = entry.runtime_data.devices["roof"]
        await async_wait_for(lambda: roof.data is not None)
        await hass.async_block_till_done()
        assert float(state(hass, "roof", "power")) > 0.0
        # Who the inverter is became known only now.
        devices = dr.async_get(hass)
        device = devices.async_get_device_by_identifier((DOMAIN, "roof"), entry.entry_id)
        assert device is not None
        assert device.serial_number == roof.identity.serial
        await hass.config_entries.async_unload(entry.entry_id)


async def test_alarms_are_named_and_raise_the_flag(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    assert state(hass, "cabinet1", "alarms") == "none"
    assert state(hass, "cabinet1", "alarm", "binary_sensor") == "off"
    device = still_site.runtime_data.devices["cabinet1"]
    say(hass, device, {Quantity.ALARMS: "over_temperature, fan" + ", more" * 100})
    assert state(hass, "cabinet1", "alarms").startswith("over_temperature, fan, more")
    assert state(hass, "cabinet1", "alarm", "binary_sensor") == "on"


async def test_noise_is_not_written_and_a_jump_is(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    device = still_site.runtime_data.devices["branches"]
    before = float(state(hass, "branches", "power"))
    say(hass, device, {Quantity.POWER_W: 15_010.0})
    assert float(state(hass, "branches", "power")) == before
    with patch.object(hass.loop, "time", return_value=hass.loop.time() + 5.0):
        say(hass, device, {Quantity.POWER_W: 22_000.0})
    assert float(state(hass, "branches", "power")) == 22.0


# -- energy counters ---------------------------------------------------------------------


def energy(hass: HomeAssistant) -> float:
    """Return the state of the grid meter's counter, kWh."""
    return float(state(hass, "grid", "energy_import"))


def count(hass: HomeAssistant, device: DeviceCoordinator, energy_wh: float, at_s: float) -> None:
    """Let the grid meter's counter have read this, so many seconds from the start."""
    with patch.object(hass.loop, "time", return_value=1e6 + at_s):
        say(hass, device, {Quantity.ENERGY_IMPORT_WH: energy_wh})


async def test_a_counter_that_falls_for_a_moment_is_held(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    meter = still_site.runtime_data.devices["grid"]
    count(hass, meter, 5_000_000.0, 0.0)
    assert energy(hass) == 5000.0
    count(hass, meter, 0.0, 100.0)
    count(hass, meter, 0.0, 100.0 + RESET_S - 1.0)
    assert energy(hass) == 5000.0
    count(hass, meter, 5_001_000.0, 100.0 + RESET_S + 100.0)
    assert energy(hass) == 5001.0


async def test_a_counter_that_stays_low_was_reset(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    meter = still_site.runtime_data.devices["grid"]
    count(hass, meter, 5_000_000.0, 0.0)
    count(hass, meter, 10_000.0, 100.0)
    count(hass, meter, 12_000.0, 100.0 + RESET_S)
    assert energy(hass) == 12.0


async def test_a_counter_goes_on_from_before_a_restart(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    sensor = "sensor.grid_meter_energy_imported"
    stored = {"native_value": 7_000_000.0, "native_unit_of_measurement": "Wh"}
    mock_restore_cache_with_extra_data(hass, [(State(sensor, "7000"), stored)])
    entry = simulated_entry()
    with patch(BUILD, build_lab):
        await async_set_up(hass, entry)
        # The simulated meter starts at zero, as one that woke up with a glitch would.
        assert energy(hass) == 7000.0
        await hass.config_entries.async_unload(entry.entry_id)


# -- settings ----------------------------------------------------------------------------


async def test_the_site_can_be_settled_without_any_device(hass: HomeAssistant) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Lab",
        entry_id="site",
        data={"currency": "EUR", "connection_limit_kw": 25.0},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.runtime_data.of_kind(AssetKind.METER) == []
    assert state(hass, "site", "grid_power") == STATE_UNKNOWN
    assert float(state(hass, "site", "target_peak", "number")) == 20.0
    await hass.config_entries.async_unload(entry.entry_id)
