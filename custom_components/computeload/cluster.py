"""A cluster inside Home Assistant: its queue is asked every minute, its memory is kept.

The scheduler may be away for a while: what it said last stands, with its age, until that is
too old to be of use. A token that is refused is asked for anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_TOKEN, CONF_URL, CONF_USERNAME, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.storage import Store
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .const import (
    CONF_BRANCHES,
    CONF_LINK,
    CONF_MACHINES,
    CONF_RUNNING,
    CONF_SOURCE,
    CONF_SUBENTRY,
    CONF_WAITING,
    DOMAIN,
    LINK_SIMULATED,
    LOGGER,
    SOURCE_COUNTED,
    SUBENTRY_CLUSTER,
)
from .coordinator import ComputeLoadConfigEntry, LinkQuality
from .core.cluster import STATE_VERSION, Branch, Cluster, Foreseen
from .core.ledger import Quarter
from .core.model import Clock, Quantity
from .core.queue import QueueState
from .drivers import slurm
from .drivers.base import AuthError, DeviceError
from .drivers.queue import Queue
from .drivers.queued_work import QueuedWork
from .drivers.slurm import SlurmAccess, SlurmQueue
from .drivers.slurm_notation import hosts
from .drivers.slurm_server import SlurmServer
from .entity_source import state_getter
from .simulation import simulated_branches
from .trouble import Trouble

if TYPE_CHECKING:
    from .simulator.server import SimulatedSite

EVERY: Final = timedelta(minutes=1)
OUTDATED: Final = timedelta(minutes=15)
"""A queue that was not heard of for longer is of no use."""
SAVE_S: Final = 600.0
QUARTER_S: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterData:
    """A cluster as published."""

    queue: QueueState
    foreseen: Foreseen | None
    """None while the site's load is not known."""


def cluster_store(hass: HomeAssistant, subentry_id: str) -> Store[dict[str, Any]]:
    """Return where a cluster's memory is kept."""
    return Store(hass, STATE_VERSION, f"{DOMAIN}.{subentry_id}.cluster")


def open_queue(
    hass: HomeAssistant,
    data: Mapping[str, Any],
    name: str,
    clock: Clock,
    simulator: SimulatedSite | None = None,
) -> Queue:
    """Return the queue that a cluster's data describe. Asks nothing yet."""
    if data.get(CONF_SOURCE) == SOURCE_COUNTED:
        return QueuedWork(
            state_getter(hass),
            clock,
            waiting=data[CONF_WAITING],
            running=data.get(CONF_RUNNING),
            machines=data[CONF_MACHINES],
        )
    if data.get(CONF_LINK) == LINK_SIMULATED:
        simulated = simulator.slurm if simulator is not None else None
        if simulated is None:
            raise DeviceError(f"{name}: the simulated site has no cluster", device=name)
        url, access = simulated.url, SlurmAccess(user=simulated.user, token=simulated.token)
    else:
        url = data[CONF_URL]
        access = SlurmAccess(user=data[CONF_USERNAME], token=data[CONF_TOKEN])
    session = async_get_clientsession(hass, verify_ssl=data.get(CONF_VERIFY_SSL, True))
    return SlurmQueue(SlurmServer(session, url, name, slurm.TIMEOUT_S), access, clock)


def branches_of(
    entry: ComputeLoadConfigEntry, data: Mapping[str, Any], simulator: SimulatedSite | None
) -> tuple[Branch, ...]:
    """Return which metered branches feed which nodes, as it was chosen."""
    chosen: Mapping[str, str] = data.get(CONF_BRANCHES, {})
    if simulator is not None and data.get(CONF_LINK) == LINK_SIMULATED:
        chosen = simulated_branches(simulator.scenario, entry)
    return tuple(
        Branch(asset_id=asset_id, hosts=frozenset(hosts(nodes)) if nodes else None)
        for asset_id, nodes in chosen.items()
    )


@callback
def async_open_clusters(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry
) -> dict[str, ClusterCoordinator]:
    """Return the clusters of a site by subentry id; one that cannot be opened is left out."""
    clusters = {}
    for subentry in entry.get_subentries_of_type(SUBENTRY_CLUSTER):
        try:
            clusters[subentry.subentry_id] = ClusterCoordinator(hass, entry, subentry)
        except (DeviceError, ValueError) as err:
            LOGGER.error("%s: %s", subentry.title, err)
    return clusters


