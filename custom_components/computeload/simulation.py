"""The simulated site: a lab in this process, for users without hardware."""

from typing import TYPE_CHECKING

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant

from .const import (
    CONF_CHANNELS,
    CONF_CONNECTION_LIMIT_KW,
    CONF_LINK,
    CONF_POLL_S,
    CONF_PROFILE,
    CONF_ROLE,
    CONF_SCENARIO,
    CONF_SIMULATION,
    CONF_TARGET_PEAK_KW,
    CONF_UNIT_ID,
    LINK_SIMULATED,
    ROLE_BRANCH,
    ROLE_GRID,
)
from .coordinator import ComputeLoadConfigEntry
from .core.model import AssetKind
from .simulator.scenario import DEVICES, GRID, Scenario, load_scenario

if TYPE_CHECKING:
    from .simulator.server import SimulatedSite

CONTROL_POLL_S = 1.0
BRANCH_POLL_S = 5.0

_KINDS = {
    "meter": AssetKind.METER,
    "battery": AssetKind.BATTERY,
    "pv": AssetKind.PV,
    "branches": AssetKind.LOAD,
}


def simulated_site_data(scenario: Scenario) -> dict[str, object]:
    """Return the config entry data of a simulated site."""
    return {
        CONF_CONNECTION_LIMIT_KW: scenario.connection_limit_w / 1000.0,
        CONF_TARGET_PEAK_KW: scenario.target_peak_w / 1000.0,
        CONF_SIMULATION: {CONF_SCENARIO: scenario.id},
    }


def simulated_subentries(scenario: Scenario) -> list[ConfigSubentryData]:
    """Return one subentry per device of the scenario."""
    names = {branch.id: branch.name for branch in scenario.branches}
    subentries = []
    for wire in scenario.wires:
        kind = _KINDS[DEVICES[wire.device]]
        data: dict[str, object] = {
            CONF_PROFILE: wire.device,
            CONF_LINK: {"type": LINK_SIMULATED, "device": wire.id},
            CONF_UNIT_ID: wire.unit_id,
            CONF_POLL_S: BRANCH_POLL_S if kind is AssetKind.LOAD else CONTROL_POLL_S,
        }
        if kind is AssetKind.LOAD:
            data[CONF_CHANNELS] = [names[branch] for branch in wire.serves]
        if kind is AssetKind.METER:
            data[CONF_ROLE] = ROLE_GRID if wire.serves == (GRID,) else ROLE_BRANCH
        subentries.append(
            ConfigSubentryData(
                data=data,
                subentry_type=kind.value,
                title=wire.name,
                unique_id=f"simulated {wire.id}",
            )
        )
    return subentries


async def async_start_simulator(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry
) -> SimulatedSite | None:
    """Start the simulated site of this entry; None for a real one.

    Raises ScenarioError for a scenario that is not there any more.
    """
    if (simulation := entry.data.get(CONF_SIMULATION)) is None:
        return None
    site = await hass.async_add_import_executor_job(_build, simulation[CONF_SCENARIO])
    await site.start()
    entry.async_on_unload(site.stop)
    return site


def _build(scenario: str) -> SimulatedSite:
    """Load the simulator only where it is used: a real site has no need of its servers."""
    from .simulator.server import SimulatedSite  # noqa: PLC0415

    return SimulatedSite(load_scenario(scenario))
