"""Run a simulated site by itself: ``python -m custom_components.computeload.simulator``."""

import argparse
import asyncio
from contextlib import suppress
import sys

from aiohttp import web

from .panel_http import build_panel
from .scenario import ScenarioError, load_scenario, shipped_scenarios
from .server import SimulatedSite

LOOPBACK = "127.0.0.1"


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="simulator", description="Run a simulated lab behind Modbus TCP ports."
    )
    parser.add_argument(
        "scenario", help=f"one of {', '.join(shipped_scenarios())}, or a path to a YAML file"
    )
    parser.add_argument("--speed", type=_positive, default=1.0, help="times real time")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument("--host", default=LOOPBACK, help="address of the Modbus ports")
    parser.add_argument("--port-base", type=int, help="first Modbus port; free ones if absent")
    parser.add_argument("--control-port", type=int, help="loopback HTTP port for faults and time")
    options = parser.parse_args(arguments)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_run(options))
    except (ScenarioError, OSError) as err:
        sys.stderr.write(f"{err}\n")
        return 1
    return 0


async def _run(options: argparse.Namespace) -> None:
    """Serve the site until cancelled."""
    scenario = await asyncio.to_thread(load_scenario, options.scenario)
    site = SimulatedSite(scenario, seed=options.seed, speed=options.speed)
    ports = {}
    if options.port_base is not None:
        ports = {name: options.port_base + i for i, name in enumerate(site.ports)}
    await site.start(options.host, ports)
    runner = web.AppRunner(build_panel(site))
    try:
        await runner.setup()
        _say(f"{scenario.name}: {scenario.description}")
        for endpoint in site.endpoints.values():
            _say(
                f"  {endpoint.id:<12} {endpoint.host}:{endpoint.port:<6} "
                f"unit {endpoint.unit_id:<4} {endpoint.profile:<18} {endpoint.name}"
            )
        if options.control_port is not None:
            listener = web.TCPSite(runner, LOOPBACK, options.control_port)
            await listener.start()
            _say(f"  faults and time: http://{LOOPBACK}:{runner.addresses[0][1]}/state")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        await site.stop()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return value


if __name__ == "__main__":
    sys.exit(main())
