"""Questions to the ledger, before and after old months are summed up."""

from collections.abc import Iterator
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
import math
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from custom_components.computeload.core.ledger import (
    EXPORT,
    IMPORT,
    QUARTER,
    Flow,
    Origin,
    Quarter,
)
from custom_components.computeload.core.ledger_db import LedgerFile
from custom_components.computeload.core.ledger_prune import prune
from custom_components.computeload.core.ledger_read import Column, LedgerReader, Totals

from .ledger_rows import START, full, several

ZONE = ZoneInfo("Europe/Amsterdam")
HOUR = timedelta(hours=1)
AGES = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC))


@pytest.fixture(name="file")
def file_fixture(tmp_path: Path) -> Iterator[LedgerFile]:
    """Return an open, empty ledger."""
    file = LedgerFile(tmp_path / "site.db")
    file.open(START)
    yield file
    file.close()


@pytest.fixture(name="reader")
def reader_fixture(file: LedgerFile) -> LedgerReader:
    """Return what answers questions about it."""
    return LedgerReader(file.path)


def imports(start: datetime, *energies_wh: float) -> Iterator[Quarter]:
    """Yield quarters that know nothing but their import."""
    for number, energy_wh in enumerate(energies_wh):
        yield Quarter(
            start=start + number * QUARTER, origin=Origin.COUNTER, flows={IMPORT: Flow(energy_wh)}
        )


def test_sums_and_costs_are_those_of_the_rows(file: LedgerFile, reader: LedgerReader) -> None:
    unpriced = replace(full(4), price_import=None, without_import_wh=3_000.0)
    exporting = replace(full(5), flows={IMPORT: Flow(0.0), EXPORT: Flow(4_000.0)})
    file.append([*(full(n) for n in range(4)), unpriced, exporting])
    totals = reader.totals(*AGES)
    assert totals.quarters == 6
    assert totals.import_wh == pytest.approx(10_000.0)
    assert totals.cost == pytest.approx(4 * 2.0 * 0.25)
    assert totals.income == pytest.approx(4.0 * 0.05)
    assert totals.unpriced_import_wh == pytest.approx(2_000.0)
    assert totals.co2_g == pytest.approx(5 * 2.0 * 300.0)
    assert totals.commands == 18
    # Five quarters of 2.4 kWh; the sixth exports more than anything known produced.
    assert totals.load_wh == pytest.approx(12_000.0)
    assert totals.load_quarters == 6
    assert reader.totals(START + HOUR, START + 2 * HOUR).quarters == 2


def test_a_corrected_quarter_counts_once(file: LedgerFile, reader: LedgerReader) -> None:
    file.append([full()])
    file.amend([replace(full(), price_import=1.0)])
    totals = reader.totals(*AGES)
    assert totals.quarters == 1
    assert totals.cost == pytest.approx(2.0)


def test_an_empty_ledger_answers_everything(reader: LedgerReader) -> None:
    assert reader.totals(*AGES) == Totals()
    assert reader.peaks(*AGES, ZONE) == {}
    assert reader.span() is None
    assert reader.branches() == []
    assert list(reader.quarters(*AGES)) == []
    history = reader.history([Column.LOAD_W], START, START + HOUR)
    assert np.isnan(history.columns[Column.LOAD_W]).tolist() == [True] * 4


def test_a_month_begins_at_the_sites_midnight(file: LedgerFile, reader: LedgerReader) -> None:
    # 23:45 in Amsterdam on 31 March is 21:45 UTC, in summer time.
    before = datetime(2026, 3, 31, 21, 45, tzinfo=UTC)
    file.append(imports(before, 7_000.0, 5_000.0))
    peaks = reader.peaks(*AGES, ZONE)
    assert {m: p.mean_w for m, p in peaks.items()} == {"2026-03": 28_000.0, "2026-04": 20_000.0}
    assert peaks["2026-04"].start == before + QUARTER
    assert set(reader.peaks(*AGES, UTC)) == {"2026-03"}


def test_the_first_of_equal_peaks_is_the_one(file: LedgerFile, reader: LedgerReader) -> None:
    file.append(imports(START, 1_000.0, 2_000.0, 2_000.0))
    assert reader.peaks(*AGES, ZONE)["2026-03"].start == START + QUARTER


