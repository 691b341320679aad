"""What was seen of a site: traces side by side, and what follows from several of them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import itertools
import math
from typing import Final, NamedTuple

from .proof import Part, Slope, Subject, TrialResult
from .proof_trace import Sample, Trace

LOOK_BACK_S: Final = 300.0
"""The balance is judged on the last minutes: an old mistake that was mended is no mistake."""
LEAST_MOMENTS: Final = 10
MOST_MOMENTS: Final = 60
"""More of them tell no more, and would take longer than an event loop should wait."""
LEAST_SPAN_S: Final = 8.0
ALIGNED_POLLS: Final = 1.5
NEAR_S: Final = 2.0
"""Values this far apart (or a poll and a half of the slower device) count as of one moment."""
LEAST_W: Final = 150.0
SHARE: Final = 0.05
MOST_TIMES: Final = 0.8
"""What is so in this share of the moments counts as being so."""


class Moment(NamedTuple):
    """The powers of one moment (W, in our signs)."""

    grid_w: float
    pv_w: float
    battery_w: float
    batteries_w: Mapping[str, float]
    branches_w: Mapping[str, float]
    """Those of the branch meters that are known at this moment."""

    @property
    def load_w(self) -> float:
        """Return what the site consumes, if all of it is right."""
        return self.grid_w + self.pv_w + self.battery_w

    @property
    def doubt_w(self) -> float:
        """Return by how much the load may be off: devices are not read at the same instant."""
        return LEAST_W + SHARE * (abs(self.grid_w) + abs(self.pv_w) + abs(self.battery_w))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSeen:
    """A site as its devices described it so far."""

    subjects: tuple[Subject, ...]
    traces: Mapping[str, Trace]
    connection_w: float
    """What the grid connection carries."""
    trials: Mapping[str, TrialResult]
    """By battery: the last trial of its present configuration."""

    @property
    def grid(self) -> Subject | None:
        """Return the meter at the grid connection."""
        return next(self.of(Part.GRID), None)

    def of(self, *parts: Part) -> Iterator[Subject]:
        """Yield the assets of these parts."""
        return (subject for subject in self.subjects if subject.part in parts)

    def steps_of(self, meter_id: str) -> Iterator[tuple[str, Slope]]:
        """Yield how a meter moved with each battery that was tried, where that is clear.

        A meter that did not move proves something only if the battery did.
        """
        for trial in self.trials.values():
            slope, reading = trial.meters.get(meter_id), trial.reading
            moved = reading is not None and reading.clear
            if slope is not None and (slope.clear or (slope.blind and moved)):
                yield trial.battery_id, slope

    def moments(self) -> list[Moment]:
        """Return the last minutes of the whole site; empty where a part of it is unknown."""
        if (grid := self.grid) is None:
            return []
        balance = self.of(Part.PV, Part.BATTERY, Part.BRANCH)
        paths = {s.asset_id: _Path(self.traces[s.asset_id], s.poll_s) for s in balance}
        pv, batteries, branches = (
            [s.asset_id for s in self.of(part)] for part in (Part.PV, Part.BATTERY, Part.BRANCH)
        )
        moments = []
        samples = self.traces[grid.asset_id].since(LOOK_BACK_S)
        for sample in samples[:: max(len(samples) // MOST_MOMENTS, 1)]:
            found = {each: path.power_w(sample.at_s) for each, path in paths.items()}
            known = {each: power_w for each, power_w in found.items() if power_w is not None}
            if not known.keys() >= {*pv, *batteries}:
                continue
            moments.append(
                Moment(
                    grid_w=sample.power_w,
                    pv_w=sum(known[each] for each in pv),
                    battery_w=sum(known[each] for each in batteries),
                    batteries_w={each: known[each] for each in batteries},
                    branches_w={each: known[each] for each in branches if each in known},
                )
            )
        enough = len(moments) >= LEAST_MOMENTS
        return moments if enough and samples[-1].at_s - samples[0].at_s >= LEAST_SPAN_S else []

    def mean_w(self, subject: Subject) -> float | None:
        """Return an asset's mean power over the same minutes; None before there is enough."""
        samples = self.traces[subject.asset_id].since(LOOK_BACK_S)
        if len(samples) < 2 or samples[-1].at_s - samples[0].at_s < LEAST_SPAN_S:  # noqa: PLR2004
            return None
        return mean(sample.power_w for sample in samples)


class _Path:
    """Looks up what an asset's power was at a moment."""

    def __init__(self, trace: Trace, poll_s: float) -> None:
        self._samples: list[Sample] = trace.since(LOOK_BACK_S + NEAR_S)
        self._times = [sample.at_s for sample in self._samples]
        self._apart_s = max(ALIGNED_POLLS * poll_s, NEAR_S, _half_of_widest(self._times))

    def power_w(self, at_s: float) -> float | None:
        """Return the power of the nearest sample, if one is near enough."""
        index = bisect_left(self._times, at_s)
        before_s = at_s - self._times[index - 1] if index > 0 else math.inf
        after_s = self._times[index] - at_s if index < len(self._times) else math.inf
        if min(before_s, after_s) > self._apart_s:
            return None
        return self._samples[index - 1 if before_s < after_s else index].power_w


def _half_of_widest(times: list[float]) -> float:
    """Return half of the widest step: the trace of an hour is thinned."""
    return 0.5 * max((b - a for a, b in itertools.pairwise(times)), default=0.0)


def mean(values: Iterable[float]) -> float:
    """Return the mean of at least one value."""
    kept = list(values)
    return sum(kept) / len(kept)
