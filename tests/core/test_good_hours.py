"""Which hours are good ones."""

from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from custom_components.computeload.core.good_hours import among_the_best
from custom_components.computeload.core.plan import Floats

QUARTER_S = 900
DAY = 96
STEPS = np.full(DAY, QUARTER_S)


def good(prices: Floats) -> list[int]:
    """Return the hours of a day of 96 quarters, repeated, that are good ones."""
    twice, steps = np.tile(prices, 2), np.tile(STEPS, 2)
    return [hour for hour in range(24) if among_the_best(twice, steps, hour * 3600.0 + 1.0) is True]


def by_hour(**hours: float) -> Floats:
    """Return the prices of a day: 30 cents, but for these hours."""
    prices = np.full(24, 0.30)
    for hour, price in hours.items():
        prices[int(hour[1:])] = price
    return np.repeat(prices, 4)


def test_the_cheapest_quarter_of_the_day_is_cheap() -> None:
    assert good(np.repeat(np.linspace(0.4, 0.1, 24), 4)) == [18, 19, 20, 21, 22, 23]


def test_the_low_rate_of_a_tariff_with_two_is_cheap_from_its_begin_to_its_end() -> None:
    night = {f"h{hour}": 0.20 for hour in (22, 23, 0, 1, 2, 3, 4, 5)}
    assert good(by_hour(**night)) == [0, 1, 2, 3, 4, 5, 22, 23]


def test_where_all_hours_cost_about_the_same_none_is_cheap() -> None:
    assert good(by_hour()) == []
    assert good(by_hour(h3=0.29)) == []


def test_negative_prices_are_the_cheapest() -> None:
    assert good(by_hour(h12=-0.05, h13=-0.10)) == [12, 13]


def test_steps_count_by_their_length() -> None:
    # One long dear step, and four short ones: the cheapest hour is little of the day.
    values, steps = np.array([0.1, 0.2, 0.3, 0.4]), np.array([3600, 3600, 3600, 75_600])
    assert among_the_best(values, steps, 0.0) is True
    assert among_the_best(values, steps, 7200.0) is True
    assert among_the_best(values, steps, 10_800.0) is False


@pytest.mark.parametrize("at_s", [-1.0, DAY * QUARTER_S])
def test_nothing_is_said_of_moments_outside(at_s: float) -> None:
    assert among_the_best(np.full(DAY, 0.3), STEPS, at_s) is None


@given(
    arrays(np.float64, 2 * DAY, elements=st.floats(-0.5, 1.0, width=32)),
    st.integers(0, DAY - 1),
)
def test_what_is_cheaper_than_all_that_follows_by_far_is_cheap(prices: Floats, at: int) -> None:
    prices[at] = prices.min() - 1.0
    assert among_the_best(prices, np.tile(STEPS, 2), at * QUARTER_S) is True


@given(arrays(np.float64, DAY, elements=st.floats(-0.5, 1.0, width=32)))
def test_the_dearest_moment_is_never_cheap(prices: Floats) -> None:
    assert among_the_best(prices, STEPS, float(prices.argmax()) * QUARTER_S) is not True
