"""Starts a real Home Assistant in a folder of its own, and stops it cleanly.

Used by the demo and by the tests that need the real thing. Nothing is downloaded: what
Home Assistant loads is in the pinned environment.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
import json
import os
from pathlib import Path
import re
import shutil
import socket
import sys
from typing import Final

import aiohttp

from scripts.client import Client

ROOT: Final = Path(__file__).parent.parent
HOST: Final = "127.0.0.1"
OTHER_PYTHON: Final = "COMPUTELOAD_PYTHON"
"""The environment variable by which scripts/test-with gives another Home Assistant."""
START_S: Final = 180.0
STOP_S: Final = 60.0
RESTART_CODE: Final = 100
"""Home Assistant ends with this code when somebody asked it to restart."""

CONFIGURATION: Final = """\
# Written by scripts/demo at every start. Without default_config, whose parts look for
# hardware, the network and native libraries.
homeassistant:
  name: Lab
  time_zone: Europe/Berlin
  country: DE
  currency: EUR
  language: en
  unit_system: metric
  latitude: 52.52
  longitude: 13.4
  elevation: 30
automation: !include automations.yaml
config:
diagnostics:
energy:
frontend:
history:
logbook:
logger:
  default: warning
recorder:
  commit_interval: 1
sun:
"""


class LaunchError(Exception):
    """Home Assistant did not come up; the text is for the user."""


def free_port(first: int) -> int:
    """Return the first port from this one on that nobody listens on.

    Raises LaunchError when the next twenty are taken.
    """
    for port in range(first, first + 20):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise LaunchError(f"The ports {first} to {first + 19} are all in use: choose one with --port.")


def prepare(config: Path, port: int) -> None:
    """Write the configuration folder: files, address, integration, blueprints.

    A folder that is there already keeps what Home Assistant has put into it.
    """
    storage = config / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    (config / "configuration.yaml").write_text(CONFIGURATION)
    automations = config / "automations.yaml"
    if not automations.exists():
        automations.write_text("[]\n")

    components = config / "custom_components"
    components.mkdir(exist_ok=True)
    link = components / "computeload"
    link.unlink(missing_ok=True)
    link.symlink_to(ROOT / "custom_components" / "computeload", target_is_directory=True)
    shutil.copytree(ROOT / "blueprints", config / "blueprints", dirs_exist_ok=True)

    # An address in the YAML is on trial for five minutes only; here it is for good.
    _store(
        storage / "http",
        version=(2, 2),
        data={
            "stable": {
                "server_host": [HOST],
                "server_port": port,
                "cors_allowed_origins": [],
                "login_attempts_threshold": -1,
                "ip_ban_enabled": True,
                "ssl_profile": "modern",
                "use_x_frame_options": True,
                "created_at": "2026-01-01T00:00:00+00:00",
                "error": None,
                "error_message": None,
            },
            "pending": None,
            "yaml_migration_done": True,
        },
    )
    # The steps left out would ask the network where the machine is and what it likes.
    if not (storage / "onboarding").exists():
        done = ["core_config", "analytics", "integration"]
        _store(storage / "onboarding", version=(4, 1), data={"done": done})


def _store(file: Path, *, version: tuple[int, int], data: object) -> None:
    """Write a file of Home Assistant's own storage."""
    major, minor = version
    content = {"version": major, "minor_version": minor, "key": file.name, "data": data}
    file.write_text(json.dumps(content))


class HomeAssistant:
    """One Home Assistant process and its log."""

    def __init__(self, config: Path, port: int) -> None:
        """Take a prepared folder; nothing runs before ``start``."""
        self.config = config
        self.url = f"http://{HOST}:{port}"
        self.log = config / "console.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Return the number of its process. Raises LaunchError while there is none."""
        if self._process is None:
            raise LaunchError("Home Assistant was not started.")
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it is up. Raises LaunchError with the end of the log."""
        with self.log.open("w") as log:
            process = self._process = await asyncio.create_subprocess_exec(
                os.environ.get(OTHER_PYTHON, sys.executable),
                "-P",
                str(ROOT / "scripts" / "run_hass.py"),
                "--config",
                str(self.config),
                "--skip-pip",
                "--log-no-color",
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is for the launcher, which then stops this in order.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_S):
                await self._wait_until_up(process)
        except TimeoutError:
            await self.stop()
            raise LaunchError(f"Home Assistant was not up after {START_S:.0f} s.") from None

    async def _wait_until_up(self, process: asyncio.subprocess.Process) -> None:
        """Wait until it answers. Its first answers come before everything is loaded."""
        async with aiohttp.ClientSession() as session:
            while True:
                if process.returncode is not None:
                    tail = "\n".join(self.log.read_text().splitlines()[-15:])
                    raise LaunchError(
                        f"Home Assistant ended with code {process.returncode}:\n{tail}"
                    )
                try:
                    async with session.get(f"{self.url}/manifest.json") as answer:
                        if answer.status == HTTPStatus.OK:
                            return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.2)

    async def wait(self) -> int:
        """Wait until it ends by itself; return its code, 0 if it was never started."""
        return await self._process.wait() if self._process is not None else 0

    async def stop(self) -> int | None:
        """Stop it in order, so that batteries are handed back; return its code."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        return process.returncode

    def complaints(self) -> list[str]:
        """Return the lines of its log that tell of trouble.

        That is an error, a traceback, a warning by us, and one that we use what is deprecated.
        """
        pattern = re.compile(
            r" (?:ERROR|CRITICAL) |^Traceback|WARNING .*\[custom_components\.computeload"
        )
        lines = self.log.read_text().splitlines()
        return [line for line in lines if pattern.search(line) or is_deprecation(line)]


def is_deprecation(line: str) -> bool:
    """Tell whether Home Assistant says in its log that we use what it is going to remove.

    What else it detects of an integration, such as a blocking call, counts as well.
    """
    told = r"deprecated|will stop working|Detected"
    return bool(re.search(rf"({told}).*computeload|computeload.*({told})", line, re.DOTALL))


@asynccontextmanager
async def running(config: Path, port: int) -> AsyncIterator[tuple[HomeAssistant, Client]]:
    """Run Home Assistant in this folder, with an owner and a client of it logged in."""
    prepare(config, port)
    home = HomeAssistant(config, port)
    await home.start()
    try:
        async with Client.logged_in(home.url) as client:
            yield home, client
    finally:
        await home.stop()
