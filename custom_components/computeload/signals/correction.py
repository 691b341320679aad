"""A PV forecast held against what the roof has really given.

Forecasts know the weather and not the chimney: what they miss returns at the same hour
every day. So each local hour has a factor of its own, the middle of what was measured over
what was forecast for it on the last days.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import median
from typing import Final

from ..core.series import Kind, Series

REMEMBERED: Final = timedelta(days=14)
WORTH: Final = 0.05
"""Hours with less than this share of the best forecast say nothing: they are twilight."""
DOUBT_DAYS: Final = 3.0
"""As many days as it takes until the factor counts for half."""
LEAST: Final = 0.3
MOST: Final = 1.7


@dataclass(frozen=True, slots=True)
class Comparison:
    """One hour: what was forecast for it when it began, and what was measured; means in W."""

    start: datetime
    forecast_w: float
    measured_w: float


class Correction:
    """The factors of one roof."""

    def __init__(self, zone: tzinfo, known: Iterable[Comparison] = ()) -> None:
        """Start with what is known from before."""
        self._zone = zone
        self.known: deque[Comparison] = deque(known)
        self._factors: dict[int, float] = {}
        self._learn()

    def add(self, comparison: Comparison) -> None:
        """Take one more hour, and forget those that are too old."""
        self.known.append(comparison)
        while self.known[0].start < comparison.start - REMEMBERED:
            self.known.popleft()
        self._learn()

    def factor(self, at: datetime) -> float:
        """Return what a forecast for this moment is multiplied by; 1 where nothing is known."""
        return self._factors.get(at.astimezone(self._zone).hour, 1.0)

    def corrected(self, forecast: Series) -> Series:
        """Return a forecast with its factors; what was measured stays as it is."""
        return forecast.mapped(
            lambda slot: slot.value * (self.factor(slot.start) if slot.kind is Kind.FORECAST else 1)
        )

    def _learn(self) -> None:
        best_w = max((each.forecast_w for each in self.known), default=0.0)
        by_hour: dict[int, list[float]] = {}
        for each in self.known:
            if each.forecast_w > WORTH * best_w:
                hour = each.start.astimezone(self._zone).hour
                by_hour.setdefault(hour, []).append(each.measured_w / each.forecast_w)
        self._factors = {
            hour: _settled(median(ratios), len(ratios)) for hour, ratios in by_hour.items()
        }


def _settled(ratio: float, days: int) -> float:
    """Return a ratio as far as so few days can be believed."""
    believed = (days * ratio + DOUBT_DAYS) / (days + DOUBT_DAYS)
    return min(max(believed, LEAST), MOST)
