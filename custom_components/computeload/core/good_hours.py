"""Whether now is a good time: among the cheapest or cleanest hours of the day ahead."""

from typing import Final

import numpy as np

from .plan import Floats, Ints

SHARE: Final = 0.25
"""So much of the time ahead may be better for now to still be good."""
GAIN: Final = 0.1
"""Now is better than the mean by this share of it, or there is nothing to choose from."""
AHEAD_S: Final = 24 * 3600


def among_the_best(values: Floats, step_s: Ints, at_s: float) -> bool | None:
    """Return whether what holds at a moment is among the lowest of the day that begins then.

    ``values`` (shape (n,), any unit, lower is better) hold for ``step_s`` seconds each, one
    after the other; ``at_s`` counts from the start of the first. A day in which all values
    are about the same has no good hours. None where nothing is known of the moment.
    """
    ends = np.cumsum(step_s)
    present = int(np.searchsorted(ends, at_s, side="right"))
    if at_s < 0.0 or present == len(values):
        return None
    until_s = at_s + AHEAD_S
    lasts = np.clip(np.minimum(ends, until_s) - np.maximum(ends - step_s, at_s), 0.0, None)
    now, mean = values[present], float(np.average(values, weights=lasts))
    better = lasts[values < now].sum() / lasts.sum()
    return bool(better < SHARE and now < mean - GAIN * abs(mean))
