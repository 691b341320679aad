"""Why a billed peak is what it is: what drew it, what the battery did, what would have helped.

For each demand charge the window that was billed (of several, the highest one). Its load is
told by branch, beside what each usually draws at that time: the median of the same weekday
and time of the eight weeks before, or where less than three of them are known of the same
time of the fourteen days before. What would have helped is measured against the level that
the period's other days reach: down to there less power on that day lowers the bill, below
it others decide.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
import math
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .ledger import QUARTER, Quarter
from .model import Reason
from .plan import BatterySpec, Floats, Ints
from .tariff import Metered, Tariff
from .tariff.book import ChargeBook
from .tariff.metered import resample
from .tariff.spec import HOUR_S, Basis, DemandCharge, DemandQuantity
from .window import window_start
from .window_rows import WindowRows

_WEEKS: Final = 8
_DAYS: Final = 14
_LEAST: Final = 3
"""From fewer values nobody knows what is usual."""
_AT_LIMIT: Final = 0.95
_ON_TARGET: Final = 1.01
_LEAST_WEIGHT: Final = 1e-6
_EMPTY: Final = 0.02
"""So little above its lower bound, a battery has nothing to give."""

type Bools = NDArray[np.bool_]
type Rows = Callable[[datetime, datetime], Iterable[Quarter]]
"""Gives the ledger's quarters that start in a span."""


class Battery(StrEnum):
    """What kept the batteries from holding the peak down."""

    NONE = "none"
    """There is no battery."""
    OFF = "off"
    """Nobody commanded it."""
    CHARGED = "charged"
    """It was charging itself, and made the peak higher."""
    EMPTY = "empty"
    AT_LIMIT = "at_limit"
    """It gave all the power that it has."""
    BELOW_TARGET = "below_target"
    """The peak is not above the target that was to be kept."""
    HELD_BACK = "held_back"
    """It had power and energy left; the reason says what for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One metered branch of the load in the window; powers are means, kW."""

    asset_id: str | None
    """None: what no branch meters."""
    power_kw: float
    usual_kw: float | None
    enough: bool
    """Whether the window would not have been billed if this branch had drawn less, by itself."""

    @property
    def above_kw(self) -> float | None:
        """Return what it drew above its usual level."""
        return None if self.usual_kw is None else self.power_kw - self.usual_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMortem:
    """The story of one billed peak."""

    charge: str
    slot: str
    """The time class that was billed."""
    period: str
    start: datetime
    end: datetime
    mean_kw: float
    """Mean import of the window."""
    billed: float
    """What the charge bills for the period, in its own unit (kW, kVA, h)."""
    cost: float
    """What the charge costs for the period, VAT included."""
    load_kw: float | None
    parts: tuple[Part, ...]
    """Branches, the one that is most above its usual level first."""
    pv_kw: float | None
    usual_pv_kw: float | None
    battery: Battery
    battery_kw: float | None
    soc_before: float | None
    soc_after: float | None
    reason: Reason | None
    target_kw: float | None
    planned_battery_kw: float | None
    level_kw: float
    """The mean that the bill would have fallen to without this day's peak."""
    more_kw: float
    """How much more power, or less load, that takes."""
    more_kwh: float
    """How much more energy, if nothing is recharged on that day."""
    windows: int
    """In how many windows of the day."""
    avoidable: float
    """What that would have saved, VAT included."""


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """The windows of a charge, shape (n,) each."""

    starts: Ints
    means_kw: Floats
    counted: Floats
    """The means in the charge's own unit: kW or kVA."""
    values: Floats
    """What the charge looks at: weighted, above the contract where it is one of excess."""
    classes: Ints
    """-1: the window is in no class."""
    slots: Ints
    periods: Ints
    days: Ints


def periods_of(tariff: Tariff, metered: Metered) -> dict[str, tuple[str, ...]]:
    """Return, by charge that looks at imported power, the periods that have windows."""
    return {
        charge.name: tuple(book.label(each) for each in sorted(book.periods))
        for charge in _explained(tariff)
        for book in [_book(tariff, charge, metered)]
    }


def explain_peaks(
    tariff: Tariff,
    metered: Metered,
    rows: Rows,
    *,
    battery: BatterySpec | None = None,
    charge: str | None = None,
    period: str | None = None,
) -> list[PostMortem]:
    """Return the story of each billed peak.

    ``metered``: all windows that the bills look at. ``charge``: of this one only; None: of
    all. ``period``: its label as in ``periods_of``; None: the newest one. Periods in which
    no window counts have no story.
    """
    stories = []
    for each in _explained(tariff):
        if charge in (None, each.name):
            stories += _Inquest(tariff, each, metered, rows, battery).stories(period)
    return stories


