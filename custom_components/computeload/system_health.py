"""System health: how the sites are, in one look."""

from typing import Any

from homeassistant.components import system_health
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from .const import DOMAIN
from .coordinator import ComputeLoadConfigEntry
from .diagnostics import library_versions


@callback
def async_register(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    register: system_health.SystemHealthRegistration,
) -> None:
    """Register what the system health page shows."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return counts and versions; nothing here reads a device."""
    sites: list[ComputeLoadConfigEntry] = hass.config_entries.async_entries(DOMAIN)
    running = [site.runtime_data for site in sites if site.state is ConfigEntryState.LOADED]
    devices = [device for site in running for device in site.devices.values()]
    integration = await async_get_integration(hass, DOMAIN)
    return {
        "version": str(integration.version),
        "sites": f"{len(running)} / {len(sites)}",
        "controlling": sum(site.controller.active for site in running),
        "devices_answering": (
            f"{sum(device.last_update_success for device in devices)} / {len(devices)}"
        ),
        **{name.replace("-", "_"): found for name, found in library_versions().items()},
    }
