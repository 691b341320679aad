"""The backtest's files: a measured series, and the site that it is tried on.

Formats: ``docs/backtest.md``. What is wrong in a file is said in plain words.
"""

from collections.abc import Mapping
import csv
from dataclasses import dataclass
from datetime import UTC, datetime
import gzip
import math
from pathlib import Path
from typing import IO, Final

import numpy as np

from .plan import BatterySpec, Floats, Ints, PlanError
from .tariff import Tariff, TariffError, read_tariff
from .tariff.document import parse

_COLUMNS: Final = ("utc", "load_kw", "price_eur_per_kwh", "pv_kw_per_kwp", "co2_g_per_kwh")
_WINDOW_S: Final = 900
_HOUR_S: Final = 3600
_LONGEST_H: Final = 48.0


class BacktestError(Exception):
    """A file that cannot be used, and what to do about it."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A measured series at a constant step, shape (n,) each."""

    starts: Ints
    """Seconds since 1970, UTC."""
    step_s: int
    load_w: Floats
    price: Floats
    """Day-ahead, EUR/kWh."""
    pv_per_kwp: Floats
    carbon_g_per_kwh: Floats

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.starts)

    def first(self, count: int) -> Measured:
        """Return the series as if it had been cut off after ``count`` steps."""
        return Measured(
            self.starts[:count],
            self.step_s,
            self.load_w[:count],
            self.price[:count],
            self.pv_per_kwp[:count],
            self.carbon_g_per_kwh[:count],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsFile:
    """Where the jobs behind a load are, and what may be done to them."""

    path: Path
    node_w: float | None = None
    """What a busy node draws on top; None: found by comparing load and busy nodes."""
    shift_days: float | None = None
    """By how much the series is later than the jobs; None: whole weeks that bring both together."""
    may_wait: float = 1.0
    """The share of jobs that may be delayed."""
    longest_delay_h: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSite:
    """The site that a series is tried on."""

    tariff: Tariff
    battery: BatterySpec
    start_wh: float
    pv_peak_kw: float
    import_limit_w: float | None
    export_limit_w: float | None
    reserve_wh: float
    jobs: JobsFile | None = None


def read_series(path: Path) -> Measured:
    """Return a series from CSV, gzipped or not; raises BacktestError."""
    rows: list[list[float]] = []
    starts: list[int] = []
    with opened(path) as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in _COLUMNS[:3] if name not in (reader.fieldnames or ())]
        if missing:
            raise BacktestError(f"{path.name}: the column {missing[0]} is missing")
        for number, row in enumerate(reader, start=2):
            try:
                at = datetime.fromisoformat(row["utc"])
                values = [float(row.get(name) or 0.0) for name in _COLUMNS[1:]]
            except ValueError as error:
                raise BacktestError(f"{path.name}, line {number}: {error}") from error
            starts.append(int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()))
            rows.append(values)
    if len(starts) < 2:  # noqa: PLR2004
        raise BacktestError(f"{path.name}: at least two steps are needed")
    table = np.array(rows).T
    at_s = np.array(starts, dtype=np.int64)
    step_s = int(at_s[1] - at_s[0])
    if step_s <= 0 or np.any(np.diff(at_s) != step_s):
        line = int(np.argmax(np.diff(at_s) != step_s)) + 3
        raise BacktestError(f"{path.name}, line {line}: the step is not constant")
    if not np.all(np.isfinite(table)):
        raise BacktestError(f"{path.name}: not every value is a finite number")
    return _on_quarters(path, Measured(at_s, step_s, table[0] * 1000.0, *table[1:]))


def opened(path: Path) -> IO[str]:
    """Return a file as text, gzipped or not; raises BacktestError."""
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8", newline="")
        return path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise BacktestError(f"{path} cannot be read: {error.strerror}") from error


def _on_quarters(path: Path, series: Measured) -> Measured:
    """Return the series at 15 minutes: longer steps are drawn out, shorter ones averaged."""
    if series.step_s == _WINDOW_S and series.starts[0] % _WINDOW_S == 0:
        return series
    if _HOUR_S % series.step_s or series.starts[0] % series.step_s:
        raise BacktestError(f"{path.name}: steps must divide the hour and start on the clock")
    columns = [series.load_w, series.price, series.pv_per_kwp, series.carbon_g_per_kwh]
    piece_s = math.gcd(series.step_s, _WINDOW_S)
    parts = series.step_s // piece_s
    pieces = (series.starts[:, None] + np.arange(parts) * piece_s).ravel()
    each = _WINDOW_S // piece_s
    skip = int(np.argmax(pieces % _WINDOW_S == 0))
    count = (len(pieces) - skip) // each
    if not count:
        raise BacktestError(f"{path.name}: shorter than one window of 15 minutes")
    used = slice(skip, skip + count * each)
    means = [np.repeat(c, parts)[used].reshape(count, each).mean(axis=1) for c in columns]
    return Measured(pieces[used][::each], _WINDOW_S, *means)


