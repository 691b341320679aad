"""Where the browser is, and how it runs without a screen."""

import shutil
from typing import Final, TypedDict

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS: Final = (
    "--no-sandbox",  # containers have no user namespaces
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


class LaunchOptions(TypedDict):
    """What Playwright's ``launch`` is given."""

    executable_path: str | None
    headless: bool
    args: list[str]


def find_chromium() -> str | None:
    """Return the path of an installed Chromium or Chrome; None where there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def launch_options() -> LaunchOptions:
    """Return how to start the installed browser."""
    return LaunchOptions(executable_path=find_chromium(), headless=True, args=list(_FLAGS))
