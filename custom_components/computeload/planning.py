"""The planner inside Home Assistant: what it is made from, when it runs, what it says.

The plan is made off the event loop, every few minutes and when load, prices or settings are
no longer those of the last one. A plan that is late or fails leaves the last one in force;
without any, the control law still keeps the window's budget and all limits.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
import math
from typing import Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
import numpy as np

from .const import DOMAIN, LOGGER
from .coordinator import ComputeLoadConfigEntry
from .core.learning import learn
from .core.ledger import Quarter, Role
from .core.ledger_db import LedgerError
from .core.ledger_read import Column, History
from .core.plan import Floats, Plan, PlanError, PlanProblem
from .core.planner import HAS_OPTIMISER
from .core.planning import STEP_S, Band, SitePlanning
from .core.site import Strategy
from .core.so_far import SoFar
from .core.tariff import ChargeState, already_paid_w
from .core.window import window_start
from .plan_inputs import InputsOf, PlanInputs
from .trouble import Trouble

EVERY: Final = timedelta(minutes=5)
"""A plan is renewed at least this often, on the site's clock."""
APART: Final = timedelta(minutes=1)
"""A load that surprises renews it no more often than this."""
SURPRISE: Final = 0.05
"""A load that differs from the plan by this share of the batteries' power asks for a new one."""
OUTDATED: Final = timedelta(hours=2)
"""A plan that is older is not followed any more: too much was not foreseen."""
REMEMBERED: Final = timedelta(days=400)
"""So much of the ledger is learned from; a year, because some charges look at one."""
AHEAD: Final = 4
"""For so many windows it is worked out in advance what is paid in them already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanData:
    """The plan as published, and what else is known from making it."""

    plan: Plan | None = None
    problem: PlanProblem | None = None
    """What the plan was made from."""
    strategy: Strategy = Strategy.AUTOMATIC
    """What it is made for; where the strategy in force follows no plan, it only advises."""
    charges: tuple[ChargeState, ...] = ()
    """Where each demand charge stood when the plan was made."""
    billed_w: float | None = None
    paid_w: dict[datetime, float] = field(default_factory=dict)
    """By window: the mean that costs nothing more. Empty without demand charges."""
    errors: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)
    """Of load and PV, per lead in steps: the forecast's mean absolute error, persistence's."""
    load_band: Band | None = None
    """Where the load will probably be; None while nothing is known of it."""


class PlanningCoordinator(DataUpdateCoordinator[PlanData]):
    """Makes one site's plans."""

    config_entry: ComputeLoadConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
        """Prepare; ``async_start`` comes when devices, signals and ledger are there."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=f"{entry.title} plan",
            update_interval=None,
            always_update=False,
        )
        self.data = PlanData()
        runtime = entry.runtime_data
        self._clock = runtime.clock
        self._controller = runtime.controller
        self._inputs = InputsOf(entry)
        self._signals = runtime.signals
        self._ledger = runtime.ledger
        self._tariff = runtime.tariff
        self._planning: SitePlanning | None = None
        self._closed_s = 0
        """The start of the first quarter that the planning has not taken yet."""
        self._so_far = SoFar()
        self._waiting: list[Quarter] = []
        self._busy = asyncio.Lock()
        self._planned_at: datetime | None = None
        self._grounds: tuple[object, ...] = ()
        self._trouble = Trouble(self.name)

    # -- what others ask -----------------------------------------------------------------

    @property
    def plan(self) -> Plan | None:
        """Return the plan in force: the last one, unless it is outdated."""
        plan, now = self.data.plan, self._clock.now()
        return plan if plan is not None and now - plan.made_at < OUTDATED else None

    @property
    def followed(self) -> bool:
        """Tell whether the plan is followed: the strategy does, and there is money to plan with.

        Without prices and without a charge for peaks a plan would see no reason to recharge.
        """
        has_costs = bool(self._tariff.demand) or self._signals.price is not None
        return has_costs and self._controller.settings.strategy.follows_plan

    def plan_to_follow(self) -> Plan | None:
        """Return the plan for the control law."""
        return self.plan if self.followed else None

    def now(self) -> datetime:
        """Return the site's time."""
        return self._clock.now()

    def paid_w(self, at: datetime) -> float | None:
        """Return the mean that costs nothing more in the window that begins at ``at``.

        None where no demand charge says so, or it is not worked out yet.
        """
        return self.data.paid_w.get(at)

    async def async_replan(self) -> PlanData:
        """Plan now, and return what came of it. Raises PlanError."""
        async with self._busy:
            await self._async_plan()
        return self.data

    async def async_reload_history(self) -> None:
        """Learn anew from the ledger, as after a past was brought in."""
        async with self._busy:
            await self._async_learn()

    # -- life ------------------------------------------------------------------------------

    @callback
    def async_start(self) -> None:
        """Learn from the ledger and plan from then on, until the entry unloads."""
        entry = self.config_entry
        self._report_optimiser()
        entry.async_on_unload(self._ledger.async_listen(self._take))
        entry.async_on_unload(self._controller.async_add_listener(self._look))
        entry.async_create_background_task(self.hass, self._async_first(), f"{DOMAIN} {self.name}")

    async def _async_first(self) -> None:
        with self._trouble.survived():
            await self.async_reload_history()
        self._look()

    @callback
    def _take(self, quarters: Iterable[Quarter]) -> None:
        """Take finished quarters; the plan learns from them when it is made next."""
        self._waiting.extend(quarters)

    @callback
    def _look(self) -> None:
        """See how the site is, and plan where the last plan does not fit any more."""
        data, now = self._controller.data, self._clock.now()
        if data.load_power_w is None:
            return
        _, stored_wh = self._inputs.batteries()
        self._so_far.see(now, data.load_power_w, data.pv_power_w or 0.0, stored_wh)
        if self._planning is not None and not self._busy.locked() and self._due(now):
            self.config_entry.async_create_background_task(
                self.hass, self._async_renew(), f"{DOMAIN} {self.name}"
            )

    def _due(self, now: datetime) -> bool:
        if self._planned_at is None or not timedelta(0) <= now - self._planned_at < EVERY:
            return True
        if window_start(self._planned_at) != window_start(now):
            return True
        if self._grounds != self._present_grounds():
            return True
        return now - self._planned_at >= APART and self._surprised(now)

    def _present_grounds(self) -> tuple[object, ...]:
        """Return what else a plan depends on, beside the clock and the load."""
        series = (signal.past for signal in self._signals.series.values())
        operator_w = self._controller.operator_w()
        return (self._controller.settings, operator_w, *map(id, series))

    def _surprised(self, now: datetime) -> bool:
        """Tell whether the site draws something else than was planned for."""
        plan, decision = self.data.plan, self._controller.decision
        step = plan.step(now) if plan is not None else None
        if step is None:
            return True
        if decision is None or decision.natural_w is None:
            return False
        spec, _ = self._inputs.batteries()
        gap_w = abs(decision.natural_w - step.grid_w - step.battery_w)
        return gap_w > max(SURPRISE * spec.discharge_w, 1.0)

    # -- planning --------------------------------------------------------------------------

    async def _async_renew(self) -> None:
        """Make the next plan; whatever goes wrong is told once, and the last plan stays."""
        if self._busy.locked():
            return
        async with self._busy:
            try:
                await self._async_plan()
            except PlanError as err:
                LOGGER.warning("%s: no plan could be made: %s", self.name, err)
                self._planned_at = self._clock.now()
            except Exception as err:  # noqa: BLE001 - control goes on without a plan
                self._trouble.note(err)
                self._planned_at = self._clock.now()

    async def _async_learn(self) -> None:
        """Build the plan's memory from the ledger."""
        until = self._clock.now()
        since = until - REMEMBERED

        def learned() -> tuple[SitePlanning, int]:
            planning = self._fresh()
            try:
                span = self._ledger.reader.span()
                if span is None:
                    return planning, 0
                columns = (Column.LOAD_W, Column.PV_W, Column.IMPORT_W)
                begin = max(since, span[0])
                history = self._ledger.reader.history(columns, begin, min(until, span[1]))
            except LedgerError as err:
                LOGGER.warning("%s: starting without a past: %s", self.name, err)
                return planning, 0
            return planning, _learn(planning, history)

        self._planning, self._closed_s = await self.hass.async_add_executor_job(learned)

    def _fresh(self) -> SitePlanning:
        spec, _ = self._inputs.batteries()
        return SitePlanning(
            tariff=self._tariff,
            battery=spec,
            connection=self._inputs.connection(spec.capacity_wh),
            strategy=Strategy.AUTOMATIC,
        )

    async def _async_plan(self) -> None:
        window = self._so_far.window()
        if self._planning is None or window is None:
            raise PlanError("nothing is known of the site yet")
        planning, now = self._planning, self._inputs.gather(window, self._planning)
        strategy = self._controller.settings.strategy
        spec, _ = self._inputs.batteries()
        planning.battery = spec
        planning.connection = self._inputs.connection(spec.capacity_wh)
        planning.strategy = strategy if strategy.follows_plan else Strategy.AUTOMATIC
        quarters, self._waiting = self._waiting, []
        self._grounds = self._present_grounds()
        self._planned_at = now.at
        data = await self.hass.async_add_executor_job(self._made, planning, quarters, now)
        self.async_set_updated_data(data)

    def _made(
        self, planning: SitePlanning, quarters: Iterable[Quarter], now: PlanInputs
    ) -> PlanData:
        """Take what has happened and make the plan. Blocks for some milliseconds."""
        for quarter in quarters:
            start_s = int(quarter.start.timestamp())
            if start_s >= self._closed_s:
                planning.close(start_s, *(_mean_w(wh) for wh in _closed_wh(quarter)))
                self._closed_s = start_s + STEP_S
        window = now.window
        problem = planning.problem(
            window.start,
            load_now_w=window.load_w,
            pv_now_w=window.pv_w,
            energy_wh=window.stored_wh,
            day_ahead=now.day_ahead,
            carbon_g_per_kwh=now.carbon,
            pv_ahead_w=now.pv_ahead,
            queue=now.queue,
        )
        plan = replace(planning.plan(problem), made_at=now.at)
        windows = [window.start + n * timedelta(seconds=STEP_S) for n in range(AHEAD)]
        charges = [planning.charges(start) for start in windows]
        return PlanData(
            plan=plan,
            problem=problem,
            strategy=planning.strategy,
            charges=charges[0],
            billed_w=planning.billed_w(window.start),
            paid_w={
                start: already_paid_w(each) for start, each in zip(windows, charges, strict=True)
            }
            if any(charges)
            else {},
            errors={"load": planning.load.errors(), "pv": planning.pv.errors()},
            load_band=planning.load_band(problem.step_s, float(problem.load_w[0]))
            if len(planning.load.past)
            else None,
        )

    @callback
    def _report_optimiser(self) -> None:
        issue_id = f"optimiser_missing_{self.config_entry.entry_id}"
        if HAS_OPTIMISER:
            ir.async_delete_issue(self.hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            self.hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="optimiser_missing",
            translation_placeholders={"site": self.config_entry.title},
        )

    @override
    async def _async_update_data(self) -> PlanData:
        return await self.async_replan()


def _learn(planning: SitePlanning, history: History) -> int:
    """Give the planning a past from the ledger; return where it ends, s."""
    load, pv, imported = (
        history.columns[each] for each in (Column.LOAD_W, Column.PV_W, Column.IMPORT_W)
    )
    start_s = int(history.start.timestamp())
    learn(planning, start_s, load, pv, imported)
    return start_s + len(load) * STEP_S


def _closed_wh(quarter: Quarter) -> tuple[float | None, float | None, float | None]:
    """Return a quarter's load, PV and import; None where one is not known."""
    return quarter.load_wh, quarter.energy_wh(Role.PV), quarter.import_wh


def _mean_w(energy_wh: float | None) -> Floats:
    return np.array([math.nan if energy_wh is None else energy_wh * 3600.0 / STEP_S])
