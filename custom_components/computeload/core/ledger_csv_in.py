"""A past that was metered elsewhere, out of a CSV file.

Columns are flexible but checked: an error names the line, the column, the value and
what to do about it. One column is the time: ``utc``, ``start``, ``time``... for the start
of a step, ``end`` or ``until`` for its end; ISO format, with an offset unless the column
is called ``utc``. The others are ``<what>_<unit>``:

- ``import``, ``export``, ``grid`` (import +), ``load``, ``pv``, ``battery`` (discharge +),
  ``battery_in``, ``battery_out`` in W, kW, MW (means) or Wh, kWh, MWh (per step);
- ``branch <name>`` in Wh, for a branch that the site has;
- ``soc`` (0..1) or ``soc_percent``; ``co2_g_per_kwh``; ``price_import_eur_per_kwh`` and
  the like, in any currency or ``ct``, per kWh or MWh; ``covered_s``.

Other columns are left alone. Steps are equally long, up to an hour; missing ones are gaps.
"""

from collections.abc import Iterator, Mapping, Sequence
import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, pairwise
import math
import re
from typing import Final

from .ledger import EXPORT, IMPORT, Channel, Role
from .ledger_past import HOUR, Interval

MOST_LINES: Final = 3_000_000
"""Five years of minutes."""
STEP_LINES: Final = 50
"""The shortest step among so many lines is the file's step."""
YEARS: Final = range(1990, 2100)
_DELIMITERS: Final = ";\t,"
_STARTS: Final = frozenset(
    {"utc", "start", "start_utc", "time", "timestamp", "datetime", "date_time", "from"}
)
_ENDS: Final = frozenset({"end", "end_utc", "until", "to"})
_POWER: Final = {"w": 1.0, "kw": 1e3, "mw": 1e6}
_ENERGY: Final = {"wh": 1.0, "kwh": 1e3, "mwh": 1e6}
_FLOW: Final = re.compile(
    r"(import|export|grid|load|pv|battery|battery_in|battery_out)_(w|kw|mw|wh|kwh|mwh)"
)
_PRICE: Final = re.compile(r"price(_import|_export)?_(ct|[a-z]{3})_per_([km])wh")
_SIGNED: Final = {
    "grid": (IMPORT, EXPORT),
    "battery": (Channel(Role.BATTERY_OUT), Channel(Role.BATTERY_IN)),
}
_FACTS: Final = {
    "soc": ("soc", 1.0, 1.0),
    "soc_percent": ("soc", 0.01, 1.0),
    "co2_g_per_kwh": ("co2_g_per_kwh", 1.0, 1e5),
    "covered_s": ("covered_s", 1.0, 3600.0),
}
"""Columns that are no flow: the attribute, the factor, and the most that it may be."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something is."""

    line: int
    column: str = ""
    value: str = ""

    def __str__(self) -> str:
        """Return the place in words."""
        column = f", column {self.column!r}" if self.column else ""
        value = f", value {self.value[:60]!r}" if self.column else ""
        return f"Line {self.line}{column}{value}"


class PastError(Exception):
    """A file of the past cannot be taken as it is. The text is for the user."""

    def __init__(self, place: Place, problem: str, remedy: str) -> None:
        """Say where it is wrong, what, and what to do."""
        super().__init__(f"{place}: {problem}. {remedy}.")
        self.place, self.problem, self.remedy = place, problem, remedy


