"""Binary sensors: what needs a look, at the site and at each device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .controller import Controller
from .coordinator import ComputeLoadConfigEntry
from .core.good_hours import among_the_best
from .core.model import Quantity, Reading
from .core.plan import Floats, PlanProblem
from .entity import AssetEntity, SiteEntity
from .planning import PlanningCoordinator
from .site_data import SiteData

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class ComputeLoadBinarySensorDescription[SourceT](BinarySensorEntityDescription):
    """A binary sensor, and what it looks at."""

    value_fn: Callable[[SourceT], bool | None]
    quantity: Quantity | None = None
    """What the device has to report for this to exist."""


type SiteBinaryDescription = ComputeLoadBinarySensorDescription[SiteData]
type AssetBinaryDescription = ComputeLoadBinarySensorDescription[Reading]
type PlanBinaryDescription = ComputeLoadBinarySensorDescription[PlanningCoordinator]

SITE_BINARY_SENSORS: tuple[SiteBinaryDescription, ...] = (
    ComputeLoadBinarySensorDescription(
        key="peak_at_risk",
        translation_key="peak_at_risk",
        device_class=BinarySensorDeviceClass.PROBLEM,
        value_fn=lambda site: site.peak_at_risk,
    ),
    ComputeLoadBinarySensorDescription(
        key="peak_unavoidable",
        translation_key="peak_unavoidable",
        device_class=BinarySensorDeviceClass.PROBLEM,
        value_fn=lambda site: site.peak_unavoidable,
    ),
    ComputeLoadBinarySensorDescription(
        key="grid_present",
        translation_key="grid_present",
        value_fn=lambda site: site.grid_present,
    ),
)


def _good_hour(
    values_fn: Callable[[PlanProblem], Floats | None],
) -> Callable[[PlanningCoordinator], bool | None]:
    """Return whether now is among the best hours of what the plan was made from."""

    def value(planning: PlanningCoordinator) -> bool | None:
        problem = planning.data.problem
        if problem is None or (values := values_fn(problem)) is None:
            return None
        at_s = (planning.now() - problem.start).total_seconds()
        return among_the_best(values, problem.step_s, at_s)

    return value


GREEN_NOW: Final[PlanBinaryDescription] = ComputeLoadBinarySensorDescription(
    key="green_now",
    translation_key="green_now",
    value_fn=_good_hour(lambda problem: problem.carbon_g_per_kwh),
)
"""Of sites that know how green their power is."""
PLAN_BINARY_SENSORS: tuple[PlanBinaryDescription, ...] = (
    ComputeLoadBinarySensorDescription(
        key="cheap_now",
        translation_key="cheap_now",
        value_fn=_good_hour(lambda problem: problem.import_price),
    ),
    GREEN_NOW,
)

ASSET_BINARY_SENSORS: tuple[AssetBinaryDescription, ...] = (
    ComputeLoadBinarySensorDescription(
        key="alarm",
        translation_key="alarm",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        quantity=Quantity.ALARMS,
        value_fn=lambda reading: _truth(reading.text(Quantity.ALARMS)),
    ),
    ComputeLoadBinarySensorDescription(
        key="grid_present",
        translation_key="grid_present",
        entity_category=EntityCategory.DIAGNOSTIC,
        quantity=Quantity.GRID_PRESENT,
        value_fn=lambda reading: _truth(reading.number(Quantity.GRID_PRESENT)),
    ),
)


def _truth(value: float | str | None) -> bool | None:
    return None if value is None else bool(value)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of the site and of its devices."""
    runtime = entry.runtime_data
    async_add_entities(SiteBinarySensor(runtime.controller, each) for each in SITE_BINARY_SENSORS)
    async_add_entities(
        PlanBinarySensor(runtime.planning, each)
        for each in PLAN_BINARY_SENSORS
        if each is not GREEN_NOW or runtime.signals.carbon is not None
    )
    for subentry_id, device in runtime.devices.items():
        async_add_entities(
            (
                AssetBinarySensor(device, each)
                for each in ASSET_BINARY_SENSORS
                if each.quantity in device.datasheet.quantities
            ),
            config_subentry_id=subentry_id,
        )


class SiteBinarySensor(SiteEntity[Controller], BinarySensorEntity):
    """A yes or no of the site."""

    entity_description: SiteBinaryDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is so."""
        return self.entity_description.value_fn(self.coordinator.data)


class PlanBinarySensor(SiteEntity[PlanningCoordinator], BinarySensorEntity):
    """A yes or no of the hours ahead."""

    entity_description: PlanBinaryDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is so."""
        return self.entity_description.value_fn(self.coordinator)


class AssetBinarySensor(AssetEntity, BinarySensorEntity):
    """A yes or no of one device."""

    entity_description: AssetBinaryDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is so."""
        reading = self.coordinator.data
        return None if reading is None else self.entity_description.value_fn(reading)
