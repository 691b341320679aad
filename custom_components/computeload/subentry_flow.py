"""Subentry flow: one asset of a site, of whatever kind, wherever its values come from."""

from typing import Any

from homeassistant.config_entries import SubentryFlowResult

from .asset_flow.modbus import ModbusSteps


class AssetSubentryFlow(ModbusSteps):
    """Add an asset to a site, or change it."""

    async def async_step_user(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask where the values come from."""
        return await self.async_step_modbus()

    async def async_step_reconfigure(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Go through the same steps again, with what is stored filled in."""
        self._data = dict(self._get_reconfigure_subentry().data)
        return await self.async_step_modbus()
