"""Series in the attributes of other integrations' entities.

Most keep a list of rows under one of a few names; ESIOS (Spain) keeps one attribute per
local hour. Unit and currency come from the entity, from the name of a value, or from the
user.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
import re
from typing import Any, Final

from ..core.series import Kind, Series, Unit
from .error import SignalError
from .quote import Quote
from .rows import read_rows, series_of, unit_of_rows
from .units import PriceUnit, price_unit
from .values import local_midnight, number

LISTS: Final = (
    ("raw_today", "raw_tomorrow"),
    ("prices_today", "prices_tomorrow"),
    ("prices",),
    ("data",),
    ("rates",),
    ("forecast",),
)
"""Names of the attributes that are lists of rows; the first group with rows is read."""
_PER_HOUR: Final = re.compile(r"price_(?P<next>next_day_)?(?P<hour>[01]\d|2[0-3])h(?P<again>_d)?")


def read_price_attributes(
    attributes: Mapping[str, Any],
    *,
    now: datetime,
    zone: tzinfo,
    unit: str | None = None,
    attribute: str | None = None,
) -> Quote:
    """Return the prices in an entity's attributes.

    ``unit`` and ``attribute`` are what the user has chosen; without them the entity's own
    unit and the usual names count. Raises SignalError, with the field that helps.
    """
    rows = _rows(attributes, attribute)
    told = unit or attributes.get("unit_of_measurement")
    measure = (None if unit else unit_of_rows(rows)) or _unit(told)
    if rows is not None:
        series = read_rows(
            rows, unit=Unit.PRICE, kind=Kind.DAY_AHEAD, zone=zone, divisor=measure.divisor
        )
    else:
        series = _per_hour(attributes, measure, now, zone)
    return Quote(series, measure.currency)


def read_carbon_attributes(
    attributes: Mapping[str, Any], *, zone: tzinfo, attribute: str | None = None
) -> Series:
    """Return the intensity forecast in an entity's attributes, g/kWh; empty without one."""
    try:
        rows = _rows(attributes, attribute)
        if rows is None:
            return Series(Unit.CARBON)
        return read_rows(rows, unit=Unit.CARBON, kind=Kind.FORECAST, zone=zone)
    except SignalError:
        if attribute:
            raise
        return Series(Unit.CARBON)


def _rows(attributes: Mapping[str, Any], attribute: str | None) -> object | None:
    """Return the rows that there are; None where there are none under a usual name."""
    if attribute:
        if attribute not in attributes:
            raise SignalError("attribute_missing", {"attribute": attribute}, field="attribute")
        chosen: object = attributes[attribute]
        return chosen
    for names in LISTS:
        found = [attributes[name] for name in names if attributes.get(name)]
        if found and all(isinstance(rows, list | tuple) for rows in found):
            return [row for rows in found for row in rows]
        if len(found) == 1 and isinstance(found[0], Mapping):
            by_time: object = found[0]
            return by_time
    return None


def _unit(text: object) -> PriceUnit:
    if not isinstance(text, str) or not text:
        raise SignalError("unit_missing", field="unit")
    if (unit := price_unit(text)) is None:
        raise SignalError("unit_unknown", {"unit": text}, field="unit")
    return unit


def _per_hour(
    attributes: Mapping[str, Any], unit: PriceUnit, now: datetime, zone: tzinfo
) -> Series:
    """Return the prices of attributes by local hour; "_d" is the hour that comes twice."""
    points = []
    for name, raw in attributes.items():
        if (match := _PER_HOUR.fullmatch(name)) is None or (value := number(raw)) is None:
            continue
        day = local_midnight(now, zone, 1 if match["next"] else 0).astimezone(zone)
        start = day.replace(hour=int(match["hour"]), fold=1 if match["again"] else 0)
        start_utc = start.astimezone(UTC)
        points.append((start_utc, start_utc + timedelta(hours=1), value / unit.divisor))
    if not points:
        raise SignalError("entity_without_series", field="entities")
    return series_of(points, unit=Unit.PRICE, kind=Kind.DAY_AHEAD)
