"""All that a plan needs of the past, kept up to date, and the plans made from it.

The same object plans for the live site and for the backtest: closed windows in, plans out.
It keeps the forecasts of load and PV, the book of the demand charges, and the outlook on
each of them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
import math
from typing import Final

import numpy as np

from .forecast import Forecaster
from .forecast_models import pv_models
from .guard import Guard
from .outlook import PeakOutlook
from .plan import BatterySpec, Floats, Ints, PeakCost, Plan, PlanProblem, horizon
from .planner import Planner
from .queue_outlook import QueueOutlook, blended
from .site import Strategy
from .tariff import (
    ChargeState,
    DemandBook,
    DemandTerm,
    Metered,
    Tariff,
    charge_states,
    demand_terms,
    export_price,
    import_price,
)

STEP_S: Final = 900
DAY: Final = 96
_FINE: Final = timedelta(hours=4)
_AHEAD: Final = timedelta(hours=44)
_WEEK: Final = 7 * DAY
_FLAT_SPREAD: Final = 1e-3
_CHEAP: Final = 0.15
_DEAR: Final = 0.85
"""Quantiles of the price between which a battery that earns by it moves its energy."""
_LEAST_GUARD_PRICE: Final = 0.02
"""Per kWh and hour: what is kept for unforeseen peaks is not sold for less than a few hours."""
_BELOW_GUARD: Final = 0.05
"""The chance that a period ends below the level that is guarded."""
_MARGIN_W: Final = 1e-3
_BAND: Final = (0.1, 0.9)
"""Quantiles of the load between which it is four times out of five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What bounds the plan from outside; None: no limit."""

    import_limit_w: float | None = None
    export_limit_w: float | None = None
    reserve_wh: float = 0.0
    carbon_eur_per_t: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Between which powers the load of each step will be, four times out of five; shape (n,)."""

    low_w: Floats
    high_w: Floats


