"""Hours of a lab with jobs, sun and clouds, and one fault after the other."""

import logging
from random import Random
import time

from _pytest.logging import LogCaptureHandler
from homeassistant.core import HomeAssistant
import pytest

from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite
from custom_components.computeload.simulator.spec import Scenario

from .lab import set_up_lab
from .soak import Soak, Witness

TARGET_KW = 10.0
MOST_MB_PER_HOUR = 2.0
ONCE_MB = 8.0
MOST_OBJECTS_PER_HOUR = 1_000.0
ONCE_OBJECTS = 5_000.0


@pytest.fixture(name="scenario")
def scenario_fixture() -> Scenario:
    """Return a lab in which something happens."""
    return load_scenario("cfd-lab")


@pytest.fixture(name="speed")
def speed_fixture() -> float:
    """Return how fast time passes: as fast as the work in it is done."""
    return 5_000.0


@pytest.fixture(name="clean_log")
def clean_log_fixture(caplog: pytest.LogCaptureFixture) -> None:
    """Keep only what somebody has to say; the run itself looks at it, and forgets it."""
    caplog.set_level(logging.WARNING)


@pytest.mark.slow
async def test_faults_at_random_for_hours_leave_no_trace(
    hass: HomeAssistant,
    site: SimulatedSite,
    caplog: pytest.LogCaptureFixture,
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hours: float = pytestconfig.getoption("soak_hours")
    seed: int = pytestconfig.getoption("soak_seed")
    began_s = time.monotonic()
    lab = await set_up_lab(hass, site, TARGET_KW)
    witness = Witness(site, lab.controller.settings.soc_min)
    soak = Soak(lab, witness, Random(seed))  # noqa: S311 - faults, not secrets

    def all_is_well() -> None:
        errors = [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]
        assert [r.getMessage() for r in errors if not r.name.startswith("tmodbus")] == []
        assert witness.complaints == []
        for handler in logging.getLogger().handlers:
            if isinstance(handler, LogCaptureHandler):
                handler.reset()

    with witness.watching():
        await soak.run(hours, all_is_well)
    assert await hass.config_entries.async_unload(lab.entry.entry_id)
    assert not any(cabinet.command_w for cabinet in lab.cabinets)

    first, last = soak.memory[0], soak.memory[-1]
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what a long run is for
            f"\n{hours:g} h, seed {seed}, in {(time.monotonic() - began_s) / 60.0:.1f} min: "
            f"{soak.faults} faults, {witness.commands} commands of at most "
            f"{witness.most_w / 1000.0:.1f} kW, back within "
            f"{max(soak.longest_back_s.values()):.0f} s; "
            f"{first[1]:.0f} MB at first, {last[1]:.0f} MB at last, "
            f"{soak.slope(1):+.2f} MB and {soak.slope(2):+.0f} objects an hour"
        )
        for what, took_s in sorted(soak.longest_back_s.items(), key=lambda each: -each[1])[:5]:
            print(f"  {took_s:4.0f} s after {what}")  # noqa: T201
    # What is set up once weighs on a short run.
    assert soak.slope(1) <= MOST_MB_PER_HOUR + ONCE_MB / hours
    assert soak.slope(2) <= MOST_OBJECTS_PER_HOUR + ONCE_OBJECTS / hours
