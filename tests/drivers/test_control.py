"""Taking control, commanding, and giving control back."""

import asyncio
import math

from hypothesis import given, strategies as st
from pymodbus.constants import ExcCodes
import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import CannotConnectError, RefusedError, Scope
from custom_components.computeload.drivers.decode import encode
from custom_components.computeload.drivers.modbus import open_device
from custom_components.computeload.drivers.spec import Constant, Part, Register, RegisterType

from .servers import (
    INPUT,
    FakeDevice,
    HandClock,
    connected,
    contract,
    made,
    opened,
    served,
    shipped,
    text,
    words,
)
from .sunspec_device import SunSpecDevice, inverter, storage

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def test_a_sunspec_battery_is_enabled_once_and_then_commanded_in_one_request() -> None:
    device = SunSpecDevice(storage())
    wset, timer = device.place(704, "WSetEna"), device.place(704, "WSetRvrtTms")
    async with opened(shipped("sunspec_battery"), device) as battery:
        await battery.command(-12345.0)
        assert device.writes == [
            (16, timer, [0, 60]),
            (6, device.place(704, "WSetEnaRvrt"), [0]),
            (16, wset, [1, 1, *words("i", -1234)]),
        ]
        assert (await battery.read(Scope.FULL)).values[Quantity.SETPOINT_W] == -12340.0
        device.writes.clear()
        device.requests.clear()
        await battery.command(20000.0)
        assert device.writes == [(16, wset, [1, 1, 0, 2000])]
        assert device.requests == [], "a command reads nothing"
        device.writes.clear()
        await battery.release()
        assert device.writes == [(6, wset, [0])]


async def test_releasing_a_device_that_was_never_commanded_is_harmless() -> None:
    device = SunSpecDevice(storage())
    async with opened(shipped("sunspec_battery"), device) as battery:
        await battery.release()
        await battery.release()
    assert device.writes == [(6, device.place(704, "WSetEna"), [0])] * 2


async def test_control_is_taken_anew_after_a_lapse() -> None:
    clock = HandClock()
    device = SunSpecDevice(storage())
    async with opened(shipped("sunspec_battery"), device, clock=clock) as battery:
        await battery.command(1000.0)
        clock.passed_s = 59
        device.writes.clear()
        await battery.command(1000.0)
        assert len(device.writes) == 1
        clock.passed_s += 60
        await battery.command(1000.0)
        assert len(device.writes) == 1 + 3


async def test_control_is_taken_anew_when_the_device_reports_that_it_dropped_it() -> None:
    clock = HandClock()
    device = SunSpecDevice(storage())
    async with opened(shipped("sunspec_battery"), device, clock=clock) as battery:
        await battery.command(1000.0)
        device.put(704, "WSetEna", 0)
        await battery.read(Scope.FULL)
        device.writes.clear()
        await battery.command(1000.0)
        assert len(device.writes) == 1, "within the reaction time nothing can be concluded"
        device.put(704, "WSetEna", 0)
        clock.passed_s = 5
        await battery.read(Scope.FULL)
        await battery.command(1000.0)
        assert len(device.writes) == 1 + 3


async def test_control_is_taken_anew_after_the_link_was_lost() -> None:
    device = SunSpecDevice(storage())
    async with served(device) as port:
        pass
    async with connected(port) as unit:
        lost = asyncio.Event()
        unit.on_connection_lost(lost.set)
        battery = open_device(shipped("sunspec_battery"), unit, HandClock())
        async with served(device, port=port):
            await battery.command(1000.0)
            device.writes.clear()
            await battery.command(1000.0)
            assert len(device.writes) == 1
        await asyncio.wait_for(lost.wait(), 5)
        with pytest.raises(CannotConnectError):
            await battery.command(1000.0)
        async with served(device, port=port):
            device.writes.clear()
            await battery.command(1000.0)
            assert len(device.writes) == 3
        battery.close()


async def test_control_is_taken_anew_where_the_map_has_moved() -> None:
    device = SunSpecDevice(storage())
    async with opened(shipped("sunspec_battery"), device) as battery:
        await battery.command(1000.0)
        device.lay_out(storage(), base=0)
        await battery.read(Scope.FAST)
        device.writes.clear()
        await battery.command(1000.0)
        assert device.writes[-1] == (16, device.place(704, "WSetEna"), [1, 1, 0, 100])
    assert len(device.writes) == 3


