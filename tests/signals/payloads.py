"""Answers as the sources give them, made up for these tests: shapes are real, figures are not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
import json
from typing import Any
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 11, 22, 23, tzinfo=UTC)
"""The local start of 23 November 2026 in Berlin."""
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Point = tuple[int, float]


def iso(at: datetime) -> str:
    """Return a moment as ENTSO-E writes it."""
    return at.strftime("%Y-%m-%dT%H:%MZ")


def entsoe_period(
    start: datetime, end: datetime, resolution: str, points: Sequence[tuple[object, object]]
) -> str:
    """Return one period of a document."""
    rows = "".join(
        f"<Point><position>{position}</position><price.amount>{price}</price.amount></Point>"
        for position, price in points
    )
    return (
        f"<Period><timeInterval><start>{iso(start)}</start><end>{iso(end)}</end></timeInterval>"
        f"<resolution>{resolution}</resolution>{rows}</Period>"
    )


def entsoe_series(*periods: str, sequence: int | None = 1, curve: str = "A03") -> str:
    """Return one auction of a document."""
    name = "classificationSequence_AttributeInstanceComponent.position"
    place = "" if sequence is None else f"<{name}>{sequence}</{name}>"
    return (
        "<TimeSeries><currency_Unit.name>EUR</currency_Unit.name>"
        "<price_Measure_Unit.name>MWH</price_Measure_Unit.name>"
        f"{place}<curveType>{curve}</curveType>{''.join(periods)}</TimeSeries>"
    )


def entsoe(*series: str) -> bytes:
    """Return a document of prices."""
    space = "urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3"
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<Publication_MarketDocument xmlns="{space}"><type>A44</type>'
        f"{''.join(series)}</Publication_MarketDocument>"
    ).encode()


def entsoe_refusal(text: str) -> bytes:
    """Return the document that stands for an error."""
    space = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"
    return (
        f'<Acknowledgement_MarketDocument xmlns="{space}"><Reason><code>999</code>'
        f"<text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    ).encode()


def energy_charts(
    start: datetime, prices: Sequence[float | None], step: timedelta = QUARTER, **more: Any
) -> bytes:
    """Return an answer of Energy-Charts."""
    seconds = [int((start + n * step).timestamp()) for n in range(len(prices))]
    answer = {
        "license_info": "free to use in tests",
        "unix_seconds": seconds,
        "price": list(prices),
        "unit": "EUR / MWh",
        "deprecated": False,
    }
    return json.dumps(answer | more).encode()


def awattar(start: datetime, prices: Sequence[float], unit: str = "Eur/MWh") -> bytes:
    """Return an answer of aWATTar."""
    rows = [
        {
            "start_timestamp": int((start + n * HOUR).timestamp() * 1000),
            "end_timestamp": int((start + (n + 1) * HOUR).timestamp() * 1000),
            "marketprice": price,
            "unit": unit,
        }
        for n, price in enumerate(prices)
    ]
    return json.dumps({"object": "list", "data": rows, "url": "/de/v1/marketdata"}).encode()


def uk_carbon(start: datetime, values: Sequence[int], *, regional: bool = False) -> bytes:
    """Return an answer of the British Carbon Intensity API."""
    half = timedelta(minutes=30)
    rows = [
        {
            "from": iso(start + n * half),
            "to": iso(start + (n + 1) * half),
            "intensity": {"forecast": value, "index": "moderate"},
        }
        for n, value in enumerate(values)
    ]
    return json.dumps({"data": {"regionid": 3, "data": rows} if regional else rows}).encode()


def rows(
    start: datetime,
    values: Sequence[float],
    step: timedelta = QUARTER,
    *,
    keys: tuple[str, str | None, str] = ("start", "end", "price"),
) -> list[dict[str, Any]]:
    """Return rows as actions of integrations respond with them."""
    at, until, value_key = keys
    return [
        {
            at: (start + n * step).isoformat(),
            **({until: (start + (n + 1) * step).isoformat()} if until else {}),
            value_key: value,
        }
        for n, value in enumerate(values)
    ]