@dataclass(frozen=True, slots=True)
class _Column:
    """What one column of a file says, and how its number becomes ours."""

    position: int
    name: str
    factor: float
    channels: tuple[Channel, ...] = ()
    """One, or for a signed column two: where it is positive, where it is negative."""
    is_power: bool = False
    fact: str = ""
    """The attribute, for a column that is no flow."""
    most: float = math.inf
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file with its time read."""

    number: int
    at: datetime
    cells: Sequence[str]


def read_csv(
    lines: Iterator[str], *, plausible_w: float, branches: Mapping[str, str] | None = None
) -> Iterator[Interval]:
    """Yield the intervals of a file. Raises PastError at the first thing that is wrong.

    ``plausible_w`` is the most that the site can draw; a mean above it most likely has
    another unit than its column says. ``branches`` names the site's branches by asset id.
    """
    return _File(lines, plausible_w, branches or {}).intervals()


class _File:
    """One file on its way in."""

    def __init__(
        self, lines: Iterator[str], plausible_w: float, branches: Mapping[str, str]
    ) -> None:
        self._plausible_w = plausible_w
        head = _first(lines).removeprefix("\ufeff")
        delimiter = max(_DELIMITERS, key=head.count)
        self._decimal_comma = delimiter != ","
        (_, names) = next(_rows(iter([head]), delimiter, 0), (0, [""]))
        names = [_plain(name) for name in names]
        self._time = next((i for i, n in enumerate(names) if n in _STARTS | _ENDS), -1)
        if self._time < 0:
            raise PastError(
                Place(1), "No column says when", "Call the column with the time 'utc' or 'start'"
            )
        self._time_name = names[self._time]
        self._width = len(names)
        metered = {f"branch_{_plain(name)}_wh": asset_id for asset_id, name in branches.items()}
        known = (_column(position, name, metered) for position, name in enumerate(names))
        self._columns = tuple(column for column in known if column is not None)
        self._check_columns()
        self._lines = (self._line(n, row) for n, row in _rows(lines, delimiter, 1) if any(row))

    def _check_columns(self) -> None:
        says = [key for c in self._columns for key in (*map(str, c.channels), c.fact) if key]
        if (twice := next((key for key in says if says.count(key) > 1), None)) is not None:
            raise PastError(Place(1), f"Two columns say {twice}", "Leave one of them in the file")
        if not {"import", "load"} & set(says):
            raise PastError(
                Place(1),
                "No column says what was drawn or consumed",
                "Call one 'import_kwh', 'grid_kw' or 'load_kw', with the unit that it has",
            )

    def intervals(self) -> Iterator[Interval]:
        """Yield the file's intervals."""
        head = list(islice(self._lines, STEP_LINES))
        gaps = [b.at - a.at for a, b in pairwise(head) if b.at > a.at]
        step = min(gaps, default=timedelta())
        if not gaps or step > HOUR:
            raise PastError(
                Place(len(head) + 1),
                "There are no two lines that are an hour apart or less",
                "Import hourly values or finer ones, sorted by time",
            )
        before: _Line | None = None
        for line in chain(head, self._lines):
            if before is not None:
                self._check_step(before, line, step)
            before = line
            yield self._interval(line, step)

    def _line(self, number: int, cells: Sequence[str]) -> _Line:
        text = cells[self._time].strip() if self._time < len(cells) else ""
        place = Place(number, self._time_name, text)
        if number > MOST_LINES:
            raise PastError(Place(number), "The file is too long", "Import it in parts")
        if any(cells[self._width :]):
            raise PastError(
                Place(number),
                "This has more cells than the first line has names",
                "Write numbers like 12.5, or put semicolons between the columns",
            )
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is None and "utc" in self._time_name:
                at = at.replace(tzinfo=UTC)
            if at.tzinfo is None:
                raise PastError(
                    place,
                    "The time does not say in which zone it is",
                    "Add the offset (+01:00), or call the column 'utc' if it is UTC",
                )
            at = at.astimezone(UTC)
        except (OverflowError, ValueError) as err:
            raise PastError(
                place, "This is no time", "Write times like 2026-03-29T01:15:00+01:00"
            ) from err
        if at.year not in YEARS:
            raise PastError(place, "Nobody metered then", "Correct the year")
        return _Line(number, at, cells)

    def _check_step(self, before: _Line, line: _Line, step: timedelta) -> None:
        gap = line.at - before.at
        place = Place(line.number, self._time_name, line.cells[self._time])
        if gap <= timedelta():
            raise PastError(
                place,
                f"This is not later than line {before.number}",
                "Sort the file by time, each time once",
            )
        if gap % step:
            raise PastError(
                place,
                f"This is not a multiple of the file's step ({step}) after line {before.number}",
                "Give all lines the same step; leave missing ones out",
            )

    def _interval(self, line: _Line, step: timedelta) -> Interval:
        energies: dict[Channel, float] = {}
        facts: dict[str, float] = {}
        for column in self._columns:
            text = line.cells[column.position].strip() if column.position < len(line.cells) else ""
            place = Place(line.number, column.name, text)
            if (value := self._number(place)) is None:
                continue
            value *= column.factor
            if column.channels:
                energy_wh = value * (step / HOUR) if column.is_power else value
                energies |= self._energies(column, energy_wh, step, place)
            elif column.least <= value <= column.most:
                facts[column.fact] = value
            else:
                raise PastError(
                    place,
                    "This is out of range",
                    "Correct it, or leave it empty; a charge of 0..100 goes in 'soc_percent'",
                )
        covered_s = facts.pop("covered_s", None)
        start = line.at - step if self._time_name in _ENDS else line.at
        return Interval(
            start=start,
            end=start + step,
            energies_wh=energies,
            facts=facts,
            covered_s=covered_s if covered_s is None else min(covered_s, step.total_seconds()),
        )

    def _number(self, place: Place) -> float | None:
        text = place.value
        if not text or text.lower() in {"nan", "null", "none", "unknown", "unavailable"}:
            return None
        if self._decimal_comma and "." not in text:
            text = text.replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise PastError(
                place,
                "This is no number",
                "Write numbers like 12.5, and nothing where nothing is known",
            )
        return value

    def _energies(
        self, column: _Column, energy_wh: float, step: timedelta, place: Place
    ) -> dict[Channel, float]:
        mean_w = energy_wh / (step / HOUR)
        if abs(mean_w) > self._plausible_w:
            raise PastError(
                place,
                f"This is a mean of {mean_w / 1000.0:.0f} kW, more than this site can draw",
                "Look whether the column's values have the unit in its name",
            )
        if mean_w < column.least:
            raise PastError(
                place, "This is negative", "Use 'grid' or 'battery', which have a sign, instead"
            )
        signs = zip(column.channels, (1.0, -1.0), strict=False)
        return {channel: max(sign * energy_wh, 0.0) for channel, sign in signs}


