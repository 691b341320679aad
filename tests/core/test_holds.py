"""What a scheduler is told of the jobs that are kept back, and what it starts by itself."""

from hypothesis import given, strategies as st

from custom_components.computeload.core.deferral import SETTLE_S, Waiting
from custom_components.computeload.core.holds import HEARD_S, Begin, Holds

NOW_S = 1_795_000_000.0
LONGEST_S = 4.0 * 3600.0
TIGHT_W, ROOMY_W = 0.0, 1e6


def look(
    holds: Holds,
    *jobs: str,
    room_w: float = TIGHT_W,
    now_s: float = NOW_S,
    longest_s: float = LONGEST_S,
    **begins_s: float,
) -> list[Begin]:
    """Look at jobs of 1 kW; all that is said is done, and shown by the scheduler."""
    waiting = [Waiting(job_id=each, power_w=1_000.0, starts_s=now_s) for each in jobs]
    told = {each: holds.told[each].not_before_s for each in jobs if each in holds.told}
    begins = holds.look(
        waiting,
        dict.fromkeys(jobs) | told | begins_s,
        room_w=room_w,
        now_s=now_s,
        longest_s=longest_s,
    )
    for each in begins:
        holds.sent(each, now_s)
    return begins


def test_a_job_that_is_kept_back_would_start_by_itself_at_its_deadline() -> None:
    (begin,) = look(Holds(), "1")
    assert begin == Begin(job_id="1", not_before_s=NOW_S + LONGEST_S, power_w=1_000.0, kept=True)


def test_the_scheduler_is_told_once() -> None:
    holds = Holds()
    look(holds, "1")
    assert look(holds, "1", now_s=NOW_S + 60.0) == []


def test_a_scheduler_that_did_not_listen_is_told_again() -> None:
    holds = Holds()
    waiting = [Waiting(job_id="1", power_w=1_000.0, starts_s=NOW_S)]
    for seconds in (0.0, 60.0):
        now_s = NOW_S + seconds
        begins = holds.look(waiting, {"1": None}, room_w=TIGHT_W, now_s=now_s, longest_s=LONGEST_S)
        assert [each.not_before_s for each in begins] == [NOW_S + LONGEST_S]


def test_a_job_is_let_go_when_there_is_room() -> None:
    holds = Holds()
    look(holds, "1")
    (begin,) = look(holds, "1", room_w=ROOMY_W, now_s=NOW_S + 60.0)
    assert (begin.job_id, begin.not_before_s, begin.kept) == ("1", NOW_S + 60.0, False)
    assert holds.told == {}


def test_a_job_that_somebody_else_let_go_is_left_alone_for_good() -> None:
    holds = Holds()
    look(holds, "1")
    later_s = NOW_S + HEARD_S + 1.0
    assert look(holds, "1", now_s=later_s, **{"1": NOW_S}) == []
    assert holds.left_alone == {"1"}
    assert look(holds, "1", now_s=later_s + 60.0) == []
    assert holds.power_w == 0.0
    look(holds, now_s=later_s + 120.0)
    assert holds.left_alone == set()


def test_a_scheduler_has_time_to_show_what_it_was_told() -> None:
    holds = Holds()
    look(holds, "1")
    look(holds, "1", now_s=NOW_S + HEARD_S - 1.0, **{"1": NOW_S})
    assert holds.left_alone == set()


def test_all_are_given_back_one_after_the_other_and_none_later_than_its_deadline() -> None:
    holds = Holds()
    look(holds, *"abc")
    now_s = NOW_S + LONGEST_S - 1.5 * SETTLE_S
    begins = holds.give_back(now_s)
    assert [each.not_before_s - now_s for each in begins] == [0.0, SETTLE_S, 1.5 * SETTLE_S]
    assert not any(each.kept for each in begins)


def test_after_an_interruption_the_deadline_is_still_the_first_one() -> None:
    holds = Holds()
    look(holds, "1")
    for each in holds.give_back(NOW_S + 600.0):
        holds.sent(each, NOW_S + 600.0)
    again = Holds.from_state(holds.to_state())
    (begin,) = look(again, "1", now_s=NOW_S + 660.0)
    assert (begin.kept, begin.not_before_s) == (True, NOW_S + LONGEST_S)


def test_what_an_outage_took_is_not_counted() -> None:
    holds = Holds()
    look(holds, "1", longest_s=24 * 3600.0)
    back_s = NOW_S + 6 * 3600.0
    holds.begin_anew(back_s)
    (begin,) = look(holds, "1", now_s=back_s)
    assert (begin.kept, begin.not_before_s) == (True, back_s + LONGEST_S)


@given(
    rooms=st.lists(
        st.tuples(st.floats(-1e4, 1e4), st.sets(st.sampled_from("abcdef"))), min_size=1, max_size=40
    )
)
def test_nobody_is_ever_kept_beyond_the_deadline(rooms: list[tuple[float, set[str]]]) -> None:
    holds, first_s = Holds(), dict[str, float]()
    for turn, (room_w, jobs) in enumerate(rooms):
        now_s = NOW_S + 1_200.0 * turn
        first_s = {each: at_s for each, at_s in first_s.items() if each in jobs}
        for begin in look(holds, *sorted(jobs), room_w=room_w, now_s=now_s):
            if begin.kept:
                first_s.setdefault(begin.job_id, now_s)
                assert now_s < begin.not_before_s <= first_s[begin.job_id] + LONGEST_S
        assert set(holds.told) == set(holds.memory.held) <= jobs
