"""A client of Home Assistant's REST and websocket interfaces, as its own pages are one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self

import aiohttp

USER: Final = "demo"
PASSWORD: Final = "computeload"  # noqa: S105 - it guards a demo on the loopback address

type Json = dict[str, Any]


class ApiError(Exception):
    """Home Assistant refused a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One of our entities: what the registry knows of it, and its state."""

    entity_id: str
    key: str
    """Its translation key, which says what it shows."""
    device_id: str
    subentry_id: str | None
    """The asset that it belongs to; None for the site."""
    state: str
    attributes: Json

    @property
    def number(self) -> float | None:
        """Return the state as a number; None where it is none."""
        try:
            return float(self.state)
        except ValueError:
            return None


class Client:
    """An owner's session."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse
    ) -> None:
        """Take what ``logged_in`` has opened."""
        self.url = url
        self.token = ""
        self._session = session
        self._ws = ws
        self._id = 0

    @classmethod
    @asynccontextmanager
    async def logged_in(cls, url: str) -> AsyncIterator[Self]:
        """Log in as the owner, who is created first if there is none yet.

        Raises ApiError when the login is refused.
        """
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            code = await _create_owner(session, url) or await _log_in(session, url)
            tokens = await _post_form(
                session,
                f"{url}/auth/token",
                {"grant_type": "authorization_code", "code": code, "client_id": f"{url}/"},
            )
            async with session.ws_connect(f"{url}/api/websocket", max_msg_size=0) as ws:
                await ws.receive_json()
                await ws.send_json({"type": "auth", "access_token": tokens["access_token"]})
                if (answer := await ws.receive_json())["type"] != "auth_ok":
                    raise ApiError(f"The websocket refused the login: {answer}")
                client = cls(url, session, ws)
                client.token = tokens["access_token"]
                yield client

    async def call(self, command: str, **fields: object) -> Any:
        """Send a websocket command and return its result. Raises ApiError on a refusal."""
        self._id += 1
        await self._ws.send_json({"id": self._id, "type": command, **fields})
        while True:
            message = await self._ws.receive_json(timeout=60)
            if message.get("id") == self._id and message["type"] == "result":
                if not message["success"]:
                    raise ApiError(f"{command}: {message['error']['message']}")
                return message["result"]

    async def act(self, action: str, **data: object) -> None:
        """Call an action such as ``switch.turn_on``. Raises ApiError."""
        domain, service = action.split(".")
        await self.call("call_service", domain=domain, service=service, service_data=data)

    async def answer(self, action: str, **data: object) -> Json:
        """Call an action and return what it answers. Raises ApiError."""
        domain, service = action.split(".")
        result = await self.call(
            "call_service", domain=domain, service=service, service_data=data, return_response=True
        )
        answer: Json = result["response"]
        return answer

    async def post(self, path: str, body: Json) -> Json:
        """Send a REST request and return its answer. Raises ApiError."""
        return await self._request("POST", path, body)

    async def delete(self, path: str) -> Json:
        """Send a REST request to delete something. Raises ApiError."""
        return await self._request("DELETE", path, None)

    async def _request(self, method: str, path: str, body: Json | None) -> Json:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.url + path
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise ApiError(f"{path}: {answer.status} {await answer.text()}")
            content: Json = await answer.json()
            return content

    async def get(self, path: str) -> tuple[int, str, str]:
        """Fetch a page as a browser would: status, content type and text."""
        async with self._session.get(self.url + path) as answer:
            return answer.status, answer.content_type, await answer.text()

    async def flow(self, handler: str, *steps: Json) -> Json:
        """Walk a config flow: one answer per step. Returns the flow's last result."""
        result = await self.post("/api/config/config_entries/flow", {"handler": handler})
        for answer in steps:
            path = f"/api/config/config_entries/flow/{result['flow_id']}"
            result = await self.post(path, answer)
            if result.get("errors"):
                raise ApiError(f"{handler}: {result['step_id']} refused: {result['errors']}")
        return result

    async def try_batteries(self, entry_id: str) -> str:
        """Check a site and try all its batteries out, as its dialog does.

        Returns what every check says then, in Markdown.
        """
        flows = "/api/config/config_entries/options/flow"
        menu = await self.post(flows, {"handler": entry_id})
        path = f"{flows}/{menu['flow_id']}"
        await self.post(path, {"next_step_id": "check"})
        form = await self.post(path, {"next_step_id": "try_batteries"})
        answers = {field["name"]: field["default"] for field in form["data_schema"]}
        result = await self.post(path, answers)
        while result["type"] in {"progress", "progress_done"}:
            await asyncio.sleep(1.0)
            result = await self._request("GET", path, None)
        await self.delete(path)
        return str(result["description_placeholders"]["report"])

    async def entities(self) -> list[Entity]:
        """Return all entities of this integration that are not disabled."""
        states = {state["entity_id"]: state for state in await self.call("get_states")}
        registry = await self.call("config/entity_registry/list")
        return [
            Entity(
                entity_id=entry["entity_id"],
                key=entry["translation_key"] or "",
                device_id=entry["device_id"],
                subentry_id=entry["config_subentry_id"],
                state=states[entry["entity_id"]]["state"],
                attributes=states[entry["entity_id"]]["attributes"],
            )
            for entry in registry
            if entry["platform"] == "computeload" and entry["entity_id"] in states
        ]

    async def wait_for[T](
        self, what: str, seconds: float, look: Callable[[], Awaitable[T | None]]
    ) -> T:
        """Look every second until there is something to see.

        Raises TimeoutError, whose text says what did not come.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds
        while (seen := await look()) is None:
            if loop.time() > end_s:
                raise TimeoutError(f"{what}: not within {seconds:.0f} s")
            await asyncio.sleep(1.0)
        return seen


async def _create_owner(session: aiohttp.ClientSession, url: str) -> str | None:
    """Create the owner and return a code to log in with; None if there is one already."""
    owner = {
        "client_id": f"{url}/",
        "name": "Demo",
        "username": USER,
        "password": PASSWORD,
        "language": "en",
    }
    async with session.post(f"{url}/api/onboarding/users", json=owner) as answer:
        return (await answer.json())["auth_code"] if answer.status == HTTPStatus.OK else None


async def _log_in(session: aiohttp.ClientSession, url: str) -> str:
    """Log in by name and password; return the code to get a token with."""
    client = {"client_id": f"{url}/"}
    start = {**client, "handler": ["homeassistant", None], "redirect_uri": f"{url}/"}
    async with session.post(f"{url}/auth/login_flow", json=start) as answer:
        flow = (await answer.json())["flow_id"]
    login = {**client, "username": USER, "password": PASSWORD}
    async with session.post(f"{url}/auth/login_flow/{flow}", json=login) as answer:
        result = await answer.json()
    if result.get("type") != "create_entry":
        raise ApiError(f"Home Assistant does not know the user {USER} with the demo's password.")
    return str(result["result"])


async def _post_form(session: aiohttp.ClientSession, url: str, form: dict[str, str]) -> Json:
    """Send a form; return the answer. Raises ApiError."""
    async with session.post(url, data=form) as answer:
        if answer.status != HTTPStatus.OK:
            raise ApiError(f"{url}: {answer.status} {await answer.text()}")
        content: Json = await answer.json()
        return content
