"""Trying a battery out: a small discharge, a small charge, the discharge again, release.

A pure state machine: what the devices say goes in, what the battery is to be told comes
out. Whatever happens, it ends with a release. Up, down and up again is what a load that
drifts meanwhile cannot imitate, and it never leaves more drawn from the grid than before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import math
from statistics import mean, stdev
from typing import Final

from .model import Contract
from .numbers import known
from .proof import Slope, TrialResult
from .site import BatteryState, GridState, Limits

SHARES: Final = (0.1, 0.2, 0.3)
"""Of its rating, in the first trial and in those after one that the load drowned."""
LEAST_W: Final = 200.0
STEPS: Final = 5.0
"""At least so many of the smallest steps that its setpoint can express."""
PATIENCE_S: Final = 15.0
"""How much later than its profile says a battery may react before that is taken as no reaction."""
MEASURE_S: Final = 3.5
MEASURE_POLLS: Final = 3.5
LONGEST_LAPSE_S: Final = 30.0
"""A lapse that takes longer is not waited for."""
MARGIN_SOC: Final = 0.01
REACTED: Final = 0.6
ARRIVED: Final = 0.4
FREE_SHARE: Final = 0.1
LEAST_SAID: Final = 2
"""In each phase, so that there is an error to state."""


class Phase(StrEnum):
    """Where a trial is."""

    DISCHARGE = "discharge"
    CHARGE = "charge"
    AGAIN = "again"
    LAPSE = "lapse"
    RELEASE = "release"
    DONE = "done"


_DIRECTION: Final = {Phase.DISCHARGE: 1.0, Phase.CHARGE: -1.0, Phase.AGAIN: 1.0, Phase.LAPSE: 1.0}
_MEASURED: Final = (Phase.DISCHARGE, Phase.CHARGE, Phase.AGAIN)
_NEXT: Final = {Phase.DISCHARGE: Phase.CHARGE, Phase.CHARGE: Phase.AGAIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """How a battery is tried out."""

    battery_id: str
    power_w: float
    settle_s: float
    """From a command until its effect is in the readings, as the profile has it."""
    measure_s: float
    heartbeat_s: float | None
    meter_id: str | None = None
    """The meter at the grid connection."""
    lapse_s: float | None
    """Wait for the command to lapse by itself; None: do not."""

    @property
    def longest_s(self) -> float:
        """Return how long it takes at most."""
        lapse_s = 0.0 if self.lapse_s is None else self.lapse_s + self.settle_s + PATIENCE_S
        return 4.0 * self.settle_s + 7.0 * PATIENCE_S + 3.0 * self.measure_s + lapse_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The last word of a device: when, and its power (W, in our sign)."""

    at_s: float
    power_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialView:
    """What is known at one step of a trial."""

    now_s: float
    battery: Heard
    setpoint_w: float | None
    """The command that the battery says it holds; None: none, or it does not say."""
    meters: Mapping[str, Heard]
    obstacle: str | None = None
    """Why it must not go on."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to write now: a power (W, discharge +), or None for a release."""

    power_w: float | None


def obstacle(
    battery: BatteryState, grid: GridState | None, limits: Limits, *, grid_present: bool
) -> str | None:
    """Return why this battery must not be tried out, or not any longer; None: it may."""
    if grid is None or grid.age_s > limits.stale_s:
        return "meter_silent"
    if not battery.usable or not known(battery.power_w) or not known(battery.soc):
        return "battery_silent"
    obstacles = {
        "grid_lost": not grid_present,
        "too_empty": battery.soc < max(limits.soc_min, limits.reserve) + MARGIN_SOC,
        "too_full": battery.soc > limits.soc_max - MARGIN_SOC,
        "connection_full": abs(grid.power_w) > _import_limit_w(limits),
    }
    return next((key for key, present in obstacles.items() if present), None)


def _import_limit_w(limits: Limits) -> float:
    operator_w = math.inf if limits.operator_w is None else limits.operator_w
    return min(limits.connection_w, operator_w)


def trial_power_w(
    battery: BatteryState, grid: GridState, limits: Limits, share: float
) -> float | None:
    """Return the power to try with; None where there is no room for any.

    Room is what connection, phases and feed-in limit leave. Which way round the meter is
    has yet to be proven, so a draw is taken for what it may be at worst.
    """
    import_w = _import_limit_w(limits) - abs(grid.power_w)
    rooms = [battery.charge_limit_w, battery.discharge_limit_w, import_w]
    if limits.export_w is not None:
        rooms.append(limits.export_w + grid.power_w)
    if limits.phase_w is not None and grid.phase_w is not None:
        rooms.append(3.0 * (limits.phase_w - max(map(abs, grid.phase_w))))
    least_w = max(LEAST_W, STEPS * battery.resolution_w)
    rating_w = max(battery.charge_limit_w, battery.discharge_limit_w)
    power_w = min(max(share * rating_w, least_w), *rooms)
    return power_w if power_w >= least_w else None


