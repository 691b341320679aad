"""Draws the brand images from docs/images/icon.svg; needs Chromium. Run after a change of it."""

import asyncio
from pathlib import Path
import re

from playwright.async_api import Browser, async_playwright

from scripts.chromium import launch_options

ROOT = Path(__file__).parent.parent
BRAND = ROOT / "custom_components" / "computeload" / "brand"
INK = {"": "#0e3b43", "dark_": "#e6f2f3"}
"""Colour of the name beside the icon, on light and on dark backgrounds."""


async def _draw(browser: Browser, html: str, file: Path, *, width: int, height: int) -> None:
    """Render HTML of this size, in pixels, with a transparent background."""
    page = await browser.new_page(viewport={"width": width, "height": height})
    await page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{html}")
    await page.screenshot(path=file, omit_background=True)
    await page.close()


def logo(icon: str, ink: str) -> str:
    """Return the icon with the name beside it, four times as wide as high."""
    inner = re.sub(r"</?svg[^>]*>", "", icon)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2048 512" width="100%" height="100%">'
        f'{inner}<text x="560" y="330" font-family="DejaVu Sans" font-weight="bold"'
        f' font-size="204" fill="{ink}">computeload</text></svg>'
    )


async def main() -> None:
    """Draw all of them."""
    icon = (ROOT / "docs" / "images" / "icon.svg").read_text()
    BRAND.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        for suffix, scale in (("", 1), ("@2x", 2)):
            side = 256 * scale
            await _draw(browser, icon, BRAND / f"icon{suffix}.png", width=side, height=side)
            for prefix, ink in INK.items():
                await _draw(
                    browser,
                    logo(icon, ink),
                    BRAND / f"{prefix}logo{suffix}.png",
                    width=512 * scale,
                    height=128 * scale,
                )
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
