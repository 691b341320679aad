"""The ledger's actions: files out and in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.ledger import (
    EXPORT,
    IMPORT,
    Channel,
    Flow,
    Origin,
    Quarter,
    Role,
)
from custom_components.computeload.core.model import Reason

from .test_actions import async_call

START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def quarter(index: int) -> Quarter:
    """Return a quarter of a site with everything, different from its neighbours."""
    return Quarter(
        start=START + index * QUARTER,
        origin=Origin.COUNTER,
        flows={
            IMPORT: Flow(1_000.0 + index),
            EXPORT: Flow(float(index % 3)),
            Channel(Role.PV, "roof"): Flow(100.0),
            Channel(Role.BATTERY_IN, "cabinet1"): Flow(20.0),
            Channel(Role.BATTERY_OUT, "cabinet1"): Flow(30.0 + index),
            Channel(Role.BRANCH, "branches"): Flow(400.0),
        },
        soc=0.5,
        price_import=0.25 - 0.01 * index,
        price_export=0.05,
        co2_g_per_kwh=300.0,
        target_w=6_000.0,
        commands=2,
        reason=Reason.RECHARGE,
    )


async def async_fill(
    hass: HomeAssistant, site: MockConfigEntry, quarters: Sequence[Quarter]
) -> None:
    """Put quarters into a site's ledger."""
    keeper = site.runtime_data.ledger._keeper
    await hass.async_add_executor_job(keeper.bring_in, quarters, datetime.now(UTC))


async def async_text(hass: HomeAssistant, file: object) -> str:
    """Return what is in a file."""
    return await hass.async_add_executor_job(Path(str(file)).read_text)


async def test_the_whole_ledger_is_written_where_nothing_is_said(
    hass: HomeAssistant, still_site: MockConfigEntry, tmp_path: Path
) -> None:
    await async_fill(hass, still_site, [quarter(n) for n in range(8)])
    answer = await async_call(hass, "export_ledger")
    assert answer == {
        "file": str(tmp_path / "computeload" / "exports" / "lab_2026-03-01_2026-03-01.csv"),
        "rows": 8,
        "since": "2026-03-01T00:00:00+00:00",
        "until": "2026-03-01T02:00:00+00:00",
    }
    lines = (await async_text(hass, answer["file"])).splitlines()
    assert lines[0].startswith("start_utc,origin,covered_s,import_wh")
    assert lines[1].startswith("2026-03-01T00:00:00Z,counter,900.0,1000.0")
    assert len(lines) == 9


