"""Every fault by its effect on the wire, and what the panel says about nonsense."""

import asyncio
from collections.abc import AsyncIterator
from math import isnan
import time

import pytest

from custom_components.computeload.simulator.faults import Fault, FaultError
from custom_components.computeload.simulator.server import SimulatedSite

from .wire import RefusedError, SilentError, Wire, address_of

POWER, IMPORTED = 52, 72
SETPOINT = 706


@pytest.fixture(name="impatient")
async def _impatient(site: SimulatedSite) -> AsyncIterator[Wire]:
    """Return clients that wait a tenth of a second, for devices that will not answer."""
    wire = Wire(site, timeout_s=0.1)
    yield wire
    wire.close()


async def power_w(wire: Wire) -> float:
    return float(await wire.value("grid", POWER, "f", function=4))


async def test_no_answer_is_silence_on_an_open_connection(
    site: SimulatedSite, impatient: Wire
) -> None:
    await power_w(impatient)
    await site.faults.inject("grid", Fault.NO_ANSWER)
    with pytest.raises(SilentError):
        await power_w(impatient)
    _, writer = await asyncio.open_connection("127.0.0.1", site.endpoints["grid"].port)
    writer.close()
    await writer.wait_closed()
    await site.faults.clear("grid")
    assert await power_w(impatient) > 0


async def test_a_slow_device_answers_late_but_rightly(site: SimulatedSite, wire: Wire) -> None:
    await site.faults.inject("grid", Fault.SLOW, delay_s=0.15)
    begin = time.monotonic()
    assert await power_w(wire) == pytest.approx(site.physics.grid_w)
    assert time.monotonic() - begin >= 0.15
    await site.faults.clear("grid")


async def test_answers_of_a_slow_device_keep_their_order(site: SimulatedSite) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.endpoints["grid"].port)
    request = bytes.fromhex("0000 0006 01 04 0034 0002")
    await site.faults.inject("grid", Fault.SLOW, delay_s=0.1)
    writer.write(b"\x00\x01" + request + b"\x00\x02" + request)
    await asyncio.sleep(0.02)
    await site.faults.clear("grid")
    writer.write(b"\x00\x03" + request)
    async with asyncio.timeout(2):
        order = [(await reader.readexactly(13))[1] for _ in range(3)]
    assert order == [1, 2, 3]
    writer.close()


async def test_a_refused_connection_closes_the_port_and_resets_open_links(
    site: SimulatedSite, wire: Wire
) -> None:
    port = site.endpoints["grid"].port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await site.faults.inject("grid", Fault.REFUSED_CONNECTION)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()
    await site.faults.clear("grid")
    assert await power_w(wire) > 0, "the same port is open again"


async def test_exceptions_have_the_code_asked_for(site: SimulatedSite, wire: Wire) -> None:
    await site.faults.inject("grid", Fault.EXCEPTION, code=6)
    with pytest.raises(RefusedError) as refusal:
        await power_w(wire)
    assert refusal.value.code == 6


async def test_frozen_values_stand_still_while_the_site_moves_and_writes_work(
    site: SimulatedSite, wire: Wire
) -> None:
    before = await wire.value("cabinet2", 303, "f")
    await site.faults.inject("cabinet2", Fault.FROZEN)
    await wire.write("cabinet2", SETPOINT, "f", 5000.0)
    await site.advance(20)
    assert site.physics.batteries["cabinet2"].power_w > 4000
    assert await wire.value("cabinet2", 303, "f") == before
    await site.faults.inject("cabinet2", Fault.SLOW, delay_s=0.0)
    assert await wire.value("cabinet2", 303, "f") == before, "a second fault thaws nothing"
    await site.faults.clear("cabinet2")
    assert await wire.value("cabinet2", 303, "f") > 4000


async def test_wrong_values_are_bent_by_factor_and_offset_or_made_up(
    site: SimulatedSite, wire: Wire
) -> None:
    truth = await power_w(wire)
    await site.faults.inject("grid", Fault.WRONG_VALUES, quantity="power_w", factor=-1, offset=7)
    assert await power_w(wire) == pytest.approx(7 - truth, rel=1e-6)
    assert await wire.value("grid", 0, "f", function=4) > 200, "the voltage is still right"
    await site.faults.inject("grid", Fault.WRONG_VALUES, quantity="power_w", value=1e9)
    assert await power_w(wire) == 1e9
    await site.faults.clear("grid", Fault.WRONG_VALUES)
    assert await power_w(wire) == pytest.approx(truth)


