"""The plan as one linear programme, passed to HiGHS as arrays and solved again warm.

Columns per step (kW, kWh): charge, discharge, import, export, energy at its end; where the
problem asks for them also curtailed PV, import above the limit, export above the limit,
energy missing from the reserve and from the guard, load put off and caught up, and energy
waiting. Then, for
each peak, one column per segment of its cost. Rows per step: the balance, the battery's
energy, and one for each peak. The matrix depends only on the shape of the problem; prices,
loads and bounds are changed in place, so that the next solve starts from the last basis.
"""

from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np
from numpy.typing import NDArray

from .plan import BatterySpec, Floats, Ints, PlanError, PlanProblem

_KW: Final = 1000.0
_INF: Final = highspy.kHighsInf
_AT_BOUND: Final = 1e-7
_ORDER_PRICE: Final = 1e-6
"""A price per kWh so small that it decides only between plans of equal cost."""
_BREACH_PRICE: Final = 100.0
"""EUR per kWh beyond a connection limit: more than any energy, peak or reserve is worth."""
_RESERVE_PRICE: Final = 10.0
"""EUR per kWh and hour missing from the reserve."""

type Ints32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the matrix depends on. Problems of one shape can be solved warm in turn."""

    hours: bytes
    battery: BatterySpec
    peaks: tuple[tuple[int, bytes | None], ...]
    """For each peak its number of segments, and its weights where they are not 0 or 1."""
    import_limited: bool
    export_limited: bool
    reserved: bool
    guarded: bool
    deferrable: bool

    @classmethod
    def of(cls, problem: PlanProblem) -> Shape:
        """Return the shape of a problem."""
        plain = [
            bool(np.all((peak.weights == 0.0) | (peak.weights == 1.0))) for peak in problem.peaks
        ]
        return cls(
            hours=problem.hours.tobytes(),
            battery=problem.battery,
            peaks=tuple(
                (len(peak.levels_w), None if is_plain else peak.weights.tobytes())
                for peak, is_plain in zip(problem.peaks, plain, strict=True)
            ),
            import_limited=problem.import_limit_w is not None,
            export_limited=problem.export_limit_w is not None,
            reserved=problem.reserve_wh > 0.0,
            guarded=problem.guard_wh > 0.0,
            deferrable=problem.deferrable is not None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What HiGHS found: powers in kW and energies in kWh per step, shape (n,)."""

    charge: Floats
    discharge: Floats
    imported: Floats
    exported: Floats
    curtailed: Floats
    energy: Floats
    put_off: Floats
    caught_up: Floats
    peaks: Floats
    """The planned highest weighted mean of each peak, kW, at least its first level."""
    peak_duals: tuple[Floats, ...]
    """For each peak and step: EUR for one kW less of load."""
    balance_duals: Floats
    """EUR for one more kW of load in each step."""
    energy_duals: Floats
    """EUR for one more kWh stored at the start of each step."""
    connection_price: float
    """EUR for one more kW of the import limit."""
    capacity_price: float
    """EUR for one more kWh that the battery could hold."""
    power_price: float
    """EUR for one more kW that it could give and take."""
    objective: float


@dataclass(slots=True)
class _Matrix:
    """Coefficients as they come, block by block."""

    rows: list[Ints] = field(default_factory=list)
    columns: list[Ints] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)

    def put(self, rows: Ints, columns: Ints, value: Floats | float) -> None:
        self.rows.append(rows)
        self.columns.append(columns)
        self.values.append(np.broadcast_to(np.asarray(value, dtype=np.float64), rows.shape))

    def by_rows(self, count: int) -> tuple[Ints32, Ints32, Floats]:
        """Return starts, column indices and values, row by row."""
        rows, columns = np.concatenate(self.rows), np.concatenate(self.columns)
        order = np.lexsort((columns, rows))
        starts = np.zeros(count + 1, dtype=np.int32)
        np.cumsum(np.bincount(rows, minlength=count), out=starts[1:])
        return starts, columns[order].astype(np.int32), np.concatenate(self.values)[order]


