"""A plan's problem goes out as plain data, and comes back as the same problem."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.plan import (
    BatterySpec,
    Deferrable,
    PeakCost,
    PlanError,
    PlanProblem,
)
from custom_components.computeload.core.plan_io import problem_from_dict, problem_to_dict
from custom_components.computeload.core.planner import Planner

from .test_planner import problem

STEPS = 12


def there_and_back(asked: PlanProblem) -> PlanProblem:
    """Return a problem that was written as JSON and read again."""
    return problem_from_dict(json.loads(json.dumps(problem_to_dict(asked), allow_nan=False)))


@st.composite
def problems(draw: st.DrawFn) -> PlanProblem:
    """Return any problem of a few hours."""

    def array(least: float, most: float) -> Any:
        values = draw(st.lists(st.floats(least, most), min_size=STEPS, max_size=STEPS))
        return np.array(values)

    def maybe(value: Any) -> Any:
        return value if draw(st.booleans()) else None

    peak = PeakCost(
        name="month",
        weights=array(0.0, 1.0).round(1),
        levels_w=np.array([draw(st.floats(0.0, 20_000.0)), 30_000.0]),
        rates_eur_per_kw=np.array([draw(st.floats(0.0, 5.0)), 9.0]),
    )
    ceiling = array(0.0, 50_000.0)
    ceiling[0] = np.inf
    capacity_wh = draw(st.floats(0.0, 50_000.0))
    return PlanProblem(
        start=datetime(2026, 3, 29, tzinfo=UTC) + draw(st.integers(0, 96)) * timedelta(minutes=15),
        step_s=np.array([900] * 8 + [3600] * 4, dtype=np.int64),
        load_w=array(0.0, 40_000.0),
        pv_w=array(0.0, 20_000.0),
        import_price=array(-0.1, 0.5),
        export_price=array(-0.1, 0.3),
        battery=BatterySpec(
            capacity_wh=capacity_wh,
            charge_w=draw(st.floats(0.0, 20_000.0)),
            discharge_w=draw(st.floats(0.0, 20_000.0)),
            efficiency_charge=draw(st.floats(0.5, 1.0)),
            wear_eur_per_kwh=draw(st.floats(0.0, 0.1)),
        ),
        energy_wh=draw(st.floats(0.0, 1.0)) * capacity_wh,
        peaks=(peak,) if draw(st.booleans()) else (),
        stored_value=draw(st.floats(0.0, 0.3)),
        charge_ceiling_w=maybe(ceiling),
        import_limit_w=maybe(draw(st.floats(1_000.0, 50_000.0))),
        export_limit_w=maybe(10_000.0),
        reserve_wh=draw(st.floats(0.0, 1.0)) * capacity_wh,
        carbon_g_per_kwh=maybe(array(0.0, 500.0)),
        carbon_eur_per_t=draw(st.floats(0.0, 200.0)),
    )


@settings(max_examples=60, deadline=None)
@given(problems())
def test_a_problem_comes_back_and_gives_the_same_plan_to_the_last_digit(
    asked: PlanProblem,
) -> None:
    again = there_and_back(asked)
    assert problem_to_dict(again) == problem_to_dict(asked)
    assert Planner().plan(again) == Planner().plan(asked)


def test_a_plan_made_warm_costs_what_its_replay_costs() -> None:
    planner = Planner()
    planner.plan(problem(energy_wh=1_000.0))
    warm = planner.plan(problem())
    assert Planner().plan(there_and_back(problem())).cost_eur == pytest.approx(
        warm.cost_eur, abs=1e-6
    )


def test_compute_that_can_wait_comes_back_too() -> None:
    ones = np.ones(len(problem().step_s))
    waiting = Deferrable(most_w=ones, catch_up_w=2.0 * ones, energy_wh=5.0, eur_per_kwh_hour=0.01)
    again = there_and_back(problem(deferrable=waiting))
    assert again.deferrable is not None
    assert again.deferrable.catch_up_w.tolist() == waiting.catch_up_w.tolist()
    assert again.deferrable.energy_wh == 5.0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"start": "soon"}, r"problem\.start: 'soon' cannot be read"),
        ({"load_w": ["much"]}, r"problem\.load_w: .* cannot be read"),
        ({"load_w": 5}, r"problem\.load_w: '5' cannot be read"),
        ({"load_w": [1.0]}, "load_w: one finite value is needed for each of 96 steps"),
        ({"peaks": 5}, r"problem\.peaks: a list is needed"),
        ({"peaks": [5]}, r"problem\.peaks\.0: a mapping is needed"),
        ({"battery": {"capacity_wh": 1.0}}, r"problem\.battery: .*charge_w"),
        ({"battery": {"colour": 1.0}}, r"problem\.battery\.colour is not known"),
        ({"energy_wh": None}, r"problem\.energy_wh: 'None' cannot be read"),
        ({"colour": 1.0}, r"problem\.colour is not known"),
    ],
)
def test_data_that_is_no_problem_is_told_with_its_place(change: Any, told: str) -> None:
    with pytest.raises(PlanError, match=told):
        problem_from_dict(problem_to_dict(problem()) | change)


def test_what_is_no_mapping_is_no_problem() -> None:
    with pytest.raises(PlanError, match="problem: a mapping is needed"):
        problem_from_dict([])  # type: ignore[arg-type]


def test_numbers_keep_all_their_digits() -> None:
    asked = replace(problem(), energy_wh=20_000.0 / 3.0)
    assert there_and_back(asked).energy_wh == 20_000.0 / 3.0
