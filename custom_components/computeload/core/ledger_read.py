"""Questions to the ledger: its quarters, sums, peaks and series.

Each question opens the file for reading only, so none of them waits for the writer or
holds it up. All of them block and belong in an executor. Raises LedgerError throughout.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
import math
from pathlib import Path
import sqlite3
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .ledger import ENOUGH_S, Channel, Origin, Quarter, Role
from .ledger_db import LedgerError, explained
from .ledger_rows import COLUMNS, from_row
from .window import WINDOW_S, window_start

_PER_HOUR: Final = 3600.0 / WINDOW_S
_ROWS_AT_ONCE: Final = 500
"""numpy turns rows into an array without a pause: so many hold other threads up for 1 ms."""
_BETWEEN: Final = "FROM newest WHERE start >= ? AND start < ?"
_DAYS: Final = "FROM day WHERE since >= ? AND until <= ?"


class Column(StrEnum):
    """What can be asked for as a series. Powers are means over the quarter, in our signs."""

    LOAD_W = "load_w"
    GRID_W = "grid_w"
    IMPORT_W = "import_w"
    """As billed: the metered energy over the whole quarter."""
    EXPORT_W = "export_w"
    PV_W = "pv_w"
    BATTERY_W = "battery_w"
    BATTERY_IN_W = "battery_in_w"
    BATTERY_OUT_W = "battery_out_w"
    SOC = "soc"
    PRICE_IMPORT = "price_import"
    PRICE_EXPORT = "price_export"
    CO2_G_PER_KWH = "co2_g_per_kwh"
    TARGET_W = "target_w"
    WITHOUT_IMPORT_W = "without_import_w"
    WITHOUT_EXPORT_W = "without_export_w"
    METERED = "metered"
    """1 where the site metered the quarter itself, 0 where it was brought in."""


_EXPRESSIONS: Final = {
    Column.LOAD_W: f"load_wh * {_PER_HOUR}",
    Column.GRID_W: (
        f"CASE WHEN covered_s >= {ENOUGH_S} "
        "THEN (import_wh - coalesce(export_wh, 0.0)) * 3600.0 / covered_s END"
    ),
    Column.IMPORT_W: f"import_wh * {_PER_HOUR}",
    Column.EXPORT_W: f"export_wh * {_PER_HOUR}",
    Column.PV_W: f"pv_wh * {_PER_HOUR}",
    Column.BATTERY_W: (
        f"(coalesce(battery_out_wh, 0.0) - coalesce(battery_in_wh, 0.0)) * {_PER_HOUR}"
    ),
    Column.BATTERY_IN_W: f"battery_in_wh * {_PER_HOUR}",
    Column.BATTERY_OUT_W: f"battery_out_wh * {_PER_HOUR}",
    Column.WITHOUT_IMPORT_W: f"without_import_wh * {_PER_HOUR}",
    Column.METERED: f"origin <> '{Origin.IMPORTED}'",
    Column.WITHOUT_EXPORT_W: f"without_export_wh * {_PER_HOUR}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over a span. Money is in the site's currency, CO2 in g."""

    quarters: int = 0
    """For how many quarters there is a row."""
    imported: int = 0
    """How many of them were brought in from elsewhere."""
    covered_s: float = 0.0
    import_wh: float = 0.0
    export_wh: float = 0.0
    pv_wh: float = 0.0
    battery_in_wh: float = 0.0
    battery_out_wh: float = 0.0
    load_wh: float = 0.0
    load_quarters: int = 0
    """For how many quarters the load is known."""
    cost: float = 0.0
    """What the priced import cost."""
    income: float = 0.0
    """What the priced export brought."""
    unpriced_import_wh: float = 0.0
    """Import without a price: it is in no cost."""
    unpriced_export_wh: float = 0.0
    co2_g: float = 0.0
    without_import_wh: float = 0.0
    without_export_wh: float = 0.0
    without_cost: float = 0.0
    """What import and export would have cost without control, where that is worked out."""
    commands: int = 0


