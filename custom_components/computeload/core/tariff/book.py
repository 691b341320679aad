"""The memory of demand charges: what of the windows so far still matters for a bill.

A charge needs only the highest window of each group (the whole period, an hour, a day, a
week, or each window by itself) and of these only what its pick looks at. Windows are added
as they close, in the order of time; a period's result can be asked at any moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from .calendar import DAY_S, Ints, LocalTime
from .metered import Floats, Metered, resample
from .picks import picked
from .spec import (
    HOUR_S,
    MONTHS,
    Basis,
    ChargeOn,
    Combine,
    DemandCharge,
    Distinct,
    Op,
    Period,
    Price,
    Sheet,
    Span,
    Tariff,
)

_ONLY_EXCESS: Final = (Op.SUM, Op.SUM_TOP, Op.RSS, Op.HOURS)
_LEAST_EXCESS_KW: Final = 1e-6
"""Less above a contract is the arithmetic's, not the load's."""
_MONDAY_SHIFT: Final = 3
"""1970-01-01 was a Thursday: three days after a Monday."""

type Groups = dict[int, float]
"""From the number of a group to its highest value, kW."""


@dataclass(frozen=True, slots=True)
class PeriodCost:
    """What one slot of a charge costs for one billing period, net."""

    charge: DemandCharge
    slot: str
    period: int
    label: str
    billed: float
    """kW (or kVA, or hours) that the price is applied to."""
    amount: float
    energy_kwh: float
    """The energy that the charge's own price sheet prices; 0 where it has none."""
    energy_amount: float


@dataclass(slots=True)
class _PeriodState:
    slots: list[Groups]
    energy_kwh: float = 0.0
    covered_s: float = 0.0


@dataclass(slots=True)
class ChargeBook:
    """The memory of one charge."""

    tariff: Tariff
    charge: DemandCharge
    periods: dict[int, _PeriodState] = field(default_factory=dict)
    _open: tuple[int, float] = (-1, 0.0)
    """The start of the newest window, which may still grow, and its mean so far."""

    # -- windows in --------------------------------------------------------------------

    def add(self, metered: Metered) -> None:
        """Take closed windows that are newer than all before."""
        charge = self.charge
        means = metered.power_kw(charge.quantity, charge.power_factor)
        starts, means = resample(metered.starts, means, metered.step_s, charge.window_s)
        if starts[0] == self._open[0]:
            means[0] += self._open[1]
        self._open = int(starts[-1]), float(means[-1])
        local = self.tariff.calendar.local(starts)
        periods = self.period_of(local)
        classes, values = self.classify(local, means)
        counted = classes >= 0
        if charge.pick.op in _ONLY_EXCESS:
            counted &= values > _LEAST_EXCESS_KW
        slots = np.array(charge.slot_of_class)[classes]
        self._note_energy(metered)
        for period in np.unique(periods):
            self._state(int(period))
        rows = np.flatnonzero(counted)
        groups = group_of(charge, starts, local)
        order = rows[np.lexsort((groups[rows], slots[rows], periods[rows]))]
        if not len(order):
            return
        keys = np.stack((periods[order], slots[order], groups[order]))
        firsts = np.flatnonzero(np.any(np.diff(keys, prepend=keys[:, :1] - 1), axis=0))
        highest = np.maximum.reduceat(values[order], firsts)
        for (period, slot, group), value in zip(keys[:, firsts].T.tolist(), highest, strict=True):
            known = self.periods[period].slots[slot]
            known[group] = max(float(value), known.get(group, 0.0))

    def period_of(self, local: LocalTime) -> Ints:
        """Return the number of the billing period of each instant."""
        match self.charge.period:
            case Period.YEAR:
                return local.months // MONTHS
            case Period.CONTRACT_YEAR:
                return (local.months - (self.charge.start_month - 1)) // MONTHS
            case _:
                return local.months

    def classify(self, local: LocalTime, means: Floats) -> tuple[Ints, Floats]:
        """Return the class of each window (-1: none), and the value that counts, kW."""
        charge = self.charge
        classes = self.tariff.calendar.classify(charge.classes, local)
        # The class -1 takes the last weight; such windows are left out anyway.
        values = means * np.array([each.weight for each in charge.classes])[classes]
        if charge.basis is Basis.EXCESS:
            contracts = np.array([charge.contract(each.name) for each in charge.classes])
            values = np.maximum(values - contracts[classes], 0.0)
        return classes, values

    def _note_energy(self, metered: Metered) -> None:
        if isinstance(self.charge.price, Price):
            return
        periods = self.period_of(self.tariff.calendar.local(metered.starts))
        for period in np.unique(periods):
            inside = periods == period
            state = self._state(int(period))
            state.energy_kwh += float(metered.import_wh[inside].sum()) / 1000.0
            state.covered_s += metered.step_s * int(inside.sum())

    def _state(self, period: int) -> _PeriodState:
        if period not in self.periods:
            self.periods[period] = _PeriodState([{} for _ in self.charge.slots])
        return self.periods[period]

    # -- results out -------------------------------------------------------------------

    def groups(self, period: int, slot: int) -> Groups:
        """Return the groups that a period's bill looks at."""
        first = period - MONTHS + 1 if self.charge.period is Period.ROLLING12M else period
        merged: Groups = {}
        for number in range(first, period + 1):
            if number in self.periods:
                for group, value in self.periods[number].slots[slot].items():
                    merged[group] = max(value, merged.get(group, 0.0))
        return merged

    def result(self, period: int, slot: int) -> float:
        """Return the billed figure of one period by itself, at least the floor."""
        values = list(self.groups(period, slot).values())
        floor = self.charge.floor(self.charge.slots[slot])
        return max(picked(self.charge.pick, values, self.charge.window_s), floor)

    def earlier(self, period: int, slot: int) -> list[float]:
        """Return the results of the eleven months before that are known."""
        if self.charge.combine is Combine.NONE:
            return []
        numbers = range(period - MONTHS + 1, period)
        return [self.result(number, slot) for number in numbers if number in self.periods]

    def combined(self, period: int, slot: int) -> float:
        """Return the figure that the price is applied to, combined with earlier months."""
        results = [*self.earlier(period, slot), self.result(period, slot)]
        if self.charge.combine is Combine.MEAN12:
            return sum(results) / len(results)
        return max(results)

    def full_load_hours(self, period: int) -> float | None:
        """Return the year's energy over its peak, with the energy scaled up to a whole year.

        None before anything is known. Source: the price sheets for metered customers in
        Germany (Benutzungsdauer = Jahresarbeit / Jahreshöchstleistung).
        """
        state = self.periods.get(period)
        peak = self.result(period, 0) if state is not None else 0.0
        if state is None or state.covered_s <= 0.0 or peak <= 0.0:
            return None
        year_s = self.days(period) * DAY_S
        return state.energy_kwh * max(year_s / state.covered_s, 1.0) / peak

    def sheet(self, period: int) -> Sheet:
        """Return the price that applies to a period, as far as is known."""
        return self.charge.sheet(self.full_load_hours(period))

    def share(self, price: Price, period: int) -> float:
        """Return how many of the price's spans of time one bill is for."""
        months = self.charge.period.months
        match price.span:
            case Span.YEAR:
                return months / MONTHS
            case Span.MONTH:
                return float(months)
            case Span.DAY:
                return float(self.days(period))
            case Span.PERIOD:
                return 1.0

    def costs(self) -> Iterator[PeriodCost]:
        """Yield what every known period costs, each as if it ended now."""
        for period in sorted(self.periods):
            sheet = self.sheet(period)
            price = sheet.price
            energy_kwh = self.periods[period].energy_kwh
            for index, slot in enumerate(self.charge.slots):
                billed = self.billed(price, period, index)
                amount = price.amount(billed) * price.total_factor(slot)
                yield PeriodCost(
                    charge=self.charge,
                    slot=slot,
                    period=period,
                    label=self.label(period),
                    billed=billed,
                    amount=amount * self.share(price, period),
                    energy_kwh=energy_kwh if index == 0 else 0.0,
                    energy_amount=sheet.per_kwh * energy_kwh if index == 0 else 0.0,
                )

    def billed(self, price: Price, period: int, slot: int) -> float:
        """Return the figure that the price is applied to, contract considered."""
        contract = self.charge.contract(self.charge.slots[slot])
        if price.charge_on is ChargeOn.CONTRACT:
            return contract
        measured = self.combined(period, slot)
        return max(measured, contract) if price.charge_on is ChargeOn.MAX_OF_BOTH else measured

    # -- calendar ----------------------------------------------------------------------

    def start(self, period: int) -> datetime:
        """Return the moment (UTC) at which a billing period starts."""
        return self.tariff.calendar.month_start(self._first_month(period))

    def days(self, period: int) -> int:
        """Return the local days of a billing period."""
        first, last = (
            np.datetime64(self._first_month(number), "M").astype("datetime64[D]")
            for number in (period, period + 1)
        )
        return int((last - first).astype(np.int64))

    def label(self, period: int) -> str:
        """Return a period's name: 2026-03, 2026, or 2026-04/2027-03."""
        first = self._first_month(period)
        if self.charge.period is Period.YEAR:
            return str(1970 + period)
        name = str(np.datetime64(first, "M"))
        if self.charge.period is Period.CONTRACT_YEAR:
            return f"{name}/{np.datetime64(first + MONTHS - 1, 'M')}"
        return name

    def _first_month(self, period: int) -> int:
        if self.charge.period.months == 1:
            return period
        return period * MONTHS + self.charge.start_month - 1


