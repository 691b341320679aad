"""What the machine and the calendar do: summer time, a full disk, a locked database, silence."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
import logging
from pathlib import Path
import resource
import sqlite3
from types import SimpleNamespace

from homeassistant.core import HomeAssistant
from homeassistant.helpers import event
from homeassistant.util import dt as dt_util
import pytest

from custom_components.computeload.core.ledger import Quarter
from custom_components.computeload.ledger_store import ledger_path
from custom_components.computeload.simulator.server import SimulatedSite

from .lab import CHARGING_KW, SHAVING_KW, Lab, controlled

QUARTER = timedelta(minutes=15)
AGES = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
SAID_S = 12.0
"""The ledger looks every 5 s whether a quarter is over; a locked file is waited for 2 s."""
LATE = pytest.mark.parametrize("into_window_s", [825.0], ids=["late"])


async def quarters(lab: Lab) -> list[Quarter]:
    """Return what the ledger has on disk."""
    reader = lab.runtime.ledger.reader
    return await lab.hass.async_add_executor_job(lambda: list(reader.quarters(*AGES)))


async def shaves_on(lab: Lab, shaved_w: float, seconds: float) -> None:
    """Watch the batteries going on as before."""
    for _ in range(int(seconds)):
        await lab.seconds(1.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.25)
        assert lab.site.physics.grid_w <= 1250.0 * SHAVING_KW


@pytest.mark.parametrize(
    "start",
    [datetime(2026, 3, 29, 0, 53, tzinfo=UTC), datetime(2026, 10, 25, 0, 53, tzinfo=UTC)],
    ids=["spring", "autumn"],
)
async def test_summer_time_begins_and_ends_without_a_step(
    hass: HomeAssistant, site: SimulatedSite, start: datetime
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    changes = start.replace(hour=1, minute=0)
    async with controlled(hass, site, SHAVING_KW) as lab:
        await shaves_on(lab, lab.battery_w, 9 * 60.0)
        (before,), running = lab.controller.closed_windows, lab.controller.data.window
        assert running is not None
        assert (before.start, running.start) == (changes - QUARTER, changes)
        assert before.mean_w <= 1000.0 * SHAVING_KW
        assert [quarter.start for quarter in await quarters(lab)] == [before.start]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a database as another program does that writes a lot into it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def full(path: Path) -> Iterator[None]:
    """Let no file of this process grow any more, as on a full disk."""
    wal = path.with_name(f"{path.name}-wal")
    most = max(path.stat().st_size, wal.stat().st_size if wal.exists() else 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@LATE
@pytest.mark.parametrize("trouble", [locked, full], ids=["locked", "full"])
async def test_a_ledger_that_cannot_be_written_waits_and_costs_no_shaving(
    shaving: Lab,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[Path], AbstractContextManager[None]],
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    path = ledger_path(lab.hass, lab.entry.entry_id)
    with trouble(path):
        await lab.until(lambda: lab.issue("ledger", lab.entry.entry_id), within_s=75.0 + SAID_S)
        await shaves_on(lab, shaved_w, 30.0)
        await lab.switch(on=False)
        assert lab.released
        await lab.switch(on=True)
        await lab.until(lambda: lab.battery_w > 0.9 * shaved_w, within_s=12.0)
    await lab.until(lambda: not lab.issue("ledger", lab.entry.entry_id), within_s=SAID_S)
    (quarter,) = await quarters(lab)
    assert quarter.import_wh == pytest.approx(lab.site.physics.windows[0].import_wh, abs=5.0)


async def test_a_limit_without_a_heartbeat_falls_back_to_the_fail_safe_value(
    hass: HomeAssistant,
    site: SimulatedSite,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, loop = dt_util.utcnow(), hass.loop
    began_s = loop.time()

    def now() -> datetime:
        return began + timedelta(seconds=loop.time() - began_s)

    def say(limit_kw: float) -> None:
        unit = {"unit_of_measurement": "kW"}
        hass.states.async_set(
            "sensor.operator", str(limit_kw), unit, True, timestamp=now().timestamp()
        )

    # What ticks by the minute asks the wall clock, which has to go as fast as the loop's.
    monkeypatch.setattr(dt_util, "utcnow", now)
    monkeypatch.setattr(event, "time_tracker_utcnow", now)
    monkeypatch.setattr(event, "time_tracker_timestamp", lambda: now().timestamp())
    monkeypatch.setattr(event, "time", SimpleNamespace(time=lambda: now().timestamp()))
    say(25.0)
    operator = {"entity": "sensor.operator", "fail_safe_kw": 4.2, "silence_min": 1.0}
    async with controlled(hass, site, CHARGING_KW, options={"operator": operator}) as lab:
        say(8.0)
        await lab.until(lambda: site.physics.grid_w <= 8_050.0, within_s=12.0)
        await lab.seconds(50.0)
        assert site.physics.grid_w <= 8_050.0
        # From here on nothing is heard: after a minute, and two of grace, nobody knows.
        await lab.until(lambda: site.physics.grid_w <= 4_250.0, within_s=140.0)
        await lab.until(lambda: lab.issue("operator_signal_lost", "site"), within_s=62.0)
        await lab.seconds(600.0)
        assert site.physics.grid_w <= 4_250.0
        assert lab.logged(caplog, logging.WARNING, "signal is lost") == 1
        say(8.0)
        await lab.until(lambda: site.physics.grid_w > 7_000.0, within_s=8.0)
        await lab.until(lambda: not lab.issue("operator_signal_lost", "site"), within_s=62.0)
