"""The signals of a site inside Home Assistant: entities, control, issues, restarts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    async_fire_time_changed,
    mock_integration,
    mock_platform,
)

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.series import Kind, Unit
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.signals.limit import Source
from custom_components.computeload.signals.operator_limit import heard
from custom_components.computeload.signals.site import series_rows, signal_store
from custom_components.computeload.signals.solar import async_read_solar, async_solar_entries
from custom_components.computeload.signals.usual import flat
from custom_components.computeload.simulator.server import SimulatedSite
from custom_components.computeload.simulator.spec import Prices

from ..common import STILL, async_settle, async_wait_for, real_entry, steady_lab
from ..conftest import running
from .payloads import HOUR, QUARTER, rows

POWER = {"unit_of_measurement": "kW", "device_class": "power"}
OPERATOR = {"entity": "sensor.limit", "fail_safe_kw": 4.2}


async def set_up(hass: HomeAssistant, **options: Any) -> SiteRuntime:
    """Set up a real site without devices, with these signals."""
    entry = real_entry()
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options=options)
    assert await hass.config_entries.async_setup(entry.entry_id)
    runtime: SiteRuntime = entry.runtime_data
    await settled(hass, runtime)
    return runtime


async def settled(hass: HomeAssistant, runtime: SiteRuntime) -> None:
    """Wait until every source has answered or refused."""
    signals = runtime.signals.series.values()
    await async_wait_for(lambda: not any(signal._asking for signal in signals))
    await hass.async_block_till_done()


async def restarted(hass: HomeAssistant) -> SiteRuntime:
    """Set the unloaded site up again."""
    assert await hass.config_entries.async_setup("site")
    entry = hass.config_entries.async_get_entry("site")
    assert entry is not None
    runtime: SiteRuntime = entry.runtime_data
    await settled(hass, runtime)
    return runtime


async def unload(hass: HomeAssistant) -> None:
    """Unload the site."""
    assert await hass.config_entries.async_unload("site")
    await hass.async_block_till_done()


def shown(hass: HomeAssistant, key: str) -> State | None:
    """Return the state of one of the site's sensors."""
    entity_id = er.async_get(hass).async_get_entity_id("sensor", DOMAIN, f"site_{key}")
    return None if entity_id is None else hass.states.get(entity_id)


def value(hass: HomeAssistant, key: str) -> str | None:
    """Return what one of the site's sensors says."""
    state = shown(hass, key)
    return None if state is None else state.state


def prices_from(hass: HomeAssistant, hours: int = 48, **attributes: Any) -> dict[str, Any]:
    """Make an entity with prices of the coming hours, and return the options to read it."""
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    attributes = {"unit_of_measurement": "EUR/MWh", **attributes}
    hass.states.async_set(
        "sensor.prices", "1", {"data": rows(start, [100.0] * hours, HOUR), **attributes}
    )
    return {"source": "entity", "entities": ["sensor.prices"]}


async def test_a_site_without_signals_has_no_entities_of_them(hass: HomeAssistant) -> None:
    runtime = await set_up(hass)
    assert runtime.signals.series == {}
    assert runtime.signals.operator_w() is None
    for key in ("price", "carbon_intensity", "pv_forecast_today", "operator_limit"):
        assert shown(hass, key) is None
    await unload(hass)


async def test_the_price_of_now_is_a_sensor_in_the_currency_of_the_site(
    hass: HomeAssistant,
) -> None:
    runtime = await set_up(hass, price=prices_from(hass))
    state = shown(hass, "price")
    assert state is not None
    assert state.state == "0.1"
    assert state.attributes["unit_of_measurement"] == "EUR/kWh"
    assert set(state.attributes) == {"friendly_name", "state_class", "unit_of_measurement"}
    assert value(hass, "price_kind") == "day_ahead"
    assert runtime.signals.price is not None
    reach = runtime.signals.price.past.end
    assert reach is not None
    assert value(hass, "price_reach") == reach.isoformat()
    await unload(hass)


async def test_a_price_that_nobody_has_published_is_shown_as_a_stand_in(
    hass: HomeAssistant,
) -> None:
    options = prices_from(hass, hours=24)
    runtime = await set_up(hass, price=options)
    signal = runtime.signals.price
    assert signal is not None
    signal.past = signal.past.between(
        dt_util.utcnow() - timedelta(days=1), dt_util.utcnow() - timedelta(minutes=1)
    ) or flat(Unit.PRICE, 0.1, dt_util.utcnow() - timedelta(days=1), dt_util.utcnow())
    signal.async_publish()
    await hass.async_block_till_done()
    assert value(hass, "price_kind") == "stand_in"
    assert value(hass, "price") == "0.1"
    await unload(hass)


