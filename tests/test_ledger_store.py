"""The ledger inside Home Assistant: real devices in, rows on disk out."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
import shutil

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.ledger import EXPORT, IMPORT, Origin, Quarter, Role
from custom_components.computeload.core.ledger_book import Observation
from custom_components.computeload.core.ledger_csv_in import PastError
from custom_components.computeload.core.model import Reason
from custom_components.computeload.ledger_store import LedgerStore
from custom_components.computeload.observing import observing

QUARTER = timedelta(minutes=15)


class ManualClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        """Begin at the start of a quarter."""
        self.at = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the wall clock."""
        return self.at

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never steps."""
        return self.at.timestamp()


@pytest.fixture(name="clock")
def clock_fixture() -> ManualClock:
    """Return the site's clock."""
    return ManualClock()


@pytest.fixture(name="store")
async def store_fixture(
    hass: HomeAssistant, still_site: MockConfigEntry, clock: ManualClock, tmp_path: Path
) -> Callable[[], LedgerStore]:
    """Return what makes a store of the still site, as at a start; the site's own is closed."""
    await still_site.runtime_data.ledger.async_stop()
    for device in still_site.runtime_data.devices.values():
        # Only the samples that a test makes up may reach its ledger.
        device.poll_s = 3600.0
    await asyncio.sleep(1.5)
    shutil.rmtree(tmp_path / DOMAIN)
    return lambda: LedgerStore(
        hass,
        still_site,
        clock,
        plausible_w=75_000.0,
        observe=lambda: Observation(reason=Reason.RECHARGE, target_w=6_000.0, commands=1),
    )


async def async_live(store: LedgerStore, site: MockConfigEntry, clock: ManualClock) -> None:
    """Let a minute more than a quarter pass, every device reporting every ten seconds."""
    for _ in range(97):
        for device in site.runtime_data.devices.values():
            reading = device.latest
            for listener in tuple(device._listeners_for_samples):
                assert reading is not None
                listener(replace(reading, at=clock.now(), monotonic_s=clock.monotonic_s()))
        await store._async_look(clock.at)
        clock.at += timedelta(seconds=10)


async def async_rows(hass: HomeAssistant, store: LedgerStore) -> list[Quarter]:
    """Return all rows on disk."""
    ages = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    return await hass.async_add_executor_job(lambda: list(store.reader.quarters(*ages)))


async def test_a_quarter_of_the_whole_site_gets_on_disk(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    store: Callable[[], LedgerStore],
    clock: ManualClock,
) -> None:
    ledger = store()
    await ledger.async_load()
    ledger.async_start(still_site.runtime_data.devices)
    await async_live(ledger, still_site, clock)
    (quarter,) = await async_rows(hass, ledger)
    assert quarter.start == datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
    assert quarter.covered_s == 900.0
    assert {c.role for c in quarter.flows} == {*Role} - {Role.LOAD}
    site = still_site.runtime_data.controller.data
    grid_wh = (quarter.import_wh or 0.0) - (quarter.export_wh or 0.0)
    assert grid_wh == pytest.approx(site.grid_power_w / 4.0, abs=1.0)
    assert quarter.load_wh == pytest.approx(site.load_power_w / 4.0, abs=5.0)
    assert (quarter.reason, quarter.target_w, quarter.commands) == (Reason.RECHARGE, 6_000.0, 90)
    await ledger.async_stop()


async def test_what_the_controller_does_is_observed(still_site: MockConfigEntry) -> None:
    controller = still_site.runtime_data.controller
    observe = observing(still_site.runtime_data)
    first = observe()
    assert (first.reason, first.soc) == (Reason.OFF, controller.data.soc), "control is off"
    assert first.target_w == controller.target_w
    next(iter(controller.crew.writers.values())).writes += 3
    assert observe().commands == 3
    assert observe().commands == 0


async def test_a_restart_goes_on_in_the_open_quarter(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    store: Callable[[], LedgerStore],
    clock: ManualClock,
) -> None:
    for _ in range(2):
        ledger = store()
        await ledger.async_load()
        ledger.async_start(still_site.runtime_data.devices)
        await async_live(ledger, still_site, clock)
        await ledger.async_stop()
    first, second = await async_rows(hass, ledger)
    assert second.start - first.start == QUARTER
    assert second.covered_s > 880.0, "only the moment between the two runs is missing"


async def test_a_ledger_that_cannot_be_written_is_said_and_taken_back(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    store: Callable[[], LedgerStore],
    clock: ManualClock,
    tmp_path: Path,
) -> None:
    wall = tmp_path / DOMAIN
    wall.write_text("a file in the place of the folder")
    ledger = store()
    await ledger.async_load()
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, f"ledger_{still_site.entry_id}") is not None
    ledger.async_start(still_site.runtime_data.devices)
    await async_live(ledger, still_site, clock)
    wall.unlink()
    await async_live(ledger, still_site, clock)
    assert issues.async_get_issue(DOMAIN, f"ledger_{still_site.entry_id}") is None
    assert len(await async_rows(hass, ledger)) == 2
    await ledger.async_stop()


async def test_a_past_comes_in_whole_or_not_at_all_and_goes_out_again(
    hass: HomeAssistant, store: Callable[[], LedgerStore], tmp_path: Path
) -> None:
    ledger = store()
    await ledger.async_load()
    file = tmp_path / "past.csv"
    lines = [f"{datetime(2026, 1, 1, hour, tzinfo=UTC).isoformat()},{hour},0" for hour in range(24)]
    await hass.async_add_executor_job(
        file.write_text, "\n".join(["start,import_kw,export_kw", *lines, "bad,1,1"])
    )
    with pytest.raises(PastError, match="Line 26, column 'start'"):
        await ledger.async_import_csv(file)
    assert await async_rows(hass, ledger) == []
    await hass.async_add_executor_job(
        file.write_text, "\n".join(["start,import_kw,export_kw", *lines])
    )
    new, survey = await ledger.async_import_csv(file)
    assert (new, survey.quarters, survey.gaps) == (96, 96, [])
    assert (await ledger.async_import_csv(file))[0] == 0, "the same again is nothing new"
    rows = await async_rows(hass, ledger)
    assert {q.origin for q in rows} == {Origin.IMPORTED}
    assert {*rows[0].flows} == {IMPORT, EXPORT}
    out = tmp_path / "out.csv"
    span = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert await ledger.async_export(out, *span) == 96
    text = await hass.async_add_executor_job(out.read_text)
    assert text.splitlines()[0].startswith("start_utc,origin,")
    start = datetime(2026, 2, 1, tzinfo=UTC)
    assert (await ledger.async_import_hours({IMPORT: [(start, 4_000.0)]}))[0] == 4
