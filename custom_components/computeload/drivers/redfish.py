"""Servers and PDUs that report their power over Redfish (DMTF DSP0266).

Read are, in this order, what a chassis has: ``EnvironmentMetrics`` (power and energy; a
PDU calls them ``Metrics``),
``PowerSubsystem`` (the sum over its power supplies), and the ``Power`` of older firmware.
A management controller is slow, and has few sessions: one is opened, used for everything,
and closed in the end.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
import math
from typing import Any, Final

from ..core.model import Clock, Contract, Identity, Quantity, Reading, Value
from .base import AuthError, Datasheet, DeviceError, RefusedError, Scope
from .http import Answer, HttpServer, basic_auth

TIMEOUT_S: Final = 30.0
POLL_S: Final = 60.0
LEAST_POLL_S: Final = 30.0
ROOT: Final = "/redfish/v1/"
SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
TOKEN: Final = "X-Auth-Token"  # noqa: S105 - the name of a header
DANGEROUS: Final = "HardPowerOff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource as the service gave it."""

    path: str
    content: Mapping[str, Any]
    etag: str | None = None
    """What a change of it has to be sent along with, where the service says so."""

    def link(self, name: str) -> str | None:
        """Return where a resource is that this one points at."""
        return _path(self.content.get(name))

    def number(self, *names: str) -> float | None:
        """Return a number inside; None where it is null, missing, or none."""
        value: Any = self.content
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if math.isfinite(value) else None

    def text(self, name: str) -> str | None:
        """Return a text; None where it is null, missing, or empty."""
        value = self.content.get(name)
        return (value.strip() or None) if isinstance(value, str) else None

    def members(self, name: str = "Members") -> list[Any]:
        """Return what a collection holds."""
        members = self.content.get(name)
        return members if isinstance(members, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLimit:
    """What a chassis may draw. It has no lapse: it stays until it is changed."""

    power_w: float | None
    """None: no limit."""
    mode: str | None = None
    """The word for how it is kept, as the service has it; None in older firmware."""


class RedfishClient:
    """One service, and the session with it."""

    def __init__(
        self, server: HttpServer, username: str, password: str, *, basic: bool = False
    ) -> None:
        """Log in with a session, or, with ``basic``, by name and password in each request."""
        self.server = server
        self._username = username
        self._password = password
        self._basic = basic
        self._token: str | None = None
        self._session_path: str | None = None
        self._turn = asyncio.Lock()

    async def get(self, path: str) -> Resource:
        """Return a resource. Raises DeviceError."""
        answer = self.server.check(await self._request("GET", path), path)
        if not isinstance(answer.content, Mapping):
            raise self.server.unexpected(f"no resource at {path}")
        return Resource(path=path, content=answer.content, etag=answer.headers.get("ETag"))

    async def patch(self, resource: Resource, body: Mapping[str, Any]) -> None:
        """Change a resource, if it is still what it was when it was read. Raises DeviceError.

        A power limit whose exception is to switch the machine off is refused.
        """
        if DANGEROUS in str(body) or DANGEROUS in str(_limit_of(resource)):
            what = "a power limit that switches the machine off when it is exceeded"
            name = self.server.name
            raise RefusedError(f"{name}: {what}", device=name, what=what, code="-")
        headers = {"If-Match": resource.etag} if resource.etag else {}
        answer = await self._request("PATCH", resource.path, body=body, headers=headers)
        self.server.check(answer, f"a change of {resource.path}")

    async def chassis(self) -> list[Resource]:
        """Return everything that may have a power of its own."""
        root = await self.get(ROOT)
        equipment = root.link("PowerEquipment")
        collections = [root.link("Chassis")]
        if equipment is not None:
            power = await self.get(equipment)
            collections += (power.link("RackPDUs"), power.link("FloorPDUs"))
        found: list[Resource] = []
        for path in filter(None, collections):
            members = (await self.get(path)).members()
            places = [place for member in members if (place := _path(member))]
            found += [await self.get(place) for place in places]
        return found

    async def aclose(self) -> None:
        """Give the session back; a service that is gone has forgotten it by itself."""
        path, self._session_path = self._session_path, None
        token, self._token = self._token, None
        if path and token:
            try:
                await self.server.ask("DELETE", path, headers={TOKEN: token})
            except DeviceError:
                return

    async def _request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        """Send a request, one at a time; a session that has expired is opened again once."""
        async with self._turn:
            if self._basic:
                more = basic_auth(self._username, self._password) | dict(headers or {})
                return await self.server.ask(method, path, headers=more, body=body)
            fresh = self._token is None
            answer = await self._with_token(method, path, headers, body)
            if answer.status == HTTPStatus.UNAUTHORIZED and not fresh:
                self._token = None
                answer = await self._with_token(method, path, headers, body)
            return answer

    async def _with_token(
        self, method: str, path: str, headers: Mapping[str, str] | None, body: object
    ) -> Answer:
        if self._token is None:
            await self._log_in()
        more = {TOKEN: self._token or "", **(headers or {})}
        return await self.server.ask(method, path, headers=more, body=body)

    async def _log_in(self) -> None:
        body = {"UserName": self._username, "Password": self._password}
        answer = await self.server.ask("POST", SESSIONS, body=body)
        if answer.status == HTTPStatus.BAD_REQUEST:
            # Some firmware does not like the password, and says so with this.
            name = self.server.name
            raise AuthError(f"{name}: the credentials are not accepted", device=name)
        self.server.check(answer, "a session")
        token = answer.headers.get(TOKEN)
        if not token:
            raise self.server.unexpected("a session without a token")
        self._token = token
        self._session_path = _local(answer.headers.get("Location")) or _path(answer.content)


class RedfishDevice:
    """Implements ``base.Device`` with one chassis of a Redfish service."""

    datasheet = Datasheet(
        id="redfish",
        title="Redfish chassis",
        manufacturer="Redfish",
        quantities=frozenset({Quantity.POWER_W, Quantity.ENERGY_IMPORT_WH}),
        fast=frozenset({Quantity.POWER_W, Quantity.ENERGY_IMPORT_WH}),
        poll_s=POLL_S,
        least_poll_s=LEAST_POLL_S,
    )

    def __init__(self, client: RedfishClient, chassis: str, clock: Clock) -> None:
        """Take the path of the chassis, such as ``/redfish/v1/Chassis/1``."""
        self._client = client
        self._path = chassis
        self._clock = clock
        self._chassis: Resource | None = None

    @property
    def contract(self) -> Contract | None:
        """Return None: it is only read."""
        return None

    async def identify(self) -> Identity:
        """Return who the chassis says it is. Raises PayloadError without a power."""
        chassis = self._chassis = await self._client.get(self._path)
        if (await self.read(Scope.FULL)).number(Quantity.POWER_W) is None:
            raise self._client.server.unexpected("a chassis that does not report its power")
        return Identity(
            manufacturer=chassis.text("Manufacturer"),
            model=chassis.text("Model"),
            serial=chassis.text("SerialNumber"),
        )

    async def read(self, scope: Scope) -> Reading:  # noqa: ARG002 - one resource has it all
        """Ask for the power; what is null is absent."""
        if self._chassis is None:
            self._chassis = await self._client.get(self._path)
        values: dict[Quantity, Value] = {}
        for read in (self._environment, self._subsystem, self._legacy):
            for quantity, value in (await read(self._chassis)).items():
                if value is not None and quantity not in values:
                    values[quantity] = value
            if Quantity.POWER_W in values:
                break
        return Reading(at=self._clock.now(), monotonic_s=self._clock.monotonic_s(), values=values)

    async def command(self, power_w: float) -> None:
        """Refuse: it is only read."""
        name = self._client.server.name
        what = "control of a device that can only be read"
        raise RefusedError(f"{name}: {what} ({power_w:g} W)", device=name, what=what, code="-")

    async def release(self) -> None:
        """Do nothing: it was never taken."""

    async def power_limit(self) -> PowerLimit | None:
        """Return the limit in force; None where this chassis cannot be limited.

        Raises DeviceError.
        """
        resource = await self._limited()
        if resource is None:
            return None
        if isinstance(resource.content.get("PowerLimitWatts"), Mapping):
            mode = resource.content["PowerLimitWatts"].get("ControlMode")
            watts = resource.number("PowerLimitWatts", "SetPoint")
            return PowerLimit(power_w=watts, mode=mode if isinstance(mode, str) else None)
        control = Resource(path=resource.path, content=resource.members("PowerControl")[0])
        return PowerLimit(power_w=control.number("PowerLimit", "LimitInWatts"))

    async def set_power_limit(self, limit: PowerLimit) -> None:
        """Put a limit into force, within what the chassis allows. Raises DeviceError.

        Refused are a chassis that cannot be limited, and one that would switch itself off.
        """
        resource = await self._limited()
        if resource is None:
            name, what = self._client.server.name, "a power limit"
            raise RefusedError(f"{name}: {what} is not offered", device=name, what=what, code="-")
        watts = None if limit.power_w is None else round(limit.power_w)
        if not isinstance(resource.content.get("PowerLimitWatts"), Mapping):
            body: Any = {"PowerControl": [{"PowerLimit": {"LimitInWatts": watts}}]}
        else:
            if watts is not None:
                least = resource.number("PowerLimitWatts", "AllowableMin")
                most = resource.number("PowerLimitWatts", "AllowableMax")
                watts = max(watts, math.ceil(least)) if least is not None else watts
                watts = min(watts, math.floor(most)) if most is not None else watts
            mode = {} if limit.mode is None else {"ControlMode": limit.mode}
            body = {"PowerLimitWatts": {"SetPoint": watts, **mode}}
        await self._client.patch(resource, body)

    async def _limited(self) -> Resource | None:
        """Return the resource that has the chassis' power limit."""
        if self._chassis is None:
            self._chassis = await self._client.get(self._path)
        path = self._chassis.link("EnvironmentMetrics")
        resource = await self._client.get(path) if path else None
        if resource is not None and isinstance(resource.content.get("PowerLimitWatts"), Mapping):
            return resource
        path = self._chassis.link("Power")
        resource = await self._client.get(path) if path else None
        controls = resource.members("PowerControl") if resource is not None else []
        has_limit = bool(controls) and isinstance(controls[0], Mapping)
        return resource if has_limit and "PowerLimit" in controls[0] else None

    async def _environment(self, chassis: Resource) -> dict[Quantity, float | None]:
        """Read EnvironmentMetrics, or a PDU's Metrics: W, and kWh since it was reset."""
        path = chassis.link("EnvironmentMetrics") or chassis.link("Metrics")
        if path is None:
            return {}
        metrics = await self._client.get(path)
        return {
            Quantity.POWER_W: metrics.number("PowerWatts", "Reading"),
            Quantity.ENERGY_IMPORT_WH: _wh(metrics.number("EnergykWh", "Reading")),
        }

    async def _subsystem(self, chassis: Resource) -> dict[Quantity, float | None]:
        """Read PowerSubsystem: the input of all power supplies together."""
        path = chassis.link("PowerSubsystem")
        supplies = (await self._client.get(path)).link("PowerSupplies") if path else None
        metrics: list[Resource] = []
        for member in (await self._client.get(supplies)).members() if supplies else ():
            place = _path(member)
            supply = await self._client.get(place) if place else None
            if supply is not None and (of_supply := supply.link("Metrics")):
                metrics.append(await self._client.get(of_supply))
        powers = [each.number("InputPowerWatts", "Reading") for each in metrics]
        known = [power for power in powers if power is not None]
        # A supply that is out reports nothing; the others carry the load.
        return {Quantity.POWER_W: sum(known) if known else None}

    async def _legacy(self, chassis: Resource) -> dict[Quantity, float | None]:
        """Read Power, as firmware before 2020 has it: the first control is the chassis."""
        path = chassis.link("Power")
        if path is None:
            return {}
        power = await self._client.get(path)
        for control in power.members("PowerControl"):
            whole = Resource(path=path, content=control if isinstance(control, Mapping) else {})
            if (power_w := whole.number("PowerConsumedWatts")) is not None:
                return {Quantity.POWER_W: power_w}
        return {}


def _wh(energy_kwh: float | None) -> float | None:
    return None if energy_kwh is None else energy_kwh * 1000.0


def _path(reference: Any) -> str | None:
    """Return where a reference points to, on this server."""
    place = reference.get("@odata.id") if isinstance(reference, Mapping) else None
    return _local(place) if isinstance(place, str) else None


def _local(place: str | None) -> str | None:
    """Return the path of an address; what points to another server is not followed."""
    if place is None:
        return None
    if "://" in place:
        place = "/" + place.split("://", 1)[1].partition("/")[2]
    return place if place.startswith("/") and not place.startswith("//") else None


def _limit_of(resource: Resource) -> Any:
    """Return what a resource says of its power limit now."""
    return resource.content.get("PowerControl") or resource.content.get("PowerLimitWatts")
