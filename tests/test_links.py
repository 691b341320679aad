"""Every kind of connection, over a real one: from the flow to readings and commands."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
import os
from pathlib import Path
import ssl
import tty
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.asset_flow.modbus import STEPS
from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.model import AssetKind, Quantity
from custom_components.computeload.drivers.profile import Library
from custom_components.computeload.library import async_get_library

from .common import real_entry
from .drivers.servers import FakeDevice
from .drivers.test_reading import sdm630
from .test_config_flow import suggested
from .test_subentry_flow import answer, begin

type Answers = dict[str, Any]
type Server = Callable[[FakeDevice, Path], AbstractAsyncContextManager[Answers]]


def simulated(device: FakeDevice) -> list[SimDevice]:
    """Return a device as pymodbus serves it."""
    everything = SimData(0, count=65536, values=0, datatype=DataType.REGISTERS)
    return [SimDevice(1, simdata=[everything], action=device.answer)]


@asynccontextmanager
async def listening(server: ModbusTcpServer) -> AsyncIterator[Answers]:
    """Serve on a free port; yields what the flow is told."""
    await server.serve_forever(background=True)
    try:
        assert isinstance(server.transport, asyncio.Server)
        port = server.transport.sockets[0].getsockname()[1]
        yield {"host": "127.0.0.1", "port": port, "unit_id": 1}
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def over_tcp(device: FakeDevice, _: Path) -> AsyncIterator[Answers]:
    """Serve a device over Modbus TCP."""
    async with listening(ModbusTcpServer(simulated(device), address=("127.0.0.1", 0))) as told:
        yield told


@asynccontextmanager
async def over_rtu_tcp(device: FakeDevice, _: Path) -> AsyncIterator[Answers]:
    """Serve a device as a gateway does that passes serial frames on."""
    server = ModbusTcpServer(simulated(device), framer=FramerType.RTU, address=("127.0.0.1", 0))
    async with listening(server) as told:
        yield told


@asynccontextmanager
async def over_tls(device: FakeDevice, folder: Path) -> AsyncIterator[Answers]:
    """Serve a device over TLS, with a certificate that it has signed itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(folder))
    server = ModbusTlsServer(
        simulated(device), framer=FramerType.SOCKET, address=("127.0.0.1", 0), sslctx=context
    )
    async with listening(server) as told:
        yield told | {"verify": False}


@asynccontextmanager
async def over_serial(device: FakeDevice, _: Path) -> AsyncIterator[Answers]:
    """Serve a device at the far end of a serial line."""
    async with line() as (far, near):
        server = ModbusSerialServer(simulated(device), port=far, baudrate=19200)
        await server.serve_forever(background=True)
        try:
            yield {"device": near, "baudrate": 19200, "parity": "none", "stopbits": "1"} | {
                "unit_id": 1
            }
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def line() -> AsyncIterator[tuple[str, str]]:
    """Yield the two ends of a serial line, as the names of two ports."""
    loop = asyncio.get_running_loop()
    (first, first_port), (second, second_port) = os.openpty(), os.openpty()
    ends = (first, first_port, second, second_port)
    for end in ends:
        tty.setraw(end)
    loop.add_reader(first, lambda: os.write(second, os.read(first, 4096)))
    loop.add_reader(second, lambda: os.write(first, os.read(second, 4096)))
    try:
        yield os.ttyname(first_port), os.ttyname(second_port)
    finally:
        loop.remove_reader(first)
        loop.remove_reader(second)
        for end in ends:
            os.close(end)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for this machine that nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meter")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[MockConfigEntry]:
    """Return a site without devices, for a meter that can be reached in every way there is."""
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    profile = (await async_get_library(hass)).profiles["eastron_sdm630"]
    link = replace(profile.link, transports=tuple(STEPS))
    hass.data[DOMAIN] = Library(profiles={profile.id: replace(profile, link=link)}, errors=())
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def reach(hass: HomeAssistant, site: MockConfigEntry, step: str) -> Any:
    """Walk to the step that asks for the connection."""
    result = await begin(hass, site, AssetKind.METER)
    if result["type"] is FlowResultType.MENU:
        result = await answer(hass, result, {"next_step_id": "modbus"})
    result = await answer(hass, result, {"profile": "eastron_sdm630", "role": "grid"})
    return await answer(hass, result, {"next_step_id": step})


@pytest.mark.parametrize(
    ("step", "server"),
    [("tcp", over_tcp), ("rtu_tcp", over_rtu_tcp), ("tls", over_tls), ("serial", over_serial)],
)
async def test_a_meter_is_added_and_read_over_every_kind_of_connection(
    hass: HomeAssistant, site: MockConfigEntry, tmp_path: Path, *, step: str, server: Server
) -> None:
    async with server(sdm630(), tmp_path) as told:
        result = await reach(hass, site, step)
        result = await answer(hass, result, told)
        assert result["step_id"] == "confirm", result["errors"]
        result = await answer(hass, result, suggested(result))
        assert result["type"] is FlowResultType.CREATE_ENTRY
        (meter,) = site.runtime_data.devices.values()
        await meter.async_refresh()
        assert meter.data.number(Quantity.POWER_W) == 2050.5
        assert await hass.config_entries.async_unload(site.entry_id)
        await hass.async_block_till_done()


async def test_a_certificate_that_nobody_vouches_for_is_refused_unless_the_user_accepts_it(
    hass: HomeAssistant, site: MockConfigEntry, tmp_path: Path
) -> None:
    async with over_tls(sdm630(), tmp_path) as told:
        result = await reach(hass, site, "tls")
        # The server runs in this loop too, and complains of the client that hangs up.
        hass.loop.set_exception_handler(lambda *_: None)
        result = await answer(hass, result, told | {"verify": True})
        assert result["errors"] == {"base": "cannot_connect"}
        result = await answer(hass, result, told)
        assert result["step_id"] == "confirm"