@pytest.mark.parametrize(
    ("power_w", "percent"), [(15000.0, 500), (0.0, 0), (-5.0, 0), (99000.0, 1000), (12346.0, 412)]
)
async def test_a_pv_limit_is_a_percentage_of_the_rating(power_w: float, percent: int) -> None:
    device = SunSpecDevice(inverter())
    async with opened(shipped("sunspec_pv"), device) as pv:
        await pv.command(power_w)
        assert device.writes == [
            (6, device.place(123, "WMaxLimPct_RvrtTms"), [60]),
            (6, device.place(123, "WMaxLimPct"), [percent]),
            (6, device.place(123, "WMaxLim_Ena"), [1]),
        ]
        limit_w = (await pv.read(Scope.FULL)).number(Quantity.POWER_LIMIT_W)
        assert limit_w == pytest.approx(percent * 30.0)
        await pv.release()
        assert Quantity.POWER_LIMIT_W not in (await pv.read(Scope.FULL)).values


async def test_a_pv_inverter_without_a_rating_refuses_a_limit_in_watts() -> None:
    device = SunSpecDevice({**inverter(), 120: {}})
    async with opened(shipped("sunspec_pv"), device) as pv:
        with pytest.raises(RefusedError, match="rated_power_w"):
            await pv.command(1000.0)


async def test_a_device_without_the_control_model_refuses_commands() -> None:
    models = {number: points for number, points in storage().items() if number != 704}
    async with opened(shipped("sunspec_battery"), SunSpecDevice(models)) as battery:
        assert (await battery.read(Scope.FULL)).values[Quantity.POWER_W] == -8000.0
        with pytest.raises(RefusedError, match=r"der_controls\.WSetRvrtTms"):
            await battery.command(1000.0)


def openems() -> FakeDevice:
    """Return a FEMS whose storage discharges with 5 kW."""
    device = FakeDevice()
    device.set(0, [0x6201, 199], space=INPUT)
    device.set(200, [0] * 300, space=INPUT)
    device.set(500, [0] * 300, space=INPUT)
    device.set(706, [0, 0])
    device.set(200, text("_sum", 16), space=INPUT)
    device.set(500, text("ess0", 16), space=INPUT)
    device.set(302, [55, *words("f", 5000.0)], space=INPUT)
    device.set(351, words("d", 123456.0, 654321.0), space=INPUT)
    device.set(417, [2], space=INPUT)
    device.set(420, words("f", 120000.0), space=INPUT)
    device.set(702, words("f", -40000.0, 45000.0), space=INPUT)
    return device


async def test_an_openems_battery_is_read_and_commanded() -> None:
    device = openems()
    async with opened(shipped("openems_fems"), device) as battery:
        await battery.identify()
        values = (await battery.read(Scope.FULL)).values
        device.requests.clear()
        await battery.read(Scope.FAST)
        assert len(device.requests) == 2
        await battery.release()
        assert device.writes == [], "nothing was held, so that nothing is given back"
        await battery.command(-1500.5)
        await battery.release()
        await battery.release()
    assert values == {
        Quantity.POWER_W: 5000.0,
        Quantity.SOC: pytest.approx(0.55),
        Quantity.ENERGY_IMPORT_WH: 123456.0,
        Quantity.ENERGY_EXPORT_WH: 654321.0,
        Quantity.GRID_PRESENT: 0.0,
        Quantity.CAPACITY_WH: 120000.0,
        Quantity.CHARGE_LIMIT_W: 40000.0,
        Quantity.DISCHARGE_LIMIT_W: 45000.0,
        Quantity.STATE: "ok",
    }
    assert device.writes == [(16, 706, words("f", -1500.5)), (16, 706, [0, 0])]


async def test_a_refused_command_is_named_and_control_is_taken_anew_afterwards() -> None:
    device = SunSpecDevice(storage())
    wset = device.place(704, "WSetEna")
    async with opened(shipped("sunspec_battery"), device) as battery:
        await battery.command(1000.0)
        device.refuse = lambda function, *_: ExcCodes.ILLEGAL_VALUE if function == 16 else None
        with pytest.raises(RefusedError) as caught:
            await battery.command(2000.0)
        assert caught.value.placeholders["what"] == "writing der_controls.WSetEna"
        assert caught.value.placeholders["code"] == "3"
        device.refuse = lambda *_: None
        device.writes.clear()
        await battery.command(2000.0)
    assert [address for _, address, _ in device.writes][-1] == wset
    assert len(device.writes) == 3


