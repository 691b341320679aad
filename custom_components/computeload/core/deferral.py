"""Which waiting jobs are kept from starting for a while, so that they set no new peak.

The least of all harm: a job that has not started yet starts later. It is kept back only while
the site has no room for it, which is what the target leaves above the present draw plus what
the batteries can give for some hours; and never beyond its deadline. What is let go is let go
one after the other, so that the return sets no new peak either. Pure: time is passed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from .numbers import known
from .site import BatteryState

GIVE_H: Final = 4.0
"""The batteries are relied on for so long: a job lasts for hours, and so does what it adds."""
SOON_S: Final = 1800.0
"""A job that is not to start within this time is none of our business yet."""
SETTLE_S: Final = 300.0
"""So long after a job was let go its power may not be in the site's draw yet."""
_MARGIN: Final = 1.05
"""Room for a job is room for a little more than it is expected to draw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job that waits, and may be kept waiting."""

    job_id: str
    power_w: float
    """What it is expected to draw."""
    starts_s: float | None
    """When it is expected to start (Unix s); None while nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A job that is kept from starting."""

    since_s: float
    """When it was first kept back, or would have started if that is later (Unix s)."""
    power_w: float

    def due_s(self, longest_s: float) -> float:
        """Return when it has to be let go at the latest."""
        return self.since_s + longest_s


@dataclass(frozen=True, slots=True)
class Deferral:
    """What is kept back, and what was let go a moment ago; the memory between two looks."""

    held: Mapping[str, Held] = field(default_factory=dict)
    gone: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Jobs let go lately: when, and their power."""

    @property
    def power_w(self) -> float:
        """Return what the jobs kept back would draw."""
        return sum(each.power_w for each in self.held.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """What to tell the scheduler, and the memory for the next look."""

    hold: tuple[str, ...]
    release: tuple[str, ...]
    overdue: frozenset[str]
    """Of the released those that have reached their deadline, room or not."""
    memory: Deferral


def give_w(batteries: Iterable[BatteryState], floor: float, hours: float = GIVE_H) -> float:
    """Return what batteries can give for some hours, W; ``floor`` is the SoC they keep (0..1)."""
    total_w = 0.0
    for each in batteries:
        if each.usable and known(each.soc) and each.capacity_wh > 0.0:
            stored_wh = max(each.soc - floor, 0.0) * each.capacity_wh
            total_w += min(stored_wh / hours, each.discharge_limit_w)
    return total_w


def decide_starts(
    waiting: Iterable[Waiting], room_w: float, now_s: float, longest_s: float, memory: Deferral
) -> Starts:
    """Return which jobs to hold and which to release now.

    ``waiting``: all jobs that may be delayed and wait, those kept back among them. ``room_w``:
    what could be drawn on top now for hours: target plus batteries less the site's draw.
    ``longest_s``: no job is kept back for longer. A job that is not waiting any more is
    forgotten.
    """
    gone = {j: g for j, g in memory.gone.items() if now_s - g[0] < SETTLE_S}
    room_w -= sum(power_w for _, power_w in gone.values())
    held, hold, release, overdue = dict[str, Held](), list[str](), list[str](), set[str]()

    def order(job: Waiting) -> tuple[float, float]:
        old = memory.held.get(job.job_id)
        starts_s = job.starts_s if job.starts_s is not None else now_s
        return (old.since_s if old is not None else float("inf"), starts_s)

    for job in sorted(waiting, key=order):
        old = memory.held.get(job.job_id)
        if old is not None and now_s >= old.due_s(longest_s):
            overdue.add(job.job_id)
        elif job.power_w * _MARGIN > room_w and (old is not None or _is_soon(job, now_s)):
            since_s = max(now_s, job.starts_s or now_s) if old is None else old.since_s
            held[job.job_id] = Held(since_s=since_s, power_w=job.power_w)
            if old is None:
                hold.append(job.job_id)
            # Nobody overtakes: a small job behind a large one would keep it waiting for ever.
            room_w = min(room_w, 0.0)
            continue
        if old is not None:
            release.append(job.job_id)
            gone[job.job_id] = (now_s, job.power_w)
        if old is not None or _is_soon(job, now_s):
            room_w -= job.power_w
    return Starts(
        hold=tuple(hold),
        release=tuple(release),
        overdue=frozenset(overdue),
        memory=Deferral(held, gone),
    )


def _is_soon(job: Waiting, now_s: float) -> bool:
    return job.starts_s is None or job.starts_s - now_s < SOON_S
