"""A series in a few words and one line of blocks, to be looked at before it is used."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Final

from ..core.series import Series

BLOCKS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "·"
HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The next 24 hours of a series; values in its unit."""

    least: float
    mean: float
    most: float
    step: timedelta
    """The length that most slots have."""
    until: datetime
    """How far the source reaches, UTC."""
    line: str
    """One block per hour, low to high; a dot where nothing is known."""


def preview(series: Series, now: datetime) -> Preview | None:
    """Return what the next 24 hours look like; None where nothing is known of them."""
    begin = now.replace(minute=0, second=0, microsecond=0)
    part = series.between(now, now + timedelta(hours=HOURS))
    if not part or series.end is None:
        return None
    hourly = [
        series.mean(begin + timedelta(hours=n), begin + timedelta(hours=n + 1))
        for n in range(HOURS)
    ]
    known = [value for value in hourly if value is not None]
    steps = Counter(slot.end - slot.start for slot in series)
    return Preview(
        least=min(slot.value for slot in part),
        mean=fmean([slot.value for slot in part], [slot.hours for slot in part]),
        most=max(slot.value for slot in part),
        step=steps.most_common(1)[0][0],
        until=series.end,
        line="".join(_block(value, min(known), max(known)) for value in hourly),
    )


def _block(value: float | None, least: float, most: float) -> str:
    if value is None:
        return NOTHING
    share = (value - least) / (most - least) if most > least else 0.5
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]
