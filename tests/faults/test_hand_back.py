"""Who has the batteries: taken at once, and handed back whenever control ends."""

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.config_entries import ConfigEntryState
import pytest

from custom_components.computeload.controller import Controller
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.simulator.faults import Fault

from .lab import SHAVING_KW, Lab

STORED = "computeload.site"
LAPSE_S = 60.0


def nothing_commanded(lab: Lab) -> bool:
    """Tell whether the batteries are free: one that has no register for that is told 0 W."""
    first, second = lab.cabinets
    return first.command_w is None and not second.command_w


async def stays_free(lab: Lab) -> None:
    """Watch the batteries being left alone until the last word to them has lapsed."""
    left_s = lab.now_s
    await lab.seconds(LAPSE_S + 5.0)
    assert [cabinet.command_w for cabinet in lab.cabinets] == [None, None]
    assert lab.cabinets[0].lapses == 0
    assert lab.battery_w == pytest.approx(0.0, abs=10.0)
    assert lab.writes_since(left_s + 0.5) == []


async def test_switching_on_commands_the_batteries_within_seconds(shaving: Lab) -> None:
    first = {w.device_id: w.elapsed_s for w in reversed(shaving.writes_since(0.0))}
    assert set(first) == {"cabinet1", "cabinet2"}
    assert max(first.values()) < 6.0


async def test_switching_off_hands_back(shaving: Lab) -> None:
    await shaving.switch(on=False)
    assert shaving.released
    await stays_free(shaving)
    assert shaving.state("sensor.lab_controller_state") == "off"

    await shaving.switch(on=True)
    await shaving.until(lambda: shaving.battery_w > 5_000.0, within_s=6.0)


async def test_observing_hands_back(shaving: Lab) -> None:
    await shaving.choose(Strategy.OBSERVE)
    assert shaving.released
    await stays_free(shaving)
    assert shaving.state("sensor.lab_controller_state") == "observing"

    await shaving.choose(Strategy.PEAK_SHAVING)
    await shaving.until(lambda: shaving.battery_w > 5_000.0, within_s=6.0)


async def test_another_strategy_keeps_the_batteries(shaving: Lab) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    await lab.choose(Strategy.SELF_CONSUMPTION)
    for _ in range(10):
        await lab.seconds(1.0)
        assert lab.battery_w >= 0.95 * shaved_w
    assert lab.state("sensor.lab_controller_state") in {"shaving", "discharging"}


async def test_what_was_switched_off_while_a_battery_was_silent_is_released_later(
    shaving: Lab,
) -> None:
    lab = shaving
    await lab.fault("cabinet1", Fault.NO_ANSWER)
    await lab.switch(on=False)
    assert lab.controller.crew.writers["cabinet1"].engaged
    assert lab.cabinets[0].command_w is not None
    await lab.seconds(20.0)
    await lab.mend()
    await lab.until(lambda: lab.released, within_s=8.0)
    assert lab.cabinets[0].lapses == 0


async def test_unloading_hands_back_and_leaves_no_task(shaving: Lab) -> None:
    assert await shaving.hass.config_entries.async_unload(shaving.entry.entry_id)
    assert nothing_commanded(shaving)
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert [name for name in names if "computeload" in name or "cabinet" in name.lower()] == []
    await stays_free(shaving)


async def test_reloading_hands_back_and_goes_on(shaving: Lab) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    began_s = lab.now_s
    assert await lab.hass.config_entries.async_reload(lab.entry.entry_id)
    released = lab.writes_since(began_s - 1.0, "cabinet1")[0]
    assert released.registers == (0,)
    await lab.until(lambda: lab.command_w > 0.95 * shaved_w, within_s=5.0)
    await lab.until(lambda: lab.battery_w > 0.95 * shaved_w, within_s=10.0)
    assert lab.state("switch.lab_controller") == "on"


async def test_a_removed_battery_is_handed_back(shaving: Lab) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    lab.hass.config_entries.async_remove_subentry(lab.entry, "cabinet1")
    await lab.until(lambda: lab.cabinets[0].command_w is None, within_s=3.0)
    await lab.until(lambda: lab.cabinets[1].power_w > 0.95 * shaved_w, within_s=10.0)
    assert lab.cabinets[0].command_w is None
    assert lab.cabinets[0].lapses == 0


async def test_an_edited_battery_is_taken_up_again(shaving: Lab) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    subentry = lab.entry.subentries["cabinet1"]
    lab.hass.config_entries.async_update_subentry(
        lab.entry, subentry, data={**subentry.data, "discharge_limit_kw": 2.0}
    )
    await lab.until(lambda: lab.cabinets[0].command_w is None, within_s=3.0)
    await lab.seconds(12.0)
    assert lab.battery_w > 0.95 * shaved_w
    assert 1_500.0 < lab.cabinets[0].power_w < 2_010.0


