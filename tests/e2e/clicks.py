"""What a user clicks, from an empty Home Assistant to a controller that runs."""

import re
from typing import Final

from playwright.async_api import Locator, Page, expect

PATIENCE_MS: Final = 30_000
TRIAL_MS: Final = 120_000
"""Batteries are tried out in real time."""


def _named(word: str) -> re.Pattern[str]:
    return re.compile(word, re.IGNORECASE)


async def _choose_site(page: Page, url: str, sort: str) -> Locator:
    """Add the integration, and choose in its dialog which sort of site; return the dialog."""
    await page.goto(f"{url}/config/integrations/dashboard")
    add = page.get_by_role("button", name=_named("add integration"))
    await add.first.click(timeout=PATIENCE_MS)
    await page.get_by_placeholder(_named("search")).last.fill("Computeload")
    found = page.locator("dialog-add-integration").get_by_text("Computeload", exact=True)
    await found.last.click()
    dialog = page.locator("dialog-data-entry-flow")
    await dialog.get_by_text(sort).first.click(timeout=PATIENCE_MS)
    return dialog


async def add_simulated_site(page: Page, url: str) -> None:
    """Add the integration, and in its dialog the simulated site."""
    dialog = await _choose_site(page, url, "Simulated site")
    await dialog.get_by_role("button", name=_named("submit")).click()
    finish = dialog.get_by_role("button", name=_named("finish"))
    await expect(finish).to_be_visible(timeout=PATIENCE_MS)
    await finish.click()


async def add_real_site(page: Page, url: str, limit_kw: float) -> Locator:
    """Add a real site, and return the dialog that goes on with its meter."""
    dialog = await _choose_site(page, url, "Real site")
    await dialog.locator("ha-selector-number input").first.fill(f"{limit_kw:g}")
    await dialog.get_by_role("button", name=_named("submit")).click()
    return dialog


async def add_dashboard(page: Page, url: str, title: str) -> None:
    """Add the dashboard that the integration brings, under a title."""
    await page.goto(f"{url}/config/lovelace/dashboards")
    add = page.get_by_role("button", name=_named("add dashboard"))
    await add.first.click(timeout=PATIENCE_MS)
    offered = page.get_by_role("button", name="Computeload", exact=True)
    await offered.click(timeout=PATIENCE_MS)
    dialog = page.locator("dialog-lovelace-dashboard-detail")
    # The first field; the address follows from it.
    await dialog.locator("input").first.fill(title, timeout=PATIENCE_MS)
    await dialog.get_by_role("button", name=_named("create")).click()
    await expect(dialog.get_by_role("button", name=_named("create"))).to_have_count(0)


async def prove(page: Page, url: str) -> None:
    """Check the site and try its batteries out, in the options."""
    await page.goto(f"{url}/config/integrations/integration/computeload")
    configure = page.get_by_role("button", name=_named("configure"))
    await configure.first.click(timeout=PATIENCE_MS)
    dialog = page.locator("dialog-data-entry-flow")
    await dialog.get_by_text("Check site").first.click(timeout=PATIENCE_MS)
    await dialog.get_by_text(_named("try .*batter")).first.click(timeout=PATIENCE_MS)
    await dialog.get_by_role("button", name=_named("submit")).click(timeout=PATIENCE_MS)
    proven = dialog.get_by_text("All that control depends on is proven")
    await expect(proven.first).to_be_visible(timeout=TRIAL_MS)


async def switch_controller_on(page: Page) -> None:
    """Switch the controller on where the dashboard shows it."""
    tile = page.locator("hui-tile-card", has_text="Controller")
    switch = tile.locator("ha-control-switch")
    await switch.click(timeout=PATIENCE_MS)
    await expect(switch.get_by_role("switch")).to_be_checked(timeout=PATIENCE_MS)
