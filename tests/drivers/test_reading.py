"""What a poll makes of registers: values in our units and signs, in few requests."""

from contextlib import nullcontext
import math

from pymodbus.constants import ExcCodes
import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import (
    CannotConnectError,
    NoAnswerError,
    RefusedError,
    Scope,
    WrongDeviceError,
)
from custom_components.computeload.drivers.layout import RETRY_S
from custom_components.computeload.drivers.modbus import open_device

from .servers import (
    INPUT,
    FakeDevice,
    HandClock,
    connected,
    made,
    opened,
    served,
    shipped,
    text,
    words,
)

pytestmark = pytest.mark.usefixtures("socket_enabled")


def sdm630() -> FakeDevice:
    """Return a meter that draws 3 kW on L1 and feeds in 1 kW on L2."""
    device = FakeDevice()
    device.set(0, [0] * 88, space=INPUT)
    device.set(0, words("f", 229.5, 230.5, 231.5, 13.0, 4.5, 0.25), space=INPUT)
    device.set(12, words("f", 3000.0, -1000.0, 50.5), space=INPUT)
    device.set(52, words("f", 2050.5), space=INPUT)
    device.set(70, words("f", 49.98, 1234.5, 7.25), space=INPUT)
    device.set(64512, words("I", 12345678))
    return device


@pytest.mark.parametrize("pymodbus", [False, True], ids=["tmodbus", "pymodbus"])
async def test_a_meter_is_read_in_one_request_by_either_client(*, pymodbus: bool) -> None:
    device = sdm630()
    async with opened(shipped("eastron_sdm630"), device, pymodbus=pymodbus) as meter:
        for scope in Scope:
            device.requests.clear()
            reading = await meter.read(scope)
            assert len(device.requests) == 1
            assert reading.values[Quantity.POWER_W] == 2050.5
            assert reading.values[Quantity.POWER_L2_W] == -1000.0
            assert reading.values[Quantity.CURRENT_L1_A] == 13.0
            assert reading.number(Quantity.ENERGY_IMPORT_WH) == 1234500.0
            assert reading.number(Quantity.ENERGY_EXPORT_WH) == 7250.0
        assert reading.number(Quantity.FREQUENCY_HZ) == pytest.approx(49.98)
        assert set(reading.values) <= set(Quantity)


async def test_identify_tells_the_serial_number() -> None:
    async with opened(shipped("eastron_sdm630"), sdm630()) as meter:
        identity = await meter.identify()
    assert (identity.manufacturer, identity.serial) == ("Eastron", "12345678")


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf, 3.4e38])
async def test_what_is_not_finite_or_not_plausible_is_absent(raw: float) -> None:
    device = sdm630()
    device.set(52, words("f", raw), space=INPUT)
    async with opened(shipped("eastron_sdm630"), device) as meter:
        reading = await meter.read(Scope.FAST)
    assert Quantity.POWER_W not in reading.values
    assert Quantity.POWER_L1_W in reading.values


async def test_signs_units_and_biases_become_ours() -> None:
    profile = made("""
registers:
  power_w: {at: 0, type: int32, scale: 10, sign: export_positive}
  voltage_l1_v: {at: 2, type: uint16, scale: 0.1}
  temperature_c: {at: 3, type: uint16, offset: -1000, scale: 0.1}
  energy_import_wh: {at: 4, type: uint32, word_order: little, unit: kWh, scale: 0.01}
  soc: {at: 6, type: uint16, unit: "%", scale: 0.1}
  power_factor: {at: 7, type: int16, scale: 0.001}
""")
    device = FakeDevice()
    device.set(0, [*words("i", -500), 2305, 1215, 0x0001, 0x0002, 987, *words("h", -950)])
    async with opened(profile, device) as meter:
        values = (await meter.read(Scope.FULL)).values
    assert values[Quantity.POWER_W] == 5000.0
    assert values[Quantity.VOLTAGE_L1_V] == pytest.approx(230.5)
    assert values[Quantity.TEMPERATURE_C] == pytest.approx(21.5)
    assert values[Quantity.ENERGY_IMPORT_WH] == pytest.approx(0x20001 * 10.0)
    assert values[Quantity.SOC] == pytest.approx(0.987)
    assert values[Quantity.POWER_FACTOR] == pytest.approx(-0.95)


