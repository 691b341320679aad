"""What a stretch of metered time costs, item by item, summing to the cent."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .book import DemandBook
from .calendar import Ints
from .metered import Floats, Metered
from .price import adder_price, market_price
from .spec import Adder, EnergyPrice, Tariff


class ItemKind(StrEnum):
    """What an item of a bill is for."""

    ENERGY = "energy"
    TAX = "tax"
    DEMAND = "demand"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillItem:
    """One line of a bill. Amounts are in the tariff's currency; what is earned is negative."""

    kind: ItemKind
    name: str
    period: str
    """2026-03, 2026, or 2026-04/2027-03, on the site's calendar."""
    quantity: float
    """kWh, kW, kVA or h; for a demand charge what is billed, for energy what was metered."""
    net: float
    vat: float

    @property
    def cents(self) -> int:
        """Return the line as it stands on the bill: net and VAT, rounded to the cent."""
        return round((self.net + self.vat) * 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A bill and what it is made of."""

    currency: str
    items: tuple[BillItem, ...]
    unpriced_import_wh: float
    """Import in windows whose market price is not known: not in the bill."""
    unpriced_export_wh: float

    @property
    def total(self) -> float:
        """Return what is to be paid: the sum of all lines."""
        return sum(item.cents for item in self.items) / 100.0

    def of(self, kind: ItemKind, name: str | None = None) -> float:
        """Return the sum of the lines of one kind (and one name)."""
        chosen = (i for i in self.items if i.kind is kind and name in (None, i.name))
        return sum(item.cents for item in chosen) / 100.0


def bill(tariff: Tariff, metered: Metered, day_ahead: Floats | None = None) -> Bill:
    """Return what the metered windows cost.

    ``day_ahead``: the market's price per kWh in each window of ``metered``, same order and
    shape; NaN where it is not known. Demand charges are billed for every period that has a
    window in it, in full, as if the period ended with the last window. Raises ValueError
    if the tariff follows the market and no prices are given.
    """
    items: list[BillItem] = []
    unpriced = []
    sides = (
        (ItemKind.ENERGY, tariff.energy_import, metered.import_wh, tariff.vat_factor, 1.0),
        (ItemKind.EXPORT, tariff.energy_export, metered.export_wh, 1.0, -1.0),
    )
    for kind, side, energy_wh, vat_factor, sign in sides:
        market = market_price(side, metered.starts, day_ahead)
        priced = np.isfinite(market)
        unpriced.append(float(energy_wh[~priced].sum()))
        energy_kwh = np.where(priced, energy_wh, 0.0) / 1000.0
        lines = _Lines(tariff, metered, energy_kwh, vat_factor, sign)
        items.extend(lines.of_side(kind, side, np.where(priced, market, 0.0)))
    items.extend(_demand_items(tariff, metered))
    return Bill(
        currency=tariff.currency,
        items=tuple(items),
        unpriced_import_wh=unpriced[0],
        unpriced_export_wh=unpriced[1],
    )


class _Lines:
    """Energy of one direction, put into one line per calendar month and price part."""

    def __init__(
        self,
        tariff: Tariff,
        metered: Metered,
        energy_kwh: Floats,
        vat_factor: float,
        sign: float,
    ) -> None:
        self._calendar = tariff.calendar
        self._local = tariff.calendar.local(metered.starts)
        self._energy_kwh = energy_kwh
        self._vat = vat_factor - 1.0
        self._sign = sign
        self._months: Ints
        self._where: Ints
        self._months, self._where = np.unique(self._local.months, return_inverse=True)

    def of_side(self, kind: ItemKind, side: EnergyPrice, market: Floats) -> Iterator[BillItem]:
        """Yield the lines of a direction: market, adders, taxes."""
        if side.day_ahead_factor != 0.0:
            yield from self._lines(kind, "day-ahead", market)
        for adder in side.adders:
            yield from self._adder(kind, adder)
        for tax in side.taxes:
            yield from self._adder(ItemKind.TAX if kind is ItemKind.ENERGY else kind, tax)

    def _adder(self, kind: ItemKind, adder: Adder) -> Iterator[BillItem]:
        return self._lines(kind, adder.name, adder_price(adder, self._calendar, self._local))

    def _lines(self, kind: ItemKind, name: str, price: Floats) -> Iterator[BillItem]:
        months = len(self._months)
        energy = np.bincount(self._where, self._energy_kwh, months)
        money = np.bincount(self._where, self._energy_kwh * price, months) * self._sign
        for index, month in enumerate(self._months):
            yield BillItem(
                kind=kind,
                name=name,
                period=str(np.datetime64(int(month), "M")),
                quantity=float(energy[index]),
                net=float(money[index]),
                vat=float(money[index]) * self._vat,
            )


def _demand_items(tariff: Tariff, metered: Metered) -> Iterator[BillItem]:
    vat = tariff.vat_factor - 1.0
    for cost in DemandBook(tariff, metered).costs():
        name = cost.charge.name
        several = len(cost.charge.slots) > 1
        yield BillItem(
            kind=ItemKind.DEMAND,
            name=f"{name} {cost.slot}" if several else name,
            period=cost.label,
            quantity=cost.billed,
            net=cost.amount,
            vat=cost.amount * vat,
        )
        if cost.energy_amount:
            yield BillItem(
                kind=ItemKind.ENERGY,
                name=f"{name} energy",
                period=cost.label,
                quantity=cost.energy_kwh,
                net=cost.energy_amount,
                vat=cost.energy_amount * vat,
            )
