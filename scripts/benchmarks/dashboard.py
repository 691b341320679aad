"""How soon the dashboard is there, and what it costs while nobody touches it.

A real Home Assistant with the simulated lab and its weeks of past, controlled; a real browser
that has seen nothing yet. Soon: from the navigation until the power flow shows its numbers.
The cost is the processor time of all of the browser's processes.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
import statistics
import tempfile
import time
from typing import Final

from playwright.async_api import Browser, async_playwright

from scripts.chromium import launch_options
from scripts.client import Client
from scripts.demo import DASHBOARD, build
from scripts.launcher import free_port, running
from scripts.pages import opened

SCENARIO: Final = "cfd-lab"
LOADS: Final = 5
SETTLED_S: Final = 15.0
IDLE_S: Final = 30.0
PAINTED: Final = "computeload-flow-card .grid b"
VIEWS: Final = ("now", "plan", "peaks", "savings", "health")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured."""

    first_paint_s: float
    """Median of cold loads."""
    idle: dict[str, float]
    """By view: the share of a core."""


async def measure() -> Seen:
    """Start everything and measure; takes about five minutes."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), free_port(8700)) as (_, client):
            await build(client, SCENARIO)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(**launch_options())
                paints = [await _first_paint_s(browser, client) for _ in range(LOADS)]
                idle = {view: await _idle(browser, client, view) for view in VIEWS}
                await browser.close()
    return Seen(statistics.median(paints), idle)


async def _first_paint_s(browser: Browser, client: Client) -> float:
    async with opened(browser, client) as (page, _):
        started_s = time.monotonic()
        await page.goto(f"{client.url}/{DASHBOARD}/now", wait_until="commit")
        await page.locator(PAINTED).wait_for()
        return time.monotonic() - started_s


async def _idle(browser: Browser, client: Client, view: str) -> float:
    async with opened(browser, client) as (page, _):
        await page.goto(f"{client.url}/{DASHBOARD}/{view}")
        await asyncio.sleep(SETTLED_S)
        before_s, started_s = await _processor_s(browser), time.monotonic()
        await asyncio.sleep(IDLE_S)
        return (await _processor_s(browser) - before_s) / (time.monotonic() - started_s)


async def _processor_s(browser: Browser) -> float:
    """Return the processor time of all processes of the browser so far."""
    session = await browser.new_browser_cdp_session()
    answer = await session.send("SystemInfo.getProcessInfo")
    await session.detach()
    return float(sum(process["cpuTime"] for process in answer["processInfo"]))