def read_site(path: Path) -> TestSite:
    """Return a site from YAML; raises BacktestError."""
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BacktestError(f"{path} cannot be read: {error.strerror}") from error
    except TariffError as error:
        raise BacktestError(f"{path.name}: {error}") from error
    if not isinstance(document, dict):
        raise BacktestError(f"{path.name}: a mapping is needed")
    try:
        return _site(document, path.parent)
    except (TariffError, PlanError) as error:
        raise BacktestError(f"{path.name}: {error}") from error


def _site(document: Mapping[str, object], folder: Path) -> TestSite:
    head = {k: v for k, v in document.items() if k in _HEAD_KEYS}
    parts = {k: v for k, v in document.items() if k in _TARIFF_KEYS}
    tariff = read_tariff({"tariff": {**head, **_part(document, "tariff")}, **parts})
    battery = _part(document, "battery")
    pv, grid = _part(document, "pv"), _part(document, "grid")
    capacity_wh = 1000.0 * _number(battery, "battery", "capacity_kwh")
    spec = BatterySpec(
        capacity_wh=capacity_wh,
        charge_w=1000.0 * _number(battery, "battery", "charge_kw"),
        discharge_w=1000.0 * _number(battery, "battery", "discharge_kw"),
        efficiency_charge=_number(battery, "battery", "efficiency_charge", 0.95),
        efficiency_discharge=_number(battery, "battery", "efficiency_discharge", 0.95),
        soc_min=_number(battery, "battery", "soc_min", 0.0),
        soc_max=_number(battery, "battery", "soc_max", 1.0),
        wear_eur_per_kwh=_number(battery, "battery", "wear_eur_per_kwh", 0.0),
    )
    start = _number(battery, "battery", "soc_start", 0.5)
    return TestSite(
        tariff=tariff,
        battery=spec,
        start_wh=min(max(start, spec.soc_min), spec.soc_max) * capacity_wh,
        pv_peak_kw=_number(pv, "pv", "peak_kw", 0.0),
        import_limit_w=_limit_w(grid, "import_limit_kw"),
        export_limit_w=_limit_w(grid, "export_limit_kw"),
        reserve_wh=1000.0 * _number(document, "", "reserve_kwh", 0.0),
        jobs=_jobs(document, folder),
    )


def _jobs(document: Mapping[str, object], folder: Path) -> JobsFile | None:
    """Return what a site says of its jobs: a file alone, or with what may be done to them."""
    told = document.get("jobs")
    if told is None:
        return None
    part = {"file": told} if isinstance(told, str) else _part(document, "jobs")
    known = {"file", "node_w", "shift_days", "may_wait", "longest_delay_h"}
    if unknown := sorted(map(str, part.keys() - known)):
        raise BacktestError(f"jobs.{unknown[0]} is not known; there are {', '.join(sorted(known))}")
    file = part.get("file")
    if not isinstance(file, str):
        raise BacktestError(f"jobs.file: {file!r} is not the name of a file")
    may_wait = _number(part, "jobs", "may_wait", 1.0)
    longest_h = _number(part, "jobs", "longest_delay_h", 4.0)
    if not 0.0 <= may_wait <= 1.0:
        raise BacktestError(f"jobs.may_wait: {may_wait:g} is not a share between 0 and 1")
    if not 0.0 <= longest_h <= _LONGEST_H:
        raise BacktestError(
            f"jobs.longest_delay_h: {longest_h:g} is not between 0 and {_LONGEST_H:g}"
        )
    return JobsFile(
        path=folder / file,
        node_w=_optional(part, "node_w"),
        shift_days=_optional(part, "shift_days"),
        may_wait=may_wait,
        longest_delay_h=longest_h,
    )


def _optional(part: Mapping[str, object], key: str) -> float | None:
    return None if part.get(key) is None else _number(part, "jobs", key)


_HEAD_KEYS: Final = frozenset({"timezone", "country", "currency"})
_TARIFF_KEYS: Final = frozenset({"energy", "demand", "classes"})


def _part(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    part = document.get(key)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise BacktestError(f"{key}: a mapping is needed")
    return part


def _limit_w(grid: Mapping[str, object], key: str) -> float | None:
    return None if grid.get(key) is None else 1000.0 * _number(grid, "grid", key)


def _number(part: Mapping[str, object], name: str, key: str, default: float | None = None) -> float:
    value = part.get(key, default)
    path = f"{name}.{key}" if name else key
    if value is None:
        raise BacktestError(f"{path} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BacktestError(f"{path}: {value!r} is not a number")
    return float(value)