@pytest.mark.parametrize("power_w", [math.nan, math.inf, -math.inf])
async def test_what_is_not_a_power_is_never_written(power_w: float) -> None:
    device = SunSpecDevice(storage())
    async with opened(shipped("sunspec_battery"), device) as battery:
        with pytest.raises(RefusedError):
            await battery.command(power_w)
    assert device.writes == []


async def test_a_meter_cannot_be_commanded() -> None:
    async with opened(shipped("eastron_sdm630"), FakeDevice()) as meter:
        with pytest.raises(RefusedError, match="only be read"):
            await meter.command(0.0)
        await meter.release()


WORDED = f"""
registers:
  power_w: {{at: 0, type: int16, sign: charge_positive}}
control:
  contract:
{contract()}
  enable:
    - {{write: {{at: 10, type: uint16, value: 2}}}}
    - {{wait_s: 0.01}}
    - {{check: mode, is: 2, within_s: 1, remedy: allow remote control in the menu}}
  setpoint:
    - write: {{at: 11, type: uint16, words: {{charge: 0xAA, discharge: 0xBB, idle: 0xCC}}}}
    - {{write: {{at: 12, type: uint16, scale: 10, power: magnitude, limits: [0, 5000]}}}}
    - {{write: {{at: 13, type: uint32, power: magnitude, word_order: little}}, only: charge}}
    - {{write: {{at: 15, type: uint16, counter: true}}, fc: 16}}
    - block:
        - {{at: 20, type: uint16, value: 1}}
        - {{at: 21, type: int32, offset: -32000, power: discharge_positive}}
        - {{at: 23, type: uint16, scale: 60, value: lapse_s}}
  release:
    - {{write: {{at: 11, type: uint16, value: 0xCC}}}}
    - {{write: {{at: 10, type: uint16, value: 0}}, only: engaged}}
helpers:
  mode: {{at: 10, type: uint16}}
"""


async def test_words_magnitudes_counters_biases_and_blocks_are_written_as_described() -> None:
    device = FakeDevice()
    device.set(0, [0] * 30)
    async with opened(made(WORDED, "battery"), device) as battery:
        await battery.command(-70000.0)
        assert device.writes == [
            (6, 10, [2]),
            (6, 11, [0xAA]),
            (6, 12, [500]),
            (16, 13, [0x1170, 0x0001]),
            (16, 15, [1]),
            (16, 20, [1, *words("i", -38000), 1]),
        ]
        device.writes.clear()
        await battery.command(300.0)
        assert device.writes == [
            (6, 11, [0xBB]),
            (6, 12, [30]),
            (16, 15, [2]),
            (16, 20, [1, *words("i", 32300), 1]),
        ]
        device.writes.clear()
        await battery.command(0.2)
        assert device.writes[0] == (6, 11, [0xCC])
        device.writes.clear()
        await battery.release()
        await battery.release()
        assert device.writes == [(6, 11, [0xCC]), (6, 10, [0]), (6, 11, [0xCC])]


async def test_a_check_that_fails_tells_the_user_what_to_do() -> None:
    device = FakeDevice()
    device.set(0, [0] * 30)
    profile = made(WORDED.replace("within_s: 1,", "").replace("is: 2", "is: 5"), "battery")
    async with opened(profile, device) as battery:
        with pytest.raises(RefusedError, match="allow remote control in the menu"):
            await battery.command(100.0)
    assert device.writes == [(6, 10, [2])]


STORED = f"""
registers:
  power_w: {{at: 0, type: int16, sign: discharge_positive}}
control:
  contract:
{contract()}
  enable:
    - {{write: {{at: 10, type: uint16, value: 4}}, unless: {{mode: 4}}}}
    - {{write: {{at: 11, type: uint16, value: 1}}, unless: {{mode: 4, policy: [1, 2]}}}}
  setpoint:
    - {{write: {{at: 12, type: int16, power: discharge_positive}}}}
  release:
    - {{write: {{at: 10, type: uint16, value: 1}}, unless: {{mode: [1, 2]}}}}
helpers:
  mode: {{at: 10, type: uint16}}
  policy: {{at: 11, type: uint16}}
"""


