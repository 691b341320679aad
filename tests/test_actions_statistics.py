"""A past out of long-term statistics, with a real recorder."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.components.recorder import Recorder  # type: ignore[attr-defined]
from homeassistant.components.recorder.models import StatisticMeanType, StatisticMetaData
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.computeload.core.ledger import Origin, Role

from .test_actions import async_call
from .test_actions_ledger import async_rows

DST_DAY = datetime(2026, 10, 24, 22, tzinfo=UTC)
"""In Berlin, midnight before the day that has 25 hours."""


def about(statistic: str, unit: str | None, unit_class: str | None) -> StatisticMetaData:
    """Return the metadata of statistics: a power has a mean, everything else a sum."""
    is_power = unit_class == "power"
    return StatisticMetaData(
        mean_type=StatisticMeanType.ARITHMETIC if is_power else StatisticMeanType.NONE,
        has_sum=not is_power,
        name=None,
        source="recorder",
        statistic_id=statistic,
        unit_class=unit_class,
        unit_of_measurement=unit,
    )


async def async_energy(
    hass: HomeAssistant,
    statistic: str,
    unit: str,
    changes: Sequence[float],
    *,
    start: datetime = DST_DAY,
) -> None:
    """Let an energy meter have counted so much in each hour, as the recorder keeps it."""
    total, rows = 0.0, []
    for hour, change in enumerate(changes):
        total += change
        at = start + timedelta(hours=hour)
        rows.append({"start": at, "state": 500.0 + total, "sum": total})
    async_import_statistics(hass, about(statistic, unit, "energy"), rows)  # type: ignore[arg-type]
    await async_wait_recording_done(hass)


async def async_power(
    hass: HomeAssistant, statistic: str, unit: str, means: Sequence[float]
) -> None:
    """Let a power have had such means in each hour."""
    rows = [
        {"start": DST_DAY + timedelta(hours=n), "mean": mean, "min": mean, "max": mean}
        for n, mean in enumerate(means)
    ]
    async_import_statistics(hass, about(statistic, unit, "power"), rows)  # type: ignore[arg-type]
    await async_wait_recording_done(hass)


async def async_price(hass: HomeAssistant, unit: str, means: Sequence[float]) -> None:
    """Let a kWh have cost so much in each hour."""
    rows = [{"start": DST_DAY + timedelta(hours=n), "mean": mean} for n, mean in enumerate(means)]
    price = {**about("sensor.price", unit, None), "has_sum": False}
    price["mean_type"] = StatisticMeanType.ARITHMETIC
    async_import_statistics(hass, price, rows)  # type: ignore[arg-type]
    await async_wait_recording_done(hass)


@pytest.fixture
async def site(recorder_mock: Recorder, still_site: MockConfigEntry) -> MockConfigEntry:
    """Return a still site in a Home Assistant with a recorder."""
    await still_site.runtime_data.ledger.async_load()
    return still_site


@pytest.mark.parametrize(
    ("unit", "factor"), [("kWh", 1.0), ("Wh", 1_000.0), ("MWh", 0.001), ("MJ", 3.6)]
)
async def test_energies_come_in_whatever_their_unit(
    hass: HomeAssistant, site: MockConfigEntry, unit: str, factor: float
) -> None:
    await async_energy(hass, "sensor.grid", unit, [4.0 * factor, 8.0 * factor])
    answer = await async_call(hass, "import_history", grid_import="sensor.grid")
    assert (answer["quarters"], answer["new"], answer["gaps"]) == (8, 8, 0)
    rows = await async_rows(hass, site)
    assert [row.import_wh for row in rows] == pytest.approx([1_000.0] * 4 + [2_000.0] * 4)
    assert {row.origin for row in rows} == {Origin.IMPORTED}


async def test_the_day_of_a_clock_change_has_all_its_hours(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    await async_energy(hass, "sensor.grid", "kWh", [1.0] * 30)
    answer = await async_call(
        hass,
        "import_history",
        grid_import=["sensor.grid"],
        since="2026-10-25",
        until="2026-10-26",
    )
    assert answer["quarters"] == 100
    rows = await async_rows(hass, site)
    assert sum(row.import_wh or 0.0 for row in rows) == pytest.approx(25_000.0)
    assert (answer["since"], answer["until"]) == (
        "2026-10-24T22:00:00+00:00",
        "2026-10-25T23:00:00+00:00",
    )


async def test_the_load_follows_from_all_flows(hass: HomeAssistant, site: MockConfigEntry) -> None:
    await async_energy(hass, "sensor.day", "kWh", [3.0, 0.0])
    await async_energy(hass, "sensor.night", "kWh", [0.0, 2.0])
    await async_energy(hass, "sensor.back", "kWh", [0.0, 1.0])
    await async_energy(hass, "sensor.roof", "kWh", [1.0, 4.0])
    await async_power(hass, "sensor.battery", "kW", [2.0, -1.0])
    await async_call(
        hass,
        "import_history",
        grid_import=["sensor.day", "sensor.night"],
        grid_export="sensor.back",
        pv="sensor.roof",
        battery_in="sensor.battery",
        battery_out="sensor.battery",
    )
    rows = await async_rows(hass, site)
    assert [4.0 * (row.load_wh or 0.0) for row in rows[::4]] == pytest.approx([6_000.0, 4_000.0])
    assert [row.energy_wh(Role.BATTERY_IN) for row in rows[::4]] == [0.0, 250.0]
    assert [row.energy_wh(Role.BATTERY_OUT) for row in rows[::4]] == [500.0, 0.0]


async def test_a_grid_power_with_a_sign_is_parted(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    await async_power(hass, "sensor.net", "W", [4_000.0, -2_000.0])
    await async_call(hass, "import_history", grid_import="sensor.net", grid_export="sensor.net")
    rows = await async_rows(hass, site)
    assert [(row.import_wh, row.export_wh) for row in rows[::4]] == [(1_000.0, 0.0), (0.0, 500.0)]


async def test_hours_that_are_missing_are_told_as_gaps(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    await async_power(hass, "sensor.load", "W", [1_000.0])
    later = DST_DAY + timedelta(hours=5)
    await async_energy(hass, "sensor.grid", "kWh", [1.0], start=later)
    answer = await async_call(hass, "import_history", load=["sensor.load", "sensor.grid"])
    assert answer["gaps"] == 0, "a meter that came later counts as nothing before"
    assert answer["quarters"] == 4, "one that is silent later leaves its hours out"


@pytest.mark.parametrize(("unit", "factor"), [("EUR/kWh", 1.0), ("ct/kWh", 100.0), ("€/MWh", 1e3)])
async def test_prices_come_in_with_the_hours_that_they_were_paid_in(
    hass: HomeAssistant, site: MockConfigEntry, unit: str, factor: float
) -> None:
    await async_energy(hass, "sensor.grid", "kWh", [1.0, 1.0, 1.0])
    await async_price(hass, unit, [0.3 * factor, -0.05 * factor])
    await async_call(hass, "import_history", grid_import="sensor.grid", price_import="sensor.price")
    rows = await async_rows(hass, site)
    assert [row.price_import for row in rows[::4]] == [
        pytest.approx(0.3),
        pytest.approx(-0.05),
        None,
    ]


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ("sensor.none", r"price_import: there are no statistics of sensor.none\. Choose"),
        ("sensor.grid", r"price_import: sensor.grid is no price in EUR .*: kWh\)\. Choose"),
        ("sensor.price", r"price_import: sensor.price is no price in EUR .*: CHF/kWh\)\. Choose"),
    ],
)
async def test_what_is_no_price_in_the_sites_currency_is_told(
    hass: HomeAssistant, site: MockConfigEntry, price: str, told: str
) -> None:
    await async_energy(hass, "sensor.grid", "kWh", [1.0])
    await async_price(hass, "CHF/kWh", [0.3])
    with pytest.raises(HomeAssistantError, match=told):
        await async_call(hass, "import_history", grid_import="sensor.grid", price_import=price)
    assert await async_rows(hass, site) == []


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            {"load": "sensor.none"},
            r"load: there are no statistics of sensor.none\. Choose",
        ),
        (
            {"grid_import": "sensor.heat"},
            r"grid_import: sensor.heat is neither .* \(its unit: °C\)\. Choose",
        ),
        (
            {"grid_import": "sensor.grid", "since": "2030-01-01"},
            r"no hourly values of sensor.grid in this span\. Choose",
        ),
    ],
)
async def test_statistics_that_do_not_fit_are_told(
    hass: HomeAssistant,
    site: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    data: dict[str, Any],
    told: str,
) -> None:
    await async_energy(hass, "sensor.grid", "kWh", [1.0])
    async_import_statistics(hass, about("sensor.heat", "°C", "temperature"), [])
    await async_wait_recording_done(hass)
    with pytest.raises(HomeAssistantError, match=told):
        await async_call(hass, "import_history", **data)
    assert "Traceback" not in caplog.text
