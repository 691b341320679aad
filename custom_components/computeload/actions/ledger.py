"""The ledger's actions: quarters out into a file, and a past in."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util import slugify
import voluptuous as vol

from ..const import DOMAIN
from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_db import LedgerError
from ..core.window import WINDOW_S, window_start
from .base import ActionDescription, Answer, Arguments, failed, moment, wrong

CONF_FILE: Final = "file"
CONF_OVERWRITE: Final = "overwrite"
CONF_SINCE: Final = "since"
CONF_UNTIL: Final = "until"
EXPORTS: Final = "exports"
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
        supports_response=SupportsResponse.OPTIONAL,
    ),
)
