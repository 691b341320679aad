"""What users get wrong: each ends in words that say what to do, and nothing in the log but them."""

from collections.abc import Iterator
from dataclasses import replace
import logging

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.model import Reason
from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, prove, real_entry
from .signals.test_site import prices_from

SWITCH = "switch.lab_controller"


@pytest.fixture(autouse=True)
def clean_log_fixture(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail where a mistake ends in an error or a traceback."""
    yield
    ours = [r for r in caplog.get_records("call") if r.name.startswith("custom_components")]
    assert [r.getMessage() for r in ours if r.levelno >= logging.ERROR or r.exc_info] == []


async def switch_on(hass: HomeAssistant) -> None:
    """Switch control on, as a user does."""
    await hass.services.async_call("switch", "turn_on", {"entity_id": SWITCH}, blocking=True)


async def unload(hass: HomeAssistant, entry_id: str) -> None:
    """Let a site go."""
    await hass.config_entries.async_unload(entry_id)
    await hass.async_block_till_done()


async def test_a_battery_before_the_meter_cannot_be_controlled_yet(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    add_asset(hass, entry, lab, "cabinet1")
    await async_set_up(hass, entry)
    with pytest.raises(ServiceValidationError, match="meter"):
        await switch_on(hass)
    await unload(hass, entry.entry_id)


async def test_a_meter_alone_has_nothing_to_control(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    add_asset(hass, entry, lab, "grid")
    await async_set_up(hass, entry)
    with pytest.raises(ServiceValidationError, match="battery"):
        await switch_on(hass)
    await unload(hass, entry.entry_id)


async def test_control_before_the_check_names_what_is_not_proven(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    for asset in ("grid", "cabinet1"):
        add_asset(hass, entry, lab, asset)
    await async_set_up(hass, entry)
    with pytest.raises(ServiceValidationError) as caught:
        await switch_on(hass)
    assert "Battery cabinet 1" in str(caught.value)
    await unload(hass, entry.entry_id)


async def test_a_meter_that_is_removed_while_control_is_on_lets_the_battery_go(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry(target_peak_kw=5.0)
    entry.add_to_hass(hass)
    for asset in ("grid", "cabinet1"):
        add_asset(hass, entry, lab, asset)
    runtime = await async_set_up(hass, entry)
    prove(entry)
    await switch_on(hass)
    await runtime.devices["grid"].async_sample()
    await runtime.controller.crew.async_written()
    hass.config_entries.async_remove_subentry(entry, "grid")
    await hass.async_block_till_done()
    controller = entry.runtime_data.controller
    controller._step(None)
    controller._publish()
    assert controller.data.reason is Reason.NO_METER
    assert not any(writer.engaged for writer in controller.crew.writers.values())
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, f"meter_missing_{entry.entry_id}") is not None
    await unload(hass, entry.entry_id)


async def test_a_battery_that_does_not_say_its_charge_is_not_commanded(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry = real_entry(target_peak_kw=5.0)
    entry.add_to_hass(hass)
    for asset in ("grid", "cabinet1"):
        add_asset(hass, entry, lab, asset)
    runtime = await async_set_up(hass, entry)
    prove(entry)
    await switch_on(hass)
    battery = runtime.devices["cabinet1"]
    assert battery.latest is not None
    silent = {key: value for key, value in battery.latest.values.items() if key != "soc"}
    battery.latest = replace(battery.latest, values=silent)
    runtime.controller._step(None)
    decision = runtime.controller.decision
    assert decision is not None
    assert decision.setpoints.get("cabinet1") is None
    await unload(hass, entry.entry_id)


async def test_a_price_entity_that_is_deleted_is_reported(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    prices = prices_from(hass)
    entry = real_entry()
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"price": prices})
    add_asset(hass, entry, lab, "grid")
    runtime = await async_set_up(hass, entry)
    for entity_id in prices["entities"]:
        hass.states.async_remove(entity_id)
    price = runtime.signals.price
    assert price is not None
    for _ in range(3):
        await price.async_ask()
        price.async_publish()
    issue = ir.async_get(hass).async_get_issue(DOMAIN, f"price_failed_{entry.entry_id}")
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert prices["entities"][0] in issue.translation_placeholders["details"]
    await unload(hass, entry.entry_id)