def _column(position: int, name: str, branches: Mapping[str, str]) -> _Column | None:
    if (asset_id := branches.get(name)) is not None:
        return _Column(position, name, 1.0, channels=(Channel(Role.BRANCH, asset_id),))
    if (flow := _FLOW.fullmatch(name)) is not None:
        what, unit = flow.groups()
        # An inverter draws a little at night, which is no production.
        signed = what in _SIGNED or what == Role.PV
        return _Column(
            position,
            name,
            (_POWER | _ENERGY)[unit],
            channels=_SIGNED.get(what) or (Channel(Role(what)),),
            is_power=unit in _POWER,
            least=-math.inf if signed else 0.0,
        )
    if (price := _PRICE.fullmatch(name)) is not None:
        side, money, per = price.groups()
        factor = (0.01 if money == "ct" else 1.0) * (0.001 if per == "m" else 1.0)
        fact = f"price{side or '_import'}"
        return _Column(position, name, factor, fact=fact, most=1e6, least=-1e6)
    if name not in _FACTS:
        return None
    fact, factor, most = _FACTS[name]
    return _Column(position, name, factor, fact=fact, most=most)


def _first(lines: Iterator[str]) -> str:
    try:
        return next(lines, "")
    except UnicodeDecodeError as err:
        raise PastError(Place(1), "The file is no text", "Save it as CSV in UTF-8") from err


def _rows(lines: Iterator[str], delimiter: str, before: int) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield rows with their line's number; ``before`` lines of the file came before."""
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for row in reader:
            yield reader.line_num + before, row
    except (csv.Error, UnicodeDecodeError) as err:
        place = Place(reader.line_num + before + 1)
        raise PastError(place, f"This is no CSV ({err})", "Save the file as CSV in UTF-8") from err


def _plain(name: str) -> str:
    """Return a column's name in the one way of writing: ``Load [kW]`` is ``load_kw``."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
