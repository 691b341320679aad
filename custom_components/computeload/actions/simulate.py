"""The simulation of what might be: the site's own past, with other batteries and tariffs.

It takes minutes, so it runs in a process of its own, one variant after the other, and says by
an event how far it is. One at a time for each site; it ends when it is cancelled, when the
script that asked for it is stopped, and when the site or Home Assistant stops.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
import time
from typing import Final

from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.util.hass_dict import HassKey

from ..const import CONF_CURRENCY, CONF_EXPORT_LIMIT_KW, DOMAIN
from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_db import LedgerError
from ..core.planning import Connection
from ..core.site import Strategy
from ..core.sizing import BatteryOption, Variant, table, variants
from ..core.sizing_past import COLUMNS, Past, PastTooThinError, past_of
from ..plan_inputs import InputsOf
from ..sizing_process import SizingProcess, SizingProcessError
from .base import ActionDescription, Answer, Arguments, failed, wrong
from .ledger import CONF_SINCE, SPAN, async_span
from .sizing_answer import answer_of, name_of
from .sizing_arguments import (
    CONF_BATTERIES,
    CONF_LIFETIME,
    CONF_PV_PEAKS,
    CONF_STRATEGIES,
    CONF_TARIFFS,
    SIZING,
    Names,
    batteries_of,
    tariffs_of,
)

EVENT: Final = f"{DOMAIN}_simulation_progress"
MOST_VARIANTS: Final = 24
MOST_DAYS: Final = 3_660
"""Of all variants together: ten years, some fifteen minutes of a fast machine."""
USUAL_SPAN: Final = timedelta(days=365)
TOLD_EVERY_S: Final = 1.0

RUNNING: HassKey[dict[str, asyncio.Task[Answer]]] = HassKey(f"{DOMAIN}_simulations")
"""The running simulation of each site, by its entry's id."""


@dataclass(slots=True, kw_only=True)
class _Teller:
    """Tells by events how far a simulation is; lives in the executor's thread."""

    hass: HomeAssistant
    site_id: str
    plan: list[Variant]
    told_s: float = float("-inf")

    def hear(self, done: int, share: float) -> None:
        """Hear how many variants are done, and how far the running one is."""
        now_s, count = time.monotonic(), len(self.plan)
        if now_s - self.told_s < TOLD_EVERY_S and done < count:
            return
        self.told_s = now_s
        self.hass.bus.fire(
            EVENT,
            {
                "site": self.site_id,
                "variant": name_of(self.plan[min(done, count - 1)]),
                "done": done,
                "of": count,
                "progress": round((done + share) / count, 3),
            },
        )


