"""Metering windows as a specification: nothing invented, nothing lost."""

from datetime import UTC, datetime, timedelta
import json
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.computeload.core.window import (
    PeakLog,
    Source,
    Window,
    WindowTracker,
    window_start,
)

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def feed(
    tracker: WindowTracker,
    seconds: range,
    power_w: float | None,
    counter_wh: float | None = None,
) -> list[Window]:
    """Feed one sample a second; the counter, if any, follows the power."""
    closed: list[Window] = []
    for second in seconds:
        counter = (
            None
            if counter_wh is None
            else counter_wh + (power_w or 0.0) * (second - seconds.start) / 3600.0
        )
        closed += tracker.update(START + timedelta(seconds=second), float(second), power_w, counter)
    return closed


def test_a_window_starts_on_the_utc_quarter() -> None:
    at = datetime(2026, 3, 29, 2, 37, 12, tzinfo=ZoneInfo("Asia/Kathmandu"))
    start = window_start(at)
    assert start <= at < start + timedelta(minutes=15)
    assert start.minute % 15 == 0
    assert start.tzinfo is UTC


def test_constant_power_closes_a_window_with_that_mean() -> None:
    tracker = WindowTracker()
    (closed,) = feed(tracker, range(901), 12_000.0)
    assert closed.mean_w == pytest.approx(12_000.0)
    assert closed.covered_s == pytest.approx(900.0)
    assert closed.source is Source.POWER


def test_export_does_not_lower_what_was_imported() -> None:
    tracker = WindowTracker()
    feed(tracker, range(450), 10_000.0)
    feed(tracker, range(450, 900), -30_000.0)
    assert tracker.window is not None
    assert tracker.window.energy_wh == pytest.approx(10_000.0 * 449.5 / 3600.0, rel=0.01)


def test_the_counter_is_believed_over_the_power() -> None:
    tracker = WindowTracker()
    closed: list[Window] = []
    for second in range(901):
        # The power reads 3 % low, as a drifting current transformer does.
        closed += tracker.update(
            START + timedelta(seconds=second), float(second), 9_700.0, 1e6 + second * 10_000 / 3600
        )
    assert closed[0].mean_w == pytest.approx(10_000.0, rel=1e-4)


def test_a_coarse_counter_and_power_agree_on_the_window() -> None:
    tracker = WindowTracker()
    closed: list[Window] = []
    for second in range(901):
        exact_wh = second * 9_000.0 / 3600.0
        closed += tracker.update(
            START + timedelta(seconds=second), float(second), 8_800.0, exact_wh // 100.0 * 100.0
        )
    assert closed[0].source is Source.COUNTER
    assert closed[0].energy_wh == pytest.approx(2_250.0, abs=100.0)


def test_a_gap_adds_no_energy_without_a_counter() -> None:
    tracker = WindowTracker()
    feed(tracker, range(100), 10_000.0)
    tracker.update(START + timedelta(seconds=500), 500.0, 10_000.0)
    assert tracker.window is not None
    assert tracker.window.covered_s == pytest.approx(99.0)
    assert tracker.window.energy_wh == pytest.approx(10_000.0 * 99.0 / 3600.0)


def test_a_gap_over_hours_is_spread_over_its_windows_and_makes_no_peak() -> None:
    tracker = WindowTracker()
    feed(tracker, range(60), 20_000.0, 1e6)
    after = START + timedelta(hours=2)
    closed = tracker.update(after, 7200.0, 20_000.0, 1e6 + 40_000.0)
    assert len(closed) == 8
    assert max(w.mean_w for w in closed) == pytest.approx(20_000.0, rel=0.01)
    assert sum(w.energy_wh for w in closed) == pytest.approx(40_000.0, rel=0.001)


@pytest.mark.parametrize("value", [0.0, 5e9])
def test_a_counter_that_falls_or_leaps_is_not_believed(value: float) -> None:
    tracker = WindowTracker(plausible_w=50_000.0)
    feed(tracker, range(100), 10_000.0, 1e6)
    before = tracker.window
    tracker.update(START + timedelta(seconds=100), 100.0, 10_000.0, value)
    assert tracker.rejected == 1
    assert before is not None
    assert tracker.window is not None
    assert tracker.window.energy_wh - before.energy_wh == pytest.approx(10_000.0 / 3600.0)
    # From the new value on it counts again.
    tracker.update(START + timedelta(seconds=101), 101.0, 10_000.0, value + 10_000.0 / 3600.0)
    assert tracker.rejected == 1


def test_a_restart_goes_on_in_the_same_window() -> None:
    tracker = WindowTracker()
    feed(tracker, range(300), 10_000.0, 1e6)
    saved = json.loads(json.dumps(tracker.to_state()))
    restarted = WindowTracker()
    restarted.restore(saved)
    counter_wh = 1e6 + 10_000.0 * 400.0 / 3600.0
    restarted.update(START + timedelta(seconds=400), 7.0, 10_000.0, counter_wh)
    assert restarted.window is not None
    assert restarted.window.energy_wh == pytest.approx(10_000.0 * 400.0 / 3600.0, rel=0.001)


