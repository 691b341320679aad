"""computeload: the energy butler of sites that run their own compute.

The package in one look: ``core`` decides and knows no I/O, ``drivers`` know the wire and
no Home Assistant, and the modules beside this one are the thin layer that joins both to
Home Assistant. Data flows one way: readings in, decision, commands out, then publishing.
"""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.storage import Store
from homeassistant.helpers.typing import ConfigType

from .actions import async_setup_actions
from .clock import SystemClock
from .cluster import async_open_clusters, cluster_store
from .const import (
    CONF_POLL_S,
    CONF_ROLE,
    DOMAIN,
    LOGGER,
    PLATFORMS,
    ROLE_GRID,
    SUBENTRY_CLUSTER,
)
from .controller import STORE_VERSION, Controller
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator, SiteRuntime
from .core.model import AssetKind
from .core.overrides import Overrides
from .core.watch import PLAUSIBLE_CONNECTIONS
from .dashboard import async_setup_frontend
from .drivers.base import DeviceError
from .drivers.corrected import CorrectedDevice
from .drivers.entity import EntityDevice
from .entity_source import async_follow
from .ledger_store import LedgerStore
from .levers import SiteLevers, lever_store
from .library import async_get_library, async_watch_library
from .observing import observing
from .opening import async_open_device
from .outage import OutageCoordinator, outage_store
from .planning import PlanningCoordinator
from .proof import SiteProof, overrides_of, proof_store
from .proof_trial import BatteryTrials
from .reports import ReportView
from .savings import SavingsCoordinator, shadow_store
from .signals.site import SiteSignals, signal_store
from .simulation import async_give_past, async_start_simulator
from .simulator.sections import ScenarioError
from .site_tariff import async_load_tariff
from .websocket import async_setup_websocket

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001 - HA's signature
    """Set up what all sites share."""
    async_setup_actions(hass)
    async_watch_library(hass)
    await async_setup_frontend(hass)
    async_setup_websocket(hass)
    hass.http.register_view(ReportView())
    return True


async def async_setup_entry(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> bool:
    """Set up one site: devices first, then control, then entities."""
    library = await async_get_library(hass)
    try:
        simulator = await async_start_simulator(hass, entry)
    except ScenarioError as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="scenario_missing",
            translation_placeholders={"error": str(err)},
        ) from err
    clock = SystemClock() if simulator is None else simulator.clock
    controller = Controller(hass, entry, clock)
    runtime = SiteRuntime(controller=controller, library=library, clock=clock, simulator=simulator)
    entry.runtime_data = runtime
    _register_site_device(hass, entry)
    for subentry in entry.subentries.values():
        if subentry.subentry_type != SUBENTRY_CLUSTER:
            _add_device(hass, entry, runtime, subentry)
    runtime.tariff = await async_load_tariff(hass, entry)
    runtime.signals = SiteSignals(hass, entry)
    controller.operator_w = runtime.signals.operator_w
    runtime.ledger = LedgerStore(
        hass,
        entry,
        clock,
        plausible_w=PLAUSIBLE_CONNECTIONS * controller.capacity_w,
        observe=observing(runtime),
    )
    runtime.planning = PlanningCoordinator(hass, entry)
    runtime.savings = SavingsCoordinator(hass, entry)
    controller.plan = runtime.planning.plan_to_follow
    controller.paid_w = runtime.planning.paid_w
    controller.billed_w = lambda: runtime.planning.data.billed_w
    await controller.async_load()
    controller.async_adopt(runtime.devices)
    runtime.proof = SiteProof(hass, entry, runtime)
    runtime.trials = BatteryTrials(hass, entry, runtime)
    await runtime.proof.async_load()
    await _async_first_readings(runtime)
    runtime.proof.async_start()
    await runtime.ledger.async_load()
    await async_give_past(entry)
    await controller.async_start()
    runtime.ledger.async_start(runtime.devices)
    for device in runtime.devices.values():
        device.async_start()
    await runtime.signals.async_start()
    runtime.planning.async_start()
    runtime.savings.async_start()
    runtime.clusters = async_open_clusters(hass, entry)
    for cluster in runtime.clusters.values():
        await cluster.async_start()
    runtime.levers = SiteLevers(runtime.clusters.values())
    await runtime.levers.async_start()
    runtime.outage = OutageCoordinator(hass, entry)
    await runtime.outage.async_start()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    return True


def _register_site_device(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
    """Make the site a device first: the assets' devices point at it."""
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, entry.entry_id)},
        name=entry.title,
        manufacturer="computeload",
        entry_type=dr.DeviceEntryType.SERVICE,
    )


@callback
def _add_device(
    hass: HomeAssistant,
    entry: ComputeLoadConfigEntry,
    runtime: SiteRuntime,
    subentry: ConfigSubentry,
) -> None:
    """Add one asset. One that cannot be opened is left out, and the site goes on without it."""
    try:
        device = async_open_device(hass, entry, runtime, subentry)
    except DeviceError as err:
        LOGGER.error("%s: %s", subentry.title, err)
        return
    overrides = overrides_of(subentry)
    coordinator = DeviceCoordinator(
        hass,
        entry,
        subentry,
        device=CorrectedDevice(device, overrides) if overrides != Overrides() else device,
        clock=runtime.clock,
        poll_s=subentry.data[CONF_POLL_S],
    )
    if isinstance(device, EntityDevice):
        async_follow(coordinator, device)
    runtime.devices[subentry.subentry_id] = coordinator


async def _async_first_readings(runtime: SiteRuntime) -> None:
    """Read the grid meter, without which there is no site to control.

    Every other device may be silent; it is asked in its own loop and costs no one time.
    """
    for device in runtime.of_kind(AssetKind.METER):
        if device.subentry.data.get(CONF_ROLE) == ROLE_GRID:
            await device.async_refresh()
            if not device.last_update_success:
                # A battery that an earlier run left engaged must not wait for the meter.
                await runtime.controller.async_release_all()
                raise ConfigEntryNotReady(
                    translation_domain=DOMAIN,
                    translation_key="meter_not_ready",
                    translation_placeholders={
                        "device": device.name,
                        "error": str(device.last_exception),
                    },
                )


async def _async_reload(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
    """Reload the site when it or one of its assets was changed."""
    await hass.config_entries.async_reload(entry.entry_id)


async def async_unload_entry(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> bool:
    """Hand everything back, then let go."""
    await entry.runtime_data.trials.async_stop()
    await entry.runtime_data.levers.async_stop()
    await entry.runtime_data.controller.async_stop()
    await entry.runtime_data.proof.async_save()
    await entry.runtime_data.ledger.async_stop()
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
    """Forget a removed site's state."""
    await Store(hass, STORE_VERSION, f"{DOMAIN}.{entry.entry_id}").async_remove()
    await signal_store(hass, entry.entry_id).async_remove()
    await shadow_store(hass, entry.entry_id).async_remove()
    await proof_store(hass, entry.entry_id).async_remove()
    await outage_store(hass, entry.entry_id).async_remove()
    for subentry in entry.get_subentries_of_type(SUBENTRY_CLUSTER):
        await cluster_store(hass, subentry.subentry_id).async_remove()
        await lever_store(hass, subentry.subentry_id).async_remove()
