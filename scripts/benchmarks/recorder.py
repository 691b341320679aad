"""How much the recorder's database grows per day with the largest simulated site."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
import sqlite3
import tempfile
from typing import Final

from scripts import launcher
from scripts.benchmarks.latency import FIRST_PORT
from scripts.client import Client
from scripts.demo import add_site, switch_on, wait_for_site

SCENARIO: Final = "climate-hpc"
WARM_UP_S: Final = 90.0
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Growth:
    """What was added per day, extrapolated from the time that was watched."""

    devices: int
    entities: int
    watched_s: float
    states_per_day: float
    megabytes_per_day: float


def _content(database: Path) -> tuple[int, int]:
    """Return the number of our states and the bytes of all tables and indices in use."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM states").fetchone()
        (used,) = connection.execute("SELECT sum(pgsize - unused) FROM dbstat").fetchone()
    return rows, used


async def measure(minutes: float) -> Growth:
    """Run the site with control on, and watch the database. Whole multiples of 5 minutes.

    Statistics are written every five minutes, so other times would count too many or few.
    """
    with tempfile.TemporaryDirectory(prefix="computeload-bench-") as folder:
        config = Path(folder)
        port = launcher.free_port(FIRST_PORT)
        launcher.prepare(config, port)
        home = launcher.HomeAssistant(config, port)
        await home.start()
        try:
            async with Client.logged_in(home.url) as client:
                await set_up(client)
            await asyncio.sleep(WARM_UP_S)
            # A session that says nothing for minutes is closed, so this is another one.
            async with Client.logged_in(home.url) as client:
                entities = await client.entities()
            database = config / "home-assistant_v2.db"
            rows_before, bytes_before = await asyncio.to_thread(_content, database)
            await asyncio.sleep(minutes * 60.0)
            rows_after, bytes_after = await asyncio.to_thread(_content, database)
        finally:
            await home.stop()
    watched_s = minutes * 60.0
    return Growth(
        devices=len({e.device_id for e in entities if e.subentry_id}),
        entities=len(entities),
        watched_s=watched_s,
        states_per_day=(rows_after - rows_before) / watched_s * DAY_S,
        megabytes_per_day=(bytes_after - bytes_before) / watched_s * DAY_S / 1e6,
    )


async def set_up(client: Client) -> None:
    """Bring the site up, under control."""
    entry_id = await add_site(client, SCENARIO)
    await wait_for_site(client, entry_id)
    await switch_on(client, entry_id)
