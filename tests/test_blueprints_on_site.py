"""The blueprints on the simulated site: its own entities in, something that acts out."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import SOURCE_USER, ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.simulator.server import SimulatedSite

from .automations import SETPOINT, automate, home_fixture, setpoint  # noqa: F401 - a fixture
from .common import async_wait_for
from .conftest import running
from .faults.lab import islanding_lab
from .test_actions_ledger import async_fill
from .test_reports import past

HELD: Final = "input_boolean.held"
FAR_W: Final = 100_000.0
NEAR_W: Final = 100.0


@pytest.fixture(name="held")
async def held_fixture(home: HomeAssistant) -> str:
    """Return a helper that stands for compute: on while it is held, or runs."""
    assert await async_setup_component(home, "input_boolean", {"input_boolean": {"held": {}}})
    return HELD


@pytest.fixture(name="priced_site")
async def priced_site_fixture(
    home: HomeAssistant, socket_enabled: None
) -> AsyncIterator[ConfigEntry]:
    """Return a simulated site with prices of its own."""
    flow = home.config_entries.flow
    result = await flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    result = await flow.async_configure(result["flow_id"], {"next_step_id": "simulated"})
    result = await flow.async_configure(result["flow_id"], {"scenario": "cfd-lab"})
    entry = result["result"]
    await home.async_block_till_done()
    yield entry
    await home.config_entries.async_unload(entry.entry_id)
    await home.async_block_till_done()


def build_island(_: str = "") -> SimulatedSite:
    """Return the lab with a cabinet that carries it when the grid is lost."""
    scenario = islanding_lab()
    return SimulatedSite(scenario, start=scenario.default_start(), speed=1.0)


@pytest.fixture(name="island")
async def island_fixture(
    home: HomeAssistant, socket_enabled: None
) -> AsyncIterator[MockConfigEntry]:
    """Return a site that runs on when the grid is lost."""
    async with running(home, build_island) as entry:
        yield entry


def its(hass: HomeAssistant, site: ConfigEntry, domain: str, key: str) -> str:
    """Return the id of one of the site's entities, as a user would choose it."""
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id(domain, DOMAIN, f"{site.entry_id}_{key}")
    assert entity_id is not None, key
    return entity_id


def turn(entity_id: str, to: str) -> list[dict[str, object]]:
    """Return the action that turns a helper."""
    return [{"action": f"input_boolean.turn_{to}", "target": {"entity_id": entity_id}}]


def is_on(hass: HomeAssistant, entity_id: str) -> Callable[[], bool]:
    """Return whether a helper is on, whenever it is asked."""
    return lambda: hass.states.is_state(entity_id, "on")


async def aim(site: MockConfigEntry, target_w: float) -> None:
    """Give the site another target."""
    controller = site.runtime_data.controller
    await controller.async_change(replace(controller.settings, target_w=target_w))


def simulator_of(site: MockConfigEntry) -> SimulatedSite:
    """Return what the site is made of."""
    simulator: SimulatedSite = site.runtime_data.simulator
    return simulator


async def test_compute_is_held_while_the_site_has_a_peak_at_risk(
    home: HomeAssistant, live_site: MockConfigEntry, held: str
) -> None:
    await aim(live_site, FAR_W)
    risk = its(home, live_site, "binary_sensor", "peak_at_risk")
    await async_wait_for(lambda: home.states.is_state(risk, "off"))
    inputs: dict[str, object] = {
        "risk": risk,
        "sure_s": 0,
        "calm_min": 0,
        "hold": turn(held, "on"),
        "let_go": turn(held, "off"),
    }
    await automate(home, "hold_compute", inputs)
    await aim(live_site, NEAR_W)
    await async_wait_for(is_on(home, held))
    await aim(live_site, FAR_W)
    await async_wait_for(lambda: not is_on(home, held)())


async def test_a_load_takes_the_room_that_the_site_has(
    home: HomeAssistant, live_site: MockConfigEntry
) -> None:
    await aim(live_site, 20_000.0)
    headroom = its(home, live_site, "sensor", "headroom")
    home.states.async_set("sensor.charger", "0", {"unit_of_measurement": "kW"})
    inputs: dict[str, object] = {
        "headroom": headroom,
        "margin_kw": 1,
        "setpoint": SETPOINT,
        "power": "sensor.charger",
        "most": 15_000,
        "step_s": 5,
    }
    await automate(home, "load_from_headroom", inputs)
    await async_wait_for(lambda: setpoint(home) > 0.0)
    state = home.states.get(headroom)
    assert state is not None
    room_w = float(state.state) * (1000.0 if state.attributes["unit_of_measurement"] == "kW" else 1)
    assert 0.0 < setpoint(home) <= room_w


