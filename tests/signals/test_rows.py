"""Rows and attributes of other integrations, read into series."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.computeload.core.series import Kind, Series, Unit
from custom_components.computeload.signals.attributes import (
    read_carbon_attributes,
    read_price_attributes,
)
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.signals.rows import MOST_ROWS, read_rows
from custom_components.computeload.signals.units import PriceUnit, carbon_factor, price_unit

from .payloads import BERLIN, DAY, HOUR, MIDNIGHT, QUARTER, rows

NOW = MIDNIGHT + 12 * HOUR


def read(given: object, divisor: float = 1.0) -> Series:
    """Return the prices in rows."""
    return read_rows(given, unit=Unit.PRICE, kind=Kind.DAY_AHEAD, zone=BERLIN, divisor=divisor)


@pytest.mark.parametrize(
    "keys",
    [
        ("start", "end", "price"),  # Nord Pool, OMIE, Green Planet Energy, EnergyZero
        ("start_time", None, "price"),  # Tibber
        ("timestamp", None, "price"),  # easyEnergy
        ("start_time", "end_time", "price_per_kwh"),  # EPEX Spot
        ("time", None, "price"),  # ENTSO-E
        ("start", "end", "value_inc_vat"),  # Octopus
        ("start", "end", "value"),  # raw_today
        ("startsAt", None, "total"),
    ],
)
def test_the_names_that_sources_use_are_found(keys: tuple[str, str | None, str]) -> None:
    series = read(rows(MIDNIGHT, [0.1, 0.2, 0.3], keys=keys))
    assert [slot.value for slot in series] == [0.1, 0.2, 0.3]
    assert (series.start, series.end) == (MIDNIGHT, MIDNIGHT + 3 * QUARTER)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(str, id="space"),
        pytest.param(datetime.isoformat, id="iso"),
        pytest.param(lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"), id="z"),
        pytest.param(lambda at: at.astimezone(BERLIN).isoformat(), id="offset"),
        pytest.param(lambda at: at.astimezone(BERLIN).replace(tzinfo=None), id="local"),
        pytest.param(datetime.timestamp, id="seconds"),
        pytest.param(lambda at: int(at.timestamp() * 1000), id="milliseconds"),
        pytest.param(lambda at: at, id="datetime"),
    ],
)
def test_the_ways_in_which_sources_write_times_are_understood(write: Any) -> None:
    given = [{"start": write(MIDNIGHT + n * HOUR), "price": 0.1} for n in range(3)]
    assert read(given).start == MIDNIGHT
    assert read(given).end == MIDNIGHT + 3 * HOUR


def test_rows_may_be_pairs_or_an_object_by_time() -> None:
    by_time = {(MIDNIGHT + n * HOUR).isoformat(): str(n) for n in range(3)}
    assert read(by_time) == read(list(by_time.items()))
    assert [slot.value for slot in read(by_time)] == [0.0, 1.0, 2.0]


def test_values_are_divided_into_our_unit() -> None:
    assert read(rows(MIDNIGHT, [80.0]), 1000.0).slots[0].value == 0.08


def test_a_value_that_is_null_is_a_hole_and_not_a_longer_price_before_it() -> None:
    given = rows(MIDNIGHT, [0.1, 0.2, 0.3, 0.4], keys=("start", None, "price"))
    given[1]["price"] = None
    assert read(given).holes(MIDNIGHT, MIDNIGHT + HOUR) == [
        (MIDNIGHT + QUARTER, MIDNIGHT + 2 * QUARTER)
    ]


def test_quarters_may_follow_hours_and_hours_quarters() -> None:
    keys = ("start", None, "price")
    for first, then in ((HOUR, QUARTER), (QUARTER, HOUR)):
        half = rows(MIDNIGHT, [0.1] * 5, first, keys=keys)
        end = MIDNIGHT + 5 * first
        series = read(half + rows(end, [0.2] * 5, then, keys=keys))
        assert series.holes(MIDNIGHT, end + 5 * then) == []
        assert series.end == end + 5 * then


@pytest.mark.parametrize(
    ("day", "quarters"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-11-23", 96)]
)
def test_local_times_without_offset_cover_days_on_which_clocks_change(
    day: str, quarters: int
) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    end = (start + DAY).astimezone(UTC)
    times = [
        (start.astimezone(UTC) + n * QUARTER).astimezone(BERLIN).replace(tzinfo=None)
        for n in range(quarters)
    ]
    series = read([{"start": at.isoformat(), "price": 0.1} for at in times])
    assert len(series) == quarters
    assert series.holes(start.astimezone(UTC), end) == []


@pytest.mark.parametrize(
    "given",
    [
        None,
        5,
        "prices",
        [[]],
        [5],
        [{"start": "2026-01-01"}],
        [{"price": 5}],
        [{"start": "soon", "price": 5}],
        [{"start": None, "price": 5}],
        [{"start": True, "price": 5}],
        [{"start": 1e20, "price": 5}],
        [{"start": "0001-01-01", "price": 5}],
        [{"start": "9999-12-31T23:59", "price": 5}],
        [{"start": "2026-01-01", "price": "cheap"}],
        [{"start": "2026-01-01", "price": [1]}],
        [{"start": "2026-01-01", "price": float("inf")}],
        [{"start": "2026-01-01", "price": 10**400}],
        [{"start": "2026-01-02", "end": "2026-01-01", "price": 1}],
        [{"start": 0, "price": 1}] * (MOST_ROWS + 1),
        [{"start": "2001-01-01", "price": 1}, {"start": "2098-01-01", "price": 1}],
    ],
)
def test_what_are_no_rows_is_said_to_be_unreadable(given: object) -> None:
    with pytest.raises(SignalError) as caught:
        read(given)
    assert caught.value.key == "payload_unexpected"
    assert len(caught.value.details["what"]) < 200


@pytest.mark.parametrize("given", [[], {}, [{"start": "2026-01-01", "price": None}]])
def test_no_rows_are_no_data(given: object) -> None:
    with pytest.raises(SignalError) as caught:
        read(given)
    assert caught.value.key == "no_data"


# Units


@pytest.mark.parametrize(
    ("text", "currency", "divisor"),
    [
        ("EUR/kWh", "EUR", 1.0),
        ("€/kWh", "EUR", 1.0),
        ("EUR / MWh", "EUR", 1000.0),
        ("Eur/MWh", "EUR", 1000.0),
        ("SEK/kWh", "SEK", 1.0),
        ("CHF_kWh", "CHF", 1.0),
        ("ct/kWh", None, 100.0),
        ("c€/kWh", "EUR", 100.0),
        ("p/kWh", "GBP", 100.0),
        ("£/kWh", "GBP", 1.0),
        ("öre/kWh", None, 100.0),
        ("currency/MWh", None, 1000.0),
        ("EUR/Wh", "EUR", 0.001),
    ],
)
def test_units_of_price_are_understood(text: str, currency: str | None, divisor: float) -> None:
    assert price_unit(text) == PriceUnit(currency, divisor)


@pytest.mark.parametrize("text", ["", "kWh", "EUR", "EUR/m³", "W", "12/kWh", "a b/kWh", "/kWh"])
def test_what_is_no_unit_of_price_is_not_guessed_at(text: str) -> None:
    assert price_unit(text) is None


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("gCO2eq/kWh", 1.0),
        ("g/kWh", 1.0),
        ("kg/kWh", 1000.0),
        ("kgCO2/MWh", 1.0),
        ("lbs/MWh", 0.453592),
        ("%", None),
        (None, None),
        (5, None),
    ],
)
def test_units_of_carbon_are_understood(text: object, factor: float | None) -> None:
    found = carbon_factor(text)
    assert found == (None if factor is None else pytest.approx(factor))


# Attributes


def prices(attributes: dict[str, Any], **more: Any) -> Series:
    """Return the prices in an entity's attributes."""
    return read_price_attributes(attributes, now=NOW, zone=BERLIN, **more).series