def test_restarts_between_two_steps_of_a_coarse_counter_count_nothing_twice() -> None:
    tracker = WindowTracker()
    for second in range(900):
        exact_wh = second * 8_000.0 / 3600.0
        tracker.update(
            START + timedelta(seconds=second), float(second), 8_000.0, exact_wh // 100.0 * 100.0
        )
        if second % 130 == 129:
            saved = json.loads(json.dumps(tracker.to_state()))
            tracker = WindowTracker()
            tracker.restore(saved)
    assert tracker.window is not None
    assert tracker.window.energy_wh == pytest.approx(8_000.0 * 899.0 / 3600.0, abs=20.0)


def test_a_clock_set_back_within_a_window_does_not_make_a_peak() -> None:
    tracker = WindowTracker()
    feed(tracker, range(800), 8_000.0)
    for second in range(800, 1500):
        tracker.update(START + timedelta(seconds=second - 600), float(second), 8_000.0)
    assert tracker.window is not None
    assert tracker.window.mean_w <= 8_000.0


def test_a_clock_set_back_does_not_count_anything_twice() -> None:
    tracker = WindowTracker()
    feed(tracker, range(100), 10_000.0)
    closed = tracker.update(START - timedelta(hours=1), 100.0, 10_000.0)
    assert len(closed) == 1
    assert tracker.window is not None
    assert tracker.window.energy_wh == 0.0


@pytest.mark.parametrize("state", [{}, {"start": "x"}, {"start": None}])
def test_a_damaged_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        WindowTracker().restore(state)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 400.0),
            st.none() | st.floats(-1e5, 1e5) | st.just(float("nan")),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_energy_of_all_windows_is_what_a_sound_counter_counted(
    samples: list[tuple[float, float | None]],
) -> None:
    tracker = WindowTracker()
    at_s, counter_wh, power = 0.0, 5_000.0, 0.0
    closed: list[Window] = []
    tracker.update(START, 0.0, 0.0, counter_wh)
    for step_s, power_w in samples:
        at_s += step_s
        power = power_w if power_w is not None and power_w == power_w else power  # noqa: PLR0124
        counter_wh += max(power, 0.0) * step_s / 3600.0
        closed += tracker.update(START + timedelta(seconds=at_s), at_s, power_w, counter_wh)
    assert tracker.window is not None
    total = sum(w.energy_wh for w in closed) + tracker.window.energy_wh
    assert total >= counter_wh - 5_000.0 - 1e-6
    assert all(w.covered_s <= w.length_s + 1e-9 for w in closed)
    starts = [w.start for w in closed]
    assert starts == sorted(set(starts))


def test_the_billed_peak_is_the_highest_window_of_the_local_month() -> None:
    log = PeakLog(ZoneInfo("Europe/Berlin"))
    # 23:30 UTC on 31 March is 1 April in Berlin.
    for start, mean_w in (
        (datetime(2026, 3, 31, 12, 0, tzinfo=UTC), 30_000.0),
        (datetime(2026, 3, 31, 23, 30, tzinfo=UTC), 20_000.0),
        (datetime(2026, 4, 2, 12, 0, tzinfo=UTC), 10_000.0),
    ):
        log.add(Window(start=start, energy_wh=mean_w / 4.0, covered_s=900.0, source=Source.COUNTER))
    march, april = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 4, 10, tzinfo=UTC)
    assert log.peak(march) is not None
    assert log.peak(march).mean_w == 30_000.0  # type: ignore[union-attr]
    assert log.peak(april).mean_w == 20_000.0  # type: ignore[union-attr]
    assert log.peak(datetime(2026, 5, 1, 12, tzinfo=UTC)) is None
    again = PeakLog.from_state(ZoneInfo("Europe/Berlin"), json.loads(json.dumps(log.to_state())))
    assert again.to_state() == log.to_state()


def test_a_quarter_heard_in_part_is_a_peak_only_above_one_that_is_known() -> None:
    def heard(hour: int, mean_w: float, covered_s: float) -> Window:
        return Window(
            start=datetime(2026, 3, 10, hour, tzinfo=UTC),
            energy_wh=mean_w / 4.0,
            covered_s=covered_s,
            source=Source.POWER,
        )

    log = PeakLog(ZoneInfo("Europe/Berlin"))
    assert not log.add(heard(8, 900.0, 60.0))
    assert log.add(heard(9, 10_000.0, 900.0))
    assert not log.add(heard(10, 6_000.0, 450.0))
    assert log.add(heard(11, 12_000.0, 450.0))


def test_a_start_in_mid_window_projects_what_was_not_heard_from_what_is_drawn_now() -> None:
    now = START + timedelta(seconds=600)
    window = Window(start=START, energy_wh=0.0, covered_s=0.0, source=Source.POWER)
    assert window.unheard_s(now) == 600.0
    assert window.projected_mean_w(now, 10_000.0) == pytest.approx(10_000.0)
    assert window.remaining_wh(now, 12_000.0) == pytest.approx(1_000.0)
