"""The cabinet whose setpoint lapses after a minute, over a socket."""

from math import isnan

import pytest

from custom_components.computeload.simulator.devices.openems_fems import name_hash
from custom_components.computeload.simulator.server import SimulatedSite

from .wire import RefusedError, Wire


async def test_the_tables_are_marked_with_their_names(wire: Wire) -> None:
    assert await wire.value("cabinet2", 0, "H") == name_hash("OpenEMS") == 0x6201
    assert (await wire.value("cabinet2", 200, "32s")).rstrip(b"\0") == b"_sum"
    assert (await wire.value("cabinet2", 500, "32s")).rstrip(b"\0") == b"ess0"
    assert await wire.value("cabinet2", 221, "H", function=4) == 80


async def test_values_are_those_of_the_site_and_the_cabinet(
    site: SimulatedSite, wire: Wire
) -> None:
    physics, battery = site.physics, site.physics.batteries["cabinet2"]

    async def at(address: int, code: str) -> float:
        return float(await wire.value("cabinet2", address, code, function=4))

    assert await at(302, "H") == round(battery.soc * 100)
    assert await at(303, "f") == battery.power_w
    assert await at(315, "f") == pytest.approx(physics.grid_w, rel=1e-6)
    assert await at(327, "f") == pytest.approx(physics.pv_w, rel=1e-6)
    assert await at(343, "f") == pytest.approx(physics.load_w, rel=1e-6)
    assert await at(359, "d") == pytest.approx(physics.import_ws / 3600)
    assert await at(417, "H") == 1
    assert await at(420, "f") == 22000
    assert await at(702, "f") == -9000
    assert await at(704, "f") == 9000
    assert isnan(await at(706, "f")), "no setpoint yet"
    assert isnan(await at(305, "f")), "not in use"


async def test_a_setpoint_is_dropped_60_seconds_after_its_last_repetition(
    site: SimulatedSite, wire: Wire
) -> None:
    battery = site.physics.batteries["cabinet2"]
    await wire.write("cabinet2", 706, "f", -4000.0)
    await site.advance(50)
    assert battery.power_w == pytest.approx(-4000, rel=0.01)
    assert await wire.value("cabinet2", 706, "f") == -4000
    await wire.write("cabinet2", 706, "f", -4000.0)
    await site.advance(50)
    assert battery.power_w == pytest.approx(-4000, rel=0.01)
    await site.advance(25)
    assert battery.command_w is None
    assert battery.power_w == pytest.approx(0, abs=5)
    assert isnan(await wire.value("cabinet2", 706, "f"))
    assert await wire.value("cabinet2", 351, "d", function=4) == pytest.approx(120, rel=0.1)


async def test_nan_takes_the_setpoint_back(site: SimulatedSite, wire: Wire) -> None:
    await wire.write("cabinet2", 706, "f", 1000.0)
    await wire.write("cabinet2", 706, "f", float("nan"))
    assert site.physics.batteries["cabinet2"].command_w is None


async def test_other_writes_within_the_tables_are_swallowed(
    site: SimulatedSite, wire: Wire
) -> None:
    await wire.write("cabinet2", 710, "f", 1000.0)
    assert site.physics.batteries["cabinet2"].command_w is None
    with pytest.raises(RefusedError):
        await wire.write("cabinet2", 5000, "f", 1000.0)
    with pytest.raises(RefusedError):
        await wire.write("cabinet2", 706, "H", 1, single=True)


async def test_off_grid_is_mode_2(site: SimulatedSite, wire: Wire) -> None:
    site.physics.lose_grid()
    await site.advance(1)
    assert await wire.value("cabinet2", 417, "H", function=4) == 2
