"""Serves the dashboard strategy and its cards to every browser.

The files are plain ES modules in ``frontend/``. Home Assistant loads the first one on
every page; a dashboard uses it by ``strategy: {type: custom:computeload}``.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

from homeassistant.components.frontend import add_extra_js_url
from homeassistant.components.http import StaticPathConfig  # type: ignore[attr-defined]
from homeassistant.core import HomeAssistant

FRONTEND: Final = Path(__file__).parent / "frontend"
URL: Final = "/computeload_frontend"
MODULE: Final = "computeload.js"


def fingerprint(folder: Path) -> str:
    """Return a short name for the state of a folder's modules."""
    digest = sha256()
    for file in sorted(folder.glob("*.js")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


async def async_setup_frontend(hass: HomeAssistant) -> None:
    """Register the modules; called once per start."""
    # The state is part of the path, so that the modules which the first one imports are
    # never older than it is, while browsers may keep all of them.
    url = f"{URL}/{await hass.async_add_executor_job(fingerprint, FRONTEND)}"
    await hass.http.async_register_static_paths([StaticPathConfig(url, str(FRONTEND))])
    add_extra_js_url(hass, f"{url}/{MODULE}")
