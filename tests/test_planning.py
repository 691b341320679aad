"""The planner inside Home Assistant: a real site, a real plan, followed or not."""

from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import numpy as np
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload import planning as planning_module
from custom_components.computeload.const import CONF_PLANNING, CONF_TARIFF, DOMAIN
from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.core.ledger import EXPORT, IMPORT, Flow, Origin, Quarter
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.plan import PlanError, PlanSource
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.core.window import window_start
from custom_components.computeload.observing import observing
from custom_components.computeload.planning import PlanningCoordinator

from .common import async_wait_for

MONTHLY = {"preset": "de_monthly"}


async def planned(hass: HomeAssistant, entry: MockConfigEntry, **options: object) -> SiteRuntime:
    """Return a site with these options, once its first plan is made."""
    hass.config_entries.async_update_entry(entry, options={**entry.options, **options})
    await hass.async_block_till_done()
    runtime: SiteRuntime = entry.runtime_data
    await async_wait_for(lambda: runtime.planning.data.plan is not None)
    return runtime


def reason(runtime: SiteRuntime) -> Reason | None:
    """Return why the controller does what it does."""
    decision = runtime.controller.decision
    return None if decision is None else decision.reason


def past(runtime: SiteRuntime, days: int) -> list[Quarter]:
    """Return so many days that end with the running quarter: 4 kW, each second hour 5 kW."""
    end = window_start(runtime.clock.now())
    return [
        Quarter(
            start=end - timedelta(minutes=15 * n),
            origin=Origin.IMPORTED,
            flows={IMPORT: Flow(1000.0 + 250.0 * (n // 4 % 2)), EXPORT: Flow(0.0)},
        )
        for n in range(days * 96, 0, -1)
    ]


async def test_a_site_plans_as_soon_as_it_is_known(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    plan = runtime.planning.plan
    assert plan is not None
    assert plan.source is PlanSource.OPTIMISER
    assert plan.steps[0].start == window_start(runtime.clock.now())
    assert plan.end - plan.steps[0].start >= timedelta(hours=44)
    decision = runtime.controller.decision
    assert decision is not None
    assert plan.steps[0].grid_w + plan.steps[0].battery_w == pytest.approx(
        decision.natural_w, abs=50.0
    )
    shown = hass.states.get("sensor.lab_plan")
    assert shown is not None
    assert shown.state == "followed"


async def test_the_controller_follows_the_plan_only_where_the_strategy_does(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    controller = runtime.controller
    await async_wait_for(lambda: reason(runtime) in {Reason.PLAN, Reason.PEAK})
    await controller.async_change(replace(controller.settings, strategy=Strategy.PEAK_SHAVING))
    assert runtime.controller.plan() is None
    await async_wait_for(lambda: reason(runtime) is not Reason.PLAN)


async def test_without_prices_and_charges_there_is_nothing_to_follow(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site)
    assert runtime.controller.settings.strategy is Strategy.AUTOMATIC
    assert runtime.planning.plan is not None
    assert runtime.controller.plan() is None


async def test_a_plan_is_made_for_the_strategy_in_force(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    controller = runtime.controller
    await controller.async_change(replace(controller.settings, strategy=Strategy.ARBITRAGE))
    await async_wait_for(lambda: runtime.planning.data.strategy is Strategy.ARBITRAGE)
    problem = runtime.planning.data.problem
    assert problem is not None
    assert problem.peaks == ()


async def test_without_charges_for_power_the_users_target_is_kept(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site)
    problem = runtime.planning.data.problem
    assert problem is not None
    assert problem.peaks == ()
    assert problem.import_limit_w == runtime.controller.target_w


async def test_what_a_battery_loses_and_wears_is_the_users(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    options = {"efficiency": 81.0, "wear": 0.07, "carbon_price": 40.0}
    runtime = await planned(hass, still_site, **{CONF_PLANNING: options})
    problem = runtime.planning.data.problem
    assert problem is not None
    assert problem.battery.efficiency_charge == pytest.approx(0.9)
    assert problem.battery.wear_eur_per_kwh == 0.07
    assert problem.carbon_eur_per_t == 40.0


async def test_a_past_that_is_brought_in_is_learned_from(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    keeper = runtime.ledger._keeper
    await hass.async_add_executor_job(keeper.bring_in, past(runtime, 4), runtime.clock.now())
    await runtime.planning.async_reload_history()
    planning = runtime.planning._planning
    assert planning is not None
    assert len(planning.load.past) == 4 * 96
    assert np.unique(planning.load.past.values).tolist() == [4000.0, 5000.0]
    data = await runtime.planning.async_replan()
    own_w, persistence_w = data.errors["load"][4]
    assert own_w <= persistence_w
    assert data.billed_w == pytest.approx(5000.0)
    assert next(iter(data.paid_w.values())) == pytest.approx(5000.0)


async def test_finished_quarters_are_taken_once_and_in_order(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    two = past(runtime, 1)[-2:]
    runtime.planning._take(two)
    runtime.planning._take(two)
    await runtime.planning.async_replan()
    planning = runtime.planning._planning
    assert planning is not None
    assert len(planning.load.past) == 2


async def test_a_plan_that_fails_leaves_the_last_one(
    hass: HomeAssistant, still_site: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    before = runtime.planning.plan
    with patch.object(PlanningCoordinator, "_made", side_effect=PlanError("step 3: nonsense")):
        await runtime.planning._async_renew()
    assert runtime.planning.plan is before
    assert "no plan could be made: step 3: nonsense" in caplog.text


async def test_an_outdated_plan_is_not_followed(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    plan = runtime.planning.data.plan
    assert plan is not None
    old = replace(plan, made_at=plan.made_at - timedelta(hours=3))
    runtime.planning.data = replace(runtime.planning.data, plan=old)
    assert runtime.planning.plan is None
    assert runtime.controller.plan() is None


async def test_a_missing_optimiser_is_told(
    hass: HomeAssistant, still_site: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    with patch.object(planning_module, "HAS_OPTIMISER", False):
        await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
        assert issue_registry.async_get_issue(DOMAIN, "optimiser_missing_site") is not None
    await planned(hass, still_site, **{CONF_TARIFF: {"preset": "de_annual"}})
    assert issue_registry.async_get_issue(DOMAIN, "optimiser_missing_site") is None


async def test_a_tariff_that_cannot_be_read_any_more_is_told(
    hass: HomeAssistant, still_site: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: {"preset": "atlantis"}})
    issue = issue_registry.async_get_issue(DOMAIN, "tariff_broken_site")
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert "atlantis" in issue.translation_placeholders["details"]
    assert runtime.tariff.demand == ()


async def test_what_is_planned_is_noted_for_the_ledger(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = await planned(hass, still_site, **{CONF_TARIFF: MONTHLY})
    seen = observing(runtime)()
    plan = runtime.planning.plan
    assert plan is not None
    step = plan.step(runtime.clock.now())
    assert step is not None
    assert (seen.plan_battery_w, seen.plan_grid_w) == (step.battery_w, step.grid_w)
    assert seen.target_w == runtime.controller.data.target_w
    # This lab has no prices, and what is not known is not noted.
    assert seen.price_import is None
