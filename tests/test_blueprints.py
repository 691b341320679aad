"""The blueprints in a real Home Assistant: imported as a user's, acting on a battery."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
import shutil

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.components.blueprint import models
from homeassistant.core import (
    CoreState,
    Event,
    EventStateChangedData,
    HomeAssistant,
    SupportsResponse,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType
from pymodbus.client import AsyncModbusTcpClient
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    async_mock_service,
)
import yaml

from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

FOLDER = Path(__file__).parent.parent / "blueprints"
STILL = 1e-9
"""A speed at which a simulated site stands still between two steps by hand."""
NAMES = (
    "cheap_or_green_work",
    "hold_compute",
    "load_from_headroom",
    "notify",
    "outage_cascade",
    "peak_shaving",
    "tariff_arbitrage",
)
BATTERIES = ("peak_shaving", "tariff_arbitrage")
SETPOINT = "input_number.battery_setpoint"
GRID = "sensor.grid_power"
SOC = "sensor.state_of_charge"
PRICE = "sensor.price"
TURNS = 60
"""So many turns of the event loop are enough for what has to happen next."""
CARBON = "sensor.carbon"
RISK = "binary_sensor.risk"
MAINS = "binary_sensor.mains"
RUNTIME = "sensor.runtime"
HEADROOM = "sensor.headroom"
LOAD = "sensor.load"
BILLED = "sensor.billed"

PEAK_SHAVING = {
    "grid_power": GRID,
    "target_kw": 10,
    "setpoint": SETPOINT,
    "state_of_charge": SOC,
    "discharge_kw": 6,
    "charge_kw": 3,
}
ARBITRAGE = {
    "price": PRICE,
    "setpoint": SETPOINT,
    "state_of_charge": SOC,
    "charge_kw": 3,
    "discharge_kw": 4,
}


@pytest.fixture
async def home(hass: HomeAssistant, tmp_path: Path) -> AsyncIterator[HomeAssistant]:
    """Return Home Assistant with the blueprints in its folder and a setpoint to act on."""
    shutil.copytree(FOLDER, tmp_path / "blueprints")
    hass.config.config_dir = str(tmp_path)
    limits = {"min": -20000, "max": 20000, "initial": 0, "unit_of_measurement": "W"}
    assert await async_setup_component(
        hass, "input_number", {"input_number": {"battery_setpoint": limits}}
    )
    yield hass
    if hass.services.has_service(AUTOMATION, "turn_off") and not hass.is_stopping:
        await hass.services.async_call(AUTOMATION, "turn_off", {"entity_id": "all"}, blocking=True)


async def automate(hass: HomeAssistant, name: str, inputs: dict[str, object]) -> None:
    """Make an automation from a blueprint."""
    use = {"path": f"computeload/{name}.yaml", "input": inputs}
    config = {AUTOMATION: [{"id": name, "alias": name, "use_blueprint": use}]}
    assert await async_setup_component(hass, AUTOMATION, config)
    await hass.async_block_till_done()
    assert hass.states.get(f"automation.{name}") is not None


async def later(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float = 10) -> None:
    """Let time pass."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def go_on(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float = 0.0) -> None:
    """Let time pass without waiting for an automation that waits itself."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    for _ in range(TURNS):
        await asyncio.sleep(0)


def say(hass: HomeAssistant, entity_id: str, value: object, unit: str, **more: object) -> None:
    """Let a foreign sensor report."""
    hass.states.async_set(entity_id, str(value), {"unit_of_measurement": unit, **more})


def setpoint(hass: HomeAssistant) -> float:
    """Return what the battery is told, in W."""
    state = hass.states.get(SETPOINT)
    assert state is not None
    return float(state.state)


@pytest.mark.parametrize("name", NAMES)
async def test_a_blueprint_can_be_imported(home: HomeAssistant, name: str) -> None:
    blueprint = await async_get_blueprints(home).async_get_blueprint(f"computeload/{name}.yaml")
    assert isinstance(blueprint, models.Blueprint)
    assert blueprint.validate() is None
    assert blueprint.metadata["source_url"].endswith(
        f"/blueprints/automation/computeload/{name}.yaml"
    )
    assert blueprint.metadata["homeassistant"]["min_version"] == "2026.10.0"


# Peak shaving


async def test_power_above_the_target_is_taken_from_the_battery(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 9.0, "kW")
    await automate(home, "peak_shaving", PEAK_SHAVING)
    await later(home, freezer)
    say(home, GRID, 13.5, "kW")
    await home.async_block_till_done()
    assert setpoint(home) == 3500


async def test_the_battery_is_asked_once_for_what_the_sensor_has_not_seen_yet(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 9000, "W")
    await automate(home, "peak_shaving", PEAK_SHAVING)
    await later(home, freezer)
    say(home, GRID, 13500, "W")
    await home.async_block_till_done()
    await later(home, freezer, 2)
    say(home, GRID, 13510, "W")
    await home.async_block_till_done()
    assert setpoint(home) == 3500
    await later(home, freezer, 10)
    say(home, GRID, 10500, "W")
    await home.async_block_till_done()
    assert setpoint(home) == 4000


async def test_a_sensor_that_has_nothing_new_to_say_is_believed_after_a_while(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 13500, "W")
    freezer.tick(2)
    await home.services.async_call(
        "input_number", "set_value", {"entity_id": SETPOINT, "value": 100}, blocking=True
    )
    await automate(home, "peak_shaving", PEAK_SHAVING)
    await later(home, freezer, 10)
    assert setpoint(home) == 100
    await later(home, freezer, 30)
    assert setpoint(home) == 3600


async def test_the_battery_gives_no_more_than_it_may_and_nothing_when_empty(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 9000, "W")
    await automate(home, "peak_shaving", PEAK_SHAVING)
    await later(home, freezer)
    say(home, GRID, 30000, "W")
    await home.async_block_till_done()
    assert setpoint(home) == 6000
    say(home, SOC, 10, "%")
    await home.async_block_till_done()
    assert setpoint(home) == 0


async def test_the_battery_recharges_below_the_target(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 10000, "W")
    await automate(home, "peak_shaving", PEAK_SHAVING)
    await later(home, freezer)
    say(home, GRID, 7500, "W")
    await home.async_block_till_done()
    assert setpoint(home) == -2000
    await later(home, freezer)
    say(home, GRID, 9500, "W")
    say(home, SOC, 95, "%")
    await home.async_block_till_done()
    assert setpoint(home) == 0


@pytest.mark.parametrize("lost", [GRID, SOC])
async def test_a_lost_sensor_sets_the_battery_to_zero(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, lost: str
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 9000, "W")
    await automate(home, "peak_shaving", PEAK_SHAVING)
    await later(home, freezer)
    say(home, GRID, 13500, "W")
    await home.async_block_till_done()
    assert setpoint(home) == 3500
    say(home, lost, "unavailable", "W")
    await home.async_block_till_done()
    assert setpoint(home) == 0


async def test_a_battery_that_counts_charging_as_positive_gets_its_own_sign(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 9000, "W")
    await automate(home, "peak_shaving", PEAK_SHAVING | {"discharge_sign": "negative"})
    await later(home, freezer)
    say(home, GRID, 13500, "W")
    await home.async_block_till_done()
    assert setpoint(home) == -3500
    await later(home, freezer)
    say(home, GRID, 10000, "W")
    await home.async_block_till_done()
    assert setpoint(home) == -3500


async def test_the_windows_remaining_energy_is_the_target_where_it_is_known(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    window = {"remaining_energy": "sensor.remaining", "window_end": "sensor.end"}
    say(home, SOC, 60, "%")
    say(home, GRID, 9000, "W")
    await automate(home, "peak_shaving", PEAK_SHAVING | window)
    await later(home, freezer)
    # 3 kWh for the last 15 minutes: 12 kW are allowed, although the target is 10.
    end = dt_util.utcnow() + timedelta(minutes=15)
    home.states.async_set("sensor.end", end.isoformat())
    say(home, "sensor.remaining", 3.0, "kWh")
    say(home, GRID, 13000, "W")
    await home.async_block_till_done()
    assert setpoint(home) == 1000


@pytest.mark.parametrize("name", BATTERIES)
async def test_the_setpoint_is_zero_when_home_assistant_stops(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, name: str
) -> None:
    say(home, SOC, 60, "%")
    say(home, GRID, 9000, "W")
    say(home, PRICE, 0.5, "EUR/kWh")
    await automate(home, name, PEAK_SHAVING if name == "peak_shaving" else ARBITRAGE)
    await later(home, freezer, 20)
    say(home, GRID, 13500, "W")
    await home.async_block_till_done()
    assert setpoint(home) != 0
    home.set_state(CoreState.running)
    await home.async_stop(force=True)
    assert setpoint(home) == 0


async def test_on_a_simulated_site_it_holds_the_target_over_real_modbus(
    home: HomeAssistant, socket_enabled: None
) -> None:
    scenario = load_scenario("cfd-lab")
    site = SimulatedSite(scenario, start=scenario.default_start(), speed=STILL)
    await site.start()
    meter, battery = site.endpoints["grid"], site.endpoints["cabinet2"]
    bus = {}
    for end in (meter, battery):
        bus[end.id] = AsyncModbusTcpClient(end.host, port=end.port)
        await bus[end.id].connect()

    async def read(end: str, register: int, *, inputs: bool) -> float:
        client = bus[end]
        ask = client.read_input_registers if inputs else client.read_holding_registers
        answer = await ask(register, count=2, device_id=site.endpoints[end].unit_id)
        value = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
        assert isinstance(value, float)
        return value

    async def write(event: Event[EventStateChangedData]) -> None:
        words = bus["cabinet2"].convert_to_registers(
            setpoint(home), AsyncModbusTcpClient.DATATYPE.FLOAT32
        )
        await bus["cabinet2"].write_registers(706, words, device_id=battery.unit_id)

    # The bridge that a user would have: the battery's setpoint entity, behind it Modbus.
    unsubscribe = async_track_state_change_event(home, SETPOINT, write)
    target_w = 12000.0
    await site.advance(5)
    before_w = await read("grid", 52, inputs=True)
    say(home, SOC, 100 * site.physics.batteries["cabinet2"].soc, "%")
    say(home, GRID, round(before_w), "W")
    # Time is driven by hand here: the site has always settled before the meter is read.
    inputs = PEAK_SHAVING | {"target_kw": target_w / 1000, "discharge_kw": 9, "reaction_s": 0}
    await automate(home, "peak_shaving", inputs)
    for _ in range(30):
        await site.advance(2)
        say(home, SOC, round(100 * site.physics.batteries["cabinet2"].soc, 2), "%")
        say(home, GRID, round(await read("grid", 52, inputs=True)), "W")
        await home.async_block_till_done()
    held_w = await read("grid", 52, inputs=True)
    unsubscribe()
    for client in bus.values():
        client.close()
    await site.stop()
    assert before_w > target_w + 2000
    assert held_w == pytest.approx(target_w, abs=500)


# Tariff arbitrage


def today(prices: list[float], key: str = "raw_today") -> dict[str, object]:
    """Return a day's prices as price integrations list them."""
    start = dt_util.start_of_local_day()
    return {
        key: [
            {"start": (start + timedelta(hours=hour)).isoformat(), "value": price}
            for hour, price in enumerate(prices)
        ]
    }


