"""Moments and numbers as they come in payloads: checked once, here."""

from datetime import UTC, datetime, timedelta, tzinfo
import math
from typing import Final

from .error import unexpected

LARGEST: Final = 1e12
"""No price, power or intensity is beyond this; what is, is no number of ours."""
_MILLISECONDS: Final = 1e11
"""An epoch above this counts milliseconds: as seconds it would be after the year 5000."""
_SHOWN: Final = 40
_YEARS: Final = (2000, 2100)


def shown(value: object) -> str:
    """Return a value for a sentence, shortened."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def number(value: object) -> float | None:
    """Return a number of a payload; None for null.

    Raises SignalError for anything else, not-a-number and infinity included.
    """
    if value is None:
        return None
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise unexpected(f"{shown(value)} is not a number")
    try:
        result = float(value)
    except OverflowError, ValueError:
        raise unexpected(f"{shown(value)} is not a number") from None
    if not math.isfinite(result) or abs(result) > LARGEST:
        raise unexpected(f"{shown(value)} is not a number")
    return result


def moment(value: object, zone: tzinfo, after: datetime | None = None) -> datetime:
    """Return a moment of a payload in UTC: ISO text, epoch in s or ms, or a datetime.

    A time without an offset is taken as local time in ``zone``. The hour that comes twice
    when clocks go back is the second one where it does not come ``after`` the row before.
    Raises SignalError for anything else.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        if isinstance(value, int | float):
            epoch_s = value / 1000.0 if abs(value) > _MILLISECONDS else float(value)
            found = datetime.fromtimestamp(epoch_s, UTC)
        elif isinstance(value, str):
            found = datetime.fromisoformat(value.strip())
        elif isinstance(value, datetime):
            found = value
        else:
            raise TypeError
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone)
            if after is not None and found.astimezone(UTC) <= after:
                found = found.replace(fold=1)
        found = found.astimezone(UTC)
    except ArithmeticError, OSError, TypeError, ValueError:
        raise unexpected(f"{shown(value)} is not a time") from None
    if not _YEARS[0] <= found.year < _YEARS[1]:
        raise unexpected(f"{shown(value)} is not a time of these years")
    return found


def local_midnight(day_of: datetime, zone: tzinfo, days: int = 0) -> datetime:
    """Return the start of a moment's local day in UTC, or of one some days later."""
    day = day_of.astimezone(zone).date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def quarter(at: datetime) -> datetime:
    """Return the start of the quarter of an hour that a moment lies in, UTC."""
    return at.astimezone(UTC).replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