async def test_tables_bits_masks_and_texts_become_words() -> None:
    profile = made("""
registers:
  power_w: {at: 0, type: int16, sign: import_positive}
  state: {at: 1, type: uint16, mask: 0xFF00, values: {1: running, 2: off}}
  alarms: {join: [inverter_alarms, own_alarms]}
  grid_present: {at: 1, type: uint16, mask: 0x00FF, values: {0: 1, 7: 0}}
helpers:
  inverter_alarms: {at: 2, type: uint16, bits: {0: too hot, 3: door open}}
  own_alarms: {at: 3, type: uint16, bits: {1: fan}, nan: 0xFFFF}
""")
    device = FakeDevice()
    device.set(0, [5, 0x0107, 0b11001, 0b10])
    async with opened(profile, device) as meter:
        first = (await meter.read(Scope.FULL)).values
        device.set(1, [0x0500, 0, 0xFFFF])
        second = (await meter.read(Scope.FULL)).values
    assert first[Quantity.STATE] == "running"
    assert first[Quantity.GRID_PRESENT] == 0.0
    assert first[Quantity.ALARMS] == "too hot, door open, bit 4, fan"
    assert second[Quantity.STATE] == "code 5"
    assert second[Quantity.GRID_PRESENT] == 1.0
    assert second[Quantity.ALARMS] == ""


async def test_values_are_made_from_others_and_absent_while_one_is_missing() -> None:
    profile = made("""
registers:
  power_w: {sum: [power_l1_w, power_l2_w]}
  power_l1_w: {at: 0, type: int16, sign: import_positive}
  power_l2_w: {difference: [bought, sold]}
  setpoint_w: {at: 3, type: int16, sign: import_positive, when: {mode: [2, 4]}}
  rated_power_w: {first: [preferred, other], factor: 1000}
  charge_limit_w: {smallest: [bought, sold]}
helpers:
  bought: {at: 1, type: uint16, nan: [0xFFFF, 0xFFFE]}
  sold: {at: 2, type: uint16}
  mode: {at: 4, type: uint16}
  preferred: {at: 5, type: uint16, nan: 0}
  other: {at: 6, type: uint16}
""")
    device = FakeDevice()
    device.set(0, [100, 30, 250, 77, 2, 0, 9])
    async with opened(profile, device) as meter:
        first = (await meter.read(Scope.FULL)).values
        device.set(1, [0xFFFE])
        device.set(4, [3, 4])
        second = (await meter.read(Scope.FULL)).values
    assert first[Quantity.POWER_L2_W] == -220.0
    assert first[Quantity.POWER_W] == -120.0
    assert (
        first[Quantity.SETPOINT_W],
        first[Quantity.RATED_POWER_W],
        first[Quantity.CHARGE_LIMIT_W],
    ) == (77, 9000, 30)
    assert second.keys() == {Quantity.POWER_L1_W, Quantity.RATED_POWER_W}
    assert second[Quantity.RATED_POWER_W] == 4000.0


async def test_a_scale_register_is_read_in_the_same_request_and_may_change() -> None:
    profile = made("""
registers:
  power_w: {at: 10, type: int16, scale_register: 14, sign: import_positive}
""")
    device = FakeDevice()
    device.set(10, [*words("h", -123), 0, 0, 0, *words("h", -1)])
    async with opened(profile, device) as meter:
        assert (await meter.read(Scope.FAST)).values[Quantity.POWER_W] == pytest.approx(-12.3)
        device.set(14, [2])
        assert (await meter.read(Scope.FAST)).values[Quantity.POWER_W] == -12300.0
        device.set(14, [99])
        assert Quantity.POWER_W not in (await meter.read(Scope.FAST)).values
    assert device.requests == [(3, 10, 5)] * 3


