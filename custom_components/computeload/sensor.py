"""Sensors: what the site and each of its devices measure, and what the controller thinks."""

from typing import Final, override

from homeassistant.components.sensor import RestoreSensor
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .cluster_sensors import cluster_sensors
from .controller import Controller
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from .entity import (
    AssetEntity,
    Gate,
    PacedSensor,
    Shown,
    SiteEntity,
    async_keep_device_info,
)
from .outage_sensors import outage_sensors
from .plan_sensors import plan_sensors
from .savings_sensors import savings_sensors
from .sensor_tables import (
    ASSET_SENSORS,
    CHANNEL_ENERGY_SENSOR,
    CHANNEL_POWER_SENSOR,
    ENERGY_SENSORS,
    SITE_SENSORS,
    AssetSensorDescription,
    ChannelSensorDescription,
    SiteSensorDescription,
)
from .signal_sensors import signal_sensors

PARALLEL_UPDATES = 0

RESET_S: Final = 600.0
"""A counter that stays below its highest value for this long has really been reset."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of the site and of its devices."""
    runtime = entry.runtime_data
    async_add_entities(SiteSensor(runtime.controller, each) for each in SITE_SENSORS)
    async_add_entities(signal_sensors(runtime))
    async_add_entities(plan_sensors(runtime.planning))
    async_add_entities(savings_sensors(runtime))
    async_add_entities(outage_sensors(runtime.outage))
    for subentry_id, cluster in runtime.clusters.items():
        async_add_entities(cluster_sensors(cluster), config_subentry_id=subentry_id)
    for subentry_id, device in runtime.devices.items():
        async_add_entities(asset_sensors(device), config_subentry_id=subentry_id)
        async_keep_device_info(device)


def asset_sensors(device: DeviceCoordinator) -> list[AssetEntity]:
    """Return a device's sensors, those of its channels included."""
    sensors: list[AssetEntity] = []
    sensors += (AssetSensor(device, each) for each in ASSET_SENSORS if each.exists_fn(device))
    sensors += (EnergySensor(device, each) for each in ENERGY_SENSORS if each.exists_fn(device))
    for channel in range(len(device.channel_names)):
        if CHANNEL_POWER_SENSOR.exists_fn(device):
            sensors.append(ChannelSensor(device, CHANNEL_POWER_SENSOR, channel))
        if CHANNEL_ENERGY_SENSOR.exists_fn(device):
            sensors.append(ChannelEnergySensor(device, CHANNEL_ENERGY_SENSOR, channel))
    return sensors


def _rounded(value: Shown, digits: int) -> Shown:
    return round(value, digits or None) if isinstance(value, float) else value


class SiteSensor(PacedSensor, SiteEntity[Controller]):
    """A sensor of the site as a whole."""

    entity_description: SiteSensorDescription

    def __init__(self, controller: Controller, description: SiteSensorDescription) -> None:
        """Show one value of the site."""
        super().__init__(controller, description)
        self._gate = Gate(description.pace)

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        description = self.entity_description
        return _rounded(description.value_fn(self.coordinator.data), description.digits)


class AssetSensor(PacedSensor, AssetEntity):
    """A sensor of one device."""

    entity_description: AssetSensorDescription

    def __init__(self, device: DeviceCoordinator, description: AssetSensorDescription) -> None:
        """Show one value of the device."""
        super().__init__(device, description)
        self._gate = Gate(description.pace)

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        if self.coordinator.data is None:
            return None
        description = self.entity_description
        return _rounded(description.value_fn(self.coordinator), description.digits)


class ChannelSensor(PacedSensor, AssetEntity):
    """A sensor of one branch of a multi-channel device."""

    entity_description: ChannelSensorDescription

    def __init__(
        self, device: DeviceCoordinator, description: ChannelSensorDescription, channel: int
    ) -> None:
        """Show one value of a channel, counted from 0; people count from 1."""
        super().__init__(device, description, f"channel_{channel + 1}_{description.key}")
        self._attr_translation_placeholders = {"branch": device.channel_names[channel]}
        self._channel = channel
        self._gate = Gate(description.pace)

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        reading = self.coordinator.data
        if reading is None or self._channel >= len(reading.channels):
            return None
        description = self.entity_description
        return _rounded(description.value_fn(reading.channels[self._channel]), description.digits)


class Counter(PacedSensor, RestoreSensor):
    """An energy counter that only a real reset takes back.

    Many devices report zero, or less than before, for a moment around sleep and restart.
    One such state would count as a new meter and spoil the statistics for good.
    """

    _highest: float | None = None
    _lower_since_s: float | None = None

    @property
    @override
    def available(self) -> bool:
        """Return true once a value is known: a total holds while the device sleeps."""
        return self._highest is not None or super().available

    @override
    async def async_added_to_hass(self) -> None:
        """Go on from the value before the restart."""
        stored = await self.async_get_last_sensor_data()
        if stored is not None and isinstance(stored.native_value, int | float):
            self._highest = float(stored.native_value)
        await super().async_added_to_hass()

    @override
    def current_value(self) -> Shown:
        """Return the counter, held where the device falls back for a while."""
        value = super().current_value()
        if not isinstance(value, int | float):
            return self._highest
        now_s = self.hass.loop.time()
        if self._highest is None or value >= self._highest:
            self._highest, self._lower_since_s = value, None
        elif self._lower_since_s is None:
            self._lower_since_s = now_s
        elif now_s - self._lower_since_s >= RESET_S:
            self._highest, self._lower_since_s = value, None
        return self._highest


class EnergySensor(Counter, AssetSensor):
    """An energy counter of a device."""


class ChannelEnergySensor(Counter, ChannelSensor):
    """An energy counter of one branch of a multi-channel device."""
