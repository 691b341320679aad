"""Local time, clock changes, time classes and holidays."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from custom_components.computeload.core.tariff import (
    COUNTRIES,
    HolidayRule,
    TimeClass,
    national_holidays,
    read_tariff,
)
from custom_components.computeload.core.tariff.calendar import Calendar
from custom_components.computeload.core.tariff.holidays import easter

from .tariff_site import BERLIN, at, demand_items, instants, metered


def calendar(zone: str = BERLIN, country: str = "DE", *holidays: str) -> Calendar:
    head = {"timezone": zone, "country": country, "holidays": list(holidays)}
    return read_tariff({"tariff": head}).calendar


def in_class(mask: TimeClass, *moments: str, holidays: tuple[str, ...] = ()) -> list[bool]:
    site = calendar(BERLIN, "DE", *holidays)
    starts = np.array([round(at(text).timestamp()) for text in moments])
    return [index == 0 for index in site.classify((mask,), site.local(starts)).tolist()]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Europe/London", "Asia/Kolkata", "UTC"])
def test_local_time_is_that_of_the_standard_library_through_a_whole_year(zone: str) -> None:
    site = calendar(zone)
    starts = np.arange(1_767_225_600, 1_767_225_600 + 366 * 86_400, 900 * 7)
    local = site.local(starts)
    for index, second in enumerate(starts.tolist()):
        moment = datetime.fromtimestamp(second, site.zone)
        assert local.minutes[index] == moment.hour * 60 + moment.minute
        assert local.days[index] == (moment.date() - date(1970, 1, 1)).days
        assert local.weekdays[index] == moment.weekday()
        assert local.months[index] == (moment.year - 1970) * 12 + moment.month - 1


@pytest.mark.parametrize(
    ("day", "after", "hours"), [("2026-03-29", "2026-03-30", 23), ("2026-10-25", "2026-10-26", 25)]
)
def test_a_day_of_a_clock_change_has_its_own_number_of_hours(
    day: str, after: str, hours: int
) -> None:
    starts = instants(day, after)
    assert len(starts) == hours * 4
    local = calendar().local(starts)
    assert len(set(local.days.tolist())) == 1
    assert local.minutes[0] == 0
    assert local.minutes[-1] == 23 * 60 + 45


def test_both_hours_between_two_and_three_are_in_the_class_that_names_them() -> None:
    mask = TimeClass(name="x", minutes=((120, 180),))
    site = calendar()
    counts = []
    for day, after in (("2026-03-29", "2026-03-30"), ("2026-10-25", "2026-10-26")):
        classes = site.classify((mask,), site.local(instants(day, after)))
        counts.append(int((classes == 0).sum()))
    assert counts == [0, 8]


def test_a_month_starts_at_local_midnight() -> None:
    month = (2026 - 1970) * 12 + 6
    assert calendar().month_start(month) == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_the_first_class_that_matches_holds() -> None:
    site = calendar()
    classes = (TimeClass(name="noon", minutes=((720, 780),)), TimeClass(name="rest"))
    starts = np.array([round(at(text).timestamp()) for text in ("2026-05-05T12:30", "2026-05-05")])
    assert site.classify(classes, site.local(starts)).tolist() == [0, 1]


def test_hours_over_midnight_reach_into_both_ends_of_the_day() -> None:
    night = TimeClass(name="night", minutes=((1320, 1440), (0, 360)))
    moments = ("2026-05-05T21:45", "2026-05-05T22:00", "2026-05-05T05:45", "2026-05-05T06:00")
    assert in_class(night, *moments) == [False, True, True, False]


def test_holidays_can_be_left_out_or_be_all_there_is() -> None:
    moments = ("2026-05-01T12:00", "2026-05-04T12:00", "2026-05-05T12:00")
    given = ("2026-05-04",)
    out = TimeClass(name="x", holidays=HolidayRule.EXCLUDE)
    only = TimeClass(name="x", holidays=HolidayRule.ONLY)
    assert in_class(out, *moments, holidays=given) == [False, False, True]
    assert in_class(only, *moments, holidays=given) == [True, True, False]


def test_days_can_be_left_out_over_the_new_year() -> None:
    mask = TimeClass(name="x", not_days=(((12, 24), (1, 1)),))
    moments = ("2026-12-23T12:00", "2026-12-24T12:00", "2027-01-01T12:00", "2027-01-02T12:00")
    assert in_class(mask, *moments) == [True, False, False, True]


def test_a_contract_year_starts_in_its_own_month() -> None:
    tariff = read_tariff(
        {
            "tariff": {"timezone": BERLIN},
            "demand": [
                {
                    "name": "peak",
                    "window_min": 15,
                    "period": "contract_year",
                    "start_month": 4,
                    "rate_eur_per_kw": 1,
                }
            ],
        }
    )
    windows = metered("2026-03-30", "2026-04-02", 1.0, {"2026-04-01T00:00": 7.0})
    assert [(period, kw) for (_, period), (kw, _) in demand_items(tariff, windows).items()] == [
        ("2025-04/2026-03", 1.0),
        ("2026-04/2027-03", 7.0),
    ]


@pytest.mark.parametrize(
    ("year", "sunday"),
    [(2024, date(2024, 3, 31)), (2025, date(2025, 4, 20)), (2026, date(2026, 4, 5)),
     (2027, date(2027, 3, 28)), (2038, date(2038, 4, 25)), (2285, date(2285, 3, 22))],
)  # fmt: skip
def test_easter_is_on_the_published_day(year: int, sunday: date) -> None:
    assert easter(year) == sunday


@pytest.mark.parametrize(
    ("country", "day", "is_one"),
    [
        ("DE", date(2026, 10, 3), True),
        ("DE", date(2026, 5, 25), True),  # Whit Monday
        ("DE", date(2026, 1, 6), False),  # in some states only
        ("NL", date(2026, 4, 27), True),
        ("NL", date(2025, 4, 26), True),  # King's Day is not on a Sunday
        ("NL", date(2025, 4, 27), False),
        ("BE", date(2026, 7, 21), True),
        ("FR", date(2026, 7, 14), True),
        ("ES", date(2026, 1, 6), True),
        ("ES", date(2026, 4, 3), False),  # the tariffs know fixed dates only
        ("IT", date(2026, 6, 2), True),
        ("AT", date(2026, 6, 4), True),  # Corpus Christi
        ("SE", date(2026, 6, 20), True),  # Midsummer Day
        ("SE", date(2026, 10, 31), True),
        ("NO", date(2026, 5, 17), True),
        ("NO", date(2026, 4, 2), True),  # Maundy Thursday
        ("DK", date(2023, 5, 5), True),  # the last Great Prayer Day
        ("DK", date(2024, 4, 26), False),
        ("GB", date(2026, 5, 4), True),
        ("GB", date(2026, 8, 31), True),
        ("GB", date(2026, 12, 28), True),  # for Boxing Day, a Saturday
        ("GB", date(2027, 12, 27), True),  # for Christmas Day, a Saturday
        ("GB", date(2027, 12, 28), True),
        ("GB", date(2022, 1, 3), True),  # for New Year's Day, a Saturday
        ("GB", date(2022, 1, 1), False),
    ],
)
def test_national_holidays_are_the_published_ones(country: str, day: date, is_one: bool) -> None:
    assert (day in national_holidays(country, day.year)) is is_one


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_country_rests_on_new_years_day_and_on_easter_monday(country: str) -> None:
    days = national_holidays(country, 2026)
    assert date(2026, 1, 1) in days
    assert (date(2026, 4, 6) in days) is (country != "ES")
