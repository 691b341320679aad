"""How much of what a queue foretells comes true: credit for its forecasts, earned by lead.

Jobs that end make room for jobs that nobody knew of, and expected starts slip; where that is
the rule, a load that stays as it is is the better forecast. So the change of the load is
fitted, lead by lead, to what was foretold to arrive and to leave (least absolute deviations,
by reweighted least squares that forget). Credit is given only at leads where the forecasts so
fitted have lately missed by less than a load that stays.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
import math
from typing import Any, Final, Self

import numpy as np

from .forecast import LEADS, STEP_S
from .numbers import known
from .plan import Floats
from .queue_forecast import QueueForecast

_FADE: Final = 0.998
"""What one forecast ago weighs."""
_RIDGE: Final = 0.01
"""Of what was foretold on average, in squares, held against fitting what is noise."""
_LEAST_MISS: Final = 0.1
"""Misses below that share of what was foretold do not weigh more for being smaller."""
_LEAST: Final = 96
"""So many forecasts, a day of them, must have come due before any credit is given."""
_MOST_W: Final = 1e9
"""No site changes by more; such a load is an error."""


@dataclass(frozen=True, slots=True, eq=False)
class _Foretold:
    start_s: float
    load_w: float
    arriving_w: Floats
    """At LEADS; NaN beyond the forecast. So is ``leaving_w``."""
    leaving_w: Floats


class QueueCredit:
    """The shares of arriving and leaving load that come true, by lead."""

    def __init__(self) -> None:
        """Start without experience, and so without credit."""
        self._due: deque[_Foretold] = deque(maxlen=int(LEADS[-1]) + 1)
        self._squares = np.zeros((len(LEADS), 2, 2))
        self._products = np.zeros((len(LEADS), 2))
        self._count = np.zeros(len(LEADS))
        self._missed_w = np.zeros((len(LEADS), 2))

    def foretold(self, forecast: QueueForecast, load_w: float) -> None:
        """Remember a forecast, and the load (W) when it was made, until it comes due."""
        if known(load_w):
            arriving_w, leaving_w = (
                _at_leads(each.mean(axis=0)) for each in (forecast.arriving_w, forecast.leaving_w)
            )
            self._due.append(_Foretold(forecast.start_s, load_w, arriving_w, leaving_w))

    def settle(self, start_s: float, load_w: float) -> None:
        """Take the mean load of a closed step (Unix seconds, W), once for each step."""
        if not known(load_w):
            return
        for each in self._due:
            lead = round((start_s - each.start_s) / STEP_S) + 1
            index = int(np.searchsorted(LEADS, lead))
            if index < len(LEADS) and LEADS[index] == lead:
                told = np.array([each.arriving_w[index], -each.leaving_w[index]])
                if np.isfinite(told).all():
                    self._learn(index, told, load_w - each.load_w)

    @property
    def experienced(self) -> bool:
        """Return whether enough forecasts have come due to tell what they are worth."""
        return bool(self._count[0] >= _LEAST)

    def shares(self) -> Floats:
        """Return the shares (0 to 1) that come true, shape (2, leads): arriving, leaving."""
        earned = self._missed_w[:, 0] < self._missed_w[:, 1]
        shares = np.array([self._fitted(index) for index in range(len(LEADS))])
        return np.ascontiguousarray(np.where(earned[:, None], shares, 0.0).T)

    def skill(self) -> Floats:
        """Return the error of what is believed, of that of persistence, at LEADS (0 to 1).

        1 where too little has come due to tell.
        """
        with_w, without_w = self._missed_w.T
        seen = (self._count >= _LEAST) & (without_w > 0.0)
        ratio: Floats = np.divide(with_w, without_w, out=np.ones(len(LEADS)), where=seen)
        return np.minimum(ratio, 1.0)

    def believed(self, forecast: QueueForecast) -> QueueForecast:
        """Return the forecast with what comes true of it; its arrivals stay as they are."""
        leads = np.arange(1, forecast.arriving_w.shape[1] + 1)
        arriving, leaving = (np.interp(leads, LEADS, row) for row in self.shares())
        return replace(
            forecast,
            arriving_w=forecast.arriving_w * arriving,
            leaving_w=forecast.leaving_w * leaving,
        )

    def to_state(self) -> dict[str, Any]:
        """Return what was learned ready for JSON; what is not due yet is left out."""
        return {
            "leads": LEADS.tolist(),
            "squares": self._squares.tolist(),
            "products": self._products.tolist(),
            "count": self._count.tolist(),
            "missed_w": self._missed_w.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take it from JSON; raises KeyError, TypeError or ValueError for another thing.

        It then changes nothing. What was learned for other leads counts as another thing.
        """
        if state["leads"] != LEADS.tolist():
            raise ValueError("leads: learned for others than these")
        names = ("squares", "products", "count", "missed_w")
        own = (self._squares, self._products, self._count, self._missed_w)
        found = [np.array(state[name], dtype=np.float64) for name in names]
        for name, new, old in zip(names, found, own, strict=True):
            if new.shape != old.shape or not np.isfinite(new).all():
                raise ValueError(f"{name}: {old.shape} finite numbers are needed")
        self._squares, self._products, self._count, self._missed_w = found
        return self

    def _learn(self, index: int, told: Floats, change_w: float) -> None:
        size_w = float(np.abs(told).sum())
        if size_w <= 0.0 or not abs(change_w) <= _MOST_W:
            return
        miss_w = abs(change_w - float(self._fitted(index) @ told))
        self._missed_w[index] = self._missed_w[index] * _FADE + (miss_w, abs(change_w))
        weight = 1.0 / max(miss_w, _LEAST_MISS * size_w)
        self._squares[index] = self._squares[index] * _FADE + weight * np.outer(told, told)
        self._products[index] = self._products[index] * _FADE + weight * told * change_w
        self._count[index] += 1.0

    def _fitted(self, index: int) -> Floats:
        squares = self._squares[index]
        ridge = _RIDGE * float(np.trace(squares)) / 2.0
        if self._count[index] < _LEAST or not math.isfinite(ridge) or ridge <= 0.0:
            return np.zeros(2)
        shares = np.linalg.solve(squares + ridge * np.eye(2), self._products[index])
        clipped: Floats = np.clip(shares, 0.0, 1.0)
        return clipped


def _at_leads(values: Floats) -> Floats:
    """Return values at LEADS; NaN where there is none."""
    return np.where(
        len(values) >= LEADS, values[np.minimum(LEADS, len(values)) - 1], np.nan
    ).astype(np.float64)
