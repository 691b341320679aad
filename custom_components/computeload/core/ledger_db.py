"""The ledger on disk: one SQLite file, written by one connection.

This is the one place of the core that touches files (the standard library's ``sqlite3``,
nothing else); every call blocks and belongs in an executor. Rows and the state of the
open quarter are written in one transaction, so a kill at any moment loses no more than
what was not yet handed over. A file that cannot be read is set aside under another name
and a new one is begun: nothing is ever deleted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
import json
from pathlib import Path
import sqlite3
from typing import Any, Final

from .ledger import Channel, Quarter, merged
from .ledger_rows import COLUMNS, from_row, to_row
from .ledger_schema import APPLICATION_ID, MIGRATIONS

BUSY_S: Final = 2.0
"""How long a write waits for another program that holds the file."""
WAL_LIMIT_BYTES: Final = 4_000_000
_SELECT: Final = "SELECT " + ", ".join(COLUMNS) + " FROM newest"  # noqa: S608 - our own names
_INSERT: Final = f"INSERT INTO quarter VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our own names
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class LedgerError(Exception):
    """The ledger's file cannot be used now. The text says what happened, for people."""


class DamagedLedgerError(LedgerError):
    """The file is not a sound ledger, or not there any more: it has to be opened again."""


class _UnusableError(Exception):
    """This file is not one that we can write to. ``mark`` goes into its new name."""

    def __init__(self, mark: str, problem: str) -> None:
        super().__init__(problem)
        self.mark = mark


