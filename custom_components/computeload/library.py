"""The device profiles of this Home Assistant: the shipped ones, and the user's own.

The user's own are files below ``<config>/computeload/profiles``. They are looked at every few
seconds: a file that changed is read again, and the sites that use it start anew with it. A
file with a mistake becomes a repair issue and costs nothing else: what it said before it was
broken stays in force.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval

from .const import CONF_PROFILE, DOMAIN, LOGGER
from .drivers.profile import SHIPPED, Library, ProfileError, load_library, profile_files

WATCH_S: Final = 10.0
"""How often the user's own files are looked at."""
SHOWN: Final = 5
"""So many mistakes of one file are told at a time."""

type _Seen = Mapping[Path, tuple[int, int]]


def own_folder(hass: HomeAssistant) -> Path:
    """Return where the user's own profiles are; the folder need not exist."""
    return Path(hass.config.path(DOMAIN, "profiles"))


async def async_get_library(hass: HomeAssistant) -> Library:
    """Return the device profiles; they are read when they are first asked for."""
    library: Library | None = hass.data.get(DOMAIN)
    if library is None:
        library = await hass.async_add_executor_job(load_library, [SHIPPED, own_folder(hass)])
        hass.data[DOMAIN] = library
        _tell_mistakes(hass, library.errors)
    return library


@callback
def async_watch_library(hass: HomeAssistant) -> None:
    """Look at the user's own files from now on, until Home Assistant stops."""
    folder = own_folder(hass)
    seen: _Seen | None = None

    async def async_look(_: datetime) -> None:
        nonlocal seen
        last, seen = seen, await hass.async_add_executor_job(_look, folder)
        if seen != (last or {}):
            await async_reload_library(hass)

    async_track_time_interval(
        hass,
        async_look,
        timedelta(seconds=WATCH_S),
        name=f"{DOMAIN} own profiles",
        cancel_on_shutdown=True,
    )


async def async_reload_library(hass: HomeAssistant) -> None:
    """Read all profiles again, and start the sites anew whose devices have another one now."""
    old = await async_get_library(hass)
    new = await hass.async_add_executor_job(load_library, [SHIPPED, own_folder(hass)])
    broken = {Path(error.file).stem for error in new.errors} & old.profiles.keys()
    kept = {profile_id: old.profiles[profile_id] for profile_id in broken}
    new = replace(new, profiles={**new.profiles, **kept}, own=new.own | (old.own & broken))
    changed = {
        profile_id
        for profile_id, profile in new.profiles.items()
        if old.profiles.get(profile_id) != profile
    }
    hass.data[DOMAIN] = new
    _tell_mistakes(hass, new.errors)
    for entry in hass.config_entries.async_entries(DOMAIN):
        used = {subentry.data.get(CONF_PROFILE) for subentry in entry.subentries.values()}
        if used & changed and entry.state in {
            ConfigEntryState.LOADED,
            ConfigEntryState.SETUP_RETRY,
        }:
            LOGGER.info("%s: a device profile has changed, starting anew with it", entry.title)
            hass.config_entries.async_schedule_reload(entry.entry_id)


def _look(folder: Path) -> _Seen:
    """Return what tells whether a file has changed. Blocks."""
    seen: dict[Path, tuple[int, int]] = {}
    for file in profile_files(folder):
        try:
            status = file.stat()
        except OSError:
            continue  # gone between the two looks
        seen[file] = (status.st_mtime_ns, status.st_size)
    return seen


@callback
def _tell_mistakes(hass: HomeAssistant, errors: Iterable[ProfileError]) -> None:
    """Raise an issue for each file that cannot be used, and take back those that are mended."""
    by_file: dict[str, list[ProfileError]] = {}
    for error in errors:
        by_file.setdefault(error.file, []).append(error)
    for file, mistakes in by_file.items():
        LOGGER.warning("Device profile left out: %s", mistakes[0])
        told = [
            f"- line {mistake.line}{f', `{mistake.field}`' if mistake.field else ''}:"
            f" {mistake.message}"
            for mistake in mistakes[:SHOWN]
        ]
        ir.async_create_issue(
            hass,
            DOMAIN,
            _issue_id(file),
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="profile_broken",
            translation_placeholders={"file": f"{DOMAIN}/{file}", "mistakes": "\n".join(told)},
        )
    current = {_issue_id(file) for file in by_file}
    for domain, issue_id in tuple(ir.async_get(hass).issues):
        if domain == DOMAIN and issue_id.startswith(_issue_id("")) and issue_id not in current:
            ir.async_delete_issue(hass, DOMAIN, issue_id)


def _issue_id(file: str) -> str:
    return f"profile_broken_{file}"
