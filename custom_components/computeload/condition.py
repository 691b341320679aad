"""Conditions of our own: what may have to be so before an automation of a site goes on."""

from collections.abc import Iterable
from typing import ClassVar, Final, override

from homeassistant.components.binary_sensor.const import DOMAIN as BINARY_SENSOR
from homeassistant.components.sensor.const import DOMAIN as SENSOR
from homeassistant.components.switch.const import DOMAIN as SWITCH
from homeassistant.const import STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.condition import Condition, EntityStateConditionBase
from homeassistant.helpers.typing import ConfigType

from .core.outage import Stage
from .ours import ours, refuse_strangers


def _is(domain: str, key: str, states: Iterable[str]) -> type[Condition]:
    """Return a condition that holds while an entity of our own says one of these."""

    class Is(EntityStateConditionBase):
        _domain_specs = {domain: DomainSpec()}  # noqa: RUF012 - Home Assistant's own way
        _keys: ClassVar[frozenset[str]] = frozenset({key})
        _primary_entities_only = False
        _states = set(states)  # noqa: RUF012

        @override
        @classmethod
        async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
            """Return the configuration in its full form; raises vol.Invalid."""
            config = await super().async_validate_config(hass, config)
            refuse_strangers(hass, config, cls._keys)
            return config

        @override
        def entity_filter(self, entities: set[str]) -> set[str]:
            """Return those that are looked at."""
            return ours(self._hass, super().entity_filter(entities), self._keys)

    return Is


CONDITIONS: Final[dict[str, type[Condition]]] = {
    "is_peak_predicted": _is(BINARY_SENSOR, "peak_at_risk", (STATE_ON,)),
    "is_cheap": _is(BINARY_SENSOR, "cheap_now", (STATE_ON,)),
    "is_green": _is(BINARY_SENSOR, "green_now", (STATE_ON,)),
    "is_outage": _is(
        SENSOR, "outage_stage", (stage.value for stage in Stage if stage is not Stage.GRID)
    ),
    "is_controlled": _is(SWITCH, "controller", (STATE_ON,)),
}


async def async_get_conditions(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
