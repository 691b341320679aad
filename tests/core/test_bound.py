"""Perfect foresight: cases worked by hand, and the same optimum by the planner's formulation."""

from datetime import UTC, datetime

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.bound import Foresight, PeakCharge, perfect_foresight
from custom_components.computeload.core.plan import BatterySpec, Floats, PeakCost, PlanProblem
from custom_components.computeload.core.plan_lp import DispatchLp


def foresight(
    load_kw: list[float],
    buy: list[float],
    *,
    pv_kw: list[float] | None = None,
    sell: list[float] | None = None,
    capacity_kwh: float = 5.0,
    power_kw: float = 5.0,
    start_kwh: float = 0.0,
    efficiency: float = 1.0,
    wear: float = 0.0,
    peaks: tuple[PeakCharge, ...] = (),
    import_limit_kw: float | None = None,
    export_limit_kw: float | None = None,
) -> Foresight:
    """Return a case of whole hours."""
    n = len(load_kw)
    return Foresight(
        step_h=1.0,
        load_kw=np.array(load_kw),
        pv_kw=np.array(pv_kw or [0.0] * n),
        buy=np.array(buy),
        sell=np.array(sell or [0.0] * n),
        capacity_kwh=capacity_kwh,
        least_kwh=0.0,
        most_kwh=capacity_kwh,
        start_kwh=start_kwh,
        charge_kw=power_kw,
        discharge_kw=power_kw,
        efficiency_charge=efficiency,
        efficiency_discharge=efficiency,
        wear_per_kwh=wear,
        peaks=peaks,
        import_limit_kw=import_limit_kw,
        export_limit_kw=export_limit_kw,
    )


def every(n: int, rate: float, floor_kw: float = 0.0) -> tuple[PeakCharge, ...]:
    return (PeakCharge(np.ones(n), floor_kw, rate),)


@pytest.mark.parametrize(
    ("case", "cost"),
    [
        # 10 + 5 kWh at 0.10, the other 5 of the second hour at 0.50.
        pytest.param(foresight([10, 10], [0.1, 0.5]), 4.0, id="cheap hour"),
        # 5 bought become 4.5 stored and 4.05 given: 15 x 0.1 + 5.95 x 0.5 + 4.05 x 0.05.
        pytest.param(
            foresight([10, 10], [0.1, 0.5], efficiency=0.9, wear=0.05), 4.6775, id="losses and wear"
        ),
        # 0.11 x 0.81 is less than 0.10: nothing is worth doing.
        pytest.param(foresight([10, 10], [0.1, 0.11], efficiency=0.9), 2.1, id="not worth it"),
        # What is stored at the start is used where it is dearest, at 3 kW at most.
        pytest.param(
            foresight([4, 4], [0.2, 0.4], start_kwh=5.0, power_kw=3.0), 0.8, id="start energy"
        ),
        # 4 and 8 kW become 6 and 6: 12 x 0.1 + 6 x 2.
        pytest.param(foresight([4, 8], [0.1, 0.1], peaks=every(2, 2.0)), 13.2, id="flattened"),
        # Up to 7 kW nothing is paid, so 1 kWh is enough.
        pytest.param(foresight([4, 8], [0.1, 0.1], peaks=every(2, 2.0, 7.0)), 1.2, id="floor"),
        # The second hour does not count: 4 kW are billed, and the battery rests.
        pytest.param(
            foresight([4, 8], [0.1, 0.1], peaks=(PeakCharge(np.array([1.0, 0.0]), 0.0, 2.0),)),
            9.2,
            id="mask",
        ),
        # 4 kWh of sun are left over: 3 are stored, 1 sold; 1 kWh is bought later.
        pytest.param(
            foresight([2, 4], [0.3, 0.3], pv_kw=[6, 0], sell=[0.05, 0.05], capacity_kwh=3.0),
            0.25,
            id="sun",
        ),
        # Feeding in costs money: the sun that nobody needs is wasted.
        pytest.param(
            foresight([1], [0.2], pv_kw=[5], sell=[-0.1], capacity_kwh=0.0), 0.0, id="waste"
        ),
        # Never more than 6 kW: 2 kWh are stored before, though that is the dearer hour.
        pytest.param(
            foresight([3, 8], [0.3, 0.1], import_limit_kw=6.0), 5 * 0.3 + 6 * 0.1, id="limit"
        ),
        # Of 4 kW left over only 1 may go out, for 0.1.
        pytest.param(
            foresight([1], [0.2], pv_kw=[5], sell=[0.1], capacity_kwh=0.0, export_limit_kw=1.0),
            -0.1,
            id="export limit",
        ),
        # A feed-in price above the price of import earns no more than that: no circles.
        pytest.param(foresight([2], [0.2], sell=[0.9], capacity_kwh=0.0), 0.4, id="no circles"),
    ],
)
def test_a_case_costs_what_was_worked_out_by_hand(case: Foresight, cost: float) -> None:
    assert perfect_foresight(case).cost == pytest.approx(cost, abs=1e-6)


