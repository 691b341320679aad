"""Which waiting jobs are kept back: only while there is no room, and never for too long."""

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.deferral import (
    SETTLE_S,
    SOON_S,
    Deferral,
    Held,
    Waiting,
    decide_starts,
    give_w,
)
from custom_components.computeload.core.site import BatteryState

NOW_S = 1_795_000_000.0
HOUR_S = 3600.0
LONGEST_S = 4.0 * HOUR_S


def job(name: str, power_w: float, in_s: float | None = 0.0) -> Waiting:
    return Waiting(job_id=name, power_w=power_w, starts_s=None if in_s is None else NOW_S + in_s)


def held_for(**seconds: float) -> Deferral:
    return Deferral({j: Held(since_s=NOW_S - s, power_w=1_000.0) for j, s in seconds.items()})


@pytest.mark.parametrize(
    ("power_w", "in_s", "held"),
    [
        pytest.param(900.0, 0.0, False, id="there is room"),
        pytest.param(1_100.0, 0.0, True, id="there is none"),
        pytest.param(1_100.0, None, True, id="nobody knows when it starts"),
        pytest.param(1_100.0, SOON_S + 1.0, False, id="it is far away"),
    ],
)
def test_a_job_is_kept_back_when_it_would_start_and_there_is_no_room(
    power_w: float, in_s: float | None, held: bool
) -> None:
    starts = decide_starts([job("a", power_w, in_s)], 1_000.0, NOW_S, LONGEST_S, Deferral())
    assert starts.hold == (("a",) if held else ())
    assert starts.release == ()


def test_a_job_that_is_due_is_let_go_though_there_is_no_room() -> None:
    starts = decide_starts([job("a", 1_000.0)], -5_000.0, NOW_S, LONGEST_S, held_for(a=LONGEST_S))
    assert starts.release == ("a",)
    assert starts.overdue == {"a"}
    assert starts.memory.held == {}


def test_the_longest_held_goes_first_and_nobody_overtakes_it() -> None:
    waiting = [job("small", 200.0), job("young", 1_000.0), job("old", 1_000.0)]
    memory = held_for(young=60.0, old=7_200.0)
    starts = decide_starts(waiting, 1_500.0, NOW_S, LONGEST_S, memory)
    assert starts.release == ("old",)
    assert set(starts.memory.held) == {"young", "small"}


def test_what_was_let_go_takes_its_room_before_it_shows_in_the_draw() -> None:
    first = decide_starts(
        [job("a", 1_000.0), job("b", 1_000.0)], 1_200.0, NOW_S, LONGEST_S, held_for(a=9.0, b=8.0)
    )
    assert first.release == ("a",)
    again = decide_starts([job("b", 1_000.0)], 1_200.0, NOW_S + 60.0, LONGEST_S, first.memory)
    assert again.release == ()
    later = decide_starts([job("b", 1_000.0)], 1_200.0, NOW_S + SETTLE_S, LONGEST_S, again.memory)
    assert later.release == ("b",)


def test_batteries_count_with_what_they_can_give_for_hours() -> None:
    battery = BatteryState(
        asset_id="b",
        power_w=0.0,
        soc=0.6,
        reading_s=0.0,
        capacity_wh=40_000.0,
        charge_limit_w=10_000.0,
        discharge_limit_w=10_000.0,
    )
    assert give_w([battery], floor=0.1, hours=4.0) == pytest.approx(5_000.0)
    assert give_w([battery], floor=0.1, hours=1.0) == 10_000.0
    assert give_w([battery], floor=0.9) == 0.0


names = st.sampled_from("abcdefgh")
jobs = st.builds(
    Waiting,
    job_id=names,
    power_w=st.floats(0.0, 1e5),
    starts_s=st.none() | st.floats(NOW_S - 1e5, NOW_S + 1e5),
)
memories = st.dictionaries(
    names,
    st.builds(Held, since_s=st.floats(NOW_S - 1e5, NOW_S + 1e5), power_w=st.floats(0.0, 1e5)),
).map(Deferral)


@given(
    st.lists(jobs, max_size=8, unique_by=lambda each: each.job_id),
    st.floats(-1e6, 1e6),
    memories,
    st.floats(0.0, LONGEST_S),
)
def test_whatever_comes_nobody_is_held_too_long_and_nobody_is_forgotten(
    waiting: list[Waiting], room_w: float, memory: Deferral, longest_s: float
) -> None:
    starts = decide_starts(waiting, room_w, NOW_S, longest_s, memory)
    there = {each.job_id for each in waiting}
    kept, gone = set(starts.memory.held), set(starts.release)
    assert kept | gone <= there
    assert set(starts.hold) == kept - set(memory.held)
    assert gone <= set(memory.held)
    # Of those held before that still wait, each stays held or is let go.
    assert (set(memory.held) & there) == (kept & set(memory.held)) | gone
    for job_id in kept & set(memory.held):
        assert memory.held[job_id].due_s(longest_s) > NOW_S
        assert starts.memory.held[job_id].since_s == memory.held[job_id].since_s
    with_room = sum(each.power_w for each in waiting if each.job_id in gone - starts.overdue)
    assert with_room <= max(room_w, 0.0) or not gone - starts.overdue
