"""Every mistake in sign, unit, phase or role is found, and the proposed fix mends it."""

from dataclasses import replace
from random import Random

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.core.overrides import Overrides
from custom_components.computeload.core.proof import Check, Verdict, blocking
from custom_components.computeload.core.proof_trace import Trace

from .proof_site import NIGHT, RATED_W, Cabinet, Site, job, keys, steady

INVERTED = Overrides(sign=-1)
TURNED_CT = Overrides(sign=-1, swap_counters=True)


def test_a_sound_site_passes_within_seconds_of_a_trial() -> None:
    site = Site()
    site.run(12)
    site.try_out()
    assert site.failed() == []
    assert blocking(site.findings(), site.subjects) == ()
    assert site.finding(Check.COMMAND, "battery").key == "command_passed"


def test_before_anything_was_tried_the_battery_blocks() -> None:
    site = Site()
    site.run(12)
    assert keys(blocking(site.findings(), site.subjects)) == {"command_not_tried"}


def test_before_anything_was_heard_everything_blocks() -> None:
    site = Site()
    found = blocking(site.findings(), site.subjects)
    assert {(f.check, f.asset_id) for f in found} == {
        (Check.FRESHNESS, "meter"),
        (Check.SIGN, "meter"),
        (Check.UNIT, "meter"),
        (Check.COMMAND, "battery"),
    }


MISTAKES = {
    "a grid meter that calls export positive": ("meter", INVERTED, Check.SIGN),
    "a grid meter on transformers mounted the wrong way round": ("meter", TURNED_CT, Check.SIGN),
    "a grid meter in kW": ("meter", Overrides(scale=1000.0), Check.UNIT),
    "a grid meter in mW": ("meter", Overrides(scale=0.001), Check.UNIT),
    "one phase of the grid meter turned": (
        "meter",
        Overrides(phase_signs=(1, -1, 1)),
        Check.PHASES,
    ),
    "a branch meter that is turned": ("branch", INVERTED, Check.SIGN),
    "a branch meter in mW": ("branch", Overrides(scale=0.001), Check.UNIT),
    "an inverter that calls production negative": ("pv", INVERTED, Check.SIGN),
    "a battery in mW": ("battery", Overrides(scale=0.001), Check.UNIT),
    "a battery in kW": ("battery", Overrides(scale=1000.0), Check.UNIT),
    "a battery that calls charging positive": ("battery", INVERTED, Check.SIGN),
    "a battery that takes commands the other way round": (
        "battery",
        Overrides(command_sign=-1),
        Check.COMMAND,
    ),
}


