"""The site as a whole: what the loads, the sun, the cabinets and the grid do together.

Pure and seedable: a fixed internal step, no clock, no I/O. ``grid = load - pv - battery``
holds at every step while the grid is there. When it fails, the cabinets that can form a
grid carry ``load - pv``; when they cannot, the site goes dark and its jobs are lost.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sin
from random import Random
from typing import Final, NamedTuple

from .cabinet import BatteryPhysics
from .loads import Loads
from .spec import Scenario
from .sun import Clouds, PvPhysics

WINDOW_S: Final = 900.0
"""The metering interval of the facts: quarters of the UTC hour."""
_WINDOW: Final = timedelta(seconds=WINDOW_S)
LOAD_VAR_PER_W: Final = 0.2506
"""Reactive per active power of all loads: a power factor of 0.97. PV and batteries: none."""


class Window(NamedTuple):
    """One quarter of an hour at the grid connection, complete or not."""

    start: datetime
    import_wh: float
    export_wh: float
    covered_s: float
    """How much of the quarter was simulated."""

    @property
    def mean_import_w(self) -> float:
        """The mean drawn from the grid, as a bill counts it: energy over the quarter."""
        return self.import_wh * 3600.0 / WINDOW_S


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase at the grid connection: V, A (magnitude), W and var (import +)."""

    voltage_v: float
    current_a: float
    power_w: float
    reactive_var: float


