"""What the sensors show, as tables: of the site, of a device, of a device's channels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    UnitOfApparentPower,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfFrequency,
    UnitOfPower,
    UnitOfRatio,
    UnitOfReactivePower,
    UnitOfTemperature,
    UnitOfTime,
)

from .const import CONF_ROLE, ROLE_GRID
from .coordinator import DeviceCoordinator
from .core.model import AssetKind, Quantity, Reason, Values
from .core.site import ControlState
from .entity import AT_ONCE, Pace, Shown
from .site_data import SiteData

LONGEST_STATE: Final = 255
PERCENT: Final = 100.0

SITE_POWER: Final = Pace(step=50.0, share=0.02, every_s=120.0)
ASSET_POWER: Final = Pace(step=50.0, share=0.03, every_s=300.0)
CHANNEL_POWER: Final = Pace(step=30.0, share=0.05, every_s=300.0)
COUNTER: Final = Pace(step=float("inf"), every_s=60.0)
CHANNEL_COUNTER: Final = Pace(step=float("inf"), every_s=300.0)
CHARGE: Final = Pace(step=0.5, every_s=300.0)
DIAGNOSTIC: Final = Pace(step=float("inf"), every_s=300.0)


@dataclass(frozen=True, kw_only=True)
class ComputeLoadSensorDescription[SourceT](SensorEntityDescription):
    """A sensor: where its value comes from, in its native unit, and how often it is written."""

    value_fn: Callable[[SourceT], Shown]
    exists_fn: Callable[[DeviceCoordinator], bool] = lambda _: True
    pace: Pace = AT_ONCE
    digits: int = 0
    """What is kept of a number: states that differ only behind that are equal."""


type SiteSensorDescription = ComputeLoadSensorDescription[SiteData]
type AssetSensorDescription = ComputeLoadSensorDescription[DeviceCoordinator]
type ChannelSensorDescription = ComputeLoadSensorDescription[Values]


def power_sensor[SourceT](
    key: str,
    value_fn: Callable[[SourceT], float | None],
    pace: Pace = SITE_POWER,
    *,
    category: EntityCategory | None = None,
) -> ComputeLoadSensorDescription[SourceT]:
    """Describe a power of the site, W, shown in kW."""
    return ComputeLoadSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        entity_category=category,
        pace=pace,
        value_fn=value_fn,
    )


SITE_SENSORS: tuple[SiteSensorDescription, ...] = (
    power_sensor("load_power", lambda site: site.load_power_w),
    power_sensor("grid_power", lambda site: site.grid_power_w),
    power_sensor("pv_power", lambda site: site.pv_power_w),
    power_sensor("battery_power", lambda site: site.battery_power_w),
    power_sensor("running_mean", lambda site: site.running_mean_w),
    power_sensor("projected_mean", lambda site: site.projected_mean_w),
    # While a peak is shaved the headroom moves around zero, where no share of it is small.
    power_sensor("headroom", lambda site: site.headroom_w, Pace(step=250.0, every_s=120.0)),
    power_sensor("target", lambda site: site.target_w),
    power_sensor("billed_peak", lambda site: site.billed_peak_w),
    power_sensor("battery_setpoint", lambda site: site.setpoint_w),
    ComputeLoadSensorDescription(
        key="soc",
        translation_key="site_soc",
        device_class=SensorDeviceClass.BATTERY,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        suggested_display_precision=0,
        pace=CHARGE,
        digits=1,
        value_fn=lambda site: _percent(site.soc),
    ),
    ComputeLoadSensorDescription(
        key="remaining_energy",
        translation_key="remaining_energy",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        pace=Pace(step=50.0, every_s=120.0),
        value_fn=lambda site: site.remaining_wh,
    ),
    ComputeLoadSensorDescription(
        key="window_end",
        translation_key="window_end",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda site: site.window.end if site.window else None,
    ),
    ComputeLoadSensorDescription(
        key="controller_state",
        translation_key="controller_state",
        device_class=SensorDeviceClass.ENUM,
        options=[state.value for state in ControlState],
        value_fn=lambda site: site.state.value,
    ),
    ComputeLoadSensorDescription(
        key="controller_reason",
        translation_key="controller_reason",
        device_class=SensorDeviceClass.ENUM,
        options=[reason.value for reason in Reason],
        value_fn=lambda site: site.reason.value,
    ),
    ComputeLoadSensorDescription(
        key="data_age",
        translation_key="data_age",
        device_class=SensorDeviceClass.DURATION,
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        pace=Pace(step=3.0, every_s=300.0),
        value_fn=lambda site: site.data_age_s,
    ),
)


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else PERCENT * fraction


def _reports(quantity: Quantity) -> Callable[[DeviceCoordinator], bool]:
    return lambda device: quantity in device.datasheet.quantities


def _number(quantity: Quantity, factor: float = 1.0) -> Callable[[DeviceCoordinator], float | None]:
    def value(device: DeviceCoordinator) -> float | None:
        number = device.data.number(quantity)
        return None if number is None else factor * number

    return value


def _asset(
    quantity: Quantity,
    key: str,
    device_class: SensorDeviceClass | None,
    unit: str | None,
    *,
    pace: Pace = DIAGNOSTIC,
    shown_unit: str | None = None,
    digits: int = 0,
    shown_digits: int | None = None,
    category: EntityCategory | None = EntityCategory.DIAGNOSTIC,
    enabled: bool = False,
) -> AssetSensorDescription:
    return ComputeLoadSensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=unit,
        suggested_unit_of_measurement=shown_unit,
        suggested_display_precision=digits if shown_digits is None else shown_digits,
        entity_category=category,
        entity_registry_enabled_default=enabled,
        pace=pace,
        digits=digits,
        exists_fn=_reports(quantity),
        value_fn=_number(quantity, PERCENT if unit == UnitOfRatio.PERCENTAGE else 1.0),
    )


def _asset_power(
    quantity: Quantity, key: str, *, category: EntityCategory | None = None
) -> AssetSensorDescription:
    return _asset(
        quantity,
        key,
        SensorDeviceClass.POWER,
        UnitOfPower.WATT,
        pace=ASSET_POWER,
        shown_unit=UnitOfPower.KILO_WATT,
        shown_digits=2,
        category=category,
        enabled=True,
    )


def _phase(
    number: int, name: str, quantity: Quantity, device_class: SensorDeviceClass, unit: str
) -> AssetSensorDescription:
    digits = 0 if device_class is SensorDeviceClass.POWER else 1
    return _asset(
        quantity,
        f"{name}_l{number}",
        device_class,
        unit,
        digits=digits,
        pace=Pace(step=5.0 if digits else 50.0, share=0.05, every_s=300.0),
        category=None,
    )


POWER: Final = _asset_power(Quantity.POWER_W, "power")

ASSET_SENSORS: tuple[AssetSensorDescription, ...] = (
    POWER,
    _asset(
        Quantity.SOC,
        "soc",
        SensorDeviceClass.BATTERY,
        UnitOfRatio.PERCENTAGE,
        pace=CHARGE,
        digits=1,
        shown_digits=0,
        category=None,
        enabled=True,
    ),
    _asset(
        Quantity.TEMPERATURE_C,
        "temperature",
        SensorDeviceClass.TEMPERATURE,
        UnitOfTemperature.CELSIUS,
        pace=Pace(step=1.0, every_s=300.0),
        digits=1,
        enabled=True,
    ),
    _asset(Quantity.SOH, "soh", None, UnitOfRatio.PERCENTAGE, enabled=True),
    _asset(
        Quantity.CAPACITY_WH,
        "capacity",
        SensorDeviceClass.ENERGY_STORAGE,
        UnitOfEnergy.WATT_HOUR,
        shown_unit=UnitOfEnergy.KILO_WATT_HOUR,
        shown_digits=1,
        enabled=True,
    ),
    *(
        _asset_power(quantity, key, category=EntityCategory.DIAGNOSTIC)
        for quantity, key in (
            (Quantity.CHARGE_LIMIT_W, "charge_limit"),
            (Quantity.DISCHARGE_LIMIT_W, "discharge_limit"),
            (Quantity.RATED_POWER_W, "rated_power"),
            (Quantity.SETPOINT_W, "setpoint"),
            (Quantity.POWER_LIMIT_W, "power_limit"),
        )
    ),
    *(
        _phase(number, "power", quantity, SensorDeviceClass.POWER, UnitOfPower.WATT)
        for number, quantity in enumerate(
            (Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W), start=1
        )
    ),
    *(
        _phase(number, "voltage", quantity, SensorDeviceClass.VOLTAGE, UnitOfElectricPotential.VOLT)
        for number, quantity in enumerate(
            (Quantity.VOLTAGE_L1_V, Quantity.VOLTAGE_L2_V, Quantity.VOLTAGE_L3_V), start=1
        )
    ),
    *(
        _phase(number, "current", quantity, SensorDeviceClass.CURRENT, UnitOfElectricCurrent.AMPERE)
        for number, quantity in enumerate(
            (Quantity.CURRENT_L1_A, Quantity.CURRENT_L2_A, Quantity.CURRENT_L3_A), start=1
        )
    ),
    _asset(
        Quantity.FREQUENCY_HZ,
        "frequency",
        SensorDeviceClass.FREQUENCY,
        UnitOfFrequency.HERTZ,
        digits=2,
        category=None,
    ),
    _asset(
        Quantity.POWER_FACTOR,
        "power_factor",
        SensorDeviceClass.POWER_FACTOR,
        None,
        digits=2,
        category=None,
    ),
    _asset(
        Quantity.APPARENT_POWER_VA,
        "apparent_power",
        SensorDeviceClass.APPARENT_POWER,
        UnitOfApparentPower.VOLT_AMPERE,
        category=None,
    ),
    _asset(
        Quantity.REACTIVE_POWER_VAR,
        "reactive_power",
        SensorDeviceClass.REACTIVE_POWER,
        UnitOfReactivePower.VOLT_AMPERE_REACTIVE,
        category=None,
    ),
    ComputeLoadSensorDescription(
        key="state",
        translation_key="device_state",
        exists_fn=_reports(Quantity.STATE),
        value_fn=lambda device: device.data.text(Quantity.STATE),
    ),
    ComputeLoadSensorDescription(
        key="alarms",
        translation_key="alarms",
        entity_category=EntityCategory.DIAGNOSTIC,
        exists_fn=_reports(Quantity.ALARMS),
        value_fn=lambda device: _alarms(device.data.text(Quantity.ALARMS)),
    ),
    ComputeLoadSensorDescription(
        key="answered",
        translation_key="answered",
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        pace=DIAGNOSTIC,
        digits=1,
        value_fn=lambda device: _percent(device.link.answered),
    ),
    ComputeLoadSensorDescription(
        key="latency",
        translation_key="latency",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.MILLISECONDS,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        pace=DIAGNOSTIC,
        digits=1,
        value_fn=lambda device: (
            None if device.link.latency_s is None else 1000.0 * device.link.latency_s
        ),
    ),
)


def _alarms(names: str | None) -> str | None:
    return None if names is None else names[:LONGEST_STATE] or "none"


def _is_grid(device: DeviceCoordinator) -> bool:
    return device.kind is AssetKind.METER and device.subentry.data.get(CONF_ROLE) == ROLE_GRID


def _is(*kinds: AssetKind) -> Callable[[DeviceCoordinator], bool]:
    return lambda device: device.kind in kinds and not _is_grid(device)


def _energy(
    quantity: Quantity,
    key: str,
    whose: Callable[[DeviceCoordinator], bool],
    *,
    enabled: bool = True,
) -> AssetSensorDescription:
    """Describe an energy counter under the name that it has for this kind of device."""
    return ComputeLoadSensorDescription(
        key=quantity.removesuffix("_wh"),
        translation_key=key,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        entity_registry_enabled_default=enabled,
        pace=COUNTER,
        exists_fn=lambda device: whose(device) and quantity in device.datasheet.quantities,
        value_fn=_number(quantity),
    )


ENERGY_SENSORS: tuple[AssetSensorDescription, ...] = (
    _energy(Quantity.ENERGY_IMPORT_WH, "energy_imported", _is_grid),
    _energy(Quantity.ENERGY_EXPORT_WH, "energy_exported", _is_grid),
    _energy(Quantity.ENERGY_IMPORT_WH, "energy_charged", _is(AssetKind.BATTERY)),
    _energy(Quantity.ENERGY_EXPORT_WH, "energy_discharged", _is(AssetKind.BATTERY)),
    _energy(Quantity.ENERGY_EXPORT_WH, "energy_produced", _is(AssetKind.PV)),
    _energy(Quantity.ENERGY_IMPORT_WH, "energy_standby", _is(AssetKind.PV), enabled=False),
    _energy(Quantity.ENERGY_IMPORT_WH, "energy_consumed", _is(AssetKind.LOAD, AssetKind.METER)),
    _energy(
        Quantity.ENERGY_EXPORT_WH,
        "energy_returned",
        _is(AssetKind.LOAD, AssetKind.METER),
        enabled=False,
    ),
)

CHANNEL_POWER_SENSOR: ChannelSensorDescription = ComputeLoadSensorDescription(
    key=Quantity.POWER_W,
    translation_key="channel_power",
    device_class=SensorDeviceClass.POWER,
    state_class=SensorStateClass.MEASUREMENT,
    native_unit_of_measurement=UnitOfPower.WATT,
    suggested_display_precision=0,
    pace=CHANNEL_POWER,
    exists_fn=lambda device: Quantity.POWER_W in device.datasheet.channel_quantities,
    value_fn=lambda channel: channel.get(Quantity.POWER_W),
)
CHANNEL_ENERGY_SENSOR: ChannelSensorDescription = ComputeLoadSensorDescription(
    key=Quantity.ENERGY_IMPORT_WH,
    translation_key="channel_energy",
    device_class=SensorDeviceClass.ENERGY,
    state_class=SensorStateClass.TOTAL_INCREASING,
    native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
    suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
    suggested_display_precision=2,
    pace=CHANNEL_COUNTER,
    exists_fn=lambda device: Quantity.ENERGY_IMPORT_WH in device.datasheet.channel_quantities,
    value_fn=lambda channel: channel.get(Quantity.ENERGY_IMPORT_WH),
)
