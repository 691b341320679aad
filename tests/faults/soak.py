"""A long run with one fault after the other: what is drawn, what is watched, what must hold.

Everything random comes from one seed, so that a run that failed can be had again.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
import gc
from pathlib import Path
from random import Random
import resource
from typing import Any, Final, NamedTuple
from unittest.mock import NonCallableMock, patch

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.core.site import ControlState, Strategy
from custom_components.computeload.simulator.cabinet import BatteryPhysics
from custom_components.computeload.simulator.faults import SITE, Fault
from custom_components.computeload.simulator.server import SimulatedSite

from .lab import Injected, Lab

FREE_S: Final = 70.0
"""So long after the meter is lost, frozen values included, no battery holds a command."""
LAG_S: Final = 8.0
"""By then a new limit or state of charge is in the commands; device and law are 1 s apart."""
BACK_S: Final = 60.0
"""A device that was silent is asked every 30 s; then it is commanded and follows."""
PAUSES_S: Final = 330.0
"""A battery that disobeyed is tried again after 60, 120, 240 s; until then it is left alone."""
IDLE_W: Final = 600.0
"""A battery that is asked for less cannot show that it follows."""
LOOK_S: Final = 0.5
SHORTEST_S: Final = 3.0
LONGEST_S: Final = 240.0

LINK: Final[tuple[Injected, ...]] = (
    (Fault.NO_ANSWER, {}),
    (Fault.REFUSED_CONNECTION, {}),
    (Fault.EXCEPTION, {"code": 4}),
    (Fault.EXCEPTION, {"code": 6}),
    (Fault.SLOW, {"delay_s": 0.4}),
    (Fault.SLOW, {"delay_s": 2.0}),
    (Fault.DROP_MID_FRAME, {"bytes": 5}),
    (Fault.DROP_MID_FRAME, {"bytes": 11}),
    (Fault.RESTART, {"downtime_s": 3.0}),
    (Fault.RESTART, {"downtime_s": 40.0}),
    (Fault.NOT_AVAILABLE, {}),
    (Fault.FROZEN, {}),
)
METER: Final[tuple[Injected, ...]] = (
    (Fault.WRONG_VALUES, {"factor": 1000.0}),
    (Fault.WRONG_VALUES, {"quantity": Quantity.POWER_W.value, "value": 40e6}),
    (Fault.NOT_AVAILABLE, {"quantity": Quantity.POWER_W.value}),
)
BATTERY: Final[tuple[Injected, ...]] = (
    (Fault.REFUSED_WRITES, {"code": 4}),
    (Fault.IGNORED_WRITES, {}),
    (Fault.SOC_JUMP, {"soc": 0.03}),
    (Fault.SOC_JUMP, {"soc": 0.5}),
    (Fault.SOC_JUMP, {"soc": 1.0}),
    (Fault.NOT_AVAILABLE, {"quantity": Quantity.SOC.value}),
    (Fault.OVERHEAT, {"ambient_c": 80.0}),
)
WHOLE: Final[tuple[Injected, ...]] = (
    (Fault.GRID_LOSS, {}),
    (Fault.CLOCK_SKEW, {"seconds": 3600.0}),
    (Fault.CLOCK_SKEW, {"seconds": -40.0}),
)
MENU: Final[Mapping[str, tuple[Injected, ...]]] = {
    "grid": LINK + METER,
    "cabinet1": LINK + BATTERY,
    "cabinet2": LINK + BATTERY,
    "roof": LINK,
    "branches": LINK,
    SITE: WHOLE,
}
STRATEGIES: Final = (Strategy.PEAK_SHAVING, Strategy.SELF_CONSUMPTION, Strategy.AUTOMATIC)
STILL_HEARD: Final = (
    (Fault.SLOW, {"delay_s": 0.4}),
    (Fault.RESTART, {"downtime_s": 3.0}),
    (Fault.RESTART, {"downtime_s": 40.0}),
)
"""What leaves a meter to be relied on, or mends by itself."""


class Said(NamedTuple):
    """What a cabinet said about itself at a moment."""

    at_s: float
    charge_w: float
    discharge_w: float
    soc: float


@dataclass
class Witness:
    """Stands at the cabinets: what they are told, held against what they said they can do."""

    site: SimulatedSite
    soc_min: float
    complaints: list[str] = field(default_factory=list)
    commands: int = 0
    most_w: float = 0.0
    meter_lost_s: float | None = None
    """Since when the meter has been of no use, in simulated seconds."""
    _said: dict[str, deque[Said]] = field(default_factory=dict)
    _faulty_s: dict[str, float] = field(default_factory=dict)
    """When each device last had a fault."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear every command that arrives at a cabinet."""
        command = BatteryPhysics.command

        def heard(
            cabinet: BatteryPhysics, power_w: float | None, now_s: float, **lapse: Any
        ) -> None:
            self._hear(cabinet, power_w, now_s)
            command(cabinet, power_w, now_s, **lapse)

        with patch.object(BatteryPhysics, "command", heard):
            yield

    def look(self) -> None:
        """Note what the cabinets say, and whether one is held that should be free."""
        now_s = self.site.clock.elapsed_s
        for device_id in self.site.faults.active:
            self._faulty_s[device_id] = now_s
        for name, cabinet in self.site.physics.batteries.items():
            said = self._said.setdefault(name, deque())
            said.append(Said(now_s, cabinet.charge_limit_w, cabinet.discharge_limit_w, cabinet.soc))
            while said[0].at_s < now_s - LAG_S:
                said.popleft()
            lost_s = now_s - (self.meter_lost_s if self.meter_lost_s is not None else now_s)
            if lost_s > FREE_S and cabinet.command_w and self._sound_s(name, now_s) > lost_s:
                self._complain(now_s, f"{name} is held at {cabinet.command_w:.0f} W, meter lost")

    def _hear(self, cabinet: BatteryPhysics, power_w: float | None, now_s: float) -> None:
        if power_w is None:
            return
        self.commands += 1
        self.most_w = max(self.most_w, abs(power_w))
        name, spec = cabinet.spec.id, cabinet.spec
        said = self._said.get(name)
        if not -spec.charge_w <= power_w <= spec.discharge_w:
            self._complain(now_s, f"{name} is told {power_w:.0f} W: beyond its rating")
        if not said or self._sound_s(name, now_s) < LAG_S:
            return
        charge_w = 1.06 * max(each.charge_w for each in said) + 20.0
        discharge_w = 1.06 * max(each.discharge_w for each in said) + 20.0
        if not -charge_w <= power_w <= discharge_w:
            self._complain(now_s, f"{name} is told {power_w:.0f} W: beyond what it said it can do")
        if power_w > 0.0 and max(each.soc for each in said) < self.soc_min - 0.01:
            self._complain(now_s, f"{name} is told {power_w:.0f} W at {said[-1].soc:.1%}")

    def _sound_s(self, name: str, now_s: float) -> float:
        """Return for how long a device has had no fault."""
        return now_s - self._faulty_s.get(name, -1e9)

    def _complain(self, now_s: float, what: str) -> None:
        self.complaints.append(f"{now_s:.0f} s: {what}")


