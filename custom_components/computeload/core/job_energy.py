"""Who used the energy: what a metered branch drew, shared among the jobs that ran on it.

In each interval a job bears what its nodes draw above idle, the idling of its own nodes, and,
if so chosen, a share of the nodes that nobody used; then of cooling and losses in proportion.
What no job bears is nobody's. All is counted in whole milliwatt-hours, shared out by the
largest remainder, so that the shares add up to the meter, interval by interval and for ever.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
import heapq
import math
from typing import Any, Final, Self

import numpy as np

from .job_classes import JobView
from .numbers import known
from .plan import Floats, Ints

_JOBS: Final = 1000
_NAMES: Final = 500
_ROOM: Final = 2
"""A table is cut back to its size when it has grown to so many times that."""
_MWH: Final = 1000.0
GPU_WEIGHT: Final = 2.0
"""A GPU at work draws about as much as two nodes without any."""
NOBODY: Final = ""
"""Under this name stands what no job bears."""
OTHERS: Final = "*"
"""Under this name stands what was too small to be kept apart."""


class By(StrEnum):
    """What is summed up by."""

    JOB = "job"
    USER = "user"
    ACCOUNT = "account"
    PARTITION = "partition"


@dataclass(slots=True)
class Used:
    """Energy, and what it cost where the price and the carbon intensity were known."""

    energy_mwh: int = 0
    """Thousandths of a watt-hour."""
    cost_eur: float = 0.0
    co2_g: float = 0.0

    @property
    def energy_wh(self) -> float:
        """Return the energy in Wh."""
        return self.energy_mwh / _MWH

    def add(self, other: Used) -> None:
        """Add another use to this one."""
        self.energy_mwh += other.energy_mwh
        self.cost_eur += other.cost_eur
        self.co2_g += other.co2_g


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """One interval of a branch, with the jobs that ran in it."""

    seconds: float
    energy_wh: float
    """By the branch's meter."""
    jobs: Sequence[tuple[JobView, float]]
    """Each with the seconds of the interval that it ran for."""
    nodes: int = 0
    """Of the branch, switched on; nodes of jobs above that number count too."""
    idle_node_w: float = 0.0
    overhead_wh: float = 0.0
    """Cooling and losses outside the branch's meter that belong to it: (PUE - 1) x energy."""
    price_eur_per_kwh: float | None = None
    co2_g_per_kwh: float | None = None


def by_size(job: JobView) -> float:
    """Return how much of the power above idle a job bears, by its nodes and GPUs."""
    return max(job.nodes, 0) + GPU_WEIGHT * max(job.gpus, 0)


def apportion(total: int, weights: Floats) -> Ints:
    """Share a whole number out by weight, shape (n,); the shares add up to it exactly.

    Largest remainder (Hamilton's method); the first of equals is served first. Raises
    ValueError where no weight is above 0.
    """
    scale = float(weights.max(initial=0.0))
    if scale <= 0.0:
        raise ValueError("weights: at least one must be above 0")
    # First by the largest: a sum of tiny weights would lose them, one of huge ones overflow.
    relative = weights / scale
    exact = relative / relative.sum() * total
    shares: Ints = np.floor(exact).astype(np.int64)
    left = total - int(shares.sum())
    order = np.argsort(-(exact - shares), kind="stable")
    order = order[relative[order] > 0.0]
    each, more = divmod(left, len(order))
    shares[order] += each
    shares[order[:more]] += 1
    return shares


