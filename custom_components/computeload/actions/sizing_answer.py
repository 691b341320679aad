"""What a simulation answers: the table, what is best, and what to bear in mind."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from ..core.sizing import Row, Variant
from ..core.sizing_past import Past
from .base import Answer

_NEARLY_ALL: Final = 0.995
_NEARLY_A_YEAR: Final = 330.0


def answer_of(past: Past, rows: list[Row], currency: str) -> Answer:
    """Return the response. Money is per year, powers are in kW, shares 0..1."""
    starts, step = past.series.starts, timedelta(seconds=past.series.step_s)
    best = min(rows, key=lambda row: row.rank)
    return {
        "since": datetime.fromtimestamp(int(starts[0]), UTC).isoformat(),
        "until": (datetime.fromtimestamp(int(starts[-1]), UTC) + step).isoformat(),
        "days": round(past.days, 2),
        "currency": currency,
        "known": {
            "load": round(past.load_known, 4),
            "price": round(past.price_known, 4),
            "pv": round(past.pv_known, 4),
        },
        "notes": list(_notes(past, rows)),
        "table": [_row(row) for row in rows],
        "best": _row(best),
        "best_in_words": _in_words(best, currency),
    }


def name_of(variant: Variant) -> str:
    """Return a variant's name: what it has that others may not have."""
    battery = "without a battery" if variant.battery is None else variant.battery.name
    pv = f", {variant.pv_peak_kw:g} kW of PV" if variant.pv_peak_kw else ""
    strategy = "" if variant.battery is None else f", {variant.strategy.value.replace('_', ' ')}"
    return f"{battery}{pv}, {variant.tariff_name}{strategy}"


def _row(row: Row) -> Answer:
    variant, yearly = row.result.variant, row.result.yearly
    battery = variant.battery
    return {
        "rank": row.rank,
        "name": name_of(variant),
        "tariff": variant.tariff_name,
        "pv_peak_kw": round(variant.pv_peak_kw, 3),
        "battery": None if battery is None else battery.name,
        "capacity_kwh": 0.0 if battery is None else battery.spec.capacity_wh / 1000.0,
        "strategy": None if battery is None else variant.strategy.value,
        "cost": _money(row.cost),
        "bill": _money(yearly.bill),
        "energy": _money(yearly.energy),
        "demand": _money(yearly.demand),
        "wear": _money(yearly.wear),
        "saving": _money(row.saving),
        "share_of_bound": None if row.share_of_bound is None else round(row.share_of_bound, 3),
        "price": None if battery is None or battery.price is None else _money(battery.price),
        "payback_years": None if row.payback_years is None else round(row.payback_years, 1),
        "peak_kw": round(row.result.peak_kw, 3),
        "billed_peaks_kw": {name: round(kw, 3) for name, kw in row.result.peaks_kw.items()},
    }


def _money(amount: float) -> float:
    # Adding 0.0 makes a negative zero a plain one.
    return round(amount, 2) + 0.0


def _notes(past: Past, rows: list[Row]) -> Iterator[str]:
    for what, known in (
        ("load", past.load_known),
        ("price", past.price_known),
        ("PV production", past.pv_known),
    ):
        if 0.0 < known < _NEARLY_ALL:
            yield (
                f"The {what} is known in {known:.0%} of the quarters; the others were filled in "
                "with what is usual at that time."
            )
    follows = any(
        side.day_ahead_factor != 0.0
        for row in rows
        for side in (
            row.result.variant.tariff.energy_import,
            row.result.variant.tariff.energy_export,
        )
    )
    if past.price_known == 0.0 and follows:
        yield (
            "No market price is known: energy counts by the fixed parts of its price alone, and "
            "nothing is saved by moving it. Set a source of prices up, or import prices."
        )
    if past.days < _NEARLY_A_YEAR:
        yield (
            f"A year was worked out from {past.days:.0f} days: seasons that are not among them "
            "are not in it."
        )
    if all(row.result.variant.battery is None or row.price_per_year is None for row in rows):
        yield "No battery has a price, so none has a payback; the ranking counts their wear."


def _in_words(best: Row, currency: str) -> str:
    name = name_of(best.result.variant)
    if best.result.variant.battery is None:
        return f"Cheapest is the site {name}: no battery saves more than it costs."
    payback = (
        ""
        if best.payback_years is None
        else f", and it has earned its price after {best.payback_years:.1f} years"
    )
    return f"Cheapest is {name}: it saves {best.saving:.0f} {currency} a year{payback}."
