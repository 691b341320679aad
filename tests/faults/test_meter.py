"""The grid meter fails: what the batteries do, after how many seconds, and how all comes back."""

import logging

import pytest

from custom_components.computeload.simulator.faults import Fault

from .lab import SHAVING_KW, Injected, Lab, faults

SILENT: dict[str, Injected] = {
    "no answer": (Fault.NO_ANSWER, {}),
    "refused connection": (Fault.REFUSED_CONNECTION, {}),
    "dropped in mid-frame": (Fault.DROP_MID_FRAME, {"bytes": 5}),
    "exception": (Fault.EXCEPTION, {"code": 4}),
    "slow": (Fault.SLOW, {"delay_s": 2.0}),
}
USELESS: dict[str, Injected] = {
    "NaN": (Fault.NOT_AVAILABLE, {}),
    "factor 1000": (Fault.WRONG_VALUES, {"factor": 1000.0}),
    "40 MW": (Fault.WRONG_VALUES, {"quantity": "power_w", "value": 40e6}),
}
NOTICED_S = 7.0
"""A reading is acted on for 5 s; the last one is up to 1 s old, the next decision 1 s away."""
RAMPED_S = 18.0
"""The ramp ends when the last reading is 15 s old; commands that step back are 2 s apart."""
GIVEN_BACK_S = 63.0
FROZEN_S = 68.0
"""A minute of the same values; some are read every 5 s only, and a decision is 1 s away."""
REACTION_S = 4.0
"""From a command to its effect: the cabinets' delay, and their power's time constant."""
BACKOFF_S = 32.0
"""A device that was silent for long is asked every 30 s."""
STATE = "sensor.lab_controller_state"
REASON = "sensor.lab_controller_reason"
METER = "sensor.grid_meter_power"
LATE = pytest.mark.parametrize("into_window_s", [825.0], ids=["late"])


def left(lab: Lab, began_s: float, limit_s: float) -> float:
    """Return what is left of a time limit that began at a simulated second."""
    return limit_s - (lab.now_s - began_s)


@faults(SILENT | USELESS)
async def test_a_discharge_winds_down_is_given_back_and_resumes(
    shaving: Lab,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    parameters: dict[str, float | str],
) -> None:
    lab, shaved_w, began_s = shaving, shaving.battery_w, shaving.now_s
    await lab.fault("grid", fault, **parameters)

    await lab.until(lambda: lab.state(STATE) == "safe", within_s=NOTICED_S + 1.0)
    assert lab.state(REASON) == "meter_stale"
    assert lab.issue("meter_silent", "grid")
    assert lab.state("sensor.lab_grid_power") == "unknown"
    assert lab.state("sensor.battery_cabinet_1_power") != "unavailable"
    silent = int((fault, parameters) in SILENT.values())
    await lab.until(lambda: lab.command_w == 0.0, within_s=left(lab, began_s, RAMPED_S))
    await lab.seconds(REACTION_S)
    assert lab.battery_w < 0.1 * shaved_w
    await lab.until(lambda: lab.released, within_s=left(lab, began_s, GIVEN_BACK_S))
    given_back_s = lab.now_s
    await lab.seconds(30.0)
    assert lab.writes_since(given_back_s + 1.0) == []
    assert (lab.state(METER) == "unavailable") == silent

    await lab.mend()
    await lab.until(lambda: lab.battery_w > 0.9 * shaved_w, within_s=BACKOFF_S + REACTION_S)
    await lab.until(lambda: not lab.issue("meter_silent", "grid"), within_s=6.0)
    assert lab.logged(caplog, logging.WARNING, "silent or not believable") == 1
    assert lab.logged(caplog, logging.INFO, "relied on again") == 1
    assert lab.logged(caplog, logging.WARNING, "Grid meter: not available") == silent
    assert lab.logged(caplog, logging.INFO, "Grid meter: answers again") == silent


