"""The SunSpec cabinet over a socket: its setpoint and its revert timer."""

import pytest

from custom_components.computeload.simulator.server import SimulatedSite

from .wire import RefusedError, Wire, address_of, unpack

# Offsets in the models, counted from the ID register.
W_701, W_701_SF, INJECTED, ABSORBED, MODE_701, CONN_701 = 10, 116, 19, 23, 8, 5
ENA, MOD, SET, SET_REVERT, SET_PCT, ENA_REVERT, REVERT_S, REMAINING = 22, 23, 24, 26, 28, 30, 31, 33


async def test_its_models_agree_about_the_state_of_charge(site: SimulatedSite, wire: Wire) -> None:
    models = await wire.models("cabinet1")
    assert list(models) == [1, 701, 704, 713, 802]
    per_mille = round(site.physics.batteries["cabinet1"].soc * 1000)
    assert models[713][1][4] == models[802][1][11] == per_mille
    assert models[713][1][2] == 40000
    assert models[802][1][3] == 40000
    assert unpack(models[701][1][W_701_SF : W_701_SF + 1], "h") == 0
    assert models[701][1][38] == 0x8000, "no transformer temperature"


async def test_a_setpoint_in_watts_is_followed_and_counted(site: SimulatedSite, wire: Wire) -> None:
    control = await address_of(wire, "cabinet1", 704, 0)
    await wire.write("cabinet1", control + SET, "i", 4000)
    assert site.physics.batteries["cabinet1"].command_w is None, "not enabled yet"
    await wire.write("cabinet1", control + ENA, "H", 1)
    await site.advance(900)
    models = await wire.models("cabinet1")
    assert unpack([models[701][1][W_701]], "h") == pytest.approx(4000, abs=5)
    assert unpack(models[701][1][INJECTED : INJECTED + 4], "Q") == pytest.approx(1000, rel=0.01)
    await wire.write("cabinet1", control + SET, "i", -3000)
    await site.advance(900)
    absorbed = await wire.value("cabinet1", await address_of(wire, "cabinet1", 701, ABSORBED), "Q")
    assert absorbed == pytest.approx(750, rel=0.02)


async def test_the_revert_timer_counts_down_and_really_lapses(
    site: SimulatedSite, wire: Wire
) -> None:
    control = await address_of(wire, "cabinet1", 704, 0)
    await wire.write("cabinet1", control + REVERT_S, "I", 60)
    await wire.write("cabinet1", control + SET, "i", 5000)
    await wire.write("cabinet1", control + ENA, "H", 1)
    await site.advance(40)
    assert await wire.value("cabinet1", control + REMAINING, "I") == 20
    await wire.write("cabinet1", control + SET, "i", 5000)
    assert await wire.value("cabinet1", control + REMAINING, "I") == 60
    await site.advance(50)
    assert site.physics.batteries["cabinet1"].power_w == pytest.approx(5000, rel=0.01)
    await site.advance(30)
    assert await wire.value("cabinet1", control + ENA, "H") == 0
    assert await wire.value("cabinet1", control + REMAINING, "I") == 0
    assert await wire.value("cabinet1", control + SET, "i") == 0
    assert site.physics.batteries["cabinet1"].power_w == pytest.approx(0, abs=2)


async def test_it_reverts_to_a_stated_power_if_that_is_enabled(
    site: SimulatedSite, wire: Wire
) -> None:
    control = await address_of(wire, "cabinet1", 704, 0)
    await wire.write("cabinet1", control + SET_REVERT, "i", -1500)
    await wire.write("cabinet1", control + ENA_REVERT, "H", 1)
    await wire.write("cabinet1", control + REVERT_S, "I", 10)
    await wire.write("cabinet1", control + SET, "i", 6000)
    await wire.write("cabinet1", control + ENA, "H", 1)
    await site.advance(30)
    assert site.physics.batteries["cabinet1"].power_w == pytest.approx(-1500, rel=0.01)
    assert await wire.value("cabinet1", control + SET, "i") == -1500
    assert await wire.value("cabinet1", control + ENA, "H") == 1


async def test_a_setpoint_may_be_a_percentage_of_the_rating(
    site: SimulatedSite, wire: Wire
) -> None:
    control = await address_of(wire, "cabinet1", 704, 0)
    await wire.write("cabinet1", control + MOD, "H", 0)
    await wire.write("cabinet1", control + SET_PCT, "h", -250)
    await wire.write("cabinet1", control + ENA, "H", 1)
    await site.advance(20)
    assert site.physics.batteries["cabinet1"].power_w == pytest.approx(-5000, rel=0.01)


async def test_enable_mode_and_power_may_come_in_one_request(
    site: SimulatedSite, wire: Wire
) -> None:
    control = await address_of(wire, "cabinet1", 704, 0)
    await wire.write("cabinet1", control + ENA, "HHi", 1, 1, 2500)
    assert site.physics.batteries["cabinet1"].command_w == 2500


@pytest.mark.parametrize(
    ("write", "exception"),
    [
        ((SET, "i", 25000), 3),
        ((ENA, "H", 7), 3),
        ((REMAINING, "I", 1), 2),
        ((SET, "h", 1), 2),
    ],
)
async def test_nonsense_is_refused_and_changes_nothing(
    site: SimulatedSite, wire: Wire, write: tuple[int, str, int], exception: int
) -> None:
    offset, code, value = write
    control = await address_of(wire, "cabinet1", 704, 0)
    await wire.write("cabinet1", control + ENA, "HHi", 1, 1, 2500)
    with pytest.raises(RefusedError) as refusal:
        await wire.write("cabinet1", control + offset, code, value)
    assert refusal.value.code == exception
    assert site.physics.batteries["cabinet1"].command_w == 2500


async def test_an_island_shows_in_mode_connection_and_alarm(
    site: SimulatedSite, wire: Wire
) -> None:
    model = (await wire.models("cabinet1"))[701][1]
    assert (model[CONN_701], model[MODE_701 + 1], model[7]) == (1, 1, 0)
    site.physics.lose_grid()
    await site.advance(2)
    model = (await wire.models("cabinet1"))[701][1]
    assert (model[CONN_701], model[MODE_701 + 1], model[7]) == (0, 2, 1 << 4)