async def test_a_span_is_written_in_whole_quarters(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await async_fill(hass, still_site, [quarter(n) for n in range(8)])
    await hass.config.async_set_time_zone("Europe/Berlin")
    since, until = "2026-03-01 01:20:00", "2026-03-01T00:45:00Z"
    answer = await async_call(hass, "export_ledger", file="a.csv", since=since, until=until)
    assert (answer["rows"], answer["since"]) == (2, "2026-03-01T00:15:00+00:00")


async def test_a_file_is_replaced_only_when_that_is_wanted(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await async_fill(hass, still_site, [quarter(0)])
    first = await async_call(hass, "export_ledger", file="a.csv")
    await async_fill(hass, still_site, [quarter(1)])
    with pytest.raises(ServiceValidationError, match=r"file: a\.csv is there already"):
        await async_call(hass, "export_ledger", file="a.csv")
    assert len((await async_text(hass, first["file"])).splitlines()) == 2
    again = await async_call(hass, "export_ledger", file="a.csv", overwrite=True)
    assert again["rows"] == 2


async def test_a_folder_that_home_assistant_may_use_can_be_written_to(
    hass: HomeAssistant, still_site: MockConfigEntry, tmp_path: Path
) -> None:
    await async_fill(hass, still_site, [quarter(0)])
    folder = tmp_path / "share"
    folder.mkdir()
    hass.config.allowlist_external_dirs = {str(folder)}
    answer = await async_call(hass, "export_ledger", file=str(folder / "a.csv"))
    assert answer["file"] == str(folder / "a.csv")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"file": "a.txt"}, "file: a.txt is no name of a CSV file. Choose one that"),
        ({"file": ""}, "file:  is no name of a CSV file"),
        ({"file": "a\0.csv"}, "file: .* is no name of a CSV file"),
        ({"file": "../a.csv"}, r"file: \.\./a.csv lies where .* Give a name alone"),
        ({"file": "/etc/a.csv"}, "file: /etc/a.csv lies where"),
        ({"file": "x" * 300 + ".csv"}, r"could not be written: File name too long\. Check"),
        ({"file": "none/a.csv"}, r"could not be written: No such file or directory\. Check"),
        ({"file": ["a.csv"]}, r"file: \['a.csv'\] cannot be used \(.*\). Correct it"),
        ({"overwrite": "perhaps"}, r"overwrite: perhaps cannot be used \(.*\). Correct it"),
        ({"since": "yesterday"}, r"since: yesterday cannot be used \(.*\). Correct it"),
        (
            {"since": "0001-01-01T00:00:00+10:00"},
            r"since: 0001-01-01T00:00:00.10:00 cannot be used \(.*\). Correct it",
        ),
        (
            {"since": "2026-03-02", "until": "2026-03-01"},
            "until: 2026-03-01 .* is not later than 2026-03-02 .* Choose a later end",
        ),
        ({"until": "2025-03-01"}, "until: 2025-03-01 .* reaches from 2026-03-01 00:00 UTC to"),
        ({"since": "2027-03-01"}, "since: 2027-03-01 .* Choose a span within it"),
    ],
)
async def test_a_wrong_argument_of_an_export_is_told_with_field_value_and_remedy(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    data: dict[str, Any],
    told: str,
) -> None:
    await async_fill(hass, still_site, [quarter(0)])
    await hass.config.async_set_time_zone("UTC")
    with pytest.raises(HomeAssistantError, match=told):
        await async_call(hass, "export_ledger", **data)
    assert "Traceback" not in caplog.text


