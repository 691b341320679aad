"""Keeping the book: samples in, quarters out, nothing invented."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
import json
import math

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.computeload.core.ledger import (
    IMPORT,
    QUARTER,
    Channel,
    Flow,
    Origin,
    Quarter,
    Role,
    merged,
)
from custom_components.computeload.core.ledger_book import GRACE, Book, Observation
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.window import WindowTracker

from .ledger_rows import CHARGED, DISCHARGED, PV, RACK, START

SECOND = timedelta(seconds=1)


def run(
    book: Book,
    seconds: range,
    *sources: tuple[Channel, Callable[[int], tuple[float | None, float | None]]],
) -> list[Quarter]:
    """Sample every source once a second; return the quarters that became finished."""
    done: list[Quarter] = []
    for second in seconds:
        at = START + second * SECOND
        for channel, source in sources:
            book.sample(channel, at, float(second), *source(second))
        done += book.finished(at)
    return done


def steady(power_w: float) -> Callable[[int], tuple[float, float]]:
    """Return a meter whose counter follows its constant power."""
    return lambda second: (power_w, 1e6 + power_w * second / 3600.0)


def silent(_: int) -> tuple[None, None]:
    """Return what a dead device says."""
    return None, None


def test_a_quarter_holds_every_flow_of_the_site() -> None:
    (quarter,) = run(
        Book(),
        range(901),
        (IMPORT, steady(8_000.0)),
        (PV, steady(3_000.0)),
        (CHARGED, steady(1_000.0)),
        (DISCHARGED, lambda _: (-1_000.0, 5e5)),
        (RACK, steady(4_000.0)),
    )
    assert quarter.start == START
    assert quarter.origin is Origin.COUNTER
    assert quarter.import_wh == pytest.approx(2_000.0)
    assert quarter.energy_wh(Role.BATTERY_OUT) == 0.0
    assert quarter.branches_wh == {"rack": pytest.approx(1_000.0)}
    # 8 kW + 3 kW - 1 kW for a quarter of an hour
    assert quarter.load_wh == pytest.approx(2_500.0, rel=1e-3)


def test_its_import_is_that_of_the_window_that_control_goes_by() -> None:
    tracker, book = WindowTracker(), Book()
    for second in range(901):
        at, power_w = START + second * SECOND, 5_000.0 + 300.0 * math.sin(second)
        windows = tracker.update(at, float(second), power_w)
        book.sample(IMPORT, at, float(second), power_w)
    (quarter,) = book.finished(at)
    assert quarter.flows[IMPORT] == Flow.of(windows[0])


def test_a_silent_device_holds_a_quarter_up_for_a_minute_and_leaves_its_flow_open() -> None:
    book = Book()
    run(book, range(100), (IMPORT, steady(8_000.0)), (RACK, steady(4_000.0)))
    seconds = range(100, 901 + int(GRACE.total_seconds()))
    assert run(book, seconds[:-2], (IMPORT, steady(8_000.0))) == []
    (quarter,) = run(book, seconds[-2:], (IMPORT, steady(8_000.0)))
    assert quarter.flows[RACK] == Flow(0.0, 0.0)
    assert quarter.import_wh == pytest.approx(2_000.0)


def test_what_a_device_tells_late_becomes_a_better_account_of_the_same_quarter() -> None:
    book = Book()
    run(book, range(10), (IMPORT, steady(8_000.0)), (RACK, steady(4_000.0)))
    (first,) = run(book, range(10, 1_000), (IMPORT, steady(8_000.0)))
    late = run(book, range(1_000, 1_001), (IMPORT, steady(8_000.0)), (RACK, steady(4_000.0)))
    (second,) = late
    stands = merged(first, second)
    assert stands.start == START
    assert stands.branches_wh == {"rack": pytest.approx(1_000.0)}
    assert stands.flows[IMPORT] == first.flows[IMPORT]


def test_a_quarter_of_which_nothing_is_known_is_no_row() -> None:
    assert run(Book(), range(2_000), (IMPORT, silent)) == []


def test_an_inverter_that_fell_asleep_gives_nothing_which_is_known() -> None:
    dusk = run(
        Book(),
        range(901),
        (IMPORT, steady(8_000.0)),
        (PV, lambda second: (5.0, None) if second < 100 else (None, None)),
    )
    assert dusk[0].flows[PV].covered_s == 900.0
    assert dusk[0].load_wh == pytest.approx(2_000.0, rel=1e-3)


def test_an_inverter_that_fell_silent_in_the_sun_is_not_known() -> None:
    lost = run(
        Book(),
        range(901),
        (IMPORT, steady(8_000.0)),
        (PV, lambda second: (5_000.0, None) if second < 100 else (None, None)),
    )
    assert lost[0].flows[PV].covered_s < 200.0
    assert lost[0].load_wh is None


def test_the_reason_that_held_longest_and_all_commands_are_told() -> None:
    book = Book()
    for second in range(0, 905, 5):
        at = START + second * SECOND
        book.sample(IMPORT, at, float(second), 8_000.0)
        reason = Reason.PEAK if second < 300 else Reason.RECHARGE
        book.observe(
            at,
            float(second),
            Observation(
                reason=reason, commands=second % 2, target_w=9e3, price_import=0.3, soc=second / 1e3
            ),
        )
    (quarter,) = book.finished(START + 905 * SECOND)
    assert quarter.reason is Reason.RECHARGE
    assert quarter.commands == 90
    assert (quarter.target_w, quarter.price_import) == (9e3, 0.3)
    assert quarter.soc == 0.895, "as it was at the end of the quarter"


def test_a_restart_goes_on_in_the_open_quarter() -> None:
    book = Book()
    run(book, range(300), (IMPORT, steady(8_000.0)), (RACK, steady(4_000.0)))
    state = json.loads(json.dumps(book.to_state()))
    restarted = Book()
    restarted.restore(state)
    done = run(restarted, range(600, 901), (IMPORT, steady(8_000.0)), (RACK, steady(4_000.0)))
    assert done[0].import_wh == pytest.approx(2_000.0)
    assert done[0].branches_wh == {"rack": pytest.approx(1_000.0)}


def test_a_device_that_is_gone_is_forgotten() -> None:
    book = Book()
    run(book, range(300), (IMPORT, steady(8_000.0)), (RACK, steady(4_000.0)))
    book.keep_only({IMPORT})
    (quarter,) = run(book, range(300, 901), (IMPORT, steady(8_000.0)))
    assert set(quarter.flows) == {IMPORT}


@pytest.mark.parametrize(
    "state",
    [{}, {"channels": None}, {"channels": {"import": {}}}, {"channels": {"x": 1}}, [], "", 7],
)
def test_a_damaged_state_costs_only_its_content(state: object) -> None:
    book = Book()
    book.restore(state)  # type: ignore[arg-type]
    assert run(book, range(901), (IMPORT, steady(8_000.0)))


# Whatever happens, the ledger never holds more energy than was drawn.

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["go", "go", "go", "silence", "restart", "kill", "reset", "step"]),
        st.floats(0.1, 2_000.0),
        st.floats(0.0, 50_000.0),
    ),
    max_size=60,
)


class Life:
    """A grid meter's life with a ledger behind it: what was drawn, and what is on record."""

    def __init__(self, *, counts: bool) -> None:
        """Begin with a new meter, with or without an energy counter."""
        self.counts = counts
        self.book = Book(plausible_w=1e6)
        self.rows: dict[datetime, Quarter] = {}
        self.saved = self.book.to_state()
        self.at, self.monotonic_s, self.clock = START, 0.0, timedelta()
        self.drawn_wh, self.counter_wh, self.power_w = 0.0, 5e6, 0.0

    def happens(self, event: str, seconds: float, power_w: float) -> None:
        """Let one thing happen, then time pass with this draw."""
        if event == "reset":
            self.counter_wh = 0.0
        if event == "step":
            self.clock += timedelta(seconds=(seconds - 1_000.0) * 20.0)
        if event == "restart":
            self.save()
        if event in {"restart", "kill"}:
            self.book = Book(plausible_w=1e6)
            self.book.restore(json.loads(json.dumps(self.saved)))
            self.monotonic_s = 17.0
        # Linear between two samples, which is what the meter's power is taken for.
        energy_wh = (self.power_w + power_w) / 2.0 * seconds / 3600.0
        self.power_w = power_w
        self.drawn_wh += energy_wh
        self.counter_wh += energy_wh
        self.at += timedelta(seconds=seconds)
        self.monotonic_s += seconds
        if event == "silence":
            self.book.sample(IMPORT, self.at + self.clock, self.monotonic_s, None)
        else:
            counter_wh = self.counter_wh if self.counts else None
            self.book.sample(IMPORT, self.at + self.clock, self.monotonic_s, power_w, counter_wh)
        if self.book.has_finished(self.at + self.clock):
            self.save()

    def save(self) -> None:
        """Write rows and state in one go, as the file does."""
        for quarter in self.book.finished(self.at + self.clock):
            known = self.rows.get(quarter.start)
            self.rows[quarter.start] = quarter if known is None else merged(known, quarter)
        self.saved = self.book.to_state()

    @property
    def recorded_wh(self) -> float:
        """Return all energy on record."""
        return sum(quarter.import_wh or 0.0 for quarter in self.rows.values())


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_with_a_counter_no_energy_is_ever_invented(
    events: list[tuple[str, float, float]],
) -> None:
    life = Life(counts=True)
    for event in events:
        life.happens(*event)
    assert life.recorded_wh <= life.drawn_wh * (1.0 + 1e-9) + 0.001 * (1 + len(life.rows))
    assert all(q.covered_s <= 900.0 for q in life.rows.values())


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_with_power_alone_nothing_is_made_up_for_gaps(
    events: list[tuple[str, float, float]],
) -> None:
    life = Life(counts=False)
    most_wh = 0.0
    for event, seconds, power_w in events:
        if seconds <= 60.0:
            most_wh += max(power_w, life.power_w) * seconds / 3600.0
        life.happens(event, seconds, power_w)
    assert life.recorded_wh <= most_wh + 0.001 * (1 + len(life.rows))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.0, 50_000.0), min_size=400, max_size=800))
