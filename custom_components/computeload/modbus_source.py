"""A device on Modbus: from what is stored of it to the device, for good or for a look."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any, Final

from homeassistant.const import CONF_DEVICE, CONF_HOST, CONF_PORT, CONF_TYPE
from homeassistant.core import HomeAssistant, callback

from .clock import SystemClock
from .const import (
    CONF_CHANNELS,
    CONF_LINK,
    CONF_MORE_UNIT_IDS,
    CONF_PROFILE,
    CONF_UNIT_ID,
    LINK_SIMULATED,
    LINK_TCP,
)
from .coordinator import ComputeLoadConfigEntry, SiteRuntime
from .drivers.base import Device, DeviceError
from .drivers.modbus import ModbusDevice, open_device
from .drivers.profile import Library
from .drivers.spec import Profile
from .link import async_open_unit, async_temporary_unit

type AssetData = Mapping[str, Any]

PROBE_TIMEOUT_S: Final = 5.0


def is_simulated(data: AssetData) -> bool:
    """Tell whether the asset is a device of the simulated site."""
    return bool(data.get(CONF_LINK, {}).get(CONF_TYPE) == LINK_SIMULATED)


@callback
def async_open_modbus(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, runtime: SiteRuntime, data: AssetData
) -> Device:
    """Return the device of an asset; it is let go when the entry unloads. Sends nothing yet.

    Raises DeviceError where it cannot even be tried.
    """
    profile = _profile(runtime.library, data)
    units = {
        name: async_open_unit(hass, entry, data[CONF_LINK], unit_id, runtime.simulator)
        for name, unit_id in _unit_ids(data).items()
    }
    names = data.get(CONF_CHANNELS)
    device = open_device(
        profile,
        units.pop(""),
        runtime.clock,
        more_units=units,
        channels=len(names) if names is not None else None,
    )
    entry.async_on_unload(device.close)
    return device


@asynccontextmanager
async def async_borrowed_modbus(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, library: Library, data: AssetData
) -> AsyncIterator[ModbusDevice]:
    """Hold the device that an asset would have, for a look at it; raises DeviceError."""
    profile = _profile(library, data)
    link, ids = _reachable_link(entry, data)
    async with AsyncExitStack() as stack:
        units = {
            name: await stack.enter_async_context(async_temporary_unit(hass, link, unit_id))
            for name, unit_id in ids.items()
        }
        device = open_device(
            profile,
            units.pop(""),
            SystemClock(),
            more_units=units,
            request_timeout_s=PROBE_TIMEOUT_S,
        )
        with closing(device):
            yield device


def _profile(library: Library, data: AssetData) -> Profile:
    """Return the asset's profile; its file may have gone since it was chosen."""
    profile = library.profiles.get(data[CONF_PROFILE])
    if profile is None:
        raise DeviceError(
            f"the device profile {data[CONF_PROFILE]} is not there any more;"
            " reconfigure this device",
            device=data[CONF_PROFILE],
        )
    return profile


def _unit_ids(data: AssetData) -> dict[str, int]:
    """Return all unit ids of a device, by their names in its profile."""
    return {"": data[CONF_UNIT_ID], **data.get(CONF_MORE_UNIT_IDS, {})}


def _reachable_link(
    entry: ComputeLoadConfigEntry, data: AssetData
) -> tuple[AssetData, dict[str, int]]:
    """Return the link as it can be opened; a simulated device is at a port of its own."""
    link, ids = data[CONF_LINK], _unit_ids(data)
    simulator = entry.runtime_data.simulator if is_simulated(data) else None
    if simulator is None:
        return link, ids
    endpoint = simulator.endpoints[link[CONF_DEVICE]]
    link = {CONF_TYPE: LINK_TCP, CONF_HOST: endpoint.host, CONF_PORT: endpoint.port}
    return link, ids | {"": endpoint.unit_id}
