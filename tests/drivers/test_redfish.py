"""Redfish: a management controller behind a socket, and an independent emulator."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
import pytest

from custom_components.computeload.clock import SystemClock
from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import (
    AuthError,
    CertificateError,
    PayloadError,
    RefusedError,
    Scope,
    ServerRefusedError,
    ServerSilentError,
    ServerUnreachableError,
)
from custom_components.computeload.drivers.http import HttpServer, problem_of_url
from custom_components.computeload.drivers.redfish import PowerLimit, RedfishClient, RedfishDevice

from .http_servers import (
    PASSWORD,
    USER,
    Controller,
    beside_python,
    free_port,
    own_certificate,
    process,
    serving,
)

CHASSIS = "/redfish/v1/Chassis/1"
ROOT = {
    "/redfish/v1/": {"Chassis": {"@odata.id": "/redfish/v1/Chassis"}},
    "/redfish/v1/Chassis": {"Members": [{"@odata.id": CHASSIS}]},
}


def link(path: str) -> dict[str, str]:
    return {"@odata.id": f"{CHASSIS}/{path}"}


NEW = ROOT | {
    CHASSIS: {
        "Name": "Node 1",
        "Manufacturer": "Contoso",
        "Model": "3500",
        "SerialNumber": " SN 1 ",
        "EnvironmentMetrics": link("EnvironmentMetrics"),
    },
    f"{CHASSIS}/EnvironmentMetrics": {
        "PowerWatts": {"Reading": 412.5},
        "EnergykWh": {"Reading": 1000.25},
        "PowerLimitWatts": {"SetPoint": 800, "ControlMode": "Automatic"},
    },
}
SUPPLIES = ROOT | {
    CHASSIS: {"Name": "Node 1", "PowerSubsystem": link("PowerSubsystem")},
    f"{CHASSIS}/PowerSubsystem": {"CapacityWatts": 2000, "PowerSupplies": link("Supplies")},
    f"{CHASSIS}/Supplies": {"Members": [link("Supplies/1"), link("Supplies/2")]},
    f"{CHASSIS}/Supplies/1": {"Metrics": link("Supplies/1/Metrics")},
    f"{CHASSIS}/Supplies/2": {"Metrics": link("Supplies/2/Metrics")},
    f"{CHASSIS}/Supplies/1/Metrics": {"InputPowerWatts": {"Reading": 210.0}},
    f"{CHASSIS}/Supplies/2/Metrics": {"InputPowerWatts": {"Reading": 190.0}},
}
OLD = ROOT | {
    CHASSIS: {"Name": "Node 1", "SerialNumber": None, "Power": link("Power")},
    f"{CHASSIS}/Power": {
        "PowerControl": [
            {"PowerConsumedWatts": 344, "PowerLimit": {"LimitInWatts": None}},
            {"PowerConsumedWatts": 99},
        ]
    },
}


PDU = "/redfish/v1/PowerEquipment/RackPDUs/A"
RACK = ROOT | {
    "/redfish/v1/": {
        "Chassis": {"@odata.id": "/redfish/v1/Chassis"},
        "PowerEquipment": {"@odata.id": "/redfish/v1/PowerEquipment"},
    },
    "/redfish/v1/Chassis": {"Members": []},
    "/redfish/v1/PowerEquipment": {
        "RackPDUs": {"@odata.id": "/redfish/v1/PowerEquipment/RackPDUs"}
    },
    "/redfish/v1/PowerEquipment/RackPDUs": {"Members": [{"@odata.id": PDU}]},
    PDU: {"Name": "Feed A", "Metrics": {"@odata.id": f"{PDU}/Metrics"}},
    f"{PDU}/Metrics": {"PowerWatts": {"Reading": 6400}, "EnergykWh": {"Reading": 12}},
}


@pytest.fixture(name="session")
async def session_fixture(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session like the one that Home Assistant shares."""
    async with aiohttp.ClientSession() as session:
        yield session


def client(
    session: aiohttp.ClientSession,
    url: str,
    *,
    password: str = PASSWORD,
    basic: bool = False,
    timeout_s: float = 30.0,
) -> RedfishClient:
    server = HttpServer(session, url, "Node 1", timeout_s)
    return RedfishClient(server, USER, password, basic=basic)


