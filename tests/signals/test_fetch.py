"""Asking sources: over a real HTTP connection, by actions, and in entities' attributes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from aiohttp import web
from aiohttp.test_utils import TestServer
from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.core.series import Kind
from custom_components.computeload.signals import fetch
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.signals.fetch import Reader, retry_after_s
from custom_components.computeload.signals.quote import Quote
from custom_components.computeload.signals.sources import (
    CARBON_SOURCES,
    PRICE_SOURCES,
    AnySource,
    HttpSource,
)

from .payloads import (
    BERLIN,
    DAY,
    HOUR,
    MIDNIGHT,
    awattar,
    energy_charts,
    entsoe,
    entsoe_period,
    entsoe_refusal,
    entsoe_series,
    rows,
    uk_carbon,
)

NOW = MIDNIGHT + 12 * HOUR
TOKEN = "do-not-tell-anybody"  # noqa: S105 - of nobody
OPTIONS: dict[str, dict[str, Any]] = {
    "energy_charts": {"area": "DE-LU"},
    "entsoe": {"area": "DE-LU", "token": TOKEN},
    "awattar": {"area": "de"},
    "carbonintensity_uk": {},
}
DIRECT = [source for source in PRICE_SOURCES.values() if isinstance(source, HttpSource)]

type Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(name="reader")
def reader_fixture(hass: HomeAssistant) -> Reader:
    """Return what reads for a site in Berlin."""
    return Reader(hass=hass, currency="EUR", zone=BERLIN)


class Service:
    """A service on the other end of a real connection."""

    def __init__(self) -> None:
        """Answer nothing yet."""
        self.asked: list[web.Request] = []
        self.answer: Answer = self.say(b"")

    @staticmethod
    def say(body: bytes, status: int = 200, **headers: str) -> Answer:
        """Return an answer with a body."""

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=body, status=status, headers=headers)

        return answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        self.asked.append(request)
        return await self.answer(request)


@pytest.fixture(name="service")
async def service_fixture(socket_enabled: None) -> AsyncIterator[tuple[Service, str]]:
    """Return a service and its address."""
    service = Service()
    app = web.Application()
    app.router.add_get("/{path:.*}", service.handle)
    async with TestServer(app) as server:
        yield service, str(server.make_url("/")).rstrip("/")


def moved(source: AnySource, address: str) -> HttpSource:
    """Return a direct source that lives at another address."""
    assert isinstance(source, HttpSource)
    before = source.address
    return replace(
        source,
        address=lambda options, span: address + "/" + before(options, span).split("/", 3)[3],
    )


async def ask(reader: Reader, source: AnySource, options: dict[str, Any]) -> Quote:
    """Ask a source at noon."""
    return await reader.async_read(source, options, reader.span(NOW))


async def refusal(reader: Reader, source: AnySource, options: dict[str, Any]) -> SignalError:
    """Ask a source that refuses, and return its error."""
    with pytest.raises(SignalError) as caught:
        await ask(reader, source, options)
    return caught.value


# Over HTTP


GOOD = {
    "energy_charts": energy_charts(MIDNIGHT, [100.0] * 192),
    "entsoe": entsoe(
        entsoe_series(entsoe_period(MIDNIGHT, MIDNIGHT + 2 * DAY, "PT15M", [(1, 100.0)]))
    ),
    "awattar": awattar(MIDNIGHT, [100.0] * 48),
}
ASKED = {
    "energy_charts": (
        "/price",
        {"bzn": "DE-LU", "start": "2026-11-23", "end": "2026-11-24"},
    ),
    "entsoe": (
        "/api",
        {
            "securityToken": TOKEN,
            "documentType": "A44",
            "in_Domain": "10Y1001A1001A82H",
            "out_Domain": "10Y1001A1001A82H",
            "contract_MarketAgreement.type": "A01",
            "periodStart": "202611222300",
            "periodEnd": "202611242300",
        },
    ),
    "awattar": (
        "/v1/marketdata",
        {
            "start": str(int(MIDNIGHT.timestamp() * 1000)),
            "end": str(int((MIDNIGHT + 2 * DAY).timestamp() * 1000)),
        },
    ),
}


@pytest.mark.parametrize("source", DIRECT, ids=lambda source: source.id)
async def test_a_service_is_asked_for_today_and_tomorrow(
    reader: Reader, service: tuple[Service, str], source: HttpSource
) -> None:
    there, address = service
    there.answer = there.say(GOOD[source.id])
    quote = await ask(reader, moved(source, address), OPTIONS[source.id])
    assert quote.currency == "EUR"
    assert quote.series.holes(MIDNIGHT, MIDNIGHT + 2 * DAY) == []
    assert {slot.value for slot in quote.series} == {0.1}
    path, params = ASKED[source.id]
    assert there.asked[0].path == path
    assert dict(there.asked[0].query) == params


async def test_the_first_time_the_last_week_is_asked_for_too(reader: Reader) -> None:
    span = reader.span(NOW, days_back=7)
    assert span.start == MIDNIGHT - 7 * DAY
    assert span.end == MIDNIGHT + 2 * DAY
    assert len(span.days) == 9


@pytest.mark.parametrize("source", [*PRICE_SOURCES.values(), *CARBON_SOURCES.values()])
def test_every_service_is_asked_over_an_encrypted_connection(source: AnySource) -> None:
    if isinstance(source, HttpSource):
        span = Reader(hass=None, currency="EUR", zone=BERLIN).span(NOW)  # type: ignore[arg-type]
        assert source.address(OPTIONS[source.id], span).startswith("https://")


@pytest.mark.parametrize(
    ("area", "path"),
    [
        (None, "/intensity/2026-11-23T11:00Z/fw48h"),
        ("7", "/regional/intensity/2026-11-23T11:00Z/fw48h/regionid/7"),
        ("bs16", "/regional/intensity/2026-11-23T11:00Z/fw48h/postcode/BS16"),
        ("../x?", "/regional/intensity/2026-11-23T11:00Z/fw48h/postcode/..%2FX%3F"),
    ],
)
async def test_great_britain_is_asked_for_the_country_or_a_region(
    reader: Reader, service: tuple[Service, str], area: str | None, path: str
) -> None:
    there, address = service
    there.answer = there.say(uk_carbon(MIDNIGHT, [100] * 96, regional=area is not None))
    source = moved(CARBON_SOURCES["carbonintensity_uk"], address)
    quote = await ask(reader, source, {"area": area} if area else {})
    assert len(quote.series) == 96
    assert there.asked[0].raw_path == path


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, 3600.0),
        ("60", 3600.0),
        ("7200", 7200.0),
        ("Mon, 23 Nov 2026 14:00:00 GMT", 3 * 3600.0),
        ("soon", 3600.0),
        ("99999999999999", 7 * 24 * 3600.0),
    ],
)
async def test_a_service_that_was_asked_too_often_is_left_alone_for_an_hour_or_longer(
    reader: Reader, service: tuple[Service, str], header: str | None, wait_s: float
) -> None:
    there, address = service
    headers = {} if header is None else {"Retry-After": header}
    there.answer = there.say(b"slow down", 429, **headers)
    source = moved(PRICE_SOURCES["energy_charts"], address)
    error = await refusal(reader, source, OPTIONS["energy_charts"])
    assert (error.key, error.retry_after_s) == ("limited", wait_s)


def test_a_time_to_retry_that_has_passed_is_no_wait() -> None:
    assert retry_after_s("Mon, 23 Nov 2026 10:00:00 GMT", NOW) == 0.0
    assert retry_after_s("Mon, 23 Nov 2026 10:00:00", NOW) == 0.0


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return what was logged on this side of the connection."""
    return "".join(each.getMessage() for each in caplog.records if each.name != "aiohttp.access")