def _explained(tariff: Tariff) -> list[DemandCharge]:
    return [
        charge
        for charge in tariff.demand
        if not charge.is_contract_only and charge.quantity is not DemandQuantity.EXPORT_KW
    ]


def _book(tariff: Tariff, charge: DemandCharge, metered: Metered) -> ChargeBook:
    book = ChargeBook(tariff, charge)
    if len(metered):
        book.add(metered)
    return book


class _Inquest:
    """Looks into the peaks of one charge."""

    def __init__(
        self,
        tariff: Tariff,
        charge: DemandCharge,
        metered: Metered,
        rows: Rows,
        battery: BatterySpec | None,
    ) -> None:
        self._tariff, self._charge, self._metered = tariff, charge, metered
        self._rows, self._battery = rows, battery
        self._book = _book(tariff, charge, metered)

    def stories(self, label: str | None) -> list[PostMortem]:
        """Return one story for each time class that is billed by itself."""
        known = sorted(self._book.periods)
        chosen = known[-1:] if label is None else [n for n in known if self._book.label(n) == label]
        if not chosen:
            return []
        windows = self._windows()
        stories = []
        for slot in range(len(self._charge.slots)):
            inside = (windows.periods == chosen[0]) & (windows.slots == slot)
            counted = np.flatnonzero(inside & (windows.values > 0.0))
            if len(counted):
                highest = int(counted[np.argmax(windows.values[counted])])
                stories.append(self._story(windows, inside, highest, chosen[0], slot))
        return stories

    def _windows(self) -> _Windows:
        metered, charge = self._metered, self._charge
        means = metered.power_kw(DemandQuantity.IMPORT_KW, 1.0)
        counted = metered.power_kw(charge.quantity, charge.power_factor)
        starts, counted = resample(metered.starts, counted, metered.step_s, charge.window_s)
        _, means = resample(metered.starts, means, metered.step_s, charge.window_s)
        local = self._tariff.calendar.local(starts)
        classes, values = self._book.classify(local, counted)
        slots = np.where(classes >= 0, np.array(charge.slot_of_class)[classes], -1)
        periods = self._book.period_of(local)
        return _Windows(starts, means, counted, values, classes, slots, periods, local.days)

    def _story(
        self, windows: _Windows, inside: Bools, highest: int, period: int, slot: int
    ) -> PostMortem:
        start = datetime.fromtimestamp(int(windows.starts[highest]), UTC)
        end = start + timedelta(seconds=self._charge.window_s)
        today = inside & (windows.days == windows.days[highest])
        level_kw = self._level_kw(windows, inside & ~today, today, highest)
        above = np.flatnonzero(today & (windows.means_kw > level_kw))
        excess_kw = windows.means_kw[above] - level_kw
        moments = [datetime.fromtimestamp(int(at_s), UTC) for at_s in windows.starts[above]]
        seen, before = self._seen(start), self._before(start)
        cost = next(
            c for c in self._book.costs() if (c.period, c.slot) == (period, self._slot(slot))
        )
        vat = self._tariff.vat_factor
        return PostMortem(
            charge=self._charge.name,
            slot=self._slot(slot),
            period=cost.label,
            start=start,
            end=end,
            mean_kw=float(windows.means_kw[highest]),
            billed=cost.billed,
            cost=cost.amount * vat,
            load_kw=seen.load_kw,
            parts=self._parts(seen, before, dict(zip(moments, excess_kw, strict=True))),
            pv_kw=seen.pv_kw,
            usual_pv_kw=_usual(before, lambda rows: rows.pv_kw),
            battery=self._battery_state(seen, float(windows.means_kw[highest])),
            battery_kw=seen.battery_kw,
            soc_before=self._seen_between(window_start(start) - QUARTER, start).soc,
            soc_after=seen.soc,
            reason=seen.reason,
            target_kw=seen.target_kw,
            planned_battery_kw=seen.planned_battery_kw,
            level_kw=level_kw,
            more_kw=float(excess_kw.max(initial=0.0)),
            more_kwh=float(excess_kw.sum()) * self._charge.window_s / HOUR_S,
            windows=len(above),
            avoidable=self._avoidable(windows, above, level_kw) * vat,
        )

    def _slot(self, slot: int) -> str:
        return self._charge.slots[slot]

    def _level_kw(self, windows: _Windows, others: Bools, today: Bools, highest: int) -> float:
        """Return the mean to which the bill falls without the day of the peak.

        In the terms of the highest window: its weight, its contract, its power factor.
        Without another day in the period it is what the day itself mostly draws.
        """
        charge = self._charge
        if not others.any():
            return float(np.median(windows.means_kw[today]))
        mask = charge.classes[windows.classes[highest]]
        value = float(windows.values[others].max())
        if charge.basis is Basis.EXCESS:
            value += charge.contract(mask.name)
        else:
            value = max(value, charge.floor(mask.name))
        mean_kw, counted = float(windows.means_kw[highest]), float(windows.counted[highest])
        return float(min(value / max(mask.weight, _LEAST_WEIGHT) * mean_kw / counted, mean_kw))

    def _avoidable(self, windows: _Windows, above: Ints, level_kw: float) -> float:
        cut = self._cut(windows, above, level_kw)
        return max(self._costs(self._metered) - self._costs(cut), 0.0)

    def _cut(self, windows: _Windows, above: Ints, level_kw: float) -> Metered:
        """Return the metered windows with those above the level brought down to it."""
        metered, window_s = self._metered, self._charge.window_s
        factor = np.ones(len(metered))
        for index in above.tolist():
            start = int(windows.starts[index])
            overlaps = (metered.starts < start + window_s) & (
                metered.starts + metered.step_s > start
            )
            factor[overlaps] = np.minimum(
                factor[overlaps], level_kw / float(windows.means_kw[index])
            )
        kva = metered.import_kva
        return Metered.of(
            metered.starts,
            metered.import_wh * factor,
            metered.export_wh,
            None if kva is None else kva * factor,
            step_s=metered.step_s,
        )

    def _costs(self, metered: Metered) -> float:
        return sum(cost.amount for cost in _book(self._tariff, self._charge, metered).costs())

    # -- what drew it ----------------------------------------------------------------------

    def _seen(self, start: datetime) -> WindowRows:
        """Return what the ledger says about the window that begins then."""
        end = start + timedelta(seconds=self._charge.window_s)
        return self._seen_between(window_start(start), end)

    def _seen_between(self, since: datetime, until: datetime) -> WindowRows:
        return WindowRows(tuple(self._rows(since, until)))

    def _parts(self, seen: WindowRows, before: _Before, needed_kw: _Needed) -> tuple[Part, ...]:
        """Return the branches. ``needed_kw``: by how much each window is above the level."""
        drawn = [(self._seen(at).parts_kw, needed) for at, needed in needed_kw.items()]
        parts = [
            Part(
                asset_id=name,
                power_kw=power_kw,
                usual_kw=_usual(before, partial(_part_kw, name)),
                enough=bool(drawn) and all(each.get(name, 0.0) >= kw for each, kw in drawn),
            )
            for name, power_kw in seen.parts_kw.items()
        ]
        return tuple(
            sorted(parts, key=lambda p: (p.above_kw is None, -(p.above_kw or 0.0), -p.power_kw))
        )

    def _before(self, start: datetime) -> _Before:
        """Return the same time of earlier weeks, and of earlier days; see the module."""
        weeks, days = range(7, 7 * _WEEKS + 1, 7), range(1, _DAYS + 1)
        local = start.astimezone(self._tariff.calendar.zone)
        # On the local clock, so that a time of the day stays one over clock changes.
        seen = {n: self._seen((local - timedelta(days=n)).astimezone(UTC)) for n in {*weeks, *days}}
        return [seen[n] for n in weeks], [seen[n] for n in days]

    # -- what the battery did ----------------------------------------------------------------

    def _battery_state(self, seen: WindowRows, mean_kw: float) -> Battery:
        spec = self._battery
        if seen.battery_kw is None and spec is None:
            return Battery.NONE
        if not seen.controlled:
            return Battery.OFF
        power_kw, soc, target_kw = seen.battery_kw or 0.0, seen.soc, seen.target_kw
        least, most_kw = (spec.soc_min, spec.discharge_w / 1000.0) if spec else (0.0, math.inf)
        held_back = (
            (Battery.CHARGED, power_kw < 0.0),
            (Battery.EMPTY, seen.reason is Reason.EMPTY),
            (Battery.EMPTY, soc is not None and soc <= least + _EMPTY),
            (Battery.AT_LIMIT, power_kw >= _AT_LIMIT * most_kw),
            (Battery.BELOW_TARGET, target_kw is not None and mean_kw <= target_kw * _ON_TARGET),
        )
        return next((cause for cause, holds in held_back if holds), Battery.HELD_BACK)


type _Needed = Mapping[datetime, float]
type _Before = tuple[Sequence[WindowRows], Sequence[WindowRows]]


def _part_kw(name: str | None, seen: WindowRows) -> float | None:
    return seen.parts_kw.get(name)


def _usual(before: _Before, value: Callable[[WindowRows], float | None]) -> float | None:
    """Return what is usual: of the weeks before, else of the days before."""
    for windows in before:
        known = [power_kw for each in windows if (power_kw := value(each)) is not None]
        if len(known) >= _LEAST:
            return median(known)
    return None
