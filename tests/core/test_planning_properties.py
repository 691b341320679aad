"""Whatever the site, its past and the day: there is a plan, and a battery can follow it."""

from datetime import UTC, datetime
import math

from hypothesis import example, given, settings, strategies as st
import numpy as np

from custom_components.computeload.core.plan import BatterySpec, PlanSource
from custom_components.computeload.core.planner import check
from custom_components.computeload.core.planning import Connection, SitePlanning
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.core.tariff import read_tariff

QUARTERS = 44 * 4 + 8
SPRING = datetime(2026, 3, 28, 12, 15, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 21, 0, tzinfo=UTC)
NEW_YEAR = datetime(2026, 12, 31, 13, 45, tzinfo=UTC)
LEAP_DAY = datetime(2028, 2, 28, 23, 30, tzinfo=UTC)

batteries = st.builds(
    BatterySpec,
    capacity_wh=st.sampled_from([0.0, 1.0, 20_000.0, 1e9]),
    charge_w=st.sampled_from([0.0, 10_000.0, 1e8]),
    discharge_w=st.sampled_from([0.0, 10_000.0, 1e8]),
    efficiency_charge=st.sampled_from([0.5, 0.95, 1.0]),
    soc_min=st.sampled_from([0.0, 0.2, 1.0]),
    wear_eur_per_kwh=st.sampled_from([0.0, 0.05]),
)
connections = st.builds(
    Connection,
    import_limit_w=st.sampled_from([None, 0.0, 8_000.0]),
    export_limit_w=st.sampled_from([None, 0.0, 5_000.0]),
    reserve_wh=st.sampled_from([0.0, 5_000.0, 1e7]),
    carbon_eur_per_t=st.sampled_from([0.0, 100.0]),
)


@settings(max_examples=60, deadline=None)
@given(
    now=st.sampled_from([SPRING, AUTUMN, NEW_YEAR, LEAP_DAY]),
    battery=batteries,
    connection=connections,
    strategy=st.sampled_from([Strategy.AUTOMATIC, Strategy.ARBITRAGE, Strategy.PEAK_SHAVING]),
    period=st.sampled_from(["month", "year"]),
    export_adder=st.sampled_from([-0.005, 0.5]),
    history_days=st.sampled_from([0, 1, 4]),
    holes=st.booleans(),
    load_now_w=st.sampled_from([0.0, 9_000.0, 1e6, math.nan]),
    energy_share=st.floats(-0.1, 1.1),
    seed=st.integers(0, 1000),
)
@example(
    now=NEW_YEAR,
    battery=BatterySpec(capacity_wh=0.0, charge_w=0.0, discharge_w=0.0),
    connection=Connection(),
    strategy=Strategy.AUTOMATIC,
    period="year",
    export_adder=0.5,
    history_days=1,
    holes=True,
    load_now_w=math.nan,
    energy_share=0.5,
    seed=1,
)
def test_a_plan_is_always_valid(
    *,
    now: datetime,
    battery: BatterySpec,
    connection: Connection,
    strategy: Strategy,
    period: str,
    export_adder: float,
    history_days: int,
    holes: bool,
    load_now_w: float,
    energy_share: float,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    planning = SitePlanning(
        tariff=read_tariff(
            {
                "tariff": {"timezone": "Europe/Berlin", "country": "DE"},
                "energy": {
                    "import_adder_eur_per_kwh": 0.06,
                    "export_adder_eur_per_kwh": export_adder,
                },
                "demand": [{"window_min": 15, "period": period, "rate_eur_per_kw": 50.0}],
            }
        ),
        battery=battery,
        connection=connection,
        strategy=strategy,
    )
    count = 96 * history_days
    if count:
        load_w = random.uniform(0.0, 12_000.0, count)
        if holes:
            load_w[random.integers(0, count, 20)] = np.nan
        pv_w = np.maximum(random.normal(0.0, 4_000.0, count), 0.0)
        planning.close(int(now.timestamp()) - 900 * count, load_w, pv_w, load_w - pv_w)
    problem = planning.problem(
        now,
        load_now_w=load_now_w,
        pv_now_w=0.0,
        energy_wh=energy_share * battery.capacity_wh,
        day_ahead=random.normal(0.05, 0.15, QUARTERS),
        carbon_g_per_kwh=random.uniform(0.0, 800.0, QUARTERS),
    )
    plan = planning.plan(problem)
    check(problem, plan)
    assert plan.source is PlanSource.OPTIMISER
    assert math.isfinite(plan.cost_eur)
    assert plan.steps[0].start == now
    assert all(a.end == b.start for a, b in zip(plan.steps, plan.steps[1:], strict=False))
    assert all(step.end.minute == 0 for step in plan.steps[20:])
