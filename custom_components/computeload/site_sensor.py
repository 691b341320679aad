"""A sensor of the site that shows one thing of any of its coordinators."""

from typing import Any, override

from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .const import CONF_CURRENCY, DOMAIN
from .entity import ComputeLoadEntity, Gate, PacedSensor, Shown
from .sensor_tables import ComputeLoadSensorDescription

CURRENCY = "currency"
"""Stands in a unit for the site's own."""


class CoordinatedSensor[CoordinatorT: DataUpdateCoordinator[Any]](
    PacedSensor, ComputeLoadEntity[CoordinatorT]
):
    """A sensor on the site's device, by its description."""

    entity_description: ComputeLoadSensorDescription[CoordinatorT]

    def __init__(
        self, coordinator: CoordinatorT, description: ComputeLoadSensorDescription[CoordinatorT]
    ) -> None:
        """Show one thing; money in the site's currency."""
        entry = coordinator.config_entry
        assert entry is not None  # noqa: S101 - all coordinators of a site have it
        super().__init__(coordinator, description, entry.entry_id, description.key)
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, entry.entry_id)})
        self._gate = Gate(description.pace)
        unit = description.native_unit_of_measurement
        if unit is not None and unit.startswith(CURRENCY):
            self._attr_native_unit_of_measurement = unit.replace(
                CURRENCY, entry.data[CONF_CURRENCY]
            )

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        description = self.entity_description
        value = description.value_fn(self.coordinator)
        return round(value, description.digits) if isinstance(value, float) else value