NO_DATA = entsoe_refusal("No matching data found")


@pytest.mark.parametrize(
    "case",
    [
        ("entsoe", 401, b"Unauthorized", "token_refused", "token"),
        ("entsoe", 403, b"", "token_refused", "token"),
        ("energy_charts", 403, b"", "token_refused", None),
        ("entsoe", 400, NO_DATA, "no_data", "area"),
        ("entsoe", 200, NO_DATA, "no_data", "area"),
        ("entsoe", 400, entsoe_refusal("Wrong parameter"), "source_says", None),
        ("entsoe", 400, b"<html>", "area_refused", "area"),
        ("energy_charts", 404, b'{"detail": "No price data"}', "area_refused", "area"),
        ("energy_charts", 422, b'{"detail": []}', "area_refused", "area"),
        ("carbonintensity_uk", 400, b"{}", "area_refused", "area"),
        ("energy_charts", 500, b"oops", "server_error", None),
        ("energy_charts", 503, b"", "server_error", None),
        ("energy_charts", 200, b"<html>maintenance</html>", "payload_unexpected", None),
        ("energy_charts", 200, b"\xff\xfe\x00", "payload_unexpected", None),
        ("energy_charts", 200, b"x" * (5 * 1024 * 1024), "payload_unexpected", None),
    ],
)
async def test_a_refusal_is_told_at_the_field_that_helps(
    reader: Reader,
    service: tuple[Service, str],
    caplog: pytest.LogCaptureFixture,
    case: tuple[str, int, bytes, str, str | None],
) -> None:
    name, status, body, key, field = case
    there, address = service
    there.answer = there.say(body, status)
    table = PRICE_SOURCES if name in PRICE_SOURCES else CARBON_SOURCES
    error = await refusal(reader, moved(table[name], address), OPTIONS[name])
    assert (error.key, error.field) == (key, field)
    assert TOKEN not in str(error.details) + logged(caplog)


