"""Demand charges as the planner and the controller need them: what one more kW costs.

A plan's cost must be convex and piecewise linear: each term adds
``rate * max(0, max_t(weight_t * mean_t) - floor)``, with the grid power's mean (import +)
over windows of ``window_s``. What is exact and what is not:

- max with a linear price, with or without masks, weights, floors, contracts, and the mean
  of twelve such months: exact. Rising blocks: exact, one term per block. Falling blocks
  keep the rate of the block that the bill is in now, too high for what lies beyond it.
- max of twelve months: as if a new maximum stood for all twelve bills; too high by the
  months after which a still higher one would have come.
- mean_top of days or weeks: one term per day or week, with 1/n of the rate and the n-th
  highest day so far as its floor. Exact for one day; several days that enter the top
  together are charged too much, by at most their distances from that floor, over n.
- mean_top and nth_top of hours or windows: one term, as if a peak lasts for n of them,
  which those of compute do; a single spike is charged up to n times too much.
- sum and sum_top: one term per group, with the n-th highest excess as its floor.
- rss and hours: every excess counts. One term with the contract as floor, and as its rate
  the slope of the chord to an excess of one hour at a tenth of the contract (or at the
  highest excess so far, if that is more).
- step: free up to just below the next threshold, then a slope that reaches each jump at
  the end of the band which it opens: never too high, too low by at most one jump.

A period that has not begun has no windows yet: its floor is that of the tariff alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .book import ChargeBook, DemandBook, Groups, group_of
from .calendar import Instants
from .metered import Floats
from .picks import picked
from .spec import (
    HOUR_S,
    MONTHS,
    Basis,
    ChargeOn,
    Combine,
    DemandQuantity,
    Distinct,
    Op,
    Period,
    Pick,
    Price,
    PriceKind,
)

_KW: Final = 1000.0
_STEP_MARGIN: Final = 0.01
"""How far below the threshold of a step a plan is kept, as a fraction of it."""
_REFERENCE_EXCESS: Final = 0.1
_LEAST_EXCESS_KW: Final = 1.0
_LEAST_WEIGHT: Final = 1e-6
"""A class that weighs less can make no peak that matters."""


@dataclass(frozen=True, slots=True, eq=False)
class DemandTerm:
    """One convex term of the plan's cost (see the module). Steps are those asked about."""

    name: str
    weights: Floats
    """Shape (n,): 0 where the term does not look; negative where it looks at export."""
    floor_w: float
    """Already paid, or free: the term costs nothing up to here."""
    rate_eur_per_kw: float
    """Money, VAT included, for each kW above the floor, over all bills that it reaches."""
    window_s: int
    resets_at: datetime
    """The moment (UTC) at which the billing period of these steps ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeState:
    """Where one demand charge stands at a moment."""

    name: str
    window_s: int
    weight: float
    """Of the running window; 0: it does not count. Negative: export is what counts."""
    already_paid_w: float
    """The mean of the running window up to which nothing more is paid; may be infinite."""
    eur_per_kw: float
    """What the first kW above that costs, VAT included, over all bills that it reaches."""
    resets_at: datetime


def demand_terms(book: DemandBook, starts: Instants) -> tuple[DemandTerm, ...]:
    """Return the terms of all charges for the steps of a plan.

    ``book``: the closed windows so far. ``starts``: seconds since 1970 (UTC) of each step,
    shape (n,). Charges that no power can change have no term.
    """
    terms: list[DemandTerm] = []
    for charge_book in book.charges:
        if not charge_book.charge.is_contract_only:
            terms.extend(_Horizon(charge_book, starts).terms())
    return tuple(terms)


def charge_states(book: DemandBook, at: datetime) -> tuple[ChargeState, ...]:
    """Return where each demand charge stands in the window that ``at`` is in."""
    starts = np.array([int(at.timestamp())], dtype=np.int64)
    states = []
    for each in book.charges:
        period = int(each.period_of(book.tariff.calendar.local(starts))[0])
        terms = () if each.charge.is_contract_only else tuple(_Horizon(each, starts).terms())
        paid = [(t.floor_w / abs(t.weights[0]), t) for t in terms if t.weights[0] != 0.0]
        first = min(paid, key=lambda pair: pair[0]) if paid else None
        weight = float(first[1].weights[0]) if first else 0.0
        states.append(
            ChargeState(
                name=each.charge.name,
                window_s=each.charge.window_s,
                weight=weight,
                already_paid_w=float(first[0]) if first else math.inf,
                eur_per_kw=first[1].rate_eur_per_kw * abs(weight) if first else 0.0,
                resets_at=each.start(period + 1).astimezone(UTC),
            )
        )
    return tuple(states)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The billed figure rises by ``slope`` for each kW of the masked steps above ``base``."""

    mask: NDArray[np.bool_]
    base: float
    slope: float
    steepest: float | None = None
    """The slope that it may have at worst, where ``slope`` is that of a chord."""

    def free_above_base(self, rise: float) -> float:
        """Return the kW above ``base`` that raise the billed figure by no more than this."""
        return max(rise, 0.0) / (self.steepest or self.slope)


