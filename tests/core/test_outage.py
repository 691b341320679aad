"""An outage: what the batteries promise, and what is shed so that they keep it."""

import math

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.levers import Lever
from custom_components.computeload.core.outage import (
    CHARGE_LEAD_S,
    WORST_LEVER,
    Promise,
    Stage,
    Supply,
    is_due,
    next_stage,
    reserve_soc,
    reserve_wh,
    spare_s,
    stored_wh,
)
from custom_components.computeload.core.site import BatteryState

HOUR_S = 3600.0
PROMISE = Promise(protect_s=2.0 * HOUR_S, shutdown_s=300.0)


def battery(soc: float | None, capacity_wh: float = 100_000.0) -> BatteryState:
    return BatteryState(
        asset_id="b",
        power_w=0.0,
        soc=soc,
        reading_s=0.0,
        capacity_wh=capacity_wh,
        charge_limit_w=50_000.0,
        discharge_limit_w=50_000.0,
        heartbeat_s=20.0,
    )


def supply(
    stored: float, *, load: float = 40_000.0, protected: float = 10_000.0, **more: float
) -> Supply:
    return Supply(
        stored_wh=stored, discharge_w=50_000.0, load_w=load, protected_w=protected, **more
    )


def test_what_is_stored_ends_at_the_least_state_of_charge_and_loses_on_the_way() -> None:
    batteries = [battery(0.55), battery(None), battery(0.02)]
    assert stored_wh(batteries, soc_min=0.05, efficiency=0.9) == pytest.approx(45_000.0)


def test_how_long_it_lasts() -> None:
    assert supply(20_000.0).runtime_s == 0.5 * HOUR_S
    assert supply(20_000.0).protected_s == 2.0 * HOUR_S
    assert supply(20_000.0, pv_w=40_000.0).runtime_s == math.inf
    # More than the batteries can give at once is more than they can give at all.
    assert supply(20_000.0, load=60_000.0).runtime_s == 0.0


def test_what_is_promised_is_not_spare() -> None:
    # 20 of 35 kWh are promised; the other 15 carry 30 kW for half an hour.
    assert spare_s(supply(35_000.0), PROMISE, 0.0) == 0.5 * HOUR_S
    # An hour later half of the promise is kept.
    assert spare_s(supply(25_000.0), PROMISE, HOUR_S) == 0.5 * HOUR_S
    assert spare_s(supply(15_000.0), PROMISE, 0.0) == 0.0
    # Sun that covers the protected load leaves all that is stored to the rest.
    assert spare_s(supply(15_000.0, pv_w=10_000.0), PROMISE, 0.0) == 0.5 * HOUR_S


@pytest.mark.parametrize(
    ("spare_min", "stage"),
    [
        (60.0, Stage.HOLD),
        (34.0, Stage.CAP),
        (24.0, Stage.DRAIN),
        (14.0, Stage.REQUEUE),
        (4.0, Stage.SHUTDOWN),
    ],
)
def test_what_is_not_protected_is_shed_by_rising_harm(spare_min: float, stage: Stage) -> None:
    stored = 20_000.0 + 30_000.0 * spare_min / 60.0
    assert next_stage(Stage.GRID, supply(stored), PROMISE, 0.0) is stage


def test_a_load_beyond_what_the_batteries_can_give_is_shed_at_once() -> None:
    heavy = supply(200_000.0, load=51_000.0)
    assert next_stage(Stage.GRID, heavy, PROMISE, 0.0) is Stage.SHUTDOWN


def test_the_end_of_the_batteries_is_told_in_time() -> None:
    left = supply(800.0, load=10_000.0)
    assert next_stage(Stage.SHUTDOWN, left, PROMISE, 2.0 * HOUR_S) is Stage.LAST


def test_where_nothing_is_marked_all_is_protected_and_shed_only_at_the_end() -> None:
    whole = supply(40_000.0, protected=40_000.0)
    assert (
        next_stage(Stage.GRID, whole, Promise(protect_s=0.0, shutdown_s=300.0), 0.0) is Stage.HOLD
    )


@given(
    stored=st.lists(st.floats(0.0, 200_000.0), min_size=1, max_size=30),
    pv_w=st.floats(0.0, 60_000.0),
)
def test_a_stage_never_goes_back(stored: list[float], pv_w: float) -> None:
    stage, order = Stage.GRID, list(Stage)
    for minute, energy_wh in enumerate(stored):
        before = stage
        stage = next_stage(stage, supply(energy_wh, pv_w=pv_w), PROMISE, 60.0 * minute)
        assert order.index(stage) >= max(order.index(before), 1)


def test_levers_go_further_with_every_stage_and_no_job_is_lost() -> None:
    levers = [WORST_LEVER[stage] for stage in Stage]
    order = [None, *Lever]
    assert [order.index(each) for each in levers] == sorted(order.index(each) for each in levers)


def test_the_reserve_is_the_promise_and_the_time_to_switch_the_rest_off() -> None:
    # 10 kW for two hours and 30 kW for five minutes.
    assert reserve_wh(10_000.0, 40_000.0, PROMISE) == 22_500.0
    assert reserve_wh(10_000.0, 40_000.0, Promise(protect_s=0.0, shutdown_s=300.0)) == 0.0


@pytest.mark.parametrize(("needed", "soc"), [(0.0, 0.0), (45_000.0, 0.55), (500_000.0, 1.0)])
def test_the_reserve_as_a_state_of_charge(needed: float, soc: float) -> None:
    found = reserve_soc(needed, [battery(0.5)], soc_min=0.05, efficiency=0.9)
    assert found == pytest.approx(soc)
    assert reserve_soc(1.0, [], soc_min=0.05, efficiency=0.9) == 1.0


@given(protected=st.floats(100.0, 30_000.0), minutes=st.floats(5.0, 240.0))
def test_a_reserve_is_what_lasts_for_the_promised_time(protected: float, minutes: float) -> None:
    promise = Promise(protect_s=60.0 * minutes, shutdown_s=300.0)
    needed = reserve_wh(protected, protected, promise)
    kept = [battery(reserve_soc(needed, [battery(1.0, 1e6)], soc_min=0.05, efficiency=0.9), 1e6)]
    energy_wh = stored_wh(kept, soc_min=0.05, efficiency=0.9)
    alone = supply(energy_wh, load=protected, protected=protected)
    assert alone.protected_s == pytest.approx(promise.protect_s, rel=1e-6)


def test_charging_for_a_planned_outage_begins_in_time() -> None:
    start_s = 100_000.0
    # 50 kWh at 50 kW take an hour; half as long again is allowed for, and half an hour more.
    begins_s = start_s - 1.5 * HOUR_S - CHARGE_LEAD_S
    assert not is_due(start_s, begins_s - 1.0, [battery(0.5)])
    assert is_due(start_s, begins_s, [battery(0.5)])
    assert not is_due(start_s, start_s - CHARGE_LEAD_S - 1.0, [battery(1.0)])