async def test_a_signal_asks_again_as_time_goes_by(hass: HomeAssistant) -> None:
    runtime = await set_up(hass, price=prices_from(hass))
    signal = runtime.signals.price
    assert signal is not None
    prices_from(hass, 48, unit_of_measurement="ct/kWh", data=[])
    signal._next_s = hass.loop.time()
    next_tick = dt_util.utcnow().replace(second=2, microsecond=0) + timedelta(minutes=1)
    async_fire_time_changed(hass, next_tick)
    await hass.async_block_till_done()
    await settled(hass, runtime)
    assert signal._error is not None
    assert signal._error.key == "entity_without_series"
    assert value(hass, "price") == "0.1"
    assert ir.async_get(hass).async_get_issue(DOMAIN, "price_failed_site") is not None

    await unload(hass)
    await restarted(hass)
    assert ir.async_get(hass).async_get_issue(DOMAIN, "price_failed_site") is None
    await unload(hass)


async def test_carbon_of_now_is_a_sensor(hass: HomeAssistant) -> None:
    hass.states.async_set("sensor.co2", "318.44", {"unit_of_measurement": "gCO2eq/kWh"})
    await set_up(hass, carbon={"source": "entity", "entities": ["sensor.co2"]})
    state = shown(hass, "carbon_intensity")
    assert state is not None
    assert state.state == "318.4"
    assert state.attributes["unit_of_measurement"] == "g/kWh"
    await unload(hass)


