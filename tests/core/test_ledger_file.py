"""The ledger's file: what is written stays, whatever happens in between."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
import random
import sqlite3
import subprocess
import sys
import time

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.computeload.core.ledger import QUARTER, Origin
from custom_components.computeload.core.ledger_db import (
    DamagedLedgerError,
    LedgerError,
    LedgerFile,
)
from custom_components.computeload.core.ledger_keeper import WAITING_MOST, LedgerKeeper
from custom_components.computeload.core.ledger_read import LedgerReader
from custom_components.computeload.core.ledger_schema import APPLICATION_ID, MIGRATIONS

from .ledger_rows import START, full, several

NOW = datetime(2026, 3, 9, tzinfo=UTC)
AGES = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC))
KILLS = 20


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    """Return where the ledger is to be; the folder is not there yet."""
    return tmp_path / "computeload" / "site.db"


@pytest.fixture(name="file")
def file_fixture(path: Path) -> Iterator[LedgerFile]:
    """Return an open, empty ledger."""
    file = LedgerFile(path)
    assert file.open(NOW) is None
    yield file
    file.close()


@pytest.fixture(name="keeper")
def keeper_fixture(path: Path) -> Iterator[LedgerKeeper]:
    """Return an open keeper of an empty ledger."""
    keeper = LedgerKeeper(path, UTC)
    keeper.open(NOW)
    yield keeper
    keeper.close()


def test_what_is_written_is_read_again_to_the_last_digit(path: Path, file: LedgerFile) -> None:
    rows = list(several(10))
    assert file.append(rows, {"open": 1}) == 10
    file.close()
    assert file.open(NOW) is None
    assert file.state() == {"open": 1}
    assert list(LedgerReader(path).quarters(*AGES)) == rows


def test_a_correction_is_a_new_row_and_the_old_one_stays(path: Path, file: LedgerFile) -> None:
    file.append([full()])
    better = replace(full(), without_import_wh=2_500.0)
    assert file.amend([better]) == 1
    assert file.amend([better]) == 0, "the same again is no correction"
    (stands,) = LedgerReader(path).quarters(*AGES)
    assert (stands.without_import_wh, stands.revision) == (2_500.0, 2)
    with sqlite3.connect(path) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM quarter").fetchone()
    connection.close()
    assert rows == 2


def test_no_row_is_ever_changed_even_by_hand(path: Path, file: LedgerFile) -> None:
    file.append([full()])
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="add a revision"):
        connection.execute("UPDATE quarter SET import_wh = 0")
    connection.close()


def test_a_past_never_takes_the_place_of_metered_rows(path: Path, file: LedgerFile) -> None:
    file.append(several(4))
    past = [replace(full(n, 9_000.0), origin=Origin.IMPORTED) for n in range(-4, 4)]
    assert file.append(past) == 4
    stands = list(LedgerReader(path).quarters(*AGES))
    assert [q.origin for q in stands] == [Origin.IMPORTED] * 4 + [Origin.COUNTER] * 4
    assert stands[4:] == list(several(4))


def test_a_quarter_that_fails_takes_none_of_its_company_along(path: Path, file: LedgerFile) -> None:
    broken = replace(full(1), start="soon")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        file.append([full(0), broken], {"open": 1})
    assert list(LedgerReader(path).quarters(*AGES)) == []
    assert file.append([full(0)]) == 1


# Killed.


def test_a_kill_at_any_moment_loses_nothing_that_was_handed_over(path: Path) -> None:
    chance = random.Random(time.time_ns())  # noqa: S311 - moments, not secrets
    acknowledged = 0
    for _ in range(KILLS):
        victim = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, Path(__file__).with_name("ledger_victim.py"), path],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert victim.stdout is not None
        begun = int(victim.stdout.readline())
        assert begun >= acknowledged
        time.sleep(chance.uniform(0.0, 0.15))
        victim.kill()
        said = victim.stdout.read().split("\n")
        victim.wait()
        victim.stdout.close()
        acknowledged = int(said[-2]) if len(said) > 1 else begun
    file = LedgerFile(path)
    assert file.open(NOW) is None, "the file is sound"
    count = file.state()["count"]
    file.close()
    assert count >= acknowledged > KILLS
    totals = LedgerReader(path).totals(*AGES)
    assert totals.quarters == count, "rows and the state of the open quarter are one"
    assert totals.import_wh == pytest.approx(sum(q.import_wh or 0.0 for q in several(count)))


# Older and newer versions.


def test_a_file_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(
        f"{MIGRATIONS[0]}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
    )
    connection.executescript(
        "INSERT INTO channel VALUES (1, 'import');"
        "INSERT INTO quarter (start, revision, origin, covered_s, import_wh, flows)"
        "VALUES (1772445600, 1, 'power', 900, 1234.5, '{\"1\":1234.5}')"
    )
    connection.close()
    file = LedgerFile(path)
    assert file.open(NOW) is None
    assert file.append([full(1)]) == 1
    file.close()
    first, second = LedgerReader(path).quarters(*AGES)
    assert (first.import_wh, first.origin) == (1_234.5, Origin.POWER)
    assert second == full(1)


def test_an_update_that_fails_leaves_the_file_as_it_was(path: Path, file: LedgerFile) -> None:
    file.append([full()])
    file.close()
    broken = LedgerFile(
        path,
        migrations=(*MIGRATIONS, "DELETE FROM quarter; CREATE TABLE x (a) STRICT"),
    )
    with pytest.raises(LedgerError, match="brought up to date"):
        broken.open(NOW)
    assert file.open(NOW) is None
    assert list(LedgerReader(path).quarters(*AGES)) == [full()]


def test_a_file_of_a_newer_version_is_kept_and_not_written_to(path: Path, file: LedgerFile) -> None:
    file.append([full()])
    file.close()
    newer = LedgerFile(path, migrations=(*MIGRATIONS, "CREATE TABLE later (a INTEGER) STRICT"))
    assert newer.open(NOW) is None
    newer.close()
    notice = file.open(NOW)
    assert notice is not None
    assert "newer version" in notice
    assert [p.name for p in path.parent.glob("*version3*.db")] == [
        "site.version3-20260309T000000Z.db"
    ]


# Damage.


def test_a_damaged_file_is_kept_under_another_name_and_a_new_one_begun(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    keeper = LedgerKeeper(path, UTC)
    assert keeper.open(NOW) is None
    assert keeper.problem is None
    assert keeper.notice is not None
    assert "site.damaged-20260309T000000Z.db" in keeper.notice
    assert keeper.keep(several(3), {}, NOW)
    kept = path.with_name("site.damaged-20260309T000000Z.db")
    assert kept.read_bytes().startswith(b"no database")
    keeper.close()


def test_two_damaged_files_of_one_second_are_both_kept(path: Path) -> None:
    path.parent.mkdir()
    for content in (b"first" * 300, b"second" * 300):
        path.write_bytes(content)
        file = LedgerFile(path)
        file.open(NOW)
        file.close()
    assert {p.read_bytes()[:5] for p in path.parent.glob("site.damaged-*")} == {b"first", b"secon"}


def test_another_programs_database_is_left_as_it_was(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE states (id INTEGER)")
        other.execute("INSERT INTO states VALUES (7)")
    other.close()
    file = LedgerFile(path)
    notice = file.open(NOW)
    file.close()
    assert notice is not None
    assert "another program" in notice
    kept = sqlite3.connect(next(path.parent.glob("site.foreign-*.db")))
    assert kept.execute("SELECT id FROM states").fetchall() == [(7,)]
    kept.close()


def test_a_file_that_breaks_while_in_use_costs_no_new_quarter(
    path: Path, keeper: LedgerKeeper
) -> None:
    keeper.keep(several(3_000), {}, NOW)
    keeper._file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    size = path.stat().st_size
    with path.open("r+b") as raw:
        raw.seek(4_096)
        raw.write(b"\xff" * (size - 4_096))
    keeper._file._connection.execute("PRAGMA shrink_memory")  # type: ignore[union-attr]
    assert keeper.keep([full(3_000)], {}, NOW)
    assert keeper.notice is not None
    assert list(keeper.reader.quarters(*AGES)) == [full(3_000)]


def test_a_file_that_is_taken_away_is_begun_anew(path: Path, keeper: LedgerKeeper) -> None:
    keeper.keep([full()], {}, NOW)
    for part in path.parent.glob("site.db*"):
        part.unlink()
    assert keeper.keep([full(1)], {}, NOW)
    assert list(keeper.reader.quarters(*AGES)) == [full(1)]


@pytest.fixture(name="sound", scope="module")
def sound_fixture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a ledger of sixty quarters."""
    path = tmp_path_factory.mktemp("sound") / "site.db"
    keeper = LedgerKeeper(path, UTC)
    keeper.open(NOW)
    keeper.keep(several(60), {"count": 60}, NOW)
    keeper.close()
    return path.read_bytes()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_file_whatever_is_in_it_raises_anything_but_a_ledger_error(
    sound: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "site.db"
    path.write_bytes(sound)
    kind = data.draw(st.sampled_from(["random", "cut", "bits", "wal"]))
    if kind == "random":
        path.write_bytes(data.draw(st.binary(max_size=5_000)))
    elif kind == "cut":
        path.write_bytes(sound[: data.draw(st.integers(0, len(sound)))])
    elif kind == "bits":
        bad = bytearray(sound)
        for place in data.draw(st.lists(st.integers(0, len(sound) - 1), min_size=1, max_size=40)):
            bad[place] = data.draw(st.integers(0, 255))
        path.write_bytes(bad)
    else:
        path.with_name("site.db-wal").write_bytes(data.draw(st.binary(max_size=5_000)))
    for question in (_rows, _sums):
        with suppress(LedgerError):
            question(LedgerReader(path))
    keeper = LedgerKeeper(path, UTC)
    keeper.open(NOW)
    if not keeper.keep([full(100)], {}, NOW):
        assert keeper.problem
    elif kind != "bits":
        assert full(100) in _rows(keeper.reader)
    keeper.close()


def _rows(reader: LedgerReader) -> list[object]:
    return list(reader.quarters(*AGES))


def _sums(reader: LedgerReader) -> object:
    return reader.totals(*AGES), reader.peaks(*AGES, UTC), reader.span()


# Trouble that passes.


def test_a_file_that_another_program_holds_is_written_later(
    path: Path, keeper: LedgerKeeper
) -> None:
    keeper._file._connection.execute("PRAGMA busy_timeout = 10")  # type: ignore[union-attr]
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not keeper.keep(several(2), {"count": 2}, NOW)
    assert keeper.problem is not None
    assert "locked" in keeper.problem
    assert keeper.waiting == 2
    other.execute("ROLLBACK")
    other.close()
    assert keeper.keep([full(2)], {"count": 3}, NOW)
    assert keeper.waiting == keeper.lost == 0
    assert len(_rows(keeper.reader)) == 3


def test_a_full_disk_is_waited_for(keeper: LedgerKeeper) -> None:
    connection = keeper._file._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    assert not keeper.keep(several(500), {}, NOW)
    assert keeper.problem is not None
    assert "full" in keeper.problem
    connection.execute("PRAGMA max_page_count = 100000")
    assert keeper.keep([], {}, NOW)
    assert len(_rows(keeper.reader)) == 500


def test_what_waits_is_bounded_and_what_was_given_up_is_counted(
    path: Path, keeper: LedgerKeeper
) -> None:
    keeper.close()
    for part in path.parent.glob("site.db*"):
        part.unlink()
    path.mkdir()  # nothing can be opened in the place of a folder
    assert not keeper.keep(several(WAITING_MOST + 5), {}, NOW)
    assert (keeper.waiting, keeper.lost) == (WAITING_MOST, 5)
    path.rmdir()
    assert keeper.keep([], {}, NOW)
    assert len(_rows(keeper.reader)) == WAITING_MOST


def test_a_place_where_nothing_can_be_kept_is_said_and_not_raised(tmp_path: Path) -> None:
    (tmp_path / "computeload").write_text("a file in the place of the folder")
    keeper = LedgerKeeper(tmp_path / "computeload" / "site.db", UTC)
    assert keeper.open(NOW) is None
    assert keeper.problem is not None
    assert not keeper.keep([full()], {}, NOW)
    with pytest.raises(LedgerError):
        _rows(keeper.reader)


def test_a_closed_file_says_so(path: Path) -> None:
    with pytest.raises(LedgerError, match="not open"):
        LedgerFile(path).append([full()])
    assert issubclass(DamagedLedgerError, LedgerError)


def test_two_writers_of_one_file_do_not_lose_each_others_rows(
    path: Path, keeper: LedgerKeeper
) -> None:
    second = LedgerKeeper(path, UTC)
    second.open(NOW)
    for number in range(0, 20, 2):
        assert keeper.keep([full(number)], {}, NOW)
        assert second.keep([full(number + 1)], {}, NOW)
    second.close()
    assert _rows(keeper.reader) == [full(n) for n in range(20)]
    assert full(20).start - START == timedelta(hours=5) == 20 * QUARTER
