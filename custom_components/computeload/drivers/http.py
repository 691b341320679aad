"""Asking servers over HTTP: one request, one answer in JSON, and errors without addresses.

The text of an HTTP library's error quotes the whole request, so none is passed on.
Redirects are not followed: credentials go to the server that the user named, and to no
other.
"""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
import json
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from .base import (
    AuthError,
    CertificateError,
    PayloadError,
    ServerRefusedError,
    ServerSilentError,
    ServerUnreachableError,
)

LARGEST_ANSWER: Final = 4 * 1024 * 1024
PARSED_IN_THREAD: Final = 100_000
"""From this size on, an answer is taken apart beside the event loop."""
DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    """Their names in any case."""
    content: Any
    """The JSON; None where there is none."""

    @property
    def ok(self) -> bool:
        """Return whether it is what was asked for."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def basic_auth(username: str, password: str) -> dict[str, str]:
    """Return the header that logs in by name and password (RFC 7617, in UTF-8)."""
    word = b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


def problem_of_url(url: str) -> str | None:
    """Return what is wrong with a server's address, as a key; None where it is fine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "url_wrong"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "url_wrong"
    if parts.username is not None or parts.query or parts.fragment:
        return "url_with_more"
    return None


class HttpServer:
    """One server that answers in JSON."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str, timeout_s: float
    ) -> None:
        """Take the session of the surrounding system; ``name`` is what errors call it."""
        self._session = session
        self._url = url.rstrip("/")
        self.name = name
        self._timeout_s = timeout_s

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        """Send one request, and return whatever HTTP answer there is.

        Raises ServerUnreachableError, CertificateError, ServerSilentError or PayloadError.
        """
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(
                    method,
                    self._url + path,
                    params=params,
                    headers={"Accept": "application/json", **(headers or {})},
                    json=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                ) as response,
            ):
                raw = await response.content.read(LARGEST_ANSWER + 1)
                while len(raw) <= LARGEST_ANSWER and (more := await response.content.read(65536)):
                    raw += more
                status, answered = response.status, response.headers
        except TimeoutError as error:
            seconds = f"{self._timeout_s:g}"
            raise ServerSilentError(
                f"{self.name}: no answer within {seconds} s", device=self.name, timeout_s=seconds
            ) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise CertificateError(
                f"{self.name}: its certificate cannot be verified", device=self.name
            ) from _without_details(error)
        except (aiohttp.ClientError, ValueError) as error:
            raise ServerUnreachableError(
                f"{self.name}: no connection", device=self.name
            ) from _without_details(error)
        if len(raw) > LARGEST_ANSWER:
            raise self.unexpected("an answer that is too large")
        return Answer(status=status, headers=answered, content=await self._parsed(raw, status))

    async def _parsed(self, raw: bytes, status: int) -> Any:
        """Return the JSON; None where an error came without one."""
        if not raw:
            return None
        try:
            if len(raw) < PARSED_IN_THREAD:
                return json.loads(raw)
            return await asyncio.to_thread(json.loads, raw)
        except ValueError as error:
            if status >= HTTPStatus.MULTIPLE_CHOICES:
                return None
            raise self.unexpected("no JSON") from error

    def check(self, answer: Answer, what: str) -> Answer:
        """Return the answer if it is a good one; ``what`` was asked for.

        Raises AuthError or ServerRefusedError.
        """
        if answer.status in DENIED:
            raise AuthError(f"{self.name}: the credentials are not accepted", device=self.name)
        if not answer.ok:
            raise ServerRefusedError(
                f"{self.name}: {what} refused with code {answer.status}",
                device=self.name,
                what=what,
                code=str(answer.status),
            )
        return answer

    def unexpected(self, what: str) -> PayloadError:
        """Return the error for an answer that cannot be used."""
        return PayloadError(f"{self.name}: {what}", device=self.name, what=what)


def _without_details(error: Exception) -> Exception:
    """Return the error's kind: its text may quote the address, and with it the credentials."""
    return RuntimeError(type(error).__name__)
