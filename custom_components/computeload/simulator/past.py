"""What a lab did before anybody looked: quarters of a past in which its peaks were shaved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from .physics import SitePhysics
from .spec import GRID, Scenario

STEP_S: Final = 60.0
"""Coarser than the live lab, which is the same to the eye: a day takes a tenth of a second."""
QUARTER: Final = timedelta(minutes=15)
SEED: Final = 7
_HOURS: Final = 0.25
_USED: Final = 0.9
"""Share of the cabinets' energy that is moved."""
_RECHARGE: Final = 0.92
"""Recharging stays this far below the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastQuarter:
    """One quarter of an hour. Energies in Wh, never negative."""

    start: datetime
    import_wh: float
    export_wh: float
    served_wh: Mapping[str, float]
    """By the id of a wire that meters PV or branches."""
    charged_wh: Mapping[str, float]
    discharged_wh: Mapping[str, float]
    """By the id of a wire that a battery is behind, AC side."""


def simulated_past(scenario: Scenario, until: datetime, days: int) -> Iterator[PastQuarter]:
    """Yield the quarters of some days that end with the last full quarter before ``until``."""
    quarter_s = QUARTER.total_seconds()
    end = datetime.fromtimestamp(until.timestamp() // quarter_s * quarter_s, until.tzinfo)
    at = end - timedelta(days=days)
    lab = SitePhysics(scenario, SEED, start=at, step_s=STEP_S)
    cabinets = _Cabinets(scenario)
    drawn_ws, served_ws = _counters(scenario, lab)
    while at < end:
        lab.step(quarter_s)
        before_ws, before_served_ws = drawn_ws, served_ws
        drawn_ws, served_ws = _counters(scenario, lab)
        natural_wh = (drawn_ws - before_ws) / 3600.0
        given_wh = cabinets.give(natural_wh)
        grid_wh = natural_wh - given_wh
        yield PastQuarter(
            start=at,
            import_wh=max(grid_wh, 0.0),
            export_wh=max(-grid_wh, 0.0),
            served_wh={k: (ws - before_served_ws[k]) / 3600.0 for k, ws in served_ws.items()},
            charged_wh=cabinets.shared(max(-given_wh, 0.0)),
            discharged_wh=cabinets.shared(max(given_wh, 0.0)),
        )
        at += QUARTER


def _counters(scenario: Scenario, lab: SitePhysics) -> tuple[float, dict[str, float]]:
    """Return what the grid and what each meter of PV or branches has counted, Ws."""
    each_ws = {key: branch.energy_ws for key, branch in lab.loads.branches.items()}
    each_ws |= {key: plant.energy_ws for key, plant in lab.pv.items()}
    served_ws = {
        wire.id: sum(each_ws[served] for served in wire.serves)
        for wire in scenario.wires
        if wire.serves != (GRID,) and all(served in each_ws for served in wire.serves)
    }
    return lab.import_ws - lab.export_ws, served_ws


class _Cabinets:
    """All cabinets as one, kept by a plain rule: shave above the target, refill below it."""

    def __init__(self, scenario: Scenario) -> None:
        specs = {spec.id: spec for spec in scenario.batteries}
        wires = {w.id: specs[w.serves[0]] for w in scenario.wires if w.serves[0] in specs}
        self._capacity_wh = _USED * sum(spec.capacity_wh for spec in wires.values())
        self._stored_wh = self._capacity_wh / 2.0
        self._charge_wh = _HOURS * sum(spec.charge_w for spec in wires.values())
        self._discharge_wh = _HOURS * sum(spec.discharge_w for spec in wires.values())
        self._loss = min((spec.charge_efficiency for spec in wires.values()), default=1.0)
        self._target_wh = _HOURS * scenario.target_peak_w
        total = sum(spec.capacity_wh for spec in wires.values())
        self._shares = {key: spec.capacity_wh / total for key, spec in wires.items()}

    def give(self, natural_wh: float) -> float:
        """Return what they give (+) or take (-) in a quarter in which the site draws so much."""
        over_wh = natural_wh - self._target_wh
        if over_wh > 0.0:
            given_wh = min(over_wh, self._discharge_wh, self._stored_wh * self._loss)
            self._stored_wh -= given_wh / self._loss
            return given_wh
        room_wh = max(_RECHARGE * self._target_wh - natural_wh, 0.0)
        empty_wh = (self._capacity_wh - self._stored_wh) / self._loss
        taken_wh = min(room_wh, self._charge_wh, empty_wh)
        self._stored_wh += taken_wh * self._loss
        return -taken_wh

    def shared(self, energy_wh: float) -> dict[str, float]:
        return {key: energy_wh * share for key, share in self._shares.items()}