async def test_a_removed_site_is_handed_back_and_forgotten(
    shaving: Lab, hass_storage: dict[str, Any]
) -> None:
    assert STORED in hass_storage
    await shaving.hass.config_entries.async_remove(shaving.entry.entry_id)
    assert nothing_commanded(shaving)
    assert STORED not in hass_storage
    await stays_free(shaving)


async def test_the_stop_of_home_assistant_hands_back(
    shaving: Lab, hass_storage: dict[str, Any]
) -> None:
    await shaving.hass.async_stop()
    assert nothing_commanded(shaving)
    assert hass_storage[STORED]["data"]["engaged"] == []
    await stays_free(shaving)


async def test_a_silent_battery_does_not_hold_up_the_stop(
    shaving: Lab, hass_storage: dict[str, Any]
) -> None:
    lab = shaving
    await lab.fault("cabinet1", Fault.NO_ANSWER)
    await lab.seconds(10.0)
    began_s = lab.now_s
    await lab.hass.async_stop()
    assert lab.now_s - began_s < 20.0
    assert not lab.cabinets[1].command_w
    assert hass_storage[STORED]["data"]["engaged"] == ["cabinet1"]
    await lab.until(lambda: lab.cabinets[0].command_w is None, within_s=LAPSE_S)


async def kill(lab: Lab) -> None:
    """End control as a killed process does: links break, nothing is released or stored."""
    with patch.object(Controller, "async_stop", AsyncMock()):
        assert await lab.hass.config_entries.async_unload(lab.entry.entry_id)


async def start_again(lab: Lab) -> None:
    assert await lab.hass.config_entries.async_setup(lab.entry.entry_id)
    assert lab.entry.state is ConfigEntryState.LOADED


async def test_after_a_kill_the_batteries_lapse_by_themselves(
    shaving: Lab, hass_storage: dict[str, Any]
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    await kill(lab)
    assert lab.battery_w == pytest.approx(shaved_w, rel=0.02)
    assert sorted(hass_storage[STORED]["data"]["engaged"]) == ["cabinet1", "cabinet2"]
    await lab.until(
        lambda: [c.command_w for c in lab.cabinets] == [None, None], within_s=LAPSE_S + 1.0
    )
    assert [cabinet.lapses for cabinet in lab.cabinets] == [1, 1]

    await start_again(lab)
    await lab.until(lambda: lab.battery_w > 0.95 * shaved_w, within_s=10.0)


async def test_a_start_after_a_kill_takes_the_batteries_over(shaving: Lab) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    await kill(lab)
    await lab.seconds(20.0)
    await start_again(lab)
    await lab.seconds(LAPSE_S)
    assert lab.battery_w == pytest.approx(shaved_w, rel=0.1)
    assert [cabinet.lapses for cabinet in lab.cabinets] == [0, 0]


async def test_a_start_after_a_kill_releases_what_it_must_not_command(
    shaving: Lab, hass_storage: dict[str, Any]
) -> None:
    lab = shaving
    await kill(lab)
    hass_storage[STORED]["data"]["settings"]["enabled"] = False
    await start_again(lab)
    assert lab.cabinets[0].command_w is None
    assert lab.cabinets[0].lapses == 0
    # The other one has no register for a release; a new process leaves it to its lapse.
    await lab.until(lambda: lab.cabinets[1].command_w is None, within_s=LAPSE_S)
    assert not any(writer.engaged for writer in lab.controller.crew.writers.values())


async def test_what_was_set_and_metered_survives_a_restart(shaving: Lab) -> None:
    lab = shaving
    await lab.call("number", "set_value", "number.lab_target_peak", value=6.0)
    await lab.call("number", "set_value", "number.lab_backup_reserve", value=25.0)
    await lab.choose(Strategy.SELF_CONSUMPTION)
    window, settings = lab.controller.data.window, lab.controller.settings
    assert window is not None
    await lab.hass.config_entries.async_unload(lab.entry.entry_id)
    await lab.seconds(10.0)
    await start_again(lab)
    await lab.seconds(3.0)
    assert lab.controller.settings == replace(settings, target_w=6_000.0, reserve=0.25)
    assert lab.state("select.lab_strategy") == Strategy.SELF_CONSUMPTION
    after, truth = lab.controller.data.window, lab.site.physics.window
    assert after is not None
    assert after.start == window.start
    # The meter's counter knows what was drawn meanwhile.
    assert after.energy_wh == pytest.approx(truth.import_wh, abs=20.0)
    assert after.energy_wh > window.energy_wh + 1000.0 * SHAVING_KW * 8.0 / 3600.0