DAY = [round(0.2 + 0.01 * hour, 2) for hour in range(24)]


@pytest.mark.parametrize(
    ("price", "watts"), [(0.20, -3000), (0.23, -3000), (0.24, 0), (0.40, 4000), (0.39, 0)]
)
async def test_the_cheapest_hours_charge_and_the_dearest_discharge(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, price: float, watts: float
) -> None:
    say(home, SOC, 50, "%")
    say(home, PRICE, price, "EUR/kWh", **today(DAY))
    await automate(home, "tariff_arbitrage", ARBITRAGE)
    await later(home, freezer, 20)
    assert setpoint(home) == watts


async def test_a_flat_day_leaves_the_battery_alone(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, SOC, 50, "%")
    say(home, PRICE, 0.3, "EUR/kWh", **today([0.3 + 0.001 * hour for hour in range(24)]))
    await automate(home, "tariff_arbitrage", ARBITRAGE)
    await later(home, freezer, 20)
    assert setpoint(home) == 0


@pytest.mark.parametrize(("price", "watts"), [(0.05, -3000), (0.2, 0), (0.35, 4000)])
async def test_figures_decide_where_no_prices_are_listed(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, price: float, watts: float
) -> None:
    say(home, SOC, 50, "%")
    say(home, PRICE, price, "EUR/kWh")
    await automate(home, "tariff_arbitrage", ARBITRAGE)
    await later(home, freezer, 20)
    assert setpoint(home) == watts


