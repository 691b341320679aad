"""The drivers and the simulated site, written apart from the same facts, agree."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from custom_components.computeload.core.model import AssetKind, Quantity
from custom_components.computeload.drivers.base import (
    DeviceError,
    NoAnswerError,
    RefusedError,
    Scope,
    WrongDeviceError,
)
from custom_components.computeload.drivers.modbus import ModbusDevice, open_device
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

from .servers import LIBRARY, connected

pytestmark = pytest.mark.usefixtures("socket_enabled")

NOON = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
GRID, CABINET, BLOCK, ROOF, RACK = "grid", "cabinet", "block", "hall", "rack_b"


@pytest.fixture(name="site")
async def _site() -> AsyncIterator[SimulatedSite]:
    """Return a cluster with PV and two batteries, half an hour into its day, on hold."""
    site = SimulatedSite(load_scenario("climate-hpc"), seed=3, start=NOON)
    await site.start()
    site.pause()
    await site.advance(1800)
    yield site
    await site.stop()


@asynccontextmanager
async def device_of(
    site: SimulatedSite, device_id: str, *, pymodbus: bool = False, timeout_s: float = 1.0
) -> AsyncIterator[ModbusDevice]:
    """Open one of the site's devices through its profile, on the site's clock."""
    at = site.endpoints[device_id]
    async with connected(at.port, unit_id=at.unit_id, pymodbus=pymodbus) as unit:
        device = open_device(
            LIBRARY.profiles[at.profile],
            unit,
            site.clock,
            channels=len(at.channels) if at.kind is AssetKind.LOAD else None,
            request_timeout_s=timeout_s,
        )
        yield device
        device.close()


@pytest.mark.parametrize("pymodbus", [False, True], ids=["tmodbus", "pymodbus"])
async def test_every_device_is_identified_and_reports_its_power(
    site: SimulatedSite, *, pymodbus: bool
) -> None:
    for device_id, endpoint in site.endpoints.items():
        async with device_of(site, device_id, pymodbus=pymodbus) as device:
            identity = await device.identify()
            full = await device.read(Scope.FULL)
            fast = await device.read(Scope.FAST)
        assert identity.manufacturer, endpoint
        assert full.number(Quantity.POWER_W) == fast.number(Quantity.POWER_W) is not None
        assert full.values.keys() | {Quantity.SETPOINT_W, Quantity.POWER_LIMIT_W} >= (
            device.profile.quantities
            - {Quantity.RATED_POWER_W, Quantity.SETPOINT_W, Quantity.POWER_LIMIT_W}
        ), f"{device_id} does not report all that its profile promises"
        assert device.refused == frozenset()


async def test_the_grid_meter_shows_the_balance_of_the_site(site: SimulatedSite) -> None:
    physics = site.physics
    async with device_of(site, GRID) as meter:
        values = (await meter.read(Scope.FULL)).values
    assert values[Quantity.POWER_W] == pytest.approx(physics.grid_w, rel=1e-5)
    for index, key in enumerate((Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W)):
        assert values[key] == pytest.approx(physics.grid_phases_w[index], rel=1e-5, abs=0.1)
    imported_wh = physics.import_ws / 3600
    assert imported_wh > 0
    assert values[Quantity.ENERGY_IMPORT_WH] == pytest.approx(imported_wh, rel=1e-4, abs=1.0)
    assert values[Quantity.FREQUENCY_HZ] == pytest.approx(physics.frequency_hz, abs=0.01)


async def test_branches_and_their_sum_are_those_of_the_physics(site: SimulatedSite) -> None:
    branches = site.physics.loads.branches
    async with device_of(site, RACK) as rack:
        reading = await rack.read(Scope.FULL)
    expected = [branches[f"b{number}"].power_w for number in range(1, 7)]
    measured = [channel[Quantity.POWER_W] for channel in reading.channels]
    assert measured == pytest.approx(expected, abs=0.6)
    assert reading.number(Quantity.POWER_W) == pytest.approx(sum(expected), abs=3)


async def test_pv_reports_production_and_obeys_a_limit_until_it_lapses(
    site: SimulatedSite,
) -> None:
    plant = site.physics.pv[ROOF]
    async with device_of(site, ROOF) as pv:
        values = (await pv.read(Scope.FULL)).values
        assert values[Quantity.POWER_W] == pytest.approx(plant.power_w, abs=10)
        assert values[Quantity.RATED_POWER_W] == 25000.0
        assert plant.power_w > 4000
        await pv.command(2000.0)
        await site.advance(20)
        values = (await pv.read(Scope.FULL)).values
        assert values[Quantity.POWER_LIMIT_W] == pytest.approx(2000.0)
        assert values[Quantity.POWER_W] == pytest.approx(2000.0, abs=25)
        await site.advance(45)
        assert plant.limit_fraction is None, "60 s without a repetition"
        values = (await pv.read(Scope.FULL)).values
        assert Quantity.POWER_LIMIT_W not in values
        await pv.command(3000.0)
        await site.advance(20)
        await pv.release()
        assert plant.limit_fraction is None


@pytest.mark.parametrize("device_id", [CABINET, BLOCK])
@pytest.mark.parametrize("power_w", [-12000.0, 9000.0])
async def test_a_battery_follows_commands_and_falls_back_by_itself(
    site: SimulatedSite, device_id: str, power_w: float
) -> None:
    physics = site.battery_behind(device_id)
    assert physics
    async with device_of(site, device_id) as battery:
        await battery.command(power_w)
        await site.advance(15)
        assert physics.command_w == power_w
        reading = await battery.read(Scope.FULL)
        assert reading.number(Quantity.POWER_W) == pytest.approx(power_w, rel=0.01)
        assert reading.number(Quantity.SOC) == pytest.approx(physics.soc, abs=0.01)
        assert reading.number(Quantity.CAPACITY_WH) == pytest.approx(physics.spec.capacity_wh)
        await site.advance(40)
        await battery.command(power_w)
        await site.advance(40)
        assert physics.command_w == power_w, "a heartbeat keeps the command"
        await site.advance(25)
        assert physics.command_w is None, "60 s without one end it"
        assert physics.lapses == 1
        energy = (await battery.read(Scope.FULL)).values
        moved = Quantity.ENERGY_IMPORT_WH if power_w < 0 else Quantity.ENERGY_EXPORT_WH
        assert energy[moved] == pytest.approx(abs(power_w) * 120 / 3600, rel=0.1)
        await battery.command(power_w)
        assert physics.command_w == power_w, "control is taken anew"


@pytest.mark.parametrize("device_id", [CABINET, BLOCK])
async def test_a_released_battery_is_under_its_own_control(
    site: SimulatedSite, device_id: str
) -> None:
    physics = site.battery_behind(device_id)
    assert physics
    async with device_of(site, device_id) as battery:
        await battery.release()
        assert physics.command_w is None
        await battery.command(5000.0)
        await battery.release()
        assert physics.command_w in {None, 0.0}
        await battery.release()
        await site.advance(61)
        assert physics.command_w is None
        await site.advance(15)
        assert physics.power_w == pytest.approx(0.0, abs=5)


@pytest.mark.parametrize("device_id", [CABINET, BLOCK])
async def test_a_full_battery_says_that_it_takes_no_more(
    site: SimulatedSite, device_id: str
) -> None:
    await site.faults.inject(device_id, Fault.SOC_JUMP, soc=0.975)
    physics = site.battery_behind(device_id)
    assert physics
    assert physics.charge_limit_w < physics.spec.charge_w * 0.6
    async with device_of(site, device_id) as battery:
        limit_w = (await battery.read(Scope.FAST)).number(Quantity.CHARGE_LIMIT_W)
    assert limit_w == pytest.approx(physics.charge_limit_w, rel=0.06)


@pytest.mark.parametrize("device_id", [CABINET, BLOCK])
async def test_a_lost_grid_is_noticed(site: SimulatedSite, device_id: str) -> None:
    async with device_of(site, device_id) as battery:
        assert (await battery.read(Scope.FAST)).number(Quantity.GRID_PRESENT) == 1.0
        await site.faults.inject("site", Fault.GRID_LOSS)
        await site.advance(2)
        assert (await battery.read(Scope.FAST)).number(Quantity.GRID_PRESENT) == 0.0


@pytest.mark.parametrize("device_id", [GRID, CABINET, BLOCK, ROOF, RACK])
async def test_every_device_recovers_from_silence_refusals_and_garbage(
    site: SimulatedSite, device_id: str
) -> None:
    faults = site.faults
    async with device_of(site, device_id, timeout_s=0.2) as device:
        healthy = await device.read(Scope.FULL)
        for fault, parameters, error in (
            (Fault.NO_ANSWER, {}, NoAnswerError),
            (Fault.EXCEPTION, {"code": 4}, RefusedError),
            (Fault.EXCEPTION, {"code": 2}, DeviceError),
            (Fault.DROP_MID_FRAME, {"bytes": 5}, DeviceError),
        ):
            await faults.inject(device_id, fault, **parameters)
            for scope in Scope:
                with pytest.raises(error):
                    await device.read(scope)
            await faults.clear(device_id)
            again = await device.read(Scope.FULL)
            assert again.values.keys() == healthy.values.keys(), fault


@pytest.mark.parametrize("device_id", [GRID, CABINET, BLOCK, ROOF, RACK])
async def test_values_that_are_not_available_are_absent(
    site: SimulatedSite, device_id: str
) -> None:
    await site.faults.inject(device_id, Fault.NOT_AVAILABLE)
    async with device_of(site, device_id) as device:
        reading = await device.read(Scope.FULL)
    assert Quantity.POWER_W not in reading.values


@pytest.mark.parametrize("device_id", [CABINET, BLOCK, ROOF])
async def test_a_refused_command_is_told(site: SimulatedSite, device_id: str) -> None:
    async with device_of(site, device_id) as device:
        await site.faults.inject(device_id, Fault.REFUSED_WRITES, code=4)
        with pytest.raises(RefusedError):
            await device.command(1000.0)
        await site.faults.clear(device_id)
        await device.command(1000.0)


@pytest.mark.parametrize("device_id", [CABINET, ROOF])
async def test_a_restart_of_the_device_is_seen_and_control_is_taken_anew(
    site: SimulatedSite, device_id: str
) -> None:
    async with device_of(site, device_id) as device:
        await device.command(1500.0)
        await site.advance(10)
        site.ports[device_id].device.restart()
        await device.read(Scope.FULL)
        writes = len(site.writes)
        await device.command(1500.0)
        assert len(site.writes) - writes == 3
        await device.command(1500.0)


@pytest.mark.parametrize(
    ("served", "expected"),
    [(CABINET, "eastron_sdm630"), (GRID, "openems_fems"), (GRID, "sunspec_pv")],
)
async def test_the_wrong_profile_is_noticed(
    site: SimulatedSite, served: str, expected: str
) -> None:
    at = site.endpoints[served]
    async with connected(at.port, unit_id=at.unit_id) as unit:
        device = open_device(LIBRARY.profiles[expected], unit, site.clock)
        with pytest.raises(WrongDeviceError):
            await device.identify()
        device.close()


async def test_a_wrong_unit_id_behind_a_gateway_is_no_answer(site: SimulatedSite) -> None:
    at = site.endpoints[GRID]
    async with connected(at.port, unit_id=77) as unit:
        device = open_device(LIBRARY.profiles[at.profile], unit, site.clock)
        with pytest.raises(NoAnswerError):
            await device.identify()
        device.close()
