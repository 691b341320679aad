"""What a tariff says: demand charges, energy prices, and the words that they are made of.

Powers are kW (or kVA), as on invoices; energies here are kWh. Money is in the tariff's own
currency. All figures are without VAT; ``Tariff.vat_factor`` adds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from .calendar import Calendar, TimeClass

HOUR_S: Final = 3600
MONTHS: Final = 12


class DemandQuantity(StrEnum):
    """What the mean of a window is taken of."""

    IMPORT_KW = "import_kw"
    IMPORT_KVA = "import_kva"
    EXPORT_KW = "export_kw"


class Basis(StrEnum):
    """What of a window counts: its mean, or what is above the contract."""

    VALUE = "value"
    EXCESS = "excess"


class Op(StrEnum):
    """How one billed figure is made of the windows of a period."""

    MAX = "max"
    MEAN_TOP = "mean_top"
    NTH_TOP = "nth_top"
    SUM_TOP = "sum_top"
    RSS = "rss"
    """The root of the sum of squares."""
    SUM = "sum"
    HOURS = "hours"
    """The hours in which there was an excess."""


class Distinct(StrEnum):
    """Of which span only the highest window counts."""

    NONE = "none"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class Per(StrEnum):
    """Whether windows are picked among all of them, or within each time class."""

    ALL = "all"
    CLASS = "class"


class Period(StrEnum):
    """How long windows are collected for one bill."""

    MONTH = "month"
    YEAR = "year"
    ROLLING12M = "rolling12m"
    """Billed each month, from the windows of this month and the eleven before it."""
    CONTRACT_YEAR = "contract_year"

    @property
    def months(self) -> int:
        """Return how many months one bill is for."""
        return MONTHS if self in (Period.YEAR, Period.CONTRACT_YEAR) else 1


class Combine(StrEnum):
    """What is billed of the results of the last twelve months."""

    NONE = "none"
    MEAN12 = "mean12"
    MAX12 = "max12"


class PriceKind(StrEnum):
    """How a price follows from the billed figure."""

    LINEAR = "linear"
    BLOCK = "block"
    """Each rate holds for the part of the power above its threshold."""
    STEP = "step"
    """Each amount holds for the whole band that starts at its threshold."""


class ChargeOn(StrEnum):
    """Which power the price is applied to."""

    MEASURED = "measured"
    CONTRACT = "contract"
    MAX_OF_BOTH = "max_of_both"


class Span(StrEnum):
    """The time that a rate is for."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    PERIOD = "period"
    """The billing period, however long it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """From a billed figure to money.

    ``rates`` are pairs (threshold, rate) with rising thresholds from 0; the rate is money
    per kW and ``span``, for a step the amount per ``span`` of the whole band.
    """

    kind: PriceKind
    span: Span
    rates: tuple[tuple[float, float], ...]
    factor: float = 1.0
    class_factor: Mapping[str, float] = field(default_factory=dict)
    charge_on: ChargeOn = ChargeOn.MEASURED
    at_threshold_upper: bool = True
    """A step only: whether exactly the threshold already costs the upper band."""

    def amount(self, billed: float) -> float:
        """Return the money for one ``span``, before both factors."""
        if self.kind is PriceKind.STEP:
            # A mean of 10 kW must not miss its threshold by the last bit of a float.
            billed, amount = round(billed, 6), self.rates[0][1]
            for threshold, rate in self.rates[1:]:
                if billed > threshold or (self.at_threshold_upper and billed == threshold):
                    amount = rate
            return amount
        total, last_threshold, last_rate = 0.0, *self.rates[0]
        for threshold, rate in self.rates[1:]:
            if billed <= threshold:
                break
            total += (threshold - last_threshold) * last_rate
            last_threshold, last_rate = threshold, rate
        return total + (billed - last_threshold) * last_rate

    def total_factor(self, class_name: str) -> float:
        """Return what the amount is multiplied with for one time class."""
        return self.factor * self.class_factor.get(class_name, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One of two price sheets: a power price and an energy price that belong together."""

    price: Price
    per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSelect:
    """Two price sheets, chosen by the full load hours of the year: its kWh over its peak."""

    threshold_h: float
    below: Sheet
    above: Sheet

    def sheet(self, full_load_hours: float | None) -> Sheet:
        """Return the sheet that applies; the upper one while nothing is known.

        Compute runs day and night, so the upper one is the likely one.
        """
        below = full_load_hours is not None and full_load_hours < self.threshold_h
        return self.below if below else self.above


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """How windows become one figure."""

    op: Op = Op.MAX
    n: int = 1
    distinct: Distinct = Distinct.NONE
    per: Per = Per.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCharge:
    """One item of the bill that depends on power."""

    name: str
    quantity: DemandQuantity
    window_s: int
    classes: tuple[TimeClass, ...]
    basis: Basis
    contract_kw: Mapping[str, float]
    """By class name; empty where there is no contract."""
    pick: Pick
    period: Period
    start_month: int
    combine: Combine
    floor_kw: float
    floor_fraction_of_contract: float
    price: Price | PriceSelect
    power_factor: float
    """Turns kW into kVA where the meter gives no kVA."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Return the names of what is picked separately: the classes, or all as the first."""
        if self.pick.per is Per.CLASS:
            return tuple(dict.fromkeys(each.name for each in self.classes))
        return (self.classes[0].name,)

    @property
    def slot_of_class(self) -> tuple[int, ...]:
        """Return the index among ``slots`` of each entry of ``classes``."""
        slots = self.slots
        return tuple(slots.index(c.name) if c.name in slots else 0 for c in self.classes)

    def contract(self, slot: str) -> float:
        """Return the contracted power of a slot; 0 where there is no contract."""
        return self.contract_kw.get(slot, 0.0)

    def floor(self, slot: str) -> float:
        """Return the least power that a slot is billed for."""
        return max(self.floor_kw, self.floor_fraction_of_contract * self.contract(slot))

    def sheet(self, full_load_hours: float | None) -> Sheet:
        """Return the price that applies, and the energy price that comes with it."""
        if isinstance(self.price, PriceSelect):
            return self.price.sheet(full_load_hours)
        return Sheet(price=self.price, per_kwh=0.0)

    @property
    def is_contract_only(self) -> bool:
        """Whether no metered power can change the amount."""
        return isinstance(self.price, Price) and self.price.charge_on is ChargeOn.CONTRACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Adder:
    """An amount per kWh, by time class; nothing outside all classes."""

    name: str
    classes: tuple[TimeClass, ...]
    per_kwh: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPrice:
    """The price of a kWh in one direction: day-ahead price times factor, plus adders, taxes."""

    day_ahead_factor: float = 0.0
    """0: the price does not follow the day-ahead market."""
    adders: tuple[Adder, ...] = ()
    taxes: tuple[Adder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Everything that the site pays for electricity, and is paid."""

    id: str
    country: str
    dso: str
    level: str
    currency: str
    calendar: Calendar
    vat_percent: float
    valid_from: date | None
    valid_to: date | None
    source: str
    note: str
    energy_import: EnergyPrice
    energy_export: EnergyPrice
    demand: tuple[DemandCharge, ...]

    @property
    def vat_factor(self) -> float:
        """Return what every net amount but the export revenue is multiplied with."""
        return 1.0 + self.vat_percent / 100.0