def device(session: aiohttp.ClientSession, url: str, **more: Any) -> RedfishDevice:
    return RedfishDevice(client(session, url, **more), CHASSIS, SystemClock())


@pytest.mark.parametrize(
    ("resources", "power_w", "energy_wh"),
    [
        pytest.param(NEW, 412.5, 1_000_250.0, id="EnvironmentMetrics"),
        pytest.param(SUPPLIES, 400.0, None, id="PowerSubsystem"),
        pytest.param(OLD, 344.0, None, id="Power"),
    ],
)
async def test_the_power_is_found_wherever_the_firmware_has_it(
    session: aiohttp.ClientSession,
    resources: dict[str, Any],
    power_w: float,
    energy_wh: float | None,
) -> None:
    async with serving(Controller(resources).app()) as url:
        node_client = client(session, url)
        node = RedfishDevice(node_client, CHASSIS, SystemClock())
        await node.identify()
        reading = await node.read(Scope.FULL)
        assert reading.number(Quantity.POWER_W) == power_w
        assert reading.number(Quantity.ENERGY_IMPORT_WH) == energy_wh
        await node_client.aclose()


async def test_a_chassis_says_who_it_is(session: aiohttp.ClientSession) -> None:
    async with serving(Controller(NEW).app()) as url:
        identity = await device(session, url).identify()
    assert (identity.manufacturer, identity.model, identity.serial) == ("Contoso", "3500", "SN 1")


async def test_a_rack_pdu_is_found_beside_the_chassis(session: aiohttp.ClientSession) -> None:
    async with serving(Controller(RACK).app()) as url:
        redfish = client(session, url)
        (pdu,) = await redfish.chassis()
        reading = await RedfishDevice(redfish, pdu.path, SystemClock()).read(Scope.FULL)
    assert pdu.text("Name") == "Feed A"
    assert reading.values == {Quantity.POWER_W: 6400.0, Quantity.ENERGY_IMPORT_WH: 12_000.0}


@pytest.mark.parametrize("value", [None, "412", True, {}])
async def test_what_is_null_or_no_number_is_absent(
    session: aiohttp.ClientSession, value: Any
) -> None:
    metrics = {"PowerWatts": {"Reading": value}, "EnergykWh": None}
    controller = Controller(NEW | {f"{CHASSIS}/EnvironmentMetrics": metrics})
    async with serving(controller.app()) as url:
        assert (await device(session, url).read(Scope.FULL)).values == {}
        with pytest.raises(PayloadError, match="does not report its power"):
            await device(session, url).identify()


async def test_null_metrics_leave_the_word_to_the_older_resource(
    session: aiohttp.ClientSession,
) -> None:
    both = OLD | {
        CHASSIS: {"Power": link("Power"), "EnvironmentMetrics": link("EnvironmentMetrics")},
        f"{CHASSIS}/EnvironmentMetrics": {
            "PowerWatts": {"Reading": None},
            "EnergykWh": {"Reading": 5},
        },
    }
    async with serving(Controller(both).app()) as url:
        reading = await device(session, url).read(Scope.FULL)
    assert reading.number(Quantity.POWER_W) == 344.0
    assert reading.number(Quantity.ENERGY_IMPORT_WH) == 5000.0


async def test_one_session_serves_all_requests_and_is_given_back(
    session: aiohttp.ClientSession,
) -> None:
    controller = Controller(NEW)
    async with serving(controller.app()) as url:
        node_client = client(session, url)
        node = RedfishDevice(node_client, CHASSIS, SystemClock())
        await node.identify()
        for _ in range(5):
            await node.read(Scope.FULL)
        assert controller.logins == 1
        assert len(controller.sessions) == 1
        await node_client.aclose()
        assert controller.sessions == {}
        await node_client.aclose()


