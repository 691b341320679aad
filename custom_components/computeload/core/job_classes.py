"""What jobs are like: their power, how much of their time limit they use, how they start.

Jobs of one kind resemble each other, so experience is kept by class: user, account, partition,
stem of the name and size. A class that has seen little leans on the wider one around it, and
the widest on a prior (shrinkage: Efron and Morris, *Data analysis using Stein's estimator*,
1975). The table forgets the classes that were not met for longest.

Powers are what a job adds to a node that would idle otherwise.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
import math
import re
from typing import Any, Final, Self

import numpy as np

from .numbers import known, not_negative
from .plan import Floats

type Key = tuple[str, ...]

_CLASSES: Final = 2000
_RUNS: Final = 32
"""So many of the newest run times are kept of a class."""
_MEMORY: Final = 50
"""A mean is over about so many observations; older ones fade."""
_LEAN: Final = 4.0
"""A class with so many observations weighs as much as all that is wider."""
_STEM: Final = 32
_OPEN_S: Final = 86_400.0
"""What run times are compared with where a job has no time limit."""
_LEAST_AGE_S: Final = 3600.0
_PRIOR: Final[Floats] = np.linspace(0.05, 0.95, 10)
_SPREAD: Final = 0.3
"""Standard deviation of a job's power, as a share of it, while nothing is known."""
_LONGEST_S: Final = 1e9
"""No job lasts longer, and a limit above that is none."""
_WORST: Final = 100.0
"""No run time counts as more than so many time limits."""
_MOST_W: Final = 1e6
"""No node draws more; such an observation is an error."""
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """What must be known of a job to foresee it."""

    job_id: str
    user: str = ""
    account: str = ""
    partition: str = ""
    name: str = ""
    nodes: int = 1
    gpus: int = 0
    """Of all its nodes together."""
    limit_s: float | None = None
    """How long it may run; None: as long as it likes."""
    start_s: float | None = None
    """Unix seconds: when it started, or, while it waits, when it is expected to; None: unknown."""


def stem(name: str) -> str:
    """Return what the names of similar jobs have in common: the words, without numbers."""
    words = re.sub(r"[\d\W_]+", " ", name.casefold()).split()
    return "-".join(words)[:_STEM]


def class_keys(job: JobView) -> list[Key]:
    """Return the classes that a job belongs to, the narrowest first."""
    size = f"{max(job.nodes, 0).bit_length()}/{max(job.gpus, 0).bit_length()}"
    kind = "limited" if _limit_s(job) is not None else "open"
    path = (kind, job.partition, job.user, job.account, stem(job.name), size)
    return [path[:length] for length in (6, 5, 4, 2, 1)]


