"""What the dashboard's cards are sent."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.planning import PlanData
from custom_components.computeload.websocket import plan_payload


def site_device(hass: HomeAssistant) -> str:
    """Return the id of the site's device."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), "site")
    return next(each.id for each in devices if each.entry_type is dr.DeviceEntryType.SERVICE)


async def test_a_card_is_sent_the_plan_now_and_whenever_it_is_renewed(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    runtime: SiteRuntime = still_site.runtime_data
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "computeload/plan", "site": site_device(hass)})
    assert (await client.receive_json())["success"]
    first = (await client.receive_json())["event"]
    plan = runtime.planning.plan
    assert plan is not None
    assert first["made"] == round(plan.made_at.timestamp() * 1000.0)
    assert len(first["steps"]) == len(plan.steps)
    step: dict[str, Any] = first["steps"][0]
    assert step["grid"] == round(plan.steps[0].grid_w)
    assert abs(step["load"] - step["pv"] - step["battery"] - step["grid"]) <= 2
    assert step["reason"] == plan.steps[0].reason.value
    await runtime.planning.async_replan()
    renewed = (await client.receive_json())["event"]
    assert renewed["made"] >= first["made"]


async def test_a_site_that_does_not_run_is_told(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client(hass)
    site = site_device(hass)
    await hass.config_entries.async_unload(still_site.entry_id)
    for device in ("nothing", site):
        await client.send_json_auto_id({"type": "computeload/plan", "site": device})
        answer = await client.receive_json()
        assert answer["error"]["code"] == "not_found"


def test_before_the_first_plan_there_are_no_steps() -> None:
    assert plan_payload(PlanData(), "EUR") == {"made": None, "currency": "EUR", "steps": []}