@pytest.mark.parametrize("quantity", [None, "power_w"])
async def test_not_available_is_nan_or_the_types_own_pattern(
    site: SimulatedSite, wire: Wire, quantity: str | None
) -> None:
    parameters = {} if quantity is None else {"quantity": quantity}
    for device_id in ("grid", "cabinet1", "cabinet2", "roof", "branches"):
        await site.faults.inject(device_id, Fault.NOT_AVAILABLE, **parameters)
    assert isnan(await power_w(wire))
    assert isnan(await wire.value("cabinet2", 303, "f"))
    assert await wire.value("branches", 18432 + 44, "I") == 0x80000000
    models = await wire.models("cabinet1")
    assert models[701][1][10] == 0x8000
    assert (await wire.models("roof"))[103][1][14] == 0x8000
    assert models[1][1][2:4] != [0, 0], "who it is remains known"
    soc = models[713][1][4]
    assert (soc == 0xFFFF) == (quantity is None)


async def test_a_link_that_drops_in_mid_frame_gives_half_an_answer(site: SimulatedSite) -> None:
    await site.faults.inject("grid", Fault.DROP_MID_FRAME, bytes=7)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.endpoints["grid"].port)
    writer.write(bytes.fromhex("0009 0000 0006 01 04 0034 0002"))
    async with asyncio.timeout(2):
        answer = await reader.read()
    assert answer == bytes.fromhex("0009 0000 0007 01")
    writer.close()


async def test_refused_writes_leave_everything_as_it_was(site: SimulatedSite, wire: Wire) -> None:
    await site.faults.inject("cabinet2", Fault.REFUSED_WRITES, code=3)
    with pytest.raises(RefusedError) as refusal:
        await wire.write("cabinet2", SETPOINT, "f", 1000.0)
    assert refusal.value.code == 3
    assert site.physics.batteries["cabinet2"].command_w is None
    assert await wire.value("cabinet2", 420, "f") == 22000


async def test_ignored_writes_are_acknowledged_and_do_nothing(
    site: SimulatedSite, wire: Wire
) -> None:
    await site.faults.inject("cabinet2", Fault.IGNORED_WRITES)
    await wire.write("cabinet2", SETPOINT, "f", 1000.0)
    assert isnan(await wire.value("cabinet2", SETPOINT, "f"))
    assert site.physics.batteries["cabinet2"].command_w is None
    assert site.writes[-1].device_id == "cabinet2"
    assert site.writes[-1].address == SETPOINT


async def test_a_restart_is_an_absence_then_counters_at_zero_and_no_command(
    site: SimulatedSite, wire: Wire
) -> None:
    control = await address_of(wire, "cabinet1", 704, 0)
    injected = await address_of(wire, "cabinet1", 701, 19)
    await wire.write("cabinet1", control + 22, "HHi", 1, 1, 6000)
    await site.advance(600)
    assert await wire.value("cabinet1", injected, "Q") > 900
    await site.faults.inject("cabinet1", Fault.RESTART, downtime_s=0.1)
    with pytest.raises(SilentError):
        await wire.value("cabinet1", injected, "Q")
    await asyncio.sleep(0.2)
    assert await wire.value("cabinet1", injected, "Q") == 0
    assert await wire.value("cabinet1", control + 22, "H") == 0
    assert site.physics.batteries["cabinet1"].command_w is None
    assert site.faults.active == {}, "it is over"
    await wire.write("cabinet1", control + 22, "HHi", 1, 1, 6000)
    await site.advance(60)
    assert 80 < await wire.value("cabinet1", injected, "Q") < 110


async def test_the_meters_counters_start_anew_too(site: SimulatedSite, wire: Wire) -> None:
    assert await wire.value("grid", IMPORTED, "f", function=4) > 0
    await site.advance(600)
    await site.faults.inject("grid", Fault.RESTART, downtime_s=0)
    await asyncio.sleep(0.05)
    assert await wire.value("grid", IMPORTED, "f", function=4) == 0
    assert await wire.value("grid", 346, "f", function=4) == 0, "never read before"


async def test_the_state_of_charge_jumps(site: SimulatedSite, wire: Wire) -> None:
    await site.faults.inject("cabinet2", Fault.SOC_JUMP, soc=0.31)
    assert await wire.value("cabinet2", 302, "H") == 31
    assert site.physics.batteries["cabinet2"].min_soc == 0.31


