"""A query to Prometheus, or to what speaks like it, as a load.

The query has to give one number; which, is the user's to say, and so is its unit. The
interface is the HTTP API of Prometheus, ``/api/v1/query``, which VictoriaMetrics, Thanos
and Mimir share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any, Final

from ..core.model import Clock, Contract, Identity, Quantity, Reading, Value
from .base import Datasheet, QueryError, RefusedError, Scope
from .entity import ENERGY_UNITS, POWER_UNITS
from .http import HttpServer, basic_auth

TIMEOUT_S: Final = 10.0
POLL_S: Final = 30.0
LEAST_POLL_S: Final = 5.0
BLANK: Final = 9.0e18
"""Exporters of GPUs say something above this where they have no value."""
CLOCKS_DIFFER_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for, and the unit of the answer."""

    text: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to log in: with a token, or by name and password, or not at all."""

    username: str = ""
    password: str = ""
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Return what logs a request in."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        return basic_auth(self.username, self.password) if self.username else {}


class PrometheusDevice:
    """Implements ``base.Device`` with one query for the power, and one for the energy."""

    def __init__(
        self,
        server: HttpServer,
        access: Access,
        clock: Clock,
        *,
        power: Query,
        energy: Query | None = None,
        stale_s: float = math.inf,
    ) -> None:
        """Say what is asked; a value that is older than ``stale_s`` is not taken."""
        self._server = server
        self._access = access
        self._clock = clock
        self._power = power
        self._energy = energy
        self._stale_s = stale_s
        quantities = {Quantity.POWER_W} | ({Quantity.ENERGY_IMPORT_WH} if energy else set())
        self.datasheet = Datasheet(
            id="prometheus",
            title="Prometheus query",
            manufacturer="Prometheus",
            quantities=frozenset(quantities),
            fast=frozenset({Quantity.POWER_W}),
            poll_s=POLL_S,
            least_poll_s=LEAST_POLL_S,
        )

    @property
    def contract(self) -> Contract | None:
        """Return None: a query commands nothing."""
        return None

    async def identify(self) -> Identity:
        """Return nothing: that the query gives a number is found out by reading."""
        return Identity()

    async def read(self, scope: Scope) -> Reading:
        """Ask for the power, and with the full scope for the energy.

        Raises QueryError where the query does not give one number.
        """
        values: dict[Quantity, Value] = {
            Quantity.POWER_W: await self._ask(self._power, POWER_UNITS)
        }
        if self._energy is not None and scope is Scope.FULL:
            values[Quantity.ENERGY_IMPORT_WH] = await self._ask(self._energy, ENERGY_UNITS)
        return Reading(at=self._clock.now(), monotonic_s=self._clock.monotonic_s(), values=values)

    async def command(self, power_w: float) -> None:
        """Refuse: a query commands nothing."""
        name = self._server.name
        what = "control of a device that can only be read"
        raise RefusedError(f"{name}: {what} ({power_w:g} W)", device=name, what=what, code="-")

    async def release(self) -> None:
        """Do nothing: it was never taken."""

    async def _ask(self, query: Query, units: Mapping[str, float]) -> float:
        answer = await self._server.ask(
            "GET",
            "/api/v1/query",
            params={"query": query.text},
            headers=self._access.headers,
        )
        content = answer.content if isinstance(answer.content, dict) else {}
        if content.get("status") == "error":
            kind, text = content.get("errorType", "error"), content.get("error", "")
            raise self._wrong(f"the server says {kind}: {text}"[:300])
        self._server.check(answer, "the query")
        at, value = self._sample(content.get("data"))
        age_s = self._clock.now().timestamp() - at
        if age_s > self._stale_s:
            raise self._wrong(f"its newest value is {age_s:.0f} s old")
        return value * units[query.unit]

    def _sample(self, data: Any) -> tuple[float, float]:
        """Return the time and the value of the one sample that an answer may have."""
        kind = data.get("resultType") if isinstance(data, dict) else None
        result = data.get("result") if isinstance(data, dict) else None
        if kind == "vector" and isinstance(result, list):
            if not result:
                raise self._wrong("it finds nothing")
            if len(result) > 1:
                raise self._wrong(f"it finds {len(result)} series instead of one")
            result = result[0].get("value") if isinstance(result[0], dict) else None
        elif kind != "scalar":
            raise self._wrong(f"it gives a {kind or 'result without a type'}, not a number")
        try:
            at, value = (float(each) for each in result or ())
        except (TypeError, ValueError) as error:
            raise self._server.unexpected("a sample without a time and a value") from error
        if not math.isfinite(value) or abs(value) >= BLANK:
            raise self._wrong("it gives no number now")
        return at, value

    def _wrong(self, what: str) -> QueryError:
        name = self._server.name
        return QueryError(f"{name}: the query cannot be used: {what}", device=name, what=what)
