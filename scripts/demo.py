"""The demo: a simulated lab under control in a real Home Assistant.

``scripts/demo`` stays until Ctrl-C. ``scripts/demo --once`` checks that everything works,
and ends with 0 if it does, else with 1 and what is missing.
"""

import argparse
import asyncio
from collections.abc import Iterable
import contextlib
from http import HTTPStatus
from pathlib import Path
import shutil
import signal
import sys
import time
from typing import Final

from scripts.client import PASSWORD, USER, ApiError, Client, Entity
from scripts.launcher import (
    RESTART_CODE,
    ROOT,
    HomeAssistant,
    LaunchError,
    free_port,
    running,
)

SCENARIOS: Final = ROOT / "custom_components" / "computeload" / "simulator" / "scenarios"
DASHBOARD: Final = "computeload-site"
ACTING: Final = frozenset({"shaving", "limiting", "charging", "discharging"})
FOLLOWS_W: Final = 500.0
FOLLOWS_SHARE: Final = 0.1
"""A battery follows when its power is this near to its setpoint; states lag a few seconds."""

_started_s = time.monotonic()


def say(text: str) -> None:
    """Print a line of progress with the time since the start."""
    print(f"[demo {time.monotonic() - _started_s:4.0f}s] {text}", flush=True)


async def add_site(client: Client, scenario: str) -> str:
    """Add the simulated site as a user would, unless there is one; return its entry's id."""
    entries = await client.call("config_entries/get", domain="computeload")
    if entries:
        say("keeping the site of an earlier run; --fresh forgets it")
        return str(entries[0]["entry_id"])
    say(f"adding the simulated site {scenario}")
    result = await client.flow("computeload", {"next_step_id": "simulated"}, {"scenario": scenario})
    if result["type"] != "create_entry":
        raise ApiError(f"The simulated site was not created: {result}")
    return str(result["result"]["entry_id"])


async def add_dashboard(client: Client, path: str = DASHBOARD) -> None:
    """Put the dashboard into the sidebar, and make it the one that opens first."""
    dashboards = await client.call("lovelace/dashboards/list")
    if path not in {dashboard["url_path"] for dashboard in dashboards}:
        await client.call(
            "lovelace/dashboards/create",
            url_path=path,
            title="Computeload",
            icon="mdi:server-network",
            show_in_sidebar=True,
            require_admin=False,
            mode="storage",
        )
        await client.call(
            "lovelace/config/save",
            url_path=path,
            config={"strategy": {"type": "custom:computeload"}},
        )
        await client.call("frontend/set_user_data", key="core", value={"default_panel": path})


def of_site(entities: Iterable[Entity], key: str) -> Entity | None:
    """Return the site's own entity with this translation key."""
    return next((e for e in entities if e.key == key and e.subentry_id is None), None)


async def wait_for_site(client: Client, entry_id: str) -> int:
    """Wait until every device reports numbers; return how many devices there are.

    Raises TimeoutError that names the ones which do not.
    """
    subentries = await client.call("config_entries/subentries/list", entry_id=entry_id)
    titles = {subentry["subentry_id"]: subentry["title"] for subentry in subentries}
    silent: set[str] = set(titles.values())

    async def all_report() -> bool | None:
        entities = await client.entities()
        reporting = {e.subentry_id for e in entities if e.number is not None}
        down = {e.subentry_id for e in entities if e.state == "unavailable"}
        silent.clear()
        silent.update(title for key, title in titles.items() if key not in reporting - down)
        grid = of_site(entities, "grid_power")
        if grid is None or grid.number is None:
            silent.add("the site itself")
        return None if silent else True

    try:
        await client.wait_for("every device reports", 90.0, all_report)
    except TimeoutError:
        raise TimeoutError(f"These devices do not report: {', '.join(sorted(silent))}") from None
    return len(titles)


async def switch_on(client: Client, entry_id: str) -> None:
    """Prove the site and switch the controller on, unless an earlier run has done so.

    Raises ApiError that says what could not be proven.
    """
    switch = of_site(await client.entities(), "controller")
    if switch is None:
        raise ApiError("The site has no switch for its controller.")
    if switch.state == "on":
        say("the controller is on")
        return
    say("control needs proof: checking the site, trying its batteries out")
    for line in filter(None, (await client.try_batteries(entry_id)).splitlines()):
        say(f"  {line}")
    await client.act("switch.turn_on", entity_id=switch.entity_id)
    say("controller switched on")


async def wait_for_action(client: Client) -> str:
    """Wait until a battery follows a setpoint; return what is going on, in words.

    Raises TimeoutError with what was seen last.
    """
    seen = ""

    async def follows() -> str | None:
        nonlocal seen
        entities = await client.entities()
        state, reason = (
            of_site(entities, "controller_state"),
            of_site(entities, "controller_reason"),
        )
        power = {e.subentry_id: _watts(e) for e in entities if e.key == "power"}
        told = {e.subentry_id: _watts(e) for e in entities if e.key == "setpoint"}
        pairs = [
            (setpoint, given)
            for asset, setpoint in told.items()
            if setpoint is not None and (given := power.get(asset)) is not None
        ]
        seen = f"controller {state and state.state} ({reason and reason.state}), " + ", ".join(
            f"told {s / 1000:.1f} kW, gives {g / 1000:.1f} kW" for s, g in pairs
        )
        moved = any(
            abs(setpoint) >= FOLLOWS_W
            and abs(given - setpoint) <= max(FOLLOWS_W, FOLLOWS_SHARE * abs(setpoint))
            for setpoint, given in pairs
        )
        return seen if moved and state is not None and state.state in ACTING else None

    try:
        return await client.wait_for("a battery follows the controller", 180.0, follows)
    except TimeoutError as err:
        raise TimeoutError(f"{err}; last seen: {seen}") from None


