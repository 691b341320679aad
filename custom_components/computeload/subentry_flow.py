"""Subentry flow: one device of a site, of whatever kind.

The same steps for all: which device, how it is reached, a probe, then what it says for
the user to confirm. Nothing is stored that has not answered.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_DEVICE, CONF_HOST, CONF_NAME, CONF_PORT, CONF_TYPE
from homeassistant.helpers.selector import BooleanSelector, TextSelector, TextSelectorConfig
import voluptuous as vol

from . import SystemClock, async_get_library
from .const import (
    CONF_ACCEPT_STUCK,
    CONF_CAPACITY_KWH,
    CONF_CHANNELS,
    CONF_CHARGE_LIMIT_KW,
    CONF_DISCHARGE_LIMIT_KW,
    CONF_LINK,
    CONF_MORE_UNIT_IDS,
    CONF_POLL_S,
    CONF_PROFILE,
    CONF_ROLE,
    CONF_UNIT_ID,
    DOMAIN,
    LINK_RTU_TCP,
    LINK_SERIAL,
    LINK_SIMULATED,
    LINK_TCP,
    LINK_TLS,
    ROLE_BRANCH,
    ROLE_GRID,
)
from .core.model import AssetKind, Identity, Quantity, Reading
from .drivers.base import DeviceError, Scope
from .drivers.modbus import open_device
from .drivers.spec import Profile
from .forms import (
    CONF_BAUDRATE,
    CONF_PARITY,
    CONF_STOPBITS,
    MORE_UNITS,
    NETWORK_SCHEMA,
    PARITIES,
    SERIAL_SCHEMA,
    choice,
    figure,
    more_unit_ids,
    profile_choice,
    unit_id_fields,
)
from .link import async_temporary_unit, link_title
from .live_values import async_describe

PROBE_TIMEOUT_S: Final = 5.0
SLOWEST_POLL_S: Final = 3600.0

STEPS: Final = {
    "tcp": LINK_TCP,
    "tls": LINK_TLS,
    "rtu_over_tcp": LINK_RTU_TCP,
    "serial": LINK_SERIAL,
}
"""The step that asks for a link, by what profiles call the transport."""


class AssetSubentryFlow(ConfigSubentryFlow):
    """Add a device to a site, or change how it is reached."""

    _profile: Profile
    _identity: Identity
    _reading: Reading

    def __init__(self) -> None:
        """Start with nothing known."""
        self._data: dict[str, Any] = {}

    @property
    def _kind(self) -> AssetKind:
        return AssetKind(self._subentry_type)

    @property
    def _own(self) -> ConfigSubentry | None:
        """Return the subentry that is changed; None while one is added."""
        return self._get_reconfigure_subentry() if self.source == SOURCE_RECONFIGURE else None

    @property
    def _others(self) -> list[ConfigSubentry]:
        """Return all other devices of this kind, those of other sites included."""
        return [
            subentry
            for entry in self.hass.config_entries.async_entries(DOMAIN)
            for subentry in entry.subentries.values()
            if subentry.subentry_type == self._subentry_type and subentry is not self._own
        ]

    # -- which device ----------------------------------------------------------------

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask which device is added."""
        return await self._async_step_profile("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Go through the same steps again, with what is stored filled in."""
        if not self._data:
            self._data = dict(self._get_reconfigure_subentry().data)
        return await self._async_step_profile("reconfigure", user_input)

    async def _async_step_profile(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        library = await async_get_library(self.hass)
        profiles = [p for p in library.profiles.values() if p.kind is self._kind]
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            meter = self._other_grid_meter()
            if user_input.get(CONF_ROLE) == ROLE_GRID and meter is not None:
                errors[CONF_ROLE] = "grid_meter_exists"
                placeholders["name"] = meter.title
            else:
                self._profile = library.profiles[user_input[CONF_PROFILE]]
                self._data |= user_input
                return await self.async_step_link()
        fields: dict[vol.Marker, Any] = {vol.Required(CONF_PROFILE): profile_choice(profiles)}
        if self._kind is AssetKind.METER:
            fields[vol.Required(CONF_ROLE)] = choice((ROLE_GRID, ROLE_BRANCH), CONF_ROLE)
        first_role = ROLE_BRANCH if self._other_grid_meter() else ROLE_GRID
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), user_input or {CONF_ROLE: first_role, **self._data}
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    def _other_grid_meter(self) -> ConfigSubentry | None:
        return next(
            (
                subentry
                for subentry in self._get_entry().subentries.values()
                if subentry.data.get(CONF_ROLE) == ROLE_GRID and subentry is not self._own
            ),
            None,
        )

    # -- how it is reached -----------------------------------------------------------

    async def async_step_link(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask what kind of connection it is, where the device leaves a choice."""
        if self._data.get(CONF_LINK, {}).get(CONF_TYPE) == LINK_SIMULATED:
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
        schema = SERIAL_SCHEMA if link_type == LINK_SERIAL else NETWORK_SCHEMA
        schema = schema.extend(unit_id_fields(self._profile.link.more_unit_ids))
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
            CONF_UNIT_ID: self._data.get(CONF_UNIT_ID, factory.unit_id),
            CONF_BAUDRATE: factory.serial.baudrate,
            CONF_PARITY: factory.serial.parity,
            CONF_STOPBITS: factory.serial.stopbits,
        }
        stored = self._data.get(CONF_LINK, {})
        if stored.get(CONF_TYPE) == link_type:
            suggested |= stored
        for name, unit_id in factory.more_unit_ids.items():
            suggested[MORE_UNITS + name] = self._data.get(CONF_MORE_UNIT_IDS, {}).get(name, unit_id)
        words = {letter: word for word, letter in PARITIES.items()}
        return suggested | {
            CONF_PARITY: words[suggested[CONF_PARITY]],
            CONF_STOPBITS: str(suggested[CONF_STOPBITS]),
        }

    async def _async_probe(self) -> tuple[dict[str, str], dict[str, str]]:
        """Read the device once; return what went wrong, and the details to say it with."""
        link, unit_id = self._reachable_link()
        try:
            async with AsyncExitStack() as stack:
                ids = {"": unit_id, **self._data.get(CONF_MORE_UNIT_IDS, {})}
                units = {
                    name: await stack.enter_async_context(
                        async_temporary_unit(self.hass, link, each)
                    )
                    for name, each in ids.items()
                }
                device = open_device(
                    self._profile,
                    units.pop(""),
                    SystemClock(),
                    more_units=units,
                    request_timeout_s=PROBE_TIMEOUT_S,
                )
                with closing(device):
                    self._identity = await device.identify()
                    await device.find_units()
                    self._reading = await device.read(Scope.FULL)
        except DeviceError as err:
            known = {"address": link_title(link), "unit_id": str(unit_id)}
            return {"base": err.key}, known | err.placeholders
        return {}, {}

    def _reachable_link(self) -> tuple[Mapping[str, Any], int]:
        """Return the link as it can be opened; a simulated device is at a port of its own."""
        link, unit_id = self._data[CONF_LINK], self._data[CONF_UNIT_ID]
        if link[CONF_TYPE] != LINK_SIMULATED:
            return link, unit_id
        endpoint = self._get_entry().runtime_data.simulator.endpoints[link[CONF_DEVICE]]
        link = {CONF_TYPE: LINK_TCP, CONF_HOST: endpoint.host, CONF_PORT: endpoint.port}
        return link, endpoint.unit_id

    # -- whether it may be added -----------------------------------------------------

    @property
    def _unique_id(self) -> str:
        """Return what tells this device from others; a serial number where it has one."""
        if self._identity.serial:
            return f"{self._serial_mark}{self._identity.serial}"
        return f"{self._kind} {link_title(self._data[CONF_LINK])} {self._data[CONF_UNIT_ID]}"

    @property
    def _serial_mark(self) -> str:
        # One device can be two assets, say the PV and the battery of a hybrid inverter.
        return f"{self._kind} serial "

    def _abort_if_unfit(self) -> SubentryFlowResult | None:
        """Abort where the device is there already, or is not the one that it was."""
        unique_id = self._unique_id
        place = (self._data[CONF_LINK], self._data[CONF_UNIT_ID])
        for other in self._others:
            if other.unique_id == unique_id or place == (
                other.data[CONF_LINK],
                other.data[CONF_UNIT_ID],
            ):
                return self.async_abort(
                    reason="already_configured", description_placeholders={"name": other.title}
                )
        own_id = (self._own and self._own.unique_id) or ""
        mark = self._serial_mark
        if own_id.startswith(mark) and unique_id.startswith(mark) and own_id != unique_id:
            return self.async_abort(
                reason="wrong_device",
                description_placeholders={
                    "found": unique_id.removeprefix(mark),
                    "expected": own_id.removeprefix(mark),
                },
            )
        return None

    # -- what it says ----------------------------------------------------------------

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show what the device says now, and ask for what it does not say."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = self._confirm_errors(user_input)
            if not errors:
                return self._finish(user_input)
        identity = self._identity
        who = " ".join(filter(None, (identity.manufacturer, identity.model)))
        return self.async_show_form(
            step_id="confirm",
            data_schema=self.add_suggested_values_to_schema(
                self._confirm_schema(), user_input or self._suggested_answers(who)
            ),
            errors=errors,
            description_placeholders={
                "device_type": who or self._profile.title,
                "serial": identity.serial or "-",
                "values": await async_describe(
                    self.hass, self._kind, self._data.get(CONF_ROLE), self._reading
                ),
                "least_poll": f"{self._profile.least_poll_s:g}",
                "most_channels": str(self._profile.channels.most if self._profile.channels else 0),
            },
        )

    def _confirm_schema(self) -> vol.Schema:
        fields: dict[vol.Marker, Any] = {vol.Required(CONF_NAME): TextSelector()}
        if self._kind is AssetKind.BATTERY:
            fields |= {
                vol.Optional(CONF_CAPACITY_KWH): figure("kWh"),
                vol.Optional(CONF_CHARGE_LIMIT_KW): figure("kW"),
                vol.Optional(CONF_DISCHARGE_LIMIT_KW): figure("kW"),
            }
        if self._profile.channels is not None:
            fields[vol.Required(CONF_CHANNELS)] = TextSelector(TextSelectorConfig(multiple=True))
        if self._profile.contract is not None and self._profile.contract.needs_consent:
            fields[vol.Required(CONF_ACCEPT_STUCK, default=False)] = BooleanSelector()
        fields[vol.Required(CONF_POLL_S)] = figure("s")
        return vol.Schema(fields)

    def _suggested_answers(self, who: str) -> dict[str, Any]:
        title = self._own.title if self._own else who or self._profile.title
        suggested = {CONF_POLL_S: self._profile.poll_s, **self._data, CONF_NAME: title}
        if self._profile.channels is not None:
            numbers = [f"#{n + 1}" for n in range(self._profile.channel_count)]
            suggested.setdefault(CONF_CHANNELS, numbers)
        return suggested

    def _confirm_errors(self, answers: Mapping[str, Any]) -> dict[str, str]:
        errors: dict[str, str] = {}
        if not answers[CONF_NAME].strip():
            errors[CONF_NAME] = "name_missing"
        if not self._profile.least_poll_s <= answers[CONF_POLL_S] <= SLOWEST_POLL_S:
            errors[CONF_POLL_S] = "poll_out_of_range"
        if self._profile.channels is not None:
            errors |= self._channel_errors(answers[CONF_CHANNELS], self._profile.channels.most)
        if self._kind is AssetKind.BATTERY:
            errors |= self._battery_errors(answers)
        return errors

    @staticmethod
    def _channel_errors(names: list[str], most: int) -> dict[str, str]:
        errors: dict[str, str] = {}
        distinct = {name.strip() for name in names} - {""}
        if not 1 <= len(names) <= most:
            errors[CONF_CHANNELS] = "channels_out_of_range"
        elif len(distinct) < len(names):
            errors[CONF_CHANNELS] = "channels_not_distinct"
        return errors

    def _battery_errors(self, answers: Mapping[str, Any]) -> dict[str, str]:
        errors: dict[str, str] = {}
        capacity_kwh = answers.get(CONF_CAPACITY_KWH)
        if capacity_kwh is None and not self._reading.number(Quantity.CAPACITY_WH):
            errors[CONF_CAPACITY_KWH] = "capacity_missing"
        elif capacity_kwh is not None and capacity_kwh <= 0:
            errors[CONF_CAPACITY_KWH] = "capacity_not_positive"
        for key in (CONF_CHARGE_LIMIT_KW, CONF_DISCHARGE_LIMIT_KW):
            if answers.get(key, 0) < 0:
                errors[key] = "limit_negative"
        return errors

    def _finish(self, answers: Mapping[str, Any]) -> SubentryFlowResult:
        """Store the device."""
        title = answers[CONF_NAME].strip()
        steps = (CONF_PROFILE, CONF_ROLE, CONF_LINK, CONF_UNIT_ID, CONF_MORE_UNIT_IDS)
        data = {key: self._data[key] for key in steps if key in self._data}
        data |= {key: value for key, value in answers.items() if key != CONF_NAME}
        if self._own is None:
            return self.async_create_entry(title=title, data=data, unique_id=self._unique_id)
        simulated = data[CONF_LINK][CONF_TYPE] == LINK_SIMULATED
        return self.async_update_and_abort(
            self._get_entry(),
            self._own,
            title=title,
            data=data,
            unique_id=self._own.unique_id if simulated else self._unique_id,
        )