async def test_a_service_that_is_not_there_cannot_be_reached_and_the_token_stays_secret(
    reader: Reader, socket_enabled: None, caplog: pytest.LogCaptureFixture
) -> None:
    server = TestServer(web.Application())
    await server.start_server()
    address = str(server.make_url("/")).rstrip("/")
    await server.close()
    error = await refusal(reader, moved(PRICE_SOURCES["entsoe"], address), OPTIONS["entsoe"])
    assert (error.key, error.details) == ("source_unreachable", {"source": "ENTSO-E"})
    assert error.__cause__ is None
    assert TOKEN not in logged(caplog)


async def test_a_service_that_does_not_finish_is_given_up(
    reader: Reader, service: tuple[Service, str]
) -> None:
    there, address = service

    async def never(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"price": [')
        transport = request.transport
        assert transport is not None
        transport.abort()
        return response

    there.answer = never
    source = moved(PRICE_SOURCES["energy_charts"], address)
    error = await refusal(reader, source, OPTIONS["energy_charts"])
    assert error.key == "source_unreachable"


async def test_a_service_that_keeps_silent_is_given_up(
    reader: Reader, service: tuple[Service, str]
) -> None:
    source = moved(PRICE_SOURCES["energy_charts"], service[1])
    with patch.object(fetch, "TIMEOUT_S", 0.0):
        error = await refusal(reader, source, OPTIONS["energy_charts"])
    assert error.key == "source_unreachable"


async def test_prices_in_another_currency_need_a_rate(
    reader: Reader, service: tuple[Service, str]
) -> None:
    there, address = service
    there.answer = there.say(GOOD["energy_charts"])
    danish = replace(reader, currency="DKK")
    source = moved(PRICE_SOURCES["energy_charts"], address)
    error = await refusal(danish, source, {"area": "DK1"})
    assert (error.key, error.field) == ("currency_differs", "exchange_rate")
    assert error.details == {"theirs": "EUR", "ours": "DKK"}
    quote = await ask(danish, source, {"area": "DK1", "exchange_rate": 7.46})
    assert quote.series.slots[0].value == pytest.approx(0.746)
    assert quote.currency == "DKK"


# By actions

DATES = [NOW.date().isoformat(), (NOW + DAY).date().isoformat()]
TODAY = rows(MIDNIGHT, [0.1] * 96)
TOMORROW = rows(MIDNIGHT + DAY, [0.2] * 96)


@pytest.fixture(name="register")
def register_fixture(hass: HomeAssistant) -> Callable[..., list[dict[str, Any]]]:
    """Return what registers an integration's action, and collects what it is called with."""

    def register(
        domain: str, action: str, answer: Callable[[dict[str, Any]], Any]
    ) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        async def handle(call: ServiceCall) -> Any:
            calls.append(dict(call.data))
            return answer(dict(call.data))

        hass.services.async_register(
            domain, action, handle, supports_response=SupportsResponse.ONLY
        )
        return calls

    return register


def of_day(data: dict[str, Any], key: str = "date") -> list[dict[str, Any]]:
    """Return the rows of the day that was asked for."""
    return TODAY if data[key] == DATES[0] else TOMORROW


def times(given: list[dict[str, Any]], name: str, write: Callable[[str], str] = str) -> Any:
    """Return rows with a start only, under another name."""
    return [{name: write(row["start"]), "price": row["price"]} for row in given]


def spaced(text: str) -> str:
    """Return a time as ``str(datetime)`` writes it."""
    return str(datetime.fromisoformat(text))


def dearer(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows per MWh."""
    return [{**row, "price": row["price"] * 1000.0} for row in given]


ACTIONS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], Any], dict[str, Any]]] = {
    "nordpool": (
        {"config_entry": "theirs", "area": "SE3"},
        lambda data: {"SE3": dearer(of_day(data))},
        {"config_entry": "theirs", "date": DATES[0], "areas": ["SE3"]},
    ),
    "tibber": (
        {},
        lambda _: {"prices": {"Home": times(TODAY + TOMORROW, "start_time")}},
        {"start": MIDNIGHT.isoformat(), "end": (MIDNIGHT + 2 * DAY).isoformat()},
    ),
    "easyenergy": (
        {"config_entry": "theirs"},
        lambda data: {"prices": times(of_day(data, "start"), "timestamp", spaced)},
        {
            "config_entry": "theirs",
            "incl_vat": False,
            "granularity": "quarter",
            "price_type": "market",
            "start": DATES[0],
            "end": DATES[0],
        },
    ),
    "energyzero": (
        {"config_entry": "theirs"},
        lambda data: {
            "prices": [
                {**row, "timestamp": spaced(row["start"]), "start": spaced(row["start"])}
                for row in of_day(data, "start")
            ]
        },
        {
            "config_entry": "theirs",
            "incl_vat": False,
            "interval": "quarter",
            "price_type": "market",
            "start": DATES[0],
            "end": DATES[0],
        },
    ),
    "green_planet_energy": (
        {"config_entry": "theirs"},
        lambda _: {"prices": TODAY + TOMORROW, "hours_requested": 24},
        {"config_entry_id": "theirs", "hours": 24},
    ),
    "omie": (
        {"area": "es"},
        lambda data: {"es": of_day(data)},
        {"date": DATES[0], "countries": ["es"]},
    ),
}


@pytest.mark.parametrize("name", ACTIONS)
async def test_an_integration_is_asked_by_its_action(
    hass: HomeAssistant, reader: Reader, register: Any, name: str
) -> None:
    options, answer, data = ACTIONS[name]
    MockConfigEntry(domain=name, entry_id="theirs", data={"currency": "EUR"}).add_to_hass(hass)
    source = PRICE_SOURCES[name]
    calls = register(name, source.action, answer)  # type: ignore[union-attr]
    quote = await ask(reader, source, options)
    assert calls[0] == data
    assert quote.series.holes(MIDNIGHT, MIDNIGHT + 2 * DAY) == []
    assert quote.series.mean(MIDNIGHT, MIDNIGHT + DAY) == pytest.approx(0.1)
    assert quote.series.mean(MIDNIGHT + DAY, MIDNIGHT + 2 * DAY) == pytest.approx(0.2)
    assert {slot.kind for slot in quote.series} == {Kind.DAY_AHEAD}


@pytest.mark.parametrize(
    "unpublished", [ServiceValidationError("not yet"), [], {}, None, HomeAssistantError("busy")]
)
async def test_tomorrow_may_not_be_published_yet(
    hass: HomeAssistant, reader: Reader, register: Any, unpublished: Any
) -> None:
    def answer(data: dict[str, Any]) -> Any:
        if data["date"] == DATES[0]:
            return {"SE3": dearer(TODAY)}
        if isinstance(unpublished, Exception):
            raise unpublished
        return {"SE3": unpublished}

    register("nordpool", "get_prices_for_date", answer)
    quote = await ask(reader, PRICE_SOURCES["nordpool"], {"config_entry": "theirs"})
    assert quote.series.end == MIDNIGHT + DAY


@pytest.mark.parametrize(
    "case",
    [
        ({}, {"SE3": TODAY, "SE4": TODAY}, "area_ambiguous", "area"),
        ({"area": "SE1"}, {"SE3": TODAY}, "area_missing", "area"),
        ({}, {}, "no_data", None),
        ({}, {"SE3": []}, "no_data", None),
        ({}, {"SE3": "prices"}, "payload_unexpected", None),
        ({}, {"SE3": [5]}, "payload_unexpected", None),
        ({}, ServiceValidationError("wrong"), "source_says", None),
        ({}, KeyError("theirs"), "source_says", None),
        ({}, TimeoutError(), "source_unreachable", None),
    ],
)
async def test_what_an_integration_cannot_answer_is_told(
    reader: Reader,
    register: Any,
    case: tuple[dict[str, Any], Any, str, str | None],
) -> None:
    options, answer, key, field = case

    def handle(_: dict[str, Any]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    register("nordpool", "get_prices_for_date", handle)
    error = await refusal(reader, PRICE_SOURCES["nordpool"], {"config_entry": "theirs", **options})
    assert (error.key, error.field) == (key, field)


async def test_areas_that_are_not_named_by_a_list_are_unreadable(
    reader: Reader, register: Any
) -> None:
    register("tibber", "get_prices", lambda _: {"prices": [1]})
    assert (await refusal(reader, PRICE_SOURCES["tibber"], {})).key == "payload_unexpected"
    register("tibber", "get_prices", lambda _: {"else": 1})
    assert (await refusal(reader, PRICE_SOURCES["tibber"], {})).key == "payload_unexpected"


async def test_an_integration_that_is_not_there_is_missed(reader: Reader) -> None:
    error = await refusal(reader, PRICE_SOURCES["nordpool"], {"config_entry": "theirs"})
    assert (error.key, error.details) == ("integration_missing", {"integration": "nordpool"})


async def test_the_currency_of_the_other_integration_counts(
    hass: HomeAssistant, reader: Reader, register: Any
) -> None:
    entry = MockConfigEntry(domain="nordpool", entry_id="theirs", data={"currency": "SEK"})
    entry.add_to_hass(hass)
    register("nordpool", "get_prices_for_date", lambda data: {"SE3": of_day(data)})
    error = await refusal(reader, PRICE_SOURCES["nordpool"], {"config_entry": "theirs"})
    assert error.details == {"theirs": "SEK", "ours": "EUR"}


# In entities


async def test_several_entities_are_put_together(hass: HomeAssistant, reader: Reader) -> None:
    keys = ("start", "end", "value_inc_vat")
    for n, name in enumerate(("current", "next")):
        day = rows(MIDNIGHT + n * DAY, [0.2] * 48, timedelta(minutes=30), keys=keys)
        hass.states.async_set(f"event.{name}_day_rates", "2026-11-23", {"rates": day})
    options = {
        "entities": ["event.current_day_rates", "event.next_day_rates"],
        "unit": "EUR/kWh",
    }
    quote = await ask(reader, PRICE_SOURCES["entity"], options)
    assert quote.series.holes(MIDNIGHT, MIDNIGHT + 2 * DAY) == []
    assert quote.currency == "EUR"


@pytest.mark.parametrize("state", [None, "unavailable", "unknown"])
async def test_an_entity_that_is_not_available_is_named(
    hass: HomeAssistant, reader: Reader, state: str | None
) -> None:
    if state is not None:
        hass.states.async_set("sensor.price", state)
    for table in (PRICE_SOURCES, CARBON_SOURCES):
        error = await refusal(reader, table["entity"], {"entities": ["sensor.price"]})
        assert (error.key, error.field) == ("entity_unavailable", "entities")
        assert error.details == {"entity": "sensor.price"}


async def test_a_carbon_entity_says_what_is_now(hass: HomeAssistant, reader: Reader) -> None:
    unit = {"unit_of_measurement": "kg/kWh"}
    hass.states.async_set("sensor.co2", "0.35", unit)
    quote = await ask(reader, CARBON_SOURCES["entity"], {"entities": ["sensor.co2"]})
    (slot,) = quote.series
    assert (slot.start, slot.kind) == (NOW, Kind.MEASURED)
    assert slot.value == pytest.approx(350.0)


async def test_a_carbon_entity_may_have_a_forecast(hass: HomeAssistant, reader: Reader) -> None:
    forecast = rows(MIDNIGHT, [300.0] * 48, HOUR, keys=("datetime", None, "carbonIntensity"))
    attributes = {"unit_of_measurement": "gCO2eq/kWh", "forecast": forecast}
    hass.states.async_set("sensor.co2", "310", attributes)
    quote = await ask(reader, CARBON_SOURCES["entity"], {"entities": ["sensor.co2"]})
    assert quote.series.at(NOW) is not None
    assert quote.series.at(NOW).value == 310.0  # type: ignore[union-attr]
    assert quote.series.end == MIDNIGHT + 2 * DAY


async def test_a_carbon_entity_without_a_unit_of_carbon_is_refused(
    hass: HomeAssistant, reader: Reader
) -> None:
    hass.states.async_set("sensor.share", "48", {"unit_of_measurement": "%"})
    error = await refusal(reader, CARBON_SOURCES["entity"], {"entities": ["sensor.share"]})
    assert (error.key, error.field) == ("unit_unknown", "entities")


# The simulated site


async def test_the_simulated_site_has_prices_of_its_own(reader: Reader) -> None:
    def day_ahead(day: Any) -> tuple[tuple[datetime, float], ...]:
        start = MIDNIGHT + (day - NOW.astimezone(BERLIN).date())
        return tuple((start + n * HOUR, 0.1) for n in range(24))

    simulated = replace(reader, day_ahead=day_ahead)
    quote = await ask(simulated, PRICE_SOURCES["scenario"], {})
    assert quote.series.holes(MIDNIGHT, MIDNIGHT + 2 * DAY) == []
    assert (await refusal(reader, PRICE_SOURCES["scenario"], {})).key == "no_data"