class DemandBook:
    """The memory of all demand charges of a tariff."""

    def __init__(self, tariff: Tariff, history: Metered | None = None) -> None:
        """Start empty, or with the windows so far."""
        self.tariff = tariff
        self.charges = tuple(ChargeBook(tariff, charge) for charge in tariff.demand)
        self._newest_s = -1
        if history is not None:
            self.add(history)

    def add(self, metered: Metered) -> None:
        """Take closed windows; raises ValueError unless all are newer than those before."""
        if not len(metered):
            return
        if metered.starts[0] <= self._newest_s:
            raise ValueError("windows must be added in the order of time, each only once")
        self._newest_s = int(metered.starts[-1])
        for book in self.charges:
            book.add(metered)

    def costs(self) -> Iterator[PeriodCost]:
        """Yield what every charge costs in every known period, net."""
        for book in self.charges:
            yield from book.costs()

    def full_load_hours(self, at: datetime) -> float | None:
        """Return the full load hours of the running year, for a tariff with two sheets."""
        starts = np.array([int(at.timestamp())], dtype=np.int64)
        for book in self.charges:
            if not isinstance(book.charge.price, Price):
                local = self.tariff.calendar.local(starts)
                return book.full_load_hours(int(book.period_of(local)[0]))
        return None


def group_of(charge: DemandCharge, starts: Ints, local: LocalTime) -> Ints:
    """Return the number of the group of each window, of which only the highest counts."""
    if charge.pick.op is Op.MAX:
        return np.zeros_like(starts)
    match charge.pick.distinct:
        case Distinct.NONE:
            return starts
        case Distinct.HOUR:
            return starts // HOUR_S
        case Distinct.DAY:
            return local.days
        case Distinct.WEEK:
            return (local.days + _MONDAY_SHIFT) // 7
