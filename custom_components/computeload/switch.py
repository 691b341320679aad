"""Switches: whether the controller commands the site's batteries."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import CONF_ROLE, DOMAIN, ROLE_GRID
from .controller import Controller
from .coordinator import ComputeLoadConfigEntry, SiteRuntime
from .core.model import AssetKind
from .entity import SiteEntity
from .site_data import Settings

PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class ComputeLoadSwitchDescription(SwitchEntityDescription):
    """A yes or no of the site's settings."""

    value_fn: Callable[[Settings], bool]
    set_fn: Callable[[Settings, bool], Settings]
    check_fn: Callable[[SiteRuntime], Awaitable[None]]
    """Raises ServiceValidationError where it cannot be switched on."""


async def _async_check_ready(runtime: SiteRuntime) -> None:
    meters = runtime.of_kind(AssetKind.METER)
    batteries = runtime.of_kind(AssetKind.BATTERY)
    if not any(meter.subentry.data.get(CONF_ROLE) == ROLE_GRID for meter in meters):
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_grid_meter")
    if not any(battery.controllable for battery in batteries):
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_battery")
    await runtime.proof.async_check_ready()


SITE_SWITCHES: tuple[ComputeLoadSwitchDescription, ...] = (
    ComputeLoadSwitchDescription(
        key="controller",
        translation_key="controller",
        value_fn=lambda settings: settings.enabled,
        set_fn=lambda settings, on: replace(settings, enabled=on),
        check_fn=_async_check_ready,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switches of the site."""
    async_add_entities(SiteSwitch(entry.runtime_data.controller, each) for each in SITE_SWITCHES)


class SiteSwitch(SiteEntity[Controller], SwitchEntity):
    """A yes or no of the site's settings."""

    entity_description: ComputeLoadSwitchDescription

    @property
    @override
    def is_on(self) -> bool:
        """Return whether it is on."""
        return self.entity_description.value_fn(self.coordinator.settings)

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Switch on, if the site has what it takes."""
        await self.entity_description.check_fn(self.coordinator.config_entry.runtime_data)
        await self._async_set(on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Switch off."""
        await self._async_set(on=False)

    async def _async_set(self, *, on: bool) -> None:
        controller = self.coordinator
        await controller.async_change(self.entity_description.set_fn(controller.settings, on))
