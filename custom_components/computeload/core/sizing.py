"""What another battery, tariff or roof would have cost: a site's own past, tried again.

Each variant runs through the past as in a backtest: with the planner and the control law
of the live site, and nothing known of the future. All money is of the tariff's currency and
per year: energy and wear in proportion to the days, demand charges by what their periods
cost on average.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
import re
from typing import Final

import numpy as np

from .backtest import run
from .backtest_data import Measured, TestSite
from .backtest_report import bound_of, cost_of
from .bound import BoundError
from .plan import BatterySpec, Floats
from .planning import Connection
from .site import Strategy
from .sizing_past import Past
from .tariff import ItemKind, Metered, Tariff, bill

YEAR_DAYS: Final = 365.25
_HOURS: Final = 0.25
_MONTH: Final = re.compile(r"\d{4}-\d{2}")
_NO_BATTERY: Final = BatterySpec(capacity_wh=0.0, charge_w=0.0, discharge_w=0.0)
_LEAST: Final = 0.005
"""Less money than this is none."""

type Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryOption:
    """A battery that might be bought."""

    name: str
    spec: BatterySpec
    price: float | None = None
    """What it costs as a whole; None: not known, or it is there already."""
    reserve_wh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One site that might be."""

    tariff_name: str
    tariff: Tariff
    pv_peak_kw: float
    battery: BatteryOption | None
    strategy: Strategy = Strategy.OBSERVE

    @property
    def place(self) -> tuple[str, float]:
        """Return what it shares with the variants that it is compared with."""
        return self.tariff_name, self.pv_peak_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class Yearly:
    """What a year costs."""

    energy: float
    """Import with taxes, less what export earned."""
    demand: float
    wear: float = 0.0

    @property
    def bill(self) -> float:
        """Return what is to be paid."""
        return self.energy + self.demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a variant did."""

    variant: Variant
    yearly: Yearly
    peak_kw: float
    """The highest mean import of a quarter."""
    peaks_kw: dict[str, float]
    """What each demand charge billed in each of its periods, kW or kVA."""
    total: float
    """What the whole past cost, wear included; the same for all only within one place."""
    best_total: float | None = None
    """The same with perfect foresight; None where it is not worked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A variant beside the others."""

    result: Result
    saving: float
    """Of the bill, a year, against the same site without a battery."""
    share_of_bound: float | None
    """How much of what perfect foresight saves was saved; None without a battery."""
    price_per_year: float | None
    """The battery's price spread over its life."""
    payback_years: float | None
    """After how long it has earned its price; None: no price, or not within its life."""
    cost: float
    """What all is a year, battery included: by its price where that is known, else by its wear."""
    rank: int
    """1 is the cheapest of all."""


def variants(
    tariffs: Sequence[tuple[str, Tariff]],
    pv_peaks_kw: Sequence[float],
    batteries: Sequence[BatteryOption],
    strategies: Sequence[Strategy],
) -> Iterator[Variant]:
    """Yield every combination; of each tariff and PV, first the site without a battery."""
    for (name, tariff), peak_kw in product(tariffs, pv_peaks_kw):
        bare = Variant(tariff_name=name, tariff=tariff, pv_peak_kw=peak_kw, battery=None)
        yield bare
        for battery, strategy in product(batteries, strategies):
            yield replace(bare, battery=battery, strategy=strategy)


def tried(past: Past, variant: Variant, connection: Connection, progress: Progress) -> Result:
    """Return how a variant would have done; ``progress`` hears how far it is (0..1).

    Takes minutes for a year. What ``progress`` raises ends it.
    """
    series = past.series
    if past.pv_peak_kw == 0.0 or variant.pv_peak_kw == 0.0:
        series = replace(series, pv_per_kwp=np.zeros(len(series)))
    battery = variant.battery
    spec = _NO_BATTERY if battery is None else battery.spec
    site = TestSite(
        tariff=variant.tariff,
        battery=spec,
        start_wh=(spec.least_wh + spec.most_wh) / 2.0,
        pv_peak_kw=variant.pv_peak_kw,
        import_limit_w=connection.import_limit_w,
        export_limit_w=connection.export_limit_w,
        reserve_wh=0.0 if battery is None else battery.reserve_wh,
    )
    if battery is None:
        grid_w = series.load_w - series.pv_per_kwp * variant.pv_peak_kw * 1000.0
        return _result(past, variant, site, grid_w, np.zeros(len(series)))
    schedule = run(series, site, variant.strategy, progress)
    progress(1.0)
    try:
        best, _ = bound_of(series, site)
    except BoundError:
        best = None
    result = _result(past, variant, site, schedule.grid_w, schedule.battery_w)
    return replace(result, best_total=None if best is None else best.total)


def _result(
    past: Past, variant: Variant, site: TestSite, grid_w: Floats, battery_w: Floats
) -> Result:
    series = past.series
    cost = cost_of(series, site, grid_w, battery_w)
    return Result(
        variant=variant,
        yearly=_yearly(series, site, grid_w, cost.wear),
        peak_kw=max(float(grid_w.max()), 0.0) / 1000.0,
        peaks_kw=cost.peaks,
        total=cost.total,
    )


def _yearly(series: Measured, site: TestSite, grid_w: Floats, wear: float) -> Yearly:
    """Return what a year like this costs; a demand charge counts by its periods, not by days."""
    energies_wh = np.maximum(grid_w, 0.0) * _HOURS, np.maximum(-grid_w, 0.0) * _HOURS
    made_out = bill(site.tariff, Metered.of(series.starts, *energies_wh), series.price)
    years = len(series) * _HOURS / 24.0 / YEAR_DAYS
    amounts: dict[str, list[float]] = {}
    per_year: dict[str, float] = {}
    for item in made_out.items:
        if item.kind is ItemKind.DEMAND:
            amounts.setdefault(item.name, []).append(item.cents / 100.0)
            per_year[item.name] = 12.0 if _MONTH.fullmatch(item.period) else 1.0
    energy = sum(i.cents for i in made_out.items if i.kind is not ItemKind.DEMAND) / 100.0
    return Yearly(
        energy=energy / years,
        demand=sum(per_year[name] * float(np.mean(each)) for name, each in amounts.items()),
        wear=wear / years,
    )


def table(results: Iterable[Result], lifetime_years: float) -> list[Row]:
    """Return the variants beside each other, in the order in which they came.

    Each place (tariff and PV) must have its site without a battery among them.
    """
    results = list(results)
    bare = {r.variant.place: r for r in results if r.variant.battery is None}
    rows = [_row(each, bare[each.variant.place], lifetime_years) for each in results]
    order = sorted(range(len(rows)), key=lambda index: rows[index].cost)
    ranks = {index: rank for rank, index in enumerate(order, 1)}
    return [replace(row, rank=ranks[index]) for index, row in enumerate(rows)]


def _row(result: Result, bare: Result, lifetime_years: float) -> Row:
    battery = result.variant.battery
    price = None if battery is None else battery.price
    saving = bare.yearly.bill - result.yearly.bill
    per_year = None if price is None else price / lifetime_years
    payback = price / saving if price is not None and saving > _LEAST else None
    share = None
    if result.best_total is not None and bare.total - result.best_total > _LEAST:
        share = (bare.total - result.total) / (bare.total - result.best_total)
    return Row(
        result=result,
        saving=saving,
        share_of_bound=share,
        price_per_year=per_year,
        payback_years=payback if payback is not None and payback <= lifetime_years else None,
        cost=result.yearly.bill + (result.yearly.wear if per_year is None else per_year),
        rank=0,
    )
