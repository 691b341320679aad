"""What docs/profiles.md promises to authors of profiles is true."""

import asyncio
from pathlib import Path
import re

import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import Scope, WrongDeviceError
from custom_components.computeload.drivers.profile import SHIPPED
from custom_components.computeload.drivers.schema import read_profile
from custom_components.computeload.drivers.spec import Profile
from scripts import devices, probe, profile

from .servers import INPUT, LIBRARY, FakeDevice, made, opened, served

GUIDE = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```yaml\n(kind: meter.*?)```", GUIDE, re.DOTALL)


def example() -> Profile:
    """Return the profile that the guide arrives at."""
    assert EXAMPLE
    read, errors = read_profile(EXAMPLE[1], "profiles/acme_pm3.yaml", "acme_pm3")
    assert read, errors
    return read


def meter() -> FakeDevice:
    """Return the meter of the guide's table: it draws 4321 W, low word first."""
    device = FakeDevice()
    device.set(0, [0xA5A5] * 80, space=INPUT)
    device.set(12, [2312], space=INPUT)
    device.set(50, [4998], space=INPUT)
    device.set(52, [(-4321) & 0xFFFF, 0xFFFF], space=INPUT)
    device.set(58, [0x0001, 0x0010, 0x0002, 0x0000], space=INPUT)
    device.set(256, [2310])
    return device


@pytest.mark.usefixtures("socket_enabled")
async def test_the_example_reads_the_meter_of_the_table() -> None:
    async with opened(example(), meter()) as device:
        await device.identify()
        values = (await device.read(Scope.FULL)).values
    assert dict(values) == {
        Quantity.POWER_W: 4321.0,
        Quantity.VOLTAGE_L1_V: pytest.approx(231.2),
        Quantity.FREQUENCY_HZ: pytest.approx(49.98),
        Quantity.ENERGY_IMPORT_WH: pytest.approx(0x100001 * 100),
        Quantity.ENERGY_EXPORT_WH: pytest.approx(200),
    }


@pytest.mark.usefixtures("socket_enabled")
async def test_the_example_notices_another_device_and_missing_values() -> None:
    other = meter()
    other.set(256, [2311])
    other.set(52, [0xFFFF, 0x7FFF], space=INPUT)
    async with opened(example(), other) as device:
        with pytest.raises(WrongDeviceError):
            await device.identify()
        assert Quantity.POWER_W not in (await device.read(Scope.FULL)).values


def test_the_message_of_the_guide_is_what_authors_get() -> None:
    assert EXAMPLE
    broken = EXAMPLE[1].replace(", sign: export_positive", "")
    _, errors = read_profile(broken, "profiles/acme_pm3.yaml", "acme_pm3")
    told = re.search(r"Device profile left out: (.*?)```", GUIDE, re.DOTALL)
    assert told
    assert [str(error) for error in errors] == [" ".join(told[1].split())]


async def test_the_commands_of_the_guide_print_what_it_shows(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    socket_enabled: None,
) -> None:
    assert EXAMPLE
    (tmp_path / "acme_pm3.yaml").write_text(EXAMPLE[1])
    monkeypatch.chdir(tmp_path)
    printed = re.findall(
        r"```sh\nscripts/(profile|probe) (.*?)\n```\n\n```text\n(.*?)```", GUIDE, re.DOTALL
    )
    assert [program for program, _, _ in printed] == ["profile", "probe"]
    programs = {"profile": profile.main, "probe": probe.main}
    async with served(meter()) as port:
        for program, line, shown in printed:
            arguments = line.replace("192.168.1.20", f"127.0.0.1 --port {port} --pause 0").split()
            assert await asyncio.to_thread(programs[program], arguments) == 0
            told = capsys.readouterr().out
            assert told == shown


RARE = """link:
  more_unit_ids: {meter: 200}
registers:
  power_w: {product: [load_percent, rated_power_w], factor: 0.01}
  rated_power_w: {at: 10, type: uint16, scale_register: 71, unit_id: meter}
  energy_import_wh: {first: [fine, coarse]}
  energy_export_wh: {sum: [tariff_1, tariff_2]}
  temperature_c: {at: 11, type: uint16, offset: -1000, scale: 0.1}
  frequency_hz: {at: 12, type: uint16, scale: 0.0078125, range: [40, 70]}
  alarms: {at: 13, type: uint16, bits: {0: over-temperature, 3: no grid}}
  grid_present: {at: 13, type: uint16, mask: 4, values: {0: 1, 1: 0}}
  state: {at: 14, type: uint16, values: {0: "off", 1: running}}
helpers:
  load_percent: {at: 15, type: uint16}
  fine: {at: 16, type: uint16}
  coarse: {at: 17, type: uint16}
  tariff_1: {at: 18, type: uint16}
  tariff_2: {at: 19, type: uint16}
"""


def test_all_that_the_guide_lists_as_less_common_is_understood() -> None:
    assert {str(key) for key in made(RARE, "load").quantities} == {
        *("power_w", "rated_power_w", "energy_import_wh", "energy_export_wh", "temperature_c"),
        *("frequency_hz", "alarms", "grid_present", "state"),
    }


def test_the_profiles_that_the_guide_names_are_there() -> None:
    for name in re.findall(r"`((?:meter|battery|pv|load)/\w+\.yaml)`", GUIDE):
        assert (SHIPPED / name).is_file()


def test_the_list_of_devices_is_that_of_the_profiles() -> None:
    expected = devices.page(LIBRARY.profiles.values())
    assert devices.PAGE.read_text(encoding="utf-8") == expected, "run python -m scripts.devices"