TODAY, TOMORROW = rows(MIDNIGHT, [0.1] * 96), rows(MIDNIGHT + DAY, [0.2] * 96)


@pytest.mark.parametrize(
    "attributes",
    [
        {"raw_today": TODAY, "raw_tomorrow": TOMORROW},
        {"prices_today": TODAY, "prices_tomorrow": TOMORROW},
        {"prices": TODAY + TOMORROW, "prices_today": None},
        {"data": TODAY + TOMORROW},
        {"rates": TODAY + TOMORROW},
        {"forecast": TODAY + TOMORROW},
        {"prices": {row["start"]: row["price"] for row in TODAY + TOMORROW}},
    ],
)
def test_lists_are_found_under_the_usual_names(attributes: dict[str, Any]) -> None:
    series = prices({"unit_of_measurement": "EUR/kWh", **attributes})
    assert len(series) == 192
    assert series.holes(MIDNIGHT, MIDNIGHT + 2 * DAY) == []


def test_tomorrow_may_not_be_there_yet() -> None:
    attributes = {"raw_today": TODAY, "raw_tomorrow": [], "unit_of_measurement": "EUR/kWh"}
    assert len(prices(attributes)) == 96


def test_the_unit_comes_from_the_entity_and_the_users_word_is_stronger() -> None:
    attributes = {"data": rows(MIDNIGHT, [80.0]), "unit_of_measurement": "EUR/MWh"}
    quote = read_price_attributes(attributes, now=NOW, zone=BERLIN)
    assert (quote.series.slots[0].value, quote.currency) == (0.08, "EUR")
    assert prices(attributes, unit="ct/kWh").slots[0].value == 0.8