class SitePlanning:
    """Plans for one site. Not thread-safe; everything but ``plan`` is quick.

    ``battery``, ``connection`` and ``strategy`` may be changed between two plans.
    """

    def __init__(
        self,
        *,
        tariff: Tariff,
        battery: BatterySpec,
        connection: Connection,
        strategy: Strategy,
        planner: Planner | None = None,
    ) -> None:
        """Start without any history."""
        self._tariff = tariff
        self.battery, self.connection, self.strategy = battery, connection, strategy
        self._planner = planner or Planner()
        self.load = Forecaster(tariff.calendar, at_least=0.0)
        self.pv = Forecaster(tariff.calendar, pv_models, at_least=0.0)
        self._book = DemandBook(tariff)
        self._outlooks: dict[str, PeakOutlook] = {}
        self._natural_w: dict[tuple[str, datetime], float] = {}
        self._today: list[tuple[Ints, Floats]] = []

    def close(self, start_s: int, load_w: Floats, pv_w: Floats, import_w: Floats) -> None:
        """Take closed windows from ``start_s`` on: means of load, PV and grid import, W.

        The load is what was consumed; import is what the grid meter counted, with the
        battery at work. Where they are not finite nothing is known: load and PV are then
        taken from the day before, and nothing is billed. Windows must follow those taken
        before; gaps between them count as not known.
        """
        starts = start_s + np.arange(len(load_w), dtype=np.int64) * STEP_S
        self.load.extend(start_s, load_w)
        self.pv.extend(start_s, pv_w)
        net_w = self.load.past.values[-len(starts) :] - self.pv.past.values[-len(starts) :]
        for term in demand_terms(self._book, starts):
            key = (term.name, term.resets_at)
            highest = float((term.weights * net_w).max())
            self._natural_w[key] = max(self._natural_w.get(key, 0.0), highest)
        self._book.add(Metered.of(starts, np.maximum(import_w, 0.0) * (STEP_S / 3600.0)))
        self._today.append((starts, net_w))
        if sum(len(each) for each, _ in self._today) >= DAY:
            self._close_day()

    def charges(self, at: datetime) -> tuple[ChargeState, ...]:
        """Return where each demand charge stands in the window that ``at`` is in."""
        return charge_states(self._book, at)

    def billed_w(self, at: datetime) -> float | None:
        """Return what the first charge for measured power would bill now; None for nothing yet."""
        for book in self._book.charges:
            if not book.charge.is_contract_only:
                moment = np.array([int(at.timestamp())], dtype=np.int64)
                period = int(book.period_of(self._tariff.calendar.local(moment))[0])
                if period not in book.periods:
                    return None
                slots = range(len(book.charge.slots))
                return 1000.0 * max(book.combined(period, slot) for slot in slots)
        return None

    def _close_day(self) -> None:
        starts = np.concatenate([each for each, _ in self._today])
        net_w = np.concatenate([each for _, each in self._today])
        self._today = []
        seen: set[str] = set()
        for term in demand_terms(self._book, starts):
            if term.name not in seen:
                seen.add(term.name)
                outlook = self._outlooks.setdefault(term.name, PeakOutlook())
                outlook.add_day(net_w * term.weights)
        now = datetime.fromtimestamp(int(starts[-1]), UTC)
        self._natural_w = {key: w for key, w in self._natural_w.items() if key[1] > now}

    def problem(
        self,
        now: datetime,
        *,
        load_now_w: float,
        pv_now_w: float,
        energy_wh: float,
        day_ahead: Floats,
        carbon_g_per_kwh: Floats | None = None,
        pv_ahead_w: Floats | None = None,
        level_w: float | None = None,
        queue: QueueOutlook | None = None,
    ) -> PlanProblem:
        """Return what to plan at ``now``, the start of a window.

        ``load_now_w`` and ``pv_now_w``: what the meters show; they stand for the window
        that begins. ``day_ahead``: the market's price in each quarter from now on, known
        or stand-in, at least as long as the horizon of 44 hours; the carbon likewise, and
        ``pv_ahead_w``, somebody's forecast of PV that stands in place of our own. ``level_w``:
        the mean import that jobs are kept below, where they are. ``queue``: what the jobs of
        clusters will change.
        """
        step_s = horizon(now, _FINE, _AHEAD)
        count = int(step_s.sum()) // STEP_S
        firsts = (np.cumsum(step_s) - step_s) // STEP_S
        by_step = partial(_by_step, step_s=step_s)
        ahead_w = _ahead(self.load, load_now_w, count)
        if queue is not None:
            ahead_w = blended(ahead_w, queue, self.load.errors())
        load_w = by_step(ahead_w)
        pv_ahead_w = _ahead(self.pv, pv_now_w, count) if pv_ahead_w is None else pv_ahead_w
        pv_w = by_step(pv_ahead_w)
        quarters = int(now.timestamp()) + np.arange(count, dtype=np.int64) * STEP_S
        buy = by_step(import_price(self._tariff, quarters, day_ahead[:count]))
        sell = by_step(export_price(self._tariff, quarters, day_ahead[:count]))
        if self.strategy is Strategy.PEAK_SHAVING:
            # Later is a little cheaper, so that only peaks and PV move energy.
            buy = np.full(len(buy), max(float(buy.mean()), _FLAT_SPREAD))
        terms = (
            ()
            if self.strategy is Strategy.ARBITRAGE
            else demand_terms(self._book, quarters[firsts])
        )
        spread = self._spread(buy)
        if level_w is None:
            guards = [self._guard(term, now, spread) for term in terms]
        else:
            guards = [Guard(level_w=level_w, energy_wh=0.0, gain=0.0)] * len(terms)
        peaks = tuple(
            self._peak_cost(term, now, guard) for term, guard in zip(terms, guards, strict=True)
        )
        kept = [guard.energy_wh for guard in guards if guard is not None]
        ceiling_w = self._ceiling_w(terms, now, float(load_w[0] - pv_w[0]), step_s)
        if level_w is not None:
            ceiling_w = np.full(len(step_s), level_w)
        carbon = None if carbon_g_per_kwh is None else by_step(carbon_g_per_kwh)
        keep = self.battery.efficiency_discharge * (
            float(np.median(buy)) - self.battery.wear_eur_per_kwh
        )
        return PlanProblem(
            start=now,
            step_s=step_s,
            load_w=load_w,
            pv_w=pv_w,
            import_price=buy,
            export_price=sell,
            battery=self.battery,
            energy_wh=energy_wh,
            peaks=peaks,
            stored_value=keep,
            charge_ceiling_w=ceiling_w,
            import_limit_w=self.connection.import_limit_w,
            export_limit_w=self.connection.export_limit_w,
            reserve_wh=self.connection.reserve_wh,
            guard_wh=min(max(kept, default=0.0), self.battery.most_wh),
            guard_price=max(spread, _LEAST_GUARD_PRICE),
            carbon_g_per_kwh=carbon,
            carbon_eur_per_t=self.connection.carbon_eur_per_t,
        )

    def plan(self, problem: PlanProblem) -> Plan:
        """Return the plan; slow enough (milliseconds) to be kept off an event loop."""
        return self._planner.plan(problem)

    def load_band(self, step_s: Ints, load_now_w: float) -> Band:
        """Return the band of the load in the steps of a problem that begins now.

        Of an hour it is the mean of its quarters' bands: a little wider than its own.
        """
        count = int(step_s.sum()) // STEP_S
        ahead = self.load.forecast(count - 1, load_now_w)
        low, high = (
            _by_step(np.append(load_now_w, ahead.quantile_w(level)), step_s) for level in _BAND
        )
        return Band(np.maximum(low, 0.0), high)

    def _spread(self, buy: Floats) -> float:
        """Return what a kWh of stored energy earns in a day by the price alone."""
        battery = self.battery
        cheap, dear = np.quantile(buy, (_CHEAP, _DEAR))
        earned = battery.efficiency_discharge * (dear - battery.wear_eur_per_kwh)
        return max(float(earned - cheap / battery.efficiency_charge), 0.0)

    def _guard(self, term: DemandTerm, now: datetime, spread: float) -> Guard | None:
        outlook = self._outlooks.get(term.name)
        if outlook is None or np.any(term.weights < 0.0):
            return None
        return outlook.guard(
            self.battery,
            free_w=term.floor_w,
            rate=term.rate_eur_per_kw,
            days_left=(term.resets_at - now) / timedelta(days=1),
            spread=spread,
        )

    def _peak_cost(self, term: DemandTerm, now: datetime, guard: Guard | None) -> PeakCost:
        days_left = (term.resets_at - now) / timedelta(days=1)
        if guard is not None:
            # What is guarded will be held to the end: each kW above it is one more on the bill.
            levels_w = np.array([term.floor_w, max(guard.level_w, term.floor_w + _MARGIN_W)])
            rates = term.rate_eur_per_kw * np.array([_BELOW_GUARD, 1.0])
            return PeakCost(term.name, term.weights, levels_w, rates)
        outlook = self._outlooks.get(term.name) or PeakOutlook()
        levels_w, rates = outlook.cost_line(term.floor_w, term.rate_eur_per_kw, days_left)
        return PeakCost(term.name, term.weights, levels_w, rates)

    def _ceiling_w(
        self, terms: tuple[DemandTerm, ...], now: datetime, net_now_w: float, step_s: Ints
    ) -> Floats | None:
        """Return the grid power that charging may not exceed, per step.

        In the hours that can be foreseen that is what the period has seen, or almost surely
        will, without any battery; later what the last week has seen.
        """
        if not terms:
            return None
        ceiling = np.full(len(step_s), np.inf)
        later = np.cumsum(step_s) > _FINE.total_seconds() + 3600.0
        net = self.load.past.values[-_WEEK:] - self.pv.past.values[-_WEEK:]
        week_w = float(net.max(initial=0.0))
        for term in terms:
            natural = self._natural_w.get((term.name, term.resets_at), 0.0)
            outlook = self._outlooks.get(term.name)
            days_left = (term.resets_at - now) / timedelta(days=1)
            if outlook is not None:
                natural = max(natural, outlook.ceiling_w(days_left))
            counts = term.weights > 0.0
            natural = max(natural, float(term.weights[0]) * net_now_w, term.floor_w)
            levels = np.where(later, max(natural, week_w), natural)
            ceiling[counts] = np.minimum(ceiling[counts], levels[counts] / term.weights[counts])
        return ceiling


def _by_step(quarters: Floats, step_s: Ints) -> Floats:
    """Return the means of quarters, shape (n,) or longer, over steps of whole quarters."""
    firsts = (np.cumsum(step_s) - step_s) // STEP_S
    lengths = step_s // STEP_S
    means: Floats = np.add.reduceat(quarters[: int(lengths.sum())], firsts) / lengths
    return means


def _ahead(forecaster: Forecaster, now_w: float, count: int) -> Floats:
    """Return what is now, then the forecast; without any history what is now stays.

    What no meter shows now is as it was, or nothing.
    """
    past = forecaster.past.values
    if not math.isfinite(now_w):
        now_w = float(past[-1]) if len(past) else 0.0
    if not len(past):
        return np.full(count, now_w)
    return np.append(now_w, forecaster.forecast(count - 1, now_w).mean_w)
