"""The PV forecast: its steps, its correction by what was measured, and the sun's own."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.series import Kind, Series, Slot, Unit
from custom_components.computeload.signals.correction import LEAST, MOST, Comparison, Correction
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.signals.sun import clear_sky
from custom_components.computeload.signals.wh_hours import read_wh_hours, summed

from .payloads import BERLIN, DAY, HOUR, QUARTER

NOON = datetime(2026, 6, 21, 10, tzinfo=UTC)


def days_of(measured: float, count: int, forecast: float = 1000.0) -> list[Comparison]:
    """Return the same noon hour of some days."""
    return [Comparison(NOON - (count - n) * DAY, forecast, measured) for n in range(count)]


def forecast(value: float = 1000.0, kind: Kind = Kind.FORECAST) -> Series:
    """Return a forecast for the noon hour."""
    return Series(Unit.POWER, (Slot(NOON, NOON + HOUR, value, kind),))


# Correction


def test_without_anything_measured_a_forecast_stays_as_it_is() -> None:
    assert Correction(BERLIN).corrected(forecast()) == forecast()


def test_what_a_forecast_misses_every_day_is_corrected_more_as_it_is_seen_more_often() -> None:
    factors = [Correction(BERLIN, days_of(500.0, n)).factor(NOON) for n in (0, 1, 3, 14)]
    assert factors == sorted(factors, reverse=True)
    assert factors[2] == pytest.approx(0.75)
    assert factors[3] == pytest.approx((14 * 0.5 + 3) / 17)
    series = Correction(BERLIN, days_of(500.0, 3)).corrected(forecast())
    assert series.slots[0].value == pytest.approx(750.0)


def test_one_odd_day_moves_nothing() -> None:
    known = [*days_of(1000.0, 6), Comparison(NOON, 1000.0, 0.0)]
    assert Correction(BERLIN, known).factor(NOON) == 1.0


def test_every_local_hour_has_a_factor_of_its_own() -> None:
    correction = Correction(BERLIN, days_of(500.0, 14))
    assert correction.factor(NOON + 2 * HOUR) == 1.0
    # The same local hour in winter is another hour in UTC.
    assert correction.factor(datetime(2026, 12, 1, 11, tzinfo=UTC)) < 0.7


def test_twilight_says_nothing() -> None:
    known = [*days_of(1000.0, 5), Comparison(NOON - 6 * HOUR, 20.0, 200.0)]
    assert Correction(BERLIN, known).factor(NOON - 6 * HOUR) == 1.0


def test_what_was_measured_is_not_corrected() -> None:
    done = forecast(800.0, Kind.MEASURED)
    assert Correction(BERLIN, days_of(500.0, 9)).corrected(done) == done


def test_what_is_older_than_two_weeks_is_forgotten() -> None:
    correction = Correction(BERLIN, days_of(500.0, 10))
    correction.add(Comparison(NOON + 30 * DAY, 1000.0, 1000.0))
    assert correction.factor(NOON) == 1.0
    assert len(correction.known) == 1


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=20))
def test_a_factor_stays_within_its_bounds(pairs: list[tuple[float, float]]) -> None:
    correction = Correction(BERLIN)
    for n, (expected_w, measured_w) in enumerate(pairs):
        correction.add(Comparison(NOON + n * HOUR, expected_w, measured_w))
    for hour in range(24):
        assert LEAST <= correction.factor(NOON + hour * HOUR) <= MOST


# Forecasts by energy


def test_energy_per_step_becomes_power() -> None:
    half = timedelta(minutes=30)
    answer = {"wh_hours": {(NOON + n * half).isoformat(): 500.0 for n in range(4)}}
    series = read_wh_hours(answer)
    assert {(slot.value, slot.end - slot.start) for slot in series} == {(1000.0, half)}
    assert {slot.kind for slot in series} == {Kind.FORECAST}


def test_nights_that_a_forecast_leaves_out_are_dark() -> None:
    hours = [*range(4), *range(14, 18)]
    answer = {"wh_hours": {(NOON + n * HOUR).isoformat(): 600.0 for n in hours}}
    series = summed([read_wh_hours(answer)])
    assert series.holes(NOON, NOON + 18 * HOUR) == []
    assert series.mean(NOON + 4 * HOUR, NOON + 14 * HOUR) == 0.0
    assert series.integral(NOON, NOON + DAY) == pytest.approx(8 * 600.0)


def test_several_forecasts_are_added_up() -> None:
    one = Series(Unit.POWER, (Slot(NOON, NOON + HOUR, 1000.0, Kind.FORECAST),))
    two = Series(Unit.POWER, (Slot(NOON + 2 * QUARTER, NOON + 2 * HOUR, 500.0, Kind.FORECAST),))
    both = summed([one, two])
    assert [slot.value for slot in both] == [1000.0] * 2 + [1500.0] * 2 + [500.0] * 4


def test_an_answer_without_energy_is_unreadable() -> None:
    with pytest.raises(SignalError):
        read_wh_hours({})


# The sun


def test_the_sun_stands_where_it_should() -> None:
    noon, evening = (datetime(2026, 6, 21, hour, tzinfo=UTC) for hour in (11, 21))
    winter = datetime(2026, 12, 21, 11, tzinfo=UTC)
    assert clear_sky(noon, 50.0, 10.0) == pytest.approx(0.93, abs=0.05)
    assert clear_sky(evening, 50.0, 10.0) == 0.0
    assert 0.15 < clear_sky(winter, 50.0, 10.0) < 0.35
    assert clear_sky(noon, -35.0, -170.0) == 0.0


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - given a zone below
    st.floats(-90, 90),
    st.floats(-180, 180),
)
def test_the_sun_is_never_negative_nor_brighter_than_the_solar_constant(
    at: datetime, latitude: float, longitude: float
) -> None:
    assert 0.0 <= clear_sky(at.replace(tzinfo=UTC), latitude, longitude) < 1.1