def test_the_schedule_is_one_that_the_battery_can_follow() -> None:
    case = foresight([4, 8, 2, 9], [0.3, 0.1, 0.2, 0.4], efficiency=0.9, peaks=every(4, 1.0))
    best = perfect_foresight(case)
    power = best.battery_kw
    stored = -np.cumsum(np.where(power > 0.0, power / 0.9, power * 0.9))
    np.testing.assert_allclose(best.stored_kwh, stored, atol=1e-6)
    assert best.stored_kwh.min() >= -1e-9
    assert best.stored_kwh.max() <= 5.0 + 1e-9


def column(least: float, most: float, n: int = 8) -> st.SearchStrategy[Floats]:
    return st.lists(st.floats(least, most), min_size=n, max_size=n).map(
        lambda values: np.round(np.array(values), 3)
    )


@settings(max_examples=40, deadline=None)
@given(
    load=column(0.0, 20.0),
    pv=column(0.0, 15.0),
    buy=column(0.0, 0.5),
    sell=column(-0.1, 0.4),
    capacity=st.sampled_from([0.0, 0.5, 8.0, 500.0]),
    efficiency=st.sampled_from([0.85, 0.95, 1.0]),
    wear=st.sampled_from([0.0, 0.03]),
    rate=st.sampled_from([0.0, 1.0, 20.0]),
)
def test_the_planner_finds_the_same_optimum_where_it_knows_everything(
    *,
    load: Floats,
    pv: Floats,
    buy: Floats,
    sell: Floats,
    capacity: float,
    efficiency: float,
    wear: float,
    rate: float,
) -> None:
    case = foresight(
        load.tolist(),
        buy.tolist(),
        pv_kw=pv.tolist(),
        sell=sell.tolist(),
        capacity_kwh=capacity,
        start_kwh=capacity / 2.0,
        efficiency=efficiency,
        wear=wear,
        peaks=every(len(load), rate),
    )
    problem = PlanProblem(
        start=datetime(2026, 3, 2, tzinfo=UTC),
        step_s=np.full(len(load), 3600, dtype=np.int64),
        load_w=1000.0 * load,
        pv_w=1000.0 * pv,
        import_price=buy,
        export_price=sell,
        battery=BatterySpec(
            capacity_wh=1000.0 * capacity,
            charge_w=5000.0,
            discharge_w=5000.0,
            efficiency_charge=efficiency,
            efficiency_discharge=efficiency,
            wear_eur_per_kwh=wear,
        ),
        energy_wh=500.0 * capacity,
        peaks=(PeakCost("p", np.ones(len(load)), np.array([0.0]), np.array([rate])),),
    )
    planned = DispatchLp(problem).solve(problem)
    # The planner's own tie-breakers are worth far less than this.
    assert planned.objective == pytest.approx(perfect_foresight(case).cost, abs=2e-3)
