"""Giving a plan's memory a whole past at once, as if it had been there."""

from typing import Final

from .plan import Floats
from .planning import DAY, STEP_S, SitePlanning

REHEARSED: Final = 42 * DAY
"""Of so many steps the forecasts are made that would have been made: their errors weigh
the models and spread the quantiles."""
_APART: Final = 4


def learn(
    planning: SitePlanning, start_s: int, load_w: Floats, pv_w: Floats, import_w: Floats
) -> None:
    """Take a past: means per quarter from ``start_s`` (UTC) on, W; NaN where not known.

    Takes about a second for the weeks that are rehearsed: not for an event loop.
    """
    count = len(load_w)
    at = 0
    while at < count:
        rehearsed = at >= count - REHEARSED
        until = min(at + (_APART if rehearsed else DAY), count)
        part = slice(at, until)
        planning.close(start_s + at * STEP_S, load_w[part], pv_w[part], import_w[part])
        if rehearsed:
            for forecaster in (planning.load, planning.pv):
                forecaster.forecast(1)
        at = until
