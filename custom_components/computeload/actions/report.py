"""The report of a month, as a page and as rows."""

from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from homeassistant.core import HomeAssistant
import voluptuous as vol

from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_db import LedgerError
from ..core.ledger_read import midnight
from ..core.report import MonthReport, ReportError
from ..reports import async_make, link
from .base import ActionDescription, Answer, Arguments, failed, wrong

CONF_MONTH: Final = "month"
YEARS: Final = range(2000, 2100)
"""Outside of these nobody metered, and the calendar ends."""


def month(value: object) -> date:
    """Return the first day of a month like 2026-11; raises vol.Invalid."""
    try:
        first = date.fromisoformat(f"{value}-01")
    except ValueError as err:
        raise vol.Invalid("A month is written like 2026-11") from err
    if first.year not in YEARS:
        raise vol.Invalid(f"A year between {YEARS.start} and {YEARS.stop - 1} is needed")
    return first


async def _async_create(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> Answer:
    """Make the report of a month; by default of the last one that is over."""
    runtime = site.runtime_data
    zone = runtime.tariff.calendar.zone
    try:
        kept = await hass.async_add_executor_job(runtime.ledger.reader.span)
    except LedgerError as err:
        raise failed("ledger_unreadable", problem=str(err)) from err
    if kept is None:
        raise failed("ledger_empty", site=site.title)
    asked: date = arguments.get(CONF_MONTH) or _last_month(runtime.clock.now(), kept[0], zone)
    try:
        made = await async_make(hass, site, asked)
    except ReportError as err:
        first, last = (f"{each.astimezone(zone):%Y-%m}" for each in kept)
        raise wrong("month_unknown", CONF_MONTH, f"{asked:%Y-%m}", first=first, last=last) from err
    except LedgerError as err:
        raise failed("ledger_unreadable", problem=str(err)) from err
    except OSError as err:
        name = str(err.filename or "")
        raise failed("file_not_written", file=name, problem=err.strerror or str(err)) from err
    page, rows = made.files
    return {
        "month": made.report.month,
        "file": str(page),
        "csv_file": str(rows),
        "url": link(hass, page),
        "csv_url": link(hass, rows),
        **_figures(made.report),
    }


def _last_month(now: datetime, known_since: datetime, zone: tzinfo) -> date:
    """Return the last month that is over; the running one where nothing before it is known."""
    running = now.astimezone(zone).date().replace(day=1)
    if midnight(running, zone) <= known_since:
        return running
    return (running - timedelta(days=1)).replace(day=1)


def _figures(report: MonthReport) -> Answer:
    statement, co2_g = report.statement, report.total(lambda day: day.co2_g)
    import_wh = report.total(lambda day: day.import_wh)
    money = statement.has_money
    return {
        "complete": report.complete,
        "currency": report.tariff.currency,
        "bill": statement.bill.total / 100.0 if money else None,
        "saved": statement.saved.total / 100.0 if money else None,
        "import_kwh": None if import_wh is None else round(import_wh / 1000.0, 1),
        "highest_kw": round(report.highest[0].mean_w / 1000.0, 2) if report.highest else None,
        "co2_kg": None if co2_g is None else round(co2_g / 1000.0, 1),
    }


REPORT_ACTIONS: Final = (
    ActionDescription(
        name="create_report",
        schema={vol.Optional(CONF_MONTH): month},
        handler=_async_create,
        admin=True,
    ),
)
