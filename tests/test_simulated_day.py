"""A whole day of cfd-lab, wires included: registers, drivers, control loop, commands.

Time is driven by hand, so that a day takes a minute: the site moves on by some seconds,
then every device is polled over its socket as its own loop would, and control acts.
"""

from dataclasses import replace
from datetime import timedelta
import logging
from unittest.mock import patch

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import CONF_CURRENCY, DOMAIN
from custom_components.computeload.coordinator import DeviceCoordinator
from custom_components.computeload.core.model import AssetKind
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.simulation import simulated_site_data, simulated_subentries
from custom_components.computeload.simulator.physics import SitePhysics
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

STEP_S = 5.0
STILL = 1e-9
CONTROL = {AssetKind.METER, AssetKind.BATTERY}


@pytest.mark.slow
async def test_a_day_of_cfd_lab_over_real_modbus(
    hass: HomeAssistant, socket_enabled: None, caplog: pytest.LogCaptureFixture
) -> None:
    # A stack trace kept for every future and a log line for every frame would cost minutes.
    hass.loop.set_debug(False)
    caplog.set_level(logging.WARNING)
    scenario = load_scenario("cfd-lab")
    alone = SitePhysics(scenario, seed=1)
    alone.step(timedelta(days=1).total_seconds())

    site = SimulatedSite(scenario, seed=1, start=scenario.default_start(), speed=STILL)
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="CFD lab",
        data=simulated_site_data(scenario) | {CONF_CURRENCY: "EUR"},
        subentries_data=simulated_subentries(scenario),
    )
    entry.add_to_hass(hass)
    with (
        patch("custom_components.computeload.simulation._build", lambda _: site),
        patch.object(DeviceCoordinator, "async_start"),
    ):
        assert await hass.config_entries.async_setup(entry.entry_id)
    runtime = entry.runtime_data
    controller = runtime.controller
    # The target is what this day is about; plans need the clock that is driven by hand here.
    kept = replace(controller.settings, enabled=True, strategy=Strategy.PEAK_SHAVING)
    await controller.async_change(kept)

    steps = int(timedelta(days=1).total_seconds() / STEP_S)
    for step in range(steps):
        await site.advance(STEP_S)
        for device in runtime.devices.values():
            if device.kind is not AssetKind.METER and (device.kind in CONTROL or step % 5 == 0):
                await device.async_sample()
        for meter in runtime.of_kind(AssetKind.METER):
            await meter.async_sample()
        # Writes run as tasks of their own; they are on the wire before the site moves on.
        await controller.crew.async_written()

    physics = site.physics
    assert physics.peak_w <= 0.6 * alone.peak_w
    target_w = scenario.target_peak_w
    assert [w for w in controller.closed_windows if w.mean_w > target_w] == []
    for cabinet in physics.batteries.values():
        assert controller.settings.soc_min <= cabinet.min_soc
        assert cabinet.max_soc <= 1.0
        assert cabinet.lapses == 0
    assert physics.loads.jobs.killed == 0
    assert physics.loads.jobs.started == alone.loads.jobs.started
    assert physics.loads.jobs.finished == alone.loads.jobs.finished

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not [r for r in caplog.records if r.levelname in {"ERROR", "CRITICAL"}]
