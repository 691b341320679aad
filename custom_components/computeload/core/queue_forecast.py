"""What the queue foretells: jobs that end, jobs that start, and the next step up of the load.

The future is drawn many times over. In each scenario every running job ends when jobs of its
class, of the same age, may end; a waiting job starts when it is expected to, wrong by as much
as such expectations were wrong before, or else in its turn, when enough nodes are free; and
each draws what its class may draw. What comes of it is a change against the load as it is now:
whatever else the site draws is another forecast's business.

Scenarios are drawn evenly (stratified by job) from a fixed seed: the same queue gives the same
forecast.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import heapq
import math
from typing import Any, Final, Self

import numpy as np

from .forecast import QUANTILES, STEP_S
from .job_classes import JobClasses, JobView
from .numbers import known
from .plan import Floats

STEPS: Final = 192
"""48 h."""
SCENARIOS: Final = 64
_SEED: Final = 20
_WAITS: Final = 200
"""So many of the last expectations are remembered."""
_LEAST_WAIT_S: Final = 60.0
_WORST: Final = 10.0
"""No expectation counts as further off than by this factor."""
_MOST_JOBS: Final = 5000
"""So many waiting jobs are looked at, by their order; what comes later is beyond two days."""


class WaitErrors:
    """How the real waiting times of jobs compared with the expected ones, lately."""

    def __init__(self) -> None:
        """Start without experience: expectations are taken at their word."""
        self._ratios: deque[float] = deque(maxlen=_WAITS)

    def learn(self, *, expected_s: float, waited_s: float) -> None:
        """Take how long a job was expected to wait still, and how long it did."""
        if known(expected_s) and known(waited_s) and expected_s >= _LEAST_WAIT_S:
            self._ratios.append(min(max(waited_s, 0.0) / expected_s, _WORST))

    @property
    def ratios(self) -> Floats:
        """Return real over expected waits, rising; a single 1 while nothing is known."""
        return np.sort(np.array(self._ratios or (1.0,)))

    def to_state(self) -> list[float]:
        """Return it ready for JSON."""
        return [round(each, 4) for each in self._ratios]

    def restore(self, state: Iterable[Any]) -> Self:
        """Take it from JSON; raises TypeError or ValueError for another thing."""
        ratios = [float(each) for each in state]
        if not all(math.isfinite(each) and 0.0 <= each <= _WORST for each in ratios):
            raise ValueError(f"wait ratios lie between 0 and {_WORST}")
        self._ratios = deque(ratios, maxlen=_WAITS)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsNow:
    """A cluster's jobs at one moment."""

    now_s: float
    """Unix seconds."""
    running: Sequence[JobView] = ()
    pending: Sequence[JobView] = ()
    """In the order in which they will start; none that is held."""
    free_nodes: Mapping[str, int] = field(default_factory=dict)
    """By partition: nodes that could take a job now. Partitions not named have none."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A waiting job as it is expected, in the middle of the scenarios."""

    job_id: str
    start_s: float
    """Unix seconds; infinite where it is not expected at all."""
    end_s: float
    power_w: float
    """What it adds to the load, on average."""


@dataclass(frozen=True, slots=True)
class Train:
    """The next stretch in which arriving jobs take the load above a target."""

    start_s: float
    """Unix seconds, start of its first step."""
    end_s: float
    """End of its last step (within the horizon)."""
    jobs: tuple[str, ...]
    """Those that arrive before its first step ends and draw then, the largest first."""
    power_w: float
    """What those jobs add in the first step, of the load above the target."""
    peak_w: float
    """The highest load of a step."""
    energy_wh: float
    """What is drawn above the target in all of it."""