@dataclass(frozen=True, slots=True)
class _Kink:
    """From ``level`` of the billed figure on, each further unit costs ``rate`` more."""

    level: float
    rate: float


class _Horizon:
    """The steps of a plan, as one charge sees them."""

    def __init__(self, book: ChargeBook, starts: Instants) -> None:
        self._book = book
        self._charge = book.charge
        windows = starts // book.charge.window_s * book.charge.window_s
        local = book.tariff.calendar.local(windows)
        self._periods = book.period_of(local)
        self._classes, _ = book.classify(local, np.zeros(len(starts)))
        weights = np.array([*(each.weight for each in book.charge.classes), 0.0])
        self._weights = weights[self._classes]
        self._slots = np.array(book.charge.slot_of_class)[self._classes]
        self._groups = group_of(book.charge, windows, local)

    def terms(self) -> Iterator[DemandTerm]:
        """Yield the terms: for each billing period, each slot, each piece, each kink."""
        counted = self._weights > _LEAST_WEIGHT
        for period in np.unique(self._periods[counted]).tolist():
            inside = counted & (self._periods == period)
            for slot in range(len(self._charge.slots)):
                mask = inside & (self._slots == slot)
                if mask.any():
                    yield from self._slot_terms(period, slot, mask)

    def _slot_terms(self, period: int, slot: int, mask: NDArray[np.bool_]) -> Iterator[DemandTerm]:
        book, charge = self._book, self._charge
        price = book.sheet(period).price
        groups = book.groups(period, slot)
        now = _running_figure(charge.pick, groups, charge.window_s)
        result = max(now, charge.floor(charge.slots[slot]))
        earlier = book.earlier(period, slot)
        # Of the mean, this month is as much as there are months so far; of the bills to come
        # it is a twelfth each.
        share = 1.0 / (len(earlier) + 1) if charge.combine is Combine.MEAN12 else 1.0
        start = max([result, *earlier]) if charge.combine is Combine.MAX12 else result
        figure = book.combined(period, slot)
        contract = charge.contract(charge.slots[slot])
        if price.charge_on is ChargeOn.MAX_OF_BOTH:
            start = max(start, start + (contract - figure) / share)
            figure = max(figure, contract)
        money = price.total_factor(charge.slots[slot]) * book.share(price, period)
        money *= book.tariff.vat_factor * _bills(charge.combine, charge.period)
        sign, per_kw = 1.0, 1.0
        if charge.quantity is DemandQuantity.IMPORT_KVA:
            per_kw = 1.0 / charge.power_factor
        elif charge.quantity is DemandQuantity.EXPORT_KW:
            sign = -1.0
        for piece in self._pieces(mask, groups):
            for kink in _kinks(price, figure):
                rise = start + (kink.level - figure) / share - now
                floor = piece.base + piece.free_above_base(rise)
                rate = kink.rate * money * piece.slope * per_kw
                if rate > 0.0:
                    yield DemandTerm(
                        name=charge.name,
                        weights=np.where(piece.mask, self._weights * sign, 0.0),
                        floor_w=floor / per_kw * _KW,
                        rate_eur_per_kw=rate,
                        window_s=charge.window_s,
                        resets_at=book.start(period + 1),
                    )

    def _pieces(self, mask: NDArray[np.bool_], groups: Groups) -> Iterator[_Piece]:
        """Yield how the billed figure depends on the steps; see the module for each pick."""
        if self._charge.basis is Basis.VALUE:
            yield from self._picked_pieces(mask, 0.0, groups)
            return
        # Where the contracts differ within one pick, each needs its own floor.
        contracts = np.array([self._charge.contract(c.name) for c in self._charge.classes])
        by_step = contracts[self._classes]
        for contract in np.unique(by_step[mask]).tolist():
            yield from self._picked_pieces(mask & (by_step == contract), contract, groups)

    def _picked_pieces(
        self, mask: NDArray[np.bool_], contract: float, groups: Groups
    ) -> Iterator[_Piece]:
        pick = self._charge.pick
        top = sorted(groups.values(), reverse=True)
        match pick.op:
            case Op.MAX:
                yield _Piece(mask, contract + max(top, default=0.0), 1.0)
            case Op.MEAN_TOP if pick.distinct in (Distinct.DAY, Distinct.WEEK):
                yield from self._group_pieces(mask, contract, groups, pick.n, 1.0 / pick.n)
            case Op.MEAN_TOP | Op.NTH_TOP:
                nth = top[pick.n - 1] if len(top) >= pick.n else 0.0
                yield _Piece(mask, contract + nth, 1.0)
            case Op.SUM_TOP:
                yield from self._group_pieces(mask, contract, groups, pick.n, 1.0)
            case Op.SUM:
                yield from self._group_pieces(mask, contract, groups, None, 1.0)
            case Op.RSS:
                slope = self._excess_slope(contract, top)
                yield _Piece(mask, contract, slope, max(slope, 1.0))
            case Op.HOURS:
                # However small an excess is, its window counts.
                yield _Piece(mask, contract, self._excess_slope(contract, top), math.inf)

    def _group_pieces(
        self,
        mask: NDArray[np.bool_],
        contract: float,
        groups: Groups,
        n: int | None,
        slope: float,
    ) -> Iterator[_Piece]:
        """Yield one piece per day, week, hour or window; only the n highest count."""
        top = sorted(groups.values(), reverse=True)
        # A group that is itself among the n highest is above the n-th, or is it.
        nth = top[n - 1] if n is not None and len(top) >= n else 0.0
        for group in np.unique(self._groups[mask]).tolist():
            base = contract + max(nth, groups.get(group, 0.0))
            yield _Piece(mask & (self._groups == group), base, slope)

    def _excess_slope(self, contract: float, top: list[float]) -> float:
        """Return the slope of the chord to one hour of the reference excess."""
        window_s = self._charge.window_s
        excess = max(_REFERENCE_EXCESS * contract, max(top, default=0.0), _LEAST_EXCESS_KW)
        if self._charge.pick.op is Op.HOURS:
            return 1.0 / excess
        squares = math.fsum(value * value for value in top)
        more = squares + excess * excess * HOUR_S / window_s
        return (math.sqrt(more) - math.sqrt(squares)) / excess


