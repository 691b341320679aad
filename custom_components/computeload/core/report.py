"""A month on paper: what was used, what it cost, what made it so, what control saved.

All of it is worked out anew from the ledger, so that a report of the same month is the same
whenever it is made.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
import math
from typing import Final

import numpy as np

from .ledger import Quarter
from .ledger_read import Column, History, LedgerReader, midnight, months
from .load_shape import Heat, duration, heat
from .plan import BatterySpec, Floats
from .post_mortem import PostMortem, explain_peaks
from .savings import COLUMNS, Account, Billed, Record, Statement
from .tariff import Metered, Tariff
from .window import WINDOW_S

HIGHEST: Final = 10
"""So many quarters of an hour are listed."""
COMPARED: Final = 13
"""So many months: this one beside the same of the year before."""
_EPOCH: Final = date(1970, 1, 1)
_HOURS: Final = WINDOW_S / 3600.0
_MORE: Final = (Column.LOAD_W, Column.PV_W)


class ReportError(ValueError):
    """There is nothing to report of this month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One local day. Energies in Wh; None where nothing is known of it."""

    day: date
    import_wh: float | None
    export_wh: float | None
    pv_wh: float | None
    load_wh: float | None
    battery_in_wh: float | None
    battery_out_wh: float | None
    energy_cost: float | None
    """Of the priced quarters: import less export, as the ledger has the prices."""
    co2_g: float | None
    """Of the import whose carbon intensity is known."""
    peak_w: float | None
    """The highest mean import of a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Highest:
    """One of the quarters with the most import."""

    start: datetime
    mean_w: float
    without_w: float | None
    """What it would have been without control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who or what used energy."""

    name: str
    energy_wh: float
    cost: float
    co2_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterUse:
    """What a cluster's jobs used in the month."""

    name: str
    total: User
    users: tuple[User, ...]
    jobs: tuple[User, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthReport:
    """One month of a site."""

    site: str
    month: str
    """YYYY-MM."""
    since: datetime
    until: datetime
    complete: bool
    """Whether the month is over."""
    tariff: Tariff
    names: Mapping[str, str]
    """Of the assets, by id."""
    days: tuple[Day, ...]
    statement: Statement
    months: dict[str, Statement]
    """The months up to this one, by YYYY-MM, as far as the ledger knows them."""
    billed: tuple[Billed, ...]
    highest: tuple[Highest, ...]
    duration_w: list[int]
    duration_without_w: list[int]
    heat: Heat
    stories: tuple[PostMortem, ...]
    """Of the billed peaks that fell into this month."""
    clusters: tuple[ClusterUse, ...] = ()

    def total(self, value_fn: Callable[[Day], float | None]) -> float | None:
        """Return the sum over the days; None where none of them knows it."""
        known = [value for day in self.days if (value := value_fn(day)) is not None]
        return math.fsum(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSite:
    """What a report is made for."""

    name: str
    tariff: Tariff
    battery: BatterySpec | None
    names: Mapping[str, str]
    clusters: tuple[ClusterUse, ...] = ()


def month_report(
    reader: LedgerReader, site: ReportedSite, month: date, now: datetime
) -> MonthReport:
    """Return the report of the month that begins with a day. Blocks for about a second.

    Raises ReportError where the ledger knows nothing of the month, LedgerError where it
    cannot be read.
    """
    zone = site.tariff.calendar.zone
    since = midnight(month, zone)
    following = midnight((month + timedelta(days=32)).replace(day=1), zone)
    kept = reader.span()
    if kept is None or kept[1] <= since or following <= kept[0]:
        raise ReportError(f"nothing is known of {month:%Y-%m}")
    until = min(following, kept[1])
    # Some charges look at the twelve months before, and periods may begin within those.
    first = max(midnight(month.replace(year=month.year - 1, month=1), zone), kept[0])
    record = Record.of(reader.history(COLUMNS, first, until))
    account = Account(site.tariff, record, site.battery)
    labels = list(months(first, until, zone))[-COMPARED:]
    statements = account.statements((begin, end) for _, begin, end in labels)
    by_month = {label: each for (label, *_), each in zip(labels, statements, strict=True)}
    history = reader.history((*COLUMNS, *_MORE), max(since, kept[0]), until)
    import_w = history.columns[Column.IMPORT_W]
    without_w = history.columns[Column.WITHOUT_IMPORT_W]
    last = until - timedelta(seconds=WINDOW_S)
    return MonthReport(
        site=site.name,
        month=f"{month:%Y-%m}",
        since=since,
        until=until,
        complete=following <= now,
        tariff=site.tariff,
        names=site.names,
        days=tuple(_days(history, site.tariff)),
        statement=by_month[f"{month:%Y-%m}"],
        months=by_month,
        billed=tuple(account.billed(last)),
        highest=tuple(_highest(history.starts, import_w, without_w)),
        duration_w=duration(import_w),
        duration_without_w=duration(np.where(np.isfinite(without_w), without_w, import_w)),
        heat=heat(history.starts, history.columns[Column.LOAD_W], zone),
        stories=tuple(_stories(reader.quarters, record, site, since)),
        clusters=site.clusters,
    )


def _days(history: History, tariff: Tariff) -> Iterable[Day]:
    """Yield the local days of a history at steps of a quarter."""
    columns = history.columns
    starts = history.starts.astype(np.int64)
    import_w, export_w = columns[Column.IMPORT_W], columns[Column.EXPORT_W]
    bought = import_w * columns[Column.PRICE_IMPORT]
    sold = export_w * columns[Column.PRICE_EXPORT]
    # Where nothing is fed in, what feeding in would earn need not be known.
    money = (bought - np.where(np.nan_to_num(export_w) > 0.0, sold, 0.0)) / 1000.0
    co2_g = import_w * columns[Column.CO2_G_PER_KWH] / 1000.0
    local = tariff.calendar.local(starts).days
    for number in np.unique(local).tolist():
        today = local == number

        def total(values: Floats, today: np.ndarray = today) -> float | None:
            known = values[today & np.isfinite(values)]
            return float(known.sum()) * _HOURS if len(known) else None

        peak = import_w[today & np.isfinite(import_w)]
        yield Day(
            day=_EPOCH + timedelta(days=number),
            import_wh=total(import_w),
            export_wh=total(export_w),
            pv_wh=total(columns[Column.PV_W]),
            load_wh=total(columns[Column.LOAD_W]),
            battery_in_wh=total(columns[Column.BATTERY_IN_W]),
            battery_out_wh=total(columns[Column.BATTERY_OUT_W]),
            energy_cost=total(money),
            co2_g=total(co2_g),
            peak_w=float(peak.max()) if len(peak) else None,
        )


def _highest(starts: Floats, import_w: Floats, without_w: Floats) -> Iterable[Highest]:
    known = np.flatnonzero(np.isfinite(import_w))
    order = known[np.argsort(-import_w[known], kind="stable")][:HIGHEST]
    for index in order.tolist():
        without = float(without_w[index])
        yield Highest(
            start=datetime.fromtimestamp(float(starts[index]), UTC),
            mean_w=float(import_w[index]),
            without_w=without if math.isfinite(without) else None,
        )


def _stories(
    rows: Callable[[datetime, datetime], Iterable[Quarter]],
    record: Record,
    site: ReportedSite,
    since: datetime,
) -> Iterable[PostMortem]:
    metered = Metered.of(record.starts, record.import_wh, record.export_wh)
    stories = explain_peaks(site.tariff, metered, rows, battery=site.battery)
    return (story for story in stories if story.start >= since)
