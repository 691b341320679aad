"""What control saved: the bill as it is, beside the bill of the same load without control.

Both sides are billed alike: each kWh at the price that the ledger has for its quarter, the
demand charges by the tariff's own book of peaks, VAT included, in whole cents. A month's
energy is rounded once, as on an invoice. What a day stands for is what the account of its
month grew by on that day, demand charges of running periods included as if they ended then;
so days add up to their month, and months to their year, to the cent.

The saving is the difference, less wear, in four parts that add up to it exactly:

- demand: what the demand charges are lower by;
- pv: surplus that was stored, at what it replaced later, less what feeding it in would have
  earned then;
- arbitrage: the rest of the energy, bought and used at other times than it was needed;
- wear: what the batteries' lifetime cost, negative.

What is discharged came from PV in the share that PV has in what is stored; what was stored
before the account begins is taken as bought.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
import math
from typing import Final, Self

import numpy as np

from .ledger_read import Column, History
from .plan import BatterySpec, Floats, Ints
from .tariff import DemandBook, Metered, PeriodCost, Tariff
from .tariff.spec import DemandQuantity
from .window import WINDOW_S

_HOURS: Final = WINDOW_S / 3600.0
_UNKNOWN_KEPT: Final = 0.9
"""What a battery of unknown efficiency gives back of what it took."""
COLUMNS: Final = (
    Column.IMPORT_W,
    Column.EXPORT_W,
    Column.WITHOUT_IMPORT_W,
    Column.WITHOUT_EXPORT_W,
    Column.BATTERY_IN_W,
    Column.BATTERY_OUT_W,
    Column.PRICE_IMPORT,
    Column.PRICE_EXPORT,
    Column.CO2_G_PER_KWH,
)
"""What of the ledger an account is made from."""

type Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """Consecutive quarters, shape (n,) each; NaN where a value is not known.

    Energies in Wh, prices in money per kWh.
    """

    starts: Ints
    """Seconds since 1970, UTC."""
    import_wh: Floats
    export_wh: Floats
    without_import_wh: Floats
    without_export_wh: Floats
    battery_in_wh: Floats
    battery_out_wh: Floats
    price_import: Floats
    price_export: Floats
    co2_g_per_kwh: Floats

    @classmethod
    def of(cls, history: History) -> Self:
        """Return the record of the ledger's ``COLUMNS`` at steps of a quarter."""
        columns = history.columns

        def energy(name: Column) -> Floats:
            return columns[name] * _HOURS

        return cls(
            starts=history.starts.astype(np.int64),
            import_wh=energy(Column.IMPORT_W),
            export_wh=energy(Column.EXPORT_W),
            without_import_wh=energy(Column.WITHOUT_IMPORT_W),
            without_export_wh=energy(Column.WITHOUT_EXPORT_W),
            battery_in_wh=energy(Column.BATTERY_IN_W),
            battery_out_wh=energy(Column.BATTERY_OUT_W),
            price_import=columns[Column.PRICE_IMPORT],
            price_export=columns[Column.PRICE_EXPORT],
            co2_g_per_kwh=columns[Column.CO2_G_PER_KWH],
        )

    def __len__(self) -> int:
        """Return the number of quarters."""
        return len(self.starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Whole cents. Costs are positive; of a saving, what was gained is."""

    energy: int = 0
    """Import with taxes, less what export earned."""
    demand: int = 0

    @property
    def total(self) -> int:
        """Return what is to be paid."""
        return self.energy + self.demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """Whole cents; what was gained is positive."""

    demand: int = 0
    arbitrage: int = 0
    pv: int = 0
    wear: int = 0

    @property
    def total(self) -> int:
        """Return the sum."""
        return self.demand + self.arbitrage + self.pv + self.wear


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The account of a span. Money is in whole cents of the tariff's currency."""

    since: datetime
    until: datetime
    bill: Amounts
    without: Amounts
    saved: Saved
    priced: bool
    """Whether the price of any quarter is known; without one there is no energy money."""
    demand_charged: bool
    """Whether the tariff charges for power at all."""
    co2_saved_g: float | None
    """Of the imported energy; None where no intensity is known."""
    coverage: float | None
    """Share of the quarters for which both sides and the price are known; None: no quarter."""

    @property
    def has_money(self) -> bool:
        """Return whether anything can be said in money."""
        return self.priced or self.demand_charged


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """What a demand charge bills for its running period so far."""

    name: str
    """The charge, and the time class where the tariff bills several."""
    quantity: DemandQuantity
    label: str
    """The billing period: 2026-03, 2026, or 2026-04/2027-03."""
    billed: float
    """kW (kVA, h)."""
    cents: int


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One of the two worlds."""

    import_wh: Floats
    export_wh: Floats
    money: Floats
    """What the energy of each quarter costs; 0 where its price is not known."""


class Account:
    """The account of a site over its ledger. Takes milliseconds to seconds: use an executor."""

    def __init__(self, tariff: Tariff, record: Record, battery: BatterySpec | None = None) -> None:
        """Take the record of all quarters that the billing periods of interest look at.

        ``battery``: its losses, size and wear; None where the site has none.
        """
        self._tariff, self._record = tariff, record
        known = np.isfinite(record.import_wh)
        worked_out = known & np.isfinite(record.without_import_wh)
        self._actual = self._side(record.import_wh, record.export_wh)
        self._without = self._side(
            np.where(worked_out, record.without_import_wh, record.import_wh),
            np.where(
                worked_out & np.isfinite(record.without_export_wh),
                record.without_export_wh,
                record.export_wh,
            ),
        )
        exports = (_zeros(record.export_wh) > 0.0) | (self._without.export_wh > 0.0)
        self._priced = np.isfinite(record.price_import) & known
        self._covered = self._priced & worked_out
        self._covered &= np.isfinite(record.price_export) | ~exports
        self._saved_pv, self._wear = self._parts(battery)
        self._months = tariff.calendar.local(record.starts).months

    def statements(self, spans: Iterable[Span]) -> list[Statement]:
        """Return the account of each span (UTC), in their order."""
        listed = list(spans)
        demand = self._demand_at(sorted({self._index(at) for span in listed for at in span}))
        return [self._statement(since, until, demand) for since, until in listed]

    def billed(self, at: datetime) -> list[Billed]:
        """Return what each demand charge that looks at power bills for its running period.

        The period is the one that ``at`` is in; one without any window yet is left out.
        """
        book = DemandBook(self._tariff, self._metered(self._actual, slice(None)))
        now = np.array([int(at.timestamp())], dtype=np.int64)
        local = self._tariff.calendar.local(now)
        found = []
        for each in book.charges:
            if each.charge.is_contract_only:
                continue
            period = int(each.period_of(local)[0])
            several = len(each.charge.slots) > 1
            found += [
                Billed(
                    name=f"{each.charge.name} {cost.slot}" if several else each.charge.name,
                    quantity=each.charge.quantity,
                    label=cost.label,
                    billed=cost.billed,
                    cents=_cents(cost.amount * self._tariff.vat_factor),
                )
                for cost in each.costs()
                if cost.period == period
            ]
        return found

    # -- parts ---------------------------------------------------------------------------

    def _side(self, import_wh: Floats, export_wh: Floats) -> _Side:
        record = self._record
        fed = _zeros(export_wh)
        money = _zeros(import_wh) * _zeros(record.price_import) - fed * _zeros(record.price_export)
        return _Side(import_wh, fed, money / 1000.0)

    def _parts(self, battery: BatterySpec | None) -> tuple[Floats, Floats]:
        """Return, per quarter, the money that stored PV saved, and that of the wear."""
        record, actual, without = self._record, self._actual, self._without
        energy = without.money - actual.money
        taken, given = _zeros(record.battery_in_wh), _zeros(record.battery_out_wh)
        surplus = np.maximum(actual.export_wh - _zeros(actual.import_wh) + taken - given, 0.0)
        by_export = (actual.export_wh - without.export_wh) * _zeros(record.price_export) / 1000.0
        import_less = _zeros(without.import_wh) - _zeros(actual.import_wh)
        commanded = (import_less != 0.0) | (without.export_wh != actual.export_wh)
        saved_pv, wear = np.zeros(len(record)), np.zeros(len(record))
        stock = _Stock(battery)
        for index in np.flatnonzero((taken > 0.0) | (given > 0.0)).tolist():
            net_wh = float(given[index] - taken[index])
            if net_wh < 0.0:
                stock.charge(-net_wh, min(float(surplus[index]), -net_wh))
                saved_pv[index] = by_export[index]
            else:
                saved_pv[index] = stock.discharge(net_wh) * energy[index]
                wear[index] = net_wh / 1000.0 * stock.wear_per_kwh
        return np.where(commanded, saved_pv, 0.0), np.where(commanded, wear, 0.0)

    def _statement(
        self, since: datetime, until: datetime, demand: dict[int, tuple[int, int]]
    ) -> Statement:
        first, last = self._index(since), self._index(until)
        inside = slice(first, last)
        (bill_before, without_before), (bill_after, without_after) = demand[first], demand[last]
        bill = Amounts(
            energy=self._grew(self._actual.money, first, last), demand=bill_after - bill_before
        )
        without = Amounts(
            energy=self._grew(self._without.money, first, last),
            demand=without_after - without_before,
        )
        saved_pv = self._grew(self._saved_pv, first, last)
        quarters = round((until.timestamp() - since.timestamp()) / WINDOW_S)
        return Statement(
            since=since,
            until=until,
            bill=bill,
            without=without,
            saved=Saved(
                demand=without.demand - bill.demand,
                arbitrage=without.energy - bill.energy - saved_pv,
                pv=saved_pv,
                wear=-self._grew(self._wear, first, last),
            ),
            priced=bool(self._priced[inside if last > first else slice(None)].any()),
            demand_charged=bool(self._tariff.demand),
            co2_saved_g=self._co2_saved_g(inside),
            coverage=float(self._covered[inside].sum()) / quarters if quarters > 0 else None,
        )

    def _grew(self, values: Floats, first: int, last: int) -> int:
        """Return by how many cents the accounts of the months grew between two quarters."""
        cents = 0
        for month in np.unique(self._months[first:last]).tolist():
            begin, end = np.searchsorted(self._months, (month, month + 1)).tolist()
            cents += _cents(float(values[begin : min(end, last)].sum()))
            cents -= _cents(float(values[begin : max(begin, first)].sum()))
        return cents

    def _demand_at(self, cuts: list[int]) -> dict[int, tuple[int, int]]:
        """Return the demand charges of all periods up to each quarter: actual, without."""
        books = [(DemandBook(self._tariff), side) for side in (self._actual, self._without)]
        at: dict[int, tuple[int, int]] = {}
        before = 0
        for cut in cuts:
            for book, side in books:
                book.add(self._metered(side, slice(before, cut)))
            actual, without = (self._demand_cents(book) for book, _ in books)
            at[cut], before = (actual, without), cut
        return at

    def _demand_cents(self, book: DemandBook) -> int:
        return sum(_cents(_net(cost) * self._tariff.vat_factor) for cost in book.costs())

    def _metered(self, side: _Side, inside: slice) -> Metered:
        return Metered.of(
            self._record.starts[inside], side.import_wh[inside], side.export_wh[inside]
        )

    def _co2_saved_g(self, inside: slice) -> float | None:
        intensity = self._record.co2_g_per_kwh[inside]
        if not np.isfinite(intensity).any():
            return None
        less_wh = _zeros(self._without.import_wh[inside]) - _zeros(self._actual.import_wh[inside])
        return float((less_wh * _zeros(intensity)).sum()) / 1000.0

    def _index(self, at: datetime) -> int:
        return int(np.searchsorted(self._record.starts, math.ceil(at.timestamp())))


class _Stock:
    """What is stored, as what it will give, and how much of it came from PV."""

    def __init__(self, battery: BatterySpec | None) -> None:
        """Start empty."""
        self._kept, self._most_wh, self.wear_per_kwh = _UNKNOWN_KEPT, math.inf, 0.0
        if battery is not None:
            self._kept = battery.efficiency_charge * battery.efficiency_discharge
            self._most_wh = battery.capacity_wh * battery.efficiency_discharge
            self.wear_per_kwh = battery.wear_eur_per_kwh
        self._total_wh = self._pv_wh = 0.0

    def charge(self, taken_wh: float, from_pv_wh: float) -> None:
        """Store energy, some of it PV."""
        total_wh = self._total_wh + taken_wh * self._kept
        share = (self._pv_wh + from_pv_wh * self._kept) / total_wh
        self._total_wh = min(total_wh, self._most_wh)
        self._pv_wh = share * self._total_wh

    def discharge(self, given_wh: float) -> float:
        """Take energy out; return which share of it was PV."""
        known_wh = max(self._total_wh, given_wh)
        share = self._pv_wh / known_wh if known_wh > 0.0 else 0.0
        left_wh = max(self._total_wh - given_wh, 0.0)
        self._pv_wh *= left_wh / self._total_wh if self._total_wh > 0.0 else 0.0
        self._total_wh = left_wh
        return share


def _net(cost: PeriodCost) -> float:
    """Return what a period's power costs.

    The prices in the ledger hold the energy price of the upper one of two price sheets (see
    ``PriceSelect.sheet``). Where the other one applies, the difference belongs to the power.
    """
    assumed = cost.charge.sheet(None).per_kwh * cost.energy_kwh
    return cost.amount + cost.energy_amount - assumed


def _zeros(values: Floats) -> Floats:
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _cents(money: float) -> int:
    return round(money * 100.0)
