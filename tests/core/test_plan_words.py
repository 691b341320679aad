"""A plan in words."""

from dataclasses import replace

import pytest

from custom_components.computeload.core.plan import Plan, PlanReason
from custom_components.computeload.core.plan_words import sentences
from custom_components.computeload.core.planner import Planner

from .test_planner import problem


@pytest.fixture(name="plan", scope="module")
def plan_fixture() -> Plan:
    """Return a plan of a day with a cheap night and a peak before noon."""
    return Planner().plan(problem())


def test_each_step_has_a_sentence_with_its_own_figures(plan: Plan) -> None:
    said = list(sentences(problem(), plan, "EUR"))
    assert len(said) == len(plan.steps)
    at_ten = plan.steps[40]
    assert at_ten.reason is PlanReason.PEAK
    assert said[40].startswith(f"Discharge {at_ten.battery_w / 1000.0:.1f} kW, so that no more")
    charging = next(n for n, step in enumerate(plan.steps) if step.reason is PlanReason.CHEAP)
    assert said[charging].endswith("a kWh costs 0.100 EUR now, and up to 0.300 EUR later.")


@pytest.mark.parametrize("reason", PlanReason)
def test_every_reason_has_a_sentence(plan: Plan, reason: PlanReason) -> None:
    changed = replace(plan, steps=tuple(replace(step, reason=reason) for step in plan.steps))
    for limit_w in (None, 20_000.0):
        for said in sentences(problem(import_limit_w=limit_w), changed, "CHF"):
            assert said[0].isupper()
            assert said.endswith(".")
            assert "  " not in said


def test_a_reserve_says_how_much_it_is(plan: Plan) -> None:
    first = replace(plan.steps[0], reason=PlanReason.RESERVE, battery_w=-4_000.0)
    alone = replace(plan, steps=(first, replace(first, battery_w=0.0)))
    charge, rest = sentences(problem(reserve_wh=5_000.0), alone, "EUR")
    assert charge == "Charge 4.0 kW: 5.0 kWh are reserved for an outage."
    assert rest == "Rest: 5.0 kWh are reserved for an outage."


def test_feeding_in_is_not_called_drawing(plan: Plan) -> None:
    first = replace(plan.steps[0], reason=PlanReason.PEAK, grid_w=-10.0, battery_w=100.0)
    (said,) = sentences(problem(), replace(plan, steps=(first,)), "EUR")
    assert "no more than 0.0 kW is drawn" in said
