"""What a load (or PV) will do: a few honest models, weighed by how wrong they were lately.

History is one mean per step on a constant grid. Every forecast is remembered until its
steps have happened; from the errors come the models' weights, for each lead by itself, and
the quantiles (split conformal: the errors of the last weeks around the forecast, see
Vovk et al., *Algorithmic Learning in a Random World*, 2005). Nothing is known before
it has happened, and with little history the forecast is what the load does now.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .forecast_models import Model, Past, standard_models
from .plan import Floats, Ints
from .tariff import Calendar

STEP_S: Final = 900
DAY: Final = 96
"""Steps of a day; days of 23 and 25 hours are told apart by local time, not by this."""
LEADS: Final[Ints] = np.array([1, 2, 4, 8, 16, 32, 48, 72, 96, 144, 192], dtype=np.int64)
"""Leads, in steps, at which errors are kept; between them is interpolated."""
QUANTILES: Final[Floats] = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
INTERVAL: Final = (1, 5)
"""Of QUANTILES, the ends of the interval that is kept true: it shall hold 80 %."""
_COVER: Final = 0.8
_CORRECTION: Final = 0.2
"""How fast the interval is widened or narrowed when a day does not keep to that."""
_KEPT_DAYS: Final = 400
_APART: Final = 4
"""Steps between two forecasts that are remembered. More are made when a load surprises:
errors of those would say what jumps are like, not what the load is like."""
_SHARPNESS: Final[Floats] = np.interp(np.log2(LEADS), np.log2([16.0, 48.0]), [16.0, 4.0])
"""A model half as wrong as another weighs 2 to this power more. Within hours one model is right;
for a day ahead the mean of several is better than the best of them was."""
_MEMORY_DAYS: Final = 28
_LEAST_DAYS: Final = 3
"""Errors of fewer days do not weigh models yet."""
_QUANTILE_DAYS: Final = 42
_ROUNDING_W: Final = 1e-6
_PRIOR_SPREAD: Final = 0.25
"""Half width of the quantiles, as a share of the mean load, while nothing is known."""
_CHANGES: Final = 3
"""History of so many leads shows how much changes over one of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Means of the steps to come, in W; the first step is the one after the last known."""

    mean_w: Floats
    """Shape (n,)."""
    offsets_w: Floats
    """Shape (len(QUANTILES), n): what to add for each quantile."""

    def quantile_w(self, level: float) -> Floats:
        """Return a quantile of each step, shape (n,); between the known ones interpolated."""
        index = float(np.interp(level, QUANTILES, np.arange(len(QUANTILES))))
        low = min(int(index), len(QUANTILES) - 2)
        part = index - low
        offsets: Floats = self.offsets_w[low] * (1.0 - part) + self.offsets_w[low + 1] * part
        return self.mean_w + offsets


@dataclass(slots=True)
class _Archive:
    """What was forecast when, at LEADS: index of the last known step, and predictions."""

    issued: list[int] = field(default_factory=list)
    models: list[Floats] = field(default_factory=list)
    """Each of shape (models, leads)."""
    combined: list[Floats] = field(default_factory=list)
    spread: list[Floats] = field(default_factory=list)
    """Each of shape (2, leads): what was added for the ends of the interval."""

    def forget(self, before: int) -> None:
        """Drop what was issued before a step."""
        count = bisect_left(self.issued, before)
        for column in (self.issued, self.models, self.combined, self.spread):
            del column[:count]

    def newest(self, count: int) -> tuple[Ints, Floats, Floats]:
        """Return the last ``count`` issues, predictions by model and combined."""
        return (
            np.array(self.issued[-count:], dtype=np.int64),
            np.array(self.models[-count:]),
            np.array(self.combined[-count:]),
        )


class Forecaster:
    """Forecasts one series. Holds no clock: steps bring their start with them."""

    def __init__(
        self,
        calendar: Calendar,
        models: Callable[[], Sequence[Model]] = standard_models,
        *,
        at_least: float | None = None,
    ) -> None:
        """Start without history. ``at_least``: forecasts never fall below this."""
        self.past = Past(calendar, STEP_S)
        self._models = tuple(models())
        self._at_least = at_least
        self._archive = _Archive()
        self._weights = np.zeros((len(self._models), len(LEADS)))
        self._weights[0] = 1.0
        self._offsets = np.zeros((len(QUANTILES), len(LEADS)))
        self._guessed_from: int | None = 0
        self._width = np.ones(len(LEADS))
        self._day = -1

    def extend(self, start_s: int, values: Floats) -> None:
        """Take the means of closed steps, from ``start_s`` (UTC, on the grid) on.

        Steps that were missed are filled with the same time of the day before; values that
        are not finite likewise. Raises ValueError for steps that are already known.
        """
        self.past.extend(start_s, values)
        if self._guessed_from is not None and len(self.past) >= 2 * self._guessed_from:
            self._guess()
        day = len(self.past) // DAY
        if day != self._day:
            self._day = day
            for model in self._models:
                model.refit(self.past)
            self._archive.forget(len(self.past) - _KEPT_DAYS * DAY)
            self._learn()

    def forecast(self, count: int, now_w: float | None = None) -> Forecast:
        """Return the means of the next ``count`` steps; raises ValueError without history.

        ``now_w``: what the step that has just begun will be by all that is known; the
        forecast then starts with the step after it.
        """
        if not len(self.past):
            raise ValueError("there is no history to forecast from")
        if now_w is None or not np.isfinite(now_w):
            return self._forecast(count)
        self.past.extend(self.past.end_s, np.array([now_w]))
        try:
            return self._forecast(count)
        finally:
            self.past.retract()

    def _forecast(self, count: int) -> Forecast:
        reach = max(count, int(LEADS[-1]))
        future = self.past.future(reach)
        paths = np.array([model.predict(self.past, future) for model in self._models])
        if self._at_least is not None:
            np.maximum(paths, self._at_least, out=paths)
        leads = np.arange(1, reach + 1)
        weights = np.array([np.interp(leads, LEADS, row) for row in self._weights])
        mean = (weights * paths).sum(axis=0)
        offsets = self._offsets * self._width
        issued = len(self.past) - 1
        if not self._archive.issued or issued - self._archive.issued[-1] >= _APART:
            self._archive.issued.append(issued)
            self._archive.models.append(paths[:, LEADS - 1])
            self._archive.combined.append(mean[LEADS - 1])
            self._archive.spread.append(offsets[INTERVAL, :])
        across = np.array([np.interp(leads[:count], LEADS, row) for row in offsets])
        return Forecast(mean_w=mean[:count], offsets_w=across)

    def _guess(self) -> None:
        """Spread the quantiles, while there are no errors, by how much has changed so far."""
        values = self.past.values
        guess_w = _PRIOR_SPREAD * float(np.mean(np.abs(values)))
        growth = 1.0 - np.exp(-LEADS / 32.0)
        offsets = np.asarray(np.outer((QUANTILES - 0.5) * 2.0 * guess_w, growth), np.float64)
        for index, lead in enumerate(LEADS.tolist()):
            if len(values) > _CHANGES * lead:
                offsets[:, index] = np.quantile(values[lead:] - values[:-lead], QUANTILES)
        self._offsets, self._guessed_from = offsets, len(values)

    def coverage(self) -> dict[int, float]:
        """Return, per lead in steps, the share of steps within their 80 % interval.

        For the leads that ``errors`` tells of.
        """
        inside = self._inside(len(self._archive.issued))
        index = {lead: number for number, lead in enumerate(LEADS.tolist())}
        return {lead: float(np.nanmean(inside[:, index[lead]])) for lead in self.errors()}

    def _inside(self, count: int) -> Floats:
        """Return whether the interval held (1, 0), of the newest issues; NaN: not yet known."""
        issued, _, combined = self._archive.newest(count)
        if not len(issued):
            return np.zeros((0, len(LEADS)))
        spread = np.array(self._archive.spread[-count:])
        at = issued[:, None] + LEADS
        known = at < len(self.past)
        error = self.past.values[np.where(known, at, 0)] - combined
        held = (error >= spread[:, 0] - _ROUNDING_W) & (error <= spread[:, 1] + _ROUNDING_W)
        return np.where(known, held, np.nan)

    def errors(self) -> dict[int, tuple[float, float]]:
        """Return, per lead in steps, the mean absolute error: the forecast's, persistence's.

        Leads over which nothing ever changed say nothing and are left out.
        """
        issued, _, combined = self._archive.newest(len(self._archive.issued))
        result: dict[int, tuple[float, float]] = {}
        for index, lead in enumerate(LEADS.tolist()):
            done = issued + lead < len(self.past)
            if done.any():
                actual = self.past.values[issued[done] + lead]
                own = np.abs(actual - combined[done, index]).mean()
                naive = np.abs(actual - self.past.values[issued[done]]).mean()
                if naive > _ROUNDING_W:
                    result[lead] = (float(own), float(naive))
        return result

    def _learn(self) -> None:
        """Weigh the models, and spread the quantiles, by the errors of the last weeks."""
        issues = self._archive.issued
        horizon = len(self.past) - max(_MEMORY_DAYS, _QUANTILE_DAYS) * DAY
        count = sum(1 for index in issues if index >= horizon)
        if not count:
            return
        issued, by_model, combined = self._archive.newest(count)
        recent = issued >= len(self.past) - _MEMORY_DAYS * DAY
        offsets = []
        for index, lead in enumerate(LEADS.tolist()):
            done = issued + lead < len(self.past)
            if issued[done].size == 0 or np.ptp(issued[done]) < _LEAST_DAYS * DAY:
                return
            actual = self.past.values[issued[done] + lead]
            chosen = recent[done]
            misses = np.abs(actual[chosen, None] - by_model[done][chosen][:, :, index])
            mae = misses.mean(axis=0) + 1e-9
            weights = (mae.min() / mae) ** _SHARPNESS[index]
            self._weights[:, index] = weights / weights.sum()
            offsets.append(np.quantile(actual - combined[done, index], QUANTILES))
        self._offsets, self._guessed_from = np.array(offsets).T, None
        self._keep_true()

    def _keep_true(self) -> None:
        """Widen the interval at leads where the steps of the last day fell out of it too often.

        Gibbs and Candès, *Adaptive conformal inference under distribution shift*, 2021: in the
        long run the interval then holds what it says, whatever the load does.
        """
        first = len(self.past) - DAY
        for index, lead in enumerate(LEADS.tolist()):
            low = bisect_left(self._archive.issued, first - lead)
            high = bisect_left(self._archive.issued, first - lead + DAY)
            if low < high:
                inside = self._inside(len(self._archive.issued) - low)[: high - low, index]
                if not np.isnan(inside).any():
                    self._width[index] *= np.exp(_CORRECTION * (_COVER - inside.mean()))
