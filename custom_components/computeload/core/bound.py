"""What perfect foresight would have earned: the yardstick of the backtest.

One linear programme over all of a series, with every load, price and PV known. It shares
no code with the planner and is formulated otherwise: as flows. PV goes to the load, into
the battery, to the grid or to waste; the grid to the load or into the battery; the battery
to the load or to the grid. Each flow has its own price, and nothing else is needed. As
every relaxation it can only be too good: with negative prices it may burn energy in the
battery by charging and discharging at once, which no battery does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type _Columns = Sequence[tuple[NDArray[np.integer], Floats | float]]

_INF: Final = highspy.kHighsInf
_BREACH_PRICE: Final = 100.0
"""Per kWh beyond a limit of the connection: it is kept wherever it can be."""


class BoundError(RuntimeError):
    """The solver found no optimum."""


@dataclass(frozen=True, slots=True, eq=False)
class PeakCharge:
    """One demand charge in one billing period: a price for the highest weighted mean."""

    weights: Floats
    """Shape (n,): 0 where a step does not count."""
    floor_kw: float
    rate_per_kw: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foresight:
    """A whole series, known from the start. Powers in kW, energies in kWh, shape (n,) each."""

    step_h: float
    load_kw: Floats
    pv_kw: Floats
    buy: Floats
    sell: Floats
    capacity_kwh: float
    least_kwh: float
    most_kwh: float
    start_kwh: float
    charge_kw: float
    discharge_kw: float
    efficiency_charge: float
    efficiency_discharge: float
    wear_per_kwh: float
    peaks: tuple[PeakCharge, ...]
    import_limit_kw: float | None = None
    export_limit_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Best:
    """The best schedule. Shape (n,) each."""

    battery_kw: Floats
    curtailed_kw: Floats
    stored_kwh: Floats
    cost: float


def perfect_foresight(series: Foresight) -> Best:
    """Return the cheapest schedule there is; raises BoundError if the solver fails."""
    n = len(series.load_kw)
    steps: Ints = np.arange(n, dtype=np.int64)
    pv_load, pv_store, pv_grid, pv_waste, grid_load, grid_store, store_load, store_grid = (
        steps + index * n for index in range(8)
    )
    stored, over, back = (steps + index * n for index in range(8, 11))
    peak = 11 * n
    count = peak + len(series.peaks)
    lower, upper, prices = np.zeros(count), np.full(count, _INF), np.zeros(count)
    rows = _Rows()
    rows.add([(each, 1.0) for each in (pv_load, grid_load, store_load)], *2 * (series.load_kw,))
    split = (pv_load, pv_store, pv_grid, pv_waste)
    rows.add([(each, 1.0) for each in split], *2 * (series.pv_kw,))
    into = -series.efficiency_charge * series.step_h
    out = series.step_h / series.efficiency_discharge
    rows.add(
        [(stored[:1], 1.0)]
        + [
            (each[:1], factor)
            for each, factor in zip(
                (pv_store, grid_store, store_load, store_grid), (into, into, out, out), strict=True
            )
        ],
        *2 * (np.array([series.start_kwh]),),
    )
    rows.add(
        [(stored[1:], 1.0), (stored[:-1], -1.0)]
        + [
            (each[1:], factor)
            for each, factor in zip(
                (pv_store, grid_store, store_load, store_grid), (into, into, out, out), strict=True
            )
        ],
        *2 * (np.zeros(n - 1),),
    )
    rows.add([(pv_store, 1.0), (grid_store, 1.0)], -_INF, series.charge_kw)
    rows.add([(store_load, 1.0), (store_grid, 1.0)], -_INF, series.discharge_kw)
    drawn = ((grid_load, 1.0), (grid_store, 1.0), (pv_grid, -1.0), (store_grid, -1.0))
    for index, charge in enumerate(series.peaks):
        at = np.flatnonzero(charge.weights)
        weights = charge.weights[at]
        own = (np.full(len(at), peak + index), -1.0)
        rows.add(
            [*((each[at], sign * weights) for each, sign in drawn), own], -_INF, charge.floor_kw
        )
        prices[peak + index] = charge.rate_per_kw
    upper[over[0] : peak] = 0.0
    for limit, beyond, sign in (
        (series.import_limit_kw, over, 1.0),
        (series.export_limit_kw, back, -1.0),
    ):
        if limit is not None:
            upper[beyond] = _INF
            prices[beyond] = _BREACH_PRICE * series.step_h
            rows.add([*((each, sign * s) for each, s in drawn), (beyond, -1.0)], -_INF, limit)
    lower[stored], upper[stored] = series.least_kwh, series.most_kwh
    buy, sell = series.buy * series.step_h, np.minimum(series.sell, series.buy) * series.step_h
    wear = series.wear_per_kwh * series.step_h
    prices[grid_load], prices[grid_store] = buy, buy
    prices[pv_grid], prices[store_grid] = -sell, wear - sell
    prices[store_load] = wear
    values = _solve(prices, lower, upper, rows)
    return Best(
        battery_kw=values[store_load] + values[store_grid] - values[pv_store] - values[grid_store],
        curtailed_kw=values[pv_waste],
        stored_kwh=values[stored],
        cost=float(prices @ values),
    )


@dataclass(slots=True)
class _Rows:
    """Rows block by block; each column of a block has one entry in each of its rows."""

    count: int = 0
    rows: list[Ints] = field(default_factory=list)
    columns: list[NDArray[np.integer]] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    lower: list[Floats] = field(default_factory=list)
    upper: list[Floats] = field(default_factory=list)

    def add(
        self,
        columns: _Columns,
        lower: Floats | float,
        upper: Floats | float,
    ) -> None:
        """Add as many rows as each column of the block has indices."""
        length = len(columns[0][0])
        for indices, value in columns:
            self.rows.append(self.count + np.arange(length))
            self.columns.append(indices)
            self.values.append(np.broadcast_to(np.asarray(value, dtype=np.float64), (length,)))
        self.lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), (length,)))
        self.upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), (length,)))
        self.count += length


def _solve(prices: Floats, lower: Floats, upper: Floats, rows: _Rows) -> Floats:
    row, column = np.concatenate(rows.rows), np.concatenate(rows.columns)
    order = np.lexsort((row, column))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(prices), rows.count
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = prices, lower, upper
    lp.row_lower_, lp.row_upper_ = np.concatenate(rows.lower), np.concatenate(rows.upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    starts = np.concatenate(([0], np.cumsum(np.bincount(column, minlength=len(prices)))))
    lp.a_matrix_.start_ = starts.astype(np.int32)
    lp.a_matrix_.index_ = row[order].astype(np.int32)
    lp.a_matrix_.value_ = np.concatenate(rows.values)[order]
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in (("output_flag", False), ("parallel", "off")):
        highs.setOptionValue(option, value)
    highs.passModel(lp)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise BoundError(f"no optimum: {highs.modelStatusToString(highs.getModelStatus())}")
    return np.array(highs.getSolution().col_value)
