"""Plans: the cheapest that the battery can follow, and a sound one where rules must do."""

from dataclasses import replace
from datetime import UTC, datetime
import subprocess
import sys

import numpy as np
import pytest

from custom_components.computeload.core.plan import (
    BatterySpec,
    Deferrable,
    PeakCost,
    PlanError,
    PlanProblem,
    PlanSource,
)
from custom_components.computeload.core.plan_lp import DispatchLp, Solution
from custom_components.computeload.core.planner import Planner, check

START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
BATTERY = BatterySpec(
    capacity_wh=40_000.0,
    charge_w=20_000.0,
    discharge_w=20_000.0,
    efficiency_charge=0.95,
    efficiency_discharge=0.95,
    soc_min=0.0,
    soc_max=1.0,
    wear_eur_per_kwh=0.02,
)
STEPS = 96


def problem(**changes: object) -> PlanProblem:
    hours = np.arange(STEPS) / 4.0
    base = PlanProblem(
        start=START,
        step_s=np.full(STEPS, 900, dtype=np.int64),
        load_w=np.where((hours >= 10.0) & (hours < 12.0), 25_000.0, 10_000.0),
        pv_w=np.zeros(STEPS),
        import_price=np.where(hours < 6.0, 0.10, 0.30),
        export_price=np.full(STEPS, 0.05),
        battery=BATTERY,
        energy_wh=20_000.0,
        peaks=(
            PeakCost(
                name="month",
                weights=np.ones(STEPS),
                levels_w=np.array([0.0]),
                rates_eur_per_kw=np.array([6.0]),
            ),
        ),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimise", [True, False])
def test_a_plan_is_one_that_the_battery_can_follow(optimise: bool) -> None:
    asked = problem()
    plan = Planner(optimise=optimise).plan(asked)
    check(asked, plan)
    assert plan.source is (PlanSource.OPTIMISER if optimise else PlanSource.RULES)
    assert np.isfinite(plan.cost_eur)


def test_the_optimiser_shaves_the_peak() -> None:
    plan = Planner().plan(problem())
    assert max(step.grid_w for step in plan.steps) < 20_000.0


def test_the_optimiser_is_never_dearer_than_the_rules() -> None:
    asked = problem()
    assert Planner().plan(asked).cost_eur <= Planner(optimise=False).plan(asked).cost_eur + 1e-6


def test_a_warm_plan_is_the_plan_of_a_new_planner() -> None:
    planner = Planner()
    planner.plan(problem(energy_wh=5_000.0))
    again = planner.plan(problem())
    assert again.cost_eur == pytest.approx(Planner().plan(problem()).cost_eur, abs=1e-6)


def test_another_user_of_the_solver_in_the_same_process_does_not_stop_it() -> None:
    # HiGHS has one pool of threads per process, and refuses another number of them later.
    script = """
import highspy, sys
other = highspy.Highs()
other.setOptionValue("threads", 2)
other.run()
from tests.core.test_planner import problem
from custom_components.computeload.core.planner import Planner
sys.exit(Planner().plan(problem()).source.value != "optimiser")
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0  # noqa: S603 - its own interpreter


def test_a_failing_optimiser_is_said_once_and_rules_plan_meanwhile(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: DispatchLp, problem: PlanProblem) -> Solution:
        raise PlanError("no plan")

    monkeypatch.setattr(DispatchLp, "solve", fail)
    planner = Planner()
    assert [planner.plan(problem()).source for _ in range(3)] == 3 * [PlanSource.RULES]
    assert len(caplog.records) == 1


def test_an_export_price_above_the_import_price_does_not_make_it_turn_in_circles() -> None:
    plan = Planner().plan(problem(export_price=np.full(STEPS, 0.90)))
    for step in plan.steps:
        load_w = 25_000.0 if step.start.hour in {10, 11} else 10_000.0
        assert step.grid_w == pytest.approx(load_w - step.battery_w)


def test_a_plan_that_breaks_the_batterys_bounds_is_refused() -> None:
    asked = problem()
    plan = Planner().plan(asked)
    first = replace(plan.steps[0], battery_w=90_000.0)
    with pytest.raises(PlanError, match="battery cannot do"):
        check(asked, replace(plan, steps=(first, *plan.steps[1:])))
    with pytest.raises(PlanError, match="number of steps"):
        check(asked, replace(plan, steps=plan.steps[1:]))


def test_a_battery_that_cannot_be_is_refused() -> None:
    wrongs = ({"capacity_wh": -1.0}, {"efficiency_charge": 0.0}, {"soc_min": 0.9, "soc_max": 0.1})
    for wrong in wrongs:
        with pytest.raises(PlanError):
            replace(BATTERY, **wrong)


def test_a_step_is_found_by_its_time() -> None:
    plan = Planner().plan(problem())
    assert plan.step(START) == plan.steps[0]
    assert plan.step(plan.end) is None


def test_work_that_may_wait_is_put_off_and_caught_up_where_that_is_cheaper() -> None:
    waiting = Deferrable(
        most_w=np.where(np.arange(STEPS) // 8 == 5, 15_000.0, 0.0),
        catch_up_w=np.full(STEPS, 10_000.0),
        energy_wh=30_000.0,
        eur_per_kwh_hour=0.001,
    )
    asked = problem(deferrable=waiting, energy_wh=0.0)
    plan = Planner().plan(asked)
    check(asked, plan)
    capped = [step for step in plan.steps if step.compute_cap_w is not None]
    assert capped
    moved_wh = sum(
        (step.compute_cap_w or 0.0) - load_w
        for step, load_w in zip(plan.steps, asked.load_w, strict=True)
        if step.compute_cap_w is not None
    )
    assert moved_wh == pytest.approx(0.0, abs=50.0)


def test_limits_reserve_and_carbon_are_part_of_the_plan() -> None:
    asked = problem(
        pv_w=np.where(np.arange(STEPS) // 8 == 6, 60_000.0, 0.0),
        import_limit_w=18_000.0,
        export_limit_w=5_000.0,
        reserve_wh=4_000.0,
        carbon_g_per_kwh=np.full(STEPS, 400.0),
        carbon_eur_per_t=80.0,
    )
    plan = Planner().plan(asked)
    check(asked, plan)
    assert min(step.grid_w for step in plan.steps) >= -5_001.0
    assert any(step.pv_limit_w is not None for step in plan.steps)
    assert plan.shadow is not None
    for wrong in ({"energy_wh": float("nan")}, {"load_w": np.zeros(3)}, {"step_s": np.zeros(0)}):
        with pytest.raises(PlanError):
            replace(asked, **wrong)
