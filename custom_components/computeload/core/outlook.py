"""What a billing period will probably cost anyway: the price of a peak, learned from days.

A peak early in a month costs little if the rest of the month will go higher. How high is
learned from the days so far: of each its natural peak, the highest mean that it would have
had without any battery. The highest of as many days as are left, taken over all such
stretches of the past, is the distribution that the rest of the period is drawn from. What
a battery could hold those days to is no better guide: it seldom is full at the right
moment, and a peak that will be exceeded after all is not worth defending.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .guard import Guard, best_guard
from .plan import BatterySpec, Floats

_CHANCES: Final[Floats] = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
_BELOW: Final = 0.02
"""The chance left for a peak below all that the past shows."""
_HISTORY_DAYS: Final = 90
_LEAST_DAYS: Final = 3
_DOUBT: Final = 0.3
"""So many days of history are worth no more than one day that is left."""
_DOUBT_DAYS: Final = 60
_CEILING_LEAST_DAYS: Final = 14
_CEILING_DAYS: Final = 360
_CEILING_SHARE: Final = 0.75
_WEEK: Final = 7
_MARGIN_W: Final = 1e-3
_GUARD_DAYS: Final = 56
_GUARD_LEAST_DAYS: Final = 3


@dataclass(slots=True)
class PeakOutlook:
    """Days of one demand charge's windows, and what follows from them."""

    _natural_w: list[float] = field(default_factory=list)
    _net_w: list[Floats] = field(default_factory=list)
    """Of the last weeks, day by day."""
    _guarded: tuple[tuple[object, ...], Guard | None] = ((), None)
    _key: tuple[int, int] = (0, 0)
    _levels_w: Floats = field(default_factory=lambda: np.zeros(0))

    def add_day(self, net_w: Floats) -> None:
        """Take the weighted net means (load less PV, W) of one closed day, without a battery."""
        if net_w.size:
            self._natural_w.append(max(float(net_w.max()), 0.0))
            self._net_w.append(net_w)
            del self._net_w[:-_GUARD_DAYS]

    def guard(
        self, battery: BatterySpec, *, free_w: float, rate: float, days_left: float, spread: float
    ) -> Guard | None:
        """Return what is kept for peaks that nobody foresees (see ``guard``); None for nothing.

        Worked out anew once a day, and when what is paid already has changed.
        """
        if len(self._net_w) < _GUARD_LEAST_DAYS:
            return None
        key = (len(self._natural_w), free_w, battery.capacity_wh, battery.discharge_w)
        if key != self._guarded[0]:
            natural_w = float(np.median(_highest(self._natural_w[-_HISTORY_DAYS:], days_left)))
            best = best_guard(
                np.concatenate(self._net_w),
                battery,
                free_w=free_w,
                natural_w=natural_w,
                rate=rate,
                days_left=days_left,
                spread=spread,
            )
            self._guarded = key, best
        return self._guarded[1]

    def cost_line(self, free_w: float, rate: float, days_left: float) -> tuple[Floats, Floats]:
        """Return levels in W and the rate of each kW above each (see ``PeakCost``).

        The rate at a level is ``rate`` times the chance that the rest of the period stays
        below it. While there is little history compared with what is left, the chance is
        moved towards 1, the cautious side.
        """
        count = len(self._natural_w)
        if count < _LEAST_DAYS:
            start = free_w + _MARGIN_W * np.arange(len(_CHANCES) + 1, dtype=np.float64)
            return start, np.full(len(start), rate)
        levels = self._quantiles(days_left)
        levels = np.maximum(levels, free_w) + _MARGIN_W * np.arange(len(levels))
        middle = (_CHANCES[:-1] + _CHANCES[1:]) / 2.0
        chances = np.concatenate(([_BELOW], middle, [1.0]))
        trust = count / (count + _DOUBT * min(max(days_left, 1.0), _DOUBT_DAYS))
        return levels, rate * (1.0 - trust + trust * chances)

    def _quantiles(self, days_left: float) -> Floats:
        """Return how high the rest goes by itself, by chance; 0 below the first."""
        key = (len(self._natural_w), int(days_left))
        if key != self._key:
            highest = _highest(self._natural_w[-_HISTORY_DAYS:], days_left)
            self._levels_w = np.concatenate(([0.0], np.quantile(highest, _CHANCES)))
            self._key = key
        return self._levels_w

    def ceiling_w(self, days_left: float) -> float:
        """Return the mean that the rest of the period almost surely reaches by itself.

        Charging up to it raises no bill. It stays below the lowest that such a stretch ever
        reached, and below what the last week reached, or a load that shrinks would be
        overtaken by the battery. 0 while the past is too short to say.
        """
        if len(self._natural_w) < _CEILING_LEAST_DAYS:
            return 0.0
        lowest = float(_highest(self._natural_w[-_CEILING_DAYS:], days_left).min())
        return _CEILING_SHARE * min(lowest, max(self._natural_w[-_WEEK:]))


def _highest(days: list[float], days_left: float) -> Floats:
    """Return the highest of as many days as are left, for every stretch of the past.

    Of a past that is shorter than that, stretches of half its length.
    """
    length = int(min(max(days_left, 1.0), max(_LEAST_DAYS, len(days) // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(np.array(days), length)
    highest: Floats = windows.max(axis=1)
    return highest