BRANCHED = """
registers:
  power_w: {sum_of_channels: power_w}
channels:
  count: 3
  most: 5
  base: 1000
  stride: 100
  registers:
    power_w: {at: 4, type: int32, sign: consumption_positive}
    voltage_l1_v: {at: 0, type: uint16}
"""


async def test_channels_are_read_and_summed() -> None:
    device = FakeDevice()
    for channel in range(5):
        device.set(1000 + 100 * channel, [230 + channel, 0, 0, 0, *words("i", 100 * channel)])
    async with opened(made(BRANCHED, "load"), device) as load:
        reading = await load.read(Scope.FULL)
        assert [c[Quantity.VOLTAGE_L1_V] for c in reading.channels] == [230, 231, 232]
        assert reading.values == {Quantity.POWER_W: 300.0}
        fast = await load.read(Scope.FAST)
        assert fast.channels == tuple({Quantity.POWER_W: 100.0 * n} for n in range(3))
    async with opened(made(BRANCHED, "load"), device, channels=5) as load:
        assert (await load.read(Scope.FAST)).values[Quantity.POWER_W] == 1000.0
        with pytest.raises(ValueError, match="at most 5 channels"):
            async with opened(made(BRANCHED, "load"), device, channels=6):
                pass


async def test_the_shipped_branch_meter_reads_its_six_loads() -> None:
    device = FakeDevice()
    for channel in range(6):
        base = 18432 + 2048 * channel
        device.set(base, [0] * 80)
        device.set(base + 12, words("I", 23010))
        device.set(base + 26, words("I", 4500))
        device.set(base + 44, words("i", 1000 + channel))
        device.set(base + 1411, words("I", 17))
        device.set(base + 1414, words("I", 0))
    async with opened(shipped("socomec_digiware"), device) as load:
        reading = await load.read(Scope.FULL)
    assert reading.values[Quantity.POWER_W] == 6015.0
    assert reading.channels[5][Quantity.POWER_W] == 1005.0
    assert reading.channels[0][Quantity.VOLTAGE_L1_V] == pytest.approx(230.1)
    assert reading.channels[0][Quantity.CURRENT_L1_A] == pytest.approx(4.5)
    assert reading.channels[0][Quantity.ENERGY_IMPORT_WH] == 17000.0


SCATTERED = """
registers:
  power_w: {at: 0, type: int16, sign: import_positive}
  voltage_l1_v: {at: 2, type: uint16}
  voltage_l2_v: {at: 3, type: uint16}
  voltage_l3_v: {at: 4, type: uint16}
  frequency_hz: {at: 9, type: uint16}
"""


async def test_a_gap_that_is_refused_is_not_read_again() -> None:
    device = FakeDevice()
    device.set(0, [7])
    device.set(2, [1, 2, 3])
    device.set(9, [50])
    async with opened(made(SCATTERED), device) as meter:
        first = await meter.read(Scope.FULL)
        device.requests.clear()
        second = await meter.read(Scope.FULL)
    assert first.values == second.values
    assert len(second.values) == 5
    assert device.requests == [(3, 0, 1), (3, 2, 3), (3, 9, 1)]
    assert meter.refused == frozenset()


async def test_what_the_device_does_not_have_is_found_and_tried_again_later() -> None:
    clock = HandClock()
    device = FakeDevice()
    device.set(0, [7, 0, 1, 2])
    device.set(5, [0, 0, 0, 0, 50])
    async with opened(made(SCATTERED), device, clock=clock) as meter:
        reading = await meter.read(Scope.FULL)
        assert reading.values.keys() == {
            Quantity.POWER_W,
            Quantity.VOLTAGE_L1_V,
            Quantity.VOLTAGE_L2_V,
            Quantity.FREQUENCY_HZ,
        }
        assert meter.refused == {Quantity.VOLTAGE_L3_V}
        device.set(4, [3])
        assert Quantity.VOLTAGE_L3_V not in (await meter.read(Scope.FULL)).values
        clock.passed_s = RETRY_S + 1
        assert (await meter.read(Scope.FULL)).values[Quantity.VOLTAGE_L3_V] == 3
        assert meter.refused == frozenset()


