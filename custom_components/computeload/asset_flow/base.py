"""What all sources of an asset share: a probe, then what it says for the user to confirm.

Nothing is stored that has not answered.
"""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import BooleanSelector, TextSelector, TextSelectorConfig
import voluptuous as vol

from ..const import (
    CONF_ACCEPT_STUCK,
    CONF_CAPACITY_KWH,
    CONF_CHANNELS,
    CONF_CHARGE_LIMIT_KW,
    CONF_DISCHARGE_LIMIT_KW,
    CONF_OVERRIDES,
    CONF_POLL_S,
    CONF_PROFILE,
    CONF_ROLE,
    DOMAIN,
    ROLE_BRANCH,
    ROLE_GRID,
)
from ..core.model import AssetKind, Quantity
from ..drivers.base import Datasheet, DeviceError
from ..forms import choice, figure
from ..library import async_get_library
from ..live_values import async_describe
from ..modbus_source import is_simulated
from ..opening import Probe, async_probe, where, whereabouts

SLOWEST_POLL_S: Final = 3600.0


class AssetFlow(ConfigSubentryFlow):
    """Add an asset to a site, or change it."""

    _probe: Probe

    def __init__(self) -> None:
        """Start with nothing known."""
        self._data: dict[str, Any] = {}
        """What was answered up to now; with the last answers, it is what is stored."""

    @property
    def _stored(self) -> Mapping[str, Any]:
        """Return what was answered when the asset was added, to be filled in."""
        return self._own.data if self._own else {}

    @property
    def _kind(self) -> AssetKind:
        return AssetKind(self._subentry_type)

    @property
    def _datasheet(self) -> Datasheet:
        """Return what is known of the device since the probe."""
        return self._probe.datasheet

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

    # -- what it is to the site --------------------------------------------------------

    def _role_fields(self) -> dict[vol.Marker, Any]:
        """Return the field for what a meter measures; other kinds of assets have none."""
        if self._kind is not AssetKind.METER:
            return {}
        return {vol.Required(CONF_ROLE): choice((ROLE_GRID, ROLE_BRANCH), CONF_ROLE)}

    def _suggested_role(self) -> dict[str, Any]:
        return {CONF_ROLE: ROLE_BRANCH if self._other_grid_meter() else ROLE_GRID}

    def _role_errors(self, answers: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Return what is wrong with the role, and the details to say it with."""
        errors: dict[str, str] = {}
        meter = self._other_grid_meter()
        if meter is None or answers.get(CONF_ROLE) != ROLE_GRID:
            return errors, {}
        errors[CONF_ROLE] = "grid_meter_exists"
        return errors, {"name": meter.title}

    def _other_grid_meter(self) -> ConfigSubentry | None:
        return next(
            (
                subentry
                for subentry in self._get_entry().subentries.values()
                if subentry.data.get(CONF_ROLE) == ROLE_GRID and subentry is not self._own
            ),
            None,
        )

    # -- the probe ---------------------------------------------------------------------

    async def _async_probe(self) -> tuple[dict[str, str], dict[str, str]]:
        """Read the device once; return what went wrong, and the details to say it with."""
        library = await async_get_library(self.hass)
        try:
            self._probe = await async_probe(self.hass, self._get_entry(), library, self._data)
        except DeviceError as err:
            return {"base": err.key}, whereabouts(self._data) | err.placeholders
        return {}, {}

    # -- whether it may be added -----------------------------------------------------

    @property
    def _unique_id(self) -> str:
        """Return what tells this device from others; a serial number where it has one."""
        if self._probe.identity.serial:
            return f"{self._serial_mark}{self._probe.identity.serial}"
        return f"{self._kind} {where(self._data)}"

    @property
    def _serial_mark(self) -> str:
        # One device can be two assets, say the PV and the battery of a hybrid inverter.
        return f"{self._kind} serial "

    def _abort_if_unfit(self) -> SubentryFlowResult | None:
        """Abort where the device is there already, or is not the one that it was."""
        unique_id, place = self._unique_id, where(self._data)
        for other in self._others:
            if other.unique_id == unique_id or where(other.data) == place:
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
        identity = self._probe.identity
        who = " ".join(filter(None, (identity.manufacturer, identity.model)))
        return self.async_show_form(
            step_id="confirm",
            data_schema=self.add_suggested_values_to_schema(
                self._confirm_schema(), user_input or self._suggested_answers(who)
            ),
            errors=errors,
            description_placeholders={
                "device_type": who or self._datasheet.title,
                "serial": identity.serial or "-",
                "values": await async_describe(
                    self.hass, self._kind, self._data.get(CONF_ROLE), self._probe.reading
                ),
                "least_poll": f"{self._datasheet.least_poll_s:g}",
                "doubt": self._probe.contract.doubt if self._probe.contract else "",
                "most_channels": str(self._datasheet.most_channels),
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
        if self._datasheet.most_channels:
            fields[vol.Required(CONF_CHANNELS)] = TextSelector(TextSelectorConfig(multiple=True))
        if self._probe.contract is not None and self._probe.contract.needs_consent:
            fields[vol.Required(CONF_ACCEPT_STUCK, default=False)] = BooleanSelector()
        fields[vol.Required(CONF_POLL_S)] = figure("s")
        return vol.Schema(fields)

    def _suggested_answers(self, who: str) -> dict[str, Any]:
        title = self._own.title if self._own else who or self._datasheet.title
        suggested = {CONF_POLL_S: self._datasheet.poll_s, **self._stored, CONF_NAME: title}
        if self._datasheet.most_channels:
            numbers = [f"#{n + 1}" for n in range(self._datasheet.channel_count)]
            suggested.setdefault(CONF_CHANNELS, numbers)
        return suggested

    def _confirm_errors(self, answers: Mapping[str, Any]) -> dict[str, str]:
        errors: dict[str, str] = {}
        if not answers[CONF_NAME].strip():
            errors[CONF_NAME] = "name_missing"
        if not self._datasheet.least_poll_s <= answers[CONF_POLL_S] <= SLOWEST_POLL_S:
            errors[CONF_POLL_S] = "poll_out_of_range"
        if self._datasheet.most_channels:
            errors |= self._channel_errors(answers[CONF_CHANNELS], self._datasheet.most_channels)
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
        if capacity_kwh is None and not self._probe.reading.number(Quantity.CAPACITY_WH):
            errors[CONF_CAPACITY_KWH] = "capacity_missing"
        elif capacity_kwh is not None and capacity_kwh <= 0:
            errors[CONF_CAPACITY_KWH] = "capacity_not_positive"
        contract = self._probe.contract
        consent = answers.get(CONF_ACCEPT_STUCK, False)
        commanded = contract is not None and (consent or not contract.needs_consent)
        for key, quantity in (
            (CONF_CHARGE_LIMIT_KW, Quantity.CHARGE_LIMIT_W),
            (CONF_DISCHARGE_LIMIT_KW, Quantity.DISCHARGE_LIMIT_W),
        ):
            told = {quantity, Quantity.RATED_POWER_W} & self._datasheet.quantities
            if answers.get(key, 0) < 0:
                errors[key] = "limit_negative"
            elif key not in answers and commanded and not told:
                errors[key] = "limit_missing"
        return errors

    def _corrections(self) -> dict[str, Any]:
        """Return what the user corrected of the device; it holds for this kind of device only.

        Without a profile, signs and units are chosen in the steps: after a change there,
        a correction of the old choice would be a mistake of its own.
        """
        before = self._stored
        if CONF_PROFILE in self._data:
            same = before.get(CONF_PROFILE) == self._data[CONF_PROFILE]
        else:
            same = self._data.items() <= before.items()
        return {CONF_OVERRIDES: before[CONF_OVERRIDES]} if same and CONF_OVERRIDES in before else {}

    def _finish(self, answers: Mapping[str, Any]) -> SubentryFlowResult:
        """Store the device."""
        title = answers[CONF_NAME].strip()
        answered = {key: value for key, value in answers.items() if key != CONF_NAME}
        data = self._data | self._corrections() | answered
        if self._own is None:
            return self.async_create_entry(title=title, data=data, unique_id=self._unique_id)
        return self.async_update_and_abort(
            self._get_entry(),
            self._own,
            title=title,
            data=data,
            unique_id=self._own.unique_id if is_simulated(data) else self._unique_id,
        )