def make_plan(
    battery: BatteryState,
    contract: Contract,
    power_w: float,
    polls_s: Iterable[float],
    meter_id: str | None = None,
) -> TrialPlan:
    """Return the plan for a battery; ``polls_s`` are the cadences of it and of the grid meter."""
    poll_s = max(polls_s)
    lapse_s = contract.lapse_s
    return TrialPlan(
        battery_id=battery.asset_id,
        meter_id=meter_id,
        power_w=power_w,
        settle_s=contract.delay_s + poll_s + 1.0,
        measure_s=max(MEASURE_S, MEASURE_POLLS * poll_s),
        heartbeat_s=contract.heartbeat_s,
        lapse_s=lapse_s if lapse_s is not None and lapse_s <= LONGEST_LAPSE_S else None,
    )


@dataclass(slots=True)
class _Series:
    """What one device said while the battery was steady, by phase (W)."""

    said: dict[Phase, list[float]] = field(default_factory=dict)
    _at_s: float = -math.inf

    def add(self, phase: Phase, heard: Heard) -> None:
        if heard.at_s > self._at_s:
            self._at_s = heard.at_s
            self.said.setdefault(phase, []).append(heard.power_w)

    def slope(self, power_w: float) -> Slope | None:
        """Return how it moved with the battery: on the way down, and on the way up again.

        Where the two differ, something else moved, too; that is a part of the error.
        """
        told = [self.said.get(phase, []) for phase in _MEASURED]
        if min(map(len, told)) < LEAST_SAID:
            return None
        first_w, charge_w, again_w = (mean(each) for each in told)
        first, charge, again = (stdev(each) / math.sqrt(len(each)) for each in told)
        swing_w = 2.0 * power_w
        down, up = (first_w - charge_w) / swing_w, (again_w - charge_w) / swing_w
        noise = math.hypot(0.5 * first, charge, 0.5 * again) / swing_w
        return Slope(value=0.5 * (down + up), error=math.hypot(noise, 0.5 * (down - up)))

    def off_share(self, power_w: float) -> float | None:
        """Return how far it was from what was asked for, by the worse of both directions."""
        return max(
            (
                abs(mean(said) - _DIRECTION[phase] * power_w) / power_w
                for phase, said in self.said.items()
            ),
            default=None,
        )


