"""The options flow: every signal is tried out before it is saved, and says what is wrong."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock, patch

from aiohttp import web
from aiohttp.test_utils import TestServer
from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.signals.sources import (
    CARBON_SOURCES,
    PRICE_SOURCES,
    HttpSource,
)
from custom_components.computeload.simulator.spec import Prices, Scenario

from .common import real_entry
from .options import answer, open_page, options_of, site_fixture  # noqa: F401 - a fixture
from .signals.payloads import HOUR, energy_charts, rows, uk_carbon
from .test_config_flow import suggested, told

LIMIT = {"entity": "sensor.limit", "fail_safe_kw": 4.2}
POWER = {"unit_of_measurement": "kW"}


def priced(hass: HomeAssistant, price: float = 100.0, **attributes: Any) -> None:
    """Make an entity with prices of the coming two days."""
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    values = [price] * 12 + [2.0 * price] * 36
    given = {"data": rows(start, values, HOUR), "unit_of_measurement": "EUR/MWh"}
    hass.states.async_set("sensor.prices", "1", given | attributes)


async def test_a_site_that_does_not_run_has_to_be_mended_first(hass: HomeAssistant) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "not_loaded")


# Prices


async def test_only_sources_that_can_be_had_are_offered(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await open_page(hass, site, "price")
    assert options_of(result) == ["entity", "energy_charts", "entsoe", "awattar", "none"]
    hass.services.async_register(
        "nordpool", "get_prices_for_date", AsyncMock(), supports_response=SupportsResponse.ONLY
    )
    result = await open_page(hass, site, "price")
    assert options_of(result)[0] == "nordpool"


async def test_prices_are_shown_before_they_are_saved(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    priced(hass)
    result = await open_page(hass, site, "price")
    result = await answer(hass, result, {"source": "entity"})
    assert result["step_id"] == "details"
    result = await answer(hass, result, {"entities": ["sensor.prices"]})
    assert result["step_id"] == "preview"
    seen = told(result)
    assert (seen["least"], seen["most"], seen["unit"]) == ("0.1", "0.2", "EUR/kWh")
    assert 0.1 < float(seen["mean"]) < 0.2
    assert seen["step"] == "60"
    assert seen["line"] == "▁" * 12 + "█" * 12
    assert seen["until"] == "2026-11-25 12:00"
    result = await answer(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.options == {"price": {"source": "entity", "entities": ["sensor.prices"]}}
    # The site has started anew with them.
    assert set(site.runtime_data.signals.series) == {"price"}


async def test_a_source_comes_filled_in_with_what_was_saved_and_another_does_not(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    saved = {"source": "entity", "entities": ["sensor.prices"], "unit": "ct/kWh"}
    hass.config_entries.async_update_entry(site, options={"price": saved})
    await hass.async_block_till_done()
    result = await open_page(hass, site, "price")
    assert suggested(result) == {"source": "entity"}
    result = await answer(hass, result, {"source": "entity"})
    assert suggested(result) == {"entities": ["sensor.prices"], "unit": "ct/kWh"}
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "entsoe"})
    assert suggested(result) == {}


async def test_a_signal_can_be_taken_away_and_the_others_stay(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    both = {"price": {"source": "entity", "entities": ["sensor.prices"]}, "operator": LIMIT}
    hass.config_entries.async_update_entry(site, options=both)
    await hass.async_block_till_done()
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "none"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.options == {"operator": LIMIT}


@pytest.mark.parametrize(
    "case",
    [
        ({"unit_of_measurement": None}, {}, "unit", "unit_missing"),
        ({"unit_of_measurement": "°C"}, {}, "unit", "unit_unknown"),
        ({}, {"unit": "apples"}, "unit", "unit_unknown"),
        ({}, {"attribute": "mine"}, "attribute", "attribute_missing"),
        ({"data": None}, {}, "entities", "entity_without_series"),
        ({"data": [1]}, {}, "base", "payload_unexpected"),
        ({}, {"entities": ["sensor.gone"]}, "entities", "entity_unavailable"),
        ({"unit_of_measurement": "EUR/kWh"}, {}, "base", "price_too_high"),
        ({"unit_of_measurement": "EUR/GWh"}, {}, "base", "price_too_low"),
        ({"unit_of_measurement": "SEK/MWh"}, {}, "exchange_rate", "currency_differs"),
        ({"data": rows(dt_util.utc_from_timestamp(0), [1.0])}, {}, "base", "payload_unexpected"),
        (
            {"data": rows(dt_util.utc_from_timestamp(1.7e9), [1.0])},
            {},
            "base",
            "no_data",
        ),
    ],
)
async def test_what_is_wrong_is_told_at_its_field_and_can_be_mended(
    hass: HomeAssistant,
    site: MockConfigEntry,
    case: tuple[dict[str, Any], dict[str, Any], str, str],
) -> None:
    attributes, more, field, error = case
    priced(hass, **attributes)
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "entity"})
    answers = {"entities": ["sensor.prices"], **more}
    result = await answer(hass, result, answers)
    assert (result["step_id"], result["errors"]) == ("details", {field: error})
    assert suggested(result) == answers
    assert site.options == {}
    priced(hass)
    result = await answer(hass, result, {"entities": ["sensor.prices"]})
    assert result["step_id"] == "preview"


async def test_the_exchange_rate_is_asked_for_when_it_is_needed(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    priced(hass, unit_of_measurement="SEK/MWh")
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "entity"})
    assert result["data_schema"] is not None
    assert "exchange_rate" not in result["data_schema"].schema
    answers: dict[str, Any] = {"entities": ["sensor.prices"]}
    result = await answer(hass, result, answers)
    assert told(result) == {"theirs": "SEK", "ours": "EUR"}
    result = await answer(hass, result, answers | {"exchange_rate": 0.09})
    assert told(result)["least"] == "0.009"
    await answer(hass, result, {})
    assert site.options["price"]["exchange_rate"] == 0.09
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "entity"})
    assert suggested(result)["exchange_rate"] == 0.09


async def test_an_integrations_entry_and_area_are_asked_for(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    MockConfigEntry(domain="nordpool", entry_id="theirs", title="SE3").add_to_hass(hass)

    async def respond(call: ServiceCall) -> Any:
        day = dt_util.parse_date(call.data["date"])
        assert day is not None
        start = dt_util.start_of_local_day(day)
        return {area: rows(dt_util.as_utc(start), [80.0] * 24, HOUR) for area in ("SE3", "SE4")}

    hass.services.async_register(
        "nordpool", "get_prices_for_date", respond, supports_response=SupportsResponse.ONLY
    )
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "nordpool"})
    assert options_of(result, "config_entry") == ["theirs"]
    result = await answer(hass, result, {"config_entry": "theirs"})
    assert result["errors"] == {"area": "area_ambiguous"}
    assert told(result) == {"areas": "SE3, SE4"}
    result = await answer(hass, result, {"config_entry": "theirs", "area": "SE4"})
    assert told(result)["mean"] == "0.08"


@pytest.fixture(name="services")
async def services_fixture(socket_enabled: None) -> AsyncIterator[dict[str, web.Response]]:
    """Return what services over HTTP answer, by their ids; they live here meanwhile."""
    answers: dict[str, web.Response] = {}

    async def handle(request: web.Request) -> web.Response:
        return answers[request.match_info["id"]]

    app = web.Application()
    app.router.add_get("/{id}", handle)

    async with TestServer(app) as server:

        def here(source: HttpSource) -> HttpSource:
            return replace(source, address=lambda _, __: str(server.make_url(f"/{source.id}")))

        def local(table: dict[str, Any]) -> dict[str, Any]:
            direct = (each for each in table.values() if isinstance(each, HttpSource))
            return {source.id: here(source) for source in direct}

        with (
            patch.dict(PRICE_SOURCES, local(PRICE_SOURCES)),
            patch.dict(CARBON_SOURCES, local(CARBON_SOURCES)),
        ):
            yield answers


async def test_a_service_is_tried_out_with_its_area(
    hass: HomeAssistant, site: MockConfigEntry, services: dict[str, web.Response]
) -> None:
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    services["energy_charts"] = web.Response(body=energy_charts(start, [50.0] * 96))
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "energy_charts"})
    assert "DE-LU" in options_of(result, "area")
    result = await answer(hass, result, {"area": "DE-LU"})
    assert told(result)["note"] == "free to use in tests"
    assert told(result)["step"] == "15"


@pytest.mark.parametrize(
    "case",
    [
        (401, "token", "token_refused"),
        (400, "area", "area_refused"),
        (429, "base", "limited"),
        (500, "base", "server_error"),
    ],
)
async def test_a_refusal_is_told_at_the_field_that_can_be_changed(
    hass: HomeAssistant,
    site: MockConfigEntry,
    services: dict[str, web.Response],
    case: tuple[int, str, str],
) -> None:
    status, field, error = case
    services["entsoe"] = web.Response(status=status)
    result = await answer(hass, await open_page(hass, site, "price"), {"source": "entsoe"})
    result = await answer(hass, result, {"area": "DE-LU", "token": "wrong"})
    assert result["errors"] == {field: error}


async def test_a_simulated_site_offers_its_own_prices(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    result = await open_page(hass, still_site, "price")
    assert "scenario" not in options_of(result)
    scenario = still_site.runtime_data.simulator.scenario
    with_prices = replace(scenario, prices=Prices(hours=(0.1,) * 12 + (0.3,) * 12))
    with patch.object(still_site.runtime_data.simulator, "scenario", with_prices):
        result = await open_page(hass, still_site, "price")
        assert options_of(result)[0] == "scenario"
        with patch.object(Scenario, "day_ahead", return_value=()):
            result = await answer(hass, result, {"source": "scenario"})
        assert result["errors"] == {"base": "no_data"}
        result = await answer(hass, result, {"source": "scenario"})
    assert result["step_id"] == "preview"
    assert float(told(result)["least"]) == pytest.approx(0.1, rel=0.2)


# Carbon


async def test_carbon_is_shown_in_its_own_unit(
    hass: HomeAssistant, site: MockConfigEntry, services: dict[str, web.Response]
) -> None:
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    services["carbonintensity_uk"] = web.Response(body=uk_carbon(start, [100, 300] * 48))
    result = await open_page(hass, site, "carbon")
    assert options_of(result) == ["energy_charts", "carbonintensity_uk", "entity", "none"]
    result = await answer(hass, result, {"source": "carbonintensity_uk"})
    result = await answer(hass, result, {})
    seen = told(result)
    assert (seen["least"], seen["most"], seen["unit"]) == ("100", "300", "g/kWh")
    await answer(hass, result, {})
    assert site.options == {"carbon": {"source": "carbonintensity_uk"}}


# PV


@pytest.fixture(name="platforms")
def platforms_fixture(hass: HomeAssistant) -> Any:
    """Return who forecasts PV: nobody, until a test says who."""
    hass.config.components.add("energy")
    asked: dict[str, Any] = {}
    with patch(
        "homeassistant.components.energy.websocket_api.async_get_energy_platforms",
        AsyncMock(return_value=asked),
    ):
        yield asked


async def test_solar_forecasts_are_added_up_and_shown_in_kw(
    hass: HomeAssistant, site: MockConfigEntry, platforms: dict[str, Any]
) -> None:
    for name in ("east", "west"):
        MockConfigEntry(domain="sunny", entry_id=name, title=name).add_to_hass(hass)
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    hours = {(start + n * HOUR).isoformat(): 1500.0 for n in range(48)}
    platforms["sunny"] = AsyncMock(return_value={"wh_hours": hours})
    result = await open_page(hass, site, "pv")
    assert options_of(result, "forecasts") == ["east", "west"]
    result = await answer(hass, result, {"forecasts": ["east", "west"]})
    seen = told(result)
    assert (seen["mean"], seen["unit"]) == ("3", "kW")
    await answer(hass, result, {})
    assert site.options == {"pv": {"forecasts": ["east", "west"]}}
    signal = site.runtime_data.signals.pv
    assert signal is not None

    result = await answer(hass, await open_page(hass, site, "pv"), {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.options == {}


@pytest.mark.parametrize(
    "case",
    [
        ({"return_value": None}, "forecasts", "no_data"),
        ({"return_value": {"wh_hours": {}}}, "base", "no_data"),
        ({"return_value": {}}, "base", "payload_unexpected"),
        ({"side_effect": KeyError("roof")}, "base", "source_says"),
    ],
)
async def test_a_forecast_that_cannot_be_had_is_told(
    hass: HomeAssistant,
    site: MockConfigEntry,
    platforms: dict[str, Any],
    case: tuple[dict[str, Any], str, str],
) -> None:
    answered, field, error = case
    MockConfigEntry(domain="sunny", entry_id="roof", title="Roof").add_to_hass(hass)
    platforms["sunny"] = AsyncMock(**answered)
    result = await answer(hass, await open_page(hass, site, "pv"), {"forecasts": ["roof"]})
    assert result["errors"] == {field: error}


async def test_a_forecast_that_has_gone_is_told(
    hass: HomeAssistant, site: MockConfigEntry, platforms: dict[str, Any]
) -> None:
    MockConfigEntry(domain="sunny", entry_id="roof", title="Roof").add_to_hass(hass)
    platforms["sunny"] = AsyncMock()
    result = await open_page(hass, site, "pv")
    platforms.clear()
    result = await answer(hass, result, {"forecasts": ["roof"]})
    assert result["errors"] == {"forecasts": "forecast_missing"}


async def test_without_the_energy_dashboard_there_are_no_forecasts_to_choose(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await open_page(hass, site, "pv")
    assert options_of(result, "forecasts") == []


# The operator's limit


@pytest.mark.parametrize(
    "case",
    [
        ("sensor.limit", "12", POWER, {}, "Now 12 kW may be drawn."),
        ("binary_sensor.limit", "off", {}, {"limit_kw": 9.0}, "There is no limit now."),
        ("switch.limit", "on", {}, {"limit_kw": 9.0}, "Now 9 kW may be drawn."),
        ("calendar.limit", "on", {"message": "8 kW"}, {}, "Now 8 kW may be drawn."),
        ("sensor.limit", "0", POWER, {"lasts_min": 60.0, "silence_min": 5.0}, "4.2 kW"),
        ("sensor.limit", "unavailable", POWER, {}, "4.2 kW"),
    ],
)
async def test_what_would_hold_now_is_shown_before_it_is_saved(
    hass: HomeAssistant,
    site: MockConfigEntry,
    case: tuple[str, str, dict[str, str], dict[str, float], str],
) -> None:
    entity, state, attributes, more, now = case
    hass.states.async_set(entity, state, attributes)
    answers = {**LIMIT, "entity": entity, **more}
    result = await answer(hass, await open_page(hass, site, "operator"), answers)
    assert result["step_id"] == "confirm"
    assert now in told(result)["now"]
    result = await answer(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.options == {"operator": answers}
    assert site.runtime_data.signals.operator is not None
    assert suggested(await open_page(hass, site, "operator")) == answers


@pytest.mark.parametrize(
    ("answers", "field", "error"),
    [
        ({"entity": "sensor.gone"}, "entity", "entity_unavailable"),
        ({"entity": "sensor.without_unit"}, "entity", "unit_of_limit"),
        ({"entity": "binary_sensor.relay"}, "limit_kw", "limit_missing"),
        ({"fail_safe_kw": 0}, "fail_safe_kw", "fail_safe_out_of_range"),
        ({"fail_safe_kw": 25.1}, "fail_safe_kw", "fail_safe_out_of_range"),
        ({"limit_kw": -1}, "limit_kw", "not_positive"),
        ({"lasts_min": 0}, "lasts_min", "not_positive"),
        ({"silence_min": -3}, "silence_min", "not_positive"),
    ],
)
async def test_a_limit_that_makes_no_sense_is_told_at_its_field(
    hass: HomeAssistant,
    site: MockConfigEntry,
    answers: dict[str, Any],
    field: str,
    error: str,
) -> None:
    hass.states.async_set("sensor.limit", "12", POWER)
    hass.states.async_set("sensor.without_unit", "12")
    hass.states.async_set("binary_sensor.relay", "off")
    result = await answer(hass, await open_page(hass, site, "operator"), LIMIT | answers)
    assert result["errors"] == {field: error}
    assert suggested(result) == LIMIT | answers
    result = await answer(hass, result, LIMIT)
    assert result["step_id"] == "confirm"


async def test_without_a_fail_safe_value_no_limit_is_taken(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    hass.states.async_set("sensor.limit", "12", POWER)
    result = await answer(hass, await open_page(hass, site, "operator"), {"entity": "sensor.limit"})
    assert result["errors"] == {"fail_safe_kw": "fail_safe_out_of_range"}
    assert told(result) == {"limit": "25"}


async def test_an_operator_without_an_entity_is_none(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(site, options={"operator": LIMIT})
    await hass.async_block_till_done()
    result = await answer(hass, await open_page(hass, site, "operator"), {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.options == {}


async def test_an_entity_that_goes_while_one_looks_is_a_lost_signal(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    hass.states.async_set("sensor.limit", "12", POWER)
    result = await open_page(hass, site, "operator")
    with patch("custom_components.computeload.options_flow.SignalOptionsFlow._check_operator"):
        hass.states.async_remove("sensor.limit")
        result = await answer(hass, result, LIMIT)
    assert "4.2 kW" in told(result)["now"]
