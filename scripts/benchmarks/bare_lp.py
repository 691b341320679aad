"""The floor of the planner: the same linear programme, bare, straight into HiGHS.

Charge, discharge, import, export and energy per step, one highest import: as many columns and
rows as the planner's for the same steps. No reasons, no checks, no words; only the solver and
the arrays that it needs.
"""

from typing import Final

import highspy
import numpy as np

from custom_components.computeload.core.plan import Floats, PlanProblem

_INF: Final = highspy.kHighsInf


class BareLp:
    """Built from one problem; solves it, and others of the same steps, warm."""

    def __init__(self, problem: PlanProblem) -> None:
        """Lay out the matrix, column by column, and pass it."""
        n = self._n = len(problem.step_s)
        hours, battery = problem.hours, problem.battery
        steps = np.arange(n)
        ones = np.ones(n)
        charge, discharge, bought, sold, stored = (steps + n * k for k in range(5))
        peak = np.full(n, 5 * n)
        balance, energy, highest = steps, steps + n, steps + 2 * n
        entries = (
            (balance, charge, -ones),
            (balance, discharge, ones),
            (balance, bought, ones),
            (balance, sold, -ones),
            (energy, charge, -battery.efficiency_charge * hours),
            (energy, discharge, hours / battery.efficiency_discharge),
            (energy, stored, ones),
            (energy[1:], stored[:-1], -ones[1:]),
            (highest, bought, ones),
            (highest, sold, -ones),
            (highest, peak, -ones),
        )
        rows, columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
        order = np.lexsort((rows, columns))
        starts = np.zeros(5 * n + 2, dtype=np.int32)
        np.cumsum(np.bincount(columns, minlength=5 * n + 1), out=starts[1:])
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = 5 * n + 1, 3 * n
        self._set(problem)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = self._costs, self._lower, self._upper
        lp.row_lower_, lp.row_upper_ = self._row_lower, self._row_upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = starts
        lp.a_matrix_.index_ = rows[order].astype(np.int32)
        lp.a_matrix_.value_ = values[order]
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (("output_flag", False), ("parallel", "off")):
            self._highs.setOptionValue(option, value)
        self._highs.passModel(lp)
        self._columns = np.arange(5 * n + 1, dtype=np.int32)
        self._rows = np.arange(3 * n, dtype=np.int32)

    def _set(self, problem: PlanProblem) -> None:
        n, hours, battery = self._n, problem.hours, problem.battery
        (peak,) = problem.peaks
        wear = battery.wear_eur_per_kwh * hours
        self._costs = np.concatenate(
            (
                np.zeros(n),
                wear,
                problem.buying_price * hours,
                -problem.selling_price * hours,
                np.zeros(n),
                peak.rates_eur_per_kw[-1:],
            )
        )
        self._costs[5 * n - 1] = -problem.stored_value
        most = np.repeat([battery.charge_w, battery.discharge_w, _INF, _INF, battery.most_wh], n)
        self._lower, self._upper = np.zeros(5 * n + 1), np.append(most / 1000.0, _INF)
        net = (problem.load_w - problem.pv_w) / 1000.0
        start = np.zeros(n)
        start[0] = problem.energy_wh / 1000.0
        self._row_lower = np.concatenate((net, start, np.full(n, -_INF)))
        self._row_upper = np.concatenate((net, start, np.full(n, peak.free_w / 1000.0)))

    def solve(self, problem: PlanProblem | None = None) -> Floats:
        """Return the battery's power, kW; ``problem``: another than it was built from."""
        if problem is not None:
            self._set(problem)
            self._highs.changeColsCost(len(self._columns), self._columns, self._costs)
            self._highs.changeColsBounds(
                len(self._columns), self._columns, self._lower, self._upper
            )
            self._highs.changeRowsBounds(  # type: ignore[attr-defined] # its stubs lack it
                len(self._rows), self._rows, self._row_lower, self._row_upper
            )
        self._highs.run()
        values = np.array(self._highs.getSolution().col_value)
        battery: Floats = values[self._n : 2 * self._n] - values[: self._n]
        return battery
