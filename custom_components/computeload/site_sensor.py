"""A sensor of the site that shows one thing of any of its coordinators."""

from typing import Any, override

from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .const import CONF_CURRENCY
from .entity import Gate, PacedSensor, Shown, SiteEntity
from .sensor_tables import ComputeLoadSensorDescription

CURRENCY = "currency"
"""Stands in a unit for the site's own."""


class CoordinatedSensor[CoordinatorT: DataUpdateCoordinator[Any]](
    PacedSensor, SiteEntity[CoordinatorT]
):
    """A sensor on the site's device, by its description."""

    entity_description: ComputeLoadSensorDescription[CoordinatorT]

    def __init__(
        self, coordinator: CoordinatorT, description: ComputeLoadSensorDescription[CoordinatorT]
    ) -> None:
        """Show one thing; money in the site's currency."""
        super().__init__(coordinator, description)
        self._gate = Gate(description.pace)
        unit = description.native_unit_of_measurement
        if unit is not None and unit.startswith(CURRENCY):
            currency = self.entry.data[CONF_CURRENCY]
            self._attr_native_unit_of_measurement = unit.replace(CURRENCY, currency)

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        description = self.entity_description
        value = description.value_fn(self.coordinator)
        return round(value, description.digits) if isinstance(value, float) else value
