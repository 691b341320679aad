"""Sensors of the signals: what holds now, and how far the source reaches.

The series themselves never become attributes: the recorder would keep them every time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfEnergy, UnitOfPower

from .const import CONF_CARBON, CONF_PRICE, CONF_PV
from .controller import Controller
from .coordinator import SiteRuntime
from .core.series import Kind, Unit
from .entity import Gate, Pace, PacedSensor, Shown, SiteEntity
from .sensor_tables import SITE_POWER, ComputeLoadSensorDescription
from .signals.coordinator import SeriesSignal
from .signals.limit import InForce, Source
from .signals.operator_limit import OperatorLimit
from .signals.solar import SolarSignal
from .site_sensor import CoordinatedSensor

ENERGY: Final = Pace(step=500.0, every_s=900.0)


@dataclass(frozen=True, kw_only=True)
class SignalSensorDescription(ComputeLoadSensorDescription[SeriesSignal]):
    """A sensor of one signal."""

    sort: str
    """Which signal has it."""


type OperatorSensorDescription = ComputeLoadSensorDescription[InForce]


def _kind(signal: SeriesSignal) -> str | None:
    slot = signal.data.now(signal.clock.now())
    return None if slot is None else slot.kind.value


def _value(signal: SeriesSignal) -> float | None:
    slot = signal.data.now(signal.clock.now())
    return None if slot is None else slot.value


def _today_wh(signal: SeriesSignal) -> float | None:
    return cast("SolarSignal", signal).today_wh()


def _remaining_wh(signal: SeriesSignal) -> float | None:
    return cast("SolarSignal", signal).remaining_wh()


SIGNAL_SENSORS: tuple[SignalSensorDescription, ...] = (
    SignalSensorDescription(
        key="price",
        translation_key="price",
        sort=CONF_PRICE,
        native_unit_of_measurement=Unit.PRICE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=3,
        digits=5,
        value_fn=_value,
    ),
    SignalSensorDescription(
        key="price_kind",
        translation_key="price_kind",
        sort=CONF_PRICE,
        device_class=SensorDeviceClass.ENUM,
        options=[kind.value for kind in Kind],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_kind,
    ),
    SignalSensorDescription(
        key="price_reach",
        translation_key="price_reach",
        sort=CONF_PRICE,
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda signal: signal.past.known_until,
    ),
    SignalSensorDescription(
        key="price_fetched",
        translation_key="price_fetched",
        sort=CONF_PRICE,
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda signal: signal.data.fetched,
    ),
    SignalSensorDescription(
        key="carbon_intensity",
        translation_key="carbon_intensity",
        sort=CONF_CARBON,
        native_unit_of_measurement=Unit.CARBON,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        digits=1,
        value_fn=_value,
    ),
    SignalSensorDescription(
        key="pv_forecast_today",
        translation_key="pv_forecast_today",
        sort=CONF_PV,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        pace=ENERGY,
        value_fn=_today_wh,
    ),
    SignalSensorDescription(
        key="pv_forecast_remaining",
        translation_key="pv_forecast_remaining",
        sort=CONF_PV,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        pace=ENERGY,
        value_fn=_remaining_wh,
    ),
)

OPERATOR_SENSORS: tuple[OperatorSensorDescription, ...] = (
    ComputeLoadSensorDescription(
        key="operator_limit",
        translation_key="operator_limit",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=1,
        pace=SITE_POWER,
        value_fn=lambda in_force: in_force.limit_w,
    ),
    ComputeLoadSensorDescription(
        key="operator_limit_source",
        translation_key="operator_limit_source",
        device_class=SensorDeviceClass.ENUM,
        options=[source.value for source in Source],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda in_force: in_force.source.value,
    ),
)


def signal_sensors(runtime: SiteRuntime) -> Iterator[SensorEntity]:
    """Yield the sensors of the signals that the site has."""
    signals = runtime.signals
    for description in SIGNAL_SENSORS:
        if (signal := signals.series.get(description.sort)) is not None:
            yield CoordinatedSensor(signal, description)
    if signals.operator is not None:
        for each in OPERATOR_SENSORS:
            yield OperatorSensor(runtime, signals.operator, each)


class OperatorSensor(PacedSensor, SiteEntity[Controller]):
    """A sensor of the grid operator's limit; it follows the control loop, which obeys it."""

    entity_description: OperatorSensorDescription

    def __init__(
        self, runtime: SiteRuntime, limit: OperatorLimit, description: OperatorSensorDescription
    ) -> None:
        """Show one thing about the limit in force."""
        super().__init__(runtime.controller, description)
        self._limit = limit
        self._gate = Gate(description.pace)

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        return self.entity_description.value_fn(self._limit.in_force())
