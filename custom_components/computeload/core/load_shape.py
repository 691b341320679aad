"""The shape of a power over time: how long it was how high, and at which hours."""

from datetime import datetime, tzinfo
from typing import Final

import numpy as np

from .plan import Floats

POINTS: Final = 101
"""Of a load duration curve."""

type Heat = list[list[list[int] | None]]
"""By weekday (Monday first) and hour of the local day: mean and highest power, W."""


def duration(power_w: Floats) -> list[int]:
    """Return powers from the highest to the lowest, W, at equal shares of the time.

    What is not known (NaN) counts as no time.
    """
    known = power_w[np.isfinite(power_w)]
    if not len(known):
        return []
    return [round(each) for each in np.quantile(known, np.linspace(1.0, 0.0, POINTS)).tolist()]


def heat(starts: Floats, load_w: Floats, zone: tzinfo) -> Heat:
    """Return when the load is how high; ``starts`` in seconds since 1970, shape (n,) both."""
    cells: list[list[list[float]]] = [[[] for _ in range(24)] for _ in range(7)]
    for start_s, each in zip(starts.tolist(), load_w.tolist(), strict=True):
        if np.isfinite(each):
            local = datetime.fromtimestamp(start_s, zone)
            cells[local.weekday()][local.hour].append(each)
    return [
        [[round(sum(cell) / len(cell)), round(max(cell))] if cell else None for cell in day]
        for day in cells
    ]
