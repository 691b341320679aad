"""SunSpec, held to the SunSpec Alliance's own implementation, in both directions.

``sunspec2`` reads our simulated devices and sees what our driver sees; it encodes devices
that our driver reads; and its model definitions are what our tables of points say.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
import math
from typing import Any, Final

import pytest
from sunspec2 import device as reference
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from custom_components.computeload.core.model import Quantity, Value
from custom_components.computeload.drivers.base import Scope
from custom_components.computeload.drivers.modbus import open_device
from custom_components.computeload.drivers.spec import RegisterType
from custom_components.computeload.drivers.sunspec import known_models, table_register
from custom_components.computeload.simulator.devices.sunspec import LAYOUTS, model_length
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

from .fact_tables import TABLES, FactDevice, FactTable, listening
from .servers import FakeDevice, HandClock, connected, opened, shipped

BASE: Final = 40000
SUNSPEC_TABLES: Final = {name: table for name, table in TABLES.items() if 1 in table.models}


# -- the tables of points ----------------------------------------------------------------


COUNTS: Final = {714: "NPrt", 803: "NStr"}
"""Models with a repeated part, and the point that says how often it is repeated."""
BY_LENGTH: Final = {160: 8 + 2 * 20}
"""Models with a part that is repeated to their end, and a length for two of it."""


def model_of(number: int) -> Any:
    """Return an empty model of the reference; what can be repeated is there twice."""
    if number in BY_LENGTH:
        return reference.Model(number, data=bytes(400), model_len=BY_LENGTH[number])
    if number not in COUNTS:
        return reference.Model(number)
    empty = bytearray(400)
    place = reference.Model(number, data=bytes(empty)).points[COUNTS[number]].offset
    empty[2 * place + 1] = 2
    return reference.Model(number, data=bytes(empty))


@pytest.mark.parametrize("number", sorted(known_models()))
def test_our_tables_of_points_are_the_alliances(number: int) -> None:
    model = model_of(number)
    points = dict(_points_of(model))
    scales = model.points
    if number in COUNTS or number in BY_LENGTH:
        (repeated,) = model.groups.values()
        points |= {f"{name}[2]": point for name, point in repeated[1].points.items()}
    for name, point in points.items():
        ours = table_register(number, name)
        if ours is None:
            continue  # nothing that a profile needs
        kind = point.pdef["type"]
        assert ours.address == point.offset, name
        assert ours.count == point.len, name
        assert (ours.type is RegisterType.STRING) == (kind == "string"), name
        scale = point.pdef.get("sf")
        expected = scales[scale].offset if isinstance(scale, str) and scale in scales else None
        assert ours.scale_address == expected, name


def _points_of(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the points of a model that stand alone."""
    for name, point in model.points.items():
        if name not in {"ID", "L"}:
            yield name, point


@pytest.mark.parametrize("number", LAYOUTS)
def test_our_simulators_models_have_the_length_of_the_alliances(number: int) -> None:
    assert model_length(number) + 2 == len(model_of(number).get_mb()) // 2


# -- the reference reads our devices -----------------------------------------------------


def scanned(port: int, unit_id: int = 1) -> SunSpecModbusClientDeviceTCP:
    """Read everything that the reference finds; blocks."""
    client = SunSpecModbusClientDeviceTCP(
        slave_id=unit_id, ipaddr="127.0.0.1", ipport=port, timeout=5.0
    )
    client.scan()
    client.disconnect()
    return client


def said(client: SunSpecModbusClientDeviceTCP, model: int, point: str) -> float:
    """Return a value that the reference has read, scaled."""
    value = client.models[model][0].points[point].cvalue
    assert value is not None
    return float(value)


@pytest.fixture(name="site")
async def _site(socket_enabled: None) -> Any:
    """Return the fluid dynamics lab with PV and a SunSpec cabinet, its time on hold."""
    noon = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
    site = SimulatedSite(load_scenario("cfd-lab"), seed=5, start=noon)
    await site.start(paused=True)
    await site.advance(3600)
    yield site
    await site.stop()


async def values_of(site: SimulatedSite, device_id: str, profile: str) -> dict[Quantity, Value]:
    """Read a simulated device through our driver."""
    endpoint = site.endpoints[device_id]
    async with connected(endpoint.port, unit_id=endpoint.unit_id) as unit:
        device = open_device(shipped(profile), unit, HandClock())
        values = dict((await device.read(Scope.FULL)).values)
        device.close()
    return values


