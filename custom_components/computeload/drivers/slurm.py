"""A Slurm cluster's queue over slurmrestd, with a JSON web token.

The newest version of the interface that both sides know is found by asking, once. Sources:
Slurm's REST API documents (v0.0.38 to v0.0.46) and ``rest_auth/jwt``.
"""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
import json
import re
from typing import Any, Final

from ..core.levers import Lever
from ..core.model import Clock
from ..core.queue import QueueState
from .base import AuthError, ServerRefusedError, WrongDeviceError
from .slurm_parse import (
    Answer,
    parse_jobs,
    parse_nodes,
    parse_nothing,
    parse_partitions,
    parse_planned_at,
)
from .slurm_record import SlurmPayloadError
from .slurm_server import Raw, SlurmServer

TIMEOUT_S: Final = 30.0
NEWEST: Final = 46
OLDEST: Final = 38
BARE_TIMES: Final = 39
"""In this version a time is a number; before it is a text, and after it an object."""
DRAINS: Final = 39
"""From this version on a node can be drained."""
REQUEUES: Final = 45
"""From this version on a job can be requeued."""
NODE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NOT_AUTHENTICATED: Final = 1007
"""The number that Slurm gives to "Protocol authentication error"."""
PARSED_IN_THREAD: Final = 100_000
"""From this many bytes on, an answer is taken apart beside the event loop."""
DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmAccess:
    """Whose token it is; what it may do is what this user may do."""

    user: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Return what logs a request in."""
        return {"X-SLURM-USER-NAME": self.user, "X-SLURM-USER-TOKEN": self.token}

    def over(self, now_s: float) -> bool:
        """Return whether the token cannot be good any more: it has expired, or it is none.

        Nothing is verified; slurmrestd before v0.0.39 does not say why it refuses.
        """
        try:
            claims = json.loads(urlsafe_b64decode(self.token.split(".")[1] + "=="))
            return now_s >= float(claims["exp"])
        except IndexError, KeyError, TypeError, ValueError, RecursionError:
            return True


class SlurmQueue:
    """Implements ``queue.Queue`` with one slurmrestd."""

    def __init__(self, server: SlurmServer, access: SlurmAccess, clock: Clock) -> None:
        """Say where it is, and with which token it is asked."""
        self._server = server
        self._access = access
        self._clock = clock
        self._version: int | None = None

    @property
    def abilities(self) -> frozenset[Lever]:
        """Return what it can be asked for: that depends on the version, once that is known."""
        version = self._version or 0
        since = {Lever.HOLD: 0, Lever.DRAIN: DRAINS, Lever.REQUEUE: REQUEUES}
        return frozenset(lever for lever, first in since.items() if version >= first)

    async def version(self) -> int:
        """Return NN of the version v0.0.NN that is spoken, and find it where it is not known.

        Raises WrongDeviceError where there is no common one, and what ``read`` raises.
        """
        if self._version is None:
            for number in range(NEWEST, OLDEST - 1, -1):
                raw = await self._ask("GET", number, "ping/")
                if raw.status != HTTPStatus.NOT_FOUND:
                    self._check(raw, await self._parsed(raw, parse_nothing), "a ping")
                    self._version = number
                    break
            else:
                name = self._server.name
                expected = f"slurmrestd v0.0.{OLDEST} to v0.0.{NEWEST}"
                raise WrongDeviceError(
                    f"{name}: not {expected}", device=name, expected=expected, found="-"
                )
        return self._version

    async def read(self) -> QueueState:
        """Return jobs, nodes and partitions as they are now.

        Raises AuthError, ServerRefusedError, PayloadError, WrongDeviceError and what
        ``SlurmServer`` raises.
        """
        at = self._clock.now()
        jobs = await self._get("jobs/", parse_jobs)
        nodes = await self._get("nodes/", parse_nodes)
        partitions = await self._get("partitions/", parse_partitions)
        planned_at = await self._get("diag/", parse_planned_at)
        return QueueState(
            at=at,
            jobs=tuple(jobs),
            nodes=tuple(nodes),
            partitions=tuple(partitions),
            planned_at=planned_at[0],
        )

    async def defer(self, job_id: str, until: datetime) -> None:
        """Keep a pending job from starting before a time (UTC-aware); now: let it start."""
        what = f"deferring job {job_id}"
        path = f"job/{self._number(job_id, what)}"
        version = await self.version()
        at_s = int(until.timestamp())
        begin: Any = {"set": True, "infinite": False, "number": at_s}
        if version < BARE_TIMES:
            begin = f"uts{at_s}"
        elif version == BARE_TIMES:
            begin = at_s
        await self._change("POST", path, {"begin_time": begin}, what)

    async def requeue(self, job_id: str) -> None:
        """End a running job that may be requeued; it waits for its turn again, from the start.

        Raises ServerRefusedError also where this version of slurmrestd has no way to ask for it.
        """
        what = f"requeueing job {job_id}"
        if await self.version() < REQUEUES:
            raise self._refused(what, "-")
        await self._change("GET", f"job/{self._number(job_id, what)}/requeue", None, what)

    async def drain(self, node: str, reason: str) -> None:
        """Let a node take no further jobs; those on it go on.

        Raises ServerRefusedError also where this version of slurmrestd has no way to ask for it.
        """
        await self._set_node(node, {"state": ["DRAIN"], "reason": reason}, f"draining node {node}")

    async def resume(self, node: str) -> None:
        """Let a drained node take jobs again."""
        await self._set_node(node, {"state": ["RESUME"]}, f"resuming node {node}")

    async def _get[T](self, path: str, parse: Callable[[bytearray], Answer[T]]) -> list[T]:
        raw = await self._ask("GET", await self.version(), path)
        if raw.status == HTTPStatus.NOT_FOUND:
            # The server speaks other versions now: the next reading finds out which.
            self._version = None
        answer = await self._parsed(raw, parse)
        self._check(raw, answer, path.strip("/"))
        return answer.records

    async def _set_node(self, node: str, change: object, what: str) -> None:
        if not NODE_NAME.fullmatch(node):
            raise self._refused(what, "-")
        await self._change("POST", f"node/{node}", change, what)

    async def _change(self, method: str, path: str, change: object, what: str) -> None:
        raw = await self._ask(method, await self.version(), path, change)
        self._check(raw, await self._parsed(raw, parse_nothing), what)

    def _number(self, job_id: str, what: str) -> str:
        """Return a job's number; anything else would end up in a path."""
        if not job_id.isdecimal():
            raise self._refused(what, "-")
        return job_id

    def _refused(self, what: str, code: str) -> ServerRefusedError:
        name = self._server.name
        return ServerRefusedError(
            f"{name}: {what} refused with code {code}", device=name, what=what, code=code
        )

    async def _ask(self, method: str, version: int, path: str, body: object = None) -> Raw:
        return await self._server.ask(
            method, f"/slurm/v0.0.{version}/{path}", headers=self._access.headers, body=body
        )

    async def _parsed[T](self, raw: Raw, parse: Callable[[bytearray], Answer[T]]) -> Answer[T]:
        """Take an answer apart; an error that came without JSON has nothing in it.

        Raises PayloadError, which names the place.
        """
        try:
            if not raw.ok:
                return Answer(rest=parse_nothing(raw.body).rest)
            if len(raw.body) < PARSED_IN_THREAD:
                return parse(raw.body)
            return await asyncio.to_thread(parse, raw.body)
        except SlurmPayloadError as error:
            if not raw.ok:
                return Answer()
            raise self._server.unexpected(str(error)) from error

    def _check(self, raw: Raw, answer: Answer[Any], what: str) -> None:
        """Raise AuthError or ServerRefusedError where it is not what was asked for."""
        if raw.ok and not answer.errors:
            return
        name = self._server.name
        known = [_error_number(each) for each in answer.errors]
        if (
            raw.status in DENIED
            or NOT_AUTHENTICATED in known
            # Slurm 25.11.0 says so with code 500, in plain text.
            or (not raw.ok and b"uthentication" in raw.body[:2000])
            or self._access.over(self._clock.now().timestamp())
        ):
            raise AuthError(f"{name}: the token is not accepted", device=name)
        code = next((str(each) for each in known if each is not None), str(raw.status))
        raise self._refused(what, code)


def _error_number(error: object) -> int | None:
    """Return the number of one of the errors, which has had two names."""
    if not isinstance(error, dict):
        return None
    found = error.get("error_number", error.get("error_code"))
    return found if isinstance(found, int) else None
