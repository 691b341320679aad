"""National public holidays, computed: fixed dates, and dates counted from Easter.

Only days on which a whole country's tariffs rest. Regional ones, bridge days and company
holidays are given to a tariff as dates.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

GOOD_FRIDAY: Final = -2
EASTER_SUNDAY: Final = 0
EASTER_MONDAY: Final = 1
ASCENSION: Final = 39
WHIT_SUNDAY: Final = 49
WHIT_MONDAY: Final = 50
CORPUS_CHRISTI: Final = 60
GREAT_PRAYER_DAY_LAST_YEAR: Final = 2023
_MONDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 4, 5, 6

_FIXED: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "DE": ((1, 1), (5, 1), (10, 3), (12, 25), (12, 26)),
    "NL": ((1, 1), (12, 25), (12, 26)),
    "BE": ((1, 1), (5, 1), (7, 21), (8, 15), (11, 1), (11, 11), (12, 25)),
    "FR": ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)),
    # As the access tariffs have it: fixed dates only, and 6 January
    # (Circular 3/2020 of the CNMC, article 7).
    "ES": ((1, 1), (1, 6), (5, 1), (8, 15), (10, 12), (11, 1), (12, 6), (12, 8), (12, 25)),
    "IT": (
        *((1, 1), (1, 6), (4, 25), (5, 1), (6, 2), (8, 15)),
        *((11, 1), (12, 8), (12, 25), (12, 26)),
    ),
    "AT": (
        *((1, 1), (1, 6), (5, 1), (8, 15), (10, 26)),
        *((11, 1), (12, 8), (12, 25), (12, 26)),
    ),
    "SE": ((1, 1), (1, 6), (5, 1), (6, 6), (12, 25), (12, 26)),
    "NO": ((1, 1), (5, 1), (5, 17), (12, 25), (12, 26)),
    "DK": ((1, 1), (12, 25), (12, 26)),
    "GB": (),
}
_MOVEABLE: Final[dict[str, tuple[int, ...]]] = {
    "DE": (GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
    "NL": (EASTER_SUNDAY, EASTER_MONDAY, ASCENSION, WHIT_SUNDAY, WHIT_MONDAY),
    "BE": (EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
    "FR": (EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
    "ES": (),
    "IT": (EASTER_SUNDAY, EASTER_MONDAY),
    "AT": (EASTER_MONDAY, ASCENSION, WHIT_MONDAY, CORPUS_CHRISTI),
    "SE": (GOOD_FRIDAY, EASTER_SUNDAY, EASTER_MONDAY, ASCENSION, WHIT_SUNDAY),
    "NO": (-3, GOOD_FRIDAY, EASTER_SUNDAY, EASTER_MONDAY, ASCENSION, WHIT_SUNDAY, WHIT_MONDAY),
    "DK": (-3, GOOD_FRIDAY, EASTER_SUNDAY, EASTER_MONDAY, ASCENSION, WHIT_SUNDAY, WHIT_MONDAY),
    "GB": (GOOD_FRIDAY, EASTER_MONDAY),
}
COUNTRIES: Final = tuple(_FIXED)


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - leap_centuries - correction + 15) % 30
    weekday = (32 + 2 * century_rest + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def national_holidays(country: str, year: int) -> frozenset[date]:
    """Return the holidays of a country (ISO code, see ``COUNTRIES``); none if not known."""
    sunday = easter(year)
    days = {date(year, month, day) for month, day in _FIXED.get(country, ())}
    days |= {sunday + timedelta(days=offset) for offset in _MOVEABLE.get(country, ())}
    if special := _SPECIAL.get(country):
        days |= special(year)
    return frozenset(days)


def _first(year: int, month: int, day: int, weekday: int) -> date:
    """Return the first such weekday on or after a date."""
    start = date(year, month, day)
    return start + timedelta(days=(weekday - start.weekday()) % 7)


def _netherlands(year: int) -> set[date]:
    kings_day = date(year, 4, 27)
    return {kings_day - timedelta(days=1) if kings_day.weekday() == _SUNDAY else kings_day}


def _sweden(year: int) -> set[date]:
    return {_first(year, 6, 20, _SATURDAY), _first(year, 10, 31, _SATURDAY)}


def _denmark(year: int) -> set[date]:
    # The Great Prayer Day was a holiday up to and including 2023.
    if year > GREAT_PRAYER_DAY_LAST_YEAR:
        return set()
    return {easter(year) + timedelta(days=26)}


def _great_britain(year: int) -> set[date]:
    """England and Wales, with the substitute days for those that fall on a weekend."""
    new_year, christmas = date(year, 1, 1), date(year, 12, 25)
    days = {
        _first(year, 1, 1, _MONDAY) if new_year.weekday() >= _SATURDAY else new_year,
        _first(year, 5, 1, _MONDAY),
        _first(year, 5, 25, _MONDAY),
        _first(year, 8, 25, _MONDAY),
    }
    shift = {_FRIDAY: (0, 3), _SATURDAY: (2, 3), _SUNDAY: (1, 2)}.get(christmas.weekday(), (0, 1))
    return days | {christmas + timedelta(days=offset) for offset in shift}


_SPECIAL: Final[dict[str, Callable[[int], set[date]]]] = {
    "NL": _netherlands,
    "SE": _sweden,
    "DK": _denmark,
    "GB": _great_britain,
}
