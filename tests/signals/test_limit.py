"""The grid operator's limit: what is in force, whatever becomes of its signal."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.signals.limit import (
    GRACE,
    Heard,
    LimitKeeper,
    Rule,
    Source,
    limit_in_text,
)

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULE = Rule(fail_safe_w=4200.0)


def says(limit_w: float | None, at: datetime = START, until: datetime | None = None) -> Heard:
    """Return a signal that has just said this."""
    return Heard(limit_w=limit_w, since=at, reported=at, until=until)


def test_a_limit_holds_until_the_signal_takes_it_back() -> None:
    keeper = LimitKeeper(RULE)
    assert keeper.in_force(says(None), START).source is Source.NONE
    limited = keeper.in_force(says(9000.0), START + MINUTE)
    assert (limited.limit_w, limited.source, limited.until) == (9000.0, Source.SIGNAL, None)
    assert keeper.in_force(says(9000.0), START + 600 * MINUTE).limit_w == 9000.0
    assert keeper.in_force(says(None), START + 601 * MINUTE).limit_w is None


def test_who_has_never_heard_the_signal_keeps_to_the_fail_safe_value() -> None:
    keeper = LimitKeeper(RULE)
    for minutes in (0, 5, 60 * 24 * 30):
        now = keeper.in_force(None, START + minutes * MINUTE)
        assert (now.limit_w, now.source) == (4200.0, Source.FAIL_SAFE)


@pytest.mark.parametrize("limit_w", [9000.0, None])
def test_when_the_signal_is_lost_its_last_word_holds_for_a_moment_and_the_fail_safe_value_after(
    limit_w: float | None,
) -> None:
    keeper = LimitKeeper(RULE)
    keeper.in_force(says(limit_w), START)
    assert keeper.in_force(None, START + GRACE).limit_w == limit_w
    after = keeper.in_force(None, START + GRACE + timedelta(seconds=1))
    assert (after.limit_w, after.source) == (4200.0, Source.FAIL_SAFE)
    assert keeper.in_force(None, START + timedelta(days=365)).limit_w == 4200.0
    assert keeper.in_force(says(None, START + timedelta(days=365)), START).limit_w is None


def test_a_limit_with_a_duration_ends_by_itself_and_not_at_once() -> None:
    keeper = LimitKeeper(Rule(fail_safe_w=4200.0, lasts=120 * MINUTE))
    limited = keeper.in_force(says(9000.0), START)
    assert (limited.limit_w, limited.until) == (9000.0, START + 120 * MINUTE)
    assert keeper.in_force(says(9000.0), START + 119 * MINUTE).limit_w == 9000.0
    assert keeper.in_force(says(9000.0), START + 120 * MINUTE).limit_w is None


def test_an_event_ends_when_it_says_even_if_nobody_takes_it_back() -> None:
    keeper = LimitKeeper(RULE)
    event = says(9000.0, until=START + 15 * MINUTE)
    assert keeper.in_force(event, START + 14 * MINUTE).until == START + 15 * MINUTE
    assert keeper.in_force(event, START + 15 * MINUTE).limit_w is None


def test_a_signal_that_has_not_been_reported_for_too_long_is_lost() -> None:
    keeper = LimitKeeper(Rule(fail_safe_w=4200.0, silence=10 * MINUTE))
    assert keeper.in_force(says(None), START + 10 * MINUTE).source is Source.NONE
    stale = keeper.in_force(says(None), START + 13 * MINUTE)
    assert (stale.limit_w, stale.source) == (4200.0, Source.FAIL_SAFE)
    fresh = keeper.in_force(says(None, START + 14 * MINUTE), START + 14 * MINUTE)
    assert fresh.source is Source.NONE


words = st.one_of(
    st.none(),
    st.builds(
        lambda limit, since, ago: Heard(
            limit_w=limit,
            since=START - since * MINUTE,
            reported=START - ago * MINUTE,
            until=None,
        ),
        st.one_of(st.none(), st.floats(1.0, 1e6)),
        st.integers(0, 500),
        st.integers(0, 500),
    ),
)


@given(st.lists(st.tuples(words, st.integers(0, 300)), max_size=12))
def test_a_lost_signal_never_lifts_a_limit(history: list[tuple[Heard | None, int]]) -> None:
    keeper = LimitKeeper(Rule(fail_safe_w=4200.0, silence=30 * MINUTE))
    now = START
    for heard, minutes in history:
        now += minutes * MINUTE
        in_force = keeper.in_force(heard, now)
        assert in_force.limit_w is None or in_force.limit_w > 0.0
    lost = keeper.in_force(None, now + GRACE + MINUTE)
    assert lost.limit_w == 4200.0


@pytest.mark.parametrize(
    ("text", "limit_w"),
    [
        ("Max. 40 kW", 40_000.0),
        ("GOPACS 12,5 kW until noon", 12_500.0),
        ("limit 4.2kW", 4200.0),
        ("800 W", 800.0),
        ("1.2 MW", 1_200_000.0),
        ("0 kW", None),
        ("40 kWh", None),
        ("order 17", None),
        ("", None),
        (None, None),
        (40, None),
    ],
)
def test_an_event_may_name_its_limit(text: object, limit_w: float | None) -> None:
    assert limit_in_text(text) == limit_w