@dataclass
class Soak:
    """A run over some simulated hours."""

    lab: Lab
    witness: Witness
    random: Random
    faults: int = 0
    longest_back_s: dict[str, float] = field(default_factory=dict)
    """Per fault, the longest that it took until all was as it should be."""
    memory: list[tuple[float, float, int]] = field(default_factory=list)
    """Hour, resident memory (MB), objects alive."""

    async def run(self, hours: float, each: Callable[[], None]) -> None:
        """Let faults come and go; call ``each`` when all of it is well again."""
        end_s = self.lab.now_s + 3600.0 * hours
        hour_s = self.lab.now_s
        while self.lab.now_s < end_s:
            if self.lab.now_s >= hour_s:
                self._measure()
                hour_s += 3600.0
            await self.pass_by(self.random.uniform(20.0, 150.0))
            if self.random.random() < 0.1:
                await self._act()
            else:
                await self._fail()
            each()
        self._measure()

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, and look."""
        end_s = self.lab.now_s + seconds
        while self.lab.now_s < end_s:
            await self.lab.seconds(LOOK_S)
            self.witness.look()

    async def _fail(self) -> None:
        """Let one to three things go wrong at a time, and see all of them come back."""
        lab, random = self.lab, self.random
        lasts_s = SHORTEST_S * (LONGEST_S / SHORTEST_S) ** random.random()
        said = []
        for device_id in random.sample(list(MENU), random.choice((1, 1, 1, 2, 3))):
            fault, parameters = random.choice(MENU[device_id])
            said.append(f"{device_id} {fault} {parameters}")
            await lab.fault(device_id, fault, **parameters)
            if device_id == "grid" and (fault, parameters) not in STILL_HEARD:
                self.witness.meter_lost_s = lab.now_s
            if fault is Fault.OVERHEAT:
                lab.site.physics.batteries[device_id].temperature_c = random.uniform(46.0, 60.0)
            self.faults += 1
            # What lasts only a moment must not be missed by the witness.
            self.witness.look()
        await self.pass_by(lasts_s)
        await lab.mend()
        self.witness.meter_lost_s = None
        for cabinet in lab.cabinets:
            cabinet.temperature_c = min(cabinet.temperature_c, 25.0)
        await self._recover(" and ".join(said), lasts_s)

    async def _act(self) -> None:
        """Let the user do something in between."""
        lab = self.lab
        match self.random.randrange(5):
            case 0:
                what = "switched off and on"
                await lab.switch(on=False)
                await self.pass_by(10.0)
                await lab.switch(on=True)
            case 1:
                what = "observed for a while"
                await lab.choose(Strategy.OBSERVE)
                await self.pass_by(10.0)
                await lab.choose(Strategy.PEAK_SHAVING)
            case 2:
                strategy = self.random.choice(STRATEGIES)
                what = f"strategy {strategy}"
                await lab.choose(strategy)
            case 3:
                what = "reloaded"
                assert await lab.hass.config_entries.async_reload(lab.entry.entry_id)
            case _:
                what = "target changed"
                target_kw = self.random.uniform(7.0, 15.0)
                await lab.call(
                    "number", "set_value", "number.lab_target_peak", value=round(target_kw, 1)
                )
        await self._recover(what, 0.0)

    async def _recover(self, what: str, lasted_s: float) -> None:
        """See that all is as it should be again within its time."""
        lab, began_s = self.lab, self.lab.now_s
        while trouble := self._trouble():
            within_s = BACK_S + (PAUSES_S if "does not follow" in trouble else 40.0)
            took_s = lab.now_s - began_s
            assert took_s <= within_s, f"{trouble}, {took_s:.0f} s after: {what} ({lasted_s:.0f} s)"
            await self.pass_by(1.0)
        took_s = lab.now_s - began_s
        self.longest_back_s[what] = max(self.longest_back_s.get(what, 0.0), took_s)

    def _trouble(self) -> str | None:
        """Return what is not as it should be; None while everything is."""
        controller = self.lab.controller
        for device in self.lab.runtime.devices.values():
            if not device.last_update_success:
                return f"{device.name} is not available"
        decision = controller.decision
        if decision is None or decision.state in {ControlState.SAFE, ControlState.ISLANDED}:
            return f"the state is {decision.state if decision else None}"
        now_s = controller.clock.monotonic_s()
        for name, writer in controller.crew.writers.items():
            told_w = decision.setpoints.get(name)
            if writer.faulted and (abs(told_w or 0.0) > IDLE_W or not writer.usable(now_s)):
                return f"{name} does not follow: {writer.last_error}"
            if told_w and not writer.engaged:
                return f"{name} is not commanded"
        return None

    def _measure(self) -> None:
        # What simulator and test harness remember of every call is not ours.
        self.lab.site.writes.clear()
        for each in gc.get_objects():
            if issubclass(type(each), NonCallableMock):
                each.reset_mock()
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        megabytes = pages * resource.getpagesize() / 1e6
        self.memory.append((self.lab.now_s / 3600.0, megabytes, len(gc.get_objects())))

    def slope(self, column: int) -> float:
        """Return by how much memory (1: MB, 2: objects) grows in an hour; the first is spared."""
        rows = [(row[0], float(row[column])) for row in self.memory if row[0] >= 1.0]
        if (n := len(rows)) < 2:
            return 0.0
        mean_x, mean_y = sum(x for x, _ in rows) / n, sum(y for _, y in rows) / n
        spread = sum((x - mean_x) ** 2 for x, _ in rows)
        return sum((x - mean_x) * (y - mean_y) for x, y in rows) / spread
