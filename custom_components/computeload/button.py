"""Buttons: looking at the site now, and setting up the Energy dashboard."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components import persistent_notification
from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN
from .controller import Controller
from .coordinator import ComputeLoadConfigEntry
from .energy_setup import async_add_missing
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


async def _async_set_up_energy(controller: Controller) -> None:
    """Put the site into the Energy dashboard, and say what was added."""
    entry, hass = controller.config_entry, controller.hass
    added = await async_add_missing(hass, entry)
    words = await async_get_translations(hass, hass.config.language, "selector", {DOMAIN})
    said = words[
        f"component.{DOMAIN}.selector.energy_setup.options.{'added' if added else 'complete'}"
    ]
    persistent_notification.async_create(
        hass,
        said.format(names=", ".join(added)),
        title=entry.title,
        notification_id=f"{DOMAIN}_energy_{entry.entry_id}",
    )


SITE_BUTTONS: tuple[ComputeLoadButtonDescription, ...] = (
    ComputeLoadButtonDescription(
        key="check_site",
        translation_key="check_site",
        entity_category=EntityCategory.DIAGNOSTIC,
        press_fn=_async_check_site,
    ),
    ComputeLoadButtonDescription(
        key="set_up_energy",
        translation_key="set_up_energy",
        entity_category=EntityCategory.CONFIG,
        press_fn=_async_set_up_energy,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of the site."""
    async_add_entities(SiteButton(entry.runtime_data.controller, each) for each in SITE_BUTTONS)


class SiteButton(SiteEntity[Controller], ButtonEntity):
    """Something to do with the site."""

    entity_description: ComputeLoadButtonDescription

    @override
    async def async_press(self) -> None:
        """Do it."""
        await self.entity_description.press_fn(self.coordinator)
