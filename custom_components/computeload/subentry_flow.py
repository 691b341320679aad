"""Subentry flow: one asset of a site, of whatever kind, wherever its values come from."""

from typing import Any

from homeassistant.config_entries import SubentryFlowResult

from . import const
from .asset_flow.entities import EntitySteps
from .asset_flow.modbus import ModbusSteps
from .asset_flow.servers import ServerSteps
from .core.model import AssetKind
from .opening import source


class AssetSubentryFlow(ModbusSteps, EntitySteps, ServerSteps):
    """Add an asset to a site, or change it."""

    async def async_step_user(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask where the values come from."""
        options = [const.SOURCE_MODBUS, const.SOURCE_ENTITIES]
        if self._kind is AssetKind.LOAD:
            options += [const.SOURCE_REDFISH, const.SOURCE_PROMETHEUS]
        return self.async_show_menu(step_id="user", menu_options=options)

    async def async_step_reconfigure(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Go through the same steps again, with what is stored filled in."""
        match source(self._stored):
            case const.SOURCE_ENTITIES:
                return await self.async_step_entities()
            case const.SOURCE_REDFISH:
                return await self.async_step_redfish()
            case const.SOURCE_PROMETHEUS:
                return await self.async_step_prometheus()
            case _:
                return await self.async_step_modbus()
