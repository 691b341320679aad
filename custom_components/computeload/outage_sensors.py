"""Sensors of outages: how long the batteries would last, what is kept, how far one has come."""

import math
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import UnitOfRatio, UnitOfTime

from .core.outage import Stage, Supply
from .entity import Pace, Shown
from .outage import OutageCoordinator
from .sensor_tables import CHARGE, PERCENT, ComputeLoadSensorDescription
from .site_sensor import CoordinatedSensor

type OutageSensorDescription = ComputeLoadSensorDescription[OutageCoordinator]

MINUTES: Final = Pace(share=0.05, step=1.0, every_s=300.0)
LONGEST_MIN: Final = 7 * 24 * 60
"""Beyond a week it does not end."""


def _in_minutes(supply: Supply | None, *, protected: bool) -> Shown:
    if supply is None:
        return None
    seconds = supply.protected_s if protected else supply.runtime_s
    return LONGEST_MIN if math.isinf(seconds) else min(round(seconds / 60.0), LONGEST_MIN)


def _duration(key: str, *, protected: bool) -> OutageSensorDescription:
    return ComputeLoadSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        pace=MINUTES,
        value_fn=lambda outage: _in_minutes(outage.data.supply, protected=protected),
    )


def _planned(outage: OutageCoordinator) -> Shown:
    maintenance = outage.data.maintenance
    return None if maintenance is None else maintenance.start


OUTAGE_SENSORS: Final[tuple[OutageSensorDescription, ...]] = (
    ComputeLoadSensorDescription(
        key="outage_stage",
        translation_key="outage_stage",
        device_class=SensorDeviceClass.ENUM,
        options=[stage.value for stage in Stage],
        value_fn=lambda outage: outage.data.stage.value,
    ),
    _duration("runtime_left", protected=False),
    _duration("protected_minutes", protected=True),
    ComputeLoadSensorDescription(
        key="outage_reserve",
        translation_key="outage_reserve",
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        suggested_display_precision=0,
        pace=CHARGE,
        value_fn=lambda outage: PERCENT * outage.config_entry.runtime_data.controller.reserve,
    ),
    ComputeLoadSensorDescription(
        key="planned_outage",
        translation_key="planned_outage",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=_planned,
    ),
)


def outage_sensors(outage: OutageCoordinator) -> list[SensorEntity]:
    """Return the sensors of a site's outages."""
    return [CoordinatedSensor(outage, each) for each in OUTAGE_SENSORS]
