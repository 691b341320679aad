"""A past that was metered elsewhere, cut into the ledger's quarters.

An interval of any length up to an hour is shared among its quarters by time: an hourly
mean becomes four equal quarters, minutes add up. Such rows are marked as imported and
never take the place of metered ones (see ``ledger.merged``).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import math
from typing import Any, Final

from .ledger import ENERGY_DIGITS, EXPORT, IMPORT, QUARTER, Channel, Flow, Origin, Quarter
from .window import WINDOW_S, window_start

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What is known of one step of a past: energies in Wh, and what held meanwhile."""

    start: datetime
    end: datetime
    energies_wh: Mapping[Channel, float]
    facts: Mapping[str, float] = field(default_factory=dict)
    """Prices, state of charge and so on, by the name of the quarter's attribute."""
    covered_s: float | None = None
    """For how many of its seconds the grid's energies are known; None: for all, as are
    the other flows."""


@dataclass(slots=True)
class Survey:
    """What a past holds, noted while its quarters go by."""

    quarters: int = 0
    since: datetime | None = None
    until: datetime | None = None
    known: int = 0
    """In how many of them the load is known: what forecasts learn from."""
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)
    """The spans between the first and the last in which it is not, in order."""
    _load_until: datetime | None = None

    def of(self, quarters: Iterable[Quarter]) -> Iterator[Quarter]:
        """Yield the quarters, which come in order of time, as they are."""
        for quarter in quarters:
            self.quarters += 1
            if self.since is None:
                self.since = quarter.start
            if quarter.load_wh is not None:
                self.known += 1
                self._gap(quarter.start)
                self._load_until = quarter.end
            self.until = quarter.end
            yield quarter
        if self.until is not None:
            self._gap(self.until)

    def _gap(self, until: datetime) -> None:
        """Note that nothing was known since the load was known last, if that is so."""
        since = self._load_until or self.since
        if since is not None and since < until:
            self.gaps.append((since, until))


@dataclass(slots=True)
class _Open:
    """A quarter that intervals are being added to."""

    energy_wh: dict[Channel, float] = field(default_factory=lambda: defaultdict(float))
    covered_s: dict[Channel, float] = field(default_factory=lambda: defaultdict(float))
    facts: dict[str, float] = field(default_factory=dict)


def quarters_of(intervals: Iterable[Interval]) -> Iterator[Quarter]:
    """Yield the quarters of intervals that come in order of time and do not overlap."""
    known: dict[datetime, _Open] = {}
    for interval in intervals:
        first = window_start(interval.start)
        for start in [s for s in known if s < first]:
            yield from _closed(start, known.pop(start))
        length_s = (interval.end - interval.start).total_seconds()
        covered = 1.0 if interval.covered_s is None else interval.covered_s / length_s
        start = first
        while start < interval.end:
            inside = min(interval.end, start + QUARTER) - max(interval.start, start)
            inside_s = inside.total_seconds()
            quarter = known.setdefault(start, _Open())
            for channel, energy_wh in interval.energies_wh.items():
                quarter.energy_wh[channel] += energy_wh * inside_s / length_s
                share = covered if channel in (IMPORT, EXPORT) else 1.0
                quarter.covered_s[channel] += share * inside_s
            quarter.facts |= interval.facts
            start += QUARTER
    for start, quarter in known.items():
        yield from _closed(start, quarter)


def statistics_hours(
    rows: Iterable[Mapping[str, Any]], *, sign: float = 1.0
) -> Iterator[tuple[datetime, float]]:
    """Yield (start of the hour, Wh) from rows of Home Assistant's long-term statistics.

    A row has ``start`` in Unix seconds, and ``change`` in Wh (of an energy meter) or
    ``mean`` in W. ``sign`` is -1 for the negative side of a power that has a sign, as
    the feed-in of a grid meter is; what is on the other side is 0.
    """
    for row in rows:
        if (energy_wh := row.get("change")) is None:
            if (mean_w := row.get("mean")) is None:
                continue
            energy_wh = max(sign * mean_w, 0.0)
        yield datetime.fromtimestamp(row["start"], UTC), energy_wh


def summed(parts: Iterable[Iterable[tuple[datetime, float]]]) -> list[tuple[datetime, float]]:
    """Return the sums of hourly energies of several meters, such as the two of a tariff.

    Before its first hour a meter was not there yet and counts as nothing; an hour that
    one of them does not know later is left out.
    """
    meters = [meter for part in parts if (meter := dict(part))]
    firsts = [min(meter) for meter in meters]
    hours = sorted(set().union(*meters))
    return [
        (at, sum(meter.get(at, 0.0) for meter in meters))
        for at in hours
        if all(at in meter or at < first for meter, first in zip(meters, firsts, strict=True))
    ]


def hourly_intervals(
    hours: Mapping[Channel, Sequence[tuple[datetime, float]]],
    prices: Iterable[tuple[datetime, float]] = (),
    *,
    plausible_w: float,
) -> Iterator[Interval]:
    """Yield intervals from hourly energies (start of the hour, Wh), as statistics have them.

    ``prices`` are what a kWh cost in each hour, with everything. An energy that is not
    finite, negative, or more than ``plausible_w`` could bring in an hour comes from a meter
    that was reset or read wrongly: that hour is left out.
    """
    energies: dict[datetime, dict[Channel, float]] = defaultdict(dict)
    for channel, rows in hours.items():
        for start, energy_wh in rows:
            if math.isfinite(energy_wh) and 0.0 <= energy_wh <= plausible_w:
                energies[start][channel] = energy_wh
    cost = {start: price for start, price in prices if math.isfinite(price)}
    for start in sorted(energies):
        facts = {"price_import": cost[start]} if start in cost else {}
        yield Interval(start=start, end=start + HOUR, energies_wh=energies[start], facts=facts)


def _closed(start: datetime, quarter: _Open) -> Iterator[Quarter]:
    flows = {
        channel: Flow(
            round(energy_wh, ENERGY_DIGITS), round(min(quarter.covered_s[channel], WINDOW_S), 1)
        )
        for channel, energy_wh in quarter.energy_wh.items()
    }
    if flows:
        yield Quarter(
            start=start,
            origin=Origin.IMPORTED,
            flows=flows,
            **quarter.facts,  # type: ignore[arg-type] # all of these attributes are numbers
        )