async def test_the_reference_reads_the_simulated_inverter_as_our_driver_does(
    site: SimulatedSite,
) -> None:
    endpoint = site.endpoints["roof"]
    client = await asyncio.to_thread(scanned, endpoint.port, endpoint.unit_id)
    ours = await values_of(site, "roof", "sunspec_pv")
    assert (
        said(client, 103, "W") == ours[Quantity.POWER_W] == pytest.approx(site.physics.pv_w, abs=1)
    )
    assert said(client, 103, "WH") == ours[Quantity.ENERGY_EXPORT_WH]
    assert said(client, 103, "Hz") == pytest.approx(ours[Quantity.FREQUENCY_HZ])
    assert said(client, 103, "PhVphA") == pytest.approx(ours[Quantity.VOLTAGE_L1_V])
    assert said(client, 103, "TmpCab") == pytest.approx(ours[Quantity.TEMPERATURE_C])
    assert said(client, 120, "WRtg") == ours[Quantity.RATED_POWER_W]
    assert client.models[1][0].Mn.value == "computeload"
    assert client.models[103][0].PPVphAB.value is None, "not implemented"


async def test_the_reference_reads_and_commands_the_simulated_cabinet(
    site: SimulatedSite,
) -> None:
    endpoint = site.endpoints["cabinet1"]
    client = await asyncio.to_thread(scanned, endpoint.port, endpoint.unit_id)
    ours = await values_of(site, "cabinet1", "sunspec_battery")
    assert said(client, 701, "W") == ours[Quantity.POWER_W]
    assert said(client, 701, "TotWhInj") == ours[Quantity.ENERGY_EXPORT_WH]
    assert said(client, 701, "TotWhAbs") == ours[Quantity.ENERGY_IMPORT_WH]
    assert said(client, 713, "SoC") == pytest.approx(100.0 * float(ours[Quantity.SOC]))
    assert said(client, 713, "WHRtg") == ours[Quantity.CAPACITY_WH]
    for quantity, rate, current in (
        (Quantity.CHARGE_LIMIT_W, "WChaRteMax", "AChaMax"),
        (Quantity.DISCHARGE_LIMIT_W, "WDisChaRteMax", "ADisChaMax"),
    ):
        of_cells = said(client, 802, current) * said(client, 802, "V")
        assert ours[quantity] == pytest.approx(min(said(client, 802, rate), of_cells))

    def command() -> None:
        controls = client.models[704][0]
        client.connect()
        for name, value in (("WSetRvrtTms", 60), ("WSet", 4000), ("WSetEna", 1)):
            controls.points[name].cvalue = value
            controls.points[name].write()
        client.disconnect()

    await asyncio.to_thread(command)
    assert site.physics.batteries["cabinet1"].command_w == 4000.0
    assert (await values_of(site, "cabinet1", "sunspec_battery"))[Quantity.SETPOINT_W] == 4000.0


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize("table", SUNSPEC_TABLES.values(), ids=SUNSPEC_TABLES)
async def test_the_reference_reads_the_devices_that_our_tests_make_from_facts(
    table: FactTable,
) -> None:
    async with listening({table.unit_id: FactDevice(table, table.unit_id, [])}) as port:
        client = await asyncio.to_thread(scanned, port, table.unit_id)
    for fact in table.facts:
        if fact.model is None or fact.model not in client.models:
            continue
        points = [p for _, p in _points_of(client.models[fact.model][0]) if p.offset == fact.at]
        for point in points:
            assert point.value == (
                pytest.approx(fact.raw, rel=1e-6) if fact.is_number else fact.raw
            ), fact.name
            if fact.scale_at is not None:
                assert point.cvalue == pytest.approx(float(fact.raw) * fact.scale), fact.name


# -- our driver reads the reference's devices --------------------------------------------


def encoded(contents: dict[int, dict[str, Any]]) -> tuple[FakeDevice, dict[int, int]]:
    """Return a device whose registers the reference has encoded, and where its models are."""
    served, places = FakeDevice(), {}
    served.set(BASE, [0x5375, 0x6E53])
    at = BASE + 2
    for number, values in contents.items():
        model = reference.Model(number)
        scales = {name: value for name, value in values.items() if name.endswith("_SF")}
        for name, value in scales.items():
            model.points[name].value = value
        for name, value in values.items():
            if name not in scales:
                model.points[name].cvalue = value
        words = _words(model.get_mb())
        served.set(at, words)
        places[number] = at
        at += len(words)
    served.set(at, [0xFFFF, 0])
    return served, places


def _words(content: bytes) -> list[int]:
    return [int.from_bytes(content[n : n + 2]) for n in range(0, len(content), 2)]


