"""Buttons: looking at the site now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components import persistent_notification
from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .controller import Controller
from .coordinator import ComputeLoadConfigEntry
from .entity import SiteEntity

PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class ComputeLoadButtonDescription(ButtonEntityDescription):
    """Something to do with the site."""

    press_fn: Callable[[Controller], Awaitable[None]]


async def _async_check_site(controller: Controller) -> None:
    """Show what every check says now."""
    entry, hass = controller.config_entry, controller.hass
    proof = entry.runtime_data.proof
    proof.async_look()
    persistent_notification.async_create(
        hass,
        await proof.async_report(),
        title=entry.title,
        notification_id=f"{DOMAIN}_check_{entry.entry_id}",
    )


SITE_BUTTONS: tuple[ComputeLoadButtonDescription, ...] = (
    ComputeLoadButtonDescription(
        key="check_site",
        translation_key="check_site",
        entity_category=EntityCategory.DIAGNOSTIC,
        press_fn=_async_check_site,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of the site."""
    async_add_entities(SiteButton(entry.runtime_data.controller, each) for each in SITE_BUTTONS)


class SiteButton(SiteEntity, ButtonEntity):
    """Something to do with the site."""

    entity_description: ComputeLoadButtonDescription

    @override
    async def async_press(self) -> None:
        """Do it."""
        await self.entity_description.press_fn(self.coordinator)
