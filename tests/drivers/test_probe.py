"""Probing finds out what answers, names the profile that fits, and only ever reads."""

import asyncio
from dataclasses import replace
from pathlib import Path
import re

from modbus_connection import ModbusTcpParams
from modbus_connection.tmodbus import ModbusConnection
import pytest

from custom_components.computeload.drivers import probe
from custom_components.computeload.drivers.profile import SHIPPED
from custom_components.computeload.drivers.spec import Profile
from scripts import probe as command, profile as profile_command

from .fact_tables import TABLES, FactDevice, FactTable, listening
from .servers import LIBRARY, FakeDevice, HandClock, served
from .test_profiles_guide import EXAMPLE, meter

pytestmark = pytest.mark.usefixtures("socket_enabled")

PROVEN = {
    "eastron_sdm630": {"eastron_sdm120"},
    "janitza_umg": {"janitza_umg801"},
    "openems_fems": {"openems_fems_grid", "openems_fems_production"},
    "kostal_plenticore": {"kostal_plenticore_pv"},
    "carlo_gavazzi_em300": set(),
    "huawei_sun2000": set(),
    "sunspec_battery": set(),
    "fronius_gen24": {"sunspec_storage", "sunspec_pv"},
}
"""What proves itself, and which other profiles read the same device too."""
UNPROVEN = ("huawei_luna2000", "e3dc_s10")
"""Devices that have no register to tell them by."""


def hurried() -> list[Profile]:
    """Return all profiles, without the pauses that their devices need."""
    return [
        replace(p, link=replace(p.link, spacing_s=0.0, connect_delay_s=0.0))
        for p in LIBRARY.profiles.values()
    ]


async def probed(table: FactTable) -> tuple[probe.Found, FactDevice]:
    """Probe a device that is made from facts."""
    device = FactDevice(table, table.unit_id, [])
    async with listening({table.unit_id: device}) as port:
        connection = ModbusConnection(ModbusTcpParams(host="127.0.0.1", port=port))
        try:
            unit = connection.for_unit(table.unit_id)
            return await probe.find(unit, hurried(), HandClock(), spacing_s=0.0), device
        finally:
            await connection.close()


@pytest.mark.parametrize("name", [*PROVEN, *UNPROVEN])
async def test_a_device_is_found_and_nothing_is_written_to_it(name: str) -> None:
    found, device = await probed(TABLES[name])
    proven = {match.profile.id for match in found.matches if match.proven}
    others = {match.profile.id for match in found.matches} - proven
    if name in PROVEN:
        assert proven == {name} | PROVEN[name]
    else:
        assert name in others
        assert not proven
    assert device.writes == []


async def test_the_command_prints_what_answers_and_which_profile_fits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = TABLES["sunspec_pv"]
    device = FactDevice(table, 1, [])
    async with listening({1: device}) as port:
        arguments = ["127.0.0.1", "--port", str(port), "--pause", "0", "--kind", "pv"]
        assert await asyncio.to_thread(command.main, arguments) == 0
    told = capsys.readouterr().out
    assert "unit id 1 answers" in told
    assert re.search(r"SunSpec models: 1, .*103", told)
    assert "fits: pv 'SunSpec PV inverter' (sunspec_pv)" in told
    assert f"power_w {table.expected()['power_w']:g}" in told
    assert device.writes == []


async def test_the_command_tries_profiles_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert EXAMPLE
    (tmp_path / "acme_pm3.yaml").write_text(EXAMPLE[1])
    async with served(meter()) as port:
        arguments = ["127.0.0.1", "--port", str(port), "--pause", "0", "--own", str(tmp_path)]
        assert await asyncio.to_thread(command.main, [*arguments, "--unit", "1"]) == 0
    assert "fits: meter 'Acme PM3' (acme_pm3)" in capsys.readouterr().out


async def test_the_command_says_when_no_profile_fits(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = FakeDevice()
    unknown.set(60000, [1])
    async with served(unknown, unit_id=9) as port:
        arguments = ["127.0.0.1", "--port", str(port), "--pause", "0", "--unit", "9"]
        assert await asyncio.to_thread(command.main, arguments) == command.NOTHING
    assert "no profile fits" in capsys.readouterr().out


async def test_the_command_tells_silence_from_an_address_without_anybody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    silent = FakeDevice()
    silent.answering.clear()
    async with served(silent) as port:
        arguments = ["127.0.0.1", "--port", str(port), "--timeout", "0.2"]
        result = await asyncio.to_thread(command.main, [*arguments, "--unit", "1"])
        assert result == command.NOTHING
    assert "Nothing answers at the unit ids 1" in capsys.readouterr().err
    assert await asyncio.to_thread(command.main, arguments) == command.UNREACHABLE
    assert "No connection to 127.0.0.1" in capsys.readouterr().err


def test_the_validator_says_what_is_wrong_and_where(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert EXAMPLE
    right, wrong = tmp_path / "acme_pm3.yaml", tmp_path / "acme_pm4.yaml"
    right.write_text(EXAMPLE[1])
    wrong.write_text(EXAMPLE[1].replace(", sign: export_positive", ""))
    assert profile_command.main(["validate", str(right)]) == 0
    assert profile_command.main(["validate", str(right), str(wrong)]) == 1
    missing = tmp_path / "nowhere.yaml"
    assert profile_command.main(["validate", str(missing)]) == 1
    told = capsys.readouterr()
    assert "meter 'Acme PM3', 5 values, only read" in told.out
    assert f"{wrong}:25: registers.power_w: 'sign' is missing" in told.err
    assert f"{missing}: not readable" in told.err


def test_the_validator_accepts_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(file) for file in SHIPPED.rglob("*.yaml")]
    assert profile_command.main(["validate", *files]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(LIBRARY.profiles)
