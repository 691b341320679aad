"""What perfect foresight would have earned: the yardstick of the backtest.

One linear programme over all of a series, with every load, price and PV known. It shares
no code with the planner and is formulated otherwise: its variables are what is stored
before and after each step, the battery's net power beneath the two lines that losses draw
through that, the wear above that power, and the cost of the grid above the lines of the
two prices. As every relaxation it can only be too good: with negative prices it may burn
energy in the battery, which no battery does.
"""

from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type _Columns = list[tuple[NDArray[np.integer], Floats | float]]

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
    net = series.load_kw - series.pv_kw
    stored = 0
    power, wear, cost, curtailed, over, back = (n + 1 + index * n for index in range(6))
    peak = n + 1 + 6 * n
    count = peak + len(series.peaks)
    lower, upper, prices = np.full(count, -_INF), np.full(count, _INF), np.zeros(count)
    rows = _Rows()
    # What it gives is at most what leaves the store, after losses; what it takes likewise.
    for factor in (series.efficiency_discharge, 1.0 / series.efficiency_charge):
        slope = factor / series.step_h
        columns: _Columns = [
            (power + steps, 1.0),
            (stored + steps, -slope),
            (stored + 1 + steps, slope),
        ]
        rows.add(columns, -_INF, np.zeros(n))
    rows.add([(wear + steps, 1.0), (power + steps, -1.0)], np.zeros(n), _INF)
    for price in (series.buy, np.minimum(series.sell, series.buy)):
        columns = [(cost + steps, 1.0), (power + steps, price), (curtailed + steps, -price)]
        rows.add(columns, price * net, _INF)
    for index, charge in enumerate(series.peaks):
        at = np.flatnonzero(charge.weights)
        weights = charge.weights[at]
        columns = [(np.full(len(at), peak + index), 1.0), (power + at, weights)]
        columns.append((curtailed + at, -weights))
        rows.add(columns, weights * net[at] - charge.floor_kw, _INF)
        prices[peak + index] = charge.rate_per_kw
    upper[over : over + 2 * n] = 0.0
    for limit, first, sign in (
        (series.import_limit_kw, over, 1.0),
        (series.export_limit_kw, back, -1.0),
    ):
        if limit is not None:
            upper[first : first + n] = _INF
            prices[first : first + n] = _BREACH_PRICE * series.step_h
            columns = [(power + steps, sign), (curtailed + steps, -sign), (first + steps, 1.0)]
            rows.add(columns, sign * net - limit, _INF)
    lower[: n + 1], upper[: n + 1] = series.least_kwh, series.most_kwh
    lower[0] = upper[0] = series.start_kwh
    lower[power : power + n], upper[power : power + n] = -series.charge_kw, series.discharge_kw
    lower[wear : wear + n] = 0.0
    lower[curtailed : curtailed + n], upper[curtailed : curtailed + n] = 0.0, series.pv_kw
    lower[over:] = 0.0
    prices[wear : wear + n] = series.wear_per_kwh * series.step_h
    prices[cost : cost + n] = series.step_h
    values = _solve(prices, lower, upper, rows)
    return Best(
        battery_kw=values[power : power + n],
        curtailed_kw=values[curtailed : curtailed + n],
        stored_kwh=values[1 : n + 1],
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
    highs.setOptionValue("output_flag", False)  # noqa: FBT003 - HiGHS has it so
    highs.passModel(lp)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise BoundError(f"no optimum: {highs.modelStatusToString(highs.getModelStatus())}")
    return np.array(highs.getSolution().col_value)
