"""The config flow: real sites, simulated sites, and changing either."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult, FlowType
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, FlowResultType
import pytest

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.simulator.scenario import shipped_scenarios

from .common import async_settle, real_entry

SITE = {"name": "Compute hall", "currency": "EUR", "connection_limit_kw": 50.0}
FULL = SITE | {"phase_limit_a": 80.0, "export_limit_kw": 10.0, "target_peak_kw": 30.0}

MISTAKES = [
    ({"connection_limit_kw": 0}, "connection_limit_kw", "limit_not_positive"),
    ({"connection_limit_kw": -5}, "connection_limit_kw", "limit_not_positive"),
    ({"target_peak_kw": 60}, "target_peak_kw", "target_above_limit"),
    ({"target_peak_kw": 0}, "target_peak_kw", "target_not_positive"),
    ({"export_limit_kw": -1}, "export_limit_kw", "export_negative"),
    ({"phase_limit_a": 0}, "phase_limit_a", "fuse_not_positive"),
    ({"phase_limit_a": 16}, "phase_limit_a", "fuse_below_limit"),
]


async def start(hass: HomeAssistant, step: str) -> ConfigFlowResult:
    """Begin a flow and take one way of the menu."""
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["site", "simulated"]
    return await hass.config_entries.flow.async_configure(menu["flow_id"], {"next_step_id": step})


async def answer(
    hass: HomeAssistant, result: ConfigFlowResult, answers: dict[str, Any]
) -> ConfigFlowResult:
    """Fill in the form that is shown."""
    assert result["type"] is FlowResultType.FORM
    result = await hass.config_entries.flow.async_configure(result["flow_id"], answers)
    await hass.async_block_till_done()
    return result


def told(result: FlowResult[Any, Any]) -> Mapping[str, str]:
    """Return the details that a step brings for its texts."""
    return result.get("description_placeholders") or {}


def suggested(result: FlowResult[Any, Any]) -> dict[str, Any]:
    """Return what a form comes filled in with."""
    schema = result["data_schema"]
    assert schema is not None
    return {
        str(key): key.description["suggested_value"]
        for key in schema.schema
        if key.description and "suggested_value" in key.description
    }


@pytest.fixture(autouse=True)
def quiet(hass: HomeAssistant) -> None:
    """Give Home Assistant a name and a currency to suggest."""
    hass.config.location_name = "Home of jobs"
    hass.config.currency = "CHF"


@pytest.mark.parametrize("site", [SITE, FULL])
async def test_a_real_site_is_stored_as_it_was_entered(
    hass: HomeAssistant, site: dict[str, Any]
) -> None:
    result = await answer(hass, await start(hass, "site"), site)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Compute hall"
    assert result["data"] == {key: value for key, value in site.items() if key != "name"}
    entry = result["result"]
    assert entry.unique_id == "compute_hall"
    assert entry.state is ConfigEntryState.LOADED
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_real_site_goes_on_with_its_grid_meter(hass: HomeAssistant) -> None:
    result = await answer(hass, await start(hass, "site"), SITE)
    kind, flow_id = result["next_flow"]
    assert kind is FlowType.CONFIG_SUBENTRIES_FLOW
    meter = hass.config_entries.subentries.async_get(flow_id)
    assert (meter["handler"][1], meter["step_id"]) == ("meter", "user")
    assert await hass.config_entries.async_unload(result["result"].entry_id)


async def test_name_and_currency_are_suggested_from_home_assistant(hass: HomeAssistant) -> None:
    result = await start(hass, "site")
    assert suggested(result) == {"name": "Home of jobs", "currency": "CHF"}


@pytest.mark.parametrize(
    ("change", "field", "error"), [*MISTAKES, ({"name": " . "}, "name", "name_missing")]
)
async def test_a_mistake_is_named_at_its_field_and_can_be_mended(
    hass: HomeAssistant, change: dict[str, Any], field: str, error: str
) -> None:
    result = await answer(hass, await start(hass, "site"), FULL | change)
    assert result["errors"] == {field: error}
    assert suggested(result) == FULL | change
    result = await answer(hass, result, FULL)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert await hass.config_entries.async_unload(result["result"].entry_id)


async def test_the_error_about_the_fuse_says_what_it_carries(hass: HomeAssistant) -> None:
    result = await answer(hass, await start(hass, "site"), FULL | {"phase_limit_a": 16})
    assert told(result) == {
        "fuse_a": "16",
        "fuse_kw": "11",
        "limit_kw": "50",
    }


async def test_two_sites_cannot_have_the_same_name(hass: HomeAssistant) -> None:
    real_entry().add_to_hass(hass)
    result = await answer(hass, await start(hass, "site"), SITE | {"name": " LAB "})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert told(result) == {"name": "LAB"}


@pytest.mark.parametrize("scenario", shipped_scenarios())
async def test_one_step_sets_up_a_simulated_site_where_everything_answers(
    hass: HomeAssistant, socket_enabled: None, scenario: str
) -> None:
    result = await answer(hass, await start(hass, "simulated"), {"scenario": scenario})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data["currency"] == "CHF"
    assert "next_flow" not in result
    await async_settle(hass, entry.runtime_data)
    devices = entry.runtime_data.devices
    assert devices.keys() | entry.runtime_data.clusters.keys() == set(entry.subentries)
    assert all(device.last_update_success for device in devices.values())
    target = hass.states.get(f"number.{entry.unique_id}_target_peak")
    assert target is not None
    assert float(target.state) == entry.data["target_peak_kw"]

    again = await answer(hass, await start(hass, "simulated"), {"scenario": scenario})
    assert again["reason"] == "already_configured"
    assert told(again) == {"name": entry.title}
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def test_a_site_is_reconfigured_with_what_it_has_filled_in(hass: HomeAssistant) -> None:
    entry = real_entry(target_peak_kw=20.0, phase_limit_a=63.0)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    result = await entry.start_reconfigure_flow(hass)
    assert suggested(result) == dict(entry.data)
    answers = {"currency": "EUR", "connection_limit_kw": 40.0, "phase_limit_a": 63.0}
    result = await answer(hass, result, answers)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    # The target peak was left empty: it is not to come back.
    assert entry.data == answers
    assert entry.runtime_data.controller.capacity_w == 40_000.0
    assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(("change", "field", "error"), MISTAKES)
async def test_a_mistake_in_reconfiguring_changes_nothing_and_can_be_mended(
    hass: HomeAssistant, change: dict[str, Any], field: str, error: str
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    before = dict(entry.data)
    good = {key: value for key, value in FULL.items() if key != "name"}
    result = await answer(hass, await entry.start_reconfigure_flow(hass), good | change)
    assert result["errors"] == {field: error}
    assert entry.data == before
    result = await answer(hass, result, good)
    assert result["reason"] == "reconfigure_successful"
    assert entry.data == good


async def test_a_simulated_site_stays_simulated_when_it_is_reconfigured(
    hass: HomeAssistant,
) -> None:
    simulation = {"scenario": "cfd-lab"}
    entry = real_entry(simulation=simulation)
    entry.add_to_hass(hass)
    answers = {"currency": "EUR", "connection_limit_kw": 30.0}
    await answer(hass, await entry.start_reconfigure_flow(hass), answers)
    assert entry.data == answers | {"simulation": simulation}
