"""A battery that answers but does not obey, or says what cannot be: let go, tried again later."""

import logging

import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.simulator.faults import Fault

from .lab import SHAVING_KW, Lab

FOUND_OUT_S = 27.0
"""20 s of not following, from when a command would have shown; published with a delay."""
PAUSE_S = 60.0
"""How long a battery is left alone that did not obey; twice as long the next time."""
TAKEN_OVER_S = 12.0
FOLLOWS_S = 8.0
LAPSE_S = 60.0


async def grid_is_held(lab: Lab) -> None:
    """Wait until the other battery has taken over, and watch the target being kept."""
    await lab.seconds(TAKEN_OVER_S)
    for _ in range(10):
        await lab.seconds(1.0)
        assert lab.site.physics.grid_w <= 1020.0 * SHAVING_KW


async def test_a_battery_that_refuses_is_let_go_and_taken_up_again(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, cabinet, before_w = shaving, shaving.cabinets[0], shaving.cabinets[0].power_w
    await lab.fault("cabinet1", Fault.REFUSED_WRITES, code=4)
    # The next heartbeat is due within 20 s; three refusals in a row are enough.
    await lab.until(lambda: lab.issue("not_following", "cabinet1"), within_s=20.0 + 10.0)
    assert lab.state("sensor.battery_cabinet_1_power") != "unavailable"
    await lab.until(lambda: cabinet.command_w is None, within_s=LAPSE_S)
    assert cabinet.lapses == 1
    await grid_is_held(lab)
    asked_s = lab.now_s
    await lab.seconds(2.0 * PAUSE_S)
    assert len(lab.writes_since(asked_s, "cabinet1")) < 2.0 * PAUSE_S / 3.0
    assert lab.logged(caplog, logging.WARNING, "no longer commanded") == 1

    await lab.mend()
    await lab.until(lambda: cabinet.power_w > 0.9 * before_w, within_s=2.0 * PAUSE_S + FOLLOWS_S)
    await lab.until(lambda: not lab.issue("not_following", "cabinet1"), within_s=10.0)
    assert lab.logged(caplog, logging.INFO, "follows commands again") == 1
    await grid_is_held(lab)


async def test_a_battery_that_ignores_commands_is_found_out_and_taken_up_again(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, cabinet, before_w = shaving, shaving.cabinets[0], shaving.cabinets[0].power_w
    await lab.fault("cabinet1", Fault.IGNORED_WRITES)
    await lab.until(lambda: cabinet.command_w is None, within_s=LAPSE_S)
    await lab.until(lambda: lab.issue("not_following", "cabinet1"), within_s=FOUND_OUT_S)
    await lab.seconds(2.0)
    let_go_s = lab.now_s
    await grid_is_held(lab)
    assert not lab.controller.crew.writers["cabinet1"].engaged
    await lab.until(lambda: bool(lab.writes_since(let_go_s, "cabinet1")), within_s=PAUSE_S)
    assert lab.issue("not_following", "cabinet1")

    await lab.mend()
    # It is on its second trial; should that end too early for it, a longer pause follows.
    again_s = FOUND_OUT_S + 2.0 * PAUSE_S + FOLLOWS_S
    await lab.until(lambda: cabinet.power_w > 0.9 * before_w, within_s=again_s)
    await lab.until(lambda: not lab.issue("not_following", "cabinet1"), within_s=10.0)
    assert lab.logged(caplog, logging.WARNING, "no longer commanded") == 1
    assert lab.logged(caplog, logging.INFO, "follows commands again") == 1
    await grid_is_held(lab)


async def test_a_battery_that_is_stuck_on_its_last_command_is_found_out(shaving: Lab) -> None:
    lab, cabinet, stuck_w = shaving, shaving.cabinets[0], shaving.cabinets[0].power_w
    await lab.fault("cabinet1", Fault.STUCK)
    # As long as it is to do what it does, nobody can tell, and nothing is wrong.
    await lab.seconds(LAPSE_S + 10.0)
    assert cabinet.power_w == pytest.approx(stuck_w, rel=0.02)
    assert not lab.issue("not_following", "cabinet1")
    await lab.call("number", "set_value", "number.lab_target_peak", value=15.0)
    await lab.until(lambda: lab.issue("not_following", "cabinet1"), within_s=FOUND_OUT_S)
    await lab.seconds(LAPSE_S)
    assert cabinet.power_w == pytest.approx(stuck_w, rel=0.02)
    # The other one charges, and gives again what is missing below the former target.
    assert lab.cabinets[1].power_w < -1_000.0
    assert lab.site.physics.grid_w <= 15_300.0
    await lab.call("number", "set_value", "number.lab_target_peak", value=SHAVING_KW)
    await grid_is_held(lab)

    await lab.mend()
    await lab.until(lambda: not lab.issue("not_following", "cabinet1"), within_s=5.0 * PAUSE_S)
    await grid_is_held(lab)


async def test_a_battery_that_does_not_let_go_is_told_again_and_the_user_hears_of_it(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, cabinet, stuck_w = shaving, shaving.cabinets[0], shaving.cabinets[0].power_w
    await lab.fault("cabinet1", Fault.STUCK)
    await lab.switch(on=False)
    began_s = lab.now_s
    await lab.until(lambda: lab.issue("not_released", "cabinet1"), within_s=18.0)
    await lab.seconds(120.0)
    assert cabinet.power_w == pytest.approx(stuck_w, rel=0.02)
    assert 2 <= len(lab.writes_since(began_s, "cabinet1")) <= 6
    assert lab.logged(caplog, logging.WARNING, "goes on with its last command") == 1

    await lab.mend()
    # What was stuck has lapsed meanwhile; it follows nobody any more.
    await lab.until(lambda: cabinet.command_w is None, within_s=2.0)
    await lab.until(lambda: not lab.issue("not_released", "cabinet1"), within_s=160.0)
    assert lab.released


async def test_the_setpoint_of_a_second_master_is_corrected(shaving: Lab) -> None:
    lab, cabinet, before_w = shaving, shaving.cabinets[0], shaving.cabinets[0].power_w
    began_s = lab.now_s
    cabinet.command(-3_000.0, lab.now_s, expires_s=lab.now_s + 600.0)
    await lab.until(lambda: cabinet.power_w < 0.0, within_s=6.0)
    await lab.until(lambda: cabinet.power_w > 0.9 * before_w, within_s=20.0)
    await lab.seconds(began_s + 20.0 - lab.now_s)
    assert len(lab.writes_since(began_s, "cabinet1")) <= 5
    assert not lab.issue("not_following", "cabinet1")


async def test_a_second_master_that_insists_is_left_the_battery(shaving: Lab) -> None:
    lab, cabinet, before_w = shaving, shaving.cabinets[0], shaving.cabinets[0].power_w
    began_s = lab.now_s
    for _ in range(50):
        cabinet.command(-3_000.0, lab.now_s, expires_s=lab.now_s + 20.0)
        await lab.seconds(1.0)
    assert lab.issue("not_following", "cabinet1")
    assert lab.writes_since(began_s + FOUND_OUT_S, "cabinet1") == []
    assert lab.site.physics.grid_w <= 1020.0 * SHAVING_KW
    await lab.until(lambda: cabinet.power_w > 0.9 * before_w, within_s=PAUSE_S + FOLLOWS_S)
    await lab.until(lambda: not lab.issue("not_following", "cabinet1"), within_s=10.0)


@pytest.mark.parametrize("soc", [0.02, 1.0])
async def test_a_state_of_charge_that_jumps_is_taken_as_it_is(shaving: Lab, soc: float) -> None:
    lab, shaved_w, cabinet = shaving, shaving.battery_w, shaving.cabinets[0]
    await lab.fault("cabinet1", Fault.SOC_JUMP, soc=soc)
    await grid_is_held(lab)
    assert lab.battery_w == pytest.approx(shaved_w, rel=0.1)
    assert (cabinet.power_w < 100.0) == (soc < 0.1)
    await lab.fault("cabinet1", Fault.SOC_JUMP, soc=0.75)
    await lab.until(lambda: cabinet.power_w > 0.6 * shaved_w, within_s=FOLLOWS_S)
    assert not lab.issue("not_following", "cabinet1")


async def test_a_battery_without_a_state_of_charge_is_released(shaving: Lab) -> None:
    lab, shaved_w, cabinet = shaving, shaving.battery_w, shaving.cabinets[0]
    await lab.fault("cabinet1", Fault.NOT_AVAILABLE, quantity=Quantity.SOC.value)
    await lab.until(lambda: cabinet.command_w is None, within_s=3.0)
    await grid_is_held(lab)
    assert lab.cabinets[1].power_w > 0.9 * shaved_w
    assert lab.state("sensor.battery_cabinet_1_state_of_charge") == "unknown"
    assert lab.state("sensor.battery_cabinet_1_power") != "unknown"

    await lab.mend()
    await lab.until(lambda: cabinet.power_w > 0.6 * shaved_w, within_s=FOLLOWS_S)


@pytest.mark.parametrize("device_id", ["cabinet1", "cabinet2"])
async def test_a_battery_whose_limits_are_reduced_gives_what_it_can(
    shaving: Lab, device_id: str
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    cabinet = lab.site.physics.batteries[device_id]
    before_w = cabinet.power_w
    await lab.fault(device_id, Fault.OVERHEAT, ambient_c=53.9)
    cabinet.temperature_c = 53.9
    await grid_is_held(lab)
    # A tenth of its power is left to it at this temperature.
    assert 0.0 < cabinet.power_w <= 0.12 * cabinet.spec.discharge_w
    # The limit is that of its cells, from which losses are still to be taken.
    assert (cabinet.command_w or 0.0) <= 1.06 * cabinet.discharge_limit_w
    assert lab.battery_w > 0.9 * shaved_w
    assert not lab.issue("not_following", device_id)

    await lab.mend()
    cabinet.temperature_c = 25.0
    await lab.until(lambda: cabinet.power_w > 0.9 * before_w, within_s=FOLLOWS_S)


@pytest.mark.parametrize("device_id", ["cabinet1", "cabinet2"])
async def test_a_battery_that_is_too_hot_is_asked_for_nothing(shaving: Lab, device_id: str) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    cabinet = lab.site.physics.batteries[device_id]
    before_w = cabinet.power_w
    await lab.fault(device_id, Fault.OVERHEAT, ambient_c=80.0)
    cabinet.temperature_c = 60.0
    await grid_is_held(lab)
    assert cabinet.power_w == 0.0
    assert cabinet.command_w == 0.0
    assert lab.battery_w > 0.9 * shaved_w
    # The other one has no register for its alarms; what it shows are its limits.
    alarm = "binary_sensor.battery_cabinet_1_alarm"
    assert (lab.state(alarm) == "on") == (device_id == "cabinet1")

    await lab.mend()
    cabinet.temperature_c = 25.0
    await lab.until(lambda: lab.state(alarm) == "off", within_s=12.0)
    await lab.until(lambda: cabinet.power_w > 0.9 * before_w, within_s=FOLLOWS_S)
    assert not lab.issue("not_following", device_id)