class DispatchLp:
    """One programme of a given shape; ``solve`` takes any problem of that shape."""

    def __init__(self, problem: PlanProblem) -> None:
        """Lay out columns and rows and pass the matrix to HiGHS."""
        self.shape = Shape.of(problem)
        n = self._n = len(problem.step_s)
        self._hours = problem.hours
        names = ["charge", "discharge", "imported", "exported", "energy"]
        names += ["curtailed"] * self.shape.export_limited
        names += ["over_import"] * self.shape.import_limited
        names += ["over_export"] * self.shape.export_limited
        names += ["missing"] * self.shape.reserved
        names += ["unguarded"] * self.shape.guarded
        names += ["put_off", "caught_up", "waiting"] * self.shape.deferrable
        self._at = {name: slice(index * n, (index + 1) * n) for index, name in enumerate(names)}
        self._segments: list[slice] = []
        count = len(names) * n
        for segments, _ in self.shape.peaks:
            self._segments.append(slice(count, count + segments))
            count += segments
        self._columns = np.arange(count, dtype=np.int32)
        self._lower, self._upper = np.zeros(count), np.full(count, _INF)
        self._build(problem)

    def _build(self, problem: PlanProblem) -> None:
        n, hours, battery = self._n, self._hours, problem.battery
        steps = np.arange(n, dtype=np.int64)
        col = {
            name: np.arange(where.start, where.stop, dtype=np.int64)
            for name, where in self._at.items()
        }
        matrix = _Matrix()
        signs = {"imported": 1.0, "exported": -1.0, "discharge": 1.0, "charge": -1.0}
        signs |= {"curtailed": -1.0, "put_off": 1.0, "caught_up": -1.0}
        for name, sign in signs.items():
            if name in col:
                matrix.put(steps, col[name], sign)
        rows = n + steps
        matrix.put(rows, col["energy"], 1.0)
        matrix.put(rows[1:], col["energy"][:-1], -1.0)
        matrix.put(rows, col["charge"], -battery.efficiency_charge * hours)
        matrix.put(rows, col["discharge"], hours / battery.efficiency_discharge)
        self._peak_rows: list[slice] = []
        count = self._soft_rows(matrix, col, self._peak_lines(matrix, col, problem))
        self._rows = np.arange(count, dtype=np.int32)
        self._row_lower, self._row_upper = np.zeros(count), np.zeros(count)
        self._pass(matrix)

    def _peak_lines(self, matrix: _Matrix, col: dict[str, Ints], problem: PlanProblem) -> int:
        """Add a row per peak and step: its weighted mean is at most what its columns allow."""
        n, steps = self._n, np.arange(self._n, dtype=np.int64)
        count = 2 * n
        for peak, segments in zip(problem.peaks, self._segments, strict=True):
            plain = np.all((peak.weights == 0.0) | (peak.weights == 1.0))
            weights = np.ones(n) if plain else peak.weights
            rows = count + steps
            matrix.put(rows, col["imported"], weights)
            matrix.put(rows, col["exported"], -weights)
            for segment in range(segments.start, segments.stop):
                matrix.put(rows, np.full(n, segment), -1.0)
            self._peak_rows.append(slice(count, count + n))
            count += n
        return count

    def _soft_rows(self, matrix: _Matrix, col: dict[str, Ints], count: int) -> int:
        """Add the rows of limits, reserve and waiting load, where there are such columns."""
        n, hours, steps = self._n, self._hours, np.arange(self._n, dtype=np.int64)
        for name, over in (("imported", "over_import"), ("exported", "over_export")):
            if over in col:
                rows = count + steps
                matrix.put(rows, col[name], 1.0)
                matrix.put(rows, col[over], -1.0)
                self._at[f"{over} row"] = slice(count, count + n)
                count += n
        for missing in ("missing", "unguarded"):
            if missing in col:
                rows = count + steps
                matrix.put(rows, col["energy"], 1.0)
                matrix.put(rows, col[missing], 1.0)
                self._at[f"{missing} row"] = slice(count, count + n)
                count += n
        if "waiting" in col:
            rows = count + steps
            matrix.put(rows, col["waiting"], 1.0)
            matrix.put(rows[1:], col["waiting"][:-1], -1.0)
            matrix.put(rows, col["put_off"], -hours)
            matrix.put(rows, col["caught_up"], hours)
            count += n
        return count

    def _pass(self, matrix: _Matrix) -> None:
        """Hand the matrix to HiGHS; what it is solved for comes with each problem."""
        count = len(self._rows)
        starts, indices, values = matrix.by_rows(count)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self._columns), count
        lp.col_cost_ = np.zeros(len(self._columns))
        lp.col_lower_, lp.col_upper_ = self._lower, self._upper
        lp.row_lower_, lp.row_upper_ = self._row_lower, self._row_upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = starts, indices, values
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        # No number of threads: HiGHS has one pool per process, and refuses to solve where
        # another user of it has asked for another number.
        for option, value in (("output_flag", False), ("parallel", "off")):
            self._highs.setOptionValue(option, value)
        self._highs.passModel(lp)

    def solve(self, problem: PlanProblem) -> Solution:
        """Return the cheapest plan; raises PlanError if HiGHS finds none."""
        highs = self._highs
        costs = self._costs(problem)
        self._bound(problem)
        highs.changeColsCost(len(self._columns), self._columns, costs)
        highs.changeColsBounds(len(self._columns), self._columns, self._lower, self._upper)
        highs.changeRowsBounds(  # type: ignore[attr-defined] # its stubs lack it
            len(self._rows), self._rows, self._row_lower, self._row_upper
        )
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            # A basis from another situation can mislead; from scratch it has none.
            highs.clearSolver()
            highs.run()
        status = highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise PlanError(f"the optimiser found no plan: {highs.modelStatusToString(status)}")
        return self._solution(problem)

    def _costs(self, problem: PlanProblem) -> Floats:
        at, hours = self._at, self._hours
        costs = np.zeros(len(self._columns))
        costs[at["charge"]] = _ORDER_PRICE * hours
        costs[at["discharge"]] = (problem.battery.wear_eur_per_kwh + _ORDER_PRICE) * hours
        costs[at["imported"]] = problem.buying_price * hours
        costs[at["exported"]] = -problem.selling_price * hours
        costs[at["energy"].stop - 1] = -problem.stored_value
        for name, price in (
            ("over_import", _BREACH_PRICE),
            ("over_export", _BREACH_PRICE),
            ("missing", _RESERVE_PRICE),
            ("unguarded", problem.guard_price),
        ):
            if name in at:
                costs[at[name]] = price * hours
        if problem.deferrable is not None:
            costs[at["waiting"]] = problem.deferrable.eur_per_kwh_hour * hours
        for peak, segments in zip(problem.peaks, self._segments, strict=True):
            costs[segments] = peak.rates_eur_per_kw
        return costs

    def _bound(self, problem: PlanProblem) -> None:
        at, n, battery = self._at, self._n, problem.battery
        lower, upper = self._lower, self._upper
        row_lower, row_upper = self._row_lower, self._row_upper
        net = (problem.load_w - problem.pv_w) / _KW
        ceiling = problem.charge_ceiling_w
        upper[at["charge"]] = battery.charge_w / _KW
        if ceiling is not None:
            room = np.maximum(ceiling / _KW - net, 0.0)
            upper[at["charge"]] = np.minimum(room, battery.charge_w / _KW)
        upper[at["discharge"]] = battery.discharge_w / _KW
        least, most = battery.least_wh / _KW, battery.most_wh / _KW
        energy = min(max(problem.energy_wh / _KW, least), most)
        lower[at["energy"]], upper[at["energy"]] = least, most
        row_lower[:n] = row_upper[:n] = net
        row_lower[n : 2 * n] = row_upper[n : 2 * n] = 0.0
        row_lower[n] = row_upper[n] = energy
        for peak, segments, rows in zip(
            problem.peaks, self._segments, self._peak_rows, strict=True
        ):
            row_lower[rows] = -_INF
            row_upper[rows] = np.where(peak.weights == 0.0, _INF, peak.levels_w[0] / _KW)
            upper[segments.start : segments.stop - 1] = np.diff(peak.levels_w) / _KW
        if problem.import_limit_w is not None:
            row_lower[at["over_import row"]] = -_INF
            row_upper[at["over_import row"]] = problem.import_limit_w / _KW
        if problem.export_limit_w is not None:
            row_lower[at["over_export row"]] = -_INF
            row_upper[at["over_export row"]] = problem.export_limit_w / _KW
            upper[at["curtailed"]] = problem.pv_w / _KW
        for name, kept_wh in (
            ("missing row", problem.reserve_wh),
            ("unguarded row", problem.guard_wh),
        ):
            if name in at:
                row_lower[at[name]] = min(kept_wh / _KW, most)
                row_upper[at[name]] = _INF
        if problem.deferrable is not None:
            upper[at["put_off"]] = problem.deferrable.most_w / _KW
            upper[at["caught_up"]] = problem.deferrable.catch_up_w / _KW
            upper[at["waiting"]] = problem.deferrable.energy_wh / _KW
            upper[at["waiting"].stop - 1] = 0.0

    def _solution(self, problem: PlanProblem) -> Solution:
        found = self._highs.getSolution()
        values = np.array(found.col_value)
        row_duals = np.array(found.row_dual)
        n, at = self._n, self._at
        zeros = np.zeros(n)
        column_duals = np.array(found.col_dual)

        def scarce(name: str) -> float:
            # A column that would be worth more if it could be larger has a negative dual.
            full = values[at[name]] >= self._upper[at[name]] - _AT_BOUND
            return float(np.maximum(-column_duals[at[name]][full], 0.0).sum())

        connection = 0.0
        if "over_import row" in at:
            connection = float(np.maximum(-row_duals[at["over_import row"]], 0.0).sum())
        highest = [
            peak.levels_w[0] / _KW + values[segments].sum()
            for peak, segments in zip(problem.peaks, self._segments, strict=True)
        ]
        return Solution(
            charge=values[at["charge"]],
            discharge=values[at["discharge"]],
            imported=values[at["imported"]],
            exported=values[at["exported"]],
            curtailed=values[at["curtailed"]] if "curtailed" in at else zeros,
            energy=values[at["energy"]],
            put_off=values[at["put_off"]] if "put_off" in at else zeros,
            caught_up=values[at["caught_up"]] if "caught_up" in at else zeros,
            peaks=np.array(highest),
            peak_duals=tuple(-row_duals[rows] for rows in self._peak_rows),
            balance_duals=row_duals[:n],
            energy_duals=-row_duals[n : 2 * n],
            connection_price=connection,
            capacity_price=scarce("energy"),
            power_price=scarce("charge") + scarce("discharge"),
            objective=float(self._highs.getInfo().objective_function_value),
        )
