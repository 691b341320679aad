"""A device on Modbus: which one it is, and how it is reached."""

from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState, SubentryFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TYPE
import voluptuous as vol

from ..announced import host_choice
from ..const import (
    CONF_LINK,
    CONF_MORE_UNIT_IDS,
    CONF_PROFILE,
    CONF_UNIT_ID,
    LINK_RTU_TCP,
    LINK_SERIAL,
    LINK_TCP,
    LINK_TLS,
)
from ..drivers.spec import Profile
from ..forms import (
    CONF_BAUDRATE,
    CONF_PARITY,
    CONF_STOPBITS,
    MORE_UNITS,
    NETWORK_SCHEMA,
    PARITIES,
    SERIAL_SCHEMA,
    TLS_SCHEMA,
    more_unit_ids,
    profile_choice,
    unit_id_fields,
)
from ..library import async_get_library
from ..modbus_source import is_simulated
from .base import AssetFlow

STEPS: Final = {
    "tcp": LINK_TCP,
    "tls": LINK_TLS,
    "rtu_over_tcp": LINK_RTU_TCP,
    "serial": LINK_SERIAL,
}
"""The step that asks for a link, by what profiles call the transport."""
SCHEMAS: Final = {LINK_TLS: TLS_SCHEMA, LINK_SERIAL: SERIAL_SCHEMA}
"""The form of a link, where it is not that of a plain network connection."""


class ModbusSteps(AssetFlow):
    """The steps of a device on Modbus."""

    _profile: Profile

    # -- which device ----------------------------------------------------------------

    async def async_step_modbus(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which device it is."""
        library = await async_get_library(self.hass)
        profiles = [p for p in library.profiles.values() if p.kind is self._kind]
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            errors, placeholders = self._role_errors(user_input)
            if not errors:
                self._profile = library.profiles[user_input[CONF_PROFILE]]
                self._data |= user_input
                return await self.async_step_link()
        fields = {vol.Required(CONF_PROFILE): profile_choice(profiles), **self._role_fields()}
        return self.async_show_form(
            step_id="modbus",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), user_input or self._suggested_role() | dict(self._stored)
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    # -- how it is reached -----------------------------------------------------------

    async def async_step_link(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask what kind of connection it is, where the device leaves a choice."""
        if is_simulated(self._stored):
            self._data |= {key: self._stored[key] for key in (CONF_LINK, CONF_UNIT_ID)}
            return await self._async_probe_simulated()
        steps = [STEPS[t] for t in self._profile.link.transports if t in STEPS]
        if len(steps) == 1:
            return await self._async_step_connection(steps[0], None)
        return self.async_show_menu(step_id="link", menu_options=steps)

    async def async_step_tcp(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Reach the device over the network."""
        return await self._async_step_connection(LINK_TCP, user_input)

    async def async_step_tls(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Reach the device over the network, encrypted."""
        return await self._async_step_connection(LINK_TLS, user_input)

    async def async_step_rtu_tcp(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Reach the device through a gateway that passes serial frames on."""
        return await self._async_step_connection(LINK_RTU_TCP, user_input)

    async def async_step_serial(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Reach the device over a serial line of this machine."""
        return await self._async_step_connection(LINK_SERIAL, user_input)

    async def _async_probe_simulated(self) -> SubentryFlowResult:
        """Probe a device of the simulated site; there is nothing to ask for."""
        if self._get_entry().state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="site_not_loaded")
        errors, placeholders = await self._async_probe()
        if errors:
            return self.async_abort(reason=errors["base"], description_placeholders=placeholders)
        return await self.async_step_confirm()

    async def _async_step_connection(
        self, link_type: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        """Ask for the connection, then probe what is behind it."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            more = more_unit_ids(user_input)
            link = {k: v for k, v in user_input.items() if not k.startswith(MORE_UNITS)}
            link[CONF_TYPE] = link_type
            self._data[CONF_UNIT_ID] = link.pop(CONF_UNIT_ID)
            self._data.pop(CONF_MORE_UNIT_IDS, None)
            if more:
                self._data[CONF_MORE_UNIT_IDS] = more
            if CONF_HOST in link:
                # One connection is shared per host and port, so the spelling matters.
                link[CONF_HOST] = link[CONF_HOST].strip().lower()
            if CONF_PARITY in link:
                link[CONF_PARITY] = PARITIES[link[CONF_PARITY]]
            self._data[CONF_LINK] = link
            errors, placeholders = await self._async_probe()
            if not errors:
                return self._abort_if_unfit() or await self.async_step_confirm()
        schema = SCHEMAS.get(link_type, NETWORK_SCHEMA)
        schema = schema.extend(unit_id_fields(self._profile.link.more_unit_ids))
        if CONF_HOST in schema.schema:
            schema = schema.extend({vol.Required(CONF_HOST): host_choice(self.hass)})
        return self.async_show_form(
            step_id=link_type,
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or self._suggested_link(link_type)
            ),
            errors=errors,
            description_placeholders={"device_type": self._profile.title, **placeholders},
        )

    def _suggested_link(self, link_type: str) -> dict[str, Any]:
        """Return what is stored where it fits, and the device's factory settings otherwise."""
        factory = self._profile.link
        suggested: dict[str, Any] = {
            CONF_PORT: factory.port,
            CONF_UNIT_ID: self._stored.get(CONF_UNIT_ID, factory.unit_id),
            CONF_BAUDRATE: factory.serial.baudrate,
            CONF_PARITY: factory.serial.parity,
            CONF_STOPBITS: factory.serial.stopbits,
        }
        stored = self._stored.get(CONF_LINK, {})
        if stored.get(CONF_TYPE) == link_type:
            suggested |= stored
        more = {**factory.more_unit_ids, **self._stored.get(CONF_MORE_UNIT_IDS, {})}
        suggested |= {MORE_UNITS + name: more[name] for name in factory.more_unit_ids}
        words = {letter: word for word, letter in PARITIES.items()}
        return suggested | {
            CONF_PARITY: words[suggested[CONF_PARITY]],
            CONF_STOPBITS: str(suggested[CONF_STOPBITS]),
        }