class Trial:
    """One battery being tried out."""

    def __init__(self, plan: TrialPlan) -> None:
        """Begin with nothing asked yet."""
        self.plan = plan
        self.phase: Phase | None = None
        self._began_s = 0.0
        self._written_s = 0.0
        self._start_w = 0.0
        self._steady_s: float | None = None
        self._stopped: str | None = None
        self._delay_s: float | None = None
        self._reading = _Series()
        self._meters: dict[str, _Series] = {}
        self._told = False
        self._released: bool | None = None
        self._lapsed: bool | None = None

    @property
    def done(self) -> bool:
        """Tell whether it has come to its end."""
        return self.phase is Phase.DONE

    def stop(self, why: str) -> None:
        """End it early; the next step releases the battery."""
        self._stopped = self._stopped or why

    def step(self, view: TrialView) -> Order | None:
        """Take what is known now; return what to write, None for nothing."""
        if self.phase in (Phase.RELEASE, Phase.DONE):
            self._watch_release(view)
            return None
        if view.obstacle is not None:
            self.stop(view.obstacle)
        if self._stopped is not None:
            return self._enter(Phase.RELEASE, view)
        if self.phase is None:
            return self._enter(Phase.DISCHARGE, view)
        if self.phase is Phase.LAPSE:
            return self._watch_lapse(view)
        return self._watch_command(self.phase, view)

    def result(self) -> TrialResult:
        """Return what came out."""
        return TrialResult(
            battery_id=self.plan.battery_id,
            power_w=self.plan.power_w,
            stopped=self._stopped,
            reading=self._reading.slope(self.plan.power_w),
            meters={
                meter_id: slope
                for meter_id, series in self._meters.items()
                if (slope := series.slope(self.plan.power_w)) is not None
            },
            delay_s=self._delay_s,
            error_share=self._reading.off_share(self.plan.power_w),
            released=self._released,
            lapsed=self._lapsed,
        )

    @property
    def _asked_w(self) -> float:
        return 0.0 if self.phase is None else _DIRECTION[self.phase] * self.plan.power_w

    def _enter(self, phase: Phase, view: TrialView) -> Order:
        self.phase = phase
        self._began_s = self._written_s = view.now_s
        self._start_w = view.battery.power_w
        self._steady_s = None
        return Order(None if phase is Phase.RELEASE else self._asked_w)

    def _watch_command(self, phase: Phase, view: TrialView) -> Order | None:
        """Wait for the command's effect, then measure for a while."""
        plan, since_s = self.plan, view.now_s - self._began_s
        self._told |= view.setpoint_w is not None
        self._time_reaction(view.battery)
        if self._steady_s is None:
            settled = since_s >= plan.settle_s and self._reacted(view.battery)
            if settled or since_s >= plan.settle_s + PATIENCE_S:
                self._steady_s = view.now_s
        elif self._measured(phase, view.now_s - self._steady_s):
            return self._leave(phase, view)
        else:
            self._measure(phase, self._steady_s, view)
        if plan.heartbeat_s is not None and view.now_s - self._written_s >= plan.heartbeat_s:
            self._written_s = view.now_s
            return Order(self._asked_w)
        return None

    def _reacted(self, heard: Heard) -> bool:
        """Tell whether the battery is where it was sent, or has at least left where it was."""
        asked_w = self._asked_w
        near = abs(heard.power_w - asked_w) <= ARRIVED * self.plan.power_w
        left = abs(heard.power_w - self._start_w) >= REACTED * abs(asked_w - self._start_w)
        return heard.at_s >= self._began_s and (near or left)

    def _time_reaction(self, heard: Heard) -> None:
        """Time the turn from discharging to charging: it is the largest step."""
        half_way = abs(heard.power_w - self._start_w) >= self.plan.power_w
        fresh = heard.at_s > self._began_s
        if self.phase is Phase.CHARGE and self._delay_s is None and half_way and fresh:
            self._delay_s = heard.at_s - self._began_s

    def _measured(self, phase: Phase, since_s: float) -> bool:
        """Tell whether enough was said in this phase; devices that are slow to speak get time."""
        series = [self._reading, self._meters.get(self.plan.meter_id or "", _Series())]
        enough = min(len(each.said.get(phase, [])) for each in series) >= LEAST_SAID
        return since_s >= self.plan.measure_s + (0.0 if enough else PATIENCE_S)

    def _measure(self, phase: Phase, steady_s: float, view: TrialView) -> None:
        if view.battery.at_s >= steady_s:
            self._reading.add(phase, view.battery)
        for meter_id, heard in view.meters.items():
            if heard.at_s >= steady_s:
                self._meters.setdefault(meter_id, _Series()).add(phase, heard)

    def _leave(self, phase: Phase, view: TrialView) -> Order | None:
        """Go on to the next phase."""
        if phase in _NEXT:
            return self._enter(_NEXT[phase], view)
        if self.plan.lapse_s is None:
            return self._enter(Phase.RELEASE, view)
        # Told once more, so that it is known from when on the time runs.
        return self._enter(Phase.LAPSE, view)

    def _watch_lapse(self, view: TrialView) -> Order | None:
        """Say nothing until the command must have lapsed."""
        plan, since_s = self.plan, view.now_s - self._began_s
        lapse_s = plan.lapse_s or 0.0
        if since_s >= lapse_s and self._free(view):
            self._lapsed = True
        elif since_s < lapse_s + plan.settle_s + PATIENCE_S:
            return None
        else:
            self._lapsed = False
        return self._enter(Phase.RELEASE, view)

    def _watch_release(self, view: TrialView) -> None:
        """See whether the battery is free again."""
        since_s = view.now_s - self._began_s
        if since_s < self.plan.settle_s:
            return
        if self._free(view):
            self._released = True
        elif since_s < self.plan.settle_s + PATIENCE_S and self._stopped is None:
            return
        elif self._told:
            self._released = False
        self.phase = Phase.DONE

    def _free(self, view: TrialView) -> bool:
        """Tell whether the battery no longer does what it was told last."""
        power_w = self.plan.power_w
        if self._told:
            return view.setpoint_w is None or abs(view.setpoint_w) <= FREE_SHARE * power_w
        return abs(view.battery.power_w - self._start_w) >= REACTED * power_w