def _running_figure(pick: Pick, groups: Groups, window_s: int) -> float:
    """Return the billed figure so far in the sense of the pieces, from which they rise.

    Days that are still to come fill the highest n: until then they count as 0.
    """
    values = list(groups.values())
    if pick.op is Op.MEAN_TOP:
        return picked(pick, values, window_s) * min(len(values), pick.n) / pick.n
    if pick.op is Op.NTH_TOP and len(values) < pick.n:
        return 0.0
    return picked(pick, values, window_s)


def _bills(combine: Combine, period: Period) -> int:
    """Return in how many bills a peak is, each counted as the part of it that is billed.

    A mean of twelve months has a twelfth of it in each of twelve bills.
    """
    return MONTHS if combine is Combine.MAX12 or period is Period.ROLLING12M else 1


def _kinks(price: Price, figure: float) -> Iterator[_Kink]:
    """Yield where, at or above the present figure, the price begins to rise more steeply."""
    steepest = 0.0
    for level, rate in _slopes(price, figure):
        if rate > steepest:
            yield _Kink(level, rate - steepest)
            steepest = rate


def _slopes(price: Price, figure: float) -> Iterator[tuple[float, float]]:
    """Yield from which level on which rate holds, from the present figure upwards."""
    if price.kind is not PriceKind.STEP:
        now = [rate for threshold, rate in price.rates if threshold <= figure][-1]
        yield figure, now
        yield from ((level, rate) for level, rate in price.rates if level > figure)
        return
    amount = price.amount(figure)
    above = [(level, cost) for level, cost in price.rates if level > figure and cost > amount]
    widths = [upper[0] - lower[0] for lower, upper in pairwise(above)]
    last_width = widths[-1] if widths else max(above[-1][0] - figure, 1.0) if above else 1.0
    for (level, cost), width in zip(above, [*widths, last_width], strict=False):
        yield max(level * (1.0 - _STEP_MARGIN), figure), (cost - amount) / width
        amount = cost


def already_paid_w(states: tuple[ChargeState, ...]) -> float:
    """Return the import mean that costs nothing more under any charge; may be infinite."""
    paid = [state.already_paid_w for state in states if state.weight > 0.0]
    return min(paid, default=math.inf)
