"""A synthetic site for the judges: true powers in, readings with mistakes out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
import math
from random import Random

from custom_components.computeload.core.model import Contract, Quantity, Reading
from custom_components.computeload.core.overrides import Overrides
from custom_components.computeload.core.proof import (
    Check,
    Finding,
    Part,
    Subject,
    TrialResult,
    Verdict,
)
from custom_components.computeload.core.proof_judges import judge
from custom_components.computeload.core.proof_seen import SiteSeen
from custom_components.computeload.core.proof_trace import Trace
from custom_components.computeload.core.proof_trial import Heard, Trial, TrialView, make_plan
from custom_components.computeload.core.site import BatteryState

START = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
CONNECTION_W = 25_000.0
RATED_W = 10_000.0
CAPACITY_WH = 20_000.0
VOLTS = 230.0
POLL_S = 1.0
UNTOUCHED = Overrides()

CONTRACT = Contract(
    lapse_s=60.0,
    lapse_to="its own control",
    heartbeat_s=20.0,
    persistent=False,
    on_grid_loss="released",
)

type Curve = Callable[[float], float]


def steady(power_w: float) -> Curve:
    """Return a load that never changes."""
    return lambda _: power_w


def job(low_w: float, high_w: float, every_s: float = 70.0) -> Curve:
    """Return a load that jumps between two levels."""
    return lambda t: high_w if (t // every_s) % 2 else low_w


LOAD = steady(6_000.0)
BRANCH = steady(1_500.0)
NIGHT = steady(0.0)


@dataclass(slots=True)
class Cabinet:
    """A battery that may have been built or wired in a wrong way."""

    delay_s: float = 1.0
    ignores: bool = False
    other_way: bool = False
    gives: float = 1.0
    """What share of a command it carries out."""
    keeps: bool = False
    """Whether it holds its command after a release."""
    lapses_s: float = math.inf
    own_w: float = 0.0
    """What it does under its own control."""
    power_w: float = 0.0
    soc: float = 0.6
    charged_wh: float = 500_000.0
    discharged_wh: float = 450_000.0
    told_w: float | None = None
    told_s: float = 0.0
    _due: list[tuple[float, float | None]] = field(default_factory=list)

    def tell(self, power_w: float | None, now_s: float) -> None:
        """Take a command, or with None a release."""
        if power_w is None and self.keeps:
            return
        self.told_w, self.told_s = power_w, now_s
        self._due.append((now_s + self.delay_s, power_w))

    def pass_time(self, now_s: float, seconds: float) -> None:
        """Let its power follow, and its charge."""
        if self.told_w is not None and now_s - self.told_s >= self.lapses_s:
            self.tell(None, now_s)
        while self._due and self._due[0][0] <= now_s:
            asked_w = self._due.pop(0)[1]
            turn = -self.gives if self.other_way else self.gives
            if not self.ignores:
                self.power_w = self.own_w if asked_w is None else asked_w * turn
        self.soc -= self.power_w * seconds / 3600.0 / CAPACITY_WH
        self.discharged_wh += max(self.power_w, 0.0) * seconds / 3600.0
        self.charged_wh += max(-self.power_w, 0.0) * seconds / 3600.0


def undone(mistake: Overrides) -> Overrides:
    """Return what a reading has to go through to look as it does with this mistake.

    A mistake is written as the correction that mends it.
    """
    return replace(mistake, scale=1.0 / mistake.scale, counter_scale=1.0 / mistake.counter_scale)


@dataclass(slots=True)
class Site:
    """One grid meter, one branch meter, PV, one battery."""

    load: Curve = LOAD
    pv: Curve = NIGHT
    branch: Curve = BRANCH
    noise_w: float = 20.0
    mistakes: Mapping[str, Overrides] = field(default_factory=dict)
    """By asset: what would have to be corrected."""
    corrections: dict[str, Overrides] = field(default_factory=dict)
    swapped: bool = False
    """Whether the grid meter and the branch meter have each other's role."""
    cabinet: Cabinet = field(default_factory=Cabinet)
    random: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - noise
    with_pv: bool = True
    with_volts: bool = True
    counter_step_wh: float = 10.0
    battery_every_s: float = 1.0
    now_s: float = 0.0
    trials: dict[str, TrialResult] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    said: dict[str, Reading] = field(default_factory=dict)
    _counters: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with empty traces."""
        self.forget()

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Return the assets as they are configured."""
        grid, branch = (Part.BRANCH, Part.GRID) if self.swapped else (Part.GRID, Part.BRANCH)
        return (
            Subject(asset_id="meter", part=grid, poll_s=POLL_S, turned=self._turned("meter")),
            Subject(asset_id="branch", part=branch, poll_s=5.0),
            *([Subject(asset_id="pv", part=Part.PV, poll_s=5.0)] if self.with_pv else []),
            Subject(
                asset_id="battery",
                part=Part.BATTERY,
                poll_s=POLL_S,
                rated_w=RATED_W,
                capacity_wh=CAPACITY_WH,
                controllable=True,
                turned=self._turned("battery"),
            ),
        )

    def _turned(self, asset_id: str) -> bool:
        correction = self.corrections.get(asset_id, UNTOUCHED)
        return correction.sign < 0 or correction.command_sign < 0

    def forget(self) -> None:
        """Begin anew, as after a reload."""
        self.traces = {s.asset_id: Trace(poll_s=s.poll_s) for s in self.subjects}
        self.trials.clear()

    def run(self, seconds: float) -> None:
        """Let time pass, a second at a time."""
        for _ in range(int(seconds)):
            self.tick()

    def tick(self) -> None:
        """Let one second pass, and poll what is due."""
        self.now_s += 1.0
        self.cabinet.pass_time(self.now_s, 1.0)
        noise_w = self.random.gauss(0.0, self.noise_w) if self.noise_w else 0.0
        pv_w = self.pv(self.now_s)
        load_w = max(self.load(self.now_s) + noise_w, 0.0)
        grid_w = load_w - pv_w - self.cabinet.power_w
        jitter = 0.1 * self.random.random()
        self._say("meter", grid_w, jitter, phases=True)
        if self.now_s % 5.0 == 0.0:
            self._say("branch", min(self.branch(self.now_s), load_w), jitter)
            if self.with_pv:
                self._say("pv", pv_w, jitter)
        if self.now_s % self.battery_every_s == 0.0:
            self._say("battery", self.cabinet.power_w, jitter)

    def _say(self, asset_id: str, power_w: float, jitter: float, *, phases: bool = False) -> None:
        taken_wh, given_wh = self._count(asset_id, power_w)
        values: dict[Quantity, float | str] = {Quantity.POWER_W: power_w}
        if phases:
            thirds = (0.5 * power_w, 0.3 * power_w, 0.2 * power_w)
            values |= dict(zip(_PHASES, thirds, strict=True))
            if self.with_volts:
                values |= dict.fromkeys(_VOLTS, VOLTS + jitter)
                values |= {
                    q: math.hypot(w, 200.0) / VOLTS for q, w in zip(_AMPS, thirds, strict=True)
                }
        if asset_id == "battery":
            values[Quantity.SOC] = round(self.cabinet.soc, 2)
            if self.cabinet.told_w is not None:
                values[Quantity.SETPOINT_W] = self.cabinet.told_w
        if asset_id == "pv":
            values[Quantity.ENERGY_EXPORT_WH] = given_wh
        else:
            values[Quantity.ENERGY_IMPORT_WH] = taken_wh
            values[Quantity.ENERGY_EXPORT_WH] = given_wh
        true = Reading(
            at=START + timedelta(seconds=self.now_s),
            monotonic_s=self.now_s + jitter,
            values=values,
        )
        told = undone(self.mistakes.get(asset_id, UNTOUCHED)).corrected(true)
        seen = self.corrections.get(asset_id, UNTOUCHED).corrected(told)
        self.said[asset_id] = seen
        self.traces[asset_id].add(seen)

    def _count(self, asset_id: str, power_w: float) -> tuple[float, float]:
        """Return the counters of what is taken and what is given, as coarse as they are."""
        seconds = 1.0 if asset_id in {"meter", "battery"} else 5.0
        counters = self._counters.setdefault(asset_id, [123_456.0, 65_432.0])
        out = asset_id in {"battery", "pv"}
        counters[0] += max(-power_w if out else power_w, 0.0) * seconds / 3600.0
        counters[1] += max(power_w if out else -power_w, 0.0) * seconds / 3600.0
        step = self.counter_step_wh
        return math.floor(counters[0] / step) * step, math.floor(counters[1] / step) * step

    def findings(self) -> tuple[Finding, ...]:
        """Return what the judges say now."""
        return judge(self.seen())

    def seen(self) -> SiteSeen:
        """Return what the judges see."""
        return SiteSeen(
            subjects=self.subjects,
            traces=self.traces,
            connection_w=CONNECTION_W,
            trials=self.trials,
        )

    def finding(self, check: Check, asset_id: str) -> Finding:
        """Return what one check says of one asset."""
        return next(f for f in self.findings() if (f.check, f.asset_id) == (check, asset_id))

    def failed(self) -> list[Finding]:
        """Return all accusations."""
        return [f for f in self.findings() if f.verdict is Verdict.FAILED]

    def apply(self, finding: Finding) -> None:
        """Do what the one click does: correct the device, and begin anew."""
        fix = finding.fix
        assert fix is not None, finding
        if fix.swap_with is not None:
            self.swapped = not self.swapped
        before = self.corrections.get(fix.asset_id, UNTOUCHED)
        self.corrections[fix.asset_id] = before.then(fix.change)
        self.forget()

    def try_out(self, power_w: float = 1_000.0, contract: Contract = CONTRACT) -> Trial:
        """Try the battery out as the runner does, and keep the result."""
        state = BatteryState(
            asset_id="battery",
            power_w=0.0,
            soc=0.5,
            reading_s=0.0,
            capacity_wh=CAPACITY_WH,
            charge_limit_w=RATED_W,
            discharge_limit_w=RATED_W,
        )
        grid_poll_s = 5.0 if self.swapped else POLL_S
        grid_id = "branch" if self.swapped else "meter"
        plan = make_plan(state, contract, power_w, [POLL_S, grid_poll_s], grid_id)
        trial = Trial(plan)
        began_s = self.now_s
        while not trial.done:
            self.tick()
            self.step(trial)
            assert self.now_s - began_s <= trial.plan.longest_s + 10.0
        self.trials["battery"] = trial.result()
        return trial

    def step(self, trial: Trial, obstacle: str | None = None) -> None:
        """Let a trial see the site, and do what it says."""
        battery = self.said["battery"]
        view = TrialView(
            now_s=self.now_s + 0.2,
            battery=_heard(battery),
            setpoint_w=battery.number(Quantity.SETPOINT_W),
            meters={name: _heard(self.said[name]) for name in ("meter", "branch")},
            obstacle=obstacle,
        )
        order = trial.step(view)
        if order is not None:
            sign = self.corrections.get("battery", UNTOUCHED).command_sign
            told_w = None if order.power_w is None else order.power_w * sign
            self.cabinet.tell(told_w, self.now_s)


def _heard(reading: Reading) -> Heard:
    power_w = reading.number(Quantity.POWER_W)
    assert power_w is not None
    return Heard(at_s=reading.monotonic_s, power_w=power_w)


def keys(findings: Iterable[Finding]) -> set[str]:
    """Return the sentences of findings."""
    return {finding.key for finding in findings}


_PHASES = (Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W)
_VOLTS = (Quantity.VOLTAGE_L1_V, Quantity.VOLTAGE_L2_V, Quantity.VOLTAGE_L3_V)
_AMPS = (Quantity.CURRENT_L1_A, Quantity.CURRENT_L2_A, Quantity.CURRENT_L3_A)
