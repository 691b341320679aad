"""Assets made of Home Assistant's entities: added by the flow, read, commanded, given back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, FlowResultType
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)

from custom_components.computeload.coordinator import DeviceCoordinator
from custom_components.computeload.core.model import AssetKind, Quantity
from custom_components.computeload.drivers.base import NoAnswerError

from .common import async_wait_for, prove, real_entry
from .test_config_flow import told
from .test_subentry_flow import answer

W = {"unit_of_measurement": "W", "device_class": "power"}
KW = {"unit_of_measurement": "kW", "device_class": "power"}
KWH = {"unit_of_measurement": "kWh", "device_class": "energy"}
CHARGE = {"unit_of_measurement": "%", "device_class": "battery"}
HELPERS = {
    "input_number": {
        "setpoint": {"min": -5000, "max": 5000, "step": 10, "unit_of_measurement": "W"},
        "current": {"min": -50, "max": 50, "step": 1, "unit_of_measurement": "A"},
        "discharge": {"min": 0, "max": 5000, "step": 10, "unit_of_measurement": "W"},
        "stuck": {"min": 100, "max": 5000, "step": 10, "unit_of_measurement": "W"},
    },
    "input_select": {"mode": {"options": ["Auto", "Charge", "Discharge", "Stop"]}},
    "input_boolean": {"remote": {}},
}
WORDS = {
    "mode_charge": "Charge",
    "mode_discharge": "Discharge",
    "mode_idle": "Stop",
    "mode_own": "Auto",
}


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[MockConfigEntry]:
    """Return a site without devices beside entities of other integrations."""
    for domain, config in HELPERS.items():
        assert await async_setup_component(hass, domain, {domain: config})
    hass.states.async_set("sensor.grid", "4.2", KW)
    hass.states.async_set("sensor.feed_in", "200", W)
    hass.states.async_set("sensor.drawn", "1234.5", KWH)
    hass.states.async_set("sensor.rack", "1500", W)
    hass.states.async_set("sensor.battery", "-800", W)
    hass.states.async_set("sensor.charge", "64", CHARGE)
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def begin(
    hass: HomeAssistant, site: MockConfigEntry, kind: AssetKind
) -> FlowResult[Any, Any]:
    """Start adding an asset that is made of entities."""
    result: FlowResult[Any, Any] = await hass.config_entries.subentries.async_init(
        (site.entry_id, kind.value), context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.MENU
    return await answer(hass, result, {"next_step_id": "entities"})


async def add(
    hass: HomeAssistant, site: MockConfigEntry, kind: AssetKind, **answers: Any
) -> DeviceCoordinator:
    """Add an asset, and return it when it has answered."""
    result = await begin(hass, site, kind)
    result = await answer(hass, result, {"inverted": False, **answers})
    return await finish(hass, site, result)


async def finish(
    hass: HomeAssistant, site: MockConfigEntry, result: FlowResult[Any, Any], **answers: Any
) -> DeviceCoordinator:
    """Confirm what is shown, and return the asset when it has answered."""
    assert result["step_id"] == "confirm"
    result = await answer(hass, result, {"name": "Mine", "poll_s": 1, **answers})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    device: DeviceCoordinator = list(site.runtime_data.devices.values())[-1]
    await async_wait_for(lambda: device.data is not None)
    return device


def says(hass: HomeAssistant, entity: str) -> str:
    """Return the state of an entity."""
    state = hass.states.get(entity)
    assert state is not None
    return state.state


def asked(result: FlowResult[Any, Any]) -> set[str]:
    """Return the fields of a form."""
    schema = result["data_schema"]
    assert schema is not None
    return {str(key) for key in schema.schema}


# -- reading ---------------------------------------------------------------------------


async def test_a_grid_meter_of_two_sensors_is_one_power_with_a_sign(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    meter = await add(
        hass,
        site,
        AssetKind.METER,
        role="grid",
        power="sensor.grid",
        power_other_way="sensor.feed_in",
        energy_import="sensor.drawn",
    )
    assert meter.data.number(Quantity.POWER_W) == pytest.approx(4000.0)
    assert meter.data.number(Quantity.ENERGY_IMPORT_WH) == pytest.approx(1_234_500.0)
    assert says(hass, "sensor.mine_power") == "4.0"
    assert site.runtime_data.controller.view.meter is meter


async def test_phases_are_turned_with_the_whole(hass: HomeAssistant, site: MockConfigEntry) -> None:
    for phase, power_w in enumerate((-1500, -900, 100), 1):
        hass.states.async_set(f"sensor.l{phase}", str(power_w), W)
    hass.states.async_set("sensor.grid", "-2.3", KW)
    phases = {f"power_l{n}": f"sensor.l{n}" for n in (1, 2, 3)}
    await add(
        hass, site, AssetKind.METER, role="grid", power="sensor.grid", inverted=True, **phases
    )
    controller = site.runtime_data.controller
    grid = controller.view.grid(controller.clock.monotonic_s())
    assert grid is not None
    assert grid.power_w == pytest.approx(2300.0)
    assert grid.phase_w == (1500.0, 900.0, -100.0)


async def test_a_sensor_with_the_other_sign_is_turned_and_its_values_are_shown_first(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await begin(hass, site, AssetKind.BATTERY)
    result = await answer(
        hass,
        result,
        {"power": "sensor.battery", "inverted": True, "soc": "sensor.charge"},
    )
    assert result["step_id"] == "command"
    result = await answer(hass, result, {"next_step_id": "read_only"})
    assert "0.80" in told(result)["values"]
    assert "64" in told(result)["values"]
    assert "accept_stuck_command" not in asked(result)
    battery = await finish(hass, site, result, capacity_kwh=10)
    assert battery.data.number(Quantity.POWER_W) == 800.0
    assert battery.data.number(Quantity.SOC) == 0.64
    assert not battery.controllable


async def test_news_is_read_at_once_even_if_it_is_the_same(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    load = await add(hass, site, AssetKind.LOAD, power="sensor.rack")
    load.poll_s = 3600.0
    await load.async_sample()
    seen: list[Any] = []
    load.async_listen_for_samples(seen.append)
    hass.states.async_set("sensor.rack", "1700", W)
    await async_wait_for(lambda: bool(seen) and seen[-1].number(Quantity.POWER_W) == 1700.0)
    seen.clear()
    hass.states.async_set("sensor.rack", "1700", W)
    await async_wait_for(lambda: bool(seen))


async def test_an_entity_that_falls_silent_takes_its_asset_with_it_and_back(
    hass: HomeAssistant, site: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    load = await add(hass, site, AssetKind.LOAD, power="sensor.rack")
    for state in ("unavailable", "unknown", "nan"):
        hass.states.async_set("sensor.rack", state, W)
        await async_wait_for(lambda: load.link.in_a_row > 0)
        for _ in range(4):
            await load.async_sample()
        assert says(hass, "sensor.mine_power") == "unavailable"
        hass.states.async_set("sensor.rack", "1600", W)
        await async_wait_for(lambda: load.link.in_a_row == 0)
        await hass.async_block_till_done()
        assert says(hass, "sensor.mine_power") != "unavailable"
    assert "Traceback" not in caplog.text


async def test_what_was_not_written_for_five_intervals_is_not_used(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    load = await add(hass, site, AssetKind.LOAD, power="sensor.rack")
    long_ago = dt_util.utcnow() - timedelta(seconds=6)
    hass.states.async_set("sensor.rack", "1500", W, timestamp=long_ago.timestamp())
    await load.async_sample()
    assert "was not written for more than 5 s" in str(load.link.last_error)


@pytest.mark.parametrize(
    ("entity", "attributes", "error"),
    [
        ("sensor.gone", None, "entity_silent"),
        ("sensor.va", {"unit_of_measurement": "VA"}, "entity_unit"),
    ],
)
async def test_an_entity_that_does_not_fit_is_refused_by_name(
    hass: HomeAssistant,
    site: MockConfigEntry,
    entity: str,
    attributes: dict[str, str] | None,
    error: str,
) -> None:
    if attributes is not None:
        hass.states.async_set(entity, "12", attributes)
    result = await begin(hass, site, AssetKind.LOAD)
    result = await answer(hass, result, {"power": entity, "inverted": False})
    assert result["errors"] == {"base": error}
    assert told(result)["entity"] == entity
    result = await answer(hass, result, {"power": "sensor.rack", "inverted": False})
    assert result["step_id"] == "confirm"


async def test_the_same_entity_is_not_added_twice_as_the_same_kind(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    await add(hass, site, AssetKind.LOAD, power="sensor.rack")
    result = await begin(hass, site, AssetKind.LOAD)
    result = await answer(hass, result, {"power": "sensor.rack", "inverted": False})
    assert result["reason"] == "already_configured"


async def test_other_entities_can_be_chosen_later(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    await add(hass, site, AssetKind.LOAD, power="sensor.rack", energy_import="sensor.drawn")
    (subentry,) = site.subentries.values()
    result: FlowResult[Any, Any] = await hass.config_entries.subentries.async_init(
        (site.entry_id, "load"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
    )
    assert result["step_id"] == "entities"
    result = await answer(hass, result, {"power": "sensor.feed_in", "inverted": True})
    result = await answer(hass, result, {"name": "Other", "poll_s": 5})
    assert result["reason"] == "reconfigure_successful"
    (subentry,) = site.subentries.values()
    assert subentry.title == "Other"
    assert subentry.data == {
        "source": "entities",
        "power": "sensor.feed_in",
        "inverted": True,
        "poll_s": 5,
    }


async def test_a_correction_is_kept_only_while_the_same_is_chosen(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    await add(hass, site, AssetKind.LOAD, power="sensor.rack")
    for inverted, kept in ((False, True), (True, False)):
        (subentry,) = site.subentries.values()
        data = {**subentry.data, "overrides": {"sign": -1}}
        hass.config_entries.async_update_subentry(site, subentry, data=data)
        await hass.async_block_till_done()
        result: FlowResult[Any, Any] = await hass.config_entries.subentries.async_init(
            (site.entry_id, "load"),
            context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
        )
        result = await answer(hass, result, {"power": "sensor.rack", "inverted": inverted})
        await answer(hass, result, {"name": "Mine", "poll_s": 2})
        (subentry,) = site.subentries.values()
        assert ("overrides" in subentry.data) is kept


# -- commanding ------------------------------------------------------------------------


async def battery_flow(
    hass: HomeAssistant, site: MockConfigEntry, way: str
) -> FlowResult[Any, Any]:
    """Walk to where it is asked how the battery is commanded."""
    result = await begin(hass, site, AssetKind.BATTERY)
    result = await answer(
        hass,
        result,
        {"power": "sensor.battery", "inverted": False, "soc": "sensor.charge"},
    )
    return await answer(hass, result, {"next_step_id": way})


LIMITS = {"capacity_kwh": 10, "charge_limit_kw": 5, "discharge_limit_kw": 5}
NUMBER = {"set_power": "input_number.setpoint", "set_inverted": False, "delay_s": 5}


async def test_a_commanded_battery_needs_the_users_consent(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await battery_flow(hass, site, "set_entities")
    result = await answer(hass, result, NUMBER)
    assert "accept_stuck_command" in asked(result)
    battery = await finish(hass, site, result, accept_stuck_command=False, **LIMITS)
    assert battery.device.contract is not None
    assert not battery.controllable
    assert site.runtime_data.controller.crew.writers == {}


async def test_a_commanded_battery_needs_to_know_what_it_can_take_and_give(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await battery_flow(hass, site, "set_entities")
    result = await answer(hass, result, NUMBER)
    result = await answer(
        hass,
        result,
        {"name": "Mine", "poll_s": 1, "capacity_kwh": 10, "accept_stuck_command": True},
    )
    assert result["errors"] == {
        "charge_limit_kw": "limit_missing",
        "discharge_limit_kw": "limit_missing",
    }


async def commanded(
    hass: HomeAssistant, site: MockConfigEntry, way: str, answers: dict[str, Any]
) -> DeviceCoordinator:
    """Return a battery that the controller commands, beside an overloaded grid meter."""
    await add(hass, site, AssetKind.METER, role="grid", power="sensor.grid")
    result = await battery_flow(hass, site, way)
    result = await answer(hass, result, answers)
    battery = await finish(hass, site, result, accept_stuck_command=True, **LIMITS)
    prove(site)
    meter = site.runtime_data.controller.view.meter
    hass.states.async_set("sensor.battery", "0", W)
    hass.states.async_set("sensor.grid", "28", KW)
    await async_wait_for(lambda: meter.latest.number(Quantity.POWER_W) == 28_000.0)
    prove(site)
    await hass.services.async_call(
        "switch", "turn_on", {"entity_id": "switch.lab_controller"}, blocking=True
    )
    return battery


async def test_a_battery_is_commanded_by_its_entities_and_given_back(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    battery = await commanded(
        hass,
        site,
        "set_entities",
        NUMBER | {"set_mode": "input_select.mode", **WORDS, "set_switch": "input_boolean.remote"},
    )
    assert battery.controllable

    await async_wait_for(lambda: says(hass, "input_boolean.remote") == "on")
    assert says(hass, "input_select.mode") == "Discharge"
    assert 0.0 < float(says(hass, "input_number.setpoint")) <= 5000.0

    await hass.config_entries.async_unload(site.entry_id)
    assert says(hass, "input_boolean.remote") == "off"
    assert says(hass, "input_select.mode") == "Auto"
    assert float(says(hass, "input_number.setpoint")) == 0.0
    assert await hass.config_entries.async_setup(site.entry_id)


async def test_a_battery_is_commanded_by_actions_and_given_back(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    calls = async_mock_service(hass, "test", "battery")
    battery = await commanded(
        hass,
        site,
        "set_actions",
        {
            "set_actions": [
                {"action": "test.battery", "data": {"power": "{{ discharge_w - charge_w }}"}}
            ],
            "release_actions": [{"action": "test.battery", "data": {"power": "own"}}],
            "delay_s": 5,
        },
    )
    writer = site.runtime_data.controller.crew.writers[battery.asset_id]
    await async_wait_for(lambda: bool(calls))
    assert 0.0 < float(calls[0].data["power"]) <= 5000.0
    await hass.services.async_call(
        "switch", "turn_off", {"entity_id": "switch.lab_controller"}, blocking=True
    )
    await async_wait_for(lambda: not writer.engaged)
    assert calls[-1].data["power"] == "own"


async def test_a_battery_whose_entities_fall_silent_is_given_back(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    battery = await commanded(hass, site, "set_entities", NUMBER)
    writer = site.runtime_data.controller.crew.writers[battery.asset_id]
    await async_wait_for(lambda: writer.engaged)
    hass.states.async_set("sensor.battery", "unavailable", W)
    await async_wait_for(lambda: not writer.engaged)
    assert float(says(hass, "input_number.setpoint")) == 0.0


async def test_commands_that_fail_are_refusals_with_a_name(
    hass: HomeAssistant, site: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    battery = await commanded(
        hass,
        site,
        "set_actions",
        {
            "set_actions": [{"action": "test.gone", "data": {}}],
            "release_actions": [],
            "delay_s": 5,
        },
    )
    writer = site.runtime_data.controller.crew.writers[battery.asset_id]
    await async_wait_for(lambda: writer.refusals > 0)
    assert "Traceback" not in caplog.text


async def test_an_action_that_does_not_end_is_no_answer_and_holds_nothing_up(
    hass: HomeAssistant, site: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.computeload.entity_source.ACTION_TIMEOUT_S", 0.1)
    battery = await commanded(
        hass,
        site,
        "set_actions",
        {"set_actions": [{"delay": 3600}], "release_actions": [], "delay_s": 5},
    )
    writer = site.runtime_data.controller.crew.writers[battery.asset_id]
    await async_wait_for(lambda: writer.refusals > 0)
    with pytest.raises(NoAnswerError, match=r"no end within 0\.1 s"):
        await battery.device.command(1000.0)


@pytest.mark.parametrize(
    ("answers", "errors"),
    [
        ({"set_power": "input_number.stuck"}, {"set_power": "never_zero"}),
        ({"set_power": "input_number.current"}, {"set_power": "not_a_power"}),
        ({"set_power": "input_number.discharge"}, {"set_power": "one_way"}),
        (
            {"set_charge_power": "input_number.setpoint"},
            {"set_charge_power": "same_number"},
        ),
        (
            {"set_mode": "input_select.mode", **WORDS, "mode_own": "Automatic"},
            {"mode_own": "mode_unknown"},
        ),
        (
            {"set_mode": "input_select.mode", "mode_charge": "Charge"},
            {
                "mode_discharge": "mode_unknown",
                "mode_idle": "mode_unknown",
                "mode_own": "mode_unknown",
            },
        ),
    ],
)
async def test_settings_that_could_not_give_the_battery_back_are_refused(
    hass: HomeAssistant, site: MockConfigEntry, answers: dict[str, Any], errors: dict[str, str]
) -> None:
    result = await battery_flow(hass, site, "set_entities")
    result = await answer(hass, result, NUMBER | answers)
    assert result["errors"] == errors
