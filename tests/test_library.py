"""Profiles of the user's own: read, read again when they change, and never a danger to a site."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
import os
from pathlib import Path

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.model import AssetKind, Quantity
from custom_components.computeload.diagnostics import async_get_config_entry_diagnostics
from custom_components.computeload.drivers.profile import SHIPPED
from custom_components.computeload.library import WATCH_S, async_get_library, own_folder
from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, async_wait_for, real_entry
from .test_subentry_flow import begin

METER = (SHIPPED / "meter" / "eastron_sdm630.yaml").read_text()
BROKEN = METER.replace("type: float32", "type: flaot32", 1)
ISSUE = "profile_broken_profiles/my_meter.yaml"


@pytest.fixture(name="folder")
def folder_fixture(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Return the folder for the user's own profiles, in a configuration of this test alone."""
    hass.config.config_dir = str(tmp_path)
    folder = own_folder(hass)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(name="site")
async def site_fixture(
    hass: HomeAssistant, folder: Path, lab: SimulatedSite
) -> AsyncIterator[MockConfigEntry]:
    """Return a running site whose grid meter is read through a profile of the user's own."""
    (folder / "my_meter.yaml").write_text(METER)
    entry = real_entry()
    entry.add_to_hass(hass)
    add_asset(hass, entry, lab, "grid", profile="my_meter")
    await async_set_up(hass, entry)
    await look(hass)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


looks = count(1)


async def look(hass: HomeAssistant) -> None:
    """Let the time pass after which files are looked at, and wait until they were read."""
    before = hass.data[DOMAIN]
    later = timedelta(seconds=next(looks) * (WATCH_S + 1))
    async_fire_time_changed(hass, dt_util.utcnow() + later)
    await async_wait_for(lambda: hass.data[DOMAIN] is not before)


def write(file: Path, text: str) -> None:
    """Write a file as an editor does, at another time than before."""
    before_ns = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before_ns + 1_000_000, before_ns + 1_000_000))


async def test_an_own_profile_can_be_chosen_and_is_read(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    (meter,) = site.runtime_data.devices.values()
    assert meter.data.number(Quantity.POWER_W) is not None
    result = await begin(hass, site, AssetKind.LOAD)
    assert result["type"]
    told = await async_get_config_entry_diagnostics(hass, site)
    assert told["own_profiles"] == ["my_meter"]


async def test_a_changed_file_is_used_at_once(
    hass: HomeAssistant, site: MockConfigEntry, folder: Path
) -> None:
    before = site.runtime_data
    write(folder / "my_meter.yaml", METER.replace("title: Eastron SDM630", "title: My meter"))
    await look(hass)
    assert (await async_get_library(hass)).profiles["my_meter"].title == "My meter"
    await async_wait_for(
        lambda: site.state is ConfigEntryState.LOADED and site.runtime_data is not before
    )
    (meter,) = site.runtime_data.devices.values()
    assert meter.datasheet.title == "My meter"


async def test_a_broken_file_is_an_issue_that_says_what_to_mend_and_takes_no_site_down(
    hass: HomeAssistant, site: MockConfigEntry, folder: Path
) -> None:
    before = site.runtime_data
    write(folder / "my_meter.yaml", BROKEN)
    await look(hass)
    issue = ir.async_get(hass).async_get_issue(DOMAIN, ISSUE)
    assert issue
    assert issue.translation_placeholders
    assert issue.translation_placeholders["file"] == "computeload/profiles/my_meter.yaml"
    told = issue.translation_placeholders["mistakes"]
    assert "'flaot32' is not a type" in told
    assert "one of int16" in told
    assert "line " in told
    assert site.state is ConfigEntryState.LOADED
    assert site.runtime_data is before

    assert await hass.config_entries.async_reload(site.entry_id)
    assert len(site.runtime_data.devices) == 1, "what it said before stays in force"

    write(folder / "my_meter.yaml", METER)
    await look(hass)
    assert ir.async_get(hass).async_get_issue(DOMAIN, ISSUE) is None


async def test_a_site_that_starts_with_a_broken_profile_goes_on_without_that_device(
    hass: HomeAssistant, folder: Path, lab: SimulatedSite
) -> None:
    (folder / "my_meter.yaml").write_text(BROKEN)
    entry = real_entry()
    entry.add_to_hass(hass)
    add_asset(hass, entry, lab, "grid")
    add_asset(hass, entry, lab, "branches", profile="my_meter")
    runtime = await async_set_up(hass, entry)
    assert list(runtime.devices) == ["grid"]
    assert ir.async_get(hass).async_get_issue(DOMAIN, ISSUE)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_an_own_profile_replaces_the_shipped_one_of_its_name(
    hass: HomeAssistant, folder: Path
) -> None:
    (folder / "meter").mkdir()
    own = METER.replace("title: Eastron SDM630", "title: My SDM630")
    (folder / "meter" / "eastron_sdm630.yaml").write_text(own)
    (folder / ".eastron_sdm630.yaml.swp.yaml").write_text("half a")
    library = await async_get_library(hass)
    assert library.profiles["eastron_sdm630"].title == "My SDM630"
    assert library.own == {"eastron_sdm630"}
    assert library.errors == ()


async def test_two_files_of_one_name_are_a_mistake(hass: HomeAssistant, folder: Path) -> None:
    for kind in ("one", "two"):
        (folder / kind).mkdir()
        (folder / kind / "my_meter.yaml").write_text(METER)
    library = await async_get_library(hass)
    assert library.own == {"my_meter"}
    (error,) = library.errors
    assert "rename one of them" in str(error)
