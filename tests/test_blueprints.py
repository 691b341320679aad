"""The blueprints in a real Home Assistant: imported as a user's, acting on a battery."""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.components.blueprint import models
from homeassistant.core import (
    CoreState,
    Event,
    EventStateChangedData,
    HomeAssistant,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
from pymodbus.client import AsyncModbusTcpClient
import pytest
import yaml

from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

from .automations import FOLDER, PRICE, SETPOINT, automate, home_fixture, later, say, setpoint  # noqa: F401 - a fixture

STILL = 1e-9
"""A speed at which a simulated site stands still between two steps by hand."""
NAMES = (
    "cheap_or_green_work",
    "hold_compute",
    "load_from_headroom",
    "monthly_report",
    "notify",
    "outage_cascade",
    "peak_shaving",
    "tariff_arbitrage",
)
BATTERIES = ("peak_shaving", "tariff_arbitrage")
GRID = "sensor.grid_power"
SOC = "sensor.state_of_charge"

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
