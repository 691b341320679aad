"""Takes the screenshots of the documentation, after the site has run for some minutes."""

import argparse
import asyncio
from pathlib import Path
import shutil
from typing import Final, Literal

from playwright.async_api import Browser, async_playwright

from scripts.chromium import launch_options
from scripts.client import Client
from scripts.demo import DASHBOARD, build, say, wait_for_action
from scripts.launcher import ROOT, free_port, running
from scripts.pages import opened

IMAGES: Final = ROOT / "docs" / "images"
type Scheme = Literal["light", "dark"]
DESKTOP: Final = (1280, 840)
PHONE: Final = (390, 844)
PICTURES: Final[tuple[tuple[str, str, tuple[int, int], Scheme], ...]] = (
    ("now", "now", DESKTOP, "light"),
    ("now-phone", "now", PHONE, "dark"),
    ("plan", "plan", DESKTOP, "light"),
    ("plan-phone", "plan", PHONE, "dark"),
    ("compute", "compute", DESKTOP, "light"),
    ("peaks", "peaks", DESKTOP, "light"),
    ("savings", "savings", DESKTOP, "light"),
    ("health", "health", DESKTOP, "light"),
)
"""File, view, size in pixels and colour scheme."""
DRAWN_MS: Final = 5000
"""Charts have been drawn by then."""


async def shoot(
    browser: Browser,
    client: Client,
    file: Path,
    *,
    view: str,
    size: tuple[int, int],
    scheme: Scheme,
) -> None:
    """Take one screenshot; the size is in pixels."""
    width, height = size
    context = opened(browser, client, width=width, height=height, scheme=scheme)
    async with context as (page, errors):
        await page.goto(f"{client.url}/{DASHBOARD}/{view}")
        await page.locator("ha-card").first.wait_for(timeout=30_000)
        await page.wait_for_timeout(DRAWN_MS)
        await page.screenshot(path=file)
        say(f"{file.relative_to(ROOT)}" + "".join(f"\n  {error}" for error in errors))


async def run(scenario: str, minutes: float) -> None:
    """Start the site, let it run, take the screenshots."""
    config = ROOT / "build" / "screenshots-demo"
    shutil.rmtree(config, ignore_errors=True)
    async with running(config, free_port(8600)) as (_, client):
        await build(client, scenario)
        say(await wait_for_action(client))
        say(f"waiting {minutes:.0f} minutes for charts with something in them")
        await asyncio.sleep(minutes * 60)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launch_options())
            for name, view, size, scheme in PICTURES:
                file = IMAGES / f"{name}.png"
                await shoot(browser, client, file, view=view, size=size, scheme=scheme)
            await browser.close()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("--scenario", default="climate-hpc", help="the lab to simulate")
    parser.add_argument("--minutes", type=float, default=20, help="how long it runs before")
    given = parser.parse_args()
    asyncio.run(run(given.scenario, given.minutes))


if __name__ == "__main__":
    main()