@dataclass(slots=True)
class JobEnergy:
    """The account of a branch, or of a site; one for each period that is of interest.

    ``weigh``: how much of the power above idle a job bears against the others (nodes times
    what its class was seen to draw, where that is known). ``idle_to_jobs``: whether running
    jobs bear the nodes that nobody uses, too.
    """

    weigh: Callable[[JobView], float] = by_size
    idle_to_jobs: bool = True
    jobs_kept: int = _JOBS
    names_kept: int = _NAMES
    total: Used = field(default_factory=Used)
    """All that the meters counted."""
    _tables: dict[By, dict[str, Used]] = field(default_factory=lambda: {by: {} for by in By})
    _owed_mwh: float = 0.0
    """Less than one, which the next interval takes over."""

    def add(self, metered: Metered) -> None:
        """Share one interval out; raises ValueError for what no meter can have counted."""
        seconds = _positive("seconds", metered.seconds)
        it_wh = _positive("energy_wh", metered.energy_wh)
        overhead_wh = _positive("overhead_wh", metered.overhead_wh)
        idle_w = _positive("idle_node_w", metered.idle_node_w)
        wanted = (it_wh + overhead_wh) * _MWH + self._owed_mwh
        total_mwh = max(round(wanted), 0)
        self._owed_mwh = wanted - total_mwh
        jobs, weights = self._weights(metered, seconds, it_wh, idle_w)
        shares = apportion(total_mwh, weights) if total_mwh else np.zeros(len(weights), np.int64)
        for job, share in zip((*jobs, None), shares.tolist(), strict=True):
            if share:
                self._book(job, _used(share, metered))
        running = {job.job_id for job in jobs}
        for by, table in self._tables.items():
            if by is By.JOB:
                _cut(table, self.jobs_kept, running)
            else:
                _cut(table, self.names_kept, set())

    def top(self, by: By, count: int = 10) -> list[tuple[str, Used]]:
        """Return who used most, the largest first; nobody and the others left out.

        Of jobs that have ended this is exact; a user who was small for long and is not any
        more may miss what was already counted among the others.
        """
        named = [
            (name, used) for name, used in self._tables[by].items() if name not in (NOBODY, OTHERS)
        ]
        return heapq.nlargest(count, named, key=lambda item: item[1].energy_mwh)

    def used(self, by: By, name: str) -> Used:
        """Return what a name has used; nothing, if it is not known."""
        return self._tables[by].get(name, Used())

    def all(self, by: By) -> dict[str, Used]:
        """Return all that is kept, nobody and the others among it; adds up to the total."""
        return dict(self._tables[by])

    def to_state(self) -> dict[str, Any]:
        """Return the account ready for JSON."""
        return {
            "owed_mwh": self._owed_mwh,
            "total": _plain(self.total),
            "tables": {
                str(by): {name: _plain(used) for name, used in table.items()}
                for by, table in self._tables.items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take an account from JSON in place of this one, which is returned.

        Raises KeyError, TypeError or ValueError for another thing, or for shares that do not
        add up to the total, and then changes nothing.
        """
        total, owed_mwh = _from_plain(state["total"]), float(state["owed_mwh"])
        tables = {
            by: {str(name): _from_plain(used) for name, used in state["tables"][by].items()}
            for by in By
        }
        for by, table in tables.items():
            if sum(used.energy_mwh for used in table.values()) != total.energy_mwh:
                raise ValueError(f"{by}: the shares do not add up to the total")
        if not abs(owed_mwh) <= 1.0:
            raise ValueError(f"owed_mwh: {owed_mwh} is more than is ever owed")
        self.total, self._owed_mwh, self._tables = total, owed_mwh, tables
        return self

    def _weights(
        self, metered: Metered, seconds: float, it_wh: float, idle_w: float
    ) -> tuple[list[JobView], Floats]:
        """Return the jobs and what each bears, in Wh; the last is nobody's, shape (n + 1,)."""
        ran = [(job, min(of, seconds)) for job, of in metered.jobs if known(of) and of > 0.0]
        jobs = [job for job, _ in ran]
        ran_s = np.array([of for _, of in ran])
        node_s = ran_s * np.array([max(job.nodes, 0) for job in jobs])
        active = ran_s * np.array([_weight(self.weigh(job)) for job in jobs])
        weights = np.zeros(len(jobs) + 1)
        if not node_s.sum():
            weights[-1] = 1.0
            return jobs, weights
        taken_wh = node_s * idle_w / 3600.0
        free_wh = max(metered.nodes * seconds - float(node_s.sum()), 0.0) * idle_w / 3600.0
        idle_wh = float(taken_wh.sum()) + free_wh
        # Nodes that draw less than they should when idle: then that is all there is to share.
        part = min(1.0, it_wh / idle_wh) if idle_wh else 0.0
        weights[:-1] = taken_wh * part
        if self.idle_to_jobs:
            weights[:-1] += free_wh * part * node_s / node_s.sum()
        else:
            weights[-1] = free_wh * part
        above_wh = max(it_wh - idle_wh * part, 0.0)
        base = active if active.sum() else node_s
        weights[:-1] += above_wh * base / base.sum()
        if not weights.sum():
            weights[:-1] = node_s
        return jobs, weights

    def _book(self, job: JobView | None, used: Used) -> None:
        self.total.add(used)
        for by, table in self._tables.items():
            table.setdefault(_name(job, by), Used()).add(used)


def _name(job: JobView | None, by: By) -> str:
    if job is None:
        return NOBODY
    return {
        By.JOB: job.job_id,
        By.USER: job.user,
        By.ACCOUNT: job.account,
        By.PARTITION: job.partition,
    }[by]


def _used(energy_mwh: int, metered: Metered) -> Used:
    kwh = energy_mwh / _MWH / 1000.0
    price, carbon = metered.price_eur_per_kwh, metered.co2_g_per_kwh
    return Used(
        energy_mwh, kwh * price if known(price) else 0.0, kwh * carbon if known(carbon) else 0.0
    )


def _plain(used: Used) -> list[float]:
    return [used.energy_mwh, used.cost_eur, used.co2_g]


def _from_plain(state: Any) -> Used:
    energy_mwh, cost_eur, co2_g = state
    if not math.isfinite(cost_eur) or not math.isfinite(co2_g):
        raise ValueError("cost_eur, co2_g: not a number")
    return Used(int(energy_mwh), float(cost_eur), float(co2_g))


def _cut(table: dict[str, Used], size: int, keep: set[str]) -> None:
    """Put the smallest among the others, except those that may still grow."""
    if len(table) <= _ROOM * size + len(keep):
        return
    loose = [name for name in table if name not in keep and name not in (NOBODY, OTHERS)]
    loose.sort(key=lambda name: table[name].energy_mwh, reverse=True)
    for name in loose[size:]:
        table.setdefault(OTHERS, Used()).add(table.pop(name))


def _weight(value: float) -> float:
    return value if known(value) and value > 0.0 else 0.0


def _positive(name: str, value: float) -> float:
    if not math.isfinite(value) or value < 0.0:
        raise ValueError(f"{name}: {value} cannot be; give a number from 0 on")
    return value


def running_in(
    jobs: Iterable[tuple[JobView, float | None]], start_s: float, end_s: float
) -> list[tuple[JobView, float]]:
    """Return started jobs with the seconds of an interval that each ran for.

    Each comes with when it ended (Unix seconds), None while it runs.
    """
    result = []
    for job, ended_s in jobs:
        if job.start_s is not None:
            until_s = end_s if ended_s is None else min(ended_s, end_s)
            if (ran_s := until_s - max(job.start_s, start_s)) > 0.0:
                result.append((job, ran_s))
    return result
