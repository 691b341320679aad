"""Lists of rows, as actions, entity attributes and most services have them.

A row has a start, mostly a value and sometimes an end, under names that differ from
source to source; they are found by name. Ends that are not given follow from the starts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from ..core.series import Kind, Series, SeriesError, Slot, Unit, joined
from .error import SignalError, unexpected
from .units import PriceUnit, price_unit
from .values import moment, number, shown

MOST_ROWS: Final = 20_000
LONGEST: Final = timedelta(days=100)
"""Nobody is asked for more than a few days: what is longer is garbage."""
HOUR: Final = timedelta(hours=1)

STARTS: Final = (
    "start",
    "start_time",
    "starts_at",
    "startsat",
    "start_timestamp",
    "from",
    "timestamp",
    "time",
    "datetime",
    "period_start",
    "valid_from",
    "date",
    "hour",
)
ENDS: Final = ("end", "end_time", "ends_at", "endsat", "end_timestamp", "to", "till", "valid_to")
VALUES: Final[Mapping[str, str | None]] = {
    "price": None,
    "value": None,
    "total": None,
    "price_per_kwh": "currency/kWh",
    "price_ct_per_kwh": "ct/kWh",
    "value_inc_vat": None,
    "marketprice": None,
    "electricity_price": None,
    "carbonintensity": None,
    "carbon_intensity": None,
    "intensity": None,
    "forecast": None,
}
"""Names of values, and the unit where the name says it."""


def read_rows(
    rows: object, *, unit: Unit, kind: Kind, zone: tzinfo, divisor: float = 1.0
) -> Series:
    """Return the series that rows make: a list of objects or pairs, or an object by time.

    Values are divided by ``divisor``. Rows without a value are left out: a hole. Raises
    SignalError for anything else.
    """
    if isinstance(rows, Mapping):
        rows = list(rows.items())
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise unexpected(f"{shown(rows)} is not a list")
    if len(rows) > MOST_ROWS:
        raise unexpected(f"{len(rows)} rows are too many")
    points: list[tuple[datetime, datetime | None, float]] = []
    before: datetime | None = None
    for row in rows:
        at, end, raw = _pair(row) if not isinstance(row, Mapping) else _object(row)
        before = start = moment(at, zone, before)
        if (value := number(raw)) is not None:
            points.append((start, None if end is None else moment(end, zone), value / divisor))
    return series_of(points, unit=unit, kind=kind)


def unit_of_rows(rows: object) -> PriceUnit | None:
    """Return the unit that the name of the rows' value says; None where it says none."""
    if isinstance(rows, Sequence) and rows and isinstance(rows[0], Mapping):
        names = {str(name).lower() for name in rows[0]}
        found = next((VALUES[name] for name in VALUES if name in names), None)
        return None if found is None else price_unit(found)
    return None


def _pair(row: object) -> tuple[object, object, object]:
    if isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2:  # noqa: PLR2004
        return row[0], None, row[1]
    raise unexpected(f"{shown(row)} has no start and value")


def _object(row: Mapping[str, object]) -> tuple[object, object, object]:
    named = {str(name).lower(): value for name, value in row.items()}
    start, end, value = (
        next((name for name in names if name in named), None) for names in (STARTS, ENDS, VALUES)
    )
    if start is None or value is None:
        raise unexpected(f"a row with {shown(sorted(named))} has no start and value")
    return named[start], named[end] if end is not None else None, named[value]


def series_of(
    points: Iterable[tuple[datetime, datetime | None, float]], *, unit: Unit, kind: Kind
) -> Series:
    """Return the series of points in any order: start, end or None, value.

    Raises SignalError where there is none, or where they contradict each other.
    """
    ordered = sorted(points, key=lambda point: point[0])
    if not ordered:
        raise SignalError("no_data")
    if max(end or start for start, end, _ in ordered) - ordered[0][0] > LONGEST:
        raise unexpected(f"it goes from {ordered[0][0]} on for more than {LONGEST.days} days")
    lasts = _lengths([start for start, _, _ in ordered])
    try:
        return joined(
            unit,
            (
                Slot(start.astimezone(UTC), (end or start + last).astimezone(UTC), value, kind)
                for (start, end, value), last in zip(ordered, lasts, strict=True)
            ),
        )
    except SeriesError as err:
        raise unexpected(str(err)) from err


def _lengths(starts: Sequence[datetime]) -> list[timedelta]:
    """Return how long each value holds, by the distances of the starts.

    A distance counts as a length where it is the usual one or stands beside an equal one;
    else it is a hole behind a value of the usual length.
    """
    apart = [after - start for start, after in pairwise(starts)]
    counted = Counter(step for step in apart if timedelta() < step <= HOUR)
    usual = min(counted, key=lambda step: (-counted[step], step), default=HOUR)
    lengths = [
        step
        if step <= HOUR and step in {usual, *apart[max(n - 1, 0) : n], *apart[n + 1 : n + 2]}
        else min(usual, step)
        for n, step in enumerate(apart)
    ]
    return [*lengths, lengths[-1] if lengths else usual]