@pytest.mark.parametrize(
    ("mode", "policy", "enabling", "releasing"),
    [
        (0, 0, [(6, 10, [4]), (6, 11, [1])], [(6, 10, [1])]),
        (4, 0, [(6, 11, [1])], [(6, 10, [1])]),
        (4, 2, [], [(6, 10, [1])]),
    ],
)
async def test_what_the_device_has_stored_already_is_not_stored_again(
    mode: int,
    policy: int,
    enabling: list[tuple[int, int, list[int]]],
    releasing: list[tuple[int, int, list[int]]],
) -> None:
    device = FakeDevice()
    device.set(0, [0] * 20)
    device.set(10, [mode, policy])
    async with opened(made(STORED, "battery"), device) as battery:
        await battery.command(7.0)
        assert device.writes == [*enabling, (6, 12, [7])]
        device.writes.clear()
        await battery.release()
        assert device.writes == releasing
        device.writes.clear()
        await battery.release()
        assert device.writes == [], "it is in its own mode already"


async def test_a_device_that_was_left_in_remote_mode_is_given_back_by_a_first_release() -> None:
    device = FakeDevice()
    device.set(0, [0] * 20)
    device.set(10, [4, 1])
    async with opened(made(STORED, "battery"), device) as battery:
        await battery.release()
    assert device.writes == [(6, 10, [1])]


FLASH = f"""
registers:
  power_w: {{at: 0, type: int16, sign: discharge_positive}}
helpers:
  greatest: {{at: 5, type: uint16, scale: 10}}
control:
  contract:
{contract(lapse_s="null", heartbeat_s="null", persistent="true")}
  enable:
    - {{write: {{at: 90, type: uint16, value: 60}}, optional: true}}
  setpoint:
    - write: {{at: 11, type: uint16, words: {{charge: 1, discharge: 2, idle: 0}}}}
    - {{write: {{at: 12, type: uint16, power: magnitude}}}}
  release:
    - {{write: {{at: 11, type: uint16, value: 0}}}}
    - {{write: {{at: 12, type: uint16, scale: 10, reported: greatest}}}}
"""


async def test_of_what_is_stored_in_flash_only_changes_are_written() -> None:
    device = FakeDevice()
    device.set(0, [0] * 20)
    device.set(5, [33])
    async with opened(made(FLASH, "battery"), device) as battery:
        await battery.command(-500.0)
        assert device.writes == [(6, 11, [1]), (6, 12, [500])], "without the register that it lacks"
        device.writes.clear()
        await battery.command(-500.0)
        assert device.writes == []
        await battery.command(-600.0)
        await battery.command(600.0)
        assert device.writes == [(6, 12, [600]), (6, 11, [2])]
        device.writes.clear()
        await battery.release()
        assert device.writes == [(6, 11, [0]), (6, 12, [33])]
        device.writes.clear()
        await battery.command(600.0)
        assert device.writes == [(6, 11, [2]), (6, 12, [600])], "after a release nothing is known"
        device.writes.clear()
        battery.link_lost()
        await battery.command(600.0)
        assert len(device.writes) == 2, "nor after a lost link"


async def test_an_optional_step_that_fails_for_another_reason_is_told() -> None:
    device = FakeDevice()
    device.set(0, [0] * 20)
    device.refuse = lambda _, address, __: ExcCodes.DEVICE_FAILURE if address == 90 else None
    async with opened(made(FLASH, "battery"), device) as battery:
        with pytest.raises(RefusedError, match="register 90"):
            await battery.command(-500.0)
    assert device.writes == []


WHOLE_TYPES = [type_ for type_ in RegisterType if type_.words and not type_.is_float]


@given(
    st.sampled_from(WHOLE_TYPES),
    st.floats(-1e19, 1e19),
    st.sampled_from(["big", "little"]),
    st.integers(-3, 3),
)
def test_what_is_written_fits_and_is_never_the_pattern_for_no_value(
    type_: RegisterType, value: float, order: str, exponent: int
) -> None:
    sign = 1 << 16 * type_.words - 1
    nan = sign if type_.is_signed else 2 * sign - 1
    place = Register(
        address=0,
        type=type_,
        count=type_.words,
        nan=frozenset({nan}),
        word_order="little" if order == "little" else "big",
    )
    part = Part(location=place, expression=Constant(0), low=-1e18, high=1e18)
    written = encode(part, place, value, exponent)
    ordered = written if order == "big" else written[::-1]
    raw = int.from_bytes(b"".join(word.to_bytes(2) for word in ordered))
    assert raw != nan
    low, high = (-sign + 1, sign - 1) if type_.is_signed else (0, 2 * sign - 2)
    expected = min(max(value, -1e18), 1e18) / 10.0**exponent
    signed = raw - 2 * sign if type_.is_signed and raw >= sign else raw
    assert signed == round(min(max(expected, low), high))
