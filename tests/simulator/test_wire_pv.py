"""The inverter over a socket: its models, its limit, its revert timer."""

import struct

import pytest

from custom_components.computeload.simulator.server import SimulatedSite

from .wire import RefusedError, SilentError, Wire, address_of, unpack

# Offsets in the models, counted from the ID register.
W_103, WH_103, ST_103, SF_W_103 = 14, 24, 38, 15
CONN, PCT, PCT_REVERT, PCT_ENA = 4, 5, 7, 9


async def test_its_models_and_values(site: SimulatedSite, wire: Wire) -> None:
    models = await wire.models("roof")
    assert list(models) == [1, 103, 120, 123]
    common = struct.pack(">68H", *models[1][1])
    assert common[4:36].rstrip(b"\0") == b"computeload"
    values = models[103][1]
    scale = 10.0 ** unpack(values[SF_W_103 : SF_W_103 + 1], "h")
    assert unpack(values[W_103 : W_103 + 1], "h") * scale == pytest.approx(site.physics.pv_w, abs=1)
    assert values[ST_103] == 4
    assert values[7] == 0xFFFF, "line voltages are not implemented"
    assert models[120][1][3] == 5000


async def test_a_limit_holds_until_its_revert_time_and_a_repetition_extends_it(
    site: SimulatedSite, wire: Wire
) -> None:
    control = await address_of(wire, "roof", 123, 0)
    await wire.write("roof", control + PCT_REVERT, "H", 40)
    await wire.write("roof", control + PCT, "H", 100)
    await wire.write("roof", control + PCT_ENA, "H", 1)
    await site.advance(15)
    assert site.physics.pv_w == pytest.approx(500, rel=0.02)
    assert await wire.value("roof", await address_of(wire, "roof", 103, ST_103), "H") == 5
    await wire.write("roof", control + PCT, "H", 200, single=True)
    await site.advance(30)
    assert site.physics.pv_w == pytest.approx(1000, rel=0.02)
    assert await wire.value("roof", control + PCT_ENA, "H") == 1
    await site.advance(15)
    assert await wire.value("roof", control + PCT_ENA, "H") == 0
    assert site.physics.pv_w > 1100


async def test_a_limit_without_revert_time_stays_until_it_is_lifted(
    site: SimulatedSite, wire: Wire
) -> None:
    control = await address_of(wire, "roof", 123, 0)
    await wire.write("roof", control + PCT, "H", 0)
    await wire.write("roof", control + PCT_ENA, "H", 1)
    await site.advance(3600)
    assert site.physics.pv_w < 5
    await wire.write("roof", control + PCT_ENA, "H", 0)
    await site.advance(15)
    assert site.physics.pv_w > 500


async def test_disconnecting_stops_it(site: SimulatedSite, wire: Wire) -> None:
    control = await address_of(wire, "roof", 123, 0)
    await wire.write("roof", control + CONN, "H", 0)
    await site.advance(1)
    assert site.physics.pv_w == 0


@pytest.mark.parametrize(("offset", "value", "code"), [(PCT, 1001, 3), (PCT_ENA, 2, 3), (10, 0, 2)])
async def test_nonsense_is_refused(wire: Wire, offset: int, value: int, code: int) -> None:
    control = await address_of(wire, "roof", 123, 0)
    with pytest.raises(RefusedError) as refusal:
        await wire.write("roof", control + offset, "H", value)
    assert refusal.value.code == code


async def test_another_unit_id_is_not_answered(wire: Wire) -> None:
    with pytest.raises(SilentError):
        await wire.registers("roof", 40000, 2, unit_id=2)
