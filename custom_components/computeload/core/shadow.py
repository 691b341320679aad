"""Shadow mode, scored: what the controller would have done on a day on which it was off.

The day is lived again by the backtest: the same law, the plans that would have been made,
nothing known but what was known then. It starts with what the battery held, or what the
shadow of the day before left in it, and it is billed beside the day as it really was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

import numpy as np

from .backtest import run
from .backtest_data import Measured, TestSite
from .ledger_read import Column, History
from .plan import BatterySpec, Floats
from .savings import Record
from .site import Strategy
from .tariff import Tariff, import_price
from .window import WINDOW_S

_HOURS: Final = WINDOW_S / 3600.0
_DIGITS: Final = 1
"""Shadows are kept to the tenth of a watt, so that a restart changes none."""
_LEAST_KNOWN: Final = 0.9
"""A day of which less is known has no shadow."""
COLUMNS: Final = (
    Column.LOAD_W,
    Column.PV_W,
    Column.GRID_W,
    Column.PRICE_IMPORT,
    Column.SOC,
)
"""What of the ledger a shadow is made from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShadowDay:
    """The quarters of a day as they would have been, shape (n,) each."""

    start_s: int
    """Unix seconds."""
    grid_w: Floats
    battery_w: Floats
    stored_wh: float
    """What the battery would have held at its end."""

    def to_state(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "start_s": self.start_s,
            "grid_w": self.grid_w.tolist(),
            "battery_w": self.battery_w.tolist(),
            "stored_wh": self.stored_wh,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return it from JSON; raises KeyError, TypeError or ValueError for another thing."""
        grid_w, battery_w = (
            np.array(state[name], dtype=np.float64) for name in ("grid_w", "battery_w")
        )
        if grid_w.shape != battery_w.shape or grid_w.ndim != 1:
            raise ValueError("a shadow's columns differ in length")
        if not (np.isfinite(grid_w).all() and np.isfinite(battery_w).all()):
            raise ValueError("a shadow's powers are finite")
        return cls(
            start_s=int(state["start_s"]),
            grid_w=grid_w,
            battery_w=battery_w,
            stored_wh=float(state["stored_wh"]),
        )


def shadow_day(
    history: History,
    day: datetime,
    *,
    tariff: Tariff,
    battery: BatterySpec,
    strategy: Strategy,
    import_limit_w: float | None = None,
    export_limit_w: float | None = None,
    reserve_wh: float = 0.0,
    before: Iterable[ShadowDay] = (),
) -> ShadowDay | None:
    """Return the day that starts at ``day`` and ends where ``history`` does.

    ``history``: ``COLUMNS`` of the weeks before and of the day. ``before``: shadows of
    earlier days: their peaks stand in place of the real ones, and the last one's energy is
    what this day starts with if it ends where the day begins. None where too little of the
    day is known, its prices included if the tariff needs them. Takes a second or so.
    """
    starts = history.starts.astype(np.int64)
    first = int(np.searchsorted(starts, int(day.timestamp())))
    prices = market_behind(tariff, history)
    load_w = history.columns[Column.LOAD_W]
    known = np.isfinite(load_w[first:]) & np.isfinite(prices[first:])
    if battery.capacity_wh <= 0.0 or not known.size or known.mean() < _LEAST_KNOWN:
        return None
    pv_w = np.nan_to_num(history.columns[Column.PV_W])
    peak_kw = max(float(pv_w.max()), 1.0) / 1000.0
    series = Measured(
        starts=starts,
        step_s=round(WINDOW_S),
        load_w=_held(load_w),
        price=_held(prices),
        pv_per_kwp=np.maximum(pv_w, 0.0) / 1000.0 / peak_kw,
        carbon_g_per_kwh=np.zeros(len(starts)),
    )
    lived_w = history.columns[Column.GRID_W][:first].copy()
    start_wh = _stored_wh(history.columns[Column.SOC], first, battery)
    for each in before:
        place = np.searchsorted(starts[:first], each.start_s)
        there = lived_w[place : place + len(each.grid_w)]
        there[:] = each.grid_w[: len(there)]
        if each.start_s + len(each.grid_w) * WINDOW_S == starts[first]:
            start_wh = each.stored_wh
    site = TestSite(
        tariff=tariff,
        battery=battery,
        start_wh=min(max(start_wh, battery.least_wh), battery.most_wh),
        pv_peak_kw=peak_kw,
        import_limit_w=import_limit_w,
        export_limit_w=export_limit_w,
        reserve_wh=reserve_wh,
    )
    schedule = run(series, site, strategy, lived_w=lived_w)
    return ShadowDay(
        start_s=int(starts[first]),
        grid_w=np.round(schedule.grid_w[first:], _DIGITS),
        battery_w=np.round(schedule.battery_w[first:], _DIGITS),
        stored_wh=round(float(schedule.stored_wh[-1]), _DIGITS),
    )


def shadowed(record: Record, days: Iterable[ShadowDay]) -> Record:
    """Return the record whose account says what shadows would have saved.

    What was real stands on the side "without control", the shadows on the other one; the
    days without a shadow are the same on both.
    """
    shadow = replace(
        record,
        without_import_wh=record.import_wh.copy(),
        without_export_wh=np.nan_to_num(record.export_wh),
        import_wh=record.import_wh.copy(),
        export_wh=np.nan_to_num(record.export_wh),
        battery_in_wh=np.zeros(len(record)),
        battery_out_wh=np.zeros(len(record)),
    )
    for day in days:
        first = int(np.searchsorted(record.starts, day.start_s))
        if first == len(record) or record.starts[first] != day.start_s:
            continue
        there = slice(first, first + len(day.grid_w))
        real_wh = record.import_wh[there]
        # Where the meter was silent neither side is billed.
        heard = np.isfinite(real_wh)
        for column, power_w in (
            (shadow.import_wh, day.grid_w),
            (shadow.export_wh, -day.grid_w),
            (shadow.battery_in_wh, -day.battery_w),
            (shadow.battery_out_wh, day.battery_w),
        ):
            energy_wh = np.maximum(power_w[: len(real_wh)], 0.0) * _HOURS
            column[there] = np.where(heard, energy_wh, column[there])
    return shadow


def market_behind(tariff: Tariff, history: History) -> Floats:
    """Return the day-ahead prices that the ledger's import prices come from, shape (n,).

    Zeros where the tariff does not follow the market; NaN where a price is not known.
    """
    starts = history.starts.astype(np.int64)
    nothing = np.zeros(len(starts))
    factor = tariff.energy_import.day_ahead_factor * tariff.vat_factor
    if factor == 0.0:
        return nothing
    behind: Floats = history.columns[Column.PRICE_IMPORT] - import_price(tariff, starts, nothing)
    return behind / factor


def _held(values: Floats) -> Floats:
    """Return values with gaps filled by what was before (at first: what comes after)."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return np.zeros(len(values))
    last = np.searchsorted(known, np.arange(len(values)), side="right") - 1
    held: Floats = values[known[np.maximum(last, 0)]]
    return held


def _stored_wh(soc: Floats, first: int, battery: BatterySpec) -> float:
    """Return what the battery held when the day began, as last known before, else half."""
    known = soc[:first][np.isfinite(soc[:first])]
    share = float(known[-1]) if len(known) else 0.5
    return share * battery.capacity_wh