async def test_an_empty_ledger_is_not_exported(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    with pytest.raises(HomeAssistantError, match="The ledger of Lab has no quarters yet"):
        await async_call(hass, "export_ledger")


async def test_a_ledger_that_is_gone_is_said(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    path = still_site.runtime_data.ledger.reader.path
    await hass.async_add_executor_job(path.unlink)
    with pytest.raises(HomeAssistantError, match=r"cannot be read now: .* is not there yet"):
        await async_call(hass, "export_ledger")


# The past, from a file.


async def async_rows(hass: HomeAssistant, site: MockConfigEntry) -> list[Quarter]:
    """Return all rows of a site's ledger."""
    ages = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    reader = site.runtime_data.ledger.reader
    return await hass.async_add_executor_job(lambda: list(reader.quarters(*ages)))


async def async_write(hass: HomeAssistant, tmp_path: Path, text: str) -> str:
    """Put a file where imports are looked for; return its name."""
    folder = tmp_path / DOMAIN / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    await hass.async_add_executor_job((folder / "past.csv").write_text, text)
    return "past.csv"


async def test_a_ledger_that_is_lost_comes_back_from_its_export(
    hass: HomeAssistant, still_site: MockConfigEntry, tmp_path: Path
) -> None:
    await async_fill(hass, still_site, [quarter(n) for n in range(40) if n not in (7, 8)])
    before = await async_rows(hass, still_site)
    exported = await async_call(hass, "export_ledger", file="all.csv")
    await hass.config_entries.async_unload(still_site.entry_id)
    await hass.async_add_executor_job((tmp_path / DOMAIN / "site.db").unlink)
    await hass.config_entries.async_setup(still_site.entry_id)
    assert await async_rows(hass, still_site) == []
    answer = await async_call(hass, "import_history", file="all.csv")
    assert answer == {
        "quarters": 38,
        "new": 38,
        "since": "2026-03-01T00:00:00+00:00",
        "until": "2026-03-01T10:00:00+00:00",
        "load_known": 38,
        "gaps": 1,
        "longest_gaps": [
            {"since": "2026-03-01T01:45:00+00:00", "until": "2026-03-01T02:15:00+00:00"}
        ],
    }
    after = await async_rows(hass, still_site)
    for old, new in zip(before, after, strict=True):
        assert new.origin is Origin.IMPORTED
        assert [new.energy_wh(role) for role in Role if role is not Role.LOAD] == [
            old.energy_wh(role) for role in Role if role is not Role.LOAD
        ]
        assert new.load_wh == pytest.approx(old.load_wh, abs=0.06)
        assert new.branches_wh == old.branches_wh
        assert (new.start, new.soc, new.price_import, new.price_export, new.co2_g_per_kwh) == (
            *(old.start, old.soc, old.price_import, old.price_export, old.co2_g_per_kwh),
        )
    again = await async_call(hass, "export_ledger", file="again.csv")
    assert again["rows"] == exported["rows"]


async def test_what_the_site_has_metered_is_never_replaced(
    hass: HomeAssistant, still_site: MockConfigEntry, tmp_path: Path
) -> None:
    await async_fill(hass, still_site, [quarter(0)])
    name = await async_write(
        hass,
        tmp_path,
        "utc,import_kwh\n2026-03-01T00:00,9\n2026-03-01T00:15,9\n",
    )
    answer = await async_call(hass, "import_history", file=name)
    assert (answer["quarters"], answer["new"]) == (2, 1)
    metered, imported = await async_rows(hass, still_site)
    assert (metered.import_wh, metered.origin) == (1_000.0, Origin.COUNTER)
    assert (imported.import_wh, imported.origin) == (9_000.0, Origin.IMPORTED)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, r"file: choose either a CSV file \(now: None\) or statistics for some of grid_imp"),
        ({"file": "past.csv", "load": ["a.b"]}, r"file: choose either .* \(now: past.csv\)"),
        ({"file": "none.csv"}, "file: none.csv cannot be read: No such file or directory. Check"),
        ({"file": "../past.csv"}, r"file: \.\./past.csv lies where"),
        (
            {"file": "past.csv"},
            r"past\.csv\. Line 3, column 'import_kwh', value 'much': This is no number\. Write",
        ),
        ({"file": "past.csv", "since": "2026-01-01"}, "since: 2026-01-01 .* cannot be combined"),
        ({"load": {"a": "b"}}, r"load.0: .*cannot be used"),
        ({"load": "sensor.load"}, "Home Assistant keeps no statistics, .* Import a CSV file"),
        ({"pv": "sensor.pv"}, r"grid_import is missing\. Choose"),
        (
            {"load": "sensor.load", "since": "2026-01-02", "until": "2026-01-01"},
            r"until: 2026-01-01 .* is not later than",
        ),
    ],
)
async def test_a_wrong_argument_of_an_import_is_told_and_nothing_is_taken(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    tmp_path: Path,
    data: dict[str, Any],
    told: str,
) -> None:
    text = "utc,import_kwh\n2026-03-01T00:00,9\n2026-03-01T00:15,much\n"
    await async_write(hass, tmp_path, text)
    with pytest.raises(HomeAssistantError, match=told):
        await async_call(hass, "import_history", **data)
    assert await async_rows(hass, still_site) == []


async def test_a_folder_in_the_place_of_a_file_is_said(
    hass: HomeAssistant, still_site: MockConfigEntry, tmp_path: Path
) -> None:
    (tmp_path / DOMAIN / "exports" / "past.csv").mkdir(parents=True)
    with pytest.raises(ServiceValidationError, match="cannot be read: Is a directory"):
        await async_call(hass, "import_history", file="past.csv")


async def test_bytes_that_are_no_text_are_said(
    hass: HomeAssistant, still_site: MockConfigEntry, tmp_path: Path
) -> None:
    name = await async_write(hass, tmp_path, "")
    file = tmp_path / DOMAIN / "exports" / name
    await hass.async_add_executor_job(file.write_bytes, b"utc,load_kw\n\xff\xfe")
    with pytest.raises(ServiceValidationError, match=r"Save .* in UTF-8"):
        await async_call(hass, "import_history", file=name)
