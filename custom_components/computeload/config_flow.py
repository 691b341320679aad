"""Config flow: a site, real or simulated. Its devices are added by ``subentry_flow``."""

from collections.abc import Mapping
from typing import Any, Final, override

from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    FlowType,
    SubentryFlowContext,
)
from homeassistant.const import CONF_NAME, CONF_USERNAME
from homeassistant.core import callback
from homeassistant.generated.currencies import ACTIVE_CURRENCIES
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig, TextSelector
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.helpers.service_info.ssdp import SsdpServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.util import slugify
import voluptuous as vol

from .announced import Announcement, async_note
from .asset_flow.servers import CREDENTIALS
from .cluster_flow import ClusterSubentryFlow
from .const import (
    CONF_CONNECTION_LIMIT_KW,
    CONF_CURRENCY,
    CONF_EXPORT_LIMIT_KW,
    CONF_PHASE_LIMIT_A,
    CONF_SCENARIO,
    CONF_SIMULATION,
    CONF_SUBENTRY,
    CONF_TARGET_PEAK_KW,
    DOMAIN,
    SUBENTRY_CLUSTER,
)
from .controller import NOMINAL_PHASE_V
from .core.model import AssetKind
from .drivers.base import AuthError, DeviceError
from .forms import choice, figure
from .opening import async_try, source
from .options_flow import SignalOptionsFlow
from .simulation import simulated_site_data, simulated_subentries
from .simulator.scenario import load_scenario, shipped_scenarios
from .subentry_flow import AssetSubentryFlow

PHASES: Final = 3


SITE_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_CURRENCY): SelectSelector(
            SelectSelectorConfig(options=sorted(ACTIVE_CURRENCIES))
        ),
        vol.Required(CONF_CONNECTION_LIMIT_KW): figure("kW"),
        vol.Optional(CONF_PHASE_LIMIT_A): figure("A"),
        vol.Optional(CONF_EXPORT_LIMIT_KW): figure("kW"),
        vol.Optional(CONF_TARGET_PEAK_KW): figure("kW"),
    }
)
NEW_SITE_SCHEMA = vol.Schema({vol.Required(CONF_NAME): TextSelector()}).extend(SITE_SCHEMA.schema)


