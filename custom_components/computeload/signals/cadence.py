"""When a source is asked again: seldom while all is known, patiently after a failure."""

from datetime import datetime, timedelta, tzinfo
from typing import Final

from ..core.series import Series
from .error import SignalError
from .sources import HOUR_S, MINUTE_S
from .values import local_midnight

REST_S: Final = 6.0 * HOUR_S
"""How long a source is left alone that has told all it can."""
PUBLISHED_HOUR: Final = 13
"""Local hour from which tomorrow's prices may be there."""
LATE_HOUR: Final = 15
"""Local hour from which tomorrow's prices are missing if they are not there."""
INTO_TOMORROW: Final = timedelta(hours=3)
"""A series that ends this shortly after midnight ends with today: zones differ by hours."""

PASSING: Final = frozenset(
    {
        "source_unreachable",
        "entity_unavailable",
        "integration_missing",
        "no_data",
        "server_error",
        "source_says",
    }
)
"""What often passes by itself, and is worth a word only when it goes on."""
OFTEN: Final = 3


def worth_telling(error: SignalError, in_a_row: int) -> bool:
    """Tell whether the user has to know of a failure that came so often in a row."""
    return in_a_row >= OFTEN or error.key not in PASSING


def tomorrow_missing(series: Series, now: datetime, zone: tzinfo, hour: int = LATE_HOUR) -> bool:
    """Tell whether it is past the local hour and the source has not published tomorrow."""
    if now.astimezone(zone).hour < hour:
        return False
    until = series.known_until
    return until is None or until <= local_midnight(now, zone, 1) + INTO_TOMORROW


def wait_after_success_s(series: Series, now: datetime, zone: tzinfo, every_s: float) -> float:
    """Return how long to wait until the source is asked again, s."""
    local = now.astimezone(zone)
    if every_s < HOUR_S / 4.0 or tomorrow_missing(series, now, zone, PUBLISHED_HOUR):
        return every_s
    opening = local.replace(hour=PUBLISHED_HOUR, minute=0, second=0, microsecond=0)
    left_s = (opening - local).total_seconds()
    return min(REST_S, max(left_s, every_s)) if left_s > 0.0 else REST_S


def wait_after_failure_s(error: SignalError, in_a_row: int, every_s: float) -> float:
    """Return how long to wait after a failure, s: longer each time, an hour at most.

    A source that asks to be left alone is left alone for as long as it says.
    """
    if error.retry_after_s is not None:
        return error.retry_after_s
    return max(min(MINUTE_S * 2.0 ** min(in_a_row - 1, 10), HOUR_S), min(every_s, MINUTE_S))