INVERTER: Final[dict[int, dict[str, Any]]] = {
    1: {"Mn": "Maker", "Md": "Model X", "SN": "S-1", "Vr": "2.0"},
    103: {"W_SF": 1, "W": 12340, "WH_SF": 1, "WH": 567890, "Hz_SF": -2, "Hz": 49.98}
    | {
        "A_SF": -1,
        "AphA": 17.8,
        "V_SF": -1,
        "PhVphA": 230.1,
        "St": 4,
        "Tmp_SF": -1,
        "TmpCab": 41.2,
    },
    120: {"WRtg_SF": 1, "WRtg": 30000},
    123: {"WMaxLimPct_SF": -1, "WMaxLimPct": 100.0, "WMaxLim_Ena": 0},
}
BATTERY: Final[dict[int, dict[str, Any]]] = {
    1: INVERTER[1],
    701: {"W_SF": 0, "W": -8000, "Hz_SF": -3, "Hz": 50.01, "ConnSt": 1, "TotWh_SF": 0}
    | {"TotWhInj": 7_000_000, "TotWhAbs": 8_000_000},
    704: {"WSet_SF": 1, "WSet": 0, "WSetEna": 0, "WSetMod": 0, "WSetRvrtTms": 0},
    713: {"WH_SF": 2, "WHRtg": 100_000, "Pct_SF": -1, "SoC": 55.5, "SoH": 99.0},
    802: {"WChaDisChaMax_SF": 2, "WChaRteMax": 40_000, "WDisChaRteMax": 50_000, "State": 3},
}


@pytest.mark.usefixtures("socket_enabled")
async def test_our_driver_reads_an_inverter_that_the_reference_encoded() -> None:
    served, _ = encoded(INVERTER)
    async with opened(shipped("sunspec_pv"), served) as pv:
        identity = await pv.identify()
        values = (await pv.read(Scope.FULL)).values
    assert (identity.manufacturer, identity.model, identity.serial) == ("Maker", "Model X", "S-1")
    expected = {
        Quantity.POWER_W: 12340.0,
        Quantity.ENERGY_EXPORT_WH: 567890.0,
        Quantity.FREQUENCY_HZ: 49.98,
        Quantity.CURRENT_L1_A: 17.8,
        Quantity.VOLTAGE_L1_V: 230.1,
        Quantity.TEMPERATURE_C: 41.2,
        Quantity.RATED_POWER_W: 30000.0,
    }
    assert {key: values.get(key) for key in expected} == pytest.approx(expected)
    assert Quantity.VOLTAGE_L2_V not in values, "the reference says 'not implemented'"


@pytest.mark.usefixtures("socket_enabled")
async def test_our_driver_reads_float_models_that_the_reference_encoded() -> None:
    floats = {"W": 12345.5, "WH": 567890.0, "Hz": 49.98, "St": 4}
    served, _ = encoded({1: INVERTER[1], 113: floats, 120: INVERTER[120], 123: INVERTER[123]})
    async with opened(shipped("sunspec_pv"), served) as pv:
        values = (await pv.read(Scope.FULL)).values
    assert values[Quantity.POWER_W] == 12345.5
    assert values[Quantity.FREQUENCY_HZ] == pytest.approx(49.98)
    assert all(math.isfinite(value) for value in values.values() if isinstance(value, float))


@pytest.mark.usefixtures("socket_enabled")
async def test_the_reference_decodes_what_our_driver_commands() -> None:
    served, places = encoded(BATTERY)
    async with opened(shipped("sunspec_battery"), served) as battery:
        values = (await battery.read(Scope.FULL)).values
        await battery.command(-12340.0)
    expected = {
        Quantity.POWER_W: -8000.0,
        Quantity.ENERGY_EXPORT_WH: 7e6,
        Quantity.ENERGY_IMPORT_WH: 8e6,
        Quantity.SOC: 0.555,
        Quantity.SOH: 0.99,
        Quantity.CAPACITY_WH: 100_000.0,
        Quantity.CHARGE_LIMIT_W: 40_000.0,
        Quantity.DISCHARGE_LIMIT_W: 50_000.0,
    }
    assert {key: values.get(key) for key in expected} == pytest.approx(expected)
    controls = reference.Model(704)
    length = len(controls.get_mb()) // 2
    words = [served.holding[places[704] + n] for n in range(length)]
    controls.set_mb(b"".join(word.to_bytes(2) for word in words))
    assert controls.points["WSet"].cvalue == -12340.0
    assert controls.points["WSetEna"].value == 1
    contract = shipped("sunspec_battery").contract
    assert contract
    assert controls.points["WSetRvrtTms"].value == contract.lapse_s
