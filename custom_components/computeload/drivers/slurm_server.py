"""Asking slurmrestd: an answer may be large, and what is wrong may be said in plain text.

This is why ``HttpServer.ask``, which expects small answers in JSON, does not do.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from .base import CertificateError, PayloadError, ServerSilentError, ServerUnreachableError

LARGEST_ANSWER: Final = 128 * 1024 * 1024
"""A job takes about 6 kB, 9 kB where its cores are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What the server said."""

    status: int
    body: bytearray

    @property
    def ok(self) -> bool:
        """Return whether it is what was asked for."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class SlurmServer:
    """One slurmrestd; the text of no error quotes a request, and with it the token."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str, timeout_s: float
    ) -> None:
        """Take the session of the surrounding system; ``name`` is what errors call it."""
        self._session = session
        self._url = url.rstrip("/")
        self.name = name
        self._timeout_s = timeout_s

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: object = None
    ) -> Raw:
        """Send one request, and return whatever HTTP answer there is.

        Raises ServerUnreachableError, CertificateError, ServerSilentError or PayloadError.
        """
        found = bytearray()
        # A header that cannot be sent would end in an error that quotes it.
        if any(not (each.isascii() and each.isprintable()) for each in headers.values()):
            raise self.unexpected("a user or token with signs that no header may have")
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(
                    method,
                    self._url + path,
                    headers={"Accept": "application/json", **headers},
                    json=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                ) as response,
            ):
                async for chunk in response.content.iter_any():
                    found += chunk
                    if len(found) > LARGEST_ANSWER:
                        raise self.unexpected("an answer that is too large")
                return Raw(status=response.status, body=found)
        except TimeoutError as error:
            seconds = f"{self._timeout_s:g}"
            raise ServerSilentError(
                f"{self.name}: no answer within {seconds} s", device=self.name, timeout_s=seconds
            ) from error
        except aiohttp.ClientConnectorCertificateError:
            raise CertificateError(
                f"{self.name}: its certificate cannot be verified", device=self.name
            ) from None
        except aiohttp.ClientError, ValueError:
            raise ServerUnreachableError(f"{self.name}: no connection", device=self.name) from None

    def unexpected(self, what: str) -> PayloadError:
        """Return the error for an answer that cannot be used."""
        return PayloadError(f"{self.name}: {what}", device=self.name, what=what)
