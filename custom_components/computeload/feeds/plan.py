"""The plan as columns for a chart."""

import math
from typing import Any, Final

from homeassistant.core import HomeAssistant

from ..const import CONF_CURRENCY
from ..coordinator import ComputeLoadConfigEntry, SiteRuntime
from ..core.plan import Floats
from ..planning import PlanData
from .base import Feed, Payload, unix_ms

TARGET_SHOWN_W: Final = 1e8
"""A target beyond this is none."""


def plan_payload(data: PlanData, currency: str) -> Payload:
    """Return a plan's steps: W, state of charge 0..1, money per kWh, g CO2 per kWh."""
    plan, problem = data.plan, data.problem
    if plan is None or problem is None:
        return {"made": None, "currency": currency, "steps": []}
    unknown = [None] * len(plan.steps)
    band = data.load_band
    rows = zip(
        plan.steps,
        problem.load_w.tolist(),
        unknown if band is None else _rounded(band.low_w),
        unknown if band is None else _rounded(band.high_w),
        problem.pv_w.tolist(),
        problem.import_price.tolist(),
        unknown if problem.carbon_g_per_kwh is None else _rounded(problem.carbon_g_per_kwh),
        strict=True,
    )
    return {
        "made": unix_ms(plan.made_at),
        "source": plan.source.value,
        "strategy": data.strategy.value,
        "currency": currency,
        "steps": [
            {
                "start": unix_ms(step.start),
                "end": unix_ms(step.end),
                "load": round(load_w),
                "low": low_w,
                "high": high_w,
                "pv": round(pv_w),
                "battery": round(step.battery_w),
                "grid": round(step.grid_w),
                "target": round(step.target_w) if step.target_w < TARGET_SHOWN_W else None,
                "soc": round(step.soc, 4),
                "price": round(price, 5),
                "co2": co2,
                "reason": step.reason.value,
            }
            for step, load_w, low_w, high_w, pv_w, price, co2 in rows
        ],
    }


def _rounded(values: Floats) -> list[int | None]:
    return [round(each) if math.isfinite(each) else None for each in values.tolist()]


def _starts(runtime: SiteRuntime) -> list[dict[str, Any]]:
    """Return when waiting jobs begin, as far as their schedulers foresee it."""
    return [
        {"at": unix_ms(job.starts_at), "name": job.name or job.id}
        for cluster in runtime.clusters.values()
        if cluster.data is not None
        for job in cluster.data.queue.pending
        if job.starts_at is not None and not job.held
    ]


async def _async_payload(_: HomeAssistant, entry: ComputeLoadConfigEntry) -> Payload:
    runtime = entry.runtime_data
    payload = plan_payload(runtime.planning.data, entry.data[CONF_CURRENCY])
    return payload | {"jobs": _starts(runtime)}


PLAN: Final = Feed(
    name="plan",
    payload=_async_payload,
    listen=lambda _, entry, news: entry.runtime_data.planning.async_add_listener(news),
)
