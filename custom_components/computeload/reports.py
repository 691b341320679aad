"""Monthly reports: made from the ledger, kept as files, and served to who is logged in.

They lie in the folder ``computeload/reports`` of the configuration. A link to one works in any
browser for a week; behind it is Home Assistant's own check of who asks.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from io import StringIO
from pathlib import Path
import re
from typing import Final

from aiohttp import web
from homeassistant.components.http import KEY_HASS, HomeAssistantView  # type: ignore[attr-defined]
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import slugify

from .const import DOMAIN
from .coordinator import ComputeLoadConfigEntry, SiteRuntime
from .core.job_energy import By, JobEnergy, Used
from .core.report import ClusterUse, MonthReport, ReportedSite, User, month_report
from .core.report_csv import write_report
from .core.report_html import Say, html_report
from .core.report_numbers import Numbers
from .peak_stories import asset_names
from .plan_inputs import InputsOf
from .savings_sensors import billed_names, billed_unit

REPORTS: Final = "reports"
URL: Final = f"/api/{DOMAIN}/{REPORTS}"
LINK_LASTS: Final = timedelta(days=7)
TOP: Final = 10
_FILE: Final = re.compile(r"[a-z0-9_]+_\d{4}-\d{2}\.(html|csv)")
_TYPES: Final = {".html": "text/html", ".csv": "text/csv"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A report that was made."""

    report: MonthReport
    files: tuple[Path, ...]


def folder(hass: HomeAssistant) -> Path:
    """Return where reports lie."""
    return Path(hass.config.path(DOMAIN, REPORTS))


async def async_make(hass: HomeAssistant, site: ComputeLoadConfigEntry, month: date) -> Made:
    """Make the report of the month that begins with a day.

    Raises ReportError where nothing is known of it, LedgerError, OSError.
    """
    runtime = site.runtime_data
    about = ReportedSite(
        name=site.title,
        tariff=runtime.tariff,
        battery=InputsOf(site).storage(),
        names=asset_names(site),
        clusters=tuple(_clusters(runtime, f"{month:%Y-%m}")),
    )
    units = {
        name: unit
        for name, each in billed_names(runtime.tariff).items()
        if (unit := billed_unit(each)) is not None
    }
    language, now = hass.config.language, runtime.clock.now()
    texts = await async_get_translations(hass, language, "config_panel", {DOMAIN})
    numbers = Numbers(
        language=language, zone=runtime.tariff.calendar.zone, currency=runtime.tariff.currency
    )
    stem = folder(hass) / f"{slugify(site.title)}_{month:%Y-%m}"

    def make() -> Made:
        report = month_report(runtime.ledger.reader, about, month, now)
        rows = StringIO()
        write_report(rows, report, units)
        page = html_report(report, _say(texts), numbers, units)
        files = tuple(
            _written(stem.with_suffix(suffix), text)
            for suffix, text in ((".html", page), (".csv", rows.getvalue()))
        )
        return Made(report=report, files=files)

    return await hass.async_add_executor_job(make)


def link(hass: HomeAssistant, file: Path) -> str:
    """Return a path of Home Assistant's that shows a report to whoever has it, for a week."""
    return async_sign_path(hass, f"{URL}/{file.name}", LINK_LASTS)


def _say(texts: dict[str, str]) -> Say:
    def say(key: str, **filled: str) -> str:
        return texts[f"component.{DOMAIN}.config_panel.{key}"].format(**filled)

    return say


def _written(file: Path, text: str) -> Path:
    """Write a file as a whole: whoever reads it meanwhile sees the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f"{file.suffix}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
    return file


def _clusters(runtime: SiteRuntime, month: str) -> list[ClusterUse]:
    """Return what is known of who used the energy; only of this month and the one before."""
    return [
        ClusterUse(
            name=cluster.name,
            total=_user(cluster.name, account.total),
            users=_top(account, By.USER),
            jobs=_top(account, By.JOB),
        )
        for cluster in runtime.clusters.values()
        if (account := cluster.memory.months.get(month)) is not None
    ]


def _top(account: JobEnergy, by: By) -> tuple[User, ...]:
    return tuple(_user(name, used) for name, used in account.top(by, TOP))


def _user(name: str, used: Used) -> User:
    return User(name=name, energy_wh=used.energy_wh, cost=used.cost_eur, co2_g=used.co2_g)


class ReportView(HomeAssistantView):
    """Shows a report that lies in the folder."""

    url = f"{URL}/{{file}}"
    name = f"api:{DOMAIN}:{REPORTS}"

    async def get(self, request: web.Request, file: str) -> web.StreamResponse:
        """Return the file; there are no others than reports."""
        if _FILE.fullmatch(file) is None:
            return self.json_message("There is no such report", HTTPStatus.NOT_FOUND)
        hass = request.app[KEY_HASS]
        path = folder(hass) / file
        if not await hass.async_add_executor_job(path.is_file):
            return self.json_message("There is no such report", HTTPStatus.NOT_FOUND)
        return web.FileResponse(
            path, headers={"Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8"}
        )