def test_the_name_of_a_value_may_say_its_unit() -> None:
    keys = ("start_time", "end_time", "price_ct_per_kwh")
    attributes = {"data": rows(MIDNIGHT, [8.0], keys=keys), "unit_of_measurement": "EUR/MWh"}
    assert prices(attributes).slots[0].value == 0.08


def test_the_user_may_name_the_attribute() -> None:
    attributes = {"data": "else", "mine": TODAY, "unit_of_measurement": "EUR/kWh"}
    assert len(prices(attributes, attribute="mine")) == 96


def test_esios_keeps_an_attribute_per_local_hour() -> None:
    hours = {f"price_{hour:02d}h": 0.1 for hour in range(24)}
    tomorrow = {f"price_next_day_{hour:02d}h": 0.2 for hour in range(24)}
    attributes = {"unit_of_measurement": "€/kWh", "price_ratio": 0.4, **hours, **tomorrow}
    series = prices(attributes)
    assert series.holes(MIDNIGHT, MIDNIGHT + 2 * DAY) == []
    assert series.at(MIDNIGHT + DAY) == series.slots[24]


def test_esios_has_the_hour_twice_when_clocks_go_back() -> None:
    hours = {f"price_{hour:02d}h": 0.1 for hour in range(24)} | {"price_02h_d": 0.9}
    night = datetime(2026, 10, 25, 0, 0, tzinfo=BERLIN)
    quote = read_price_attributes(
        {"unit_of_measurement": "€/kWh", **hours}, now=night + timedelta(hours=12), zone=BERLIN
    )
    assert len(quote.series) == 25
    assert quote.series.slots[3].value == 0.9
    assert quote.series.holes(quote.series.slots[0].start, quote.series.slots[-1].end) == []


@pytest.mark.parametrize(
    ("attributes", "more", "key", "field"),
    [
        ({"data": TODAY}, {}, "unit_missing", "unit"),
        ({"data": TODAY, "unit_of_measurement": "°C"}, {}, "unit_unknown", "unit"),
        ({"data": TODAY}, {"unit": "apples"}, "unit_unknown", "unit"),
        ({"unit_of_measurement": "EUR/kWh"}, {}, "entity_without_series", "entities"),
        (
            {"unit_of_measurement": "EUR/kWh"},
            {"attribute": "mine"},
            "attribute_missing",
            "attribute",
        ),
        (
            {"unit_of_measurement": "EUR/kWh", "mine": 5},
            {"attribute": "mine"},
            "payload_unexpected",
            None,
        ),
    ],
)
def test_what_is_wrong_with_an_entity_is_said_at_the_field_that_helps(
    attributes: dict[str, Any], more: dict[str, str], key: str, field: str | None
) -> None:
    with pytest.raises(SignalError) as caught:
        prices(attributes, **more)
    assert (caught.value.key, caught.value.field) == (key, field)


def test_carbon_attributes_are_a_forecast_where_there_is_one() -> None:
    attributes = {
        "forecast": rows(MIDNIGHT, [300.0], HOUR, keys=("datetime", None, "carbonIntensity"))
    }
    series = read_carbon_attributes(attributes, zone=BERLIN)
    assert [(slot.value, slot.kind) for slot in series] == [(300.0, Kind.FORECAST)]
    assert not read_carbon_attributes({"country_code": "DE"}, zone=BERLIN)
    assert not read_carbon_attributes({"data": [1, 2]}, zone=BERLIN)
    with pytest.raises(SignalError):
        read_carbon_attributes({"data": [1, 2]}, zone=BERLIN, attribute="data")
