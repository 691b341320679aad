"""The subentry flow: every kind of device, from the profile to the values that it shows."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
import logging
import socket
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, FlowResultType
from modbus_connection import ModbusUnit
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.asset_flow.modbus import STEPS
from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.model import AssetKind
from custom_components.computeload.drivers.profile import Library
from custom_components.computeload.library import async_get_library
from custom_components.computeload.link import async_temporary_unit
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, real_entry
from .test_config_flow import suggested, told

DEVICES = {
    AssetKind.METER: "grid",
    AssetKind.BATTERY: "cabinet1",
    AssetKind.PV: "roof",
    AssetKind.LOAD: "branches",
}
PROBE = "custom_components.computeload.modbus_source.PROBE_TIMEOUT_S"
UNIT = "custom_components.computeload.modbus_source.async_temporary_unit"


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, lab: SimulatedSite) -> AsyncIterator[MockConfigEntry]:
    """Return a real site without devices; the lab's devices are there to be added."""
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


def closed_port() -> int:
    """Return a port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def begin(
    hass: HomeAssistant, site: MockConfigEntry, kind: AssetKind
) -> FlowResult[Any, Any]:
    """Start adding a device on Modbus."""
    result = await hass.config_entries.subentries.async_init(
        (site.entry_id, kind.value), context={"source": SOURCE_USER}
    )
    return await answer(hass, result, {"next_step_id": "modbus"})


async def answer(
    hass: HomeAssistant, result: FlowResult[Any, Any], answers: Mapping[str, Any]
) -> FlowResult[Any, Any]:
    """Fill in what is shown."""
    result = await hass.config_entries.subentries.async_configure(result["flow_id"], dict(answers))
    await hass.async_block_till_done()
    return result


def profile_answers(lab: SimulatedSite, device_id: str) -> dict[str, Any]:
    """Return what the first step is told."""
    endpoint = lab.endpoints[device_id]
    role = {"role": endpoint.role.value} if endpoint.kind is AssetKind.METER else {}
    return {"profile": endpoint.profile, **role}


def place(lab: SimulatedSite, device_id: str) -> dict[str, Any]:
    """Return what the network step is told."""
    endpoint = lab.endpoints[device_id]
    return {"host": endpoint.host, "port": endpoint.port, "unit_id": endpoint.unit_id}


async def reach(
    hass: HomeAssistant,
    site: MockConfigEntry,
    lab: SimulatedSite,
    device_id: str,
    step: str = "tcp",
) -> FlowResult[Any, Any]:
    """Walk to the step that asks for the connection."""
    result = await begin(hass, site, lab.endpoints[device_id].kind)
    result = await answer(hass, result, profile_answers(lab, device_id))
    if result["type"] is FlowResultType.MENU:
        result = await answer(hass, result, {"next_step_id": step})
    assert result["step_id"] == step
    return result


async def reach_confirm(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite, device_id: str
) -> FlowResult[Any, Any]:
    """Walk to the last step."""
    result = await reach(hass, site, lab, device_id)
    result = await answer(hass, result, place(lab, device_id))
    assert result["step_id"] == "confirm"
    return result


# -- adding ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", AssetKind)
async def test_a_device_of_any_kind_is_added_and_answers(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite, kind: AssetKind
) -> None:
    device_id = DEVICES[kind]
    result = await reach_confirm(hass, site, lab, device_id)
    answers = suggested(result)
    result = await answer(hass, result, answers | {"name": " My device "})
    assert result["type"] is FlowResultType.CREATE_ENTRY

    (subentry,) = site.subentries.values()
    endpoint = lab.endpoints[device_id]
    own: dict[str, object] = {"role": "grid"} if kind is AssetKind.METER else {}
    if kind is AssetKind.LOAD:
        own = {"channels": ["#1", "#2", "#3", "#4", "#5", "#6"]}
    assert subentry.subentry_type == kind.value
    assert subentry.title == "My device"
    assert subentry.data == {
        "profile": endpoint.profile,
        "link": {"type": "tcp", "host": endpoint.host, "port": endpoint.port},
        "unit_id": endpoint.unit_id,
        "poll_s": answers["poll_s"],
        **own,
    }
    runtime = site.runtime_data
    device = runtime.devices[subentry.subentry_id]
    await device.async_refresh()
    assert device.last_update_success
    if device.identity.serial:
        assert subentry.unique_id == f"{kind.value} serial {device.identity.serial}"


async def test_branches_get_the_names_that_the_user_gives_them(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    result = await reach_confirm(hass, site, lab, DEVICES[AssetKind.LOAD])
    answers = suggested(result)
    for names, error in (
        ([], "channels_out_of_range"),
        ([f"#{n}" for n in range(99)], "channels_out_of_range"),
        (["Node 1", "Node 1"], "channels_not_distinct"),
        (["Node 1", " "], "channels_not_distinct"),
    ):
        result = await answer(hass, result, answers | {"channels": names})
        assert result["errors"] == {"channels": error}
    result = await answer(hass, result, answers | {"channels": ["Node 1", "Node 2"]})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (device,) = site.runtime_data.devices.values()
    await device.async_refresh()
    assert device.channel_names == ("Node 1", "Node 2")
    assert len(device.data.channels) == 2


async def test_only_profiles_of_the_kind_are_offered_by_manufacturer_and_title(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await begin(hass, site, AssetKind.BATTERY)
    schema = result["data_schema"]
    assert schema is not None
    options = schema.schema["profile"].config["options"]
    labels = [option["label"] for option in options]
    assert {"value": "openems_fems", "label": "OpenEMS / FENECON FEMS"} in options
    assert labels == sorted(labels)
    assert "eastron_sdm630" not in {option["value"] for option in options}


async def test_the_device_decides_which_connections_are_offered(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await begin(hass, site, AssetKind.METER)
    result = await answer(hass, result, {"profile": "eastron_sdm630", "role": "grid"})
    assert result["type"] is FlowResultType.MENU
    offered = [way for way in STEPS.values() if way in result["menu_options"]]
    assert offered == ["tcp", "rtu_tcp", "serial"]
    result = await begin(hass, site, AssetKind.BATTERY)
    result = await answer(hass, result, {"profile": "openems_fems"})
    assert result["step_id"] == "tcp"


async def test_factory_settings_are_filled_in(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    result = await reach(hass, site, lab, "grid", "serial")
    assert suggested(result) == {
        "baudrate": 9600,
        "parity": "none",
        "stopbits": "1",
        "unit_id": 1,
    }
    result = await reach(hass, site, lab, "grid", "tcp")
    assert suggested(result) == {"port": 502, "unit_id": 1}


@pytest.mark.parametrize(
    ("step", "answers", "stored"),
    [
        ("rtu_tcp", {"host": " GateWay ", "port": 4001}, {"host": "gateway", "port": 4001}),
        (
            "tls",
            {"host": "meter.lan", "port": 802, "verify": False},
            {"host": "meter.lan", "port": 802, "verify": False},
        ),
        (
            "serial",
            {"device": "/dev/ttyUSB0", "baudrate": 19200, "parity": "even", "stopbits": "2"},
            {"device": "/dev/ttyUSB0", "baudrate": 19200, "parity": "E", "stopbits": 2},
        ),
    ],
)
async def test_other_connections_are_stored_as_the_link_needs_them(
    hass: HomeAssistant,
    site: MockConfigEntry,
    lab: SimulatedSite,
    *,
    step: str,
    answers: dict[str, Any],
    stored: dict[str, Any],
) -> None:
    # A meter that can be reached in every way that there is.
    library = await async_get_library(hass)
    profile = library.profiles["eastron_sdm630"]
    link = replace(profile.link, transports=tuple(STEPS))
    hass.data[DOMAIN] = Library(profiles={profile.id: replace(profile, link=link)}, errors=())
    asked: list[Mapping[str, Any]] = []
    at_lab = {"type": "tcp", **place(lab, "grid")}

    @asynccontextmanager
    async def elsewhere(
        hass: HomeAssistant, link: Mapping[str, Any], unit_id: int
    ) -> AsyncIterator[ModbusUnit]:
        # There is no serial line here: the meter is reached over its socket instead.
        asked.append(link)
        async with async_temporary_unit(hass, at_lab, unit_id) as unit:
            yield unit

    result = await reach(hass, site, lab, "grid", step)
    with patch(UNIT, elsewhere):
        result = await answer(hass, result, answers | {"unit_id": 1})
    assert result["step_id"] == "confirm"
    assert asked == [{"type": step, **stored}]
    with patch("custom_components.computeload.async_setup_entry", return_value=True):
        result = await answer(hass, result, suggested(result))
    (subentry,) = site.subentries.values()
    assert subentry.data["link"] == {"type": step, **stored}


@pytest.mark.parametrize(
    ("device_id", "sentences"),
    [
        ("grid", ["The site imports ", "Imported so far: "]),
        ("cabinet1", ["The battery is at rest.", "It is charged to 75 %."]),
        ("roof", ["The inverter produces "]),
        ("branches", ["It draws 15.00 kW.", "It has 6 branches."]),
    ],
)
async def test_the_last_step_says_in_words_what_the_device_does(
    hass: HomeAssistant,
    site: MockConfigEntry,
    lab: SimulatedSite,
    device_id: str,
    sentences: list[str],
) -> None:
    result = await reach_confirm(hass, site, lab, device_id)
    lines = told(result)["values"].splitlines()
    for sentence in sentences:
        assert any(line.startswith(f"- {sentence}") for line in lines), lines


# -- what can go wrong -------------------------------------------------------------------


async def mended(
    hass: HomeAssistant, result: FlowResult[Any, Any], lab: SimulatedSite, device_id: str
) -> None:
    """Check that the flow goes on once the mistake is corrected."""
    result = await answer(hass, result, place(lab, device_id))
    assert result["step_id"] == "confirm"
    result = await answer(hass, result, suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "not a host", ""])
async def test_nothing_at_the_address_is_said_and_the_input_kept(
    hass: HomeAssistant,
    site: MockConfigEntry,
    lab: SimulatedSite,
    *,
    caplog: pytest.LogCaptureFixture,
    host: str,
) -> None:
    caplog.clear()
    wrong = place(lab, "roof") | {"host": host, "port": closed_port()}
    result = await answer(hass, await reach(hass, site, lab, "roof"), wrong)
    assert result["errors"] == {"base": "cannot_connect"}
    assert suggested(result) == wrong
    assert told(result)["address"] == f"{host}:{wrong['port']}"
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    await mended(hass, result, lab, "roof")


async def test_a_wrong_unit_id_is_said(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    with patch(PROBE, 0.3):
        wrong = place(lab, "roof") | {"unit_id": 77}
        result = await answer(hass, await reach(hass, site, lab, "roof"), wrong)
    assert result["errors"] == {"base": "no_answer"}
    assert told(result)["unit_id"] == "77"
    await mended(hass, result, lab, "roof")


async def test_another_device_at_the_address_is_said_with_what_was_found(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    result = await answer(hass, await reach(hass, site, lab, "roof"), place(lab, "cabinet2"))
    assert result["errors"] == {"base": "wrong_device"}
    assert {"expected", "found"} <= set(told(result))
    await mended(hass, result, lab, "roof")


async def test_a_device_that_refuses_is_said(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    await lab.faults.inject("grid", Fault.EXCEPTION, code=4)
    result = await answer(hass, await reach(hass, site, lab, "grid"), place(lab, "grid"))
    assert result["errors"] == {"base": "refused"}
    assert told(result)["code"] == "4"
    await lab.faults.clear_all()
    await mended(hass, result, lab, "grid")


async def test_a_site_has_one_meter_at_the_grid_connection(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    add_asset(hass, site, lab, "grid")
    result = await begin(hass, site, AssetKind.METER)
    assert suggested(result) == {"role": "branch"}
    result = await answer(hass, result, profile_answers(lab, "grid"))
    assert result["errors"] == {"role": "grid_meter_exists"}
    assert told(result) == {"name": "Grid meter"}
    result = await answer(hass, result, {"profile": "eastron_sdm630", "role": "branch"})
    assert result["step_id"] == "link"


async def test_a_device_is_known_by_its_address(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    add_asset(hass, site, lab, "cabinet1")
    add_asset(hass, site, lab, "cabinet2")
    result = await answer(hass, await reach(hass, site, lab, "cabinet2"), place(lab, "cabinet2"))
    assert result["reason"] == "already_configured"
    assert told(result) == {"name": "Battery cabinet 2"}


async def test_a_device_is_known_by_its_serial_number_whatever_its_address(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    result = await reach_confirm(hass, site, lab, "roof")
    await answer(hass, result, suggested(result) | {"name": "South roof"})
    elsewhere = place(lab, "roof") | {"host": "localhost"}
    result = await answer(hass, await reach(hass, site, lab, "roof"), elsewhere)
    assert result["reason"] == "already_configured"
    assert told(result) == {"name": "South roof"}


@pytest.mark.parametrize(
    ("change", "field", "error"),
    [
        ({"name": "  "}, "name", "name_missing"),
        ({"poll_s": 0.01}, "poll_s", "poll_out_of_range"),
        ({"poll_s": 7200}, "poll_s", "poll_out_of_range"),
        ({"capacity_kwh": 0}, "capacity_kwh", "capacity_not_positive"),
        ({"charge_limit_kw": -1}, "charge_limit_kw", "limit_negative"),
        ({"discharge_limit_kw": -1}, "discharge_limit_kw", "limit_negative"),
    ],
)
async def test_a_mistake_in_the_last_step_is_named_and_can_be_mended(
    hass: HomeAssistant,
    site: MockConfigEntry,
    lab: SimulatedSite,
    *,
    change: dict[str, Any],
    field: str,
    error: str,
) -> None:
    result = await reach_confirm(hass, site, lab, "cabinet2")
    good = suggested(result)
    result = await answer(hass, result, good | change)
    assert result["errors"] == {field: error}
    assert suggested(result) == good | change
    result = await answer(hass, result, good | {"charge_limit_kw": 5.0})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (subentry,) = site.subentries.values()
    assert subentry.data["charge_limit_kw"] == 5.0


@pytest.mark.parametrize("fault", [Fault.NOT_AVAILABLE, Fault.WRONG_VALUES])
async def test_a_battery_that_does_not_say_what_it_holds_needs_a_capacity(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite, fault: Fault
) -> None:
    figures = {"value": 0} if fault is Fault.WRONG_VALUES else {}
    await lab.faults.inject("cabinet2", fault, quantity="capacity_wh", **figures)
    result = await reach_confirm(hass, site, lab, "cabinet2")
    good = suggested(result)
    result = await answer(hass, result, good)
    assert result["errors"] == {"capacity_kwh": "capacity_missing"}
    result = await answer(hass, result, good | {"capacity_kwh": 20.0})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (subentry,) = site.subentries.values()
    assert subentry.data["capacity_kwh"] == 20.0


# -- changing ------------------------------------------------------------------------------


async def change(
    hass: HomeAssistant, site: MockConfigEntry, answers: Mapping[str, Any]
) -> FlowResult[Any, Any]:
    """Start changing the only device, and answer the first step."""
    (subentry,) = site.subentries.values()
    result = await site.start_subentry_reconfigure_flow(hass, subentry.subentry_id)
    assert result["step_id"] == "modbus"
    assert suggested(result) == answers
    return await answer(hass, result, answers)


async def test_a_device_that_moved_is_found_at_its_new_address(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    result = await reach_confirm(hass, site, lab, "grid")
    await answer(hass, result, suggested(result) | {"name": "Main meter", "poll_s": 2.0})
    await lab.stop()
    await lab.start()
    result = await change(hass, site, profile_answers(lab, "grid"))
    result = await answer(hass, result, {"next_step_id": "tcp"})
    (subentry,) = site.subentries.values()
    old_port = subentry.data["link"]["port"]
    assert suggested(result) == place(lab, "grid") | {"port": old_port}
    result = await answer(hass, result, place(lab, "grid"))
    assert suggested(result) == {"name": "Main meter", "poll_s": 2.0}
    result = await answer(hass, result, {"name": "Grid", "poll_s": 1.0})
    assert result["reason"] == "reconfigure_successful"
    (changed,) = site.subentries.values()
    assert changed.title == "Grid"
    assert changed.unique_id == subentry.unique_id
    assert changed.data["link"]["port"] == lab.endpoints["grid"].port != old_port


async def test_another_device_cannot_take_the_place_of_one(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    result = await reach_confirm(hass, site, lab, "roof")
    await answer(hass, result, suggested(result))
    (subentry,) = site.subentries.values()
    hass.config_entries.async_update_subentry(site, subentry, unique_id="pv serial OLD1")
    result = await change(hass, site, profile_answers(lab, "roof"))
    result = await answer(hass, result, {"next_step_id": "tcp"})
    result = await answer(hass, result, place(lab, "roof"))
    assert result["reason"] == "wrong_device"
    said = told(result)
    assert said["expected"] == "OLD1"
    assert said["found"] != "OLD1"


async def test_a_simulated_device_is_changed_without_asking_for_an_address(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    before = still_site.subentries["cabinet2"]
    shown = await still_site.start_subentry_reconfigure_flow(hass, "cabinet2")
    result = await answer(hass, shown, suggested(shown))
    assert result["step_id"] == "confirm"
    answers = {"name": "Cabinet", "poll_s": 5.0, "discharge_limit_kw": 4.0}
    result = await answer(hass, result, answers)
    assert result["reason"] == "reconfigure_successful"
    after = still_site.subentries["cabinet2"]
    assert after.title == "Cabinet"
    assert after.unique_id == before.unique_id
    assert after.data == {**before.data, "poll_s": 5.0, "discharge_limit_kw": 4.0}


async def test_corrections_of_a_device_survive_a_change_of_its_limits(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    before = still_site.subentries["cabinet2"]
    corrected = {**before.data, "overrides": {"sign": -1}}
    hass.config_entries.async_update_subentry(still_site, before, data=corrected)
    await hass.async_block_till_done()
    shown = await still_site.start_subentry_reconfigure_flow(hass, "cabinet2")
    result = await answer(hass, shown, suggested(shown))
    result = await answer(hass, result, {"name": "Cabinet", "poll_s": 5.0})
    assert result["reason"] == "reconfigure_successful"
    assert still_site.subentries["cabinet2"].data["overrides"] == {"sign": -1}


async def test_a_silent_simulated_device_cannot_be_changed(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    simulator = still_site.runtime_data.simulator
    await simulator.faults.inject("cabinet2", Fault.REFUSED_CONNECTION)
    shown = await still_site.start_subentry_reconfigure_flow(hass, "cabinet2")
    result = await answer(hass, shown, suggested(shown))
    assert result["reason"] == "cannot_connect"


async def test_a_simulated_device_needs_its_site_to_run(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await hass.config_entries.async_unload(still_site.entry_id)
    shown = await still_site.start_subentry_reconfigure_flow(hass, "cabinet2")
    result = await answer(hass, shown, suggested(shown))
    assert result["reason"] == "site_not_loaded"


async def test_a_battery_added_to_a_running_site_is_part_of_its_control(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    add_asset(hass, site, lab, "grid")
    await hass.async_block_till_done()
    result = await reach_confirm(hass, site, lab, "cabinet1")
    await answer(hass, result, suggested(result))
    runtime = await async_set_up_again(hass, site)
    assert len(runtime.of_kind(AssetKind.BATTERY)) == 1


async def async_set_up_again(hass: HomeAssistant, site: MockConfigEntry) -> Any:
    """Reload a site and wait for its devices."""
    await hass.config_entries.async_unload(site.entry_id)
    return await async_set_up(hass, site)