@dataclass(frozen=True, slots=True, eq=False)
class Remaining:
    """How long a job may go on: possible times in s, rising, and the chance of each."""

    seconds: Floats
    chances: Floats

    def at(self, levels: Floats) -> Floats:
        """Return the times at these levels (0 to 1), same shape."""
        reached = np.cumsum(self.chances)
        index = np.searchsorted(reached, np.asarray(levels) * reached[-1])
        times: Floats = self.seconds[np.minimum(index, len(self.seconds) - 1)]
        return times


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job draws, in W per node above idle, and how long it takes to get there."""

    node_w: float
    spread_w: float
    """Standard deviation."""
    ramp_s: float


@dataclass(slots=True)
class _Mean:
    """A mean and a variance that forget slowly."""

    count: float = 0.0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, value: float) -> None:
        self.count = min(self.count + 1.0, float(_MEMORY))
        before = value - self.mean
        self.mean += before / self.count
        self.variance += (before * (value - self.mean) - self.variance) / self.count

    def over(self, wider: tuple[float, float]) -> tuple[float, float]:
        """Return mean and variance, with those of the wider class where little is known."""
        own = self.count / (self.count + _LEAN)
        mean, variance = wider
        return mean + own * (self.mean - mean), variance + own * (self.variance - variance)


@dataclass(slots=True)
class _Seen:
    """What was seen of one class."""

    runs: list[float] = field(default_factory=list)
    """Run times over time limit, the newest last."""
    node_w: _Mean = field(default_factory=_Mean)
    ramp_s: _Mean = field(default_factory=_Mean)


class JobClasses:
    """The table of classes. ``node_w``, ``gpu_w``: what a job draws while nothing is known."""

    def __init__(
        self, *, node_w: float = 150.0, gpu_w: float = 300.0, at_most: int = _CLASSES
    ) -> None:
        """Start without experience; raises ValueError for a table that is too small."""
        if at_most < 1:
            raise ValueError(f"at_most: {at_most} classes are too few, at least 1 is needed")
        self._prior = not_negative(node_w), not_negative(gpu_w)
        self._at_most = at_most
        self._table: OrderedDict[Key, _Seen] = OrderedDict()

    def __len__(self) -> int:
        """Return how many classes are known."""
        return len(self._table)

    def learn(
        self,
        job: JobView,
        *,
        run_s: float | None = None,
        node_w: float | None = None,
        ramp_s: float | None = None,
    ) -> None:
        """Take what was seen of a job; what is None or cannot be says nothing.

        ``run_s``: how long it ran, once it has ended. ``node_w``: what it drew per node above
        idle. ``ramp_s``: how long it took from its start to that power.
        """
        limit_s = _limit_s(job) or _OPEN_S
        for key in class_keys(job):
            seen = self._table.setdefault(key, _Seen())
            self._table.move_to_end(key)
            if known(run_s) and run_s >= 0.0:
                seen.runs.append(min(run_s / limit_s, _WORST))
                del seen.runs[:-_RUNS]
            for mean, value in ((seen.node_w, node_w), (seen.ramp_s, ramp_s)):
                if known(value) and 0.0 <= value <= _MOST_W:
                    mean.add(value)
        while len(self._table) > self._at_most:
            self._table.popitem(last=False)

    def learn_branch(self, jobs: Iterable[JobView], above_idle_w: float) -> None:
        """Take what all running jobs of a metered branch drew together, above idle.

        What was not expected is ascribed to the classes by their nodes (least mean squares,
        normalised); as the mix of jobs changes, the differences between classes emerge.
        """
        by_class: dict[Key, tuple[JobView, int]] = {}
        for job in jobs:
            key = class_keys(job)[0]
            first, nodes = by_class.get(key, (job, 0))
            by_class[key] = first, nodes + max(job.nodes, 0)
        squares = sum(nodes**2 for _, nodes in by_class.values())
        if not squares or not known(above_idle_w):
            return
        expected = {key: self.estimate(job).node_w for key, (job, _) in by_class.items()}
        missed_w = above_idle_w - sum(expected[key] * nodes for key, (_, nodes) in by_class.items())
        for key, (job, nodes) in by_class.items():
            node_w = expected[key] + missed_w * nodes / squares
            self.learn(job, node_w=max(node_w, 0.0))

    def estimate(self, job: JobView) -> Estimate:
        """Return what the job will draw."""
        node_w, gpu_w = self._prior
        usual_w = node_w + gpu_w * max(job.gpus, 0) / max(job.nodes, 1)
        power, ramp = (usual_w, (_SPREAD * usual_w) ** 2), (0.0, 0.0)
        for key in reversed(class_keys(job)):
            if seen := self._table.get(key):
                power, ramp = seen.node_w.over(power), seen.ramp_s.over(ramp)
        return Estimate(max(power[0], 0.0), math.sqrt(max(power[1], 0.0)), max(ramp[0], 0.0))

    def remaining(self, job: JobView, age_s: float = 0.0) -> Remaining:
        """Return how long the job will go on, if it has run for ``age_s`` already.

        Jobs of its class that ended sooner no longer count. A job that has reached its time
        limit ends at once, unless its like were seen to go on.
        """
        age_s = min(not_negative(age_s), _LONGEST_S)
        limit_s = _limit_s(job)
        seconds, chances = [], []
        rest = 1.0
        for key in class_keys(job):
            if (seen := self._table.get(key)) and seen.runs:
                share = rest * len(seen.runs) / (len(seen.runs) + _LEAN)
                rest -= share
                seconds.append(np.array(seen.runs) * (limit_s or _OPEN_S) - age_s)
                chances.append(np.full(len(seen.runs), share / len(seen.runs)))
        if limit_s is None:
            # As long again as it has lasted, in the middle: nothing better is known.
            lasted_s = max(age_s, _LEAST_AGE_S)
            seconds.append(lasted_s * _PRIOR / (1.0 - _PRIOR))
            chances.append(np.full(len(_PRIOR), rest * _LEAST_AGE_S / lasted_s / len(_PRIOR)))
        elif age_s < limit_s:
            left_s = limit_s - age_s
            seconds.append(left_s * _PRIOR)
            chances.append(np.full(len(_PRIOR), rest * left_s / limit_s / len(_PRIOR)))
        return _later(seconds, chances)

    def to_state(self) -> list[dict[str, Any]]:
        """Return the table ready for JSON, the class not met for longest first."""
        return [
            {
                "key": list(key),
                "runs": [round(each, _DIGITS) for each in seen.runs],
                "node_w": _plain(seen.node_w),
                "ramp_s": _plain(seen.ramp_s),
            }
            for key, seen in self._table.items()
        ]

    def restore(self, state: Iterable[Mapping[str, Any]]) -> Self:
        """Take a table from JSON in place of this one, which is returned.

        Raises KeyError, TypeError or ValueError for another thing, and then changes nothing.
        """
        table: OrderedDict[Key, _Seen] = OrderedDict()
        for each in state:
            key = tuple(str(part) for part in each["key"])
            runs = [_number(run, "runs") for run in each["runs"]][-_RUNS:]
            table[key] = _Seen(runs, _mean(each["node_w"]), _mean(each["ramp_s"]))
        while len(table) > self._at_most:
            table.popitem(last=False)
        self._table = table
        return self


def _limit_s(job: JobView) -> float | None:
    """Return the time limit in s, at least a second; None where there is none."""
    if not known(job.limit_s) or not 0.0 < job.limit_s <= _LONGEST_S:
        return None
    return max(job.limit_s, 1.0)


def _later(seconds: list[Floats], chances: list[Floats]) -> Remaining:
    """Return of all times those that are still to come, rising; at once if there is none."""
    if not seconds:
        return Remaining(np.zeros(1), np.ones(1))
    times, weights = np.concatenate(seconds), np.concatenate(chances)
    later = times > 0.0
    if not later.any():
        return Remaining(np.zeros(1), np.ones(1))
    times, weights = times[later], weights[later]
    order = np.argsort(times, kind="stable")
    return Remaining(times[order], weights[order] / weights.sum())


def _plain(mean: _Mean) -> list[float]:
    return [round(each, _DIGITS) for each in (mean.count, mean.mean, mean.variance)]


def _mean(state: Any) -> _Mean:
    count, mean, variance = (_number(each, "mean") for each in state)
    return _Mean(min(count, float(_MEMORY)), mean, variance)


def _number(value: Any, name: str) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0.0:
        raise ValueError(f"{name}: {value} is not a number from 0 on")
    return number
