"""What a backtest was worth: the tariff's own bills, and perfect foresight beside them."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from .backtest import Schedule
from .backtest_data import Measured, TestSite
from .bound import Best, Foresight, PeakCharge, perfect_foresight
from .plan import Floats
from .tariff import (
    DemandBook,
    ItemKind,
    Metered,
    bill,
    demand_terms,
    export_price,
    import_price,
)

_HOURS: Final = 0.25
_MINUTES: Final = 15
_TOLERANCE_KW: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a schedule cost, in the tariff's currency, and the peaks it was billed for."""

    energy: float
    """Import with taxes, less what export earned."""
    demand: float
    wear: float
    peaks: dict[str, float]
    """For each demand charge and period what was billed, kW."""

    @property
    def total(self) -> float:
        """Return the sum."""
        return self.energy + self.demand + self.wear


def cost_of(series: Measured, site: TestSite, grid_w: Floats, battery_w: Floats) -> Cost:
    """Return the bill of the tariff for a grid power, and the battery's wear."""
    metered = Metered.of(
        series.starts, np.maximum(grid_w, 0.0) * _HOURS, np.maximum(-grid_w, 0.0) * _HOURS
    )
    made_out = bill(site.tariff, metered, series.price)
    given_kwh = float(np.maximum(battery_w, 0.0).sum()) * _HOURS / 1000.0
    return Cost(
        energy=sum(made_out.of(kind) for kind in (ItemKind.ENERGY, ItemKind.TAX, ItemKind.EXPORT)),
        demand=made_out.of(ItemKind.DEMAND),
        wear=given_kwh * site.battery.wear_eur_per_kwh,
        peaks={
            f"{item.name} {item.period}": item.quantity
            for item in made_out.items
            if item.kind is ItemKind.DEMAND
        },
    )


def without_battery(series: Measured, site: TestSite) -> Cost:
    """Return what the site costs with its PV, but without battery and control."""
    grid_w = series.load_w - series.pv_per_kwp * site.pv_peak_kw * 1000.0
    return cost_of(series, site, grid_w, np.zeros(len(series)))


def raised_kw(before: Cost, after: Cost) -> dict[str, float]:
    """Return by how much the battery raised a billed peak, for each period in which it did."""
    rises = {period: after.peaks[period] - peak for period, peak in before.peaks.items()}
    return {period: rise for period, rise in rises.items() if rise > _TOLERANCE_KW}


def bound_of(series: Measured, site: TestSite) -> tuple[Cost, Best]:
    """Return what perfect foresight costs, with its schedule; raises BoundError."""
    battery = site.battery
    pv_kw = series.pv_per_kwp * site.pv_peak_kw
    terms = demand_terms(DemandBook(site.tariff), series.starts)
    best = perfect_foresight(
        Foresight(
            step_h=_HOURS,
            load_kw=series.load_w / 1000.0,
            pv_kw=pv_kw,
            buy=import_price(site.tariff, series.starts, series.price),
            sell=export_price(site.tariff, series.starts, series.price),
            capacity_kwh=battery.capacity_wh / 1000.0,
            least_kwh=battery.least_wh / 1000.0,
            most_kwh=battery.most_wh / 1000.0,
            start_kwh=site.start_wh / 1000.0,
            charge_kw=battery.charge_w / 1000.0,
            discharge_kw=battery.discharge_w / 1000.0,
            efficiency_charge=battery.efficiency_charge,
            efficiency_discharge=battery.efficiency_discharge,
            wear_per_kwh=battery.wear_eur_per_kwh,
            peaks=tuple(
                PeakCharge(term.weights, term.floor_w / 1000.0, term.rate_eur_per_kw)
                for term in terms
            ),
            import_limit_kw=_kw(site.import_limit_w),
            export_limit_kw=_kw(site.export_limit_w),
        )
    )
    grid_kw = series.load_w / 1000.0 - pv_kw + best.curtailed_kw - best.battery_kw
    return cost_of(series, site, grid_kw * 1000.0, best.battery_kw * 1000.0), best


def _kw(limit_w: float | None) -> float | None:
    return None if limit_w is None else limit_w / 1000.0


def report(series: Measured, site: TestSite, schedule: Schedule) -> dict[str, object]:
    """Return everything that OUT.json says; see ``docs/backtest.md``."""
    before = without_battery(series, site)
    after = cost_of(series, site, schedule.grid_w, schedule.battery_w)
    best, _ = bound_of(series, site)
    possible = before.total - best.total
    plans_ms = np.array(schedule.plan_s or [0.0]) * 1000.0
    return {
        "from": _iso(int(series.starts[0])),
        "until": _iso(int(series.starts[-1]) + series.step_s),
        "steps": len(series),
        "currency": site.tariff.currency,
        "cost_without_battery": _split(before),
        "cost": _split(after),
        "cost_perfect_foresight": _split(best),
        "saving": before.total - after.total,
        "saving_perfect_foresight": possible,
        "score": (before.total - after.total) / possible if possible > 0.0 else None,
        "peaks_kw": {
            "without_battery": before.peaks,
            "with_battery": after.peaks,
            "perfect_foresight": best.peaks,
            "raised_by_battery": raised_kw(before, after),
        },
        "forecast": {
            name: {
                f"{lead * _MINUTES} min": {
                    "mae_kw": own / 1000.0,
                    "persistence_kw": naive / 1000.0,
                    "within_80_percent_interval": schedule.coverage[name].get(lead),
                }
                for lead, (own, naive) in errors.items()
            }
            for name, errors in schedule.errors.items()
        },
        "plan_ms": {
            "count": len(schedule.plan_s),
            "median": float(np.median(plans_ms)),
            "p99": float(np.quantile(plans_ms, 0.99)),
            "max": float(plans_ms.max()),
        },
        "jobs": None if schedule.delays_s is None else _delays(schedule.delays_s),
        "steps_per_second": len(series) / max(schedule.run_s, 1e-9),
    }


def _split(cost: Cost) -> dict[str, float]:
    parts = {name: value for name, value in asdict(cost).items() if name != "peaks"}
    return {**parts, "total": cost.total}


def _delays(delays_s: Floats) -> dict[str, float]:
    """Return how long jobs were delayed: of those that were, in hours."""
    hours = delays_s[delays_s > 0.0] / 3600.0
    some = hours if hours.size else np.zeros(1)
    return {
        "count": len(delays_s),
        "delayed": len(hours),
        "mean_h": float(some.mean()),
        "p95_h": float(np.quantile(some, 0.95)),
        "longest_h": float(some.max()),
    }


def _iso(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ")
