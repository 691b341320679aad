"""A load behind a server: a chassis over Redfish, or a query to Prometheus."""

from typing import Any, Final

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.const import (
    CONF_PASSWORD,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import voluptuous as vol

from .. import const
from ..drivers.base import DeviceError
from ..drivers.entity import ENERGY_UNITS, POWER_UNITS
from ..drivers.http import problem_of_url
from ..http_source import redfish_client
from .base import AssetFlow

SECRET: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
LONG: Final = TextSelector(TextSelectorConfig(multiline=True))


def unit_choice(units: dict[str, float]) -> SelectSelector:
    """Return a field for a unit."""
    return SelectSelector(
        SelectSelectorConfig(options=list(units), mode=SelectSelectorMode.DROPDOWN)
    )


CREDENTIALS: Final = {
    const.SOURCE_REDFISH: vol.Schema(
        {vol.Required(CONF_USERNAME): TextSelector(), vol.Required(CONF_PASSWORD): SECRET}
    ),
    const.SOURCE_PROMETHEUS: vol.Schema(
        {
            vol.Optional(CONF_USERNAME): TextSelector(),
            vol.Optional(CONF_PASSWORD): SECRET,
            vol.Optional(CONF_TOKEN): SECRET,
        }
    ),
    const.SOURCE_SLURM: vol.Schema(
        {vol.Required(CONF_USERNAME): TextSelector(), vol.Required(CONF_TOKEN): SECRET}
    ),
}
"""How one logs in, by where the values come from."""

REDFISH: Final = vol.Schema(
    {
        vol.Required(CONF_URL): TextSelector(),
        **CREDENTIALS[const.SOURCE_REDFISH].schema,
        vol.Required(const.CONF_BASIC_AUTH, default=False): BooleanSelector(),
        vol.Required(CONF_VERIFY_SSL, default=True): BooleanSelector(),
    }
)
PROMETHEUS: Final = vol.Schema(
    {
        vol.Required(CONF_URL): TextSelector(),
        vol.Required(const.CONF_QUERY): LONG,
        vol.Required(const.CONF_QUERY_UNIT, default="W"): unit_choice(POWER_UNITS),
        vol.Optional(const.CONF_ENERGY_QUERY): LONG,
        vol.Required(const.CONF_ENERGY_UNIT, default="Wh"): unit_choice(ENERGY_UNITS),
        **CREDENTIALS[const.SOURCE_PROMETHEUS].schema,
        vol.Required(CONF_VERIFY_SSL, default=True): BooleanSelector(),
    }
)


class ServerSteps(AssetFlow):
    """The steps of a load behind a server."""

    _chassis: dict[str, str]
    """What a Redfish service has to choose from: titles by path."""

    async def async_step_redfish(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for a Redfish service."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            errors = self._take_server(const.SOURCE_REDFISH, user_input)
            if not errors:
                errors, placeholders = await self._async_find_chassis()
            if not errors and len(self._chassis) == 1:
                (self._data[const.CONF_CHASSIS],) = self._chassis
                errors, placeholders = await self._async_probe()
                if not errors:
                    return self._abort_if_unfit() or await self.async_step_confirm()
            elif not errors:
                return await self.async_step_chassis()
        return self._show_server("redfish", REDFISH, user_input, errors, placeholders)

    async def async_step_chassis(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which of the service's chassis it is."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            self._data |= user_input
            errors, placeholders = await self._async_probe()
            if not errors:
                return self._abort_if_unfit() or await self.async_step_confirm()
        options = [SelectOptionDict(value=p, label=t) for p, t in self._chassis.items()]
        field = SelectSelector(
            SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN)
        )
        return self.async_show_form(
            step_id="chassis",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(const.CONF_CHASSIS): field}), user_input or self._stored
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_prometheus(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for a query, and for the server that answers it."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            errors = self._take_server(const.SOURCE_PROMETHEUS, user_input)
            if not errors:
                errors, placeholders = await self._async_probe()
            if not errors:
                return self._abort_if_unfit() or await self.async_step_confirm()
        return self._show_server("prometheus", PROMETHEUS, user_input, errors, placeholders)

    def _take_server(self, source: str, answers: dict[str, Any]) -> dict[str, str]:
        """Keep the answers, and return what is wrong with the address."""
        url = answers[CONF_URL].strip().rstrip("/")
        self._data = {const.CONF_SOURCE: source, **answers, CONF_URL: url}
        errors: dict[str, str] = {}
        if problem := problem_of_url(url):
            errors[CONF_URL] = problem
        return errors

    async def _async_find_chassis(self) -> tuple[dict[str, str], dict[str, str]]:
        """Ask the service what it has; return what went wrong, and the details of that."""
        url = self._data[CONF_URL]
        client = redfish_client(self.hass, self._data, url)
        try:
            found = await client.chassis()
        except DeviceError as err:
            return {"base": err.key}, {"address": url} | err.placeholders
        finally:
            await client.aclose()
        self._chassis = {
            each.path: " ".join(
                filter(None, (each.text("Name"), each.text("Manufacturer"), each.text("Model")))
            )
            or each.path
            for each in found
        }
        return ({}, {}) if found else ({"base": "no_chassis"}, {"address": url})

    def _show_server(
        self,
        step_id: str,
        schema: vol.Schema,
        user_input: dict[str, Any] | None,
        errors: dict[str, str],
        placeholders: dict[str, str],
    ) -> SubentryFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, user_input or self._stored),
            errors=errors,
            description_placeholders=placeholders,
        )
