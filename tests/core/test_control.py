"""The control law as a specification: what is asked of the batteries, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from custom_components.computeload.core.control import decide
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.site import (
    BatteryState,
    ControlState,
    Decision,
    GridState,
    Limits,
    Memory,
    PvState,
    Sent,
    SiteState,
    Strategy,
)
from custom_components.computeload.core.window import Source, Window

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LIMITS = Limits(connection_w=50_000.0, target_w=20_000.0, soc_min=0.1, reserve=0.2)


def battery(**changes: object) -> BatteryState:
    base = BatteryState(
        asset_id="b1",
        power_w=0.0,
        soc=0.5,
        reading_s=100.0,
        capacity_wh=40_000.0,
        charge_limit_w=15_000.0,
        discharge_limit_w=15_000.0,
        heartbeat_s=20.0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def window(*, mean_so_far_w: float, elapsed_s: float) -> Window:
    return Window(
        start=START,
        energy_wh=mean_so_far_w * elapsed_s / 3600.0,
        covered_s=elapsed_s,
        source=Source.COUNTER,
    )


def site(
    grid_w: float, *batteries: BatteryState, elapsed_s: float = 0.0, **changes: object
) -> SiteState:
    base = SiteState(
        now=START + timedelta(seconds=elapsed_s),
        monotonic_s=100.0,
        grid=GridState(power_w=grid_w, age_s=0.0),
        window=window(mean_so_far_w=20_000.0, elapsed_s=elapsed_s),
        batteries=batteries or (battery(),),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def setpoint(decision: Decision, asset_id: str = "b1") -> float:
    value = decision.setpoints[asset_id]
    assert value is not None
    return value


def test_a_load_above_the_target_is_covered_down_to_the_target() -> None:
    decision = decide(site(30_000.0), LIMITS, Memory())
    assert setpoint(decision) == pytest.approx(10_000.0, abs=150.0)
    assert (decision.state, decision.reason) == (ControlState.SHAVING, Reason.PEAK)
    assert decision.peak_at_risk
    assert not decision.peak_unavoidable


def test_what_an_easy_start_of_the_window_saved_may_be_drawn_later() -> None:
    state = site(28_000.0, elapsed_s=450.0, window=window(mean_so_far_w=10_000.0, elapsed_s=450.0))
    decision = decide(state, LIMITS, Memory())
    assert decision.state is ControlState.IDLE
    assert decision.projected_mean_w == pytest.approx(19_000.0)
    assert not decision.peak_at_risk


def test_what_was_overdrawn_is_won_back_before_the_window_ends() -> None:
    state = site(20_000.0, elapsed_s=450.0, window=window(mean_so_far_w=25_000.0, elapsed_s=450.0))
    assert setpoint(decide(state, LIMITS, Memory())) == pytest.approx(5_000.0, abs=250.0)


@pytest.mark.parametrize("elapsed_s", [0.0, 600.0, 880.0, 890.0, 899.0])
def test_a_window_that_is_on_its_target_stays_on_it_to_its_last_second(elapsed_s: float) -> None:
    aim_w = LIMITS.target_w * 0.995
    on_track = window(mean_so_far_w=aim_w, elapsed_s=elapsed_s)
    decision = decide(site(30_000.0, elapsed_s=elapsed_s, window=on_track), LIMITS, Memory())
    assert decision.allowed_w == pytest.approx(aim_w)


def test_a_hopeless_rest_of_a_window_is_not_chased_in_its_last_seconds() -> None:
    state = site(20_000.0, elapsed_s=895.0, window=window(mean_so_far_w=25_000.0, elapsed_s=895.0))
    assert setpoint(decide(state, LIMITS, Memory())) == pytest.approx(100.0, abs=1.0)


def test_time_in_which_the_meter_was_not_heard_counts_as_drawn_at_the_target() -> None:
    unheard = Window(start=START, energy_wh=0.0, covered_s=0.0, source=Source.POWER)
    decision = decide(site(25_000.0, elapsed_s=600.0, window=unheard), LIMITS, Memory())
    assert setpoint(decision) == pytest.approx(5_000.0, abs=150.0)


def test_below_the_target_the_battery_recharges_with_room_to_spare() -> None:
    decision = decide(site(10_000.0), LIMITS, Memory())
    assert -9_000.0 < setpoint(decision) < -7_000.0
    assert (decision.state, decision.reason) == (ControlState.CHARGING, Reason.RECHARGE)


def test_recharging_never_takes_the_window_above_its_target() -> None:
    state = site(10_000.0, elapsed_s=450.0, window=window(mean_so_far_w=28_000.0, elapsed_s=450.0))
    decision = decide(state, LIMITS, Memory())
    charge_w = -setpoint(decision)
    assert charge_w <= 2_000.0
    assert state.window is not None
    assert state.window.projected_mean_w(state.now, 10_000.0 + charge_w) <= LIMITS.target_w


def test_a_window_below_a_peak_that_is_billed_already_costs_no_battery() -> None:
    decision = decide(site(26_000.0, billed_peak_w=30_000.0), LIMITS, Memory())
    assert setpoint(decision) <= 0.0
    assert not decision.peak_at_risk


def test_above_the_billed_peak_shaving_starts_again() -> None:
    decision = decide(site(34_000.0, billed_peak_w=30_000.0), LIMITS, Memory())
    assert setpoint(decision) == pytest.approx(4_000.0, abs=200.0)
    assert decision.peak_at_risk


def test_the_connection_limit_is_kept_at_every_instant_whatever_the_window_allows() -> None:
    state = site(58_000.0, elapsed_s=450.0, window=window(mean_so_far_w=0.0, elapsed_s=450.0))
    decision = decide(state, replace(LIMITS, target_w=45_000.0), Memory())
    assert setpoint(decision) >= 8_000.0
    assert decision.reason is Reason.CONNECTION_LIMIT


def test_an_operator_limit_below_the_connection_is_kept_and_named() -> None:
    decision = decide(site(15_000.0), replace(LIMITS, operator_w=4_200.0), Memory())
    assert setpoint(decision) == pytest.approx(10_800.0)
    assert decision.reason is Reason.OPERATOR_LIMIT


def test_the_fullest_phase_decides_where_the_meter_gives_phases() -> None:
    grid = GridState(power_w=30_000.0, age_s=0.0, phase_w=(16_000.0, 8_000.0, 6_000.0))
    limits = replace(LIMITS, target_w=45_000.0, phase_w=14_000.0)
    decision = decide(site(30_000.0, grid=grid), limits, Memory())
    assert setpoint(decision) == pytest.approx(6_000.0)
    assert decision.reason is Reason.CONNECTION_LIMIT


def test_the_backup_reserve_is_not_spent_on_a_peak() -> None:
    decision = decide(site(30_000.0, battery(soc=0.2)), LIMITS, Memory())
    assert setpoint(decision) == 0.0
    assert decision.peak_unavoidable
    assert decision.shortfall_w == pytest.approx(10_100.0)


def test_the_backup_reserve_does_serve_the_connection_limit() -> None:
    decision = decide(site(60_000.0, battery(soc=0.2)), LIMITS, Memory())
    assert setpoint(decision) >= 10_000.0


def test_an_empty_battery_says_so() -> None:
    decision = decide(site(60_000.0, battery(soc=0.1)), LIMITS, Memory())
    assert setpoint(decision) == 0.0
    assert decision.reason in {Reason.EMPTY, Reason.UNAVOIDABLE}


def test_a_full_battery_is_left_alone() -> None:
    decision = decide(site(5_000.0, battery(soc=1.0)), LIMITS, Memory())
    assert setpoint(decision) == 0.0
    assert (decision.state, decision.reason) == (ControlState.IDLE, Reason.IDLE)


def test_several_batteries_share_by_the_energy_they_have_left() -> None:
    full, low = battery(asset_id="full", soc=0.8), battery(asset_id="low", soc=0.4)
    decision = decide(site(30_000.0, full, low), LIMITS, Memory())
    total = setpoint(decision, "full") + setpoint(decision, "low")
    assert total == pytest.approx(10_100.0, abs=2.0)
    assert setpoint(decision, "full") == pytest.approx(3.0 * setpoint(decision, "low"), rel=0.02)


def test_what_one_battery_cannot_give_falls_to_the_other() -> None:
    weak = battery(asset_id="weak", discharge_limit_w=1_000.0)
    strong = battery(asset_id="strong")
    decision = decide(site(30_000.0, weak, strong), LIMITS, Memory())
    assert setpoint(decision, "weak") == pytest.approx(1_000.0)
    assert setpoint(decision, "strong") == pytest.approx(9_100.0, abs=2.0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), None])
def test_a_battery_whose_state_of_charge_is_not_known_is_given_back(broken: float | None) -> None:
    memory = Memory(sent={"b1": Sent(power_w=5_000.0, at_s=90.0, changed_s=90.0)})
    decision = decide(site(30_000.0, battery(soc=broken)), LIMITS, memory)
    assert decision.setpoints["b1"] is None
    assert [(c.asset_id, c.power_w) for c in decision.commands] == [("b1", None)]


def test_a_load_step_is_answered_at_once_and_only_once_while_the_battery_moves() -> None:
    first = decide(site(30_000.0), LIMITS, Memory())
    assert [c.power_w for c in first.commands] == [pytest.approx(10_100.0, abs=2.0)]
    # The meter sees the battery's effect already, its own reading is still the old one.
    moved = site(20_000.0, battery(power_w=0.0, reading_s=100.0), monotonic_s=100.6)
    second = decide(moved, LIMITS, first.memory)
    assert second.natural_w == pytest.approx(30_000.0)
    assert second.commands == ()


def test_a_further_step_is_seen_while_the_battery_still_moves() -> None:
    first = decide(site(30_000.0), LIMITS, Memory())
    second = decide(site(33_000.0, monotonic_s=100.4), LIMITS, first.memory)
    assert setpoint(second) == pytest.approx(13_100.0, abs=5.0)


def test_a_command_is_not_repeated_before_its_heartbeat_is_due() -> None:
    memory = decide(site(30_000.0), LIMITS, Memory()).memory
    settled = battery(power_w=10_100.0, reading_s=119.0)
    quiet = decide(site(19_900.0, settled, monotonic_s=119.0), LIMITS, memory)
    assert quiet.commands == ()
    due = decide(site(19_900.0, settled, monotonic_s=120.5), LIMITS, quiet.memory)
    assert len(due.commands) == 1
    assert due.memory.sent["b1"].changed_s == 100.0


def test_a_silent_meter_stops_charging_at_once_and_winds_discharging_down() -> None:
    charging = Memory(sent={"b1": Sent(power_w=-8_000.0, at_s=90.0, changed_s=90.0)})
    silent = GridState(power_w=10_000.0, age_s=6.0)
    decision = decide(site(0.0, grid=silent), LIMITS, charging)
    assert (decision.state, decision.reason) == (ControlState.SAFE, Reason.METER_STALE)
    assert setpoint(decision) == 0.0

    memory = Memory(sent={"b1": Sent(power_w=15_000.0, at_s=90.0, changed_s=90.0)})
    powers = []
    for age_s in (5.5, 8.0, 11.0, 15.5):
        state = site(0.0, grid=GridState(power_w=30_000.0, age_s=age_s), monotonic_s=100.0 + age_s)
        decision = decide(state, LIMITS, memory)
        memory = decision.memory
        powers.append(setpoint(decision))
    assert powers == sorted(powers, reverse=True)
    assert powers[-1] == 0.0


def test_after_a_minute_without_the_meter_the_batteries_are_released() -> None:
    memory = Memory(sent={"b1": Sent(power_w=0.0, at_s=90.0, changed_s=90.0)})
    for grid in (GridState(power_w=1.0, age_s=61.0), None):
        decision = decide(site(0.0, grid=grid), LIMITS, memory)
        assert [c.power_w for c in decision.commands] == [None]
        assert decision.memory.sent == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 4.0e7, -4.0e7])
def test_a_meter_value_that_cannot_be_true_is_treated_as_silence(value: float) -> None:
    decision = decide(site(value), LIMITS, Memory())
    assert decision.state is ControlState.SAFE


def test_nothing_is_held_on_a_meter_that_never_said_anything_believable() -> None:
    memory = Memory(sent={"b1": Sent(power_w=5_000.0, at_s=90.0, changed_s=90.0)})
    decision = decide(site(4.0e7), LIMITS, memory)
    assert [c.power_w for c in decision.commands] == [None]


def test_a_battery_that_cannot_be_commanded_counts_as_a_part_of_the_load() -> None:
    silent = battery(asset_id="b2", power_w=6_000.0, usable=False)
    decision = decide(site(24_000.0, battery(), silent), LIMITS, Memory())
    assert decision.natural_w == 24_000.0
    assert setpoint(decision) == pytest.approx(4_100.0, abs=150.0)


def test_when_the_grid_is_gone_every_battery_is_free_to_carry_the_site() -> None:
    memory = Memory(sent={"b1": Sent(power_w=-5_000.0, at_s=90.0, changed_s=90.0)})
    decision = decide(site(0.0, grid_present=False), LIMITS, memory)
    assert decision.state is ControlState.ISLANDED
    assert [c.power_w for c in decision.commands] == [None]


def test_discharge_is_never_fed_into_the_grid() -> None:
    limits = replace(LIMITS, strategy=Strategy.SELF_CONSUMPTION)
    decision = decide(site(3_000.0), limits, Memory())
    assert setpoint(decision) == pytest.approx(3_000.0)
    assert decision.reason is Reason.SELF_CONSUMPTION


def test_self_consumption_charges_from_surplus_only() -> None:
    limits = replace(LIMITS, strategy=Strategy.SELF_CONSUMPTION)
    decision = decide(site(-4_000.0), limits, Memory())
    assert setpoint(decision) == pytest.approx(-4_000.0)
    assert decision.reason is Reason.SURPLUS


def test_feed_in_above_its_limit_is_charged_first_and_curtailed_after() -> None:
    pv = PvState(asset_id="pv", power_w=30_000.0, rated_w=35_000.0)
    limits = replace(LIMITS, export_w=5_000.0)
    decision = decide(site(-25_000.0, pv=(pv,)), limits, Memory())
    assert setpoint(decision) == pytest.approx(-15_000.0)
    curtailed = next(c for c in decision.commands if c.asset_id == "pv")
    assert curtailed.power_w == pytest.approx(25_000.0)


def test_a_curtailment_is_lifted_when_there_is_room_again() -> None:
    pv = PvState(asset_id="pv", power_w=25_000.0, rated_w=35_000.0)
    memory = Memory(sent_pv={"pv": Sent(power_w=25_000.0, at_s=90.0, changed_s=90.0)})
    decision = decide(site(4_000.0, pv=(pv,)), replace(LIMITS, export_w=5_000.0), memory)
    assert [c.power_w for c in decision.commands if c.asset_id == "pv"] == [None]


def test_without_any_battery_the_law_still_reports_the_peak() -> None:
    decision = decide(replace(site(30_000.0), batteries=()), LIMITS, Memory())
    assert decision.reason in {Reason.NO_BATTERY, Reason.UNAVOIDABLE}
    assert decision.peak_unavoidable
    assert decision.commands == ()
