"""Scenario files: small YAML that describes a lab, its devices and what runs on it.

Every mistake is reported with the file, the place in it and a remedy.
"""

from datetime import time
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from .cabinet import BatterySpec, OwnControl
from .jobs import WorkloadSpec
from .loads import BranchSpec
from .references import check_references
from .sections import ScenarioError, Section
from .spec import DEVICES, GRID, Prices, Scenario, WireSpec
from .sun import PvSpec

__all__ = [
    "DEVICES",
    "GRID",
    "Scenario",
    "ScenarioError",
    "load_scenario",
    "parse_scenario",
    "shipped_scenarios",
]

SCENARIO_DIR: Final = Path(__file__).parent / "scenarios"
_WATTS: Final = 1e8
_HOURS: Final = 24


def shipped_scenarios() -> tuple[str, ...]:
    """Return the ids of the scenarios that come with the package."""
    return tuple(sorted(path.stem for path in SCENARIO_DIR.glob("*.yaml")))


def load_scenario(source: str | Path) -> Scenario:
    """Read a scenario by id (one that is shipped) or by path; raises ScenarioError.

    Reads files: not for the event loop.
    """
    path = Path(source)
    if isinstance(source, str) and path.suffix == "":
        path = SCENARIO_DIR / f"{source}.yaml"
        if not path.is_file():
            known = ", ".join(shipped_scenarios())
            raise ScenarioError(f"There is no scenario '{source}'. Shipped ones: {known}.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as err:
        raise ScenarioError(f"{path} cannot be read: {err}") from err
    return parse_scenario(data, path.stem, str(path))


def parse_scenario(data: object, scenario_id: str, where: str) -> Scenario:
    """Check parsed YAML and build the scenario; raises ScenarioError."""
    top = Section(data, where)
    site = top.section("site")
    zone = site.text("timezone")
    try:
        timezone = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        site.fail("timezone", f"'{zone}' is not a time zone, write e.g. Europe/Berlin", err)
    start = site.text("start_time")
    try:
        start_time = time.fromisoformat(start)
    except ValueError as err:
        site.fail("start_time", f"'{start}' is not a time of day, write e.g. \"09:30\"", err)
    scenario = Scenario(
        id=scenario_id,
        name=top.text("name"),
        description=top.text("description"),
        latitude=site.number("latitude", -66, 66),
        longitude=site.number("longitude", -180, 180),
        timezone=timezone,
        start_time=start_time,
        target_peak_w=site.number("target_peak_w", 1, _WATTS),
        connection_limit_w=site.number("connection_limit_w", 1, _WATTS),
        cloud_cover=site.number("cloud_cover", 0, 1, 0.0),
        branches=top.each("branches", _branch),
        workloads=top.each("workloads", _workload),
        pv=top.each("pv", _pv),
        batteries=top.each("batteries", _battery),
        wires=top.each("devices", _wire),
        prices=_prices(top.section("prices")) if "prices" in top else None,
        tariff=top.text("tariff") if "tariff" in top else None,
        cluster=top.text("cluster") if "cluster" in top else None,
    )
    site.done()
    top.done()
    check_references(scenario, where)
    return scenario


def _branch(s: Section) -> BranchSpec:
    return BranchSpec(
        id=s.text("id"),
        name=s.text("name"),
        idle_w=s.number("idle_w", 0, _WATTS),
        phase=int(s.number("phase", 1, 3)) if "phase" in s else None,
        follows=s.names("follows", ()),
        share=s.number("share", 0, 2, 0.0),
        lag_s=s.number("lag_s", 1, 7200, 180.0),
        noise=s.number("noise", 0, 0.2, 0.006),
    )


def _workload(s: Section) -> WorkloadSpec:
    nodes = s.names("nodes")
    width = s.pair("width", 1, max(1, len(nodes)), (len(nodes), len(nodes)))
    return WorkloadSpec(
        id=s.text("id"),
        name=s.text("name"),
        nodes=nodes,
        width=(int(width[0]), int(width[1])),
        per_day=s.number("per_day", 0.01, 1000),
        lasts_h=s.pair("lasts_h", 0.001, 240),
        pause_h=s.number("pause_h", 0, 240, 0.0),
        node_w=s.number("node_w", 0, _WATTS),
        intensity=s.pair("intensity", 0, 1, (0.9, 1.0)),
        checkpoint_every_s=s.number("checkpoint_every_s", 10, 1e6, 900.0),
        checkpoint_lasts_s=s.number("checkpoint_lasts_s", 1, 600, 15.0),
        checkpoint_depth=s.number("checkpoint_depth", 0, 1, 0.4),
        running_for_s=s.number("running_for_s", 0, 1e6) if "running_for_s" in s else None,
        first_job_h=s.number("first_job_h", 0.001, 240, 1.5),
    )


def _pv(s: Section) -> PvSpec:
    return PvSpec(
        id=s.text("id"),
        name=s.text("name"),
        peak_w=s.number("peak_w", 1, _WATTS),
        rated_w=s.number("rated_w", 1, _WATTS),
        tilt_deg=s.number("tilt_deg", 0, 90, 25.0),
        azimuth_deg=s.number("azimuth_deg", 0, 360, 180.0),
        cloud_delay_s=s.number("cloud_delay_s", 0, 3600, 0.0),
    )


def _battery(s: Section) -> BatterySpec:
    own_control = s.text("own_control", OwnControl.IDLE)
    if own_control not in tuple(OwnControl):
        s.fail("own_control", f"'{own_control}' is not one of {', '.join(OwnControl)}")
    return BatterySpec(
        id=s.text("id"),
        name=s.text("name"),
        capacity_wh=s.number("capacity_wh", 1, 1e9),
        charge_w=s.number("charge_w", 1, _WATTS),
        discharge_w=s.number("discharge_w", 1, _WATTS),
        charge_efficiency=s.number("charge_efficiency", 0.5, 1, 0.95),
        discharge_efficiency=s.number("discharge_efficiency", 0.5, 1, 0.95),
        soc_start=s.number("soc_start", 0, 1, 0.6),
        soc_floor=s.number("soc_floor", 0, 0.5, 0.05),
        standby_w=s.number("standby_w", 0, 10000, 40.0),
        delay_s=s.number("delay_s", 0, 60, 1.0),
        ramp_s=s.number("ramp_s", 0.01, 300, 1.0),
        ambient_c=s.number("ambient_c", -30, 60, 22.0),
        own_control=OwnControl(own_control),
        islanding=s.flag("islanding", default=False),
    )


def _wire(s: Section) -> WireSpec:
    device = s.text("device")
    if device not in DEVICES:
        s.fail("device", f"'{device}' is not a kind of device; one of {', '.join(DEVICES)}")
    return WireSpec(
        id=s.text("id"),
        name=s.text("name"),
        device=device,
        unit_id=int(s.number("unit_id", 1, 247, 1)),
        serves=s.names("serves"),
    )


def _prices(s: Section) -> Prices:
    hours = s.numbers("hours", -5, 5)
    if len(hours) != _HOURS:
        s.fail("hours", f"there are {len(hours)} prices; a day needs 24")
    prices = Prices(hours=hours, weekend=s.number("weekend", 0, 2, 0.85))
    s.done()
    return prices