@dataclass(frozen=True, slots=True, eq=False)
class QueueForecast:
    """How much more (+) or less (-) than now the cluster will draw, by step of 15 minutes."""

    start_s: float
    """Unix seconds, start of the first step."""
    arriving_w: Floats
    """What waiting jobs add, shape (scenarios, steps)."""
    leaving_w: Floats
    """What running jobs that have ended no longer draw, shape (scenarios, steps)."""
    arrivals: tuple[Arrival, ...]

    @property
    def scenarios_w(self) -> Floats:
        """Return the change in each scenario, shape (scenarios, steps)."""
        return self.arriving_w - self.leaving_w

    @property
    def mean_w(self) -> Floats:
        """Return the mean change of each step, shape (steps,)."""
        mean: Floats = self.scenarios_w.mean(axis=0)
        return mean

    def quantiles_w(self) -> Floats:
        """Return the change at each of ``forecast.QUANTILES``, shape (quantiles, steps)."""
        values: Floats = np.quantile(self.scenarios_w, QUANTILES, axis=0)
        return np.maximum.accumulate(values, axis=0)

    def next_train(self, base_w: float | Floats, target_w: float) -> Train | None:
        """Return the first stretch above ``target_w`` that waiting jobs bring about; None: none.

        ``base_w``: the load without any change of the cluster: what it is now, or another
        forecast's, shape (steps,). A load that is above the target without them is no train.
        """
        load_w = base_w + self.mean_w
        added_w = self.arriving_w.mean(axis=0)
        above = (load_w > target_w) & (load_w - added_w <= target_w)
        if not above.any():
            return None
        first = int(np.argmax(above))
        below = np.flatnonzero(load_w[first:] <= target_w)
        last = first + int(below[0]) if len(below) else len(load_w)
        starts_s = self.start_s + STEP_S * np.array([first, last])
        there = [
            each
            for each in self.arrivals
            if each.start_s < starts_s[0] + STEP_S and each.end_s > starts_s[0]
        ]
        there.sort(key=lambda each: -each.power_w)
        stretch_w = load_w[first:last]
        return Train(
            start_s=float(starts_s[0]),
            end_s=float(starts_s[1]),
            jobs=tuple(each.job_id for each in there),
            power_w=float(added_w[first]),
            peak_w=float(stretch_w.max()),
            energy_wh=float((stretch_w - target_w).sum()) * STEP_S / 3600.0,
        )


def forecast_queue(
    state: JobsNow,
    classes: JobClasses,
    waits: WaitErrors | None = None,
    *,
    steps: int = STEPS,
    scenarios: int = SCENARIOS,
) -> QueueForecast:
    """Return what the jobs will add to, or take from, the load as it is now.

    Thousands of jobs take a good part of a second: not for an event loop. Raises ValueError
    where no step or no scenario is asked for.
    """
    if steps < 1 or scenarios < 1:
        raise ValueError("steps, scenarios: at least 1 of each is needed")
    random = np.random.default_rng(_SEED)
    running = list(state.running)
    pending = list(state.pending[:_MOST_JOBS])
    ends_s = np.zeros((scenarios, len(running)))
    for index, job in enumerate(running):
        age_s = state.now_s - job.start_s if job.start_s is not None else 0.0
        ends_s[:, index] = classes.remaining(job, age_s).at(_even(random, scenarios))
    lasts_s = np.zeros((scenarios, len(pending)))
    expected_s = np.full((scenarios, len(pending)), np.nan)
    ratios = (waits or WaitErrors()).ratios
    for index, job in enumerate(pending):
        lasts_s[:, index] = classes.remaining(job).at(_even(random, scenarios))
        if known(job.start_s):
            drawn = ratios[(_even(random, scenarios) * len(ratios)).astype(np.int64)]
            expected_s[:, index] = max(job.start_s - state.now_s, 0.0) * drawn
    starts_s = np.empty((scenarios, len(pending)))
    for scenario, each in enumerate(zip(ends_s, lasts_s, expected_s, strict=True)):
        # One by one: a large list would be turned into numbers without a pause for others.
        starts_s[scenario] = _starts(state, *each)
    now_w, _ = _powers(random, classes, running, scenarios)
    new_w, ramps_s = _powers(random, classes, pending, scenarios)
    # A rise in a line holds as much energy as a jump half way up.
    drawn_s = np.minimum(starts_s + ramps_s / 2.0, starts_s + lasts_s)
    arriving_w = _means(drawn_s, new_w, steps) - _means(starts_s + lasts_s, new_w, steps)
    leaving_w = _means(ends_s, now_w, steps)
    begin_s, end_s = np.median(starts_s, axis=0), np.median(starts_s + lasts_s, axis=0)
    mean_w = new_w.mean(axis=0)
    return QueueForecast(
        start_s=state.now_s,
        arriving_w=arriving_w,
        leaving_w=leaving_w,
        arrivals=tuple(
            Arrival(
                job_id=job.job_id,
                start_s=state.now_s + float(begin_s[index]),
                end_s=state.now_s + float(end_s[index]),
                power_w=float(mean_w[index]),
            )
            for index, job in enumerate(pending)
        ),
    )


