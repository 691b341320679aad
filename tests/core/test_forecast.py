"""Forecasts: honest, never blind to what is now, and as sure as they say."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from custom_components.computeload.core.forecast import DAY, LEADS, Forecaster
from custom_components.computeload.core.forecast_models import pv_models
from custom_components.computeload.core.plan import Floats
from custom_components.computeload.core.tariff import Calendar

START_S = 1_750_000_000 // 86_400 * 86_400
CALENDAR = Calendar(ZoneInfo("Europe/Berlin"))


def forecaster(values: Floats, *, every: int = 4) -> Forecaster:
    """Return a forecaster that has seen all values and was asked every so many steps."""
    result = Forecaster(CALENDAR, at_least=0.0)
    for first in range(0, len(values), every):
        result.extend(START_S + first * 900, values[first : first + every])
        result.forecast(int(LEADS[-1]))
    return result


def office(days: int, noise_w: float = 300.0) -> Floats:
    """Return a load that is high on working hours and noisy."""
    hours = np.arange(days * DAY) % DAY / 4.0
    random = np.random.default_rng(3)
    return np.where((hours > 8) & (hours < 18), 9_000.0, 4_000.0) + random.normal(
        0.0, noise_w, days * DAY
    )


def test_without_history_nothing_is_forecast() -> None:
    with pytest.raises(ValueError, match="no history"):
        Forecaster(CALENDAR).forecast(4)


def test_with_one_step_it_stays_as_it_is() -> None:
    young = Forecaster(CALENDAR)
    young.extend(START_S, np.array([4_200.0]))
    np.testing.assert_allclose(young.forecast(8).mean_w, 4_200.0)


def test_a_daily_pattern_is_learned() -> None:
    seen = forecaster(office(20))
    tomorrow = seen.forecast(DAY).mean_w
    assert np.abs(tomorrow - office(1, 0.0)).mean() < 400.0
    errors = seen.errors()
    assert errors[48][0] < 0.5 * errors[48][1]


def test_what_happens_later_changes_no_forecast() -> None:
    values = office(12)
    seen = forecaster(values[: 10 * DAY])
    changed = values.copy()
    changed[10 * DAY :] += 50_000.0
    again = forecaster(changed[: 10 * DAY])
    np.testing.assert_array_equal(seen.forecast(DAY).mean_w, again.forecast(DAY).mean_w)


def test_an_80_percent_interval_holds_about_80_percent() -> None:
    shares = forecaster(office(40)).coverage()
    assert set(shares) == set(LEADS.tolist())
    for share in shares.values():
        assert 0.75 <= share <= 0.88


def test_an_interval_widens_for_a_load_that_has_become_wilder() -> None:
    calm, wild = office(10, 100.0), office(20, 100.0)
    wild[10 * DAY :] += np.random.default_rng(5).normal(0.0, 3_000.0, 10 * DAY)
    width = [
        float(np.ptp(each.offsets_w[[1, 5], 3]))
        for each in (forecaster(calm).forecast(4), forecaster(wild).forecast(4))
    ]
    assert width[1] > 3.0 * width[0]


def test_quantiles_rise() -> None:
    forecast = forecaster(office(15)).forecast(DAY)
    levels = np.array([forecast.quantile_w(level) for level in (0.05, 0.2, 0.5, 0.8, 0.95)])
    assert (np.diff(levels, axis=0) >= 0.0).all()


def test_a_gap_and_values_that_are_none_are_filled_from_the_day_before() -> None:
    values = office(5)
    seen = Forecaster(CALENDAR)
    seen.extend(START_S, values[: 3 * DAY])
    seen.extend(START_S + 3 * DAY * 900, np.full(DAY, np.nan))
    np.testing.assert_array_equal(seen.past.values[-DAY:], values[2 * DAY : 3 * DAY])
    seen.extend(START_S + 5 * DAY * 900, values[:4])
    assert len(seen.past) == 5 * DAY + 4
    assert np.isfinite(seen.past.values).all()
    with pytest.raises(ValueError, match="must follow"):
        seen.extend(START_S, values[:4])


def test_a_forecast_of_pv_is_never_negative_and_knows_the_night() -> None:
    hours = np.arange(20 * DAY) % DAY / 4.0
    random = np.random.default_rng(2)
    clouds = np.repeat(random.uniform(0.3, 1.0, 20), DAY)
    sun = np.maximum(np.sin((hours - 6.0) / 12.0 * np.pi), 0.0) * 5_000.0 * clouds
    seen = Forecaster(CALENDAR, pv_models, at_least=0.0)
    for first in range(0, len(sun), 4):
        seen.extend(START_S + first * 900, sun[first : first + 4])
        seen.forecast(int(LEADS[-1]))
    ahead = seen.forecast(DAY).mean_w
    assert (ahead >= 0.0).all()
    assert ahead[:16].max() < 50.0
    own, yesterday = seen.errors()[96]
    assert own <= yesterday


def test_a_holiday_is_forecast_like_a_weekend() -> None:
    # Weeks up to Thursday, 2 October 2025: the day after is a holiday in all of Germany, the
    # same Friday as ever without its calendar.
    start_s = 1_756_080_000  # Monday, 2025-08-25
    days = 39
    local_off = np.array([day % 7 >= 5 for day in range(days)])
    hours = np.arange(days * DAY) % DAY / 4.0
    busy = np.repeat(~local_off, DAY) & (hours > 6) & (hours < 16)
    load = np.where(busy, 9_000.0, 4_000.0)
    with_holidays = Forecaster(Calendar(ZoneInfo("Europe/Berlin"), country="DE"))
    without = Forecaster(Calendar(ZoneInfo("Europe/Berlin")))
    for each in (with_holidays, without):
        for first in range(0, len(load), 4):
            each.extend(start_s + first * 900, load[first : first + 4])
            each.forecast(int(LEADS[-1]))
    noon = slice(40, 52)
    holiday, workday = (e.forecast(DAY).mean_w[noon].mean() for e in (with_holidays, without))
    assert holiday < workday - 500.0
