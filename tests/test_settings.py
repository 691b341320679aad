"""What users set while a site runs: numbers, strategy, and the controller's switch."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any
from unittest.mock import PropertyMock, patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_exception_message
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import CONF_ACCEPT_STUCK, DOMAIN
from custom_components.computeload.controller import Controller
from custom_components.computeload.core.model import AssetKind
from custom_components.computeload.core.site import ControlState, Strategy
from custom_components.computeload.number import BASE_LOAD_HOURS
from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, async_wait_for, prove, real_entry

HOUR_S = 3600.0


async def change(hass: HomeAssistant, platform: str, key: str, action: str, **data: Any) -> None:
    """Do what a user does with an entity of the site."""
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"site_{key}")
    assert entity_id is not None
    await hass.services.async_call(
        platform, action, {"entity_id": entity_id, **data}, blocking=True
    )
    await hass.async_block_till_done()


async def set_number(hass: HomeAssistant, key: str, value: float) -> None:
    """Put another number into force."""
    await change(hass, "number", key, "set_value", value=value)


def state(hass: HomeAssistant, platform: str, key: str) -> str:
    """Return the state of an entity of the site."""
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"site_{key}")
    found = hass.states.get(entity_id or "")
    assert found is not None
    return found.state


def know_base_load(controller: Controller, power_w: float, hours: int) -> None:
    """Let the site have drawn no less than this for so many hours."""
    now_s = controller.clock.monotonic_s()
    controller._base_load = type(controller._base_load)()
    for hour in range(hours):
        controller._base_load.add(now_s - (hours - 1 - hour) * HOUR_S, power_w)


def message(error: ServiceValidationError) -> str:
    """Return what the user reads."""
    assert error.translation_key is not None
    return async_get_exception_message(
        DOMAIN, error.translation_key, error.translation_placeholders
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target_peak", 14.5),
        ("connection_limit", 20.0),
        ("soc_minimum", 8.0),
        ("backup_reserve", 30.0),
    ],
)
async def test_a_number_is_in_force_and_stays_so_after_a_reload(
    hass: HomeAssistant, still_site: MockConfigEntry, key: str, value: float
) -> None:
    know_base_load(still_site.runtime_data.controller, 3000.0, 24)
    await set_number(hass, key, value)
    assert float(state(hass, "number", key)) == value
    await async_set_up_again(hass, still_site)
    assert float(state(hass, "number", key)) == value


async def async_set_up_again(hass: HomeAssistant, site: MockConfigEntry) -> None:
    """Reload a site and wait for its devices."""
    await hass.config_entries.async_unload(site.entry_id)
    await async_set_up(hass, site)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("target_peak", 0.0, "The target peak has to be above 0 kW"),
        (
            "target_peak",
            30.0,
            (
                "The target peak cannot be above the connection limit of 25.0 kW. "
                "Choose a lower target, or raise the limit first"
            ),
        ),
        (
            "target_peak",
            2.0,
            (
                "The site has not drawn less than 3.2 kW so far, so this could not be kept. "
                "Choose at least 3.6 kW"
            ),
        ),
        ("connection_limit", 0.0, "The connection limit has to be above 0 kW"),
        (
            "connection_limit",
            26.0,
            (
                "The grid connection is set up to carry 25.0 kW. Choose no more than that, "
                "or reconfigure the site if it carries more"
            ),
        ),
        (
            "connection_limit",
            3.0,
            (
                "The site has not drawn less than 3.2 kW so far, so this could not be kept. "
                "Choose at least 3.6 kW"
            ),
        ),
        (
            "soc_minimum",
            20.0,
            (
                "The minimum state of charge cannot be above the backup reserve of 10 %. "
                "Choose no more than that, or raise the reserve first"
            ),
        ),
        (
            "backup_reserve",
            2.0,
            (
                "The backup reserve cannot be below the minimum state of charge of 5 %. "
                "Choose at least that, or lower the minimum first"
            ),
        ),
    ],
)
async def test_a_bad_number_is_refused_with_what_to_do_and_changes_nothing(
    hass: HomeAssistant, still_site: MockConfigEntry, *, key: str, value: float, said: str
) -> None:
    controller = still_site.runtime_data.controller
    know_base_load(controller, 3200.0, 24)
    before = controller.settings
    with pytest.raises(ServiceValidationError) as error:
        await set_number(hass, key, value)
    assert message(error.value) == said
    assert controller.settings == before


async def test_what_a_refusal_suggests_is_accepted(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    know_base_load(still_site.runtime_data.controller, 3210.0, 24)
    with pytest.raises(ServiceValidationError) as error:
        await set_number(hass, "target_peak", 1.0)
    assert error.value.translation_placeholders is not None
    suggested = float(error.value.translation_placeholders["suggested"])
    await set_number(hass, "target_peak", suggested)
    assert float(state(hass, "number", "target_peak")) == suggested


async def test_a_base_load_known_for_a_short_time_only_stops_what_is_far_below(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    know_base_load(still_site.runtime_data.controller, 16_000.0, BASE_LOAD_HOURS - 1)
    with pytest.raises(ServiceValidationError) as error:
        await set_number(hass, "target_peak", 7.0)
    assert error.value.translation_key == "below_base_load"
    await set_number(hass, "target_peak", 9.0)


async def test_any_target_is_taken_while_no_base_load_is_known(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    know_base_load(still_site.runtime_data.controller, 0.0, 0)
    await set_number(hass, "target_peak", 1.0)
    assert float(state(hass, "number", "target_peak")) == 1.0


async def test_a_lower_connection_limit_takes_the_target_down_with_it(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    know_base_load(still_site.runtime_data.controller, 1000.0, 24)
    await set_number(hass, "connection_limit", 5.0)
    assert float(state(hass, "number", "target_peak")) == 5.0


@pytest.mark.parametrize("strategy", [s for s in Strategy if not s.follows_plan])
async def test_a_strategy_is_in_force_at_once(
    hass: HomeAssistant, still_site: MockConfigEntry, strategy: Strategy
) -> None:
    await change(hass, "select", "strategy", "select_option", option=strategy.value)
    assert still_site.runtime_data.controller.settings.strategy is strategy
    assert state(hass, "select", "strategy") == strategy.value


async def test_the_controller_is_off_until_it_is_switched_on_and_hands_back_when_off(
    hass: HomeAssistant, live_site: MockConfigEntry
) -> None:
    runtime = live_site.runtime_data
    assert state(hass, "switch", "controller") == "off"
    assert state(hass, "sensor", "controller_state") == ControlState.OFF
    assert not any(writer.engaged for writer in runtime.controller.crew.writers.values())

    prove(live_site)
    await change(hass, "switch", "controller", "turn_on")
    assert state(hass, "switch", "controller") == "on"
    # The lab draws more than its target: a battery is needed.
    await async_wait_for(lambda: any(w.engaged for w in runtime.controller.crew.writers.values()))

    await change(hass, "switch", "controller", "turn_off")
    assert state(hass, "switch", "controller") == "off"
    assert not any(writer.engaged for writer in runtime.controller.crew.writers.values())


async def test_without_a_grid_meter_it_cannot_be_switched_on(hass: HomeAssistant) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    with pytest.raises(ServiceValidationError) as error:
        await change(hass, "switch", "controller", "turn_on")
    assert message(error.value).startswith("The controller needs a meter at the grid connection.")
    assert state(hass, "switch", "controller") == "off"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_without_a_battery_it_cannot_be_switched_on(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    add_asset(hass, entry, lab, "grid")
    await async_set_up(hass, entry)
    with pytest.raises(ServiceValidationError) as error:
        await change(hass, "switch", "controller", "turn_on")
    assert message(error.value) == (
        "The controller needs a battery that it can command. Add one to the site"
    )
    assert state(hass, "switch", "controller") == "off"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_device_that_may_keep_a_last_command_is_only_read_without_consent(
    still_site: MockConfigEntry,
) -> None:
    runtime = still_site.runtime_data
    battery = runtime.of_kind(AssetKind.BATTERY)[0]
    assert battery.controllable
    stuck = replace(battery.device.contract, lapse_s=None)
    with patch.object(type(battery.device), "contract", PropertyMock(return_value=stuck)):
        assert not battery.controllable
        accepted = MappingProxyType({**battery.subentry.data, CONF_ACCEPT_STUCK: True})
        with patch.object(battery, "subentry", replace(battery.subentry, data=accepted)):
            assert battery.controllable
