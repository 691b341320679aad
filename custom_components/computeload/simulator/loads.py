"""What the lab draws: nodes with jobs on them, a base, and the cooling that follows.

At full load, power moves by about one percent from second to second; nodes go between
idle and full load in a few seconds; cooling follows the heat within minutes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final

from .jobs import Jobs, WorkloadSpec

_NODE_RAMP_S: Final = 2.0
_NOISE_MEMORY: Final = 0.6
_SECOND_PHASE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchSpec:
    """One metered branch: a node, a base load, or cooling that follows others."""

    id: str
    name: str
    idle_w: float
    phase: int | None = None
    """1..3 for a single-phase branch; None for three phases."""
    follows: tuple[str, ...] = ()
    """Branches whose heat it carries away."""
    share: float = 0.0
    """What it draws per watt of theirs."""
    lag_s: float = 180.0
    noise: float = 0.006
    """Second-level noise as a fraction of the power."""


class Branch:
    """One branch's power now; it is also its share of the phases."""

    __slots__ = (
        "alpha",
        "energy_ws",
        "following",
        "level_w",
        "noise",
        "noise_gain",
        "power_w",
        "share_l1",
        "share_l2",
        "share_l3",
        "spec",
        "target_w",
    )

    def __init__(self, spec: BranchSpec, step_s: float, random: Random) -> None:
        """Start at idle; a three-phase branch spreads a little unevenly."""
        self.spec = spec
        self.power_w = self.level_w = self.target_w = spec.idle_w
        self.energy_ws = 0.0
        self.noise = 0.0
        self.noise_gain = spec.noise * 3.0
        self.alpha = 1 - exp(-step_s / (spec.lag_s if spec.follows else _NODE_RAMP_S))
        self.following: tuple[Branch, ...] = ()
        if spec.phase is None:
            self.share_l1 = 1 / 3 + random.uniform(-0.02, 0.02)
            self.share_l2 = 1 / 3 + random.uniform(-0.02, 0.02)
        else:
            self.share_l1 = float(spec.phase == 1)
            self.share_l2 = float(spec.phase == _SECOND_PHASE)
        self.share_l3 = 1.0 - self.share_l1 - self.share_l2


class Loads:
    """All branches with the jobs that run on them."""

    def __init__(
        self,
        branches: tuple[BranchSpec, ...],
        workloads: tuple[WorkloadSpec, ...],
        random: Random,
        step_s: float,
    ) -> None:
        """Start in the middle of the running jobs, not at the foot of their ramps."""
        self.branches = {spec.id: Branch(spec, step_s, random) for spec in branches}
        self.power_w = self.power_l1_w = self.power_l2_w = 0.0
        """The power of all branches, and the part of it on phases one and two."""
        self.jobs = Jobs(workloads, random)
        self._random = random
        self._step_s = step_s
        self._drawing = [b for b in self.branches.values() if not b.spec.follows]
        self._cooling = [b for b in self.branches.values() if b.spec.follows]
        self._dark = False
        self._off: set[str] = set()
        self._place_jobs()
        for branch in self._drawing:
            branch.power_w = branch.level_w = branch.target_w
        for branch in self._cooling:
            branch.following = tuple(self.branches[name] for name in branch.spec.follows)
            heat_w = sum(other.level_w for other in branch.following)
            branch.power_w = branch.level_w = branch.spec.idle_w + branch.spec.share * heat_w

    def tick(self, elapsed_s: float) -> float:
        """Advance by one step and return the power of all branches."""
        if self._dark:
            return 0.0
        if self.jobs.next_s <= elapsed_s:
            self.jobs.tick(elapsed_s)
            self._place_jobs()
        random = self._random.random
        step_s = self._step_s
        total_w = l1_w = l2_w = 0.0
        for branch in self._cooling:
            heat_w = 0.0
            for other in branch.following:
                heat_w += other.level_w
            branch.target_w = branch.spec.idle_w + branch.spec.share * heat_w
        for name in self._off:
            self.branches[name].target_w = 0.0
        for branch in self.branches.values():
            level_w = branch.level_w
            level_w += (branch.target_w - level_w) * branch.alpha
            branch.level_w = level_w
            noise = branch.noise = branch.noise * _NOISE_MEMORY + random() - 0.5
            power_w = level_w * (1.0 + noise * branch.noise_gain)
            branch.power_w = power_w
            branch.energy_ws += power_w * step_s
            total_w += power_w
            l1_w += power_w * branch.share_l1
            l2_w += power_w * branch.share_l2
        self.power_w = total_w
        self.power_l1_w = l1_w
        self.power_l2_w = l2_w
        return total_w

    def switch(self, branches: Iterable[str], *, on: bool, elapsed_s: float) -> None:
        """Switch branches off, or on again; nodes that are off take no jobs."""
        names = set(branches)
        (self._off.difference_update if on else self._off.update)(names)
        self.jobs.drain(names & self.jobs.extra_w.keys(), drained=not on, elapsed_s=elapsed_s)
        for branch in self._drawing:
            branch.target_w = branch.spec.idle_w
        self._place_jobs()

    def go_dark(self) -> None:
        """Lose the supply: every running job dies, every branch draws nothing."""
        self._dark = True
        self.jobs.kill_all()
        self.power_w = self.power_l1_w = self.power_l2_w = 0.0
        for branch in self.branches.values():
            branch.power_w = branch.level_w = 0.0
            branch.target_w = branch.spec.idle_w

    def come_back(self, elapsed_s: float) -> None:
        """Get the supply back; nodes boot, new jobs come, the dead are not restarted."""
        self._dark = False
        self.jobs.resume(elapsed_s)

    def _place_jobs(self) -> None:
        """Aim every node at its idle power plus what the jobs draw."""
        for node, extra_w in self.jobs.extra_w.items():
            branch = self.branches[node]
            branch.target_w = branch.spec.idle_w + extra_w
