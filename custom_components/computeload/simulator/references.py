"""Checks across a scenario: every id exists, is there once, and serves what it can."""

from collections import Counter
from collections.abc import Iterable

from .sections import ScenarioError
from .spec import DEVICES, GRID, Scenario


def check_references(scenario: Scenario, where: str) -> None:
    """Raise ScenarioError at the first id that does not fit; ``where`` opens the message."""
    try:
        _check_unique(scenario)
        _check_loads(scenario)
        _check_devices(scenario)
    except ScenarioError as err:
        raise ScenarioError(f"{where}: {err}") from None


def _check_unique(scenario: Scenario) -> None:
    if not scenario.branches:
        raise ScenarioError("branches: there is none; a site needs something that draws power.")
    _once("branches", (branch.id for branch in scenario.branches))
    _once("workloads", (workload.id for workload in scenario.workloads))
    _once("batteries", (battery.id for battery in scenario.batteries))
    _once("pv", (plant.id for plant in scenario.pv))
    _once("devices", (wire.id for wire in scenario.wires))


def _once(title: str, ids: Iterable[str]) -> None:
    for name, times in Counter(ids).items():
        if times > 1:
            raise ScenarioError(f"{title}: '{name}' is there twice; give every id once.")


def _check_loads(scenario: Scenario) -> None:
    """Check that cooling and jobs name branches with a load of their own."""
    loads = {branch.id for branch in scenario.branches if not branch.follows}
    for branch in scenario.branches:
        for name in branch.follows:
            if name not in loads:
                raise ScenarioError(
                    f"branches, {branch.id}: follows: '{name}' is no branch with a load."
                )
    taken: set[str] = set()
    for workload in scenario.workloads:
        for name in workload.nodes:
            if name not in loads:
                raise ScenarioError(
                    f"workloads, {workload.id}: nodes: '{name}' is no branch with a load."
                )
            if name in taken:
                raise ScenarioError(
                    f"workloads, {workload.id}: nodes: '{name}' has a workload already."
                )
            taken.add(name)


def _check_devices(scenario: Scenario) -> None:
    """Check that every device serves what its kind can, and one the grid connection."""
    branches = {branch.id for branch in scenario.branches}
    behind = {
        "meter": {GRID} | branches,
        "branches": branches,
        "battery": {battery.id for battery in scenario.batteries},
        "pv": {plant.id for plant in scenario.pv},
    }
    for wire in scenario.wires:
        serves = DEVICES[wire.device]
        place = f"devices, {wire.id}: serves:"
        if not wire.serves or (len(wire.serves) > 1 and serves != "branches"):
            raise ScenarioError(f"{place} name exactly one thing that this device serves.")
        for name in wire.serves:
            if name not in behind[serves]:
                known = ", ".join(sorted(behind[serves])) or "none"
                raise ScenarioError(f"{place} '{name}' is not among {known}.")
    if sum(GRID in wire.serves for wire in scenario.wires) != 1:
        raise ScenarioError("devices: exactly one meter must serve 'grid', the connection.")
