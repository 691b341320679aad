"""Servers for the tests of what asks over HTTP, behind real sockets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
import os
from pathlib import Path
import shutil
import socket
import ssl
import sys
from typing import Any

from aiohttp import ClientSession, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER = "reader"
PASSWORD = "a pass:word"  # noqa: S105 - of a server in this process
TOKEN = "X-Auth-Token"  # noqa: S105 - the name of a header
PATIENCE_S = 60.0


@asynccontextmanager
async def serving(app: web.Application, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve an application at a free port; yields its address."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        assert runner.addresses
        yield f"{site.name.partition(':')[0]}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Controller:
    """A management controller with sessions, and resources as a test wants them."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        """Start without any session."""
        self.resources = dict(resources)
        self.password = PASSWORD
        self.sessions: dict[str, str] = {}
        """Tokens by path."""
        self.logins = 0
        self.requests: list[tuple[str, str]] = []
        self.changes: list[tuple[str, str | None, Any]] = []
        self.knows_sessions = True

    def app(self) -> web.Application:
        """Return the application that answers for it."""
        app = web.Application()
        app.router.add_post("/redfish/v1/SessionService/Sessions", self._log_in)
        app.router.add_delete("/redfish/v1/SessionService/Sessions/{id}", self._log_out)
        app.router.add_get("/{path:.*}", self._get)
        app.router.add_patch("/{path:.*}", self._patch)
        return app

    def forget_sessions(self) -> None:
        """Expire all sessions, as a restart does."""
        self.sessions.clear()

    async def _log_in(self, request: web.Request) -> web.Response:
        self.logins += 1
        body = await request.json()
        if body != {"UserName": USER, "Password": self.password}:
            return web.json_response({"error": {}}, status=401)
        path = f"/redfish/v1/SessionService/Sessions/{self.logins}"
        token = f"token {self.logins}"
        self.sessions[path] = token
        return web.json_response(
            {"@odata.id": path}, status=201, headers={TOKEN: token, "Location": path}
        )

    async def _log_out(self, request: web.Request) -> web.Response:
        self._check(request)
        self.sessions.pop(request.path, None)
        return web.Response(status=204)

    def _check(self, request: web.Request) -> None:
        if request.headers.get(TOKEN) not in self.sessions.values():
            raise web.HTTPUnauthorized

    async def _get(self, request: web.Request) -> web.Response:
        self.requests.append(("GET", request.path))
        if request.path != "/redfish/v1/":
            self._check(request)
        content = self.resources.get(request.path)
        if content is None:
            return web.json_response({"error": {}}, status=404)
        return web.json_response(content, headers={"ETag": 'W/"12"'})

    async def _patch(self, request: web.Request) -> web.Response:
        self._check(request)
        body = await request.json()
        self.changes.append((request.path, request.headers.get("If-Match"), body))
        return web.Response(status=204)


def own_certificate(folder: Path) -> ssl.SSLContext:
    """Return what a server with a certificate of its own making serves with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "controller")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    both = folder / "own.pem"
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def process(*command: str, url: str, folder: Path) -> AsyncIterator[str]:
    """Run a server until the end of the block; yields its address when it answers."""
    log = (folder / "server.log").open("wb")
    server = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=folder)
    try:
        async with asyncio.timeout(PATIENCE_S), ClientSession() as session:
            while True:
                assert server.returncode is None, (folder / "server.log").read_text()
                try:
                    async with session.get(url, ssl=False) as answer:
                        await answer.read()
                        break
                except OSError:
                    await asyncio.sleep(0.1)
        yield url
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()
        log.close()


def beside_python(name: str) -> str | None:
    """Return a program of this environment, or of the machine; None where there is none."""
    own = Path(sys.executable).with_name(name)
    return str(own) if os.access(own, os.X_OK) else shutil.which(name)
