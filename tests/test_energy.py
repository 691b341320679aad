"""The Energy dashboard: what is missing is added with the right signs; the rest stays."""

from datetime import datetime
from typing import Any

from homeassistant.components.energy.data import async_get_manager
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.computeload.energy import async_get_solar_forecast

from .common import async_settle

BUTTON = "button.lab_set_up_energy_dashboard"


@pytest.fixture(name="energy")
async def energy_fixture(recorder_mock: object, hass: HomeAssistant) -> None:
    """Set the Energy dashboard up, with nothing in it."""
    assert await async_setup_component(hass, "energy", {})


async def press(hass: HomeAssistant) -> dict[str, Any]:
    """Press the button, and return what is in the Energy dashboard then."""
    await hass.services.async_call("button", "press", {"entity_id": BUTTON}, blocking=True)
    manager = await async_get_manager(hass)
    assert manager.data is not None
    return dict(manager.data)


async def test_grid_pv_batteries_and_branches_are_added_with_the_right_signs(
    energy: None,
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    await async_settle(hass, still_site.runtime_data)
    data = await press(hass)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for source in data["energy_sources"]:
        by_type.setdefault(source["type"], []).append(source)
    (grid,), (solar,) = by_type["grid"], by_type["solar"]
    assert grid["stat_energy_from"].endswith("energy_imported")
    assert grid["stat_energy_to"].endswith("energy_exported")
    # Import counts as positive there, and so it does here.
    power = hass.states.get(grid["stat_rate"])
    assert power is not None
    assert float(power.state) > 0.0
    assert solar["config_entry_solar_forecast"] == [still_site.entry_id]
    assert len(by_type["battery"]) == 2
    for battery in by_type["battery"]:
        assert battery["stat_energy_from"].endswith("discharged")
        assert battery["stat_energy_to"].endswith("charged")
        assert battery["stat_soc"].startswith("sensor.")
    whole, *channels = data["device_consumption"]
    assert whole["name"] == "Branch meter"
    assert len(channels) == 6
    assert {each["included_in_stat"] for each in channels} == {whole["stat_consumption"]}
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "energy/validate"})
    problems = (await client.receive_json())["result"]
    rows = problems["energy_sources"] + problems["device_consumption"]
    issues = [issue for each in rows for issue in each]
    # A statistic exists as soon as the recorder has made its first; a SunSpec counter that is
    # still at zero says nothing.
    silent = {
        entity
        for issue in issues
        if issue["type"] != "statistics_not_defined"
        for entity, _ in issue["affected_entities"]
    }
    assert silent <= {"sensor.roof_pv_energy_produced"}


async def test_what_the_user_has_set_up_stays_and_nothing_is_added_twice(
    energy: None, hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    manager = await async_get_manager(hass)
    own: Any = {
        "type": "solar",
        "stat_energy_from": "sensor.roof_of_the_neighbour",
        "config_entry_solar_forecast": None,
    }
    await manager.async_update({"energy_sources": [own], "device_consumption": []})
    first = await press(hass)
    assert first["energy_sources"][0] == own
    second = await press(hass)
    assert second["energy_sources"] == first["energy_sources"]
    assert second["device_consumption"] == first["device_consumption"]


async def test_without_an_energy_dashboard_it_is_said_what_is_missing(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    if "energy" in hass.config.components:
        pytest.skip("the dashboard is set up with the rest here")
    with pytest.raises(HomeAssistantError, match="Energy dashboard is not set up"):
        await press(hass)


async def test_the_solar_forecast_is_what_the_plan_reckons_with(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    assert await async_get_solar_forecast(hass, "somebody else's") is None
    await still_site.runtime_data.planning.async_replan()
    forecast = await async_get_solar_forecast(hass, still_site.entry_id)
    assert forecast is not None
    hours = forecast["wh_hours"]
    assert all(datetime.fromisoformat(start).tzinfo is not None for start in hours)
    problem = still_site.runtime_data.planning.data.problem
    expected_wh = float(problem.pv_w @ problem.step_s) / 3600.0
    assert sum(hours.values()) == pytest.approx(expected_wh, rel=0.01)
