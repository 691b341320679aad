"""Answers of the services that are asked directly, apart from ENTSO-E."""

from collections.abc import Mapping
from datetime import UTC, datetime
import json
from typing import Any

from ..core.series import Kind, Unit
from .error import SignalError, unexpected
from .quote import Quote
from .rows import MOST_ROWS, read_rows, series_of
from .units import PriceUnit, price_unit
from .values import moment, number, shown


def read_energy_charts(payload: bytes) -> Quote:
    """Return the day-ahead prices of Energy-Charts' ``/price``."""
    answer = _object(payload)
    unit = _unit(answer.get("unit", "EUR / MWh"))
    points = _columns(answer, "price", unit.divisor)
    note = answer.get("license_info")
    return Quote(
        series_of(points, unit=Unit.PRICE, kind=Kind.DAY_AHEAD),
        unit.currency,
        note if isinstance(note, str) else "",
    )


def read_energy_charts_co2(payload: bytes) -> Quote:
    """Return the intensity of Energy-Charts' ``/co2eq``: measured, and forecast behind that."""
    answer = _object(payload)
    parts = []
    for name, kind in (("co2eq", Kind.MEASURED), ("co2eq_forecast", Kind.FORECAST)):
        if name in answer and (points := _columns(answer, name, 1.0)):
            parts.append(series_of(points, unit=Unit.CARBON, kind=kind))
    if not parts:
        raise SignalError("no_data", field="area")
    return Quote(parts[0].over(parts[-1]))


def read_awattar(payload: bytes) -> Quote:
    """Return the day-ahead prices of aWATTar's ``/v1/marketdata``; hourly ones."""
    rows = _object(payload).get("data")
    if not isinstance(rows, list) or not rows:
        raise SignalError("no_data")
    first = rows[0] if isinstance(rows[0], Mapping) else {}
    unit = _unit(first.get("unit", "EUR/MWh"))
    series = read_rows(rows, unit=Unit.PRICE, kind=Kind.DAY_AHEAD, zone=UTC, divisor=unit.divisor)
    return Quote(series, unit.currency)


def read_uk_carbon(payload: bytes) -> Quote:
    """Return the forecast of the British Carbon Intensity API, national or of a region."""
    data = _object(payload).get("data")
    if isinstance(data, Mapping):
        data = data.get("data")
    if not isinstance(data, list):
        raise unexpected(f"{shown(data)} is not a list")
    rows = []
    for row in data:
        intensity = row.get("intensity") if isinstance(row, Mapping) else None
        if not isinstance(intensity, Mapping):
            raise unexpected(f"{shown(row)} has no intensity")
        rows.append({**row, "intensity": intensity.get("forecast")})
    return Quote(read_rows(rows, unit=Unit.CARBON, kind=Kind.FORECAST, zone=UTC))


def _object(payload: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError) as err:
        raise unexpected("the answer is no JSON") from err
    if not isinstance(answer, dict):
        raise unexpected(f"{shown(answer)} is not an object")
    return answer


def _unit(text: object) -> PriceUnit:
    unit = price_unit(text) if isinstance(text, str) else None
    if unit is None:
        raise unexpected(f"the unit is {shown(text)}")
    return unit


def _columns(
    answer: Mapping[str, Any], name: str, divisor: float
) -> list[tuple[datetime, None, float]]:
    """Return points of a table by columns; those without a value are left out."""
    times, values = answer.get("unix_seconds"), answer.get(name)
    if not isinstance(times, list) or not isinstance(values, list):
        raise unexpected(f"there is no {name}")
    if len(times) != len(values) or len(times) > MOST_ROWS:
        raise unexpected(f"there are {len(values)} values for {len(times)} times")
    return [
        (moment(at, UTC), None, found / divisor)
        for at, value in zip(times, values, strict=True)
        if (found := number(value)) is not None
    ]
