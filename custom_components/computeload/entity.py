"""What all entities share: whose they are, and which changes are worth a state.

Control sees every sample; Home Assistant's recorder keeps every state for good. The rule
between the two is ``Pace``, and it is here only.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, override

from homeassistant.components.sensor import SensorEntity
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.typing import StateType
from homeassistant.helpers.update_coordinator import CoordinatorEntity, DataUpdateCoordinator

from .const import DOMAIN
from .coordinator import DeviceCoordinator

HOLD_S: Final = 60.0

type Shown = StateType | datetime
"""What the state of a sensor can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When a number that moved is written as a state.

    What a state leaves out is the area between it and the true value. A state is written
    as soon as that area reaches what ``step`` would leave out in a minute: a jump shows at
    once, noise and drift cost a state every minute or so, whatever the publishing rate.
    The area also bounds the error of any energy that is summed up from the states.
    """

    step: float = 0.0
    """A difference of this size matters within a minute; in the entity's native unit."""
    share: float = 0.0
    """The same as a share of the state shown; the larger of both counts."""
    every_s: float = 0.0
    """After this long every change is written, however small."""

    def worth(self, shown: float) -> float:
        """Return the area (native unit times s) that may be left out beside this state."""
        return max(self.step, self.share * abs(shown)) * HOLD_S


AT_ONCE: Final = Pace()
"""Words, and everything else that seldom changes: every change is written."""


class Gate:
    """Lets one entity's values pass by its pace."""

    def __init__(self, pace: Pace) -> None:
        """Start closed to nothing: the first value passes."""
        self._pace = pace
        self._shown: Shown = None
        self._written_s = float("-inf")
        self._seen_s = float("-inf")
        self._left_out = 0.0

    def lets_pass(self, value: Shown, now_s: float) -> bool:
        """Tell whether this value is to be written now; it is taken as written if so."""
        since_s, self._seen_s = now_s - self._seen_s, now_s
        if value == self._shown:
            return False
        if isinstance(value, int | float) and isinstance(self._shown, int | float):
            self._left_out += abs(value - self._shown) * since_s
            early = now_s - self._written_s < self._pace.every_s
            if early and self._left_out < self._pace.worth(self._shown):
                return False
        self._shown, self._written_s, self._left_out = value, now_s, 0.0
        return True


class ComputeLoadEntity[CoordinatorT: DataUpdateCoordinator[Any]](CoordinatorEntity[CoordinatorT]):
    """An entity that is named by its translation key, on one of our devices."""

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: CoordinatorT, description: EntityDescription, owner_id: str, key: str
    ) -> None:
        """Belong to the device of ``owner_id``, an entry's or a subentry's id."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = f"{owner_id}_{key}"


class SiteEntity[CoordinatorT: DataUpdateCoordinator[Any]](ComputeLoadEntity[CoordinatorT]):
    """An entity of the site as a whole."""

    def __init__(
        self, coordinator: CoordinatorT, description: EntityDescription, key: str | None = None
    ) -> None:
        """Belong to the site's device."""
        entry = coordinator.config_entry
        assert entry is not None  # noqa: S101 - all coordinators of a site have it
        super().__init__(coordinator, description, entry.entry_id, key or description.key)
        self.entry = entry
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, entry.entry_id)})


class AssetEntity(ComputeLoadEntity[DeviceCoordinator]):
    """An entity of one device. It is unavailable while that device is silent."""

    def __init__(
        self, device: DeviceCoordinator, description: EntityDescription, key: str | None = None
    ) -> None:
        """Belong to the device's subentry."""
        super().__init__(device, description, device.asset_id, key or description.key)
        self._attr_device_info = device_info(device)

    @property
    @override
    def available(self) -> bool:
        """Return whether the device answers, and has answered yet."""
        return super().available and self.coordinator.data is not None


class PacedSensor(SensorEntity):
    """A sensor whose state follows its value by a pace; comes before the entity's class."""

    _gate: Gate
    _shown_available = True

    def current_value(self) -> Shown:
        """Return the value as it is now; the state is it, or one from a moment ago."""
        raise NotImplementedError

    @override
    async def async_added_to_hass(self) -> None:
        """Start with the value that is known."""
        await super().async_added_to_hass()
        self._take_value()

    @callback
    def _take_value(self) -> bool:
        """Look at the value, and return whether there is something to write."""
        value = self.current_value()
        passed = self._gate.lets_pass(value, self.hass.loop.time())
        turned = self.available != self._shown_available
        if passed or turned:
            self._attr_native_value = value
        self._shown_available = self.available
        return passed or turned

    @callback
    def _handle_coordinator_update(self) -> None:
        """Write a state where one is due."""
        if self._take_value():
            self.async_write_ha_state()


def device_info(device: DeviceCoordinator) -> DeviceInfo:
    """Return what the device registry keeps of an asset.

    Before the device has answered for the first time its datasheet stands in for it.
    """
    datasheet, identity = device.datasheet, device.identity
    entry_id = device.config_entry.entry_id
    site = dr.async_get(device.hass).async_get_or_create(
        config_entry_id=entry_id, identifiers={(DOMAIN, entry_id)}
    )
    return DeviceInfo(
        identifiers={(DOMAIN, device.asset_id)},
        name=device.subentry.title,
        manufacturer=(identity and identity.manufacturer) or datasheet.manufacturer,
        model=(identity and identity.model) or datasheet.title,
        serial_number=identity.serial if identity else None,
        sw_version=identity.firmware if identity else None,
        via_device_id=site.id,
    )


@callback
def async_keep_device_info(device: DeviceCoordinator) -> None:
    """Tell the device registry who the device is, as soon as it has said so itself."""
    told = device.identity

    @callback
    def update() -> None:
        nonlocal told
        if device.identity is not told:
            told = device.identity
            dr.async_get(device.hass).async_get_or_create(
                config_entry_id=device.config_entry.entry_id,
                config_subentry_id=device.asset_id,
                **device_info(device),
            )

    device.config_entry.async_on_unload(device.async_add_listener(update))
