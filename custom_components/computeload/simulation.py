"""The simulated site: a lab in this process, for users without hardware."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

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
    CONF_SOURCE,
    CONF_TARGET_PEAK_KW,
    CONF_UNIT_ID,
    LINK_SIMULATED,
    ROLE_BRANCH,
    ROLE_GRID,
    SOURCE_SLURM,
    SUBENTRY_CLUSTER,
)
from .coordinator import ComputeLoadConfigEntry
from .core.ledger import EXPORT, IMPORT, Channel, Flow, Origin, Quarter, Role
from .core.model import AssetKind, Reason
from .core.tariff import prices_at
from .simulator.scenario import DEVICES, GRID, Scenario, load_scenario

if TYPE_CHECKING:
    from .simulator.server import SimulatedSite

CONTROL_POLL_S = 1.0
BRANCH_POLL_S = 5.0
PAST_DAYS: Final = 35
_METERED: Final = {
    AssetKind.PV.value: Role.PV,
    AssetKind.LOAD.value: Role.BRANCH,
    AssetKind.METER.value: Role.BRANCH,
}

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
    if scenario.cluster is not None:
        subentries.append(
            ConfigSubentryData(
                data={CONF_SOURCE: SOURCE_SLURM, CONF_LINK: LINK_SIMULATED},
                subentry_type=SUBENTRY_CLUSTER,
                title=scenario.cluster,
                unique_id="simulated cluster",
            )
        )
    return subentries


def simulated_branches(scenario: Scenario, entry: ComputeLoadConfigEntry) -> dict[str, str]:
    """Return which branches feed the nodes of a simulated cluster, by subentry id."""
    assets = {s.unique_id: s.subentry_id for s in entry.subentries.values()}
    nodes = {node for workload in scenario.workloads for node in workload.nodes}
    return {
        asset_id: ",".join(node for node in wire.serves if node in nodes)
        for wire in scenario.wires
        if (asset_id := assets.get(f"simulated {wire.id}")) and not nodes.isdisjoint(wire.serves)
    }


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


async def async_give_past(entry: ComputeLoadConfigEntry) -> None:
    """Bring weeks of a simulated past into an empty ledger, so that plans have one to learn from.

    Only for labs that pay for their peaks: the others have nothing to plan with it.
    """
    runtime = entry.runtime_data
    simulator = runtime.simulator
    if simulator is None or simulator.scenario.tariff is None:
        return
    scenario, ledger = simulator.scenario, runtime.ledger
    assets = {s.unique_id: s for s in entry.subentries.values()}

    def quarters() -> Iterator[Quarter]:
        from .simulator.past import simulated_past  # noqa: PLC0415 - as below

        market = _Market(scenario)
        for each in simulated_past(scenario, runtime.clock.now(), PAST_DAYS):
            buy, sell = prices_at(runtime.tariff, each.start.timestamp(), market.at(each.start))
            flows = {IMPORT: Flow(each.import_wh), EXPORT: Flow(each.export_wh)}
            for metered, roles in (
                (each.served_wh, _METERED),
                (each.charged_wh, {AssetKind.BATTERY.value: Role.BATTERY_IN}),
                (each.discharged_wh, {AssetKind.BATTERY.value: Role.BATTERY_OUT}),
            ):
                for wire, energy_wh in metered.items():
                    asset = assets.get(f"simulated {wire}")
                    if asset is not None and (role := roles.get(asset.subentry_type)) is not None:
                        flows[Channel(role, asset.subentry_id)] = Flow(energy_wh)
            yield Quarter(
                start=each.start,
                origin=Origin.COUNTER,
                flows=flows,
                commands=1,
                reason=Reason.PEAK if sum(each.discharged_wh.values()) else Reason.RECHARGE,
                target_w=scenario.target_peak_w,
                price_import=buy,
                price_export=sell,
            )

    if await ledger.async_is_empty():
        await ledger.async_import_quarters(quarters)


class _Market:
    """The prices of a scenario, by quarter."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._days: dict[date, dict[int, float]] = {}

    def at(self, start: datetime) -> float | None:
        day = start.astimezone(self._scenario.timezone).date()
        if day not in self._days:
            self._days[day] = {
                int(hour.timestamp()): price for hour, price in self._scenario.day_ahead(day)
            }
        hour_s = int(start.timestamp()) // 3600 * 3600
        return self._days[day].get(hour_s)


def _build(scenario: str) -> SimulatedSite:
    """Load the simulator only where it is used: a real site has no need of its servers."""
    from .simulator.server import SimulatedSite  # noqa: PLC0415

    return SimulatedSite(load_scenario(scenario))