@pytest.mark.parametrize(("soc", "price"), [(95, 0.05), (10, 0.35), ("unavailable", 0.35)])
async def test_a_full_an_empty_and_an_unknown_battery_are_left_alone(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, soc: object, price: float
) -> None:
    say(home, SOC, soc, "%")
    say(home, PRICE, price, "EUR/kWh")
    await automate(home, "tariff_arbitrage", ARBITRAGE)
    await later(home, freezer, 20)
    assert setpoint(home) == 0


# Work when power is cheap or green


def noting(word: str) -> list[dict[str, object]]:
    """Return actions that leave a mark: an event with a word."""
    return [{"event": "noted", "event_data": {"word": word}}]


@pytest.fixture(name="noted")
def noted_fixture(home: HomeAssistant) -> list[str]:
    """Return the words that were noted, in their order."""
    words: list[str] = []

    @callback
    def note(event: Event) -> None:
        words.append(event.data["word"])

    home.bus.async_listen("noted", note)
    return words


@pytest.mark.parametrize(
    "case",
    [
        (False, 0.05, 400, True),
        (False, 0.30, 80, True),
        (False, 0.30, 400, False),
        (True, 0.05, 400, False),
        (True, 0.05, 80, True),
        (False, "unavailable", "unknown", False),
    ],
)
async def test_work_runs_while_power_is_cheap_or_green(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str], case: tuple[object, ...]
) -> None:
    both, price, carbon, runs = case
    say(home, PRICE, 0.3, "EUR/kWh")
    say(home, CARBON, 400, "g/kWh")
    await automate(
        home,
        "cheap_or_green_work",
        {
            "price": PRICE,
            "carbon": CARBON,
            "both": both,
            "start": noting("start"),
            "end": noting("end"),
        },
    )
    say(home, PRICE, price, "EUR/kWh")
    say(home, CARBON, carbon, "g/kWh")
    await later(home, freezer, 61)
    assert noted == (["start"] if runs else [])
    say(home, PRICE, 0.3, "EUR/kWh")
    say(home, CARBON, 400, "g/kWh")
    await later(home, freezer, 61)
    assert noted == (["start", "end"] if runs else [])


