"""Puts a site into Home Assistant's Energy dashboard: what is missing there, and nothing else.

What the user has set up there stays as it is. Signs are the dashboard's own: power from the grid
and from a battery counts as positive, as it does here.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from homeassistant.components.energy.data import (
    BatterySourceType,
    DeviceConsumption,
    EnergyManager,
    EnergyPreferencesUpdate,
    GridSourceType,
    SolarSourceType,
    SourceType,
    async_get_manager,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from .const import CONF_ROLE, DOMAIN, ROLE_GRID
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from .core.model import AssetKind

ENERGY: Final = "energy"


async def async_add_missing(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> list[str]:
    """Add the site's grid, PV, batteries and branches; return the names of what was added.

    Raises HomeAssistantError where the Energy dashboard is not there.
    """
    if ENERGY not in hass.config.components:
        raise HomeAssistantError(translation_domain=DOMAIN, translation_key="energy_missing")
    manager = await async_get_manager(hass)
    preferences = manager.data or EnergyManager.default_preferences()
    known = set(_statistics(preferences))
    sources, branches, added = list[SourceType](), list[DeviceConsumption](), list[str]()
    for device in entry.runtime_data.devices.values():
        shown = _shown(hass, entry, device)
        ids = {key: each[0] for key, each in shown.items()}
        if not known.isdisjoint(ids.values()):
            continue
        if (source := _source(entry, device, ids)) is not None:
            sources.append(source)
        elif consuming := _branches(device, ids, shown.get("channel_energy", [])):
            branches += consuming
        else:
            continue
        added.append(device.name)
    if added:
        await manager.async_update(
            EnergyPreferencesUpdate(
                energy_sources=[*preferences["energy_sources"], *sources],
                device_consumption=[*preferences["device_consumption"], *branches],
            )
        )
    return added


def _shown(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, device: DeviceCoordinator
) -> dict[str, list[str]]:
    """Return the ids of a device's sensors by what they show; those that are off are left out."""
    found: dict[str, list[str]] = {}
    for each in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        ours = each.config_subentry_id == device.asset_id and each.domain == "sensor"
        if ours and each.translation_key is not None and not each.disabled:
            found.setdefault(each.translation_key, []).append(each.entity_id)
    return {key: sorted(ids) for key, ids in found.items()}


def _source(
    entry: ComputeLoadConfigEntry, device: DeviceCoordinator, ids: dict[str, str]
) -> SourceType | None:
    """Return a device as a source of energy; None where it is none, or counts no energy."""
    source: GridSourceType | SolarSourceType | BatterySourceType
    if device.kind is AssetKind.METER and device.subentry.data.get(CONF_ROLE) == ROLE_GRID:
        if "energy_imported" not in ids:
            return None
        source = GridSourceType(
            type="grid",
            stat_energy_from=ids["energy_imported"],
            stat_energy_to=ids.get("energy_exported"),
            stat_cost=None,
            entity_energy_price=None,
            number_energy_price=None,
            stat_compensation=None,
            entity_energy_price_export=None,
            number_energy_price_export=None,
            cost_adjustment_day=0.0,
        )
    elif device.kind is AssetKind.PV and "energy_produced" in ids:
        source = SolarSourceType(
            type="solar",
            stat_energy_from=ids["energy_produced"],
            config_entry_solar_forecast=[entry.entry_id],
        )
    elif device.kind is AssetKind.BATTERY and {"energy_charged", "energy_discharged"} <= ids.keys():
        source = BatterySourceType(
            type="battery",
            stat_energy_from=ids["energy_discharged"],
            stat_energy_to=ids["energy_charged"],
        )
        if "soc" in ids:
            source["stat_soc"] = ids["soc"]
    else:
        return None
    if "power" in ids:
        source["stat_rate"] = ids["power"]
    return source


def _branches(
    device: DeviceCoordinator, ids: dict[str, str], channels: list[str]
) -> list[DeviceConsumption]:
    """Return a metered load with its channels below it; none where it counts no energy."""
    found = [DeviceConsumption(stat_consumption=channel) for channel in channels]
    if "energy_consumed" not in ids:
        return found
    whole = DeviceConsumption(stat_consumption=ids["energy_consumed"], name=device.name)
    if "power" in ids:
        whole["stat_rate"] = ids["power"]
    for channel in found:
        channel["included_in_stat"] = ids["energy_consumed"]
    return [whole, *found]


def _statistics(tree: object) -> Iterator[str]:
    """Yield every text in what the user has set up: among them all statistics."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for each in tree.values():
            yield from _statistics(each)
    elif isinstance(tree, Iterable):
        for each in tree:
            yield from _statistics(each)
