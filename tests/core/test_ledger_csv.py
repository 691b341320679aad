"""The ledger as CSV, and a past metered elsewhere on its way in."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import io
from pathlib import Path
import tempfile

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.computeload.core.ledger import (
    EXPORT,
    IMPORT,
    QUARTER,
    Channel,
    Flow,
    Origin,
    Quarter,
    Role,
)
from custom_components.computeload.core.ledger_csv import write_csv
from custom_components.computeload.core.ledger_csv_in import PastError, read_csv
from custom_components.computeload.core.ledger_keeper import LedgerKeeper
from custom_components.computeload.core.ledger_past import (
    Survey,
    hourly_intervals,
    quarters_of,
    statistics_hours,
    summed,
)

from .ledger_rows import START, full, several

LOAD = Channel(Role.LOAD)
PLAUSIBLE_W = 100_000.0


def taken(text: str) -> list[Quarter]:
    """Return the quarters of a file."""
    return list(quarters_of(read_csv(io.StringIO(text, newline=""), plausible_w=PLAUSIBLE_W)))


def series(head: str, *values: str, step_min: int = 15) -> str:
    """Return a file with one column of values at a constant step."""
    times = (START + n * timedelta(minutes=step_min) for n in range(len(values)))
    return "\n".join([head, *(f"{t.isoformat()},{v}" for t, v in zip(times, values, strict=True))])


# Out.


def test_a_file_says_its_units_and_leaves_out_what_is_not_known() -> None:
    out = io.StringIO()
    silent = Quarter(start=START + QUARTER, origin=Origin.POWER, flows={IMPORT: Flow(12.5, 60.0)})
    count = write_csv([full(), silent], out, currency="EUR", branches={"rack": "Rack 1"})
    head, first, second = out.getvalue().splitlines()
    assert count == 2
    assert head.startswith("start_utc,origin,covered_s,import_wh,export_wh,load_wh,pv_wh")
    assert "price_import_eur_per_kwh" in head
    assert head.endswith("branch Rack 1 (wh)")
    assert first.startswith("2026-03-02T10:00:00Z,counter,900.0,2000.0,0.0,2400.0,500.0,100.0")
    assert first.endswith(",peak,,,1,1500.125")
    assert second.startswith("2026-03-02T10:15:00Z,power,60.0,12.5,,,,,")


def test_an_exported_ledger_can_be_imported_again() -> None:
    out = io.StringIO()
    write_csv(several(20), out, currency="EUR", branches={})
    again = taken(out.getvalue())
    for old, new in zip(several(20), again, strict=True):
        assert new.origin is Origin.IMPORTED
        assert (new.start, new.import_wh, new.covered_s) == (old.start, old.import_wh, 900.0)
        assert new.load_wh == pytest.approx(old.load_wh, abs=0.1)
        assert (new.price_import, new.soc) == (old.price_import, old.soc)


# In.


@pytest.mark.parametrize(
    ("head", "value", "import_wh"),
    [
        ("utc,import_kwh", "2.5", 2_500.0),
        ("start,Import [Wh]", "2500", 2_500.0),
        ("time,import_kw", "10", 2_500.0),
        ("Timestamp,Grid (MW)", "0.01", 2_500.0),
        ("start_utc,import_w", "-0", 0.0),
    ],
)
def test_a_column_says_what_it_is_and_in_which_unit(
    head: str, value: str, import_wh: float
) -> None:
    first, second = taken(series(head, value, value))
    assert first.import_wh == second.import_wh == import_wh
    assert (first.start, first.origin) == (START, Origin.IMPORTED)


def test_semicolons_decimal_commas_and_a_byte_order_mark_are_read() -> None:
    text = "\ufeffutc;load_kw;soc_percent\r\n2026-03-02T10:00;8,5;50\r\n2026-03-02T10:15;;\r\n"
    (only,) = taken(text)
    assert only.load_wh == pytest.approx(2_125.0)
    assert only.soc == 0.5


def test_a_signed_column_is_parted_into_its_two_flows() -> None:
    first, second = taken(series("utc,grid_kw", "8", "-4"))
    assert first.flows == {IMPORT: Flow(2_000.0), EXPORT: Flow(0.0)}
    assert second.flows == {IMPORT: Flow(0.0), EXPORT: Flow(1_000.0)}


def test_times_may_stand_for_the_end_of_a_step() -> None:
    quarters = taken(series("until,load_kw", "1", "2"))
    assert [q.start for q in quarters] == [START - QUARTER, START]


@pytest.mark.parametrize("step_min", [1, 5, 10, 15, 30, 60])
def test_any_step_up_to_an_hour_becomes_quarters_of_the_same_energy(step_min: int) -> None:
    count = 180 // step_min
    quarters = taken(series("utc,load_kw", *["12"] * count, step_min=step_min))
    assert [q.start for q in quarters] == [START + n * QUARTER for n in range(12)]
    assert [q.load_wh for q in quarters] == pytest.approx([3_000.0] * 12)


def test_a_missing_line_is_a_gap_and_the_first_gap_is_not_the_step() -> None:
    lines = series("utc,load_kw", *"123456").splitlines()
    quarters = taken("\n".join([*lines[:2], *lines[3:]]))
    assert [q.start for q in quarters] == [START + n * QUARTER for n in (0, 2, 3, 4, 5)]


def test_local_times_with_offsets_go_through_a_clock_change() -> None:
    text = (
        "start,load_kw\n2026-10-25T02:00+02:00,1\n2026-10-25T02:30+02:00,2\n"
        "2026-10-25T02:00+01:00,3\n2026-10-25T02:30+01:00,4\n"
    )
    quarters = taken(text)
    assert len(quarters) == 8
    assert quarters[4].load_wh == pytest.approx(750.0)


def test_an_inverters_draw_at_night_is_no_production() -> None:
    first, _ = taken(series("utc,import_kw,pv_w", "1,-5", "1,300"))
    assert first.energy_wh(Role.PV) == 0.0


@pytest.mark.parametrize(
    ("text", "where", "remedy"),
    [
        ("", "Line 1", "Call the column with the time"),
        ("when,load_kw\n", "Line 1", "Call the column with the time"),
        ("utc,power\n", "Line 1", "'import_kwh', 'grid_kw' or 'load_kw'"),
        ("utc,load_kw,load_kwh\n", "Two columns say load", "Leave one of them"),
        ("utc,load_kw\n", "no two lines", "hourly values or finer"),
        (series("utc,load_kw", "1", "x"), "Line 3, column 'load_kw', value 'x'", "like 12.5"),
        (series("utc,load_kw", "1", "inf"), "Line 3, column 'load_kw'", "like 12.5"),
        (series("utc,load_w", "1", "2e8"), "Line 3, column 'load_w'", "unit in its name"),
        (series("utc,import_kw", "1", "-2"), "Line 3, column 'import_kw'", "'grid'"),
        (series("utc,load_kw,soc", "1,50", "1,50"), "column 'soc', value '50'", "soc_percent"),
        ("start,load_kw\n2026-03-02T10:00,1\n", "Line 2, column 'start'", "Add the offset"),
        ("utc,load_kw\nsoon,1\n", "Line 2, column 'utc', value 'soon'", "Write times like"),
        ("utc,load_kw\n0001-01-01T00:00,1\n", "Line 2", "Correct the year"),
        (
            "utc,load_kw\n2026-03-02T10:00,1\n2026-03-02T10:15,1\n2026-03-02T10:00,1\n",
            "Line 4, column 'utc'",
            "Sort the file by time",
        ),
        (
            "utc,load_kw\n2026-03-02T10:00,1\n2026-03-02T10:15,1\n2026-03-02T10:35,1\n",
            "Line 4, column 'utc'",
            "same step",
        ),
        ("utc,load_kw\n2026-03-02,1\n2026-03-03,1\n", "no two lines", "hourly values"),
        (series("utc,load_kw", "1", "1,5"), "Line 3: This has more cells", "like 12.5"),
    ],
)
def test_an_error_says_where_and_what_to_do(text: str, where: str, remedy: str) -> None:
    with pytest.raises(PastError) as caught:
        taken(text)
    assert where in str(caught.value)
    assert remedy in caught.value.remedy


WORDS = (
    *("utc", "start", "load_kw", "grid_kwh", "soc", "price_ct_per_mwh", ",", ";", "\n", '"', "\0"),
    *("2026-03-02T10:00", "2026-03-02T10:15Z", "2026-03-02T11:00", "1", "-1e300", "nan"),
)
TEXTS = st.text(max_size=300) | st.lists(st.sampled_from(WORDS), max_size=60).map("".join)


@given(TEXTS)
def test_any_text_is_an_error_or_sound_quarters(text: str) -> None:
    try:
        quarters = taken(text)
    except PastError:
        return
    for quarter in quarters:
        assert quarter.origin is Origin.IMPORTED
        assert all(0.0 <= f.energy_wh <= PLAUSIBLE_W for f in quarter.flows.values())
        assert all(0.0 <= f.covered_s <= 900.0 for f in quarter.flows.values())


@given(st.binary(max_size=300))
def test_any_bytes_are_an_error_or_sound_quarters(content: bytes) -> None:
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    with suppress(PastError):
        list(quarters_of(read_csv(lines, plausible_w=PLAUSIBLE_W)))


# Home Assistant's long-term statistics.


def hours(*energies_wh: float) -> Iterator[tuple[datetime, float]]:
    """Yield hourly energies from START on."""
    return ((START + timedelta(hours=n), wh) for n, wh in enumerate(energies_wh))


def test_an_hour_of_statistics_becomes_four_equal_quarters() -> None:
    intervals = hourly_intervals(
        {IMPORT: list(hours(4_000.0, 8_000.0)), LOAD: list(hours(6_000.0))}, plausible_w=PLAUSIBLE_W
    )
    quarters = list(quarters_of(intervals))
    assert [q.import_wh for q in quarters] == [1_000.0] * 4 + [2_000.0] * 4
    assert [q.load_wh for q in quarters[:4]] == pytest.approx([1_500.0] * 4)
    assert {q.origin for q in quarters} == {Origin.IMPORTED}


@pytest.mark.parametrize("wrong", [-5.0, 1e9, float("nan"), float("inf")])
def test_an_hour_in_which_a_meter_was_reset_is_left_out(wrong: float) -> None:
    intervals = hourly_intervals(
        {IMPORT: list(hours(4_000.0, wrong, 4_000.0))}, plausible_w=PLAUSIBLE_W
    )
    assert len(list(quarters_of(intervals))) == 8


def test_statistics_of_energies_and_of_powers_are_both_read() -> None:
    at = START.timestamp()
    energy: dict[str, float | None] = {"start": at, "change": 5.0, "mean": None}
    assert list(statistics_hours([energy])) == [(START, 5.0)]
    rows: list[dict[str, float | None]] = [
        {"start": at, "mean": -700.0},
        {"start": at + 3_600.0, "mean": None, "change": None},
    ]
    assert list(statistics_hours(rows)) == [(START, 0.0)]
    assert list(statistics_hours(rows, sign=-1.0)) == [(START, 700.0)]
    assert START.tzinfo is UTC


def test_an_import_of_a_part_known_row_keeps_what_it_covered() -> None:
    short = replace(full(), flows={IMPORT: Flow(100.0, 90.0)})
    out = io.StringIO()
    write_csv([short, full(1)], out, currency="EUR", branches={})
    assert taken(out.getvalue())[0].covered_s == 90.0


def test_the_load_of_a_part_known_row_is_that_of_the_whole_quarter_again() -> None:
    short = replace(full(), flows={IMPORT: Flow(100.0, 450.0)})
    out = io.StringIO()
    write_csv([short, full(1)], out, currency="EUR", branches={})
    first, _ = taken(out.getvalue())
    assert (first.import_wh, first.covered_s) == (100.0, 450.0)
    assert first.load_wh == pytest.approx(200.0)


def test_branches_come_in_by_the_names_that_the_site_has_for_them() -> None:
    out = io.StringIO()
    write_csv([full(), full(1)], out, currency="EUR", branches={"rack": "Rack 1"})
    lines = io.StringIO(out.getvalue(), newline="")
    read = read_csv(lines, plausible_w=PLAUSIBLE_W, branches={"rack": "Rack 1", "b": "Other"})
    assert [quarter.branches_wh for quarter in quarters_of(read)] == [{"rack": 1_500.125}] * 2


ENERGIES = st.none() | st.floats(0.0, 5_000.0).map(lambda wh: round(wh, 3))


@given(st.lists(st.tuples(ENERGIES, ENERGIES, st.sampled_from([90.0, 450.0, 900.0])), min_size=2))
def test_what_is_written_is_read_again_as_it_was(
    rows: list[tuple[float | None, float | None, float]],
) -> None:
    quarters = [
        Quarter(
            start=START + n * QUARTER,
            origin=Origin.POWER,
            flows={IMPORT: Flow(import_wh or 0.0, 0.0 if import_wh is None else covered_s)}
            | ({} if pv_wh is None else {Channel(Role.PV, "roof"): Flow(pv_wh)}),
        )
        for n, (import_wh, pv_wh, covered_s) in enumerate(rows)
    ]
    out = io.StringIO()
    write_csv(quarters, out, currency="EUR", branches={})
    again = {quarter.start: quarter for quarter in taken(out.getvalue())}
    for old in quarters:
        if (new := again.get(old.start)) is None:
            assert (old.import_wh, old.energy_wh(Role.PV)) == (None, None)
            continue
        assert (new.import_wh, new.energy_wh(Role.PV)) == (old.import_wh, old.energy_wh(Role.PV))
        assert (new.load_wh is None) == (old.load_wh is None)
        assert new.load_wh == pytest.approx(old.load_wh, abs=0.06)


# What a past holds.


def known(*loads: bool) -> Iterator[Quarter]:
    """Yield quarters whose load is known or not."""
    for n, is_known in enumerate(loads):
        flows = {IMPORT if is_known else EXPORT: Flow(1.0)}
        yield Quarter(start=START + n * QUARTER, origin=Origin.IMPORTED, flows=flows)


def test_a_survey_tells_span_and_gaps_of_what_went_by() -> None:
    survey = Survey()
    past = [q for n, q in enumerate(known(*[True] * 4, False, False, True, False)) if n != 1]
    assert list(survey.of(past)) == past
    assert (survey.quarters, survey.known) == (7, 4)
    assert (survey.since, survey.until) == (START, START + 8 * QUARTER)
    assert [((a - START) // QUARTER, (b - START) // QUARTER) for a, b in survey.gaps] == [
        (1, 2),
        (4, 6),
        (7, 8),
    ]


def test_a_survey_of_nothing_is_empty() -> None:
    survey = Survey()
    assert list(survey.of([])) == []
    assert survey == Survey()


def test_a_past_without_any_load_is_one_gap() -> None:
    survey = Survey()
    list(survey.of(known(False, False)))
    assert survey.gaps == [(START, START + 2 * QUARTER)]


def test_meters_are_added_up_from_the_first_hour_of_each() -> None:
    old, new = list(hours(1.0, 2.0, 3.0)), list(hours(10.0, 20.0, 30.0))[1:]
    assert summed([old, new, []]) == list(hours(1.0, 22.0, 33.0))
    assert summed([old[:2], new]) == list(hours(1.0, 22.0)), "a silent meter leaves a gap"
    assert summed([]) == []


# All the way into a ledger.

CELLS = st.floats(0.0, 60.0).map(lambda kw: f"{kw:.3f}") | st.sampled_from(["", "unknown"])
JUNK = st.sampled_from(["much", "-1", "1e99", "inf", "1,5", "\x00"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, float | None]:
    """Return a file of import powers, and its energy in Wh; None if it has a mistake in it."""
    step_min = draw(st.sampled_from([1, 5, 15, 30, 60]))
    cells = draw(st.lists(CELLS, min_size=2, max_size=40))
    kept = [n for n in range(len(cells)) if n < 2 or draw(st.integers(0, 9))]
    wrong = draw(st.integers(0, 5)) == 0
    if wrong:
        cells[draw(st.sampled_from(kept))] = draw(JUNK)
    known_kw = [] if wrong else [float(cells[n]) for n in kept if cells[n] not in {"", "unknown"}]
    lines = [f"{START + n * timedelta(minutes=step_min):%Y-%m-%dT%H:%M},{cells[n]}" for n in kept]
    energy_wh = None if wrong else sum(known_kw) * 1000.0 * step_min / 60.0
    return "\n".join(["utc,import_kw", *lines]), energy_wh


@settings(deadline=None)
@given(files())
def test_a_file_gives_the_ledger_its_energy_or_an_error(file: tuple[str, float | None]) -> None:
    text, energy_wh = file
    with tempfile.TemporaryDirectory() as folder:
        keeper = LedgerKeeper(Path(folder) / "ledger.db", UTC)
        keeper.open(START)
        survey = Survey()
        try:
            keeper.bring_in(survey.of(taken(text)), START)
        except PastError:
            assert energy_wh is None
        else:
            assert energy_wh is not None
            totals = keeper.reader.totals(START - timedelta(days=1), START + timedelta(days=3))
            assert totals.import_wh == pytest.approx(energy_wh, abs=0.1)
            assert totals.quarters == survey.quarters
        finally:
            keeper.close()
