"""Which prices are known at a moment, and what stands in for those that are not."""

from typing import Final

import numpy as np

from .plan import Floats, Ints
from .tariff import Calendar

PUBLISHED_AT_MIN: Final = 13 * 60
"""Local time from which tomorrow's day-ahead prices are out."""
_DAY: Final = 96
_DAYS: Final = 8
_SAME_WEEKDAY: Final = 1.5
_AGEING: Final = 0.15


def known_until(calendar: Calendar, starts: Ints) -> Ints:
    """Return, for each step, how many steps of the series have a published price then.

    All of today, and from 13:00 local time all of tomorrow. ``starts``: seconds (UTC),
    shape (n,); the result likewise, as indices into the series.
    """
    local = calendar.local(starts)
    last = local.days + (local.minutes >= PUBLISHED_AT_MIN)
    return np.searchsorted(local.days, last, side="right").astype(np.int64)


def with_stand_in(published: Floats, index: int, count: int) -> Floats:
    """Return prices of ``count`` steps from ``index`` on, as known, then as usual.

    ``published``: all prices known now, from the first step on. What is usual is the mean
    of the same quarter on the last eight days that are known, the younger the more, the
    same weekday most.
    """
    known = published[index : index + count]
    if len(known) == count:
        return known
    at = np.arange(index + len(known), index + count)
    total, weight = np.zeros(len(at)), np.zeros(len(at))
    for days in range(1, _DAYS + 1):
        before = at - days * _DAY
        there = (before >= 0) & (before < len(published))
        share = there * ((_SAME_WEEKDAY if days % 7 == 0 else 1.0) / (1.0 + _AGEING * days))
        total += share * published[np.where(there, before, 0)]
        weight += share
    flat = float(published[-_DAY:].mean())
    usual = np.where(weight > 0.0, total / np.maximum(weight, 1e-9), flat)
    return np.concatenate((known, usual))