async def _async_simulate(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> Answer:
    """Try the variants that are asked for, and return them as a table."""
    running = hass.data.setdefault(RUNNING, {})
    if site.entry_id in running:
        raise failed("simulation_running", site=site.title)
    task = running[site.entry_id] = site.async_create_background_task(
        hass, _async_run(hass, site, arguments), f"{DOMAIN} {site.title} simulation"
    )
    try:
        return await task
    except asyncio.CancelledError as err:
        if (me := asyncio.current_task()) is not None and me.cancelling():
            raise
        raise failed("simulation_cancelled", site=site.title) from err
    finally:
        running.pop(site.entry_id, None)


async def _async_cancel(
    hass: HomeAssistant,
    site: ComputeLoadConfigEntry,
    arguments: Arguments,  # noqa: ARG001 - there are none
) -> Answer:
    """End the site's simulation, if there is one."""
    task = hass.data.get(RUNNING, {}).get(site.entry_id)
    return {"cancelled": task is not None and task.cancel()}


async def _async_run(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> Answer:
    past, tariffs = await _async_past(hass, site, arguments)
    plan = _variants(site, arguments, past, tariffs)
    _check_size(plan, past)
    process, teller = SizingProcess(), _Teller(hass=hass, site_id=site.entry_id, plan=plan)
    try:
        results = await hass.async_add_executor_job(
            process.run, past, plan, _connection(site), teller.hear
        )
    except SizingProcessError as err:
        raise failed("simulation_failed", site=site.title, problem=str(err)) from err
    finally:
        process.stop()
    rows = table(results, arguments[CONF_LIFETIME])
    return answer_of(past, rows, site.data[CONF_CURRENCY])


async def _async_past(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> tuple[Past, Names]:
    """Return the past to try things on, and the tariffs to try."""
    since, until = await async_span(hass, site, arguments)
    if CONF_SINCE not in arguments:
        since = max(since, until - USUAL_SPAN)
    place = {"timezone": hass.config.time_zone, "currency": site.data[CONF_CURRENCY]}
    runtime = site.runtime_data

    def read() -> tuple[Past, Names]:
        own = runtime.tariff
        asked = arguments.get(CONF_TARIFFS)
        tariffs = [(own.id or "own", own)] if asked is None else tariffs_of(asked, **place)
        history = runtime.ledger.reader.history(COLUMNS, since, until)
        return past_of(history, own, _rated_kw(site)), tariffs

    try:
        return await hass.async_add_executor_job(read)
    except PastTooThinError as err:
        raise failed("past_too_thin", problem=str(err)) from err
    except LedgerError as err:
        raise failed("ledger_unreadable", problem=str(err)) from err


def _rated_kw(site: ComputeLoadConfigEntry) -> float | None:
    rated_w = site.runtime_data.signals.pv_rated_w()
    return None if rated_w is None else rated_w / 1000.0


def _variants(
    site: ComputeLoadConfigEntry, arguments: Arguments, past: Past, tariffs: Names
) -> list[Variant]:
    peaks_kw = arguments.get(CONF_PV_PEAKS, [past.pv_peak_kw])
    if past.pv_peak_kw == 0.0 and any(peaks_kw):
        raise wrong("pv_not_measured", CONF_PV_PEAKS, peaks_kw)
    strategies = [Strategy(each) for each in dict.fromkeys(arguments[CONF_STRATEGIES])]
    options = _batteries(site, arguments)
    return list(variants(tariffs, list(dict.fromkeys(peaks_kw)), options, strategies))


def _batteries(site: ComputeLoadConfigEntry, arguments: Arguments) -> list[BatteryOption]:
    if CONF_BATTERIES not in arguments:
        spec, _ = InputsOf(site).batteries()
        if spec.capacity_wh == 0.0:
            raise wrong("batteries_missing", CONF_BATTERIES, None)
        reserve_wh = site.runtime_data.controller.settings.reserve * spec.capacity_wh
        return [BatteryOption(name="as it is", spec=spec, reserve_wh=reserve_wh)]
    settings = site.runtime_data.controller.settings
    return batteries_of(arguments, soc_min=settings.soc_min, reserve=settings.reserve)


def _check_size(plan: list[Variant], past: Past) -> None:
    """Raise ServiceValidationError for a simulation that would take too long."""
    runs = sum(each.battery is not None for each in plan)
    if runs > MOST_VARIANTS:
        raise wrong("variants_too_many", CONF_BATTERIES, runs, most=str(MOST_VARIANTS))
    if runs * past.days > MOST_DAYS:
        raise wrong(
            "simulation_too_long",
            CONF_SINCE,
            f"{past.days:.0f}",
            variants=str(runs),
            most=f"{MOST_DAYS / runs:.0f}",
        )


def _connection(site: ComputeLoadConfigEntry) -> Connection:
    export_kw = site.data.get(CONF_EXPORT_LIMIT_KW)
    return Connection(
        import_limit_w=site.runtime_data.controller.connection_w,
        export_limit_w=None if export_kw is None else export_kw * 1000.0,
    )


SIMULATE_ACTIONS: Final = (
    ActionDescription(
        name="simulate",
        schema={**SIZING, **SPAN},
        handler=_async_simulate,
        admin=True,
        supports_response=SupportsResponse.ONLY,
    ),
    ActionDescription(
        name="cancel_simulation",
        schema={},
        handler=_async_cancel,
        admin=True,
    ),
)
