"""A battery's trial: what it finds out, and that it always ends with a release."""

from dataclasses import replace
import math

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.core.overrides import Overrides
from custom_components.computeload.core.proof import Check, Verdict
from custom_components.computeload.core.proof_trial import (
    PATIENCE_S,
    Phase,
    Trial,
    make_plan,
    obstacle,
    trial_power_w,
)
from custom_components.computeload.core.site import BatteryState, GridState, Limits

from .proof_site import CONTRACT, Cabinet, Site, job

BATTERY = BatteryState(
    asset_id="battery",
    power_w=0.0,
    soc=0.5,
    reading_s=0.0,
    capacity_wh=20_000.0,
    charge_limit_w=10_000.0,
    discharge_limit_w=10_000.0,
)
GRID = GridState(power_w=6_000.0, age_s=0.3)
LIMITS = Limits(connection_w=25_000.0, target_w=10_000.0)


def tried(cabinet: Cabinet, **site: object) -> tuple[Verdict, str, Site]:
    """Try a battery out; return the verdict and its sentence."""
    lab = Site(cabinet=cabinet, **site)  # type: ignore[arg-type]
    lab.run(12)
    lab.try_out()
    found = lab.finding(Check.COMMAND, "battery")
    return found.verdict, found.key, lab


def test_a_battery_that_does_as_told_passes_and_is_measured() -> None:
    _, key, lab = tried(Cabinet(delay_s=2.0))
    result = lab.trials["battery"]
    assert key == "command_passed"
    assert result.delay_s == pytest.approx(2.5, abs=1.0)
    assert result.error_share == pytest.approx(0.0, abs=0.01)
    assert result.released is True
    assert result.meters["meter"].value == pytest.approx(-1.0, abs=0.1)


@pytest.mark.parametrize(
    ("cabinet", "verdict", "key"),
    [
        (Cabinet(ignores=True), Verdict.FAILED, "command_ignored"),
        (Cabinet(other_way=True), Verdict.FAILED, "command_other_way"),
        (Cabinet(gives=0.7), Verdict.FAILED, "command_inaccurate"),
        (Cabinet(gives=0.4), Verdict.FAILED, "command_inaccurate"),
        (Cabinet(delay_s=14.0), Verdict.PASSED, "command_passed"),
        (Cabinet(keeps=True), Verdict.FAILED, "command_not_released"),
    ],
    ids=["ignores", "other way", "inaccurate", "hardly moves", "slow", "keeps on"],
)
def test_what_is_wrong_with_a_battery_is_called_by_name(
    cabinet: Cabinet, verdict: Verdict, key: str
) -> None:
    assert tried(cabinet)[:2] == (verdict, key)


def test_a_battery_that_reacts_too_late_to_be_controlled_does_not_pass() -> None:
    assert tried(Cabinet(delay_s=40.0))[0] is not Verdict.PASSED


def test_a_battery_that_moves_unseen_by_itself_is_told_from_one_that_ignores() -> None:
    assert tried(Cabinet(), mistakes={"battery": Overrides(scale=1e9)})[1] == "command_not_seen"


def test_a_battery_under_its_own_control_is_tried_as_well_and_goes_back_to_it() -> None:
    cabinet = Cabinet(own_w=-2_000.0, power_w=-2_000.0)
    assert tried(cabinet)[1] == "command_passed"
    assert cabinet.told_w is None
    assert cabinet.power_w == -2_000.0


def test_a_load_that_jumps_in_between_leaves_the_question_open() -> None:
    verdict, key, _ = tried(Cabinet(), load=job(2_000.0, 15_000.0, 9.0))
    assert (verdict, key) == (Verdict.WAITING, "command_restless")


def test_a_battery_that_seldom_speaks_is_given_time() -> None:
    assert tried(Cabinet(), battery_every_s=7.0)[1] == "command_passed"


def test_a_battery_that_hardly_ever_speaks_is_not_called_disobedient() -> None:
    site = Site(battery_every_s=60.0)
    site.run(61)
    site.try_out()
    found = site.finding(Check.COMMAND, "battery")
    assert (found.verdict, found.key) == (Verdict.WAITING, "command_few_readings")


def test_one_jump_of_the_load_is_not_taken_for_a_meter_that_is_turned() -> None:
    for second in range(12, 45):
        _, key, lab = tried(Cabinet(), load=job(8_000.0, 16_000.0, float(second)))
        assert key in {"command_passed", "command_restless"}
        assert lab.finding(Check.SIGN, "meter").verdict is Verdict.PASSED


def test_a_short_lapse_is_waited_for() -> None:
    site = Site(cabinet=Cabinet(lapses_s=10.0))
    site.run(12)
    site.try_out(contract=replace(CONTRACT, lapse_s=10.0))
    assert site.finding(Check.COMMAND, "battery").key == "command_passed_lapsed"
    assert site.trials["battery"].lapsed is True


def test_a_command_that_does_not_lapse_as_the_profile_says_fails() -> None:
    site = Site(cabinet=Cabinet())
    site.run(12)
    site.try_out(contract=replace(CONTRACT, lapse_s=10.0))
    assert site.finding(Check.COMMAND, "battery").key == "command_not_lapsed"


def test_a_long_lapse_is_not_waited_for() -> None:
    plan = make_plan(BATTERY, CONTRACT, 1_000.0, [1.0])
    assert plan.lapse_s is None
    assert plan.longest_s < 130.0


