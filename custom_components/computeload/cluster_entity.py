"""What the entities of a cluster share."""

from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription

from .cluster import ClusterCoordinator
from .const import CONF_SOURCE, DOMAIN, SOURCE_COUNTED
from .entity import ComputeLoadEntity


class ClusterEntity(ComputeLoadEntity[ClusterCoordinator]):
    """An entity of one cluster; unavailable once its queue was not heard of for too long."""

    def __init__(self, cluster: ClusterCoordinator, description: EntityDescription) -> None:
        """Belong to the cluster's subentry."""
        super().__init__(cluster, description, cluster.asset_id, description.key)
        entry_id = cluster.config_entry.entry_id
        site = dr.async_get(cluster.hass).async_get_or_create(
            config_entry_id=entry_id, identifiers={(DOMAIN, entry_id)}
        )
        counted = cluster.subentry.data.get(CONF_SOURCE) == SOURCE_COUNTED
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, cluster.asset_id)},
            name=cluster.subentry.title,
            manufacturer=None if counted else "SchedMD",
            model=None if counted else "Slurm",
            entry_type=DeviceEntryType.SERVICE,
            via_device_id=site.id,
        )