async def test_signals_survive_a_restart_and_a_removed_site_leaves_nothing(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    runtime = await set_up(hass, price=prices_from(hass))
    before = runtime.signals.price
    assert before is not None
    await unload(hass)
    key = f"{DOMAIN}.site.signals"
    assert key in hass_storage
    hass.states.async_remove("sensor.prices")
    after = (await restarted(hass)).signals.price
    assert after is not None
    assert after.past == before.past
    assert value(hass, "price") == "0.1"
    await hass.config_entries.async_remove("site")
    await hass.async_block_till_done()
    assert key not in hass_storage


async def test_the_past_of_another_source_is_not_taken_over(
    hass: HomeAssistant,
) -> None:
    await set_up(hass, price=prices_from(hass))
    entry = hass.config_entries.async_get_entry("site")
    assert entry is not None
    other = {"source": "entity", "entities": ["sensor.others"]}
    hass.config_entries.async_update_entry(entry, options={"price": other})
    await hass.async_block_till_done()
    await settled(hass, entry.runtime_data)
    assert not entry.runtime_data.signals.price.past
    assert value(hass, "price") == "unknown"
    await unload(hass)


@pytest.mark.parametrize("stored", [{"price": {"of": 5}}, {"price": {}}, {"else": 1}])
async def test_a_store_of_somebody_else_is_left_out(
    hass: HomeAssistant, stored: dict[str, Any]
) -> None:
    await signal_store(hass, "site").async_save(stored)
    await set_up(hass, price=prices_from(hass))
    assert value(hass, "price") == "0.1"
    await unload(hass)


async def test_a_damaged_store_costs_only_its_content(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"price": prices_from(hass)}
    await set_up(hass, **options)
    await unload(hass)
    store = signal_store(hass, "site")
    content = await store.async_load()
    assert content is not None
    content["price"]["past"] = "gone"
    await store.async_save(content)
    await restarted(hass)
    assert "what was stored is damaged" in caplog.text
    assert value(hass, "price") == "0.1"
    await unload(hass)


async def test_a_source_that_is_not_known_any_more_costs_only_itself(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = await set_up(hass, price={"source": "oracle"})
    assert runtime.signals.price is None
    assert "oracle is no source of price" in caplog.text
    await unload(hass)


def test_a_series_goes_to_a_chart_as_rows() -> None:
    start = dt_util.utc_from_timestamp(1_800_000_000)
    assert series_rows(flat(Unit.PRICE, 0.1, start, start + QUARTER)) == [
        {
            "start": "2027-01-15T08:00:00+00:00",
            "end": "2027-01-15T08:15:00+00:00",
            "value": 0.1,
            "kind": "stand_in",
        }
    ]


async def test_a_simulated_site_with_prices_uses_them_from_the_start(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    def build(_: str = "") -> SimulatedSite:
        shape = Prices(hours=(0.1,) * 12 + (0.3,) * 12)
        scenario = replace(steady_lab(), prices=shape)
        return SimulatedSite(scenario, start=scenario.default_start(), speed=STILL)

    async with running(hass, build) as entry:
        await settled(hass, entry.runtime_data)
        shown_price = value(hass, "price")
        assert shown_price is not None
        assert 0.05 < float(shown_price) < 0.4
        assert value(hass, "price_kind") == "day_ahead"


# PV of the simulated lab


async def test_pv_without_a_forecast_has_a_stand_in_as_soon_as_the_inverter_answers(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = still_site.runtime_data
    series = runtime.signals.pv.data.series
    assert {slot.kind for slot in series} == {Kind.STAND_IN}
    assert max(slot.value for slot in series) > 1000.0
    today, left = value(hass, "pv_forecast_today"), value(hass, "pv_forecast_remaining")
    assert today is not None
    assert left is not None
    assert float(today) >= float(left) > 0.0


async def test_forecasts_come_from_the_integrations_that_the_energy_dashboard_asks(
    hass: HomeAssistant,
) -> None:
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    hours = {(start + n * HOUR).isoformat(): 1500.0 for n in range(48)}

    async def forecast(_: HomeAssistant, entry_id: str) -> dict[str, Any] | None:
        return {"wh_hours": hours} if entry_id == "roof" else None

    mock_integration(hass, MockModule("sunny"))
    platform = Mock(async_get_solar_forecast=forecast)
    mock_platform(hass, "sunny.energy", platform)
    MockConfigEntry(domain="sunny", entry_id="roof").add_to_hass(hass)
    for name in ("sunny", "energy"):
        hass.config.components.add(name)
    assert [entry.entry_id for entry in await async_solar_entries(hass)] == ["roof"]

    runtime = await set_up(hass, pv={"forecasts": ["roof"]})
    signal = runtime.signals.pv
    assert signal is not None
    now = signal.data.now(dt_util.utcnow())
    assert now is not None
    assert (now.value, now.kind) == (1500.0, Kind.FORECAST)
    today = value(hass, "pv_forecast_today")
    assert today is not None
    assert float(today) > 0.0
    await unload(hass)


@pytest.mark.parametrize(("entry_id", "key"), [("gone", "forecast_missing"), ("other", "no_data")])
async def test_a_forecast_that_is_not_there_is_told(
    hass: HomeAssistant, entry_id: str, key: str
) -> None:
    mock_integration(hass, MockModule("sunny"))
    mock_platform(hass, "sunny.energy", Mock(async_get_solar_forecast=AsyncMock(return_value=None)))
    MockConfigEntry(domain="sunny", entry_id="other").add_to_hass(hass)
    for name in ("sunny", "energy"):
        hass.config.components.add(name)
    with pytest.raises(SignalError) as caught:
        await async_read_solar(hass, [entry_id])
    assert caught.value.key == key


async def test_pv_is_not_measured_while_it_is_held_back(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = still_site.runtime_data
    signals = runtime.signals
    assert signals._pv_power_w() is not None
    roof = runtime.devices["roof"]
    await roof.device.command(500.0)
    await async_wait_for(lambda: signals._pv_power_w() is None)
    await roof.device.release()


# The operator's limit


@pytest.mark.parametrize(
    ("state", "limit_w"),
    [
        (State("sensor.limit", "12.5", POWER), 12_500.0),
        (State("number.limit", "9000", {"unit_of_measurement": "W"}), 9000.0),
        (State("input_number.limit", "0.02", {"unit_of_measurement": "MW"}), 20_000.0),
        (State("binary_sensor.relay", "on"), 7000.0),
        (State("switch.relay", "on"), 7000.0),
        (State("calendar.grid", "on", {"message": "Order 7"}), 7000.0),
        (State("calendar.grid", "on", {"message": "max 40 kW"}), 40_000.0),
        (State("calendar.grid", "on", {"message": "", "description": "30 kW"}), 30_000.0),
        (State("binary_sensor.relay", "off"), None),
        (State("calendar.grid", "off", {"message": "max 40 kW"}), None),
    ],
)
def test_numbers_contacts_and_calendars_are_understood(state: State, limit_w: float | None) -> None:
    said = heard(state, 7000.0)
    assert said is not None
    assert said.limit_w == limit_w


@pytest.mark.parametrize(
    "state",
    [
        State("sensor.limit", "unavailable", POWER),
        State("sensor.limit", "unknown", POWER),
        State("sensor.limit", "0", POWER),
        State("sensor.limit", "-5", POWER),
        State("sensor.limit", "nan", POWER),
        State("sensor.limit", "inf", POWER),
        State("sensor.limit", "full", POWER),
        State("sensor.limit", "40"),
        State("sensor.limit", "40", {"unit_of_measurement": "A"}),
        State("binary_sensor.relay", "unavailable"),
        State("binary_sensor.relay", "maybe"),
    ],
)
def test_what_cannot_be_a_limit_is_no_signal(state: State) -> None:
    assert heard(state, 7000.0) is None


def test_a_contact_or_event_without_a_value_is_no_signal() -> None:
    assert heard(State("binary_sensor.relay", "on"), None) is None
    assert heard(State("calendar.grid", "on", {"message": "Order 7"}), None) is None


def test_an_event_has_an_end() -> None:
    event = {"message": "max 40 kW", "end_time": "2026-11-23 14:00:00"}
    said = heard(State("calendar.grid", "on", event), None)
    assert said is not None
    assert said.until == dt_util.as_utc(dt_util.parse_datetime("2026-11-23 14:00:00"))  # type: ignore[arg-type]


async def test_a_limit_reaches_control_and_its_sensor_and_goes_again(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    hass.states.async_set("sensor.limit", "2", POWER)
    hass.config_entries.async_update_entry(still_site, options={"operator": OPERATOR})
    await hass.async_block_till_done()
    runtime: SiteRuntime = still_site.runtime_data
    await async_settle(hass, runtime)
    controller = runtime.controller
    assert controller.limits().operator_w == 2000.0
    assert controller.decision is not None
    assert controller.decision.reason is Reason.OPERATOR_LIMIT
    assert value(hass, "operator_limit") == "2.0"
    assert value(hass, "operator_limit_source") == "signal"

    hass.states.async_set("sensor.limit", "200", POWER)
    await async_wait_for(lambda: controller.decision.reason is not Reason.OPERATOR_LIMIT)  # type: ignore[union-attr]


async def test_a_lost_signal_is_told_once_and_the_fail_safe_value_holds(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = await set_up(hass, operator=OPERATOR)
    assert runtime.signals.operator_w() == 4200.0
    assert runtime.controller.limits().operator_w == 4200.0
    issues = ir.async_get(hass)
    issue = issues.async_get_issue(DOMAIN, "operator_signal_lost_site")
    assert issue is not None
    assert issue.translation_placeholders == {
        "entity": "sensor.limit",
        "limit": "4.2",
        "site": "Lab",
    }
    operator = runtime.signals.operator
    assert operator is not None
    operator.async_tick()
    assert caplog.text.count("signal is lost") == 1

    hass.states.async_set("sensor.limit", "12", POWER)
    operator.async_tick()
    assert issues.async_get_issue(DOMAIN, "operator_signal_lost_site") is None
    assert "signal is back" in caplog.text
    await unload(hass)


async def test_a_signal_that_is_repeated_is_not_silent(hass: HomeAssistant, freezer: Any) -> None:
    hass.states.async_set("sensor.limit", "12", POWER)
    runtime = await set_up(hass, operator={**OPERATOR, "silence_min": 10})
    operator = runtime.signals.operator
    assert operator is not None
    freezer.tick(timedelta(minutes=9))
    hass.states.async_set("sensor.limit", "12", POWER)
    freezer.tick(timedelta(minutes=9))
    assert operator.in_force().source is Source.SIGNAL
    freezer.tick(timedelta(minutes=9))
    assert operator.in_force().source is Source.FAIL_SAFE
    await unload(hass)


async def test_a_limit_with_a_longest_duration_ends_by_itself(
    hass: HomeAssistant, freezer: Any
) -> None:
    hass.states.async_set("sensor.limit", "12", POWER)
    runtime = await set_up(hass, operator={**OPERATOR, "lasts_min": 60})
    assert runtime.signals.operator_w() == 12_000.0
    freezer.tick(timedelta(minutes=61))
    assert runtime.signals.operator_w() is None
    await unload(hass)


async def test_a_site_with_all_signals_can_be_unloaded(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    hass.states.async_set("sensor.limit", "12", POWER)
    options = {"price": prices_from(hass), "operator": OPERATOR}
    hass.config_entries.async_update_entry(still_site, options=options)
    await hass.async_block_till_done()
    assert still_site.state is ConfigEntryState.LOADED
    assert set(still_site.runtime_data.signals.diagnostics()) == {"price", "pv"}
