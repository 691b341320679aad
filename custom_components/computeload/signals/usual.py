"""What stands in where nothing is known: what is usual at that time of day."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from statistics import fmean
from typing import Final

from ..core.series import Kind, Series, Slot, Unit

STEP: Final = timedelta(minutes=15)
REMEMBERED: Final = timedelta(days=14)
ENOUGH_DAYS: Final = 2
"""From so many days of the same sort on, working days and weekends are told apart."""
_SATURDAY: Final = 5


def typical_day(past: Series, start: datetime, end: datetime, zone: tzinfo) -> Series:
    """Return a stand-in from ``start`` to ``end``: the mean of the same quarter of past days.

    Working days stand in for working days and weekends for weekends where there are enough
    of them, else all days do. Quarters that no past day has are holes.
    """
    alike: Mapping[tuple[bool, int], list[float]] = defaultdict(list)
    any_day: Mapping[int, list[float]] = defaultdict(list)
    for slot in past:
        at = slot.start
        while at < slot.end:
            weekend, quarter = _when(at, zone)
            alike[weekend, quarter].append(slot.value)
            any_day[quarter].append(slot.value)
            at += STEP
    slots = []
    at = start
    while at < end:
        until = min(at + STEP - timedelta(seconds=at.timestamp() % STEP.total_seconds()), end)
        weekend, quarter = _when(at, zone)
        values = alike.get((weekend, quarter), [])
        if len(values) < ENOUGH_DAYS:
            values = any_day.get(quarter, [])
        if values:
            slots.append(Slot(at, until, fmean(values), Kind.STAND_IN))
        at = until
    return Series(past.unit, tuple(slots))


def _when(at: datetime, zone: tzinfo) -> tuple[bool, int]:
    """Return whether it is a weekend, and the quarter of the local day."""
    local = at.astimezone(zone)
    return local.weekday() >= _SATURDAY, local.hour * 4 + local.minute // 15


def flat(unit: Unit, value: float, start: datetime, end: datetime) -> Series:
    """Return a stand-in that stays as it is now, in quarters."""
    slots = []
    while start < end:
        until = min(start + STEP, end)
        slots.append(Slot(start, until, value, Kind.STAND_IN))
        start = until
    return Series(unit, tuple(slots))
