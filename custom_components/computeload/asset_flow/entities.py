"""An asset that is made of Home Assistant's entities: which ones, and how they are set."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.helpers.selector import (
    ActionSelector,
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
    TextSelector,
)
import voluptuous as vol

from .. import const
from ..core.model import AssetKind
from ..drivers.entity import POWER_UNITS
from ..entity_source import DELAY_S, state_getter
from ..forms import figure
from .base import AssetFlow

NUMBERS: Final = EntityWithDeviceFilterSelectorConfig(domain=["input_number", "number"])


def measured(device_class: str) -> EntitySelector:
    """Return a field for what a sensor measures, or a number that somebody sets."""
    sensors = EntityWithDeviceFilterSelectorConfig(domain="sensor", device_class=device_class)
    return EntitySelector(EntitySelectorConfig(filter=[sensors, NUMBERS]))


POWER: Final = measured("power")
ENERGY: Final = measured("energy")
CHARGE: Final = measured("battery")
NUMBER: Final = EntitySelector(EntitySelectorConfig(filter=[NUMBERS]))
CHOICE: Final = EntitySelector(EntitySelectorConfig(domain=["input_select", "select"]))
SWITCH: Final = EntitySelector(EntitySelectorConfig(domain=["input_boolean", "switch"]))

MODES: Final = ("charge", "discharge", "idle", "own")

type Fields = dict[vol.Marker, EntitySelector]

_OTHER_WAY: Final[Fields] = {vol.Optional(const.CONF_POWER_OTHER_WAY): POWER}
_PHASES: Final[Fields] = {vol.Optional(key): POWER for key in const.CONF_POWER_PHASES}
_IMPORT: Final[Fields] = {vol.Optional(const.CONF_ENERGY_IMPORT): ENERGY}
_EXPORT: Final[Fields] = {vol.Optional(const.CONF_ENERGY_EXPORT): ENERGY}
FIELDS: Final[Mapping[AssetKind, Fields]] = {
    AssetKind.METER: _OTHER_WAY | _PHASES | _IMPORT | _EXPORT,
    AssetKind.BATTERY: _OTHER_WAY | _IMPORT | _EXPORT | {vol.Required(const.CONF_SOC): CHARGE},
    AssetKind.PV: _EXPORT,
    AssetKind.LOAD: _IMPORT,
}
"""What a kind of asset can have besides its power."""

SET_ENTITIES: Final = vol.Schema(
    {
        vol.Required(const.CONF_SET_POWER): NUMBER,
        vol.Optional(const.CONF_SET_CHARGE_POWER): NUMBER,
        vol.Required(const.CONF_SET_INVERTED, default=False): BooleanSelector(),
        vol.Optional(const.CONF_SET_MODE): CHOICE,
        **{vol.Optional(f"mode_{mode}"): TextSelector() for mode in MODES},
        vol.Optional(const.CONF_SET_SWITCH): SWITCH,
        vol.Required(const.CONF_DELAY_S, default=DELAY_S): figure("s"),
    }
)
SET_ACTIONS: Final = vol.Schema(
    {
        vol.Required(const.CONF_SET_ACTIONS): ActionSelector(),
        vol.Required(const.CONF_RELEASE_ACTIONS): ActionSelector(),
        vol.Required(const.CONF_DELAY_S, default=DELAY_S): figure("s"),
    }
)


def _has_directions(answers: Mapping[str, Any]) -> bool:
    """Tell whether something else than the sign of the number says charge or discharge."""
    return const.CONF_SET_MODE in answers or const.CONF_SET_CHARGE_POWER in answers


class EntitySteps(AssetFlow):
    """The steps of an asset that is made of entities."""

    async def async_step_entities(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which entities measure it."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            errors, placeholders = self._role_errors(user_input)
            if not errors:
                self._data = {const.CONF_SOURCE: const.SOURCE_ENTITIES, **user_input}
                errors, placeholders = await self._async_probe()
            if not errors:
                if unfit := self._abort_if_unfit():
                    return unfit
                if self._kind is AssetKind.BATTERY:
                    return await self.async_step_command()
                return await self.async_step_confirm()
        fields = {
            **self._role_fields(),
            vol.Required(const.CONF_POWER): POWER,
            vol.Required(const.CONF_INVERTED, default=False): BooleanSelector(),
            **FIELDS[self._kind],
        }
        return self.async_show_form(
            step_id="entities",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), user_input or self._suggested_role() | dict(self._stored)
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_command(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask whether and how the battery can be commanded."""
        return self.async_show_menu(
            step_id="command", menu_options=["read_only", "set_entities", "set_actions"]
        )

    async def async_step_read_only(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Only read the battery."""
        return await self.async_step_confirm()

    async def async_step_set_entities(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which entities command the battery."""
        errors = {} if user_input is None else self._setting_errors(user_input)
        if user_input is not None and not errors:
            return await self._async_take_command(user_input)
        return self._show_command("set_entities", SET_ENTITIES, user_input, errors)

    async def async_step_set_actions(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the actions that command the battery."""
        if user_input is not None:
            return await self._async_take_command(user_input)
        return self._show_command("set_actions", SET_ACTIONS, None, {})

    def _show_command(
        self,
        step_id: str,
        schema: vol.Schema,
        user_input: dict[str, Any] | None,
        errors: dict[str, str],
    ) -> SubentryFlowResult:
        stored = self._stored.get(const.CONF_COMMAND, {})
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, user_input or stored),
            errors=errors,
        )

    def _setting_errors(self, answers: Mapping[str, Any]) -> dict[str, str]:
        """Return what would make a command go wrong, by field."""
        errors: dict[str, str] = {}
        get = state_getter(self.hass)
        numbers = (const.CONF_SET_POWER, const.CONF_SET_CHARGE_POWER)
        for key in numbers:
            state = get(answers[key]) if key in answers else None
            alone = const.CONF_SET_MODE not in answers and const.CONF_SET_SWITCH not in answers
            if state is None:
                continue
            if state.unit and state.unit not in POWER_UNITS:
                errors[key] = "not_a_power"
            elif not state.least <= 0.0 <= state.most and alone:
                errors[key] = "never_zero"
            elif not (state.least < 0.0 or _has_directions(answers)):
                errors[key] = "one_way"
        if answers.get(const.CONF_SET_CHARGE_POWER) == answers[const.CONF_SET_POWER]:
            errors[const.CONF_SET_CHARGE_POWER] = "same_number"
        if mode := answers.get(const.CONF_SET_MODE):
            choice = self.hass.states.get(mode)
            options = choice.attributes.get("options") if choice is not None else None
            for key in (f"mode_{each}" for each in MODES):
                if key not in answers or (options and answers[key] not in options):
                    errors[key] = "mode_unknown"
        return errors

    async def _async_take_command(self, answers: dict[str, Any]) -> SubentryFlowResult:
        """Probe once more: what is commanded has a contract, and the last step says so."""
        self._data[const.CONF_COMMAND] = answers
        errors, placeholders = await self._async_probe()
        if errors:
            return self.async_abort(reason=errors["base"], description_placeholders=placeholders)
        return await self.async_step_confirm()
