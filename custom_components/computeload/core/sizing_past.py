"""A site's own past as a series that can be tried again: whole, at one step, with no gaps.

What the ledger does not know is filled in with what is usual for that hour of the week, and
it is said how much of each column was really known.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .backtest_data import Measured
from .ledger_read import Column, History
from .plan import Floats, Ints
from .tariff import Tariff, import_price
from .window import WINDOW_S

COLUMNS: Final = (Column.LOAD_W, Column.PV_W, Column.PRICE_IMPORT)
"""What of the ledger a past is made from."""
LEAST_DAYS: Final = 7
LEAST_KNOWN: Final = 0.5
DAY: Final = 96
_WEEK: Final = 7 * DAY
_SHORT: Final = 4
"""A gap of up to so many quarters is bridged in a straight line."""
_NO_SLOPE: Final = 1e-9


class PastTooThinError(Exception):
    """Too little of the past is known to try anything on it. The text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """A site's past, and how much of it was really known (shares, 0..1)."""

    series: Measured
    pv_peak_kw: float
    """The peak that the series' PV per kW of it refers to; 0 where there is no PV."""
    load_known: float
    price_known: float
    pv_known: float

    @property
    def days(self) -> float:
        """Return how long it is."""
        return len(self.series) / DAY


def past_of(history: History, tariff: Tariff, pv_peak_kw: float | None = None) -> Past:
    """Return the past that the ledger's ``COLUMNS`` hold, in quarters.

    The ledger has what a kWh cost, with everything; ``tariff`` is the site's own, with
    which the market's price in it is worked out. ``pv_peak_kw`` is the peak of the site's
    PV; None: the highest quarter stands for it. Raises PastTooThinError.
    """
    load_w = _without_ends(history.columns[Column.LOAD_W])
    known = np.isfinite(load_w.values)
    if len(known) < LEAST_DAYS * DAY:
        raise PastTooThinError(
            f"{len(known) / DAY:.1f} days of the load are known, {LEAST_DAYS} are needed"
        )
    if known.mean() < LEAST_KNOWN:
        raise PastTooThinError(
            f"The load is known in {known.mean():.0%} of these {len(known) / DAY:.0f} days, "
            f"{LEAST_KNOWN:.0%} are needed"
        )
    starts = history.starts[load_w.part].astype(np.int64)
    pv_w = history.columns[Column.PV_W][load_w.part]
    price = market_price(tariff, starts, history.columns[Column.PRICE_IMPORT][load_w.part])
    has_pv = bool(np.nanmax(pv_w, initial=0.0) > 0.0)
    if not has_pv:
        peak_kw = 0.0
    elif pv_peak_kw is not None:
        peak_kw = pv_peak_kw
    else:
        peak_kw = float(np.nanmax(pv_w)) / 1000.0
    return Past(
        series=Measured(
            starts=starts,
            step_s=int(WINDOW_S),
            load_w=filled(load_w.values),
            price=filled(price),
            pv_per_kwp=filled(pv_w) / (1000.0 * peak_kw) if has_pv else np.zeros(len(starts)),
            carbon_g_per_kwh=np.zeros(len(starts)),
        ),
        pv_peak_kw=peak_kw,
        load_known=float(known.mean()),
        price_known=float(np.isfinite(price).mean()),
        pv_known=float(np.isfinite(pv_w).mean()) if has_pv else 1.0,
    )


def market_price(tariff: Tariff, starts: Ints, price: Floats) -> Floats:
    """Return the day-ahead price that an import price contains; NaN where that is not known.

    A tariff's price follows the market in a straight line, or not at all.
    """
    fixed = import_price(tariff, starts, np.zeros(len(starts)))
    slope = import_price(tariff, starts, np.ones(len(starts))) - fixed
    follows = np.abs(slope) > _NO_SLOPE
    market: Floats = np.where(follows, (price - fixed) / np.where(follows, slope, 1.0), np.nan)
    return market


def filled(values: Floats) -> Floats:
    """Return the values with their gaps filled; 0 where nothing at all is known.

    Short gaps are bridged; longer ones take the same quarter of the nearest week that
    knows it, else what is usual at that time of the day, else the mean.
    """
    known = np.isfinite(values)
    if known.all() or not known.any():
        return np.where(known, values, 0.0)
    result = values.copy()
    at = np.arange(len(values))
    bridged = np.interp(at, at[known], values[known])
    short = _short_gaps(known)
    result[short] = bridged[short]
    for weeks in range(1, len(values) // _WEEK + 1):
        for shift in (weeks * _WEEK, -weeks * _WEEK):
            source = at - shift
            usable = np.isnan(result) & (source >= 0) & (source < len(values))
            result[usable] = values[source[usable]]
    for quarter in range(DAY):
        same = slice(quarter, None, DAY)
        if np.isnan(result[same]).any() and known[same].any():
            result[same] = np.where(np.isnan(result[same]), np.nanmean(values[same]), result[same])
    return np.where(np.isnan(result), np.nanmean(values), result)


@dataclass(frozen=True, slots=True)
class _Part:
    part: slice
    values: Floats


def _without_ends(values: Floats) -> _Part:
    """Return the part of a column from its first known value to its last."""
    at = np.flatnonzero(np.isfinite(values))
    part = slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, 0)
    return _Part(part, values[part])


def _short_gaps(known: np.typing.NDArray[np.bool_]) -> np.typing.NDArray[np.bool_]:
    """Return where there is a gap that is short enough to be bridged."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], known, [True])).astype(np.int8)))
    short = np.zeros(len(known), dtype=np.bool_)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        if end - first <= _SHORT:
            short[first:end] = True
    return short
