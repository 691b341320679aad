"""Triggers and conditions of our own, in real automations with the site as their target."""

from collections.abc import Mapping
from dataclasses import replace
import logging
from typing import Any

from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.computeload.const import DOMAIN

from .common import async_wait_for

HEARD = "computeload_test_heard"


def site_device(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    """Return the id of the site's device."""
    devices, entry_id = dr.async_get(hass), entry.entry_id
    device = devices.async_get_device_by_identifier((DOMAIN, entry_id), entry_id)
    assert device is not None
    return device.id


def entity_of(hass: HomeAssistant, entry: MockConfigEntry, domain: str, key: str) -> str:
    """Return the id of one of the site's own entities."""
    entity_id = er.async_get(hass).async_get_entity_id(domain, DOMAIN, f"{entry.entry_id}_{key}")
    assert entity_id is not None
    return entity_id


async def automate(
    hass: HomeAssistant, triggers: list[object], conditions: list[object] | None = None
) -> list[Event[dict[str, Any]]]:
    """Set an automation up, and return what it will have done."""
    heard = async_capture_events(hass, HEARD)
    config = {
        "id": "test",
        "alias": "test",
        "triggers": triggers,
        "conditions": conditions or [],
        "actions": [{"event": HEARD}],
    }
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: [config]})
    await hass.async_block_till_done()
    return heard


def set_to(hass: HomeAssistant, entity_id: str, state: str, **attributes: object) -> None:
    """Give an entity another state, as its platform would."""
    hass.states.async_set(entity_id, state, attributes)


@pytest.mark.parametrize(
    ("trigger", "watched", "turn"),
    [
        ("peak_predicted", ("binary_sensor", "peak_at_risk"), ("off", "on")),
        ("peak_averted", ("binary_sensor", "peak_at_risk"), ("on", "off")),
        ("peak_unavoidable", ("binary_sensor", "peak_unavoidable"), ("off", "on")),
        ("plan_changed", ("sensor", "plan_reason"), ("wear", "cheap")),
        ("cheap_period_began", ("binary_sensor", "cheap_now"), ("off", "on")),
        ("cheap_period_ended", ("binary_sensor", "cheap_now"), ("on", "off")),
    ],
)
async def test_a_trigger_hears_its_entity_turn_and_no_other(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    trigger: str,
    watched: tuple[str, str],
    turn: tuple[str, str],
) -> None:
    before, after = turn
    entity_id = entity_of(hass, still_site, *watched)
    set_to(hass, entity_id, before)
    await hass.async_block_till_done()
    target = {"device_id": site_device(hass, still_site)}
    heard = await automate(hass, [{"trigger": f"{DOMAIN}.{trigger}", "target": target}])

    grid_present = entity_of(hass, still_site, "binary_sensor", "grid_present")
    set_to(hass, grid_present, before)
    set_to(hass, grid_present, after)
    set_to(hass, entity_id, "unavailable")
    set_to(hass, entity_id, before)
    await hass.async_block_till_done()
    assert heard == []
    set_to(hass, entity_id, after)
    await hass.async_block_till_done()
    assert len(heard) == 1


async def test_a_target_that_cannot_be_kept_is_heard_as_a_peak(
    hass: HomeAssistant, live_site: MockConfigEntry
) -> None:
    target = {"device_id": site_device(hass, live_site)}
    controller = live_site.runtime_data.controller
    await controller.async_change(replace(controller.settings, target_w=100_000.0))
    await async_wait_for(lambda: not controller.data.peak_at_risk)
    heard = await automate(hass, [{"trigger": f"{DOMAIN}.peak_predicted", "target": target}])
    await controller.async_change(replace(controller.settings, target_w=100.0))
    await async_wait_for(lambda: len(heard) == 1)


@pytest.mark.parametrize(
    ("options", "stage", "counts"),
    [
        ({}, "hold", True),
        ({"stage": ["hold", "last"]}, "hold", True),
        ({"stage": "last"}, "last", True),
        ({"stage": ["shutdown"]}, "hold", False),
    ],
)
async def test_stages_of_an_outage_are_heard_by_choice(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    options: Mapping[str, object],
    stage: str,
    counts: bool,
) -> None:
    target = {"device_id": site_device(hass, still_site)}
    what = {"trigger": f"{DOMAIN}.outage_stage_reached", "target": target, "options": options}
    heard = await automate(hass, [what])
    entity_id = entity_of(hass, still_site, "event", "outage")
    set_to(hass, entity_id, "2026-11-02T10:00:00.000+00:00", event_type=stage)
    await hass.async_block_till_done()
    assert len(heard) == counts


@pytest.mark.parametrize(
    ("condition", "watched", "states"),
    [
        ("is_peak_predicted", ("binary_sensor", "peak_at_risk"), ("on", "off")),
        ("is_cheap", ("binary_sensor", "cheap_now"), ("on", "off")),
        ("is_outage", ("sensor", "outage_stage"), ("drain", "grid")),
        ("is_controlled", ("switch", "controller"), ("on", "off")),
    ],
)
async def test_a_condition_holds_while_its_entity_says_so(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    condition: str,
    watched: tuple[str, str],
    states: tuple[str, str],
) -> None:
    holding, not_holding = states
    target = {"device_id": site_device(hass, still_site)}
    heard = await automate(
        hass,
        [{"trigger": "event", "event_type": "go"}],
        [{"condition": f"{DOMAIN}.{condition}", "target": target}],
    )
    for state, times in ((not_holding, 0), (holding, 1), ("unavailable", 1)):
        set_to(hass, entity_of(hass, still_site, *watched), state)
        hass.bus.async_fire("go")
        await hass.async_block_till_done()
        assert len(heard) == times, state


@pytest.mark.parametrize("kind", ["trigger", "condition"])
async def test_somebody_elses_entity_as_the_target_is_refused_in_words(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stranger = {"target": {"entity_id": "sensor.somebody_elses"}}
    go = {"trigger": "event", "event_type": "go"}
    if kind == "trigger":
        await automate(hass, [{"trigger": f"{DOMAIN}.plan_changed", **stranger}])
    else:
        await automate(hass, [go], [{"condition": f"{DOMAIN}.is_cheap", **stranger}])
    assert "sensor.somebody_elses is not what this watches" in caplog.text
    assert "Choose the site itself" in caplog.text
    assert not any(record.exc_info for record in caplog.records if record.levelno > logging.INFO)


async def test_one_of_our_entities_may_be_the_target_itself(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    entity_id = entity_of(hass, still_site, "binary_sensor", "cheap_now")
    set_to(hass, entity_id, "off")
    heard = await automate(
        hass,
        [{"trigger": f"{DOMAIN}.cheap_period_began", "target": {"entity_id": entity_id}}],
    )
    set_to(hass, entity_id, "on")
    await hass.async_block_till_done()
    assert len(heard) == 1
