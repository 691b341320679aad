"""The sentences by which a wrong sign or scale is seen before a device is added."""

from datetime import UTC, datetime

from homeassistant.core import HomeAssistant
import pytest

from custom_components.computeload.core.model import AssetKind, Quantity, Reading, Values
from custom_components.computeload.live_values import async_describe

METER, BATTERY, PV, LOAD = AssetKind.METER, AssetKind.BATTERY, AssetKind.PV, AssetKind.LOAD


def reading(values: Values, channels: int = 0) -> Reading:
    """Return an answer of a device."""
    now = datetime(2026, 6, 15, tzinfo=UTC)
    return Reading(at=now, monotonic_s=0.0, values=values, channels=({},) * channels)


@pytest.mark.parametrize(
    ("kind", "role", "power_w", "sentence"),
    [
        (METER, "grid", 12_340.0, "The site imports 12.34 kW from the grid."),
        (METER, "grid", -800.0, "The site exports 0.80 kW to the grid."),
        (METER, "grid", 1.0, "The site draws nothing from the grid and feeds nothing in."),
        (METER, "branch", 500.0, "It draws 0.50 kW."),
        (BATTERY, None, 3000.0, "The battery is discharging 3.00 kW."),
        (BATTERY, None, -3000.0, "The battery is charging 3.00 kW."),
        (BATTERY, None, 0.0, "The battery is at rest."),
        (PV, None, 4100.0, "The inverter produces 4.10 kW."),
        (PV, None, 0.0, "The inverter produces nothing."),
        (PV, None, -20.0, "The inverter draws 0.02 kW for itself."),
        (LOAD, None, 0.0, "It draws nothing."),
        (LOAD, None, -900.0, "It gives back 0.90 kW: loads do not, so check the direction."),
        (LOAD, None, None, "It does not report its power at the moment."),
    ],
)
async def test_the_direction_of_power_is_a_word(
    hass: HomeAssistant, kind: AssetKind, role: str | None, power_w: float | None, sentence: str
) -> None:
    values: Values = {} if power_w is None else {Quantity.POWER_W: power_w}
    assert await async_describe(hass, kind, role, reading(values)) == f"- {sentence}"


@pytest.mark.parametrize(
    ("kind", "role", "imported", "exported"),
    [
        (METER, "grid", "Imported so far: 1.5 kWh.", "Exported so far: 2.0 kWh."),
        (METER, "branch", "Consumed so far: 1.5 kWh.", "Given back so far: 2.0 kWh."),
        (BATTERY, None, "Charged so far: 1.5 kWh.", "Discharged so far: 2.0 kWh."),
        (PV, None, "Drawn so far: 1.5 kWh.", "Produced so far: 2.0 kWh."),
        (LOAD, None, "Consumed so far: 1.5 kWh.", "Given back so far: 2.0 kWh."),
    ],
)
async def test_an_energy_counter_is_named_for_what_it_counts(
    hass: HomeAssistant, kind: AssetKind, role: str | None, imported: str, exported: str
) -> None:
    values: Values = {
        Quantity.POWER_W: 0.0,
        Quantity.ENERGY_IMPORT_WH: 1500.0,
        Quantity.ENERGY_EXPORT_WH: 2000.0,
    }
    lines = (await async_describe(hass, kind, role, reading(values))).splitlines()
    assert lines[1:] == [f"- {imported}", f"- {exported}"]


async def test_charge_capacity_branches_and_alarms_are_told(hass: HomeAssistant) -> None:
    values: Values = {
        Quantity.POWER_W: 0.0,
        Quantity.SOC: 0.755,
        Quantity.CAPACITY_WH: 22_000.0,
        Quantity.ALARMS: "over temperature",
    }
    lines = (await async_describe(hass, BATTERY, None, reading(values, channels=3))).splitlines()
    assert lines[1:] == [
        "- It is charged to 76 %.",
        "- It reports a capacity of 22.0 kWh.",
        "- It has 3 branches.",
        "- Active alarms: over temperature.",
    ]
