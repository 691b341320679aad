"""The lab's job queue as slurmrestd v0.0.45 shows it, for one token.

GET ping, jobs, nodes, partitions, diag; POST job/{number} and node/{name}; GET
job/{number}/requeue. What is changed really changes when jobs start and what nodes draw.
"""

from collections.abc import Awaitable, Callable
from json import JSONDecodeError
import secrets
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from .jobs import Job, WorkloadSpec

if TYPE_CHECKING:
    from .server import SimulatedSite

VERSION: Final = "v0.0.45"
PARTITION: Final = "compute"
_NOT_AUTHENTICATED: Final = 1007
_NO_JOB: Final = 2017
_LIMIT_SHARE: Final = 1.3
"""People ask for more time than their longest job has taken."""
_CPUS: Final = 64


class SlurmServer:
    """Answers for one site at a port of its own, while it runs."""

    def __init__(self, site: SimulatedSite) -> None:
        """Prepare; ``start`` listens."""
        self._site = site
        self.token = secrets.token_hex(16)
        self.user = "operator"
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, host: str) -> None:
        """Listen at a free port. Raises OSError."""
        self._runner = web.AppRunner(self._application(), access_log=None)
        await self._runner.setup()
        listening = web.TCPSite(self._runner, host, 0)
        await listening.start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port. Harmless when it is closed."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._checked])
        path = f"/slurm/{VERSION}"
        app.add_routes(
            [
                web.get(f"{path}/ping/", self._ping),
                web.get(f"{path}/jobs/", self._jobs),
                web.get(f"{path}/nodes/", self._nodes),
                web.get(f"{path}/partitions/", self._partitions),
                web.get(f"{path}/diag/", self._diag),
                web.post(path + r"/job/{number:\d+}", self._change_job),
                web.get(path + r"/job/{number:\d+}/requeue", self._requeue),
                web.post(f"{path}/node/{{name}}", self._change_node),
            ]
        )
        return app

    @web.middleware
    async def _checked(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let pass who has the token, with the site's physics in the present."""
        if not secrets.compare_digest(request.headers.get("X-SLURM-USER-TOKEN", ""), self.token):
            return _failed(401, _NOT_AUTHENTICATED, "Protocol authentication error")
        self._site.catch_up()
        return await handler(request)

    # -- what is asked ---------------------------------------------------------------------

    async def _ping(self, _: web.Request) -> web.Response:
        return _answer(pings=[{"hostname": "lab", "pinged": "UP"}])

    async def _jobs(self, _: web.Request) -> web.Response:
        jobs = self._site.physics.loads.jobs
        free_s: dict[str, float] = {}
        records = []
        for job in jobs.running:
            free_s[job.workload.id] = (job.started_s or 0.0) + _limit_s(job.workload)
            records.append(self._record(job, job.started_s, "RUNNING", "None"))
        for job in jobs.waiting:
            # As a backfill sees it: every job takes all of the time that it may.
            stream = job.workload.id
            start_s = max(job.due_s, job.not_before_s, free_s.get(stream, 0.0))
            if not job.held:
                free_s[stream] = start_s + _limit_s(job.workload)
            later = job.not_before_s > self._site.clock.elapsed_s
            reason = "JobHeldUser" if job.held else "BeginTime" if later else "Resources"
            records.append(self._record(job, start_s, "PENDING", reason))
        return _answer(jobs=records, last_backfill=_number(self._at(self._now_s)))

    async def _nodes(self, _: web.Request) -> web.Response:
        loads = self._site.physics.loads
        busy = {node for job in loads.jobs.running for node in job.nodes}
        records = []
        for name in loads.jobs.extra_w:
            states = ["ALLOCATED" if name in busy else "IDLE"]
            if name in loads.jobs.drained:
                states.append("DRAIN")
            records.append(
                {
                    "name": name,
                    "state": states,
                    "partitions": [PARTITION],
                    "cpus": _CPUS,
                    "alloc_cpus": _CPUS if name in busy else 0,
                    "cpu_load": 100 * _CPUS if name in busy else 0,
                    "energy": {
                        "current_watts": _number(round(loads.branches[name].power_w)),
                        "last_collected": self._at(self._now_s),
                    },
                }
            )
        return _answer(nodes=records)

    async def _partitions(self, _: web.Request) -> web.Response:
        names = list(self._site.physics.loads.jobs.extra_w)
        return _answer(
            partitions=[
                {
                    "name": PARTITION,
                    "partition": {"state": ["UP"]},
                    "nodes": {"configured": ",".join(names), "total": len(names)},
                    "cpus": {"total": _CPUS * len(names)},
                    "maximums": {"time": _number(1440)},
                }
            ]
        )

    async def _diag(self, _: web.Request) -> web.Response:
        return _answer(statistics={"bf_when_last_cycle": _number(self._at(self._now_s))})

    # -- what is changed ---------------------------------------------------------------------

    async def _change_job(self, request: web.Request) -> web.Response:
        number, change = int(request.match_info["number"]), await _body(request)
        jobs, now_s = self._site.physics.loads.jobs, self._site.clock.elapsed_s
        found = False
        if "hold" in change:
            found = jobs.hold(number, held=bool(change["hold"]), elapsed_s=now_s)
        if "begin_time" in change:
            at_s = float(change["begin_time"]["number"]) - self._at(0.0)
            found = jobs.defer(number, at_s, now_s)
        return _answer() if found else _failed(500, _NO_JOB, "Invalid job id specified")

    async def _requeue(self, request: web.Request) -> web.Response:
        number, held = int(request.match_info["number"]), "Hold" in request.query
        found = self._site.physics.loads.jobs.requeue(number, self._site.clock.elapsed_s, held=held)
        return _answer() if found else _failed(500, _NO_JOB, "Invalid job id specified")

    async def _change_node(self, request: web.Request) -> web.Response:
        name, states = request.match_info["name"], (await _body(request)).get("state", [])
        jobs = self._site.physics.loads.jobs
        if name not in jobs.extra_w or not {"DRAIN", "RESUME"}.intersection(states):
            return _failed(500, 2004, "Invalid node name specified")
        jobs.drain([name], drained="DRAIN" in states, elapsed_s=self._site.clock.elapsed_s)
        return _answer()

    # -- records -----------------------------------------------------------------------------

    @property
    def _now_s(self) -> float:
        return self._site.clock.elapsed_s

    def _at(self, elapsed_s: float) -> int:
        """Return a simulated second as a Unix time."""
        return round(self._site.clock.start.timestamp() + elapsed_s)

    def _record(self, job: Job, start_s: float | None, state: str, reason: str) -> dict[str, Any]:
        limit_s, workload = _limit_s(job.workload), job.workload
        begin_s = start_s or 0.0
        return {
            "job_id": job.number,
            "name": workload.name,
            "user_name": workload.id,
            "account": "lab",
            "partition": PARTITION,
            "qos": "normal",
            "job_state": [state],
            "state_reason": reason,
            "hold": job.held,
            "submit_time": _number(self._at(job.submitted_s)),
            "eligible_time": _number(self._at(max(job.submitted_s, job.not_before_s))),
            "start_time": _number(self._at(begin_s)),
            "end_time": _number(self._at(begin_s + limit_s)),
            "time_limit": _number(round(limit_s / 60.0)),
            "node_count": _number(len(job.nodes)),
            "cpus": _number(_CPUS * len(job.nodes)),
            "nodes": ",".join(job.nodes) if state == "RUNNING" else "",
            "requeue": True,
        }


def _limit_s(workload: WorkloadSpec) -> float:
    """Return the time that a stream's users ask for."""
    return _LIMIT_SHARE * workload.lasts_h[1] * 3600.0


def _number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as err:
        raise web.HTTPBadRequest from err
    return body if isinstance(body, dict) else {}


def _answer(**content: object) -> web.Response:
    plugin = {"data_parser": f"data_parser/{VERSION}"}
    return web.json_response({**content, "meta": {"plugin": plugin}, "errors": [], "warnings": []})


def _failed(status: int, number: int, text: str) -> web.Response:
    errors = [{"error_number": number, "error": text, "description": text, "source": "slurm"}]
    return web.json_response({"errors": errors, "warnings": []}, status=status)
