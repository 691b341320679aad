"""Time series of the future: prices, carbon, power, each value with its own start and end.

Steps may differ in length, as real prices do (quarters today, hours next door, 92 or 100
quarters on the days when clocks change), and there may be holes between them. All moments
are UTC. What a value is worth to its reader is in its ``Kind``.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise, zip_longest
import math
from operator import attrgetter
from typing import NamedTuple


class Unit(StrEnum):
    """What the values of a series are. Currency is the site's own."""

    PRICE = "currency/kWh"
    CARBON = "g/kWh"
    POWER = "W"


class Kind(StrEnum):
    """How far a value can be relied on, best first."""

    MEASURED = "measured"
    """It has happened."""
    DAY_AHEAD = "day_ahead"
    """Published and binding."""
    FORECAST = "forecast"
    """Somebody's forecast."""
    STAND_IN = "stand_in"
    """What is usual at this time of day; nobody has forecast it."""


class Slot(NamedTuple):
    """One value, which holds from ``start`` until ``end`` (UTC)."""

    start: datetime
    end: datetime
    value: float
    kind: Kind

    @property
    def hours(self) -> float:
        """Return how long the value holds, h."""
        return (self.end - self.start) / timedelta(hours=1)


class SeriesError(ValueError):
    """These slots are no series: unordered, overlapping, empty in time, or not finite."""


@dataclass(frozen=True, slots=True)
class Series:
    """Slots in order of time, without overlaps; there may be holes.

    Raises SeriesError for anything else, so that who has a series need not check it.
    """

    unit: Unit
    slots: tuple[Slot, ...] = ()
    _ends: tuple[datetime, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no series."""
        for slot in self.slots:
            if slot.start.tzinfo is not UTC or slot.end.tzinfo is not UTC:
                raise SeriesError(f"{slot.start} to {slot.end} is not in UTC")
            if slot.end <= slot.start:
                raise SeriesError(f"the slot at {slot.start} has no duration")
            if not math.isfinite(slot.value):
                raise SeriesError(f"the value at {slot.start} is not finite")
        for before, after in pairwise(self.slots):
            if after.start < before.end:
                raise SeriesError(f"the slots at {before.start} and {after.start} overlap")
        object.__setattr__(self, "_ends", tuple(slot.end for slot in self.slots))

    def __bool__(self) -> bool:
        """Return whether there is anything in it."""
        return bool(self.slots)

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(self.slots)

    def __iter__(self) -> Iterator[Slot]:
        """Yield the slots in order of time."""
        return iter(self.slots)

    @property
    def start(self) -> datetime | None:
        """Return where it begins; None while it is empty."""
        return self.slots[0].start if self.slots else None

    @property
    def end(self) -> datetime | None:
        """Return how far it reaches; None while it is empty."""
        return self.slots[-1].end if self.slots else None

    @property
    def known_until(self) -> datetime | None:
        """Return the end of the last slot that is more than a stand-in."""
        return max((s.end for s in self.slots if s.kind is not Kind.STAND_IN), default=None)

    def at(self, moment: datetime) -> Slot | None:
        """Return the slot that holds at a moment; None in a hole or outside."""
        index = bisect_right(self._ends, moment)
        if index == len(self.slots) or self.slots[index].start > moment:
            return None
        return self.slots[index]

    def between(self, start: datetime, end: datetime) -> Series:
        """Return the part from ``start`` until ``end``; slots across an edge are cut."""
        return Series(
            self.unit,
            tuple(
                slot._replace(start=max(slot.start, start), end=min(slot.end, end))
                for slot in self.slots[bisect_right(self._ends, start) :]
                if slot.start < end
            ),
        )

    def holes(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Return the stretches between two moments in which there is no value."""
        holes = []
        seen = start
        for slot in self.between(start, end):
            if slot.start > seen:
                holes.append((seen, slot.start))
            seen = slot.end
        if seen < end:
            holes.append((seen, end))
        return holes

    def over(self, other: Series) -> Series:
        """Return this series, and the other one in its holes, before and after it."""
        if not self.slots or not other.slots:
            return self if self.slots else other
        first = min(self.slots[0].start, other.slots[0].start)
        last = max(self._ends[-1], other._ends[-1])
        fill = [s for hole in self.holes(first, last) for s in other.between(*hole)]
        return Series(self.unit, tuple(sorted((*self.slots, *fill), key=attrgetter("start"))))

    def mean(self, start: datetime, end: datetime) -> float | None:
        """Return the mean by time between two moments; None where nothing is known of it."""
        part = self.between(start, end)
        hours = sum(slot.hours for slot in part)
        return sum(s.value * s.hours for s in part) / hours if hours else None

    def integral(self, start: datetime, end: datetime) -> float:
        """Return the sum of value times hours between two moments: Wh for a power in W."""
        return sum(slot.value * slot.hours for slot in self.between(start, end))

    def sampled(self, start: datetime, step: timedelta, count: int) -> list[float]:
        """Return the means of ``count`` steps from ``start`` on; NaN where nothing is known."""
        means = (self.mean(start + n * step, start + (n + 1) * step) for n in range(count))
        return [math.nan if mean is None else mean for mean in means]

    def times(self, factor: float) -> Series:
        """Return the same slots with their values multiplied."""
        return self.mapped(lambda slot: slot.value * factor)

    def mapped(self, change: Callable[[Slot], float]) -> Series:
        """Return the same slots with other values."""
        return Series(self.unit, tuple(s._replace(value=change(s)) for s in self.slots))


def joined(unit: Unit, slots: Iterable[Slot]) -> Series:
    """Return a series of slots in any order. Where two overlap, the later given one holds.

    Raises SeriesError for slots that are not in UTC, without duration or not finite.
    """
    by_start = {slot.start: slot for slot in slots}
    ordered = [by_start[start] for start in sorted(by_start)]
    cut = [
        slot if after is None or slot.end <= after.start else slot._replace(end=after.start)
        for slot, after in zip_longest(ordered, ordered[1:])
    ]
    return Series(unit, tuple(cut))
