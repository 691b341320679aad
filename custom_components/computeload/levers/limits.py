"""Power limits of servers over Redfish: a cut, shared among them, and what was there before.

Such a limit has no lapse. What was in force before is on disk before it is changed.
"""

from collections.abc import Mapping
from typing import Any

from ..const import CONF_REDFISH_LIMITS, LOGGER
from ..core.model import Quantity
from ..drivers.base import DeviceError
from ..drivers.corrected import CorrectedDevice
from ..drivers.redfish import PowerLimit, RedfishDevice
from .base import Save
from .hands import Hands

_KEPT = "Automatic"
"""The service keeps the limit by itself."""


class ServerLimits:
    """The power limits of one cluster's servers."""

    def __init__(self, hands: Hands, save: Save) -> None:
        """Start with nothing limited."""
        self._hands = hands
        self._save = save
        self._before: dict[str, PowerLimit] = {}
        """What was in force, by asset."""

    async def cut(self, share: float) -> None:
        """Limit every server to a share of what it draws now; the first time remember what was."""
        if not self._hands.cluster.subentry.data.get(CONF_REDFISH_LIMITS):
            return
        for asset_id, (server, power_w) in self._servers().items():
            try:
                if asset_id not in self._before:
                    before = await server.power_limit()
                    if before is None:
                        continue
                    self._before[asset_id] = before
                    await self._save()
                mode = None if self._before[asset_id].mode is None else _KEPT
                await server.set_power_limit(PowerLimit(power_w=share * power_w, mode=mode))
            except DeviceError as err:
                LOGGER.warning("%s: no power limit: %s", self._hands.cluster.name, err)

    async def lift(self) -> None:
        """Put into force what was there before; what fails is tried again with the next look."""
        servers = self._servers()
        for asset_id, before in list(self._before.items()):
            try:
                if asset_id in servers:
                    await servers[asset_id][0].set_power_limit(before)
            except DeviceError as err:
                LOGGER.warning("%s: power limit not lifted: %s", self._hands.cluster.name, err)
            else:
                del self._before[asset_id]
                await self._save()

    def _servers(self) -> dict[str, tuple[RedfishDevice, float]]:
        """Return the servers among the cluster's branches, with what they draw."""
        runtime = self._hands.cluster.config_entry.runtime_data
        found = {}
        for branch in self._hands.cluster.memory.branches:
            coordinator = runtime.devices.get(branch.asset_id)
            if coordinator is None or coordinator.latest is None:
                continue
            device = coordinator.device
            itself = device.itself if isinstance(device, CorrectedDevice) else device
            power_w = coordinator.latest.number(Quantity.POWER_W)
            if isinstance(itself, RedfishDevice) and power_w is not None:
                found[branch.asset_id] = (itself, power_w)
        return found

    def to_state(self) -> dict[str, Any]:
        """Return what was in force before, ready for JSON."""
        return {asset_id: [each.power_w, each.mode] for asset_id, each in self._before.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what was stored. Raises TypeError or ValueError for anything else."""
        self._before = {
            str(asset_id): PowerLimit(
                power_w=None if power_w is None else float(power_w),
                mode=None if mode is None else str(mode),
            )
            for asset_id, (power_w, mode) in state.items()
        }