class SitePhysics:
    """A site that moves on by ``step``. All powers in W, in the project's signs."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int = 1,
        *,
        start: datetime | None = None,
        step_s: float = 0.5,
    ) -> None:
        """Build the site at ``start`` (UTC-aware; default: the scenario's own).

        The same scenario, seed, start and step give the same site to the last digit.
        """
        self.scenario = scenario
        self.start = (start or scenario.default_start()).astimezone(UTC)
        self.step_s = step_s
        self.elapsed_s = 0.0
        self.ticks = 0
        random = Random(seed)
        self.loads = Loads(scenario.branches, scenario.workloads, random, step_s)
        self._clouds = Clouds(scenario.cloud_cover, random)
        self.pv = {
            spec.id: PvPhysics(spec, self._clouds, scenario.latitude, scenario.longitude, step_s)
            for spec in scenario.pv
        }
        self.batteries = {spec.id: BatteryPhysics(spec, step_s) for spec in scenario.batteries}
        self.load_w = self.pv_w = self.battery_w = self.grid_w = 0.0
        self.grid_present = True
        self.dark = False
        self.import_ws = 0.0
        self.export_ws = 0.0
        self.phase_import_ws = [0.0, 0.0, 0.0]
        self.phase_export_ws = [0.0, 0.0, 0.0]
        self.grid_phases_w = [0.0, 0.0, 0.0]
        self.outages = 0
        self.blackouts = 0
        self.islanded_s = 0.0
        self.windows: list[Window] = []
        """The complete windows so far, oldest first. The first may begin in mid-window."""
        self._epoch_s = self.start.timestamp()
        self._due_s = 0.0
        self._pvs = tuple(self.pv.values())
        self._cabinets = tuple(self.batteries.values())
        self._open_window()
        self._balance()
        for branch in self.loads.branches.values():
            branch.energy_ws = 0.0

    @property
    def now(self) -> datetime:
        """The simulated wall clock, UTC."""
        return datetime.fromtimestamp(self._epoch_s + self.elapsed_s, UTC)

    @property
    def window(self) -> Window:
        """The running window so far."""
        return Window(
            self._window_start,
            (self.import_ws - self._window_import_ws) / 3600.0,
            (self.export_ws - self._window_export_ws) / 3600.0,
            self.elapsed_s - self._window_from_s,
        )

    @property
    def peak_w(self) -> float:
        """The highest mean import of all complete windows."""
        return max((window.mean_import_w for window in self.windows), default=0.0)

    def step(self, dt_s: float) -> None:
        """Advance by ``dt_s`` seconds; what is less than a whole step is owed."""
        self._due_s += dt_s
        self.step_to(self._due_s)

    def step_to(self, elapsed_s: float) -> None:
        """Advance by whole steps up to a simulated second; never back."""
        self._due_s = max(elapsed_s, self._due_s)
        for _ in range(int(elapsed_s / self.step_s + 1e-9) - self.ticks):
            self._tick()

    def lose_grid(self) -> None:
        """Let the public grid fail."""
        if self.grid_present:
            self.grid_present = False
            self.outages += 1

    def restore_grid(self) -> None:
        """Let the public grid come back; after a blackout the nodes boot again."""
        self.grid_present = True
        for battery in self._cabinets:
            battery.forming = False
        if self.dark:
            self.dark = False
            self.loads.come_back(self.elapsed_s)

    def voltage_v(self, index: int) -> float:
        """Return phase 0..2's voltage inside the site, whoever supplies it."""
        if self.dark:
            return 0.0
        swing_v = 1.3 * sin(self.elapsed_s / 947.0 + 2.1 * index)
        return 231.0 + swing_v - self.grid_phases_w[index] * 1.2e-4

    def phase(self, index: int) -> Phase:
        """Return phase 0..2 at the grid connection now."""
        if not self.grid_present:
            return Phase(0.0, 0.0, 0.0, 0.0)
        power_w = self.grid_phases_w[index]
        voltage_v = self.voltage_v(index)
        loads = self.loads
        load_w = (
            loads.power_l1_w,
            loads.power_l2_w,
            loads.power_w - loads.power_l1_w - loads.power_l2_w,
        )[index]
        reactive_var = load_w * LOAD_VAR_PER_W
        current_a = (power_w * power_w + reactive_var * reactive_var) ** 0.5 / voltage_v
        return Phase(voltage_v, current_a, power_w, reactive_var)

    @property
    def frequency_hz(self) -> float:
        """The grid's frequency, or the island's; 0 in the dark."""
        if self.dark:
            return 0.0
        return 50.0 + (0.015 * sin(self.elapsed_s / 61.0) if self.grid_present else 0.05)

    def _tick(self) -> None:
        """Advance by one internal step."""
        self.ticks += 1
        step_s = self.step_s
        self.elapsed_s = self.ticks * step_s
        if self.elapsed_s > self._window_to_s:
            self._close_window()
        self._balance()
        for battery in self._cabinets:
            battery.account(step_s)
        for plant in self._pvs:
            plant.energy_ws += plant.power_w * step_s
        grid_w = self.grid_w
        if grid_w >= 0.0:
            self.import_ws += grid_w * step_s
        else:
            self.export_ws -= grid_w * step_s
        for index, power_w in enumerate(self.grid_phases_w):
            if power_w >= 0.0:
                self.phase_import_ws[index] += power_w * step_s
            else:
                self.phase_export_ws[index] -= power_w * step_s

    def _balance(self) -> None:
        """Work out every power of this step, and with them the grid's."""
        elapsed_s = self.elapsed_s
        load_w = self.loads.tick(elapsed_s)
        self._clouds.tick(elapsed_s)
        pv_w = 0.0
        for plant in self._pvs:
            pv_w += plant.tick(elapsed_s, self._epoch_s + elapsed_s)
        phases = self.grid_phases_w
        if self.grid_present:
            before_w = self.grid_w
            battery_w = 0.0
            for battery in self._cabinets:
                battery_w += battery.tick(elapsed_s, before_w)
            grid_w = load_w - pv_w - battery_w
            own_third_w = (pv_w + battery_w) / 3
            phases[0] = self.loads.power_l1_w - own_third_w
            phases[1] = self.loads.power_l2_w - own_third_w
            phases[2] = grid_w - phases[0] - phases[1]
        else:
            load_w, pv_w, battery_w = self._run_island(load_w, pv_w)
            grid_w = phases[0] = phases[1] = phases[2] = 0.0
        self.load_w = load_w
        self.pv_w = pv_w
        self.battery_w = battery_w
        self.grid_w = grid_w

    def _run_island(self, load_w: float, pv_w: float) -> tuple[float, float, float]:
        """Balance the site without the grid, or let it go dark.

        Cabinets that form the grid do not heed their commands: they take what the others
        leave. Those that only follow go on with theirs, which is why an outage is the time
        to release them. Returns load, PV and battery power.
        """
        if not self.dark:
            for battery in self._cabinets:
                battery.tick(self.elapsed_s, 0.0)
        forming = [b for b in self._cabinets if b.spec.islanding]
        following = [b for b in self._cabinets if not b.spec.islanding]
        can_give_w = sum(b.discharge_limit_w for b in forming)
        can_take_w = sum(b.charge_limit_w for b in forming)
        following_w = sum(b.power_w for b in following)
        spill_w = pv_w + following_w - load_w - can_take_w
        if spill_w > 0.0:
            pv_w -= self._curtail(spill_w)
        if pv_w + following_w - load_w > can_take_w:
            following_w = sum(b.settle(0.0) for b in following)
        need_w = load_w - pv_w - following_w
        if need_w > can_give_w or can_give_w <= 0.0:
            self._go_dark()
        if self.dark:
            return 0.0, 0.0, 0.0
        self.islanded_s += self.step_s
        limit_w = can_give_w if need_w >= 0.0 else can_take_w
        battery_w = following_w
        for battery in forming:
            battery.forming = True
            own_w = battery.discharge_limit_w if need_w >= 0.0 else battery.charge_limit_w
            battery_w += battery.settle(need_w * own_w / limit_w if limit_w else 0.0)
        return load_w, pv_w, battery_w

    def _go_dark(self) -> None:
        """Stop everything, and keep it stopped until the grid is back."""
        if not self.dark:
            self.dark = True
            self.blackouts += 1
            self.loads.go_dark()
        for battery in self._cabinets:
            battery.forming = False
            battery.settle(0.0)
        for plant in self._pvs:
            plant.power_w = 0.0

    def _curtail(self, spill_w: float) -> float:
        """Let the island's raised frequency push the PV back; return what it gave up."""
        total_w = sum(plant.power_w for plant in self._pvs)
        given_up_w = min(spill_w, total_w)
        for plant in self._pvs:
            plant.power_w -= given_up_w * plant.power_w / total_w if total_w else 0.0
        return given_up_w

    def _open_window(self) -> None:
        """Begin with the window that the first second is in."""
        into_s = self._epoch_s % WINDOW_S
        self._window_from_s = 0.0
        self._window_to_s = WINDOW_S - into_s
        self._window_start = datetime.fromtimestamp(self._epoch_s - into_s, UTC)
        self._window_import_ws = self._window_export_ws = 0.0

    def _close_window(self) -> None:
        """Keep the window that has ended, and begin the next."""
        self.windows.append(self.window._replace(covered_s=self._window_to_s - self._window_from_s))
        self._window_from_s = self._window_to_s
        self._window_to_s += WINDOW_S
        self._window_start += _WINDOW
        self._window_import_ws = self.import_ws
        self._window_export_ws = self.export_ws
