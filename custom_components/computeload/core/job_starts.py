"""When waiting jobs are let go, so that neither they nor their return set a peak.

Jobs that wait are let go in the order they came, while there is room below a level. The level
is learned: what the site would have drawn on average in the last week with all waiting jobs
running, or the peak that is paid already, or what the batteries cannot keep away. Jobs come due
whether there is room or not; so that they do not all come due at once, some are let go before.

Also tried: levels of 0.85 to 1.15 times the mean, means over 2 to 14 days, batteries relied on
for 1 to 6 hours. See ``docs/backtest.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .plan import Floats

RELIED_H: Final = 2.0
"""For so long the batteries are relied on."""
SLACK: Final = 0.3
"""This share of what they can give is room for jobs; the rest is for what was not foreseen."""
WEEK: Final = 7 * 96
"""Over so many quarters the mean is taken."""
SPREAD: Final = 1.6
"""How early jobs are let go that come due later: 1 is evenly, more is later."""
CHEAPER: Final = 0.01
"""A job waits for a price that is lower by so much, EUR/kWh; less is not worth its while."""
PRICE_STEPS: Final = 16
"""A job is taken to last for so many quarters when prices are compared."""


@dataclass(slots=True)
class QueueLevel:
    """The level that jobs are kept below; the memory from quarter to quarter."""

    _past_w: list[float] = field(default_factory=list)

    def level_w(
        self, *, net_w: float, waiting_w: float, forced_w: float, paid_w: float, give_w: float
    ) -> float:
        """Return the level of a quarter, W; to be asked once for each.

        ``net_w``: what the site draws without batteries and without the waiting jobs, which
        would draw ``waiting_w``. ``forced_w``: what those would that have to be let go now.
        ``paid_w``: the peak that costs nothing more. ``give_w``: what the batteries can give.
        """
        self._past_w.append(net_w + waiting_w)
        del self._past_w[:-WEEK]
        usual_w = sum(self._past_w) / len(self._past_w)
        return max(paid_w, usual_w, net_w + forced_w - give_w)


def forced(left: Sequence[int], longest: int) -> float:
    """Return how many of the jobs that wait have to be let go now, a fraction among them.

    ``left``: for how many quarters each may still wait, at most ``longest``. So many that, going
    on like this, none is late, and those that come due soon do not wait for the last moment.
    """
    if not left:
        return 0.0
    due = np.cumsum(np.bincount(np.clip(left, 0, longest), minlength=longest + 1))
    return float(np.max(due / np.arange(1, longest + 2) ** SPREAD))


def is_cheaper_later(prices: Floats, left: int) -> bool:
    """Return whether a job should wait for a lower price within ``left`` quarters.

    ``prices``: from now on, shape (n,), as far as they are out.
    """
    if left <= 0 or len(prices) <= PRICE_STEPS:
        return False
    means = np.convolve(prices, np.full(PRICE_STEPS, 1.0 / PRICE_STEPS), "valid")
    later = means[1 : left + 1]
    return bool(later.size) and bool(means[0] - later.min() > CHEAPER)
