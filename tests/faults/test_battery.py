"""A battery falls silent or restarts: the other one takes over, and gives back again."""

import logging

import pytest

from custom_components.computeload.simulator.faults import Fault

from .lab import SHAVING_KW, Injected, Lab, faults

LAPSE_S = 60.0
TAKEN_OVER_S = 8.0
"""From a battery's end to the other's power in its place: decision, command, reaction."""
BACK_S = 40.0
"""A device that was silent for long is asked every 30 s; then it is commanded and follows."""
SILENT: dict[str, Injected] = {
    "no answer": (Fault.NO_ANSWER, {}),
    "refused connection": (Fault.REFUSED_CONNECTION, {}),
    "dropped in mid-frame": (Fault.DROP_MID_FRAME, {"bytes": 5}),
    "exception": (Fault.EXCEPTION, {"code": 4}),
    "slow": (Fault.SLOW, {"delay_s": 2.0}),
}


@faults(SILENT)
async def test_a_silent_battery_lapses_and_the_other_takes_over(
    shaving: Lab,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    parameters: dict[str, float | str],
) -> None:
    lab, shaved_w, target_w = shaving, shaving.battery_w, 1000.0 * SHAVING_KW
    silent, other = lab.cabinets
    before_w = silent.power_w
    await lab.fault("cabinet1", fault, **parameters)
    await lab.until(
        lambda: lab.state("sensor.battery_cabinet_1_power") == "unavailable", within_s=9.0
    )
    assert lab.state("sensor.battery_cabinet_2_power") != "unavailable"
    # What it was told last holds until it lapses, and nobody works against it.
    while silent.command_w is not None:
        await lab.seconds(1.0)
        assert lab.site.physics.grid_w <= target_w
        assert silent.power_w == pytest.approx(before_w, rel=0.02)
        assert other.power_w < 0.5 * shaved_w
    # Of a link that only loses the answers the release has arrived.
    assert silent.lapses == (fault not in {Fault.DROP_MID_FRAME, Fault.SLOW})
    await lab.until(lambda: other.power_w > 0.95 * shaved_w, within_s=TAKEN_OVER_S)
    await lab.seconds(10.0)
    assert lab.site.physics.grid_w <= target_w
    assert lab.logged(caplog, logging.WARNING, "Battery cabinet 1") == 1

    await lab.mend()
    await lab.until(lambda: silent.power_w > 0.9 * before_w, within_s=BACK_S)
    assert lab.site.physics.grid_w <= target_w
    await lab.until(
        lambda: lab.state("sensor.battery_cabinet_1_power") != "unavailable", within_s=1.0
    )
    assert lab.logged(caplog, logging.INFO, "Battery cabinet 1: answers again") == 1


@pytest.mark.parametrize("battery", ["cabinet1", "cabinet2"])
async def test_a_battery_that_restarts_is_commanded_again(shaving: Lab, battery: str) -> None:
    cabinet = shaving.site.physics.batteries[battery]
    before_w = cabinet.power_w
    await shaving.fault(battery, Fault.RESTART, downtime_s=2.0)
    assert cabinet.command_w is None
    await shaving.until(lambda: cabinet.power_w < 0.5 * before_w, within_s=6.0)
    await shaving.until(lambda: cabinet.power_w > 0.9 * before_w, within_s=30.0)
    assert cabinet.lapses == 0
    assert not shaving.issue("not_following", battery)


async def test_a_battery_with_a_short_dropout_keeps_its_command(shaving: Lab) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    await lab.fault("cabinet1", Fault.DROP_MID_FRAME, bytes=3)
    await lab.seconds(3.0)
    await lab.mend()
    for _ in range(30):
        await lab.seconds(1.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.02)
    assert [cabinet.lapses for cabinet in lab.cabinets] == [0, 0]


async def test_a_silent_battery_is_not_flooded(shaving: Lab) -> None:
    lab = shaving
    await lab.fault("cabinet1", Fault.NO_ANSWER)
    await lab.seconds(60.0)
    requests = lab.site.ports["cabinet1"].requests
    await lab.seconds(60.0)
    assert lab.site.ports["cabinet1"].requests - requests < 30
