"""The site's faults and time over a small HTTP JSON interface, for tools outside.

GET /state, POST /faults, DELETE /faults/{device}, POST /pause, /resume, /advance.
"""

from collections.abc import Awaitable, Callable
from json import JSONDecodeError
from typing import Any, Final

from aiohttp import web

from .faults import FaultError
from .server import SimulatedSite

_LONGEST_ADVANCE_S: Final = 7 * 86400.0


def build_panel(site: SimulatedSite) -> web.Application:
    """Return the application that controls a running site."""

    async def state(_: web.Request) -> web.Response:
        return web.json_response(snapshot(site))

    async def inject(request: web.Request) -> web.Response:
        body = await _body(request)
        parameters = body.get("parameters", {})
        if not isinstance(parameters, dict):
            raise FaultError("'parameters' must be an object.")
        await site.faults.inject(
            str(body.get("device", "")), str(body.get("fault", "")), **parameters
        )
        return web.json_response(_faults(site))

    async def clear(request: web.Request) -> web.Response:
        await site.faults.clear(request.match_info["device"])
        return web.json_response(_faults(site))

    async def pause(_: web.Request) -> web.Response:
        site.pause()
        return web.json_response(_time(site))

    async def resume(_: web.Request) -> web.Response:
        site.resume()
        return web.json_response(_time(site))

    async def advance(request: web.Request) -> web.Response:
        seconds = (await _body(request)).get("seconds")
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not 0 <= seconds <= _LONGEST_ADVANCE_S
        ):
            raise FaultError(f"'seconds' must be a number in 0..{_LONGEST_ADVANCE_S:g}.")
        await site.advance(seconds)
        return web.json_response(_time(site))

    app = web.Application(middlewares=[_explain])
    app.add_routes(
        [
            web.get("/state", state),
            web.post("/faults", inject),
            web.delete("/faults/{device}", clear),
            web.post("/pause", pause),
            web.post("/resume", resume),
            web.post("/advance", advance),
        ]
    )
    return app


def snapshot(site: SimulatedSite) -> dict[str, Any]:
    """Return what is true on the site now, as JSON: time, powers, batteries, jobs, faults."""
    physics = site.physics
    jobs = physics.loads.jobs
    return {
        **_time(site),
        "scenario": site.scenario.id,
        "grid_present": physics.grid_present,
        "dark": physics.dark,
        "grid_w": physics.grid_w,
        "load_w": physics.load_w,
        "pv_w": physics.pv_w,
        "battery_w": physics.battery_w,
        "window": {
            "start": physics.window.start.isoformat(),
            "import_wh": physics.window.import_wh,
            "covered_s": physics.window.covered_s,
        },
        "peak_w": physics.peak_w,
        "batteries": {
            name: {
                "power_w": battery.power_w,
                "command_w": battery.command_w,
                "soc": battery.soc,
                "temperature_c": battery.temperature_c,
                "lapses": battery.lapses,
                "alarms": list(battery.alarms),
            }
            for name, battery in physics.batteries.items()
        },
        "jobs": {
            "running": len(jobs.running),
            "started": jobs.started,
            "finished": jobs.finished,
            "killed": jobs.killed,
        },
        "endpoints": {
            name: {"host": e.host, "port": e.port, "unit_id": e.unit_id, "profile": e.profile}
            for name, e in site.endpoints.items()
        },
        **_faults(site),
    }


def _faults(site: SimulatedSite) -> dict[str, Any]:
    return {"faults": site.faults.active}


def _time(site: SimulatedSite) -> dict[str, Any]:
    return {
        "now": site.clock.now().isoformat(),
        "elapsed_s": site.clock.elapsed_s,
        "running": site.clock.running,
    }


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as err:
        raise FaultError("The request's body is not JSON.") from err
    if not isinstance(body, dict):
        raise FaultError("The request's body must be a JSON object.")
    return body


@web.middleware
async def _explain(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer what cannot be done with 400 and the reason."""
    try:
        return await handler(request)
    except FaultError as err:
        return web.json_response({"error": str(err)}, status=400)
