"""The plan's actions, on a real site with a real plan."""

from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from homeassistant.auth.models import User
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import CONF_TARIFF
from custom_components.computeload.core.plan import Plan, PlanError, PlanReason
from custom_components.computeload.core.plan_io import problem_from_dict
from custom_components.computeload.core.planner import Planner
from custom_components.computeload.planning import PlanningCoordinator

from .test_actions import async_call
from .test_actions_ledger import async_write
from .test_planning import planned

MONTHLY = {"preset": "de_monthly"}


async def test_the_plan_in_force_is_told_step_by_step_to_every_user(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_read_only_user: User
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    context = Context(user_id=hass_read_only_user.id)
    answer = await async_call(hass, "get_plan", context)
    plan, problem = runtime.planning.plan, runtime.planning.data.problem
    assert plan is not None
    assert problem is not None
    assert answer["made_at"] == plan.made_at.isoformat()
    assert (answer["source"], answer["followed"]) == ("optimiser", runtime.planning.followed)
    assert (answer["strategy"], answer["currency"]) == ("automatic", "EUR")
    assert answer["shadow_prices"]["peak_per_kw"] >= 0.0
    assert "inputs" not in answer
    assert len(answer["steps"]) == len(plan.steps)
    for told, step in zip(answer["steps"], plan.steps, strict=True):
        assert datetime.fromisoformat(told["start"]) == step.start
        assert told["battery_kw"] == pytest.approx(step.battery_w / 1000.0, abs=0.001)
        assert told["reason"] in set(PlanReason)
        assert told["reason_in_words"].endswith(".")
        load_kw = told["load_kw"] if told["compute_cap_kw"] is None else told["compute_cap_kw"]
        pv_kw = told["pv_kw"] if told["pv_limit_kw"] is None else told["pv_limit_kw"]
        assert told["grid_kw"] == pytest.approx(load_kw - pv_kw - told["battery_kw"], abs=0.01)
        assert 0.0 <= told["soc"] <= 1.0
        assert told["price_import"] > told["price_export"]


async def test_a_plan_can_be_made_again_from_its_inputs(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    answer = await async_call(hass, "get_plan", include_inputs=True)
    again: Plan = await hass.async_add_executor_job(
        Planner().plan, problem_from_dict(answer["inputs"])
    )
    plan = runtime.planning.plan
    assert plan is not None
    assert again.cost_eur == pytest.approx(plan.cost_eur, abs=1e-6)
    assert len(again.steps) == len(plan.steps)


async def test_planning_anew_answers_with_the_new_plan(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site)
    before = runtime.planning.plan
    answer = await async_call(hass, "replan")
    after = runtime.planning.plan
    assert before is not None
    assert after is not None
    assert after is not before
    assert answer["made_at"] == after.made_at.isoformat()


async def test_a_site_without_a_plan_says_so(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await planned(hass, still_site)
    with (
        patch.object(PlanningCoordinator, "plan", None),
        pytest.raises(HomeAssistantError, match=r"There is no plan for Lab now\. Wait"),
    ):
        await async_call(hass, "get_plan")


async def test_a_plan_that_cannot_be_made_is_told_and_the_last_one_stays(
    hass: HomeAssistant, still_site: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = await planned(hass, still_site)
    before = runtime.planning.plan
    with (
        patch.object(PlanningCoordinator, "_async_plan", side_effect=PlanError("no price")),
        pytest.raises(HomeAssistantError, match="No plan could be made for Lab: no price"),
    ):
        await async_call(hass, "replan")
    assert runtime.planning.plan is before
    assert "Traceback" not in caplog.text


async def test_what_was_imported_is_learned_from_at_once(
    hass: HomeAssistant, still_site: MockConfigEntry, tmp_path: Path
) -> None:
    runtime = await planned(hass, still_site)
    planning = runtime.planning
    now = f"{runtime.clock.now():%Y-%m-%d}"
    hours = [f"{now}T{hour:02}:00,{1 + hour}" for hour in range(6)]
    name = await async_write(hass, tmp_path, "\n".join(["utc,load_kw", *hours]))
    before = planning._planning
    assert before is not None
    assert len(before.load.past) == 0
    await async_call(hass, "import_history", file=name)
    after = planning._planning
    assert after is not None
    assert after.load.past.values[:8].tolist() == pytest.approx([1_000.0] * 4 + [2_000.0] * 4)
    await async_call(hass, "import_history", file=name)
    assert planning._planning is after, "nothing new, nothing to learn"