class ClusterCoordinator(DataUpdateCoordinator[ClusterData]):
    """Asks one cluster's scheduler, and remembers what came of what it said."""

    config_entry: ComputeLoadConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: ComputeLoadConfigEntry, subentry: ConfigSubentry
    ) -> None:
        """Prepare; raises DeviceError or ValueError for data that describe no cluster."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=subentry.title,
            update_interval=EVERY,
            always_update=True,
        )
        runtime = entry.runtime_data
        self.subentry = subentry
        self.queue: Queue = open_queue(
            hass, subentry.data, subentry.title, runtime.clock, runtime.simulator
        )
        self.memory = Cluster(branches=branches_of(entry, subentry.data, runtime.simulator))
        self.link = LinkQuality()
        self._runtime = runtime
        self._store = cluster_store(hass, subentry.subentry_id)
        self._remembered_s = 0.0
        self._silent = False
        self._trouble = Trouble(self.name)

    @property
    def asset_id(self) -> str:
        """Return the id by which storage and the registries know this cluster."""
        return self.subentry.subentry_id

    def age_s(self) -> float | None:
        """Return how old the last answer is; None before the first."""
        state = self.memory.state
        return None if state is None else (self._runtime.clock.now() - state.at).total_seconds()

    async def async_start(self) -> None:
        """Take up the memory, ask for the first time, and learn until the entry unloads."""
        if (stored := await self._store.async_load()) is not None:
            self.memory.restore(stored)
        entry = self.config_entry
        entry.async_on_unload(self._runtime.ledger.async_listen(self._close))
        entry.async_on_unload(self._async_save)
        await self.async_refresh()

    async def _async_save(self) -> None:
        await self._store.async_save(self.memory.to_state())

    @override
    async def _async_update_data(self) -> ClusterData:
        """Ask the scheduler; what it said last stands for a while when it does not answer."""
        began_s = self.hass.loop.time()
        try:
            state = await self.queue.read()
        except DeviceError as err:
            return self._without_answer(err)
        self.link.success(self.hass.loop.time() - began_s)
        if self._silent:
            self._silent = False
            LOGGER.info("%s: answers again", self.name)
        self.memory.take(state)
        self.memory.meter(self._powers_w())
        self._store.async_delay_save(self.memory.to_state, SAVE_S)
        return ClusterData(queue=state, foreseen=await self._async_foresee(state))

    def _without_answer(self, err: DeviceError) -> ClusterData:
        self.link.failure(err)
        if not self._silent:
            self._silent = True
            LOGGER.warning("%s: not available: %s", self.name, err)
        if isinstance(err, AuthError):
            self._ask_for_token()
        age_s = self.age_s()
        if self.data is not None and age_s is not None and age_s < OUTDATED.total_seconds():
            return self.data
        raise UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=err.key,
            translation_placeholders={"device": self.name, **err.placeholders},
        ) from err

    @callback
    def _ask_for_token(self) -> None:
        self.config_entry.async_start_reauth(
            self.hass,
            context={
                "title_placeholders": {"name": f"{self.config_entry.title}: {self.name}"},
            },
            data={CONF_SUBENTRY: self.asset_id},
        )

    def _powers_w(self) -> dict[str, float]:
        """Return what the site's metered branches draw now, W by asset."""
        return {
            asset_id: power_w
            for asset_id, device in self._runtime.devices.items()
            if device.last_update_success
            and device.latest is not None
            and (power_w := device.latest.number(Quantity.POWER_W)) is not None
        }

    async def _async_foresee(self, state: QueueState) -> Foreseen | None:
        """Work out what the queue brings, off the event loop."""
        site, target_w = self._runtime.controller.data, self._runtime.controller.target_w
        if site.load_power_w is None:
            return None
        net_w = site.load_power_w - (site.pv_power_w or 0.0)
        foreseen = await self.hass.async_add_executor_job(self.memory.foresee, net_w, target_w)
        now_s = state.at.timestamp()
        if foreseen is not None and now_s // QUARTER_S > self._remembered_s // QUARTER_S:
            self._remembered_s = now_s
            self.memory.remember(foreseen)
        return foreseen

    @callback
    def _close(self, quarters: Iterable[Quarter]) -> None:
        """Share out what the branches drew in finished quarters."""
        zone = self._runtime.tariff.calendar.zone
        for quarter in quarters:
            with self._trouble.survived():
                start_s = quarter.start.timestamp()
                self.memory.close(
                    start_s,
                    quarter.branches_wh,
                    day=quarter.start.astimezone(zone).date(),
                    price_eur_per_kwh=quarter.price_import,
                    co2_g_per_kwh=quarter.co2_g_per_kwh,
                )
                if (load_wh := quarter.load_wh) is not None:
                    self.memory.credit.settle(start_s, load_wh * 3600.0 / QUARTER_S)