async def test_work_that_found_no_good_hour_starts_at_the_latest_time(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    freezer.move_to("2026-06-15T10:00:00+00:00")
    say(home, PRICE, 0.3, "EUR/kWh")
    at = dt_util.now() + timedelta(hours=1)
    await automate(
        home,
        "cheap_or_green_work",
        {"price": PRICE, "start": noting("start"), "latest": at.strftime("%H:%M:%S")},
    )
    await later(home, freezer, 3_599)
    assert noted == []
    await later(home, freezer, 2)
    assert noted == ["start"]


# Hold compute


async def test_compute_is_held_while_a_peak_is_at_risk_and_for_a_while_after(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(RISK, "off")
    inputs: dict[str, object] = {"risk": RISK, "hold": noting("hold"), "let_go": noting("let go")}
    await automate(home, "hold_compute", inputs)
    home.states.async_set(RISK, "on")
    await go_on(home, freezer, 20)
    assert noted == []
    await go_on(home, freezer, 11)
    assert noted == ["hold"]
    home.states.async_set(RISK, "off")
    await go_on(home, freezer, 600)
    assert noted == ["hold"]
    await go_on(home, freezer, 301)
    assert noted == ["hold", "let go"]


async def test_compute_comes_back_after_the_longest_time(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(RISK, "off")
    inputs: dict[str, object] = {
        "risk": RISK,
        "hold": noting("hold"),
        "let_go": noting("let go"),
        "longest_min": 60,
    }
    await automate(home, "hold_compute", inputs)
    home.states.async_set(RISK, "on")
    await go_on(home, freezer, 31)
    await go_on(home, freezer, 3_601)
    assert noted == ["hold", "let go"]


# Outage


OUTAGE: dict[str, object] = {
    "grid": MAINS,
    "runtime": RUNTIME,
    "first": noting("first"),
    "second": noting("second"),
    "third": noting("third"),
    "back": noting("back"),
}


async def test_an_outage_goes_through_its_stages_once_each(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(MAINS, "on")
    say(home, RUNTIME, 90, "min")
    await automate(home, "outage_cascade", OUTAGE)
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 11)
    for minutes in (60, 29, 28, 14, 4, 3):
        say(home, RUNTIME, minutes, "min")
        await go_on(home, freezer)
    assert noted == ["first", "second", "third"]
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 121)
    await go_on(home, freezer, 60)
    assert noted == ["first", "second", "third", "back"]


async def test_a_grid_that_returns_ends_the_retreat_and_a_dip_begins_none(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(MAINS, "on")
    say(home, RUNTIME, 3, "min")
    await automate(home, "outage_cascade", OUTAGE)
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 5)
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 20)
    assert noted == []
    say(home, RUNTIME, 20, "min")
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 11)
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 121)
    await go_on(home, freezer, 60)
    say(home, RUNTIME, 2, "min")
    await go_on(home, freezer)
    assert noted == ["first", "back"]