async def test_a_device_that_refuses_its_power_is_an_error_and_nothing_is_learned() -> None:
    device = FakeDevice()
    device.set(0, [7, 0, 1, 2, 3, 0, 0, 0, 0, 50])
    device.refuse = lambda *_: ExcCodes.ILLEGAL_ADDRESS
    async with opened(made(SCATTERED), device) as meter:
        for scope in Scope:
            with pytest.raises(RefusedError) as caught:
                await meter.read(scope)
            assert caught.value.placeholders["code"] == "2"
        device.refuse = lambda *_: None
        assert len((await meter.read(Scope.FULL)).values) == 5


async def test_a_device_that_fails_is_an_error_and_nothing_is_learned() -> None:
    device = FakeDevice()
    device.set(0, [7, 0, 1, 2, 3, 0, 0, 0, 0, 50])
    device.refuse = lambda *_: ExcCodes.DEVICE_FAILURE
    async with opened(made(SCATTERED), device) as meter:
        with pytest.raises(RefusedError, match="exception code 4"):
            await meter.read(Scope.FULL)
        device.refuse = lambda *_: None
        assert len((await meter.read(Scope.FULL)).values) == 5
        assert device.requests == [(3, 0, 10)]


async def test_a_silent_device_costs_one_time_limit_and_the_link_stays_up() -> None:
    device = sdm630()
    async with opened(shipped("eastron_sdm630"), device, timeout_s=0.2) as meter:
        await meter.read(Scope.FAST)
        device.answering.clear()
        with pytest.raises(NoAnswerError) as caught:
            await meter.read(Scope.FAST)
        assert caught.value.placeholders == {"device": "Eastron SDM630", "timeout_s": "0.2"}
        device.answering.set()
        device.set(52, words("f", 1.5), space=INPUT)
        assert (await meter.read(Scope.FAST)).values[Quantity.POWER_W] == 1.5


async def test_an_address_where_nobody_listens_is_named_as_such() -> None:
    async with connected(9) as unit:
        meter = open_device(shipped("eastron_sdm630"), unit, HandClock())
        with pytest.raises(CannotConnectError):
            await meter.read(Scope.FAST)
        meter.close()


async def test_blocks_and_lengths_of_the_profile_are_kept() -> None:
    profile = made("""
link:
  max_registers: 4
  ranges: {holding: [[0, 5], [6, 20]]}
registers:
  power_w: {at: 0, type: int16, sign: import_positive}
  voltage_l1_v: {at: 3, type: uint16}
  voltage_l2_v: {at: 4, type: uint16}
  voltage_l3_v: {at: 6, type: uint16}
  state: {at: 8, type: uint16, values: {0: idle}}
""")
    device = FakeDevice()
    device.set(0, [0] * 21)
    async with opened(profile, device) as meter:
        await meter.read(Scope.FULL)
    assert device.requests == [(3, 0, 4), (3, 4, 1), (3, 6, 3)]


async def test_text_identities_are_trimmed() -> None:
    profile = made("""
identity:
  model: {at: 10, type: string, count: 4}
registers:
  power_w: {at: 0, type: int16, sign: import_positive}
""")
    device = FakeDevice()
    device.set(0, [0])
    device.set(10, text("AB 1  ", 4))
    async with opened(profile, device) as meter:
        identity = await meter.identify()
    assert (identity.manufacturer, identity.model) == ("Somebody", "AB 1")