def _even(random: np.random.Generator, count: int) -> Floats:
    """Return levels between 0 and 1, one from each of ``count`` equal parts, in any order."""
    levels: Floats = (random.permutation(count) + random.random(count)) / count
    return levels


def _powers(
    random: np.random.Generator, classes: JobClasses, jobs: Sequence[JobView], scenarios: int
) -> tuple[Floats, Floats]:
    """Return what jobs draw above idle, shape (scenarios, jobs), and how they rise, (jobs,)."""
    guesses = [classes.estimate(job) for job in jobs]
    nodes = np.array([max(job.nodes, 0) for job in jobs], dtype=np.float64)
    middle = np.array([each.node_w for each in guesses], dtype=np.float64)
    spread = np.array([each.spread_w for each in guesses], dtype=np.float64)
    # No further from the middle than the middle from 0, so that the mean stays the mean.
    off = np.clip(random.normal(size=(scenarios, len(guesses))) * spread, -middle, middle)
    power_w: Floats = nodes * (middle + off)
    return power_w, np.array([each.ramp_s for each in guesses], dtype=np.float64)


def _means(starts_s: Floats, power_w: Floats, steps: int) -> Floats:
    """Return the mean of each step of loads that start at some time and stay.

    Both of shape (scenarios, jobs), times in s from the first step's start; returns shape
    (scenarios, steps).
    """
    scenarios, jobs = power_w.shape
    if not jobs:
        return np.zeros((scenarios, steps))
    at = np.clip(starts_s / STEP_S, 0.0, steps)
    step = at.astype(np.int64)
    part = at - step
    place = step + np.arange(scenarios)[:, None] * (steps + 2)
    size = scenarios * (steps + 2)
    jumps = np.bincount(place.ravel(), (power_w * (1.0 - part)).ravel(), size)
    jumps += np.bincount(place.ravel() + 1, (power_w * part).ravel(), size)
    means: Floats = jumps.reshape(scenarios, steps + 2).cumsum(axis=1)[:, :steps]
    return means


def _starts(state: JobsNow, ends_s: Floats, lasts_s: Floats, expected_s: Floats) -> list[float]:
    """Return when waiting jobs start in one scenario, in s from now; infinite: never.

    Jobs without an expected start take their turn in their partition; none overtakes. One
    that is larger than all there is waits for ever and holds up nobody.
    """
    free, most = dict(state.free_nodes), dict(state.free_nodes)
    changes: dict[str, list[tuple[float, int]]] = {}
    for job, end_s in zip(state.running, ends_s.tolist(), strict=True):
        changes.setdefault(job.partition, []).append((end_s, job.nodes))
        most[job.partition] = most.get(job.partition, 0) + job.nodes
    pending = state.pending[: len(lasts_s)]
    lasts: list[float] = lasts_s.tolist()
    starts: list[float] = expected_s.tolist()
    for job, start_s, last_s in zip(pending, starts, lasts, strict=True):
        if math.isfinite(start_s):
            changes.setdefault(job.partition, []).extend(
                ((start_s, -job.nodes), (start_s + last_s, job.nodes))
            )
    for each in changes.values():
        heapq.heapify(each)
    clock: dict[str, float] = {}
    for index, job in enumerate(pending):
        if math.isfinite(starts[index]):
            continue
        if job.nodes > most.get(job.partition, 0):
            starts[index] = math.inf
            continue
        part = job.partition
        to_come = changes.setdefault(part, [])
        now_s = clock.get(part, 0.0)
        while to_come and (to_come[0][0] <= now_s or free.get(part, 0) < job.nodes):
            now_s, nodes = max(to_come[0][0], now_s), heapq.heappop(to_come)[1]
            free[part] = free.get(part, 0) + nodes
        clock[part] = now_s
        free[part] = free.get(part, 0) - job.nodes
        heapq.heappush(to_come, (now_s + lasts[index], job.nodes))
        starts[index] = now_s
    return starts