TOTALS: Final = {
    "quarters": "count(*)",
    "imported": "sum(origin = 'imported')",
    "covered_s": "sum(covered_s)",
    "import_wh": "sum(import_wh)",
    "export_wh": "sum(export_wh)",
    "pv_wh": "sum(pv_wh)",
    "battery_in_wh": "sum(battery_in_wh)",
    "battery_out_wh": "sum(battery_out_wh)",
    "load_wh": "sum(load_wh)",
    "load_quarters": "count(load_wh)",
    "cost": "sum(import_wh * price_import) / 1000.0",
    "income": "sum(export_wh * price_export) / 1000.0",
    "unpriced_import_wh": "sum(iif(price_import IS NULL, import_wh, 0.0))",
    "unpriced_export_wh": "sum(iif(price_export IS NULL, export_wh, 0.0))",
    "co2_g": "sum(import_wh * co2_g_per_kwh) / 1000.0",
    "without_import_wh": "sum(without_import_wh)",
    "without_export_wh": "sum(without_export_wh)",
    "without_cost": (
        "sum(without_import_wh * price_import"
        " - coalesce(without_export_wh * price_export, 0.0)) / 1000.0"
    ),
    "commands": "sum(commands)",
}
"""How each sum is taken from rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The quarter of a month with the highest mean import."""

    start: datetime
    mean_w: float
    covered_s: float
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Columns at a constant step from ``start`` on; NaN where nothing is known."""

    start: datetime
    step_s: float
    columns: dict[Column, NDArray[np.float64]]

    @property
    def starts(self) -> NDArray[np.float64]:
        """Return the start of every step in Unix seconds."""
        length = len(next(iter(self.columns.values()), ()))
        return np.arange(length, dtype=np.float64) * self.step_s + self.start.timestamp()


class LedgerReader:
    """Answers questions from a ledger's file. Any thread, any number at a time."""

    def __init__(self, path: Path) -> None:
        """Prepare; the file is opened with each question."""
        self.path = path

    def quarters(self, since: datetime, until: datetime) -> Iterator[Quarter]:
        """Yield the rows that start in a span, oldest first; damaged ones are left out."""
        with self._reading() as connection:
            channels = _channels(connection)
            query = f"SELECT {', '.join(COLUMNS)} {_BETWEEN} ORDER BY start"
            for row in connection.execute(query, _span(since, until)):
                if (quarter := from_row(row, channels)) is not None:
                    yield quarter

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the start of the first row and the end of the last; None for no rows."""
        with self._reading() as connection:
            first, last = connection.execute(
                "SELECT (SELECT min(start) FROM quarter), (SELECT max(start) FROM quarter)"
            ).fetchone()
        if first is None:
            return None
        return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last + WINDOW_S, UTC)

    def branches(self) -> list[str]:
        """Return the asset ids of all branches that ever had a flow, in order of appearance."""
        with self._reading() as connection:
            channels = _channels(connection)
        return [c.asset_id for c in channels.values() if c.role is Role.BRANCH]

    def totals(self, since: datetime, until: datetime) -> Totals:
        """Return the sums over the rows that start in a span."""
        with self._reading() as connection:
            return sums(connection, since, until)

    def peaks(self, since: datetime, until: datetime, zone: tzinfo) -> dict[str, Peak]:
        """Return the billed peak of every month of the site's calendar, by ``YYYY-MM``.

        A quarter belongs to the month in which it starts in ``zone``. A month that the
        span cuts is looked at only within the span.
        """
        found: dict[str, Peak] = {}
        with self._reading() as connection:
            for month, first, last in months(since, until, zone):
                if (peak := highest(connection, first, last)) is not None:
                    found[month] = peak
        return found

    def history(
        self,
        columns: Iterable[Column],
        since: datetime,
        until: datetime,
        step_s: float = WINDOW_S,
    ) -> History:
        """Return columns as arrays at a constant step, with NaN for gaps.

        ``step_s`` is a multiple of 900; a longer step is the mean of its quarters where
        at least half of them are known. ``since`` is taken back to the start of its step.
        Raises ValueError for another step.
        """
        names = tuple(columns)
        per_step = int(step_s // WINDOW_S)
        if per_step < 1 or per_step * WINDOW_S != step_s:
            raise ValueError(f"A step of {step_s} s is not a multiple of {WINDOW_S:.0f} s")
        start = window_start(since, step_s)
        steps = max(math.ceil((until.timestamp() - start.timestamp()) / step_s), 0)
        values = np.full((steps * per_step, len(names)), np.nan)
        chosen = ", ".join(_EXPRESSIONS.get(name, name.value) for name in names)
        with self._reading() as connection:
            query = f"SELECT start, {chosen} {_BETWEEN}"
            cursor = connection.execute(query, _span(start, until))
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                table = np.array(rows, dtype=np.float64)
                table[~np.isfinite(table)] = np.nan
                places = (table[:, 0] - start.timestamp()) // WINDOW_S
                values[places.astype(np.intp)] = table[:, 1:]
        means = _means(values.reshape(steps, per_step, len(names)))
        return History(
            start=start, step_s=step_s, columns={n: means[:, i] for i, n in enumerate(names)}
        )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path):
            if not self.path.exists():
                raise LedgerError(f"The ledger {self.path.name} is not there yet")
            address = self.path.absolute().as_uri() + "?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                try:
                    yield connection
                except (ArithmeticError, ValueError) as err:
                    raise LedgerError(
                        f"The ledger {self.path.name} holds a value that cannot be read: {err}"
                    ) from err


def sums(connection: sqlite3.Connection, since: datetime, until: datetime) -> Totals:
    """Return the sums over the rows of a span, and over the summed-up days within it."""
    quarters = f"SELECT {', '.join(TOTALS.values())} {_BETWEEN}"
    days = f"SELECT {', '.join(f'sum({name})' for name in TOTALS)} {_DAYS}"
    span = _span(since, until)
    kept = connection.execute(quarters, span).fetchone()
    old = connection.execute(days, span).fetchone()
    return Totals(
        **{name: (a or 0) + (b or 0) for name, a, b in zip(TOTALS, kept, old, strict=True)}
    )


def highest(connection: sqlite3.Connection, since: datetime, until: datetime) -> Peak | None:
    """Return the quarter of a span with the most import; the first one where several have it."""
    kept = f"SELECT start, import_wh, covered_s, origin {_BETWEEN}"
    old = f"SELECT peak_start, peak_import_wh, peak_covered_s, peak_origin {_DAYS}"
    row = connection.execute(
        f"SELECT * FROM ({kept} UNION ALL {old}) WHERE import_wh IS NOT NULL"  # noqa: S608 - our own words
        " ORDER BY import_wh DESC, start LIMIT 1",
        (*_span(since, until), *_span(since, until)),
    ).fetchone()
    if row is None:
        return None
    start, import_wh, covered_s, origin = row
    return Peak(
        start=datetime.fromtimestamp(start, UTC),
        mean_w=import_wh * _PER_HOUR,
        covered_s=covered_s,
        origin=Origin(origin),
    )


def months(
    since: datetime, until: datetime, zone: tzinfo
) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield the months that a span touches, with their part of it (UTC)."""
    first = since.astimezone(zone).date().replace(day=1)
    while (start := midnight(first, zone)) < until:
        following = (first + timedelta(days=32)).replace(day=1)
        yield f"{first:%Y-%m}", max(start, since), min(midnight(following, zone), until)
        first = following


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a day of the site's calendar begins (UTC)."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over axis 1 where at least half of it is known."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    enough = count * 2 >= values.shape[1]
    return np.where(enough & (count > 0), total / np.maximum(count, 1), np.nan)


def _channels(connection: sqlite3.Connection) -> dict[str, Channel]:
    known: dict[str, Channel] = {}
    for number, name in connection.execute("SELECT number, name FROM channel ORDER BY number"):
        try:
            known[str(number)] = Channel.parse(name)
        except ValueError:
            continue
    return known


def _span(since: datetime, until: datetime) -> tuple[float, float]:
    return since.timestamp(), until.timestamp()