def test_a_slow_battery_is_told_again_before_its_command_lapses() -> None:
    site = Site(cabinet=Cabinet(delay_s=14.0, lapses_s=12.0))
    site.run(12)
    site.try_out(contract=replace(CONTRACT, lapse_s=60.0, heartbeat_s=5.0))
    assert site.trials["battery"].stopped is None
    assert site.finding(Check.COMMAND, "battery").verdict is Verdict.PASSED


@settings(max_examples=60, deadline=None)
@given(
    when=st.integers(0, 45),
    why=st.sampled_from(["user", "meter_silent", "battery_silent", "connection_full"]),
    cabinet=st.builds(Cabinet, delay_s=st.floats(0.5, 20.0), ignores=st.booleans()),
)
def test_whenever_it_is_stopped_the_last_order_is_a_release(
    when: int, why: str, cabinet: Cabinet
) -> None:
    site = Site(cabinet=cabinet)
    site.run(12)
    trial = Trial(make_plan(BATTERY, CONTRACT, 1_000.0, [1.0, 1.0]))
    for second in range(200):
        site.tick()
        if second == when and why == "user":
            trial.stop(why)
        site.step(trial, why if second >= when and why != "user" else None)
        if trial.done:
            break
        assert cabinet.told_w is None or abs(cabinet.told_w) == 1_000.0
    assert trial.done
    assert cabinet.told_w is None
    if second < when:
        assert trial.result().stopped is None
    elif trial.result().stopped is not None:
        assert trial.result().stopped == why
        site.trials["battery"] = trial.result()
        found = site.finding(Check.COMMAND, "battery")
        assert (found.verdict, found.key) == (Verdict.WAITING, f"trial_{why}")


def test_a_stopped_trial_asks_for_nothing_before_its_first_command() -> None:
    site = Site()
    site.run(12)
    trial = Trial(make_plan(BATTERY, CONTRACT, 1_000.0, [1.0]))
    trial.stop("user")
    site.step(trial)
    assert trial.phase is Phase.RELEASE
    assert site.said["battery"].number(Quantity.SETPOINT_W) is None


@pytest.mark.parametrize(
    ("battery", "grid", "present", "key"),
    [
        (BATTERY, GRID, True, None),
        (BATTERY, None, True, "meter_silent"),
        (BATTERY, replace(GRID, age_s=9.0), True, "meter_silent"),
        (BATTERY, GRID, False, "grid_lost"),
        (replace(BATTERY, usable=False), GRID, True, "battery_silent"),
        (replace(BATTERY, soc=None), GRID, True, "battery_silent"),
        (replace(BATTERY, power_w=math.nan), GRID, True, "battery_silent"),
        (replace(BATTERY, soc=0.05), GRID, True, "too_empty"),
        (replace(BATTERY, soc=1.0), GRID, True, "too_full"),
        (BATTERY, replace(GRID, power_w=25_500.0), True, "connection_full"),
        (BATTERY, replace(GRID, power_w=-25_500.0), True, "connection_full"),
    ],
)
def test_a_trial_is_held_off_by_what_could_do_harm(
    battery: BatteryState, grid: GridState | None, present: bool, key: str | None
) -> None:
    assert obstacle(battery, grid, LIMITS, grid_present=present) == key


def test_it_takes_a_tenth_of_the_rating() -> None:
    assert trial_power_w(BATTERY, GRID, LIMITS, 0.1) == 1_000.0


@settings(max_examples=200)
@given(
    grid_w=st.floats(-30_000.0, 30_000.0),
    charge_w=st.floats(0.0, 20_000.0),
    discharge_w=st.floats(0.0, 20_000.0),
    operator_w=st.one_of(st.none(), st.floats(0.0, 25_000.0)),
    export_w=st.one_of(st.none(), st.floats(0.0, 5_000.0)),
    phases=st.one_of(st.none(), st.tuples(*[st.floats(-9_000.0, 9_000.0)] * 3)),
    share=st.sampled_from([0.1, 0.2, 0.3]),
)
def test_it_never_asks_for_more_than_the_connection_and_the_battery_allow(
    *,
    grid_w: float,
    charge_w: float,
    discharge_w: float,
    operator_w: float | None,
    export_w: float | None,
    phases: tuple[float, float, float] | None,
    share: float,
) -> None:
    battery = replace(BATTERY, charge_limit_w=charge_w, discharge_limit_w=discharge_w)
    grid = replace(GRID, power_w=grid_w, phase_w=phases)
    limits = replace(LIMITS, operator_w=operator_w, export_w=export_w, phase_w=8_000.0)
    power_w = trial_power_w(battery, grid, limits, share)
    if power_w is None:
        return
    assert 0.0 < power_w <= min(charge_w, discharge_w)
    assert grid_w + power_w <= min(25_000.0, math.inf if operator_w is None else operator_w) + 1e-6
    assert export_w is None or grid_w - power_w >= -export_w - 1e-6
    assert phases is None or max(map(abs, phases)) + power_w / 3.0 <= 8_000.0 + 1e-6


def test_what_it_may_take_at_most_is_known_before_it_begins() -> None:
    plan = make_plan(BATTERY, CONTRACT, 1_000.0, [1.0])
    assert plan.longest_s == pytest.approx(4 * 3.0 + 7 * PATIENCE_S + 3 * 3.5)
