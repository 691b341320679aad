"""Battery cabinets: energy, limits, obedience, lapse."""

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.simulator.cabinet import (
    Alarm,
    BatteryPhysics,
    BatterySpec,
    OwnControl,
)

STEP_S = 0.5


def cabinet(**changes: object) -> BatteryPhysics:
    spec: dict[str, object] = {
        "id": "b",
        "name": "B",
        "capacity_wh": 10000.0,
        "charge_w": 5000.0,
        "discharge_w": 5000.0,
        "standby_w": 0.0,
    }
    return BatteryPhysics(BatterySpec(**(spec | changes)), STEP_S)  # type: ignore[arg-type]


def run(battery: BatteryPhysics, seconds: float, from_s: float = 0.0, grid_w: float = 0.0) -> float:
    """Let time pass; return the simulated second at the end."""
    steps = round(seconds / STEP_S)
    for step in range(1, steps + 1):
        battery.tick(from_s + step * STEP_S, grid_w)
        battery.account(STEP_S)
    return from_s + steps * STEP_S


def test_a_command_is_obeyed_after_the_delay_and_not_before() -> None:
    battery = cabinet(delay_s=2.0, ramp_s=1.0)
    battery.command(3000.0, 0.0)
    now_s = run(battery, 1.5)
    assert battery.power_w == 0.0
    now_s = run(battery, 1.0, now_s)
    assert 0 < battery.power_w < 3000
    run(battery, 8.0, now_s)
    assert battery.power_w == pytest.approx(3000.0, rel=0.01)


def test_of_several_commands_on_their_way_each_takes_effect_in_turn() -> None:
    battery = cabinet(delay_s=4.0, ramp_s=0.01)
    battery.command(1000.0, 0.0)
    battery.command(2000.0, 2.0)
    now_s = run(battery, 5.0)
    assert battery.power_w == pytest.approx(1000.0)
    run(battery, 2.0, now_s)
    assert battery.power_w == pytest.approx(2000.0)


def test_discharging_takes_more_out_of_the_cells_than_it_gives() -> None:
    battery = cabinet(soc_start=0.8, discharge_efficiency=0.9, delay_s=0.0)
    battery.command(2000.0, 0.0)
    run(battery, 1800)
    given_wh = battery.discharged_ws / 3600
    assert given_wh == pytest.approx(1000.0, rel=0.01)
    assert (0.8 - battery.soc) * 10000 == pytest.approx(given_wh / 0.9, rel=1e-6)


def test_charging_puts_less_into_the_cells_than_it_takes() -> None:
    battery = cabinet(soc_start=0.3, charge_efficiency=0.9, delay_s=0.0)
    battery.command(-2000.0, 0.0)
    run(battery, 1800)
    taken_wh = battery.charged_ws / 3600
    assert (battery.soc - 0.3) * 10000 == pytest.approx(taken_wh * 0.9, rel=1e-6)


def test_an_idle_cabinet_loses_its_standby() -> None:
    battery = cabinet(soc_start=0.5, standby_w=100.0)
    run(battery, 3600)
    assert battery.stored_wh == pytest.approx(4900.0)


def test_power_tapers_towards_full_and_ends_there() -> None:
    battery = cabinet(soc_start=0.9, delay_s=0.0)
    battery.command(-5000.0, 0.0)
    now_s = run(battery, 10)
    assert battery.power_w == pytest.approx(-5000.0, rel=0.01)
    now_s = run(battery, 700, now_s)
    assert -5000 < battery.power_w < -50
    run(battery, 7200, now_s)
    assert battery.charge_limit_w < 50
    assert battery.soc == pytest.approx(1.0, abs=0.002)


def test_discharge_ends_at_the_floor_with_an_alarm() -> None:
    battery = cabinet(soc_start=0.12, soc_floor=0.1, delay_s=0.0)
    battery.command(5000.0, 0.0)
    run(battery, 7200)
    assert battery.soc == pytest.approx(0.1, abs=0.001)
    battery.set_soc(0.1)
    assert battery.alarms == (Alarm.LOW_SOC,)
    assert battery.discharge_limit_w == 0.0


def test_heat_takes_power_back_and_is_reported() -> None:
    battery = cabinet(soc_start=0.5)
    battery.ambient_c = 50.0
    now_s = run(battery, 6 * 3600)
    assert 45 < battery.temperature_c < 55
    assert Alarm.OVER_TEMPERATURE in battery.alarms
    assert 0 < battery.discharge_limit_w < 3000
    battery.command(5000.0, now_s)
    run(battery, 30, now_s)
    assert battery.power_w == pytest.approx(battery.discharge_limit_w, rel=0.01)


def test_cold_takes_charging_back_but_not_discharging() -> None:
    battery = cabinet(soc_start=0.5, ambient_c=0.0)
    assert battery.charge_limit_w == pytest.approx(2500.0)
    assert battery.discharge_limit_w == 5000.0
    assert battery.alarms == (Alarm.UNDER_TEMPERATURE,)


def test_a_command_that_is_not_repeated_lapses_to_idle() -> None:
    battery = cabinet()
    battery.command(2000.0, 0.0, expires_s=60.0)
    now_s = run(battery, 59)
    assert battery.command_w == 2000.0
    run(battery, 15, now_s)
    assert battery.command_w is None
    assert battery.lapses == 1
    assert battery.power_w == pytest.approx(0.0, abs=1.0)


def test_a_lapse_may_go_to_a_stated_power() -> None:
    battery = cabinet()
    battery.command(2000.0, 0.0, expires_s=10.0, revert_to_w=-500.0)
    run(battery, 30)
    assert battery.command_w == -500.0
    assert battery.power_w == pytest.approx(-500.0, rel=0.01)


def test_an_uncommanded_cabinet_may_look_after_self_consumption() -> None:
    battery = cabinet(own_control=OwnControl.SELF_CONSUMPTION, soc_start=0.5)
    load_w, now_s = 1800.0, 0.0
    for _ in range(60):
        now_s = run(battery, 0.5, now_s, load_w - battery.power_w)
    assert battery.power_w == pytest.approx(load_w, rel=0.02)
    battery.command(0.0, now_s)
    run(battery, 10, now_s, load_w)
    assert battery.power_w == pytest.approx(0.0, abs=5)


@given(
    commands=st.lists(
        st.tuples(st.floats(-9000, 9000), st.floats(0.5, 900)), min_size=1, max_size=12
    ),
    soc=st.floats(0, 1),
    charge=st.floats(0.8, 1),
    discharge=st.floats(0.8, 1),
    ambient_c=st.floats(-10, 60),
)
def test_energy_is_conserved_and_soc_stays_between_floor_and_full(
    commands: list[tuple[float, float]],
    soc: float,
    charge: float,
    discharge: float,
    ambient_c: float,
) -> None:
    battery = cabinet(
        soc_start=soc,
        charge_efficiency=charge,
        discharge_efficiency=discharge,
        ambient_c=ambient_c,
        soc_floor=0.0,
    )
    now_s = 0.0
    for power_w, seconds in commands:
        battery.command(power_w, now_s)
        now_s = run(battery, seconds, now_s)
        assert 0.0 <= battery.min_soc <= battery.soc <= battery.max_soc <= 1.0
        assert -5000.0 <= battery.power_w <= 5000.0
    cells_wh = (battery.charged_ws * charge - battery.discharged_ws / discharge) / 3600
    assert (battery.soc - soc) * 10000 == pytest.approx(cells_wh, abs=1e-3)