@faults({name: fault for name, fault in (SILENT | USELESS).items() if name in {"slow", "NaN"}})
async def test_a_charge_stops_at_once(
    charging: Lab, fault: Fault, parameters: dict[str, float | str]
) -> None:
    lab, charged_w = charging, charging.battery_w
    await lab.fault("grid", fault, **parameters)
    await lab.until(lambda: lab.command_w == 0.0, within_s=NOTICED_S)
    await lab.seconds(REACTION_S)
    assert abs(lab.battery_w) < 0.1 * abs(charged_w)

    await lab.mend()
    await lab.until(lambda: lab.battery_w < 0.9 * charged_w, within_s=BACKOFF_S + REACTION_S)


@faults(USELESS)
async def test_two_useless_answers_change_nothing(
    shaving: Lab, fault: Fault, parameters: dict[str, float | str]
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    await lab.fault("grid", fault, **parameters)
    await lab.seconds(2.0)
    await lab.mend()
    for _ in range(20):
        await lab.seconds(1.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.02)
    assert not lab.issue("meter_silent", "grid")


async def test_frozen_values_are_found_out_after_a_minute(shaving: Lab) -> None:
    lab, shaved_w, began_s = shaving, shaving.battery_w, shaving.now_s
    await lab.fault("grid", Fault.FROZEN)
    await lab.until(lambda: lab.state(STATE) == "safe", within_s=FROZEN_S)
    assert lab.now_s - began_s > 55.0
    await lab.until(lambda: lab.released, within_s=left(lab, began_s, FROZEN_S))
    assert lab.issue("meter_silent", "grid")
    assert lab.state(METER) != "unavailable"

    await lab.mend()
    await lab.until(lambda: lab.battery_w > 0.9 * shaved_w, within_s=2.0 + REACTION_S)


async def test_a_meter_that_is_silent_for_a_short_while_costs_no_shaving(shaving: Lab) -> None:
    shaved_w = shaving.battery_w
    await shaving.fault("grid", Fault.NO_ANSWER)
    await shaving.seconds(3.0)
    await shaving.mend()
    await shaving.seconds(10.0)
    assert shaving.battery_w == pytest.approx(shaved_w, rel=0.02)
    assert shaving.state(METER) != "unavailable"


@LATE
@faults(
    USELESS
    | {
        "no answer": (Fault.NO_ANSWER, {}),
        "frozen": (Fault.FROZEN, {}),
        "restart": (Fault.RESTART, {"downtime_s": 3.0}),
    }
)
async def test_no_energy_and_no_billed_peak_are_invented(
    shaving: Lab, fault: Fault, parameters: dict[str, float | str]
) -> None:
    lab = shaving
    await lab.fault("grid", fault, **parameters)
    await lab.seconds(20.0)
    await lab.mend()
    windows, true_windows = lab.controller.closed_windows, lab.site.physics.windows
    await lab.until(lambda: bool(windows and true_windows), within_s=80.0)
    account, truth = windows[0], true_windows[0]
    assert account.start == truth.start
    assert account.energy_wh <= truth.import_wh + 1.0
    assert account.energy_wh == pytest.approx(truth.import_wh, abs=80.0)
    assert account.mean_w < 1000.0 * SHAVING_KW


async def test_a_meter_that_restarts_with_its_counters_at_zero_is_taken_up_again(
    shaving: Lab,
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    await lab.fault("grid", Fault.RESTART, downtime_s=3.0)
    await lab.seconds(15.0)
    assert float(lab.state("sensor.grid_meter_energy_imported")) < 0.1
    assert lab.battery_w == pytest.approx(shaved_w, rel=0.05)
    window, truth = lab.controller.data.window, lab.site.physics.window
    assert window is not None
    assert window.energy_wh <= truth.import_wh + 1.0


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 30.0, -30.0])
async def test_a_clock_that_steps_moves_no_battery_and_invents_no_peak(
    shaving: Lab, seconds: float
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    await lab.fault("site", Fault.CLOCK_SKEW, seconds=seconds)
    for _ in range(30):
        await lab.seconds(1.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.25)
    await lab.mend()
    for _ in range(30):
        await lab.seconds(1.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.25)
    assert all(w.mean_w <= 1000.0 * SHAVING_KW for w in lab.controller.closed_windows)
    assert not lab.issue("meter_silent", "grid")
