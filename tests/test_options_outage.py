"""The options about outages: what is protected, what carries it, what is called at its end."""

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, real_entry
from .options import open_page


async def test_loads_and_their_branches_can_be_protected(
    hass: HomeAssistant, lab: SimulatedSite
) -> None:
    entry: MockConfigEntry = real_entry()
    entry.add_to_hass(hass)
    for asset in ("grid", "cabinet1", "branches"):
        add_asset(hass, entry, lab, asset)
    await async_set_up(hass, entry)
    flow = hass.config_entries.options
    form = await open_page(hass, entry, "outage")
    assert form["data_schema"] is not None
    offered = form["data_schema"].schema["protected"].config["options"]
    assert [each["value"] for each in offered] == [f"branches#{n}" for n in range(6)]
    assert offered[3]["label"].startswith("Branch meter: ")
    answers = {"protected": ["branches#3"], "islanding": ["cabinet1"], "shutdown_min": 0.0}
    form = await flow.async_configure(form["flow_id"], answers)
    assert form["errors"] == {"shutdown_min": "shutdown_out_of_range"}
    done = await flow.async_configure(form["flow_id"], answers | {"shutdown_min": 10.0})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["data"]["outage"] == answers | {"shutdown_min": 10.0}
    await hass.async_block_till_done()
    assert hass.states.get("sensor.lab_protected_runtime") is not None
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
