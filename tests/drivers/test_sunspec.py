"""SunSpec devices are read wherever their models are, and found again when they move."""

from pymodbus.constants import ExcCodes
import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import RefusedError, Scope, WrongDeviceError
from custom_components.computeload.drivers.sunspec import table_register

from .servers import FakeDevice, opened, shipped
from .sunspec_device import COMMON, Contents, SunSpecDevice, inverter, storage

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.mark.parametrize("base", [40000, 0, 50000])
@pytest.mark.parametrize("pymodbus", [False, True], ids=["tmodbus", "pymodbus"])
async def test_an_inverter_is_read_at_every_usual_base(base: int, *, pymodbus: bool) -> None:
    device = SunSpecDevice(inverter(), base)
    async with opened(shipped("sunspec_pv"), device, pymodbus=pymodbus) as pv:
        identity = await pv.identify()
        values = (await pv.read(Scope.FULL)).values
    assert (identity.manufacturer, identity.model, identity.serial) == ("Maker", "Model X", "S-1")
    assert identity.firmware == "2.0"
    assert identity.options == {"sunspec_models": "1, 103, 120, 123"}
    assert values[Quantity.POWER_W] == 12340.0
    assert values[Quantity.ENERGY_EXPORT_WH] == 567890.0
    assert values[Quantity.FREQUENCY_HZ] == pytest.approx(49.98)
    assert values[Quantity.POWER_FACTOR] == pytest.approx(0.987)
    assert values[Quantity.TEMPERATURE_C] == pytest.approx(41.2)
    assert values[Quantity.RATED_POWER_W] == 30000.0
    assert values[Quantity.STATE] == "producing"
    assert values[Quantity.ALARMS] == "ground fault, over-temperature"
    assert Quantity.VOLTAGE_L2_V not in values, "it says 'not implemented'"
    assert Quantity.POWER_LIMIT_W not in values, "no limit is in force"


async def test_a_battery_is_read_from_five_models() -> None:
    async with opened(shipped("sunspec_battery"), SunSpecDevice(storage())) as battery:
        values = (await battery.read(Scope.FULL)).values
        fast = (await battery.read(Scope.FAST)).values
    assert values[Quantity.POWER_W] == -8000.0
    assert (values[Quantity.ENERGY_EXPORT_WH], values[Quantity.ENERGY_IMPORT_WH]) == (7e6, 8e6)
    assert values[Quantity.SOC] == pytest.approx(0.555)
    assert values[Quantity.SOH] == pytest.approx(0.99)
    assert values[Quantity.CAPACITY_WH] == 100000.0
    assert (values[Quantity.CHARGE_LIMIT_W], values[Quantity.DISCHARGE_LIMIT_W]) == (
        40000.0,
        50000.0,
    )
    assert values[Quantity.GRID_PRESENT] == 1.0
    assert values[Quantity.ALARMS] == "voltages out of balance"
    assert Quantity.SETPOINT_W not in values
    assert fast.keys() == {
        Quantity.POWER_W,
        Quantity.SOC,
        Quantity.CHARGE_LIMIT_W,
        Quantity.DISCHARGE_LIMIT_W,
        Quantity.GRID_PRESENT,
    }


async def test_power_and_its_scale_come_from_one_request() -> None:
    device = SunSpecDevice(inverter())
    async with opened(shipped("sunspec_pv"), device) as pv:
        await pv.read(Scope.FAST)
        device.requests.clear()
        assert (await pv.read(Scope.FAST)).values == {Quantity.POWER_W: 12340.0}
    assert device.requests == [(3, device.places[103], 16)]


async def test_the_float_models_serve_as_well() -> None:
    models: Contents = {1: COMMON, 113: {"W": 4321.5, "WH": 99000.0, "St": 4}}
    async with opened(shipped("sunspec_pv"), SunSpecDevice(models)) as pv:
        values = (await pv.read(Scope.FULL)).values
    assert values[Quantity.POWER_W] == 4321.5
    assert values[Quantity.ENERGY_EXPORT_WH] == 99000.0


async def test_a_map_that_has_moved_is_found_again_within_the_same_read() -> None:
    device = SunSpecDevice(inverter())
    async with opened(shipped("sunspec_pv"), device) as pv:
        await pv.read(Scope.FAST)
        moved = {1: COMMON, 160: {}, **{k: v for k, v in inverter(W=999).items() if k != 1}}
        device.lay_out(moved)
        assert (await pv.read(Scope.FAST)).values == {Quantity.POWER_W: 9990.0}
        device.lay_out(inverter(W=77), base=0)
        assert (await pv.read(Scope.FULL)).values[Quantity.POWER_W] == 770.0


@pytest.mark.parametrize(("exponent", "expected"), [(-2, 12.34), (3, 1234000.0)])
async def test_a_scale_factor_that_changes_is_followed(exponent: int, expected: float) -> None:
    device = SunSpecDevice(inverter())
    async with opened(shipped("sunspec_pv"), device) as pv:
        await pv.read(Scope.FAST)
        device.put(103, "W_SF", exponent)
        assert (await pv.read(Scope.FAST)).number(Quantity.POWER_W) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "address", "count"),
    [("DCW_SF", 4, 1), ("DCW[1]", 21, 1), ("DCW[3]", 61, 1), ("DCWH[4]", 82, 2)],
)
def test_a_repeated_point_lies_a_stride_further_each_time(
    name: str, address: int, count: int
) -> None:
    register = table_register(160, name)
    assert register
    assert (register.address, register.count) == (address, count)
    assert register.scale_address == {"DCW_SF": None, "DCWH[4]": 5}.get(name, 4)


@pytest.mark.parametrize("name", ["DCW[0]", "DCW[]", "DCW", "DCW[-1]", "Nothing[1]"])
def test_a_repetition_that_cannot_be_is_not_a_point(name: str) -> None:
    assert table_register(160, name) is None


async def test_a_device_without_a_map_is_the_wrong_one() -> None:
    device = FakeDevice()
    device.set(40000, [1, 2, 3, 4])
    async with opened(shipped("sunspec_pv"), device) as pv:
        with pytest.raises(WrongDeviceError) as caught:
            await pv.identify()
    assert caught.value.placeholders["found"] == "none"


async def test_a_device_without_the_needed_model_is_the_wrong_one() -> None:
    async with opened(shipped("sunspec_battery"), SunSpecDevice(inverter())) as battery:
        with pytest.raises(WrongDeviceError) as caught:
            await battery.identify()
    assert caught.value.placeholders["expected"] == "SunSpec model 701"
    assert caught.value.placeholders["found"] == "1, 103, 120, 123"


async def test_a_failing_device_is_not_mistaken_for_a_wrong_one() -> None:
    device = SunSpecDevice(inverter())
    async with opened(shipped("sunspec_pv"), device) as pv:
        device.refuse = lambda *_: ExcCodes.DEVICE_FAILURE
        with pytest.raises(RefusedError):
            await pv.identify()
        device.refuse = lambda *_: None
        await pv.identify()
        device.refuse = lambda *_: ExcCodes.DEVICE_FAILURE
        with pytest.raises(RefusedError):
            await pv.read(Scope.FAST)