@pytest.mark.parametrize(("asset_id", "mistake", "check"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_found_and_one_click_mends_it(
    asset_id: str, mistake: Overrides, check: Check
) -> None:
    cabinet = Cabinet(other_way=mistake.command_sign < 0)
    site = Site(load=steady(6_000.0), cabinet=cabinet, mistakes={asset_id: mistake})
    site.pv = steady(300.0)
    site.run(20)
    if site.finding(check, asset_id).verdict is not Verdict.FAILED:
        site.try_out()
    finding = site.finding(check, asset_id)
    assert finding.verdict is Verdict.FAILED, finding
    # Phases concern limits per phase, branches and PV concern what is shown.
    concerns_control = asset_id in {"meter", "battery"} and check is not Check.PHASES
    assert not concerns_control or blocking(site.findings(), site.subjects)

    site.apply(finding)
    corrected = site.corrections[asset_id]
    assert corrected.sign == mistake.sign
    assert corrected.scale == pytest.approx(mistake.scale)
    assert corrected.phase_signs == mistake.phase_signs
    assert corrected.command_sign == mistake.command_sign
    site.run(20)
    site.try_out()
    assert site.failed() == []
    assert blocking(site.findings(), site.subjects) == ()


def test_a_meter_and_a_battery_that_are_both_turned_are_not_taken_for_right() -> None:
    cabinet = Cabinet(other_way=True)
    site = Site(cabinet=cabinet, mistakes={"meter": INVERTED, "battery": INVERTED})
    site.run(20)
    site.try_out()
    # They agree with each other; only that the site seems to give gives them away.
    assert site.finding(Check.SIGN, "meter").verdict is Verdict.FAILED
    assert blocking(site.findings(), site.subjects)


def test_what_cannot_be_told_at_noon_is_not_guessed() -> None:
    site = Site(load=steady(3_000.0), pv=steady(6_000.0), mistakes={"meter": INVERTED})
    site.run(20)
    site.try_out()
    found = site.finding(Check.SIGN, "meter")
    assert (found.verdict, found.key, found.fix) == (Verdict.FAILED, "sign_grid_or_battery", None)
    assert site.finding(Check.COMMAND, "battery").verdict is Verdict.WAITING


def test_a_grid_meter_that_hangs_on_a_branch_is_found_by_the_battery() -> None:
    site = Site(swapped=True, branch=steady(5_000.0))
    site.run(20)
    site.try_out()
    found = site.finding(Check.ROLE, "branch")
    assert found.key == "role_grid_other_moves"
    site.apply(found)
    assert not site.swapped
    site.run(20)
    site.try_out()
    assert blocking(site.findings(), site.subjects) == ()


def test_a_branch_larger_than_the_site_is_found_without_any_battery_moving() -> None:
    site = Site(swapped=True, branch=steady(1_000.0))
    site.run(60)
    found = site.finding(Check.ROLE, "meter")
    assert found.key == "role_branch_above_site"
    site.apply(found)
    assert not site.swapped


def test_counters_that_count_the_other_way_are_swapped_once_the_power_is_proven() -> None:
    site = Site(mistakes={"meter": Overrides(swap_counters=True)})
    site.run(300)
    found = site.finding(Check.COUNTERS, "meter")
    assert found.key == "counters_other_way"
    site.apply(found)
    assert site.corrections["meter"].swap_counters
    assert site.corrections["meter"].sign == 1
    site.run(300)
    assert site.finding(Check.COUNTERS, "meter").verdict is Verdict.PASSED


def test_counters_in_another_unit_are_found() -> None:
    site = Site(mistakes={"meter": Overrides(counter_scale=1000.0)}, counter_step_wh=0.1)
    site.run(300)
    found = site.finding(Check.COUNTERS, "meter")
    assert found.key == "counters_unit"
    site.apply(found)
    assert site.corrections["meter"].counter_scale == pytest.approx(1000.0)


def test_a_counter_that_runs_ahead_of_the_power_is_called_a_drift() -> None:
    site = Site(mistakes={"meter": Overrides(counter_scale=0.8)})
    site.run(1200)
    found = site.finding(Check.COUNTERS, "meter")
    assert found.key == "counters_drift"
    assert found.figures["percent"] == pytest.approx(125.0, abs=2.0)


def test_a_battery_whose_charge_falls_while_it_claims_to_charge_is_found_without_a_trial() -> None:
    site = Site(mistakes={"battery": INVERTED}, load=steady(12_000.0))
    site.cabinet.power_w = 8_000.0
    site.run(900)
    found = site.finding(Check.SIGN, "battery")
    assert found.key == "sign_battery_against_charge"
    assert found.fix is not None
    assert found.fix.change.sign == -1


def test_a_transformer_turned_over_while_control_runs_is_found() -> None:
    site = Site(load=steady(9_000.0))
    site.run(600)
    assert site.failed() == []
    site.mistakes = {"meter": TURNED_CT}
    for _ in range(300):
        site.tick()
        # What self-consumption does: charge what seems to be fed in.
        seems_w = site.said["meter"].values[Quantity.POWER_W]
        assert isinstance(seems_w, float)
        step_w = max(min(seems_w, 500.0), -500.0)
        site.cabinet.power_w = max(min(site.cabinet.power_w + step_w, RATED_W), -RATED_W)
    assert site.finding(Check.SIGN, "meter").verdict is Verdict.FAILED
    assert site.finding(Check.BALANCE, "").verdict is Verdict.FAILED


def test_a_meter_that_was_away_for_a_night_is_fresh_soon_after() -> None:
    site = Site()
    site.run(20)
    for _ in range(5_000):
        site.traces["meter"].miss()
    assert site.finding(Check.FRESHNESS, "meter").verdict is Verdict.FAILED
    site.run(120)
    assert site.finding(Check.FRESHNESS, "meter").verdict is Verdict.PASSED


def test_a_battery_that_gives_more_than_the_load_and_calls_it_taking_is_told_from_the_meter() -> (
    None
):
    site = Site(load=steady(3_000.0), mistakes={"battery": INVERTED})
    site.cabinet.power_w = 5_000.0
    site.run(30)
    assert site.finding(Check.SIGN, "meter").verdict is Verdict.WAITING
    balance = site.finding(Check.BALANCE, "")
    assert balance.key == "balance_one_turned"
    site.apply(balance)
    site.run(30)
    assert site.corrections["battery"].sign == -1
    assert site.failed() == []


def test_a_source_that_was_not_added_is_asked_for_and_nothing_is_turned() -> None:
    site = Site(load=steady(2_000.0), pv=steady(8_000.0), with_pv=False)
    site.run(30)
    site.try_out()
    found = site.finding(Check.SIGN, "meter")
    assert (found.key, found.fix) == ("sign_grid_source_missing", None)
    assert site.finding(Check.BALANCE, "").fix is None


def test_phases_that_do_not_add_up_to_the_total_are_named() -> None:
    site, trace = Site(), Trace(poll_s=1.0)
    for _ in range(30):
        site.tick()
        said = site.said["meter"]
        trace.add(replace(said, values={**said.values, Quantity.POWER_L1_W: 9_000.0}))
    site.traces["meter"] = trace
    assert site.finding(Check.PHASES, "meter").key == "phases_sum"


@pytest.mark.parametrize(
    ("asset_id", "key"),
    [("meter", "freshness_frozen"), ("battery", "freshness_passed")],
)
def test_a_meter_that_stands_still_is_frozen_while_a_battery_may_rest(
    asset_id: str, key: str
) -> None:
    site = Site(load=job(2_000.0, 9_000.0, every_s=5.0))
    site.run(20)
    site.try_out()
    last = site.said[asset_id]
    for second in range(120):
        values = {**last.values, Quantity.POWER_W: 90.0, Quantity.VOLTAGE_L1_V: 400.0}
        still = replace(last, monotonic_s=last.monotonic_s + second, values=values)
        site.traces[asset_id].add(still)
    assert site.traces[asset_id].frozen
    assert site.finding(Check.FRESHNESS, asset_id).key == key


def test_a_device_that_misses_polls_is_not_fresh() -> None:
    site = Site()
    site.run(20)
    for _ in range(10):
        site.traces["meter"].miss()
    assert site.finding(Check.FRESHNESS, "meter").key == "freshness_missed"


sites = st.builds(
    Site,
    load=st.one_of(
        st.floats(0.0, 20_000.0).map(steady),
        st.builds(job, st.floats(0.0, 4_000.0), st.floats(5_000.0, 20_000.0), st.floats(20, 200)),
    ),
    pv=st.one_of(
        st.just(NIGHT),
        st.floats(0.0, 15_000.0).map(steady),
        st.builds(job, st.floats(0.0, 500.0), st.floats(1_000.0, 9_000.0), st.floats(20, 200)),
    ),
    branch=st.one_of(
        st.floats(0.0, 8_000.0).map(steady),
        st.builds(job, st.floats(0.0, 500.0), st.floats(1_000.0, 9_000.0), st.floats(20, 200)),
    ),
    noise_w=st.sampled_from([0.5, 5.0, 50.0, 300.0]),
    random=st.integers(0, 10_000).map(Random),
    with_pv=st.just(True),
    with_volts=st.booleans(),
    counter_step_wh=st.sampled_from([0.1, 1.0, 10.0, 100.0]),
)


@settings(max_examples=40, deadline=None)
@given(site=sites, own_w=st.sampled_from([0.0, -40.0, 3_000.0, -3_000.0]))
def test_a_sound_site_is_never_accused(site: Site, own_w: float) -> None:
    """By night, without sun, at a constant load or none, whatever its battery does."""
    site.cabinet.own_w = site.cabinet.power_w = own_w
    for seconds in (3, 8, 30, 100, 400):
        site.run(seconds)
        assert site.failed() == []
    site.try_out()
    wrong = [f for f in site.failed() if f.check is not Check.COMMAND]
    assert wrong == []
    command = site.finding(Check.COMMAND, "battery")
    assert command.verdict in (Verdict.PASSED, Verdict.WAITING), command


@settings(max_examples=30, deadline=None)
@given(
    load_w=st.floats(3_000.0, 18_000.0),
    noise_w=st.sampled_from([0.0, 10.0, 60.0]),
    seed=st.integers(0, 10_000),
    which=st.sampled_from(sorted(MISTAKES)),
)
def test_every_mistake_is_found_at_any_load(
    load_w: float, noise_w: float, seed: int, which: str
) -> None:
    asset_id, mistake, check = MISTAKES[which]
    cabinet = Cabinet(other_way=mistake.command_sign < 0)
    site = Site(
        load=steady(load_w),
        pv=steady(300.0),
        branch=steady(0.25 * load_w),
        noise_w=noise_w,
        random=Random(seed),  # noqa: S311 - noise
        cabinet=cabinet,
        mistakes={asset_id: mistake},
    )
    site.run(30)
    if site.finding(check, asset_id).verdict is not Verdict.FAILED:
        site.try_out()
    finding = site.finding(check, asset_id)
    if asset_id == "branch" and finding.verdict is Verdict.WAITING:
        # A branch in mW that is small enough could be a large one in W.
        assert mistake.scale < 1.0
        return
    assert finding.verdict is Verdict.FAILED, finding
    site.apply(finding)
    site.run(30)
    site.try_out()
    assert site.failed() == []