def test_an_undisturbed_run_loses_nothing(powers: list[float]) -> None:
    life = Life(counts=True)
    for power_w in powers:
        life.happens("go", 10.0, power_w)
    (open_wh,) = [float(c["energy_wh"]) for c in life.book.to_state()["channels"].values()]
    first_wh = powers[0] / 2.0 * 10.0 / 3600.0  # before the first sample nobody looked
    assert life.recorded_wh + open_wh == pytest.approx(life.drawn_wh - first_wh, abs=0.01)


def days(count: int) -> Iterator[datetime]:
    """Yield the quarters of some days."""
    return (START + n * QUARTER for n in range(count * 96))


def test_a_gap_of_days_is_told_by_the_counter_in_quarters() -> None:
    book = Book(plausible_w=1e6)
    run(book, range(10), (IMPORT, steady(8_000.0)))
    after = START + timedelta(days=2)
    book.sample(IMPORT, after, 2 * 86_400.0, *steady(8_000.0)(2 * 86_400))
    quarters = book.finished(after)
    assert [q.start for q in quarters] == list(days(2))
    assert max(q.import_wh or 0.0 for q in quarters) == pytest.approx(2_000.0, rel=1e-3)


@pytest.mark.parametrize("back_s", [1, 300, 719, 5_000])
@pytest.mark.parametrize("counts", [True, False])
def test_a_clock_that_is_set_back_makes_no_peak(back_s: int, *, counts: bool) -> None:
    book = Book(plausible_w=1e6)
    rows: dict[datetime, Quarter] = {}
    for second in range(9_000):
        at = START + (second - back_s * (second >= 720)) * SECOND
        counter_wh = 1e6 + 8_000.0 * second / 3_600.0 if counts else None
        book.sample(IMPORT, at, float(second), 8_000.0, counter_wh)
        for quarter in book.finished(at):
            known = rows.get(quarter.start)
            rows[quarter.start] = quarter if known is None else merged(known, quarter)
    assert max(q.import_wh or 0.0 for q in rows.values()) == pytest.approx(2_000.0, rel=3e-3)


def test_a_clock_that_begins_in_1970_makes_no_rows_in_between() -> None:
    book = Book()
    epoch = datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)
    book.sample(IMPORT, epoch, 10.0, 8_000.0)
    book.sample(IMPORT, epoch + SECOND, 11.0, 8_000.0)
    book.sample(IMPORT, START, 12.0, 8_000.0)
    assert len(book.finished(START)) <= 1
