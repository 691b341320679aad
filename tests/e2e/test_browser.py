"""The way of a user, in a real browser: add the simulated site, watch it on the dashboard.

Screenshots go to build/screenshots; scripts/screenshots takes those of the documentation.
"""

import asyncio
from pathlib import Path
import re
from typing import Literal

from playwright.async_api import Browser, expect
import pytest

from scripts.client import ApiError, Json
from scripts.demo import (
    DASHBOARD,
    add_dashboard,
    check_dashboard,
    of_site,
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
    await switch_on(client, entries[0]["entry_id"])
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

        await page.goto(f"{client.url}/{DASHBOARD}/plan")
        plan = page.locator("computeload-plan-card")
        said = re.compile(
            r"\d\d:\d\d to \d\d:\d\d: the battery (gives|takes|rests).*, because .*\."
        )
        await expect(plan.get_by_role("status")).to_have_text(said, timeout=PATIENCE_MS)
        first = await plan.get_by_role("status").inner_text()
        await plan.get_by_role("img").focus()
        await page.keyboard.press("ArrowRight")
        await expect(plan.get_by_role("status")).not_to_have_text(first)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.screenshot(path=SHOTS / f"plan-{width}-{scheme}.png")

        await page.goto(f"{client.url}/{DASHBOARD}/health")
        tiles = page.locator("hui-tile-card")
        await expect(tiles.first).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.get_by_text("unavailable", exact=False)).to_have_count(0)
        assert await tiles.count() > 15
        await page.screenshot(path=SHOTS / f"health-{width}-{scheme}.png")
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


async def test_a_blueprint_acts_on_the_simulated_site(running_home: RunningHome) -> None:
    client = running_home.client
    offered = await client.call("blueprint/list", domain="automation")
    assert {f"computeload/{name}.yaml" for name in ("peak_shaving", "tariff_arbitrage")} <= set(
        offered
    )
    await client.call(
        "input_number/create",
        name="Setpoint",
        initial=0,
        min=-20,
        max=20,
        step=0.001,
        mode="box",
        unit_of_measurement="kW",
    )
    entities = await client.entities()
    grid, charge = of_site(entities, "grid_power"), of_site(entities, "site_soc")
    assert grid is not None
    assert charge is not None
    inputs: Json = {
        "grid_power": grid.entity_id,
        "state_of_charge": charge.entity_id,
        "setpoint": "input_number.setpoint",
        "target_kw": 2,
        "discharge_kw": 3,
    }
    use: Json = {"path": "computeload/peak_shaving.yaml", "input": inputs}
    path = "/api/config/automation/config/shave"
    incomplete = {**use, "input": {"target_kw": 2}}
    with pytest.raises(ApiError, match="grid_power"):
        await client.post(path, {"alias": "Shave", "use_blueprint": incomplete})
    await client.post(path, {"alias": "Shave", "use_blueprint": use})

    async def told() -> float | None:
        states = {state["entity_id"]: state for state in await client.call("get_states")}
        power_kw = float(states["input_number.setpoint"]["state"])
        return power_kw if power_kw > 0 else None

    # The lab draws far more than 2 kW, so everything that may be given is asked for.
    assert await client.wait_for("a setpoint", 60, told) == 3.0


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
