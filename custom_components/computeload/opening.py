"""From what is stored of an asset to its device, wherever its values come from."""

from contextlib import aclosing
from dataclasses import dataclass

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_URL
from homeassistant.core import HomeAssistant, callback

from . import const
from .clock import SystemClock
from .cluster import open_queue
from .coordinator import ComputeLoadConfigEntry, SiteRuntime
from .core.model import Contract, Identity, Reading
from .drivers.base import Datasheet, Device, Scope
from .drivers.profile import Library
from .entity_source import open_entities
from .http_source import async_shared_redfish, open_prometheus, open_redfish, redfish_client
from .library import async_get_library
from .link import link_title
from .modbus_source import AssetData, async_borrowed_modbus, async_open_modbus


def source(data: AssetData) -> str:
    """Return where an asset's values come from, as one of the ``SOURCE_`` words."""
    return str(data.get(const.CONF_SOURCE, const.SOURCE_MODBUS))


def whereabouts(data: AssetData) -> dict[str, str]:
    """Return what a user would check when the asset cannot be reached, for the messages."""
    match source(data):
        case const.SOURCE_ENTITIES:
            return {"address": data[const.CONF_POWER]}
        case const.SOURCE_REDFISH:
            return {"address": data[CONF_URL], "chassis": data[const.CONF_CHASSIS]}
        case const.SOURCE_PROMETHEUS:
            return {"address": data[CONF_URL], "query": data[const.CONF_QUERY]}
        case _:
            link, unit_id = data[const.CONF_LINK], data[const.CONF_UNIT_ID]
            return {"address": link_title(link), "unit_id": str(unit_id)}


def where(data: AssetData) -> str:
    """Return where an asset's values come from, in words that no other asset has."""
    return " ".join(whereabouts(data).values())


@callback
def async_open_device(
    hass: HomeAssistant,
    entry: ComputeLoadConfigEntry,
    runtime: SiteRuntime,
    subentry: ConfigSubentry,
) -> Device:
    """Return the device of an asset; it is let go when the entry unloads. Sends nothing yet.

    Raises DeviceError where it cannot even be tried.
    """
    data = subentry.data
    match source(data):
        case const.SOURCE_ENTITIES:
            return open_entities(hass, data, runtime.clock, subentry.title)
        case const.SOURCE_REDFISH:
            client = async_shared_redfish(hass, entry, data, subentry.title)
            return open_redfish(client, data, runtime.clock)
        case const.SOURCE_PROMETHEUS:
            return open_prometheus(hass, data, runtime.clock, subentry.title)
        case _:
            return async_open_modbus(hass, entry, runtime, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a device said of itself when it was asked for the first time."""

    datasheet: Datasheet
    contract: Contract | None
    identity: Identity
    reading: Reading


async def async_probe(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, library: Library, data: AssetData
) -> Probe:
    """Ask the device that an asset would have, all at once; raises DeviceError."""
    match source(data):
        case const.SOURCE_ENTITIES:
            return await _async_probed(open_entities(hass, data, SystemClock(), ""))
        case const.SOURCE_REDFISH:
            async with aclosing(redfish_client(hass, data, data[CONF_URL])) as service:
                return await _async_probed(open_redfish(service, data, SystemClock()))
        case const.SOURCE_PROMETHEUS:
            query = open_prometheus(hass, data, SystemClock(), data[CONF_URL])
            return await _async_probed(query)
        case _:
            async with async_borrowed_modbus(hass, entry, library, data) as device:
                identity = await device.identify()
                await device.find_units()
                return await _async_probed(device, identity)


async def async_try(hass: HomeAssistant, entry: ComputeLoadConfigEntry, data: AssetData) -> None:
    """See whether what is stored of a device or a cluster gets an answer; raises DeviceError."""
    if source(data) == const.SOURCE_SLURM:
        await open_queue(hass, data, data[CONF_URL], SystemClock()).read()
    else:
        await async_probe(hass, entry, await async_get_library(hass), data)


async def _async_probed(device: Device, identity: Identity | None = None) -> Probe:
    return Probe(
        identity=identity or await device.identify(),
        datasheet=device.datasheet,
        contract=device.contract,
        reading=await device.read(Scope.FULL),
    )
