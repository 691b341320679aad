"""Binary sensors: what needs a look, at the site and at each device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import ComputeLoadConfigEntry
from .core.model import Quantity, Reading
from .entity import AssetEntity, SiteEntity
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
    for subentry_id, device in runtime.devices.items():
        async_add_entities(
            (
                AssetBinarySensor(device, each)
                for each in ASSET_BINARY_SENSORS
                if each.quantity in device.datasheet.quantities
            ),
            config_subentry_id=subentry_id,
        )


class SiteBinarySensor(SiteEntity, BinarySensorEntity):
    """A yes or no of the site."""

    entity_description: SiteBinaryDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is so."""
        return self.entity_description.value_fn(self.coordinator.data)


class AssetBinarySensor(AssetEntity, BinarySensorEntity):
    """A yes or no of one device."""

    entity_description: AssetBinaryDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is so."""
        reading = self.coordinator.data
        return None if reading is None else self.entity_description.value_fn(reading)