# Load from headroom


CHARGER: dict[str, object] = {
    "headroom": HEADROOM,
    "setpoint": SETPOINT,
    "power": LOAD,
    "volts": 230,
    "phases": 3,
    "least": 6,
    "most": 16,
}


@pytest.mark.parametrize(
    ("headroom_kw", "power_kw", "amperes"),
    [
        (8.0, 0.0, 10.8),
        (40.0, 0.0, 16.0),
        (3.0, 0.0, 0.0),
        (-4.0, 11.0, 9.4),
        (-12.0, 11.0, 0.0),
        ("unavailable", 11.0, 0.0),
    ],
)
async def test_a_charger_takes_the_room_that_is_left(
    home: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    headroom_kw: object,
    power_kw: float,
    amperes: float,
) -> None:
    say(home, HEADROOM, 0, "kW")
    say(home, LOAD, power_kw, "kW")
    await automate(home, "load_from_headroom", CHARGER)
    say(home, HEADROOM, headroom_kw, "kW")
    await later(home, freezer, 61)
    await later(home, freezer, 61)
    assert setpoint(home) == pytest.approx(amperes)


# Messages


MESSAGES: dict[str, object] = {
    "risk": RISK,
    "billed": BILLED,
    "saved_today": "sensor.saved_today",
    "saved_month": "sensor.saved_month",
    "bill_month": "sensor.bill_month",
    "notify": "notify.phone",
}


async def test_messages_tell_of_peaks_and_who_made_them(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    sent = async_mock_service(home, "notify", "send_message")
    parts: list[JsonValueType] = [
        {"name": "Rack A", "above_usual_kw": 4.0},
        {"name": "Rack B", "above_usual_kw": 9.0},
        {"name": None, "above_usual_kw": 12.0},
    ]
    story: dict[str, JsonValueType] = {"peaks": [{"parts": parts, "avoided_by": {"more_kw": 7.25}}]}
    async_mock_service(
        home,
        "computeload",
        "explain_peak",
        response=story,
        supports_response=SupportsResponse.ONLY,
    )
    home.states.async_set(RISK, "off")
    say(home, BILLED, 40.0, "kW")
    await automate(home, "notify", MESSAGES)
    home.states.async_set(RISK, "on")
    await later(home, freezer, 31)
    assert [call.data["title"] for call in sent] == ["Peak at risk"]
    assert "40.0 kW" in sent[0].data["message"]
    say(home, BILLED, 40.2, "kW")
    await home.async_block_till_done()
    assert len(sent) == 1
    say(home, BILLED, 48.0, "kW")
    await home.async_block_till_done()
    message = sent[1].data["message"]
    assert "48.0 kW" in message
    assert "Rack B" in message
    assert "7.2 kW more from a battery" in message


@pytest.mark.parametrize(
    ("day", "titles"),
    [("15", ["Energy of today"]), ("30", ["Energy of this month"])],
)
async def test_reports_are_sent_every_day_and_on_the_last_of_the_month(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, day: str, titles: list[str]
) -> None:
    await home.config.async_set_time_zone("UTC")
    freezer.move_to(f"2026-06-{day}T23:54:00+00:00")
    sent = async_mock_service(home, "notify", "send_message")
    for key in ("saved_today", "saved_month", "bill_month"):
        say(home, f"sensor.{key}", 12.5, "EUR")
    say(home, BILLED, 40.0, "kW")
    await automate(home, "notify", MESSAGES)
    await later(home, freezer, 61)
    assert [call.data["title"] for call in sent] == titles
    assert "12.5 EUR" in sent[0].data["message"]


def test_no_input_is_left_unused() -> None:
    class Loader(yaml.SafeLoader):
        """Reads `!input` as the name that follows it."""

    Loader.add_constructor("!input", lambda _, node: f"!input {node.value}")
    for name in NAMES:
        text = (FOLDER / "automation" / "computeload" / f"{name}.yaml").read_text()
        sections = yaml.load(text, Loader)["blueprint"]["input"].values()  # noqa: S506
        for section in sections:
            for key in section["input"]:
                assert f"!input {key}\n" in text, f"{name}: {key}"
