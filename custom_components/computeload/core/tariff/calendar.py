"""The site's own calendar, for whole arrays of window starts at once.

Instants are seconds since 1970 in UTC (int64). Days with 23 or 25 hours need no care:
every instant is put into local time by the offset that holds at that instant.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from .holidays import national_holidays

type Instants = NDArray[np.int64]
type Ints = NDArray[np.int64]

DAY_S: Final = 86_400
DAY_MIN: Final = 1440
_QUARTER_S: Final = 900
_EPOCH: Final = date(1970, 1, 1)
_THURSDAY: Final = 3
"""The weekday of 1970-01-01, with Monday as 0."""
ALL_MONTHS: Final = frozenset(range(1, 13))
ALL_WEEKDAYS: Final = frozenset(range(7))


class HolidayRule(StrEnum):
    """What a holiday means to a time class."""

    ANY = "any"
    EXCLUDE = "exclude"
    ONLY = "only"


type MonthDay = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeClass:
    """A time mask. A window is in the first one that its start matches.

    Masks of one name are one class.
    """

    name: str
    months: frozenset[int] = ALL_MONTHS
    weekdays: frozenset[int] = ALL_WEEKDAYS
    """0 is Monday."""
    minutes: tuple[tuple[int, int], ...] = ((0, DAY_MIN),)
    """Spans of the local day: from, and up to but not including, a minute."""
    holidays: HolidayRule = HolidayRule.ANY
    not_days: tuple[tuple[MonthDay, MonthDay], ...] = ()
    """Spans of the year, ends included, in which the class never matches."""
    weight: float = 1.0
    """What a window's mean is multiplied with before it is compared."""


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Instants in local time, as arrays of one length."""

    days: Ints
    """Days since 1970-01-01."""
    minutes: Ints
    """Minutes since local midnight."""
    weekdays: Ints
    months: Ints
    """Months since January 1970."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """A time zone, and the days on which a tariff takes a holiday."""

    zone: ZoneInfo
    country: str = ""
    holidays: frozenset[date] = field(default_factory=frozenset)
    """On top of the national ones."""

    def local(self, instants: Instants) -> LocalTime:
        """Return the local time of each instant."""
        local_s = instants + self._offsets(instants)
        days = local_s // DAY_S
        return LocalTime(
            days=days,
            minutes=local_s % DAY_S // 60,
            weekdays=(days + _THURSDAY) % 7,
            months=days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64),
        )

    def is_holiday(self, days: Ints) -> NDArray[np.bool_]:
        """Tell for each day (since 1970) whether it is a holiday."""
        if not days.size:
            return np.zeros(0, dtype=np.bool_)
        first, last = (_year(int(day)) for day in (days.min(), days.max()))
        known = {(day - _EPOCH).days for day in self.holidays}
        for year in range(first, last + 1):
            known |= _holiday_numbers(self.country, year)
        return np.isin(days, np.fromiter(known, dtype=np.int64))

    def classify(self, classes: tuple[TimeClass, ...], local: LocalTime) -> Ints:
        """Return the index of the first class that matches each instant; -1 for none."""
        index = np.full(local.days.shape, -1, dtype=np.int64)
        for position in reversed(range(len(classes))):
            index[self._matches(classes[position], local)] = position
        return index

    def month_start(self, month: int) -> datetime:
        """Return the moment (UTC) at which a month (since January 1970) starts."""
        year, index = divmod(month, 12)
        return datetime(1970 + year, index + 1, 1, tzinfo=self.zone).astimezone(UTC)

    def _matches(self, mask: TimeClass, local: LocalTime) -> NDArray[np.bool_]:
        matches = np.ones(local.days.shape, dtype=np.bool_)
        if mask.months != ALL_MONTHS:
            matches &= np.isin(local.months % 12 + 1, list(mask.months))
        if mask.weekdays != ALL_WEEKDAYS:
            matches &= np.isin(local.weekdays, list(mask.weekdays))
        if mask.minutes != ((0, DAY_MIN),):
            table = np.zeros(DAY_MIN, dtype=np.bool_)
            for start, end in mask.minutes:
                table[start:end] = True
            matches &= table[local.minutes]
        if mask.holidays is not HolidayRule.ANY:
            matches &= self.is_holiday(local.days) == (mask.holidays is HolidayRule.ONLY)
        for first, last in mask.not_days:
            month_starts = local.months.astype("datetime64[M]").astype("datetime64[D]")
            day = local.days - month_starts.astype(np.int64) + 1
            number = (local.months % 12 + 1) * 100 + day
            start, end = first[0] * 100 + first[1], last[0] * 100 + last[1]
            inside = (number >= start, number <= end)
            matches &= ~(inside[0] & inside[1] if start <= end else inside[0] | inside[1])
        return matches

    def _offsets(self, instants: Instants) -> Ints:
        days, where = np.unique(instants // DAY_S, return_inverse=True)
        by_day = [_day_offset(self.zone, int(day)) for day in days]
        offsets = np.array([offset or 0 for offset in by_day], dtype=np.int64)[where]
        for position, offset in enumerate(by_day):
            if offset is None:
                inside = where == position
                offsets[inside] = [_offset(self.zone, int(s)) for s in instants[inside]]
        return offsets


@lru_cache(maxsize=8192)
def _day_offset(zone: ZoneInfo, day: int) -> int | None:
    """Return the offset (s) of a whole UTC day; None on a day on which it changes."""
    first, last = (_offset(zone, at) for at in (day * DAY_S, (day + 1) * DAY_S - 1))
    return first if first == last else None


@lru_cache(maxsize=4096)
def _quarter_offset(zone: ZoneInfo, quarter: int) -> int:
    offset = datetime.fromtimestamp(quarter * _QUARTER_S, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _offset(zone: ZoneInfo, at: int) -> int:
    # No zone changes its offset within a quarter of an hour.
    return _quarter_offset(zone, at // _QUARTER_S)


@lru_cache(maxsize=256)
def _holiday_numbers(country: str, year: int) -> frozenset[int]:
    return frozenset((day - _EPOCH).days for day in national_holidays(country, year))


def _year(day: int) -> int:
    return int(np.datetime64(day, "D").astype("datetime64[Y]").astype(np.int64)) + 1970
