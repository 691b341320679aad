"""Bounding the ledger: what is too old is summed up by day.

The measure is the number of quarters, not their age: a clock that leaps years ahead
must not cost any of them. Whole months of the site's calendar are summed up at a time,
each in one transaction, so that a kill leaves a month either as it was or summed up.
"""

from datetime import UTC, datetime, timedelta, tzinfo
import sqlite3
from typing import Final

from .ledger_db import LedgerFile
from .ledger_read import TOTALS, highest, midnight, months, sums

KEPT_QUARTERS: Final = 5 * 366 * 96
"""Five years."""
REVISIONS_KEPT: Final = timedelta(days=400)
"""For so long it can be seen what a corrected quarter said before."""
_DAY_COLUMNS: Final = (
    *("day", "since", "until", "peak_start", "peak_import_wh", "peak_covered_s", "peak_origin"),
    *TOTALS,
)
_ADD_DAY: Final = (
    f"INSERT OR REPLACE INTO day ({', '.join(_DAY_COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join('?' * len(_DAY_COLUMNS))})"
)


def prune(file: LedgerFile, zone: tzinfo, kept: int = KEPT_QUARTERS) -> int:
    """Sum up the oldest months until at most ``kept`` quarters are left.

    The newest month always stays. Returns how many months were summed up. Raises
    LedgerError.
    """
    summed_up = 0
    while True:
        with file.transaction() as connection:
            _drop_superseded(connection)
            if not _sum_up_a_month(connection, zone, kept):
                return summed_up
        summed_up += 1


def _sum_up_a_month(connection: sqlite3.Connection, zone: tzinfo, kept: int) -> bool:
    first, last, count = connection.execute(
        "SELECT min(start), max(start), count(*) FROM newest"
    ).fetchone()
    if count <= kept:
        return False
    oldest, newest = (datetime.fromtimestamp(each, UTC) for each in (first, last))
    (_, _, until), *rest = months(oldest, newest, zone)
    if not rest:
        return False
    day = oldest.astimezone(zone).date()
    while (start := midnight(day, zone)) < until:
        _sum_up_a_day(connection, day.isoformat(), start, midnight(day + timedelta(1), zone))
        day += timedelta(1)
    connection.execute("DELETE FROM quarter WHERE start < ?", (until.timestamp(),))
    return True


def _sum_up_a_day(
    connection: sqlite3.Connection, name: str, since: datetime, until: datetime
) -> None:
    totals, peak = sums(connection, since, until), highest(connection, since, until)
    if not totals.quarters:
        return
    row = (
        name,
        int(since.timestamp()),
        int(until.timestamp()),
        *(
            (int(peak.start.timestamp()), peak.mean_w / 4.0, peak.covered_s, peak.origin.value)
            if peak is not None
            else (None, None, None, None)
        ),
        *(getattr(totals, name) for name in TOTALS),
    )
    connection.execute(_ADD_DAY, row)


def _drop_superseded(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM quarter WHERE start < (SELECT max(start) FROM quarter) - ? AND EXISTS ("
        "SELECT 1 FROM quarter AS n WHERE n.start = quarter.start"
        " AND n.revision > quarter.revision)",
        (REVISIONS_KEPT.total_seconds(),),
    )
