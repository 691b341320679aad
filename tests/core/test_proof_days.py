"""Whole days of the simulated labs: whatever they do, nobody sound is accused."""

from collections.abc import Callable
from datetime import timedelta
import math
from random import Random

import pytest

from custom_components.computeload.core.model import Quantity, Reading
from custom_components.computeload.core.proof import Part, Subject, Verdict
from custom_components.computeload.core.proof_judges import judge
from custom_components.computeload.core.proof_seen import SiteSeen
from custom_components.computeload.core.proof_trace import Trace
from custom_components.computeload.simulator.physics import SitePhysics
from custom_components.computeload.simulator.scenario import load_scenario

DAY_S = 86_400
LOOK_S = 60
_P = (Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W)
_V = (Quantity.VOLTAGE_L1_V, Quantity.VOLTAGE_L2_V, Quantity.VOLTAGE_L3_V)
_A = (Quantity.CURRENT_L1_A, Quantity.CURRENT_L2_A, Quantity.CURRENT_L3_A)


def reading(site: SitePhysics, values: dict[Quantity, float | str]) -> Reading:
    """Return what a device says now."""
    return Reading(at=site.now, monotonic_s=site.elapsed_s, values=values)


def grid_reading(site: SitePhysics) -> Reading:
    """Return what a three-phase meter says, its counters in steps of 10 Wh."""
    phases = [site.phase(index) for index in range(3)]
    values: dict[Quantity, float | str] = {Quantity.POWER_W: site.grid_w}
    for index, phase in enumerate(phases):
        values |= {_P[index]: phase.power_w, _V[index]: phase.voltage_v}
        values[_A[index]] = phase.current_a
    values[Quantity.ENERGY_IMPORT_WH] = math.floor(site.import_ws / 36_000.0) * 10.0
    values[Quantity.ENERGY_EXPORT_WH] = math.floor(site.export_ws / 36_000.0) * 10.0
    return reading(site, values)


class Watched:
    """A simulated lab, its devices polled and traced."""

    def __init__(self, name: str, month: int) -> None:
        """Begin soon after midnight."""
        self.scenario = load_scenario(name)
        start = self.scenario.default_start().replace(month=month) - timedelta(hours=9)
        self.site = SitePhysics(self.scenario, seed=month, start=start)
        self.random = Random(month)  # noqa: S311 - a lab's day
        cabinets = self.site.batteries.values()
        subjects = (
            Subject(asset_id="grid", part=Part.GRID, poll_s=1.0),
            *(
                Subject(
                    asset_id=cabinet.spec.id,
                    part=Part.BATTERY,
                    poll_s=1.0,
                    rated_w=cabinet.spec.discharge_w,
                    capacity_wh=cabinet.spec.capacity_wh,
                )
                for cabinet in cabinets
            ),
            *(Subject(asset_id=each, part=Part.PV, poll_s=5.0) for each in self.site.pv),
        )
        self.seen = SiteSeen(
            subjects=subjects,
            traces={s.asset_id: Trace(poll_s=s.poll_s) for s in subjects},
            connection_w=self.scenario.connection_limit_w,
            trials={},
        )

    def tick(self, second: int) -> None:
        """Let a second pass, and poll what is due."""
        site, traces = self.site, self.seen.traces
        site.step(1.0)
        traces["grid"].add(grid_reading(site))
        for each, cabinet in site.batteries.items():
            values: dict[Quantity, float | str] = {
                Quantity.POWER_W: cabinet.power_w,
                Quantity.SOC: round(cabinet.soc, 3),
                Quantity.ENERGY_IMPORT_WH: cabinet.charged_ws / 3600.0,
                Quantity.ENERGY_EXPORT_WH: cabinet.discharged_ws / 3600.0,
            }
            traces[each].add(reading(site, values))
        for each, plant in site.pv.items() if second % 5 == 0 else ():
            values = {
                Quantity.POWER_W: plant.power_w,
                Quantity.ENERGY_EXPORT_WH: plant.energy_ws / 3600.0,
            }
            traces[each].add(reading(site, values))

    def shave(self, _: int) -> None:
        """Hold the grid at the target, which leaves no trace of the load in it."""
        for cabinet in self.site.batteries.values():
            above_w = self.site.grid_w + cabinet.power_w - self.scenario.target_peak_w
            cabinet.command(above_w / len(self.site.batteries), self.site.elapsed_s)

    def wander(self, second: int) -> None:
        """Do something else every five minutes."""
        for cabinet in self.site.batteries.values() if second % 300 == 0 else ():
            limit_w = cabinet.spec.discharge_w
            cabinet.command(self.random.uniform(-limit_w, limit_w), self.site.elapsed_s)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "month", "control"),
    [("cfd-lab", 6, Watched.shave), ("climate-hpc", 1, Watched.wander)],
    ids=["a summer's day, controlled", "a winter's day, at random"],
)
def test_a_day_of_a_sound_lab_passes_without_an_accusation(
    name: str, month: int, control: Callable[[Watched, int], None]
) -> None:
    lab = Watched(name, month)
    accused: set[str] = set()
    passed: set[tuple[str, str]] = set()
    for second in range(1, DAY_S + 1):
        lab.tick(second)
        control(lab, second)
        for finding in judge(lab.seen) if second % LOOK_S == 0 else ():
            if finding.verdict is Verdict.FAILED:
                accused.add(f"{second} {finding.asset_id} {finding.key} {finding.figures}")
            if finding.verdict is Verdict.PASSED:
                passed.add((finding.asset_id, finding.check))
    assert accused == set()
    assert {("grid", "sign"), ("grid", "unit"), ("grid", "counters")} <= passed