def _watts(entity: Entity) -> float | None:
    """Return a power in W, whatever unit it is shown in."""
    factor = 1000.0 if entity.attributes.get("unit_of_measurement") == "kW" else 1.0
    return None if entity.number is None else entity.number * factor


async def check_dashboard(client: Client) -> None:
    """Check that the dashboard is there and the browser is told of its module.

    Raises ApiError.
    """
    status, _, page = await client.get(f"/{DASHBOARD}")
    start = page.find("/computeload_frontend/")
    if status != HTTPStatus.OK or start < 0:
        raise ApiError(f"The dashboard's page does not load our module (status {status}).")
    path = page[start : page.index(".js", start) + 3]
    status, kind, module = await client.get(path)
    if (
        status != HTTPStatus.OK
        or "javascript" not in kind
        or "ll-strategy-dashboard-computeload" not in module
    ):
        raise ApiError(f"{path}: status {status}, {kind}: not the dashboard's module.")
    # What every page asks for first; without an answer it stays empty.
    await client.call("get_services")
    config = await client.call("lovelace/config", url_path=DASHBOARD)
    if config["strategy"]["type"] != "custom:computeload":
        raise ApiError(f"The stored dashboard is not ours: {config}")


async def build(client: Client, scenario: str) -> None:
    """Bring everything up to a controlled site with a dashboard."""
    entry_id = await add_site(client, scenario)
    await add_dashboard(client)
    devices = await wait_for_site(client, entry_id)
    say(f"all {devices} devices report")
    await switch_on(client, entry_id)


async def once(config: Path, port: int, scenario: str) -> int:
    """Check everything and stop; return the exit code."""
    problems: list[str] = []
    say(f"starting Home Assistant on port {port}")
    async with running(config, port) as (home, client):
        say(f"Home Assistant answers at {home.url}")
        try:
            await build(client, scenario)
            say(await wait_for_action(client))
            await check_dashboard(client)
            say("the dashboard answers")
        except (ApiError, TimeoutError) as err:
            problems.append(str(err))
        say("stopping")
    if (code := await home.stop()) != 0:
        problems.append(f"Home Assistant ended with code {code}")
    problems += [f"in the log: {line}" for line in home.complaints()]
    for problem in problems:
        say(f"FAILED: {problem}")
    if problems:
        print(f"The whole log: {home.log}")
        return 1
    say("everything works")
    return 0


async def stay(config: Path, port: int, scenario: str) -> int:
    """Run until Ctrl-C; return the exit code."""
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    say(f"starting Home Assistant on port {port}")
    async with running(config, port) as (home, client):
        await build(client, scenario)
        print(
            f"\n    {home.url}/{DASHBOARD}\n\n    user {USER}, password {PASSWORD}\n"
            f"\nEverything of it is in {config}. Ctrl-C hands the batteries back and stops it.\n",
            flush=True,
        )
        code = await _until_end(home, asked_to_stop)
    say("stopped" if code == 0 else f"Home Assistant ended with code {code}: see {home.log}")
    return code


async def _until_end(home: HomeAssistant, asked_to_stop: asyncio.Event) -> int:
    """Wait for Ctrl-C or the end of Home Assistant; start it again when it asks for that."""
    stop = asyncio.create_task(asked_to_stop.wait())
    try:
        while True:
            end = asyncio.create_task(home.wait())
            await asyncio.wait({stop, end}, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                end.cancel()
                say("handing the batteries back and stopping")
                return await home.stop() or 0
            if end.result() != RESTART_CODE:
                return end.result()
            say("starting again, as Home Assistant was asked to")
            await home.start()
    finally:
        stop.cancel()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Home Assistant with a simulated lab under control."
    )
    parser.add_argument("--once", action="store_true", help="check that all of it works, then end")
    parser.add_argument("--port", type=int, default=8123, help="where it listens (default 8123)")
    parser.add_argument("--scenario", default="cfd-lab", help="the lab to simulate")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run left")
    return parser.parse_args()


def main() -> int:
    """Run the demo; return the exit code."""
    given = arguments()
    known = sorted(file.stem for file in SCENARIOS.glob("*.yaml"))
    if given.scenario not in known:
        print(f"There is no scenario {given.scenario!r}; choose one of {', '.join(known)}.")
        return 2
    # A check says something only about a start from nothing, and must not touch a demo in use.
    config = ROOT / "build" / "demo-once" if given.once else ROOT / "demo"
    if given.once or given.fresh:
        shutil.rmtree(config, ignore_errors=True)
    try:
        port = free_port(given.port)
        if port != given.port:
            say(f"port {given.port} is in use, taking {port}")
        return asyncio.run((once if given.once else stay)(config, port, given.scenario))
    except (LaunchError, ApiError, TimeoutError) as err:
        say(f"FAILED: {err}")
        return 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
