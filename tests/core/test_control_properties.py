"""Whatever the field reports, ``decide`` answers with commands inside all limits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import math

from hypothesis import given, settings, strategies as st

from custom_components.computeload.core.control import SOC_GUARD, decide
from custom_components.computeload.core.site import (
    BatteryState,
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
anything = st.floats(allow_nan=True, allow_infinity=True)
power = st.one_of(st.floats(-2e5, 2e5), anything)
limit = st.one_of(st.floats(0.0, 1e5), anything)
share_of = st.one_of(st.floats(0.0, 1.0), anything)


@st.composite
def batteries(draw: st.DrawFn, asset_id: str) -> BatteryState:
    return BatteryState(
        asset_id=asset_id,
        power_w=draw(st.none() | power),
        soc=draw(st.none() | share_of),
        reading_s=draw(st.floats(0.0, 200.0)),
        capacity_wh=draw(st.one_of(st.floats(0.0, 1e6), anything)),
        charge_limit_w=draw(limit),
        discharge_limit_w=draw(limit),
        usable=draw(st.booleans()),
        heartbeat_s=draw(st.none() | st.floats(0.1, 100.0)),
        min_interval_s=draw(st.floats(0.0, 10.0)),
        resolution_w=draw(st.sampled_from([0.0, 1.0, 10.0, 100.0])),
    )


@st.composite
def sites(draw: st.DrawFn) -> SiteState:
    elapsed_s = draw(st.floats(0.0, 900.0))
    phases = st.tuples(power, power, power)
    return SiteState(
        now=START + timedelta(seconds=elapsed_s),
        monotonic_s=draw(st.floats(0.0, 200.0)),
        grid=draw(
            st.none()
            | st.builds(GridState, power_w=power, age_s=anything, phase_w=st.none() | phases)
            | st.builds(GridState, power_w=power, age_s=st.just(0.0), phase_w=st.none() | phases)
        ),
        window=draw(
            st.none()
            | st.builds(
                Window,
                start=st.just(START),
                energy_wh=st.one_of(st.floats(0.0, 1e5), anything),
                covered_s=st.floats(0.0, 900.0),
                source=st.just(Source.POWER),
            )
        ),
        billed_peak_w=draw(power),
        batteries=tuple(draw(batteries(f"b{i}")) for i in range(draw(st.integers(0, 3)))),
        pv=draw(
            st.just(())
            | st.tuples(
                st.builds(PvState, asset_id=st.just("pv"), power_w=st.none() | power, rated_w=limit)
            )
        ),
        grid_present=draw(st.booleans()),
    )


all_limits = st.builds(
    Limits,
    connection_w=limit,
    target_w=limit,
    phase_w=st.none() | limit,
    operator_w=st.none() | limit,
    export_w=st.none() | limit,
    soc_min=share_of,
    soc_max=share_of,
    reserve=share_of,
    strategy=st.sampled_from(Strategy),
)
memories = st.builds(
    Memory,
    natural_w=st.none() | power,
    sent=st.dictionaries(
        st.sampled_from(["b0", "b1", "b2"]),
        st.builds(
            Sent,
            power_w=st.none() | st.floats(-1e5, 1e5),
            at_s=st.floats(0.0, 200.0),
            changed_s=st.floats(0.0, 200.0),
        ),
    ),
)


def most(value: float) -> float:
    return max(value, 0.0) if math.isfinite(value) else 0.0


@settings(max_examples=400, deadline=None)
@given(state=sites(), limits=all_limits, memory=memories)
def test_no_command_is_ever_outside_what_the_battery_takes_or_gives(
    state: SiteState, limits: Limits, memory: Memory
) -> None:
    decision = decide(state, limits, memory)
    by_id = {b.asset_id: b for b in state.batteries}
    for command in decision.commands:
        battery = by_id.get(command.asset_id)
        if command.power_w is None:
            continue
        assert math.isfinite(command.power_w)
        if battery is None:
            assert command.asset_id == "pv"
            assert command.power_w >= 0.0
            continue
        assert battery.usable
        low_w, high_w = -most(battery.charge_limit_w), most(battery.discharge_limit_w)
        assert low_w - 1e-6 <= command.power_w <= high_w + 1e-6


@settings(max_examples=300, deadline=None)
@given(state=sites(), limits=all_limits, memory=memories)
def test_no_setpoint_leaves_the_bounds_of_the_state_of_charge(
    state: SiteState, limits: Limits, memory: Memory
) -> None:
    decision = decide(state, limits, memory)
    by_id = {b.asset_id: b for b in state.batteries}
    for asset_id, power_w in decision.setpoints.items():
        if power_w is None:
            continue
        soc = by_id[asset_id].soc
        assert soc is not None
        if power_w > 0.0 and decision.reason != "meter_stale":
            assert soc > most(limits.soc_min) + SOC_GUARD - 1e-9
        if power_w < 0.0:
            assert soc < (most(limits.soc_max) if math.isfinite(limits.soc_max) else 1.0)


@settings(max_examples=200, deadline=None)
@given(state=sites(), limits=all_limits, memory=memories)
def test_published_numbers_are_finite_or_absent(
    state: SiteState, limits: Limits, memory: Memory
) -> None:
    decision = decide(state, limits, memory)
    for value in (
        decision.natural_w,
        decision.allowed_w,
        decision.headroom_w,
        decision.projected_mean_w,
        decision.shortfall_w,
    ):
        assert value is None or math.isfinite(value)


@settings(max_examples=200, deadline=None)
@given(
    load_w=st.floats(0.0, 45_000.0),
    soc=st.floats(0.3, 0.9),
    elapsed_s=st.floats(0.0, 880.0),
    mean_w=st.floats(0.0, 19_000.0),
)
def test_a_window_with_enough_battery_is_projected_at_or_below_its_target(
    load_w: float, soc: float, elapsed_s: float, mean_w: float
) -> None:
    state = SiteState(
        now=START + timedelta(seconds=elapsed_s),
        monotonic_s=100.0,
        grid=GridState(power_w=load_w, age_s=0.0),
        window=Window(
            start=START,
            energy_wh=mean_w * elapsed_s / 3600.0,
            covered_s=elapsed_s,
            source=Source.COUNTER,
        ),
        batteries=(
            BatteryState(
                asset_id="b1",
                power_w=0.0,
                soc=soc,
                reading_s=100.0,
                capacity_wh=1e6,
                charge_limit_w=60_000.0,
                discharge_limit_w=60_000.0,
            ),
        ),
    )
    limits = Limits(connection_w=50_000.0, target_w=20_000.0)
    given_w = _power(decide(state, limits, Memory()))
    assert state.window is not None
    assert state.window.projected_mean_w(state.now, load_w - given_w) <= limits.target_w + 1.0


@settings(max_examples=100, deadline=None)
@given(load_w=st.floats(0.0, 60_000.0), seconds=st.integers(5, 60))
def test_a_constant_load_is_answered_once_and_then_left_alone(load_w: float, seconds: int) -> None:
    limits = Limits(connection_w=80_000.0, target_w=20_000.0)
    memory, power_w, writes = Memory(), 0.0, 0
    for second in range(seconds):
        battery = BatteryState(
            asset_id="b1",
            power_w=power_w,
            soc=0.5,
            reading_s=float(second),
            capacity_wh=1e6,
            charge_limit_w=60_000.0,
            discharge_limit_w=60_000.0,
        )
        state = SiteState(
            now=START + timedelta(seconds=second),
            monotonic_s=float(second),
            grid=GridState(power_w=load_w - power_w, age_s=0.0),
            window=None,
            batteries=(battery,),
        )
        decision = decide(state, limits, memory)
        memory = decision.memory
        for command in decision.commands:
            assert command.power_w is not None
            power_w = command.power_w
            writes += 1
    assert writes <= 1 + (power_w == 0.0)


def _power(decision: Decision) -> float:
    return sum(p for p in decision.setpoints.values() if p is not None)


def test_shadow_mode_needs_no_memory_of_commands() -> None:
    state = SiteState(
        now=START,
        monotonic_s=1.0,
        grid=GridState(power_w=1_000.0, age_s=0.0),
        window=None,
    )
    first = decide(state, Limits(connection_w=1e4, target_w=5e3), Memory())
    again = decide(state, Limits(connection_w=1e4, target_w=5e3), replace(first.memory, sent={}))
    assert again.setpoints == first.setpoints