async def test_a_session_that_expired_is_opened_again_once(
    session: aiohttp.ClientSession,
) -> None:
    controller = Controller(NEW)
    async with serving(controller.app()) as url:
        node = device(session, url)
        await node.read(Scope.FULL)
        controller.forget_sessions()
        assert (await node.read(Scope.FULL)).number(Quantity.POWER_W) == 412.5
        assert controller.logins == 2
        controller.forget_sessions()
        controller.password = "another"  # noqa: S105 - of a server in this process
        with pytest.raises(AuthError):
            await node.read(Scope.FULL)
        assert controller.logins == 3, "wrong credentials are not tried twice"


async def test_errors_name_neither_address_nor_credentials(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(Controller(NEW).app()) as url:
        with pytest.raises(AuthError) as refused:
            await device(session, url, password="wrong word").identify()  # noqa: S106 - wrong
    with pytest.raises(ServerUnreachableError) as unreachable:
        await device(session, f"http://127.0.0.1:{free_port()}").identify()
    for raised in (refused, unreachable):
        told = f"{raised.value} {raised.value.placeholders} {raised.value.__cause__!r}"
        for secret in ("127.0.0.1", USER, "wrong word", PASSWORD):
            assert secret not in told


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with serving(Controller(NEW).app(), own_certificate(tmp_path)) as url:
        with pytest.raises(CertificateError):
            await device(session, url).identify()
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=connector) as trusting:
            assert (await device(trusting, url).identify()).model == "3500"


async def test_a_slow_controller_is_cut_off_in_time(session: aiohttp.ClientSession) -> None:
    done = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(ServerSilentError, match=r"no answer within 0\.2 s"):
            await device(session, f"http://127.0.0.1:{port}", timeout_s=0.2).identify()
    finally:
        done.set()
        server.close()


async def test_a_resource_that_is_not_there_is_an_error_with_its_code(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(Controller(ROOT).app()) as url:
        with pytest.raises(ServerRefusedError) as raised:
            await device(session, url).identify()
    assert raised.value.placeholders["code"] == "404"


async def test_links_to_other_servers_are_not_followed(session: aiohttp.ClientSession) -> None:
    away = ROOT | {
        CHASSIS: {"EnvironmentMetrics": {"@odata.id": "//elsewhere.example/metrics"}},
    }
    async with serving(Controller(away).app()) as url:
        assert (await device(session, url).read(Scope.FULL)).values == {}


async def test_a_change_is_sent_with_the_tag_of_what_it_changes(
    session: aiohttp.ClientSession,
) -> None:
    controller = Controller(NEW)
    async with serving(controller.app()) as url:
        redfish = client(session, url)
        metrics = await redfish.get(f"{CHASSIS}/EnvironmentMetrics")
        body = {"PowerLimitWatts": {"SetPoint": 400, "ControlMode": "Automatic"}}
        await redfish.patch(metrics, body)
    assert controller.changes == [(metrics.path, 'W/"12"', body)]


@pytest.mark.parametrize(
    ("resources", "before", "changed"),
    [
        pytest.param(
            NEW,
            PowerLimit(power_w=800.0, mode="Automatic"),
            {"PowerLimitWatts": {"SetPoint": 400, "ControlMode": "Automatic"}},
            id="EnvironmentMetrics",
        ),
        pytest.param(
            OLD,
            PowerLimit(power_w=None),
            {"PowerControl": [{"PowerLimit": {"LimitInWatts": 400}}]},
            id="Power",
        ),
    ],
)
async def test_a_power_limit_is_set_where_the_firmware_has_it(
    session: aiohttp.ClientSession, resources: Any, before: PowerLimit, changed: Any
) -> None:
    controller = Controller(resources)
    async with serving(controller.app()) as url:
        server = device(session, url)
        assert await server.power_limit() == before
        await server.set_power_limit(PowerLimit(power_w=400.4, mode=before.mode))
    assert [body for _, _, body in controller.changes] == [changed]


async def test_a_power_limit_stays_within_what_is_allowed(session: aiohttp.ClientSession) -> None:
    limit = {"SetPoint": 800, "ControlMode": "Disabled", "AllowableMin": 300, "AllowableMax": 900}
    controller = Controller(NEW | {f"{CHASSIS}/EnvironmentMetrics": {"PowerLimitWatts": limit}})
    async with serving(controller.app()) as url:
        server = device(session, url)
        await server.set_power_limit(PowerLimit(power_w=100.0, mode="Automatic"))
        await server.set_power_limit(PowerLimit(power_w=5000.0, mode="Automatic"))
    asked = [body["PowerLimitWatts"]["SetPoint"] for _, _, body in controller.changes]
    assert asked == [300, 900]


async def test_a_chassis_without_a_power_limit_is_given_none(
    session: aiohttp.ClientSession,
) -> None:
    controller = Controller(SUPPLIES)
    async with serving(controller.app()) as url:
        server = device(session, url)
        assert await server.power_limit() is None
        with pytest.raises(RefusedError):
            await server.set_power_limit(PowerLimit(power_w=400.0))
    assert controller.changes == []


async def test_a_limit_that_would_switch_the_machine_off_is_refused(
    session: aiohttp.ClientSession,
) -> None:
    limit = {"LimitInWatts": 500, "LimitException": "HardPowerOff"}
    controller = Controller(OLD | {f"{CHASSIS}/Power": {"PowerControl": [{"PowerLimit": limit}]}})
    async with serving(controller.app()) as url:
        redfish = client(session, url)
        power = await redfish.get(f"{CHASSIS}/Power")
        with pytest.raises(RefusedError, match="switches the machine off"):
            await redfish.patch(power, {"PowerControl": [{"PowerLimit": {"LimitInWatts": 400}}]})
        root = await redfish.get("/redfish/v1/")
        with pytest.raises(RefusedError, match="switches the machine off"):
            await redfish.patch(root, {"PowerControl": [{"PowerLimit": limit}]})
    assert controller.changes == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://10.0.0.5", None),
        ("http://node-1.example:8000/prefix", None),
        ("10.0.0.5", "url_wrong"),
        ("ftp://10.0.0.5", "url_wrong"),
        ("http://host:port", "url_wrong"),
        ("https://reader:secret@10.0.0.5", "url_with_more"),
        ("https://10.0.0.5/?token=1", "url_with_more"),
    ],
)
def test_an_address_holds_no_credentials(url: str, problem: str | None) -> None:
    assert problem_of_url(url) == problem


