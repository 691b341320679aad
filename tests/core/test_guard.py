"""What is kept for unforeseen peaks: sized by the past, and only where it pays."""

import numpy as np
import pytest

from custom_components.computeload.core.guard import Guard, best_guard, needs_by_stretch
from custom_components.computeload.core.plan import BatterySpec, Floats

BATTERY = BatterySpec(
    capacity_wh=40_000.0,
    charge_w=10_000.0,
    discharge_w=10_000.0,
    efficiency_charge=1.0,
    efficiency_discharge=1.0,
)
RATE = 20.0


def jumping(days: int, *, hours: float = 2.0, at_quarter: int = 40) -> Floats:
    """Return days at 5 kW with one job of 8 kW more; it comes somewhat later each day."""
    net = np.full((days, 96), 5_000.0)
    for day in range(days):
        begin = at_quarter + day % 7
        net[day, begin : begin + int(hours * 4)] = 13_000.0
    return net.ravel()


def guarded(
    net_w: Floats, *, spread: float = 0.05, free_w: float = 0.0, rate: float = RATE
) -> Guard | None:
    """Return what is guarded for the last twenty days of a period."""
    return best_guard(
        net_w,
        BATTERY,
        free_w=free_w,
        natural_w=float(net_w.max()),
        rate=rate,
        days_left=20.0,
        spread=spread,
    )


def test_a_job_takes_what_is_above_the_level_for_as_long_as_it_lasts() -> None:
    levels = np.array([7_000.0, 9_000.0, 13_000.0])
    needs, days = needs_by_stretch(jumping(16), BATTERY, levels)
    # 2 h at 13 kW are 12 kWh above 7 kW, 8 kWh above 9 kW, and nothing above 13 kW.
    assert needs.max(axis=1).tolist() == pytest.approx([12_000.0, 8_000.0, 0.0])
    assert days == pytest.approx(2.0)


def test_jobs_that_follow_each_other_take_more_than_the_recharge_between_them_gives() -> None:
    net = np.full(96, 5_000.0)
    net[40:48] = net[50:58] = 13_000.0
    needs, _ = needs_by_stretch(net, BATTERY, np.array([7_000.0]))
    # Between both lie two quarters in which 0.92 * 7 kW - 5 kW can be recharged.
    assert needs.max() == pytest.approx(2 * 12_000.0 - 2 * 1_440.0 / 4.0)


def test_a_load_that_jumps_regularly_is_guarded() -> None:
    guard = guarded(jumping(28))
    assert guard is not None
    assert guard.level_w < 8_000.0
    assert 10_000.0 < guard.energy_wh < 38_000.0
    assert guard.gain > 80.0


def test_a_plateau_that_outlasts_the_battery_is_not() -> None:
    assert guarded(jumping(28, hours=20.0, at_quarter=8)) is None


def test_what_earns_more_by_the_price_is_not_kept() -> None:
    assert guarded(jumping(28), spread=0.6, rate=2.0) is None


def test_a_peak_that_is_paid_already_is_not_guarded_against() -> None:
    assert guarded(jumping(28), free_w=13_000.0) is None
    guard = guarded(jumping(28), free_w=11_000.0)
    assert guard is not None
    assert guard.level_w >= 11_000.0


def test_a_load_whose_jumps_grow_is_not_trusted() -> None:
    net = jumping(28).reshape(28, 96)
    for day in range(28):
        net[day, 40 : 42 + day] = 13_000.0
    assert guarded(net.ravel()) is None


@pytest.mark.parametrize("net_w", [np.zeros(0), np.zeros(96), jumping(1)])
def test_too_little_past_guards_nothing(net_w: Floats) -> None:
    assert net_w.size == 0 or guarded(net_w) is None
