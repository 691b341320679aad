"""What a load (or PV) will do: a few honest models, weighed by how wrong they were lately.

History is one mean per step on a constant grid. Every forecast is remembered until its
steps have happened; from the errors come the models' weights, for each lead by itself, and
the quantiles (split conformal: the errors of the last weeks around the forecast, see
Vovk et al., *Algorithmic Learning in a Random World*, 2005). Nothing is known before
it has happened, and with little history the forecast is what the load does now.
"""

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
_APART: Final = 4
"""Steps between two forecasts that are remembered. More are made when a load surprises:
errors of those would say what jumps are like, not what the load is like."""
_SHARPNESS: Final = 16.0
"""A model half as wrong as another weighs 2 to this power more."""
_MEMORY_DAYS: Final = 28
_LEAST_DAYS: Final = 3
"""Errors of fewer days do not weigh models yet."""
_QUANTILE_DAYS: Final = 42
_PRIOR_SPREAD: Final = 0.25
"""Half width of the quantiles, as a share of the mean load, while there are no errors."""


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
        self._offsets: Floats | None = None
        self._day = -1

    def extend(self, start_s: int, values: Floats) -> None:
        """Take the means of closed steps, from ``start_s`` (UTC, on the grid) on.

        Steps that were missed are filled with the same time of the day before; values that
        are not finite likewise. Raises ValueError for steps that are already known.
        """
        self.past.extend(start_s, values)
        day = len(self.past) // DAY
        if day != self._day:
            self._day = day
            for model in self._models:
                model.refit(self.past)
            self._learn()

    def forecast(self, count: int) -> Forecast:
        """Return the means of the next ``count`` steps; raises ValueError without history."""
        if not len(self.past):
            raise ValueError("there is no history to forecast from")
        reach = max(count, int(LEADS[-1]))
        future = self.past.future(reach)
        paths = np.array([model.predict(self.past, future) for model in self._models])
        if self._at_least is not None:
            np.maximum(paths, self._at_least, out=paths)
        leads = np.arange(1, reach + 1)
        weights = np.array([np.interp(leads, LEADS, row) for row in self._weights])
        mean = (weights * paths).sum(axis=0)
        issued = len(self.past) - 1
        if not self._archive.issued or issued - self._archive.issued[-1] >= _APART:
            self._archive.issued.append(issued)
            self._archive.models.append(paths[:, LEADS - 1])
            self._archive.combined.append(mean[LEADS - 1])
        offsets = self._offsets
        if offsets is None:
            spread = _PRIOR_SPREAD * float(np.mean(np.abs(self.past.values[-7 * DAY :])))
            growth = 1.0 - np.exp(-LEADS / 32.0)
            offsets = np.asarray(np.outer((QUANTILES - 0.5) * 2.0 * spread, growth), np.float64)
        across = np.array([np.interp(leads[:count], LEADS, row) for row in offsets])
        return Forecast(mean_w=mean[:count], offsets_w=across)

    def errors(self) -> dict[int, tuple[float, float]]:
        """Return, per lead in steps, the mean absolute error: the forecast's, persistence's."""
        issued, _, combined = self._archive.newest(len(self._archive.issued))
        result: dict[int, tuple[float, float]] = {}
        for index, lead in enumerate(LEADS.tolist()):
            done = issued + lead < len(self.past)
            if done.any():
                actual = self.past.values[issued[done] + lead]
                own = np.abs(actual - combined[done, index]).mean()
                naive = np.abs(actual - self.past.values[issued[done]]).mean()
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
            weights = (mae.min() / mae) ** _SHARPNESS
            self._weights[:, index] = weights / weights.sum()
            offsets.append(np.quantile(actual - combined[done, index], QUANTILES))
        self._offsets = np.array(offsets).T
