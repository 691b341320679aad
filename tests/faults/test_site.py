"""What happens to the site around the batteries: the grid, the PV, the branch meter."""

import pytest

from custom_components.computeload.simulator.faults import Fault

from .lab import SHAVING_KW, Injected, Lab, faults

DEAD: dict[str, Injected] = {
    "no answer": (Fault.NO_ANSWER, {}),
    "refused connection": (Fault.REFUSED_CONNECTION, {}),
    "slow": (Fault.SLOW, {"delay_s": 2.0}),
}
POWERS = {
    "grid": "sensor.grid_meter_power",
    "cabinet1": "sensor.battery_cabinet_1_power",
    "cabinet2": "sensor.battery_cabinet_2_power",
    "roof": "sensor.roof_pv_power",
    "branches": "sensor.branch_meter_power",
}


@pytest.mark.parametrize("device_id", ["roof", "branches"])
@faults(DEAD)
async def test_a_dead_pv_or_branch_meter_concerns_only_its_own_entities(
    shaving: Lab, fault: Fault, parameters: dict[str, float | str], device_id: str
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    others = [device for name, device in lab.runtime.devices.items() if name != device_id]
    await lab.fault(device_id, fault, **parameters)
    await lab.until(lambda: lab.state(POWERS[device_id]) == "unavailable", within_s=25.0)
    polls = {device.asset_id: device.link.polls for device in others}
    for _ in range(30):
        await lab.seconds(1.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.02)
    for device in others:
        assert device.link.polls - polls[device.asset_id] >= 29.0 / device.poll_s
        assert lab.state(POWERS[device.asset_id]) != "unavailable"

    await lab.mend()
    await lab.until(lambda: lab.state(POWERS[device_id]) != "unavailable", within_s=35.0)


@pytest.mark.parametrize("into_window_s", [600.0], ids=["late"])
async def test_the_batteries_are_free_while_the_grid_is_gone(shaving: Lab) -> None:
    lab, physics, shaved_w = shaving, shaving.site.physics, shaving.battery_w
    await lab.fault("site", Fault.GRID_LOSS)
    await lab.until(lambda: lab.released, within_s=3.0)
    await lab.until(lambda: lab.state("sensor.lab_controller_state") == "islanded", within_s=3.0)
    assert lab.state("binary_sensor.lab_grid") == "off"
    await lab.seconds(60.0)
    assert not physics.dark
    assert lab.cabinets[0].forming
    assert not lab.issue("meter_silent", "grid")
    written = lab.writes_since(lab.now_s - 55.0)
    assert written == []

    await lab.mend()
    # Voltages are read every 5 s. Less than before: what the island drew was not imported.
    await lab.until(lambda: lab.command_w > 0.3 * shaved_w, within_s=7.0)
    await lab.until(lambda: lab.state("binary_sensor.lab_grid") == "on", within_s=6.0)
    await lab.until(lambda: bool(physics.windows), within_s=300.0)
    assert physics.windows[0].mean_import_w <= 1000.0 * SHAVING_KW
