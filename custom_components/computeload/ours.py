"""Which of the entities that an automation points at one of our triggers or conditions means."""

from homeassistant.const import CONF_TARGET
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection
from homeassistant.helpers.typing import ConfigType
import voluptuous as vol

from .const import DOMAIN


def ours(hass: HomeAssistant, entities: set[str], keys: frozenset[str]) -> set[str]:
    """Return those that are our own, by the keys of their names."""
    registry = er.async_get(hass)
    return {
        entity_id
        for entity_id in entities
        if (entry := registry.async_get(entity_id)) is not None
        and entry.platform == DOMAIN
        and entry.translation_key in keys
    }


def refuse_strangers(hass: HomeAssistant, config: ConfigType, keys: frozenset[str]) -> None:
    """Refuse a target of other entities only: it would never do anything, without a word.

    Raises vol.Invalid.
    """
    target = TargetSelection(config[CONF_TARGET])
    wider = target.device_ids or target.area_ids or target.floor_ids or target.label_ids
    if target.entity_ids and not wider and not ours(hass, target.entity_ids, keys):
        named = ", ".join(sorted(target.entity_ids))
        raise vol.Invalid(
            f"{named} is not what this watches. Choose the site itself, or its cluster, instead",
            path=[CONF_TARGET],
        )
