"""The plan's actions: what is planned, and planning anew."""

from collections.abc import Mapping
import math
from typing import Final

from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from ..const import CONF_CURRENCY
from ..coordinator import ComputeLoadConfigEntry
from ..core.plan import Plan, PlanError, PlanProblem, PlanStep
from ..core.plan_io import problem_to_dict
from ..core.plan_words import sentences
from .base import ActionDescription, Answer, Arguments, failed

CONF_INPUTS: Final = "include_inputs"
_SCHEMA: Final[Mapping[vol.Marker, object]] = {vol.Optional(CONF_INPUTS, default=False): cv.boolean}


async def _async_get(
    hass: HomeAssistant,  # noqa: ARG001 - every handler gets it
    site: ComputeLoadConfigEntry,
    arguments: Arguments,
) -> Answer:
    """Return the plan in force."""
    return _answer(site, arguments)


async def _async_replan(
    hass: HomeAssistant,  # noqa: ARG001 - every handler gets it
    site: ComputeLoadConfigEntry,
    arguments: Arguments,
) -> Answer:
    """Plan now, and return the plan."""
    try:
        await site.runtime_data.planning.async_replan()
    except PlanError as err:
        raise failed("plan_failed", site=site.title, problem=str(err)) from err
    return _answer(site, arguments)


def _answer(site: ComputeLoadConfigEntry, arguments: Arguments) -> Answer:
    planning = site.runtime_data.planning
    plan, problem = planning.plan, planning.data.problem
    if plan is None or problem is None:
        raise failed("no_plan", site=site.title)
    currency: str = site.data[CONF_CURRENCY]
    words = sentences(problem, plan, currency)
    answer: Answer = {
        "made_at": plan.made_at.isoformat(),
        "source": plan.source.value,
        "strategy": planning.data.strategy.value,
        "followed": planning.followed,
        "currency": currency,
        "cost": round(plan.cost_eur, 4),
        "shadow_prices": _shadow(plan),
        "steps": [
            _step(problem, index, step, said)
            for index, (step, said) in enumerate(zip(plan.steps, words, strict=True))
        ],
    }
    if arguments[CONF_INPUTS]:
        answer["inputs"] = problem_to_dict(problem)
    return answer


def _step(problem: PlanProblem, index: int, step: PlanStep, said: str) -> Answer:
    return {
        "start": step.start.isoformat(),
        "end": step.end.isoformat(),
        "battery_kw": _kw(step.battery_w),
        "pv_kw": _kw(float(problem.pv_w[index])),
        "pv_limit_kw": _kw(step.pv_limit_w),
        "load_kw": _kw(float(problem.load_w[index])),
        "compute_cap_kw": _kw(step.compute_cap_w),
        "grid_kw": _kw(step.grid_w),
        "target_kw": _kw(step.target_w),
        "soc": round(step.soc, 4),
        "price_import": round(float(problem.import_price[index]), 5),
        "price_export": round(float(problem.export_price[index]), 5),
        "reason": step.reason.value,
        "reason_in_words": said,
    }


def _shadow(plan: Plan) -> Answer | None:
    """Return what one more of each scarce thing would have been worth, in money."""
    shadow = plan.shadow
    if shadow is None:
        return None
    return {
        "connection_per_kw": round(shadow.connection_eur_per_kw, 5),
        "energy_per_kwh": round(shadow.energy_eur_per_kwh, 5),
        "capacity_per_kwh": round(shadow.capacity_eur_per_kwh, 5),
        "power_per_kw": round(shadow.power_eur_per_kw, 5),
        "peak_per_kw": round(shadow.peak_eur_per_kw, 5),
    }


def _kw(power_w: float | None) -> float | None:
    """Return kW; None for no bound."""
    if power_w is None or not math.isfinite(power_w):
        return None
    # Adding 0.0 makes a negative zero a plain one.
    return round(power_w / 1000.0, 3) + 0.0


PLAN_ACTIONS: Final = (
    ActionDescription(
        name="get_plan",
        schema=_SCHEMA,
        handler=_async_get,
        admin=False,
        supports_response=SupportsResponse.ONLY,
    ),
    ActionDescription(name="replan", schema=_SCHEMA, handler=_async_replan, admin=True),
)
