"""The way of a user, in a real browser: add the simulated site, watch it on the dashboard.

Screenshots go to build/screenshots; scripts/screenshots takes those of the documentation.
"""

import asyncio
from pathlib import Path
import re
from typing import Literal

from playwright.async_api import Browser, expect
import pytest

from scripts.demo import (
    DASHBOARD,
    add_dashboard,
    check_dashboard,
    switch_on,
    wait_for_action,
    wait_for_site,
)
from scripts.pages import opened

from .conftest import RunningHome

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
COLD_LOADS = 6
PATIENCE_MS = 30_000


async def test_a_simulated_site_is_added_by_clicks(
    running_home: RunningHome, browser: Browser
) -> None:
    client = running_home.client
    async with opened(browser, client) as (page, errors):
        await page.goto(f"{client.url}/config/integrations/dashboard")
        add = page.get_by_role("button", name=re.compile("add integration", re.IGNORECASE))
        await add.first.click(timeout=PATIENCE_MS)
        await page.get_by_placeholder(re.compile("search", re.IGNORECASE)).last.fill("Computeload")
        found = page.locator("dialog-add-integration").get_by_text("Computeload", exact=True)
        await found.last.click()
        dialog = page.locator("dialog-data-entry-flow")
        await dialog.get_by_text("Simulated site").first.click(timeout=PATIENCE_MS)
        await page.screenshot(path=SHOTS / "flow.png")
        await dialog.get_by_role("button", name=re.compile("submit", re.IGNORECASE)).click()
        await expect(
            dialog.get_by_role("button", name=re.compile("finish", re.IGNORECASE))
        ).to_be_visible(timeout=PATIENCE_MS)
        await page.screenshot(path=SHOTS / "flow-done.png")
        assert errors == []
    entries = await client.call("config_entries/get", domain="computeload")
    assert [entry["state"] for entry in entries] == ["loaded"]
    await add_dashboard(client)
    await wait_for_site(client, entries[0]["entry_id"])
    await switch_on(client)
    await wait_for_action(client)
    await check_dashboard(client)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_dashboard_shows_numbers(
    running_home: RunningHome,
    browser: Browser,
    width: int,
    height: int,
    scheme: Literal["light", "dark"],
) -> None:
    client = running_home.client
    async with opened(browser, client, width=width, height=height, scheme=scheme) as (page, errors):
        await page.goto(f"{client.url}/{DASHBOARD}/now")
        for node in ("grid", "load", "battery", "pv"):
            power = page.locator(f"computeload-flow-card .{node} b")
            await expect(power).to_have_text(re.compile(r"^\d+\.\d+ kW$"), timeout=PATIENCE_MS)
        battery = page.locator("computeload-flow-card button.battery")
        await expect(battery).to_have_attribute("aria-label", re.compile("Battery: gives .* kW"))
        window = page.locator("computeload-window-card")
        await expect(window).to_contain_text(re.compile(r"\d+:\d\d left"))
        await expect(window).to_contain_text(re.compile(r"\d+\.\d+ kW projected, target 10\.0 kW"))
        meter = window.get_by_role("meter")
        await expect(meter).to_have_attribute(
            "aria-valuetext", re.compile(r"kWh of 2\.50 kWh used")
        )
        await expect(page.locator("computeload-control-card b")).to_have_text("Shaving a peak")
        # The page is no wider than the screen.
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await expect(page.get_by_text("unavailable")).to_have_count(0)
        await page.screenshot(path=SHOTS / f"now-{width}-{scheme}.png")

        await page.goto(f"{client.url}/{DASHBOARD}/devices")
        tiles = page.locator("hui-tile-card")
        await expect(tiles.first).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.get_by_text("unavailable", exact=False)).to_have_count(0)
        assert await tiles.count() > 15
        await page.screenshot(path=SHOTS / f"devices-{width}-{scheme}.png")
        assert errors == []


async def test_a_browser_that_knows_nothing_yet_always_gets_the_dashboard(
    running_home: RunningHome, browser: Browser
) -> None:
    client = running_home.client
    for _ in range(COLD_LOADS):
        async with opened(browser, client) as (page, errors):
            await page.goto(f"{client.url}/{DASHBOARD}")
            await expect(page.locator("computeload-flow-card .node").first).to_be_visible(
                timeout=PATIENCE_MS
            )
            assert errors == []


async def test_values_move_without_a_reload(running_home: RunningHome, browser: Browser) -> None:
    client = running_home.client
    async with opened(browser, client) as (page, _):
        await page.goto(f"{client.url}/{DASHBOARD}/now")
        used = page.locator("computeload-window-card .row").first
        await expect(used).to_be_visible(timeout=PATIENCE_MS)
        before = await used.inner_text()
        await expect(used).not_to_have_text(before, timeout=PATIENCE_MS)


async def test_blueprints_are_offered_and_check_their_inputs(running_home: RunningHome) -> None:
    client = running_home.client
    offered = await client.call("blueprint/list", domain="automation")
    for name in ("peak_shaving", "tariff_arbitrage"):
        assert offered[f"computeload/{name}.yaml"]["metadata"]["name"].endswith("any battery")


async def test_without_a_site_the_dashboard_says_what_to_do_next(
    running_home: RunningHome, browser: Browser
) -> None:
    client = running_home.client
    (entry,) = await client.call("config_entries/get", domain="computeload")
    await client.delete(f"/api/config/config_entries/entry/{entry['entry_id']}")
    async with opened(browser, client) as (page, errors):
        await page.goto(f"{client.url}/{DASHBOARD}")
        link = page.get_by_role("link", name="Add a site")
        await expect(link).to_be_visible(timeout=PATIENCE_MS)
        await page.screenshot(path=SHOTS / "empty.png")
        assert errors == []


async def test_home_assistant_stops_cleanly_and_its_log_has_no_errors(
    running_home: RunningHome,
) -> None:
    assert await asyncio.wait_for(running_home.home.stop(), 60) == 0
    assert running_home.home.complaints() == []
