"""Triggers of our own: what an automation of a site may wait for, with the site as target.

Each watches one of our entities, whatever its id has become.
"""

from collections.abc import Iterable
from typing import ClassVar, Final, override

from homeassistant.components.binary_sensor.const import DOMAIN as BINARY_SENSOR
from homeassistant.components.event.const import DOMAIN as EVENT, EventEntityStateAttribute
from homeassistant.components.sensor.const import DOMAIN as SENSOR
from homeassistant.const import CONF_OPTIONS, STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.trigger import (
    ENTITY_STATE_TRIGGER_SCHEMA,
    EntityTargetStateTriggerBase,
    EntityTriggerBase,
    NotTriggeredReasonReporter,
    StatelessEntityTriggerBase,
    Trigger,
    TriggerConfig,
)
from homeassistant.helpers.typing import ConfigType
import voluptuous as vol

from .core.outage import Stage
from .event import FORESEEN
from .levers.data import Deed
from .ours import ours, refuse_strangers


class _Own(EntityTriggerBase):
    """Watches entities of our own only."""

    _keys: ClassVar[frozenset[str]]
    _primary_entities_only = False

    @override
    @classmethod
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Return the configuration in its full form; raises vol.Invalid."""
        config = await super().async_validate_config(hass, config)
        refuse_strangers(hass, config, cls._keys)
        return config

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return those that are watched."""
        return ours(self._hass, super().entity_filter(entities), self._keys)


def _turns(key: str, to: str) -> type[Trigger]:
    """Return a trigger for a yes or no that turns."""

    class Turns(_Own, EntityTargetStateTriggerBase):
        _domain_specs = {BINARY_SENSOR: DomainSpec()}  # noqa: RUF012 - Home Assistant's own way
        _keys = frozenset({key})
        _to_states = {to}  # noqa: RUF012

    return Turns


def _changes(key: str) -> type[Trigger]:
    """Return a trigger for a sensor that says something else."""

    class Changes(_Own):
        _domain_specs = {SENSOR: DomainSpec()}  # noqa: RUF012
        _keys = frozenset({key})

    return Changes


def _tells(keys: Iterable[str], types: Iterable[str], option: str = "") -> type[Trigger]:
    """Return a trigger for events of some types; an option leaves the choice to the user."""
    all_types = [str(each) for each in types]
    choice = vol.All(cv.ensure_list, vol.Length(min=1), [vol.In(all_types)])
    options = {vol.Optional(option, default=all_types): choice} if option else {}

    class Tells(_Own, StatelessEntityTriggerBase):
        _domain_specs = {EVENT: DomainSpec()}  # noqa: RUF012
        _keys = frozenset(keys)
        _schema = ENTITY_STATE_TRIGGER_SCHEMA.extend(
            {vol.Required(CONF_OPTIONS, default={}): options}
        )

        def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
            """Remember which types are asked for."""
            super().__init__(hass, config)
            self._types = frozenset(self._options.get(option, all_types))

        @override
        def is_valid_state(
            self, state: State, report_not_triggered: NotTriggeredReasonReporter
        ) -> bool:
            """Return whether the event is of a type that was asked for."""
            return state.attributes.get(EventEntityStateAttribute.EVENT_TYPE) in self._types

    return Tells


TRIGGERS: Final[dict[str, type[Trigger]]] = {
    "peak_predicted": _turns("peak_at_risk", STATE_ON),
    "peak_averted": _turns("peak_at_risk", STATE_OFF),
    "peak_unavoidable": _turns("peak_unavoidable", STATE_ON),
    "plan_changed": _changes("plan_reason"),
    "cheap_period_began": _turns("cheap_now", STATE_ON),
    "cheap_period_ended": _turns("cheap_now", STATE_OFF),
    "green_period_began": _turns("green_now", STATE_ON),
    "green_period_ended": _turns("green_now", STATE_OFF),
    "outage_stage_reached": _tells(("outage",), Stage, "stage"),
    "job_step_foreseen": _tells(("next_train",), (FORESEEN,)),
    "compute_moved": _tells(("compute_budget", "jobs_moved"), Deed, "deed"),
}


async def async_get_triggers(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return TRIGGERS