async def test_stages_are_gone_through_when_the_site_loses_its_grid(
    home: HomeAssistant, island: MockConfigEntry, held: str
) -> None:
    grid = its(home, island, "binary_sensor", "grid_present")
    await async_wait_for(lambda: home.states.is_state(grid, "on"))
    inputs: dict[str, object] = {
        "grid": grid,
        "runtime": its(home, island, "sensor", "runtime_left"),
        "lost_s": 0,
        "stable_s": 0,
        "first_min": 1440,
        "second_min": 0,
        "third_min": 0,
        "first": turn(held, "on"),
        "back": turn(held, "off"),
    }
    await automate(home, "outage_cascade", inputs)
    simulator_of(island).physics.lose_grid()
    await async_wait_for(lambda: home.states.is_state(grid, "off"))
    await async_wait_for(is_on(home, held))
    simulator_of(island).physics.restore_grid()
    await async_wait_for(lambda: not is_on(home, held)())


async def test_the_sites_price_starts_work(
    home: HomeAssistant, priced_site: ConfigEntry, held: str
) -> None:
    price = its(home, priced_site, "sensor", "price")
    inputs: dict[str, object] = {
        "price": price,
        "cheap_below": 9,
        "settle_min": 0,
        "start": turn(held, "on"),
    }
    await automate(home, "cheap_or_green_work", inputs)
    # The price was known before the automation was: it is heard when it comes anew.
    await home.config_entries.async_reload(priced_site.entry_id)
    await async_wait_for(is_on(home, held))


async def test_the_sites_price_and_charge_move_a_battery(
    home: HomeAssistant, priced_site: ConfigEntry
) -> None:
    inputs: dict[str, object] = {
        "price": its(home, priced_site, "sensor", "price"),
        "rule": "figures",
        "cheap_below": -10,
        "dear_above": -9,
        "setpoint": SETPOINT,
        "state_of_charge": its(home, priced_site, "sensor", "soc"),
        "charge_kw": 3,
        "discharge_kw": 4,
    }
    await automate(home, "tariff_arbitrage", inputs)
    await async_wait_for(lambda: setpoint(home) == 4_000.0)


async def test_a_message_says_that_the_site_has_a_peak_at_risk(
    home: HomeAssistant, live_site: MockConfigEntry
) -> None:
    sent = async_mock_service(home, "notify", "send_message")
    await aim(live_site, FAR_W)
    risk = its(home, live_site, "binary_sensor", "peak_at_risk")
    await async_wait_for(lambda: home.states.is_state(risk, "off"))
    inputs: dict[str, object] = {
        "risk": risk,
        "billed": its(home, live_site, "sensor", "billed_peak"),
        "saved_today": its(home, live_site, "sensor", "savings_today"),
        "saved_month": its(home, live_site, "sensor", "savings_month"),
        "bill_month": its(home, live_site, "sensor", "bill_month"),
        "notify": "notify.phone",
    }
    await automate(home, "notify", inputs)
    await aim(live_site, NEAR_W)
    await async_wait_for(lambda: home.states.is_state(risk, "on"))
    # The message waits for 30 s of danger.
    async_fire_time_changed(home, dt_util.utcnow() + timedelta(seconds=40))
    await async_wait_for(lambda: [call.data["title"] for call in sent] == ["Peak at risk"])


@pytest.mark.parametrize(("day", "times"), [("02", 0), ("01", 1)])
async def test_the_report_of_the_site_is_sent_on_the_first_of_the_month(
    home: HomeAssistant,
    still_site: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    day: str,
    times: int,
) -> None:
    await home.config.async_set_time_zone("UTC")
    await async_fill(home, still_site, past(still_site, 5))
    sent = async_mock_service(home, "notify", "send_message")
    inputs: dict[str, object] = {"notify": "notify.phone", "address": "https://ha.example.org/"}
    freezer.move_to(f"2027-03-{day}T06:59:59+00:00")
    await automate(home, "monthly_report", inputs)
    freezer.tick(1.0)
    async_fire_time_changed(home)
    await home.async_block_till_done()
    assert len(sent) == times
    if sent:
        message = sent[0].data["message"]
        assert "Highest quarter hour: 4.0 kW." in message
        assert "https://ha.example.org/api/computeload/reports/lab_" in message
