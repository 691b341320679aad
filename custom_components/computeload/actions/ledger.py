"""The ledger's actions: quarters out into a file, and a past in from one or from statistics."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.util import slugify
import voluptuous as vol

from ..const import CONF_CURRENCY, DOMAIN
from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_csv_in import PastError
from ..core.ledger_db import LedgerError
from ..core.window import WINDOW_S, window_start
from .base import ActionDescription, Answer, Arguments, failed, moment, wrong
from .statistics import FLOWS, PRICE, async_read_hours

CONF_FILE: Final = "file"
CONF_OVERWRITE: Final = "overwrite"
CONF_SINCE: Final = "since"
CONF_UNTIL: Final = "until"
EXPORTS: Final = "exports"
GAPS_SHOWN: Final = 10
_SUFFIX: Final = ".csv"

SPAN: Final[Mapping[vol.Marker, object]] = {
    vol.Optional(CONF_SINCE): moment,
    vol.Optional(CONF_UNTIL): moment,
}


async def async_file(hass: HomeAssistant, name: str) -> Path:
    """Return the file of a name: in the folder of exports, or where Home Assistant may go.

    Raises ServiceValidationError for any other place.
    """
    if not name.lower().endswith(_SUFFIX) or "\0" in name:
        raise wrong("file_no_csv", CONF_FILE, name)
    exports = Path(hass.config.path(DOMAIN, EXPORTS))
    file = await hass.async_add_executor_job(_inside, exports, name)
    if file is not None:
        return file
    path = Path(name)
    if path.is_absolute() and await hass.async_add_executor_job(
        hass.config.is_allowed_path, str(path)
    ):
        return path
    raise wrong("file_not_allowed", CONF_FILE, name, folder=str(exports))


def _inside(folder: Path, name: str) -> Path | None:
    """Return the file of a name below a folder, which is made; None if it is elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / name).resolve()
    return file if file.is_relative_to(folder.resolve()) else None


async def async_span(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> tuple[datetime, datetime]:
    """Return the span that is asked for, in whole quarters; by default all of the ledger.

    Raises ServiceValidationError for one that ends before it begins, HomeAssistantError
    for a ledger without rows.
    """
    since: datetime | None = arguments.get(CONF_SINCE)
    until: datetime | None = arguments.get(CONF_UNTIL)
    if since is not None and until is not None and until <= since:
        raise wrong("span_reversed", CONF_UNTIL, arguments[CONF_UNTIL], since=f"{since}")
    try:
        kept = await hass.async_add_executor_job(site.runtime_data.ledger.reader.span)
    except LedgerError as err:
        raise failed("ledger_unreadable", problem=str(err)) from err
    if kept is None:
        raise failed("ledger_empty", site=site.title)
    since = kept[0] if since is None else max(window_start(since), kept[0])
    until = kept[1] if until is None else min(until, kept[1])
    if until <= since:
        raise wrong(
            "span_without_rows",
            CONF_UNTIL if CONF_UNTIL in arguments else CONF_SINCE,
            arguments.get(CONF_UNTIL, arguments.get(CONF_SINCE)),
            first=f"{kept[0]:%Y-%m-%d %H:%M} UTC",
            last=f"{kept[1]:%Y-%m-%d %H:%M} UTC",
        )
    return since, until


async def _async_export(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> Answer:
    """Write a span of the ledger as CSV."""
    since, until = await async_span(hass, site, arguments)
    last = until - timedelta(seconds=WINDOW_S)
    name = f"{slugify(site.title)}_{since:%Y-%m-%d}_{last:%Y-%m-%d}{_SUFFIX}"
    file = await async_file(hass, arguments.get(CONF_FILE, name))
    if not arguments[CONF_OVERWRITE] and await hass.async_add_executor_job(file.exists):
        raise wrong("file_exists", CONF_FILE, file.name)
    try:
        rows = await site.runtime_data.ledger.async_export(file, since, until)
    except LedgerError as err:
        raise failed("ledger_unreadable", problem=str(err)) from err
    except OSError as err:
        raise failed("file_not_written", file=str(file), problem=err.strerror or str(err)) from err
    return {
        "file": str(file),
        "rows": rows,
        "since": since.isoformat(),
        "until": until.isoformat(),
    }


async def _async_import(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> Answer:
    """Take a past from a CSV file or from Home Assistant's long-term statistics."""
    chosen = {flow: arguments[flow] for flow in FLOWS if arguments.get(flow)}
    name: str | None = arguments.get(CONF_FILE)
    if (name is None) == (not chosen):
        raise wrong("import_source", CONF_FILE, name, flows=", ".join(FLOWS))
    if name is not None and (cut := arguments.keys() & {*SPAN, PRICE}):
        raise wrong("file_is_taken_whole", first := min(cut), arguments[first])
    ledger = site.runtime_data.ledger
    try:
        if name is not None:
            new, survey = await ledger.async_import_csv(await async_file(hass, name))
        else:
            span = arguments.get(CONF_SINCE), arguments.get(CONF_UNTIL)
            currency = site.data[CONF_CURRENCY]
            past = await async_read_hours(hass, chosen, arguments.get(PRICE), span, currency)
            new, survey = await ledger.async_import_hours(*past)
    except PastError as err:
        raise wrong("file_not_sound", CONF_FILE, name, problem=str(err)) from err
    except LedgerError as err:
        raise failed("past_not_taken", problem=str(err)) from err
    except OSError as err:
        raise wrong(
            "file_not_read", CONF_FILE, name, problem=err.strerror or type(err).__name__
        ) from err
    if new:
        # What forecasts have learned so far may be little beside it.
        await site.runtime_data.planning.async_reload_history()
    return {
        "quarters": survey.quarters,
        "new": new,
        "since": _text(survey.since),
        "until": _text(survey.until),
        "load_known": survey.known,
        "gaps": len(survey.gaps),
        "longest_gaps": [
            {"since": _text(since), "until": _text(until)}
            for since, until in sorted(survey.gaps, key=lambda gap: gap[0] - gap[1])[:GAPS_SHOWN]
        ],
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


LEDGER_ACTIONS: Final = (
    ActionDescription(
        name="export_ledger",
        schema={
            vol.Optional(CONF_FILE): cv.string,
            vol.Optional(CONF_OVERWRITE, default=False): cv.boolean,
            **SPAN,
        },
        handler=_async_export,
        admin=True,
    ),
    ActionDescription(
        name="import_history",
        schema={
            vol.Optional(CONF_FILE): cv.string,
            vol.Optional(PRICE): cv.string,
            **{vol.Optional(flow): vol.All(cv.ensure_list, [cv.string]) for flow in FLOWS},
            **SPAN,
        },
        handler=_async_import,
        admin=True,
    ),
)