def test_a_history_has_gaps_where_nothing_is_known(file: LedgerFile, reader: LedgerReader) -> None:
    silent = replace(full(3), flows={**full().flows, IMPORT: Flow(10.0, 60.0)})
    file.append([full(0), full(2), silent])
    history = reader.history(
        [Column.LOAD_W, Column.GRID_W, Column.IMPORT_W, Column.BATTERY_W], START, START + HOUR
    )
    nan = math.nan
    expected = {
        Column.LOAD_W: [9_600.0, nan, 9_600.0, nan],
        Column.GRID_W: [8_000.0, nan, 8_000.0, nan],
        Column.IMPORT_W: [8_000.0, nan, 8_000.0, 40.0],
        Column.BATTERY_W: [-400.0, nan, -400.0, -400.0],
    }
    for column, values in expected.items():
        np.testing.assert_allclose(history.columns[column], values)
    assert history.starts[1] - history.starts[0] == 900.0
    assert history.starts[0] == START.timestamp()


def test_a_longer_step_is_the_mean_where_half_of_it_is_known(
    file: LedgerFile, reader: LedgerReader
) -> None:
    file.append([*imports(START, 1_000.0, 3_000.0), *imports(START + HOUR, 1_000.0)])
    history = reader.history([Column.IMPORT_W], START, START + 3 * HOUR, 3_600.0)
    np.testing.assert_allclose(history.columns[Column.IMPORT_W], [8_000.0, math.nan, math.nan])


@pytest.mark.parametrize("step_s", [0.0, 60.0, 1_000.0, -900.0])
def test_a_step_that_is_not_made_of_quarters_is_refused(
    reader: LedgerReader, step_s: float
) -> None:
    with pytest.raises(ValueError, match="multiple of 900"):
        reader.history([Column.LOAD_W], START, START + HOUR, step_s)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_on_which_the_clock_changes_has_all_its_quarters(
    file: LedgerFile, reader: LedgerReader, day: str, hours: int
) -> None:
    since = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZONE).astimezone(UTC)
    file.append(imports(since - HOUR, *[1_000.0] * 4 * 27))
    until = since + timedelta(hours=hours)
    assert until.astimezone(ZONE).hour == 0
    assert reader.totals(since, until).quarters == hours * 4


# Bounded.


def test_summing_up_old_months_changes_no_sum_and_no_peak(
    file: LedgerFile, reader: LedgerReader
) -> None:
    file.append(several(96 * 100))
    months = datetime(2026, 3, 1, tzinfo=ZONE), datetime(2026, 7, 1, tzinfo=ZONE)
    sums, peaks = reader.totals(*months), reader.peaks(*months, ZONE)
    assert prune(file, ZONE, kept=96 * 50) == 2
    first, _ = reader.span() or (None, None)
    assert first == datetime(2026, 5, 1, tzinfo=ZONE), "whole months of the site's calendar went"
    assert astuple(reader.totals(*months)) == pytest.approx(astuple(sums))
    assert reader.peaks(*months, ZONE) == peaks
    assert prune(file, ZONE, kept=96 * 50) == 0


def test_what_is_summed_up_takes_no_more_quarters(file: LedgerFile, reader: LedgerReader) -> None:
    file.append(several(96 * 40))
    prune(file, ZONE, kept=96 * 20)
    before = reader.totals(*AGES)
    assert file.append([full(3)]) == 0
    assert reader.totals(*AGES) == before


def test_the_newest_month_stays_however_few_are_to_be_kept(
    file: LedgerFile, reader: LedgerReader
) -> None:
    file.append(several(96 * 40))
    prune(file, ZONE, kept=0)
    first, last = reader.span() or (START, START)
    assert (first.astimezone(ZONE).month, last.astimezone(ZONE).month) == (4, 4)


def test_a_clock_that_leaps_ahead_costs_no_quarter(file: LedgerFile, reader: LedgerReader) -> None:
    file.append([*several(100), *imports(datetime(2040, 1, 1, tzinfo=UTC), 1.0)])
    assert prune(file, ZONE) == 0
    assert reader.totals(*AGES).quarters == 101


def test_what_a_corrected_quarter_said_before_is_dropped_after_a_year(file: LedgerFile) -> None:
    file.append([full(0), full(96 * 500)])
    for each in (full(0), full(96 * 500)):
        file.amend([replace(each, price_import=1.0)])
    prune(file, ZONE)
    with file.transaction() as connection:
        rows = connection.execute("SELECT revision FROM quarter ORDER BY start, revision")
        assert [revision for (revision,) in rows] == [2, 1, 2]