async def test_a_silent_second_unit_costs_only_its_own_values() -> None:
    profile = made(
        """
link: {more_unit_ids: {battery: 225}}
registers:
  power_w: {at: 0, type: int16, sign: discharge_positive}
  soc: {at: 0, type: uint16, unit: "%", unit_id: battery}
""",
        "battery",
    )
    system, battery = FakeDevice(), FakeDevice()
    system.set(0, [1200])
    battery.set(0, [77])
    async with (
        served(system) as port,
        served(battery, unit_id=225) as other_port,
        connected(port) as unit,
        connected(other_port, unit_id=225) as other,
    ):
        device = open_device(
            profile, unit, HandClock(), more_units={"battery": other}, request_timeout_s=0.2
        )
        both = {Quantity.POWER_W: 1200.0, Quantity.SOC: pytest.approx(0.77)}
        assert (await device.read(Scope.FULL)).values == both
        battery.answering.clear()
        assert (await device.read(Scope.FULL)).values == {Quantity.POWER_W: 1200.0}
        battery.answering.set()
        assert (await device.read(Scope.FULL)).values == both
        device.close()


async def test_a_battery_whose_second_unit_id_is_not_known_is_only_read() -> None:
    device = FakeDevice()
    device.set(800, [0x3031] * 50)
    device.set(2902, [2])
    async with served(device, unit_id=100) as port, connected(port, unit_id=100) as unit:
        battery = open_device(shipped("victron_gx_ess"), unit, HandClock())
        values = (await battery.read(Scope.FULL)).values
        assert Quantity.POWER_W in values
        assert Quantity.SETPOINT_W not in values
        assert battery.contract is None
        with pytest.raises(RefusedError, match="only be read"):
            await battery.command(1000.0)
        await battery.release()
        battery.close()
    assert device.writes == []


async def test_a_mistyped_second_unit_id_is_noticed_when_the_device_is_added() -> None:
    system, inverters = FakeDevice(), FakeDevice()
    system.set(800, [0x3031] * 50)
    system.set(2902, [2])
    inverters.set(37, [0] * 5)
    async with (
        served(system, unit_id=100) as port,
        served(inverters, unit_id=227) as other_port,
        connected(port, unit_id=100) as unit,
        connected(other_port, unit_id=227) as right,
        connected(other_port, unit_id=246) as wrong,
    ):
        for other in (right, wrong):
            battery = open_device(
                shipped("victron_gx_ess"),
                unit,
                HandClock(),
                more_units={"vebus": other},
                request_timeout_s=5.0,
            )
            await battery.identify()
            with (
                nullcontext() if other is right else pytest.raises(WrongDeviceError, match="vebus")
            ):
                await battery.find_units()
            battery.close()


async def test_a_link_that_comes_back_is_used_again() -> None:
    device = sdm630()
    async with served(device) as port, connected(port) as unit:
        meter = open_device(shipped("eastron_sdm630"), unit, HandClock())
        await meter.read(Scope.FAST)
        await unit.disconnect()
        assert (await meter.read(Scope.FAST)).values[Quantity.POWER_W] == 2050.5
        meter.close()


@pytest.mark.parametrize("stored", ["AB12", "\0A\0B\x001\x002", "AB12\0\0\0\0", "AB12    "])
async def test_a_text_may_have_one_character_per_register(stored: str) -> None:
    device = FakeDevice()
    device.set(0, [1])
    device.set(10, text(stored, 5))
    body = """identity:
  serial: {at: 10, type: string, count: 5}
registers:
  power_w: {at: 0, type: int16, sign: import_positive}
"""
    async with opened(made(body), device) as meter:
        assert (await meter.identify()).serial == "AB12"


async def test_a_device_without_a_serial_number_is_still_the_right_one() -> None:
    device = FakeDevice()
    device.set(0, [1])
    body = """identity:
  serial: {at: 10, type: string, count: 5}
registers:
  power_w: {at: 0, type: int16, sign: import_positive}
"""
    async with opened(made(body), device) as meter:
        identity = await meter.identify()
    assert identity.serial is None
    assert identity.manufacturer == "Somebody"
    device.holding.clear()
    async with opened(made(body), device) as nothing:
        with pytest.raises(WrongDeviceError):
            await nothing.identify()
