"""A logged-in browser page that remembers what went wrong on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
from typing import Literal

from playwright.async_api import Browser, Page

from scripts.client import Client

OURS = "computeload"
HARMLESS = ("1", "2", "3", "log:", "info:", "debug:")
"""How a page's news begin that are no errors: states of answers, kinds of console lines."""


@asynccontextmanager
async def opened(
    browser: Browser,
    client: Client,
    *,
    width: int = 1280,
    height: int = 900,
    scheme: Literal["light", "dark"] = "light",
) -> AsyncIterator[tuple[Page, list[str]]]:
    """Open a page in a browser that has seen nothing yet, logged in as the owner.

    Yields the page and the list of errors that name one of our files; sizes in pixels.
    """
    tokens = {
        "access_token": client.token,
        "token_type": "Bearer",
        "expires_in": 1800,
        "expires": 4102444800000,
        "hassUrl": client.url,
        "clientId": f"{client.url}/",
        "refresh_token": "",
    }
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="en-GB",
        timezone_id="Europe/Berlin",
        service_workers="block",
    )
    await context.add_init_script(
        f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})"
    )
    page = await context.new_page()
    errors: list[str] = []

    def remember(text: str) -> None:
        if OURS in text and not text.startswith(HARMLESS):
            errors.append(text)

    page.on("pageerror", lambda error: remember(f"{error}\n{error.stack}"))
    page.on("console", lambda said: remember(f"{said.type}: {said.text}"))
    page.on("response", lambda answer: remember(f"{answer.status} {answer.url}"))
    try:
        yield page, errors
    finally:
        await context.close()