class LedgerFile:
    """The ledger's file. Open it first; one thread at a time."""

    def __init__(self, path: Path, *, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Prepare; nothing is touched before ``open``."""
        self.path = path
        self._migrations = migrations
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    # -- opening -------------------------------------------------------------------

    def open(self, now: datetime) -> str | None:
        """Open the file, or begin one; return what a user should know, None if nothing.

        ``now`` names a file that has to be set aside. Raises LedgerError when there can
        be no file at this place now: no permission, disk full, locked.
        """
        self.close()
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connect()
            except _UnusableError as err:
                aside = self._set_aside(err.mark, now)
                self._connect()
                return (
                    f"The ledger {self.path.name} could not be used: {err}. It was kept as "
                    f"{aside.name} and a new ledger was begun; earlier quarters are missing "
                    "from it until they are imported again"
                )
        return None

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException as err:
            connection.close()
            if _is_damage(err):
                raise _UnusableError("damaged", f"it is damaged ({err})") from err
            raise
        self._connection = connection
        self._inode = self.path.stat().st_ino

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if owner != APPLICATION_ID and (tables or version or owner):
            raise _UnusableError("foreign", "it is another program's database")
        if version > len(self._migrations):
            raise _UnusableError(
                f"version{version}", "it was written by a newer version of computeload"
            )
        (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise _UnusableError("damaged", f"it is damaged ({health})")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        for number, script in enumerate(self._migrations[version:], version + 1):
            self._migrate(connection, number, script)
        _channel_numbers(connection)
        connection.execute(f"{_SELECT} LIMIT 1").fetchone()
        connection.execute("SELECT name, value FROM state LIMIT 1").fetchone()

    def _migrate(self, connection: sqlite3.Connection, version: int, script: str) -> None:
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {version}; COMMIT;"
            )
        except sqlite3.Error as err:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if _code(err) != sqlite3.SQLITE_ERROR:
                raise
            # The fault is in the migration, not in the file: it must not be set aside.
            raise LedgerError(
                f"The ledger {self.path.name} could not be brought up to date: {err}"
            ) from err

    def _set_aside(self, mark: str, now: datetime) -> Path:
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = self.path.with_name(f"{self.path.stem}.{mark}-{stamp}{self.path.suffix}")
        count = 1
        while aside.exists():
            count += 1
            aside = aside.with_stem(f"{self.path.stem}.{mark}-{stamp}-{count}")
        # The write-ahead log belongs to its file and must not be applied to the new one.
        for ending in ("-wal", "-shm", ""):
            part = self.path.with_name(self.path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
        return aside

    # -- writing -------------------------------------------------------------------

    def append(self, quarters: Iterable[Quarter], state: object = None) -> int:
        """Add accounts of quarters, and the state of the open one, in one transaction.

        A quarter that is known already gets a new revision if this account is better
        (see ``ledger.merged``), else nothing; one that is summed up by day already is
        left out. ``state`` is anything JSON; None leaves the
        stored one. Returns how many rows were added. Raises LedgerError.
        """
        return self._write(quarters, state, replacing=False)

    def amend(self, quarters: Iterable[Quarter]) -> int:
        """Put these rows in the place of what is known, as new revisions where they differ.

        For what is worked out later: prices, the grid without control. Returns how many
        rows were added. Raises LedgerError.
        """
        return self._write(quarters, None, replacing=True)

    def _write(self, quarters: Iterable[Quarter], state: object, *, replacing: bool) -> int:
        added = 0
        with self.transaction() as connection:
            (summed_up,) = connection.execute("SELECT max(until) FROM day").fetchone()
            numbers = _channel_numbers(connection)
            for quarter in quarters:
                if summed_up is not None and quarter.start.timestamp() < summed_up:
                    continue
                revision, known = _known(connection, quarter.start, numbers)
                holds = quarter if known is None or replacing else merged(known, quarter)
                if holds == known:
                    continue
                for channel in holds.flows.keys() - numbers.keys():
                    numbers[channel] = _new_number(connection, channel)
                row = to_row(replace(holds, revision=revision + 1), numbers)
                connection.execute(_INSERT, row)
                added += 1
            if state is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO state VALUES ('book', ?)", (json.dumps(state),)
                )
        return added

    def state(self) -> Any:
        """Return the state last written; None for none or one that cannot be read."""
        with self.transaction() as connection:
            row = connection.execute("SELECT value FROM state WHERE name = 'book'").fetchone()
        with suppress(ValueError):
            return None if row is None else json.loads(row[0])
        return None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing. Raises LedgerError."""
        if self._connection is None:
            raise LedgerError(f"The ledger {self.path.name} is not open")
        with explained(self.path):
            if not self.path.exists() or self.path.stat().st_ino != self._inode:
                # Rows written to a file without a name would be gone with the process.
                raise DamagedLedgerError(f"The ledger {self.path.name} was taken away")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _channel_numbers(connection: sqlite3.Connection) -> dict[Channel, int]:
    """Return the number of every channel in this file."""
    numbers: dict[Channel, int] = {}
    for name, number in connection.execute("SELECT name, number FROM channel"):
        with suppress(ValueError):
            numbers[Channel.parse(name)] = number
    return numbers


def _new_number(connection: sqlite3.Connection, channel: Channel) -> int:
    cursor = connection.execute("INSERT INTO channel (name) VALUES (?)", (str(channel),))
    return int(cursor.lastrowid or 0)


def _known(
    connection: sqlite3.Connection, start: datetime, numbers: Mapping[Channel, int]
) -> tuple[int, Quarter | None]:
    """Return the newest revision of a quarter and what it says; 0 and None for none."""
    row = connection.execute(f"{_SELECT} WHERE start = ?", (start.timestamp(),)).fetchone()
    if row is None:
        return 0, None
    return row[1], from_row(row, {str(number): channel for channel, number in numbers.items()})


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into LedgerError."""
    try:
        yield
    except _UnusableError as err:
        raise DamagedLedgerError(f"The ledger {path.name} cannot be used: {err}") from err
    except (sqlite3.Error, UnicodeDecodeError) as err:
        if _is_damage(err):
            raise DamagedLedgerError(f"The ledger {path.name} is damaged: {err}") from err
        raise LedgerError(f"The ledger {path.name} cannot be used now: {err}") from err
    except OSError as err:
        raise LedgerError(f"The ledger {path.name} cannot be used now: {err.strerror}") from err


def _is_damage(err: BaseException) -> bool:
    """Tell whether the file is at fault; SQLite quotes what it cannot read, in any bytes."""
    damage = isinstance(err, sqlite3.Error) and _code(err) in _DAMAGE
    return damage or isinstance(err, UnicodeDecodeError)


def _code(err: sqlite3.Error) -> int:
    """Return the primary result code; 0 for an error of the module itself."""
    return getattr(err, "sqlite_errorcode", 0) & 0xFF