# -- an independent implementation -----------------------------------------------------


@pytest.fixture(name="emulator")
async def emulator_fixture(socket_enabled: None, tmp_path: Path) -> AsyncIterator[str]:
    """Run sushy-tools' emulator with a fake machine, and return its address."""
    program = beside_python("sushy-emulator")
    if program is None:
        pytest.skip("sushy-tools is not installed here")
    password = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "users").write_text(f"{USER}:{password}\n")
    (tmp_path / "emulator.conf").write_text(
        f"SUSHY_EMULATOR_AUTH_FILE = {str(tmp_path / 'users')!r}\n"
        f"SUSHY_EMULATOR_STATE_DIR = {str(tmp_path)!r}\n"
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = (program, "--fake", "-i", "127.0.0.1", "-p", str(port), "--config", "emulator.conf")
    async with process(*command, url=url, folder=tmp_path) as address:
        yield address


async def test_the_emulators_chassis_is_found_and_says_who_it_is(
    session: aiohttp.ClientSession, emulator: str
) -> None:
    redfish = client(session, emulator, basic=True)
    (chassis,) = await redfish.chassis()
    assert chassis.text("Manufacturer") == "Contoso"
    assert chassis.text("SerialNumber") == "437XR1138R2"
    node = RedfishDevice(redfish, chassis.path, SystemClock())
    assert (await node.read(Scope.FULL)).values == {}, "this emulator has no power"
    with pytest.raises(PayloadError, match="does not report its power"):
        await node.identify()


async def test_the_emulator_refuses_a_wrong_password_and_knows_no_sessions(
    session: aiohttp.ClientSession, emulator: str
) -> None:
    with pytest.raises(AuthError):
        await client(session, emulator, password="wrong", basic=True).get(  # noqa: S106 - wrong
            "/redfish/v1/Chassis"
        )
    with pytest.raises((ServerRefusedError, AuthError)):
        await client(session, emulator).get("/redfish/v1/Chassis")
