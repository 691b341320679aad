"""Selects: what the controller is after, and what the levers of compute may do."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .cluster_controls import consent_selects
from .controller import Controller
from .coordinator import ComputeLoadConfigEntry
from .core.site import Strategy
from .entity import SiteEntity
from .site_data import Settings

PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class ComputeLoadSelectDescription(SelectEntityDescription):
    """A choice among the site's settings."""

    value_fn: Callable[[Settings], str]
    set_fn: Callable[[Settings, str], Settings]


SITE_SELECTS: tuple[ComputeLoadSelectDescription, ...] = (
    ComputeLoadSelectDescription(
        key="strategy",
        translation_key="strategy",
        options=[strategy.value for strategy in Strategy],
        value_fn=lambda settings: settings.strategy.value,
        set_fn=lambda settings, option: replace(settings, strategy=Strategy(option)),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the selects of the site and its clusters."""
    async_add_entities(SiteSelect(entry.runtime_data.controller, each) for each in SITE_SELECTS)
    for subentry_id, cluster in entry.runtime_data.clusters.items():
        async_add_entities(consent_selects(cluster), config_subentry_id=subentry_id)


class SiteSelect(SiteEntity[Controller], SelectEntity):
    """A choice among the site's settings."""

    entity_description: ComputeLoadSelectDescription

    @property
    @override
    def current_option(self) -> str:
        """Return the choice in force."""
        return self.entity_description.value_fn(self.coordinator.settings)

    @override
    async def async_select_option(self, option: str) -> None:
        """Put another choice into force."""
        controller = self.coordinator
        await controller.async_change(self.entity_description.set_fn(controller.settings, option))