def site_errors(site: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what is wrong with a site's limits, by field, and the figures to say it with."""
    limit_kw = site[CONF_CONNECTION_LIMIT_KW]
    fuse_a = site.get(CONF_PHASE_LIMIT_A)
    target_kw = site.get(CONF_TARGET_PEAK_KW)
    fuse_kw = None if fuse_a is None else fuse_a * PHASES * NOMINAL_PHASE_V / 1000.0
    errors: dict[str, str] = {}
    if limit_kw <= 0:
        errors[CONF_CONNECTION_LIMIT_KW] = "limit_not_positive"
    elif target_kw is not None and target_kw > limit_kw:
        errors[CONF_TARGET_PEAK_KW] = "target_above_limit"
    if target_kw is not None and target_kw <= 0:
        errors[CONF_TARGET_PEAK_KW] = "target_not_positive"
    if site.get(CONF_EXPORT_LIMIT_KW, 0) < 0:
        errors[CONF_EXPORT_LIMIT_KW] = "export_negative"
    if fuse_kw is not None and fuse_kw <= 0:
        errors[CONF_PHASE_LIMIT_A] = "fuse_not_positive"
    elif fuse_kw is not None and fuse_kw < limit_kw:
        errors[CONF_PHASE_LIMIT_A] = "fuse_below_limit"
    figures = {
        "limit_kw": f"{limit_kw:g}",
        "fuse_a": "" if fuse_a is None else f"{fuse_a:g}",
        "fuse_kw": "" if fuse_kw is None else f"{fuse_kw:.0f}",
    }
    return errors, figures


class ComputeLoadConfigFlow(ConfigFlow, domain=DOMAIN):
    """Set up a site."""

    VERSION = 1

    _asset_id: str

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the kinds of devices that a site has; one flow serves them all."""
        kinds: dict[str, type[ConfigSubentryFlow]] = {
            kind.value: AssetSubentryFlow for kind in AssetKind
        }
        return kinds | {SUBENTRY_CLUSTER: ClusterSubentryFlow}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> SignalOptionsFlow:
        """Return the flow that chooses the site's signals."""
        return SignalOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether the site is real."""
        return self.async_show_menu(step_id="user", menu_options=["site", "simulated"])

    async def async_step_site(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Set up a real site; its devices come afterwards."""
        errors: dict[str, str] = {}
        figures: dict[str, str] = {}
        if user_input is not None:
            name = user_input[CONF_NAME].strip()
            errors, figures = site_errors(user_input)
            if not any(letter.isalnum() for letter in name):
                errors[CONF_NAME] = "name_missing"
            if not errors:
                await self.async_set_unique_id(slugify(name))
                self._abort_if_unique_id_configured(description_placeholders={"name": name})
                data = {key: value for key, value in user_input.items() if key != CONF_NAME}
                return self.async_create_entry(title=name, data=data)
        suggested = user_input or {
            CONF_NAME: self.hass.config.location_name,
            CONF_CURRENCY: self.hass.config.currency,
        }
        return self.async_show_form(
            step_id="site",
            data_schema=self.add_suggested_values_to_schema(NEW_SITE_SCHEMA, suggested),
            errors=errors,
            description_placeholders=figures,
        )

    async def async_step_simulated(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up a simulated site with all its devices, ready to run."""
        if user_input is not None:
            scenario = await self.hass.async_add_executor_job(
                load_scenario, user_input[CONF_SCENARIO]
            )
            await self.async_set_unique_id(slugify(scenario.name))
            self._abort_if_unique_id_configured(description_placeholders={"name": scenario.name})
            return self.async_create_entry(
                title=scenario.name,
                data={
                    CONF_CURRENCY: self.hass.config.currency,
                    **simulated_site_data(scenario),
                },
                subentries=simulated_subentries(scenario),
            )
        scenarios = await self.hass.async_add_executor_job(shipped_scenarios)
        return self.async_show_form(
            step_id="simulated",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_SCENARIO, default=scenarios[0]): choice(
                        scenarios, CONF_SCENARIO
                    )
                }
            ),
        )

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Go on with the grid meter of a real site: without it there is nothing to do."""
        if CONF_SIMULATION not in result["data"]:
            meter = await self.hass.config_entries.subentries.async_init(
                (result["result"].entry_id, AssetKind.METER),
                context=SubentryFlowContext(source=SOURCE_USER),
            )
            result["next_flow"] = (FlowType.CONFIG_SUBENTRIES_FLOW, meter["flow_id"])
        return result

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin to ask for new credentials: a server refuses those of one asset."""
        self._asset_id = entry_data[CONF_SUBENTRY]
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the asset's new credentials, and try them before they are stored."""
        entry = self._get_reauth_entry()
        asset = entry.subentries.get(self._asset_id)
        if asset is None:
            return self.async_abort(reason="asset_removed")
        errors: dict[str, str] = {}
        if user_input is not None:
            schema = CREDENTIALS[source(asset.data)].schema
            kept = {k: v for k, v in asset.data.items() if k not in schema}
            data = kept | user_input
            try:
                await async_try(self.hass, entry, data)
            except AuthError:
                errors["base"] = "invalid_auth"
            except DeviceError:
                errors["base"] = "server_unreachable"
            else:
                self.hass.config_entries.async_update_subentry(entry, asset, data=data)
                return self.async_abort(reason="reauth_successful")
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=self.add_suggested_values_to_schema(
                CREDENTIALS[source(asset.data)],
                {CONF_USERNAME: (user_input or asset.data).get(CONF_USERNAME, "")},
            ),
            errors=errors,
            description_placeholders={"asset": asset.title},
        )

    @override
    async def async_step_dhcp(self, discovery_info: DhcpServiceInfo) -> ConfigFlowResult:
        """Note a device that has asked for its address."""
        return self._noted(discovery_info)

    @override
    async def async_step_ssdp(self, discovery_info: SsdpServiceInfo) -> ConfigFlowResult:
        """Note a device that has announced itself over UPnP."""
        return self._noted(discovery_info)

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Note a device that has announced a service of its own."""
        return self._noted(discovery_info)

    def _noted(self, announcement: Announcement) -> ConfigFlowResult:
        """Keep the address for the moment in which a device is added to a site."""
        async_note(self.hass, announcement)
        return self.async_abort(reason="noted")

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the limits of a site. Control goes on with the new ones after a reload."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        figures: dict[str, str] = {}
        if user_input is not None:
            errors, figures = site_errors(user_input)
            if not errors:
                # What was left empty is to be forgotten, so the old values do not shine through.
                kept = {k: v for k, v in entry.data.items() if k not in SITE_SCHEMA.schema}
                return self.async_update_and_abort(entry, data=kept | user_input)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(SITE_SCHEMA, user_input or entry.data),
            errors=errors,
            description_placeholders=figures,
        )
