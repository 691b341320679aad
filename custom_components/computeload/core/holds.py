"""Waiting jobs that are kept back, and what the scheduler was told of each.

A job is not held for good but told not to start before a time: its deadline. Should nothing be
heard from here any more, it starts by itself then. Pure: time is passed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .deferral import SETTLE_S, Deferral, Held, Waiting, decide_starts

SAME_S: Final = 60.0
"""Begins that are no further apart are the same: schedulers look every minute or so."""
HEARD_S: Final = 150.0
"""So long after it was told a begin, a scheduler must show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What the scheduler is to be told of one job."""

    job_id: str
    not_before_s: float
    """Unix s; now or earlier: it may start as soon as it is its turn."""
    power_w: float
    kept: bool
    """Whether this keeps it back; else it is let go."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the scheduler was told of one job, and when (Unix s)."""

    not_before_s: float
    at_s: float


@dataclass(slots=True)
class Holds:
    """The jobs of one cluster that are kept back."""

    memory: Deferral = field(default_factory=Deferral)
    told: dict[str, Told] = field(default_factory=dict)
    left_alone: set[str] = field(default_factory=set)
    """Jobs that somebody else has let go: they know better."""
    since_s: dict[str, float] = field(default_factory=dict)
    """Since when each job that still waits was kept back for the first time (Unix s)."""

    @property
    def power_w(self) -> float:
        """Return what the jobs kept back would draw."""
        return self.memory.power_w

    def look(
        self,
        waiting: Iterable[Waiting],
        begins_s: Mapping[str, float | None],
        *,
        room_w: float,
        now_s: float,
        longest_s: float,
    ) -> list[Begin]:
        """Return what to tell the scheduler now.

        ``waiting``: the jobs that may be kept back. ``begins_s``: of all jobs that wait, before
        when they must not start, as the scheduler says (Unix s); None where it does not say.
        ``room_w`` and ``longest_s`` as for ``decide_starts``.
        """
        self._forget(begins_s, now_s)
        jobs = [job for job in waiting if job.job_id not in self.left_alone]
        memory = decide_starts(jobs, room_w, now_s, longest_s, self.memory).memory
        # One that was let go, and still waits, gets no second term.
        held = {
            job_id: replace(each, since_s=self.since_s.setdefault(job_id, each.since_s))
            for job_id, each in memory.held.items()
        }
        held = {job_id: each for job_id, each in held.items() if each.due_s(longest_s) > now_s}
        self.memory = replace(memory, held=held)
        kept = [
            Begin(job_id=job_id, not_before_s=due_s, power_w=each.power_w, kept=True)
            for job_id, each in held.items()
            if not self._knows(job_id, due_s := each.due_s(longest_s))
        ]
        freed = [self._free(job_id, now_s) for job_id in self.told if job_id not in held]
        return freed + kept

    def sent(self, begin: Begin, now_s: float) -> None:
        """Take note that the scheduler was told."""
        if begin.kept:
            self.told[begin.job_id] = Told(begin.not_before_s, now_s)
        else:
            self.told.pop(begin.job_id, None)

    def give_back(self, now_s: float) -> list[Begin]:
        """Return how to let all jobs go: one after the other, so that they set no new peak.

        How long each was kept back is remembered, in case that they are looked at again.
        """
        oldest = sorted(self.told, key=lambda job_id: self.since_s.get(job_id, now_s))
        return [
            replace(
                self._free(job_id, now_s),
                not_before_s=min(now_s + n * SETTLE_S, self.told[job_id].not_before_s),
            )
            for n, job_id in enumerate(oldest)
        ]

    def begin_anew(self, now_s: float) -> None:
        """Count delays from now on: what was before was not for the sake of a peak."""
        held = {job_id: replace(each, since_s=now_s) for job_id, each in self.memory.held.items()}
        self.memory = replace(self.memory, held=held)
        self.since_s = dict.fromkeys(self.since_s, now_s)

    def _forget(self, begins_s: Mapping[str, float | None], now_s: float) -> None:
        """Drop jobs that no longer wait, and those that somebody else has let go."""
        self.left_alone.intersection_update(begins_s)
        self.since_s = {job_id: at_s for job_id, at_s in self.since_s.items() if job_id in begins_s}
        self.told = {job_id: told for job_id, told in self.told.items() if job_id in begins_s}
        for job_id, told in list(self.told.items()):
            begin_s = begins_s[job_id]
            early = begin_s is not None and begin_s < told.not_before_s - SAME_S
            if early and now_s - told.at_s > HEARD_S:
                self.left_alone.add(job_id)
                del self.told[job_id]
        gone = self.left_alone & self.memory.held.keys()
        held = {job_id: each for job_id, each in self.memory.held.items() if job_id not in gone}
        self.memory = replace(self.memory, held=held)

    def _knows(self, job_id: str, due_s: float) -> bool:
        told = self.told.get(job_id)
        return told is not None and abs(told.not_before_s - due_s) <= SAME_S

    def _free(self, job_id: str, now_s: float) -> Begin:
        held = self.memory.held.get(job_id)
        power_w = held.power_w if held is not None else 0.0
        return Begin(job_id=job_id, not_before_s=now_s, power_w=power_w, kept=False)

    # -- storage -----------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return what is to survive a restart, ready for JSON."""
        return {
            "held": {j: [h.since_s, h.power_w] for j, h in self.memory.held.items()},
            "told": {j: [t.not_before_s, t.at_s] for j, t in self.told.items()},
            "left_alone": sorted(self.left_alone),
            "since_s": self.since_s,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Holds:
        """Return what was stored. Raises KeyError, TypeError or ValueError for anything else."""
        held = {
            str(j): Held(since_s=float(since_s), power_w=float(power_w))
            for j, (since_s, power_w) in state["held"].items()
        }
        told = {str(j): Told(float(begin), float(at)) for j, (begin, at) in state["told"].items()}
        since_s = {str(j): float(at_s) for j, at_s in state["since_s"].items()}
        return cls(Deferral(held), told, set(map(str, state["left_alone"])), since_s)
