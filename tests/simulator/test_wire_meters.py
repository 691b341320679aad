"""The grid meter and the branch meter over a socket, register by register."""

import struct

import pytest

from custom_components.computeload.simulator.server import SimulatedSite

from .wire import RefusedError, Wire


async def test_power_energy_and_phases_are_those_of_the_site(
    site: SimulatedSite, wire: Wire
) -> None:
    physics = site.physics
    block = await wire.registers("grid", 0, 80, function=4)
    floats = struct.unpack(">40f", struct.pack(">80H", *block))
    assert floats[26] == pytest.approx(physics.grid_w, rel=1e-6)
    assert floats[6:9] == pytest.approx(physics.grid_phases_w, rel=1e-5)
    assert floats[36] == pytest.approx(physics.import_ws / 3.6e6, rel=1e-6)
    assert floats[35] == pytest.approx(50.0, abs=0.05)
    for phase in range(3):
        volts, amps, watts, va = (floats[i + phase] for i in (0, 3, 6, 9))
        assert 225 < volts < 237
        assert volts * amps == pytest.approx(va, rel=1e-4)
        assert va > watts


async def test_feed_in_is_negative_and_counts_up_the_export(
    site: SimulatedSite, wire: Wire
) -> None:
    for battery in site.physics.batteries.values():
        battery.command(20000.0, site.physics.elapsed_s)
    await site.advance(120)
    assert await wire.value("grid", 52, "f", function=4) < -5000
    assert await wire.value("grid", 74, "f", function=4) > 0.1


async def test_the_serial_number_is_in_the_holding_registers_and_stays(wire: Wire) -> None:
    serial = await wire.value("grid", 64512, "I")
    assert 10_000_000 <= serial < 90_000_000
    assert await wire.value("grid", 64512, "I") == serial
    assert await wire.value("grid", 2, "f") == 15.0


@pytest.mark.parametrize(
    ("function", "address", "count", "code"), [(4, 0, 81, 3), (4, 100, 2, 2), (3, 300, 2, 2)]
)
async def test_what_it_does_not_have_is_refused(
    wire: Wire, function: int, address: int, count: int, code: int
) -> None:
    with pytest.raises(RefusedError) as refusal:
        await wire.registers("grid", address, count, function=function)
    assert refusal.value.code == code


async def test_another_unit_behind_its_gateway_is_exception_11(wire: Wire) -> None:
    with pytest.raises(RefusedError) as refusal:
        await wire.registers("grid", 0, 2, function=4, unit_id=9)
    assert refusal.value.code == 11


async def test_it_cannot_be_written(wire: Wire) -> None:
    with pytest.raises(RefusedError) as refusal:
        await wire.write("grid", 2, "f", 30.0)
    assert refusal.value.code == 2


async def test_every_load_has_its_block(site: SimulatedSite, wire: Wire) -> None:
    for number, name in enumerate(site.endpoints["branches"].channels):
        branch = list(site.physics.loads.branches.values())[number]
        assert branch.spec.name == name
        start = 18432 + number * 2048
        assert await wire.value("branches", start + 44, "i") == round(branch.power_w)
        phases = await wire.registers("branches", start + 56, 6)
        parts = struct.unpack(">3i", struct.pack(">6H", *phases))
        assert sum(parts) == pytest.approx(branch.power_w, abs=2)
        millivolts = await wire.value("branches", start + 12, "I")
        assert 225_00 < millivolts < 237_00


async def test_counters_show_whole_kilowatt_hours(site: SimulatedSite, wire: Wire) -> None:
    await site.advance(3600)
    node = site.physics.loads.branches["node1"]
    kwh = await wire.value("branches", 18432 + 1411, "I")
    assert kwh == int(node.energy_ws / 3.6e6) > 1


async def test_a_seventh_load_does_not_exist(wire: Wire) -> None:
    with pytest.raises(RefusedError) as refusal:
        await wire.registers("branches", 18432 + 6 * 2048, 2)
    assert refusal.value.code == 2