async def test_an_overheated_cabinet_gives_less_and_says_so(
    site: SimulatedSite, wire: Wire
) -> None:
    await site.faults.inject("cabinet1", Fault.OVERHEAT)
    await site.advance(5 * 3600)
    models = await wire.models("cabinet1")
    assert models[701][1][36] > 450
    assert models[701][1][7] & 1 << 7
    assert models[713][1][6] == 1
    assert models[802][1][46] < models[802][1][45] * 1.2
    assert site.physics.batteries["cabinet1"].discharge_limit_w < 16000
    await site.faults.clear("cabinet1")
    await site.advance(5 * 3600)
    assert site.physics.batteries["cabinet1"].discharge_limit_w == 20000


async def test_a_lost_grid_is_zero_volt_at_the_meter(site: SimulatedSite, wire: Wire) -> None:
    await site.faults.inject("site", Fault.GRID_LOSS)
    await site.advance(5)
    assert await wire.value("grid", 0, "f", function=4) == 0
    assert await power_w(wire) == 0
    assert site.physics.battery_w > 0
    await site.faults.clear("site")
    await site.advance(5)
    assert await wire.value("grid", 0, "f", function=4) > 200


async def test_a_skewed_clock_is_wrong_about_the_time_of_day_only(site: SimulatedSite) -> None:
    before, monotonic_s = site.clock.now(), site.clock.monotonic_s()
    await site.faults.inject("site", "clock_skew", seconds=-300)
    assert (site.clock.now() - before).total_seconds() == -300
    assert site.clock.monotonic_s() == monotonic_s
    await site.faults.clear_all()
    assert site.clock.now() == before


async def test_several_faults_add_up_and_are_cleared_one_by_one(
    site: SimulatedSite, wire: Wire
) -> None:
    await site.faults.inject("cabinet2", Fault.IGNORED_WRITES)
    await site.faults.inject("cabinet2", Fault.WRONG_VALUES, quantity="soc", value=99)
    assert set(site.faults.active["cabinet2"]) == {Fault.IGNORED_WRITES, Fault.WRONG_VALUES}
    assert await wire.value("cabinet2", 302, "H") == 99
    await site.faults.clear("cabinet2", Fault.IGNORED_WRITES)
    await wire.write("cabinet2", SETPOINT, "f", 500.0)
    assert site.physics.batteries["cabinet2"].command_w == 500
    assert await wire.value("cabinet2", 302, "H") == 99


@pytest.mark.parametrize(
    ("device_id", "fault", "parameters", "said"),
    [
        ("grid", "gremlins", {}, "'gremlins' is not a fault; one of no_answer,"),
        ("attic", "slow", {}, "no device 'attic'; one of grid, cabinet1"),
        ("grid", "slow", {"delay": 1}, "no parameter 'delay'; it takes: delay_s"),
        ("grid", "slow", {"delay_s": -1}, "delay_s must be a number in 0..3600"),
        ("grid", "slow", {"delay_s": "long"}, "delay_s must be a number"),
        ("grid", "slow", {"delay_s": float("nan")}, "delay_s must be a number"),
        ("grid", "soc_jump", {"soc": 0.5}, "needs a battery; 'grid' is none"),
        ("cabinet1", "soc_jump", {}, "needs 'soc', 0..1"),
        ("grid", "grid_loss", {}, "a fault of the site as a whole"),
        ("site", "slow", {}, "a fault of a device, not the site"),
        ("grid", "wrong_values", {"quantity": "soc"}, "'grid' does not report 'soc'"),
        ("grid", "wrong_values", {"quantity": "mood"}, "does not report 'mood'"),
    ],
)
async def test_nonsense_is_explained(
    site: SimulatedSite, device_id: str, fault: str, parameters: dict[str, float], said: str
) -> None:
    with pytest.raises(FaultError) as error:
        await site.faults.inject(device_id, fault, **parameters)
    assert said in str(error.value)
    assert site.faults.active == {}


async def test_clearing_what_is_not_there_is_harmless_but_not_for_unknown_devices(
    site: SimulatedSite,
) -> None:
    await site.faults.clear("grid")
    await site.faults.clear("site")
    with pytest.raises(FaultError):
        await site.faults.clear("attic")
