"""A lab with a cluster, behind real sockets, in which time stands still unless it is moved on."""

from typing import Any

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.cluster import ClusterCoordinator
from custom_components.computeload.simulator.server import SimulatedSite

type Result = FlowResult[Any, Any]


async def begin(hass: HomeAssistant, entry: MockConfigEntry, source: str = "slurm") -> Result:
    """Start adding a cluster; ``source`` is what knows of its jobs."""
    result: Result = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "cluster"), context={"source": SOURCE_USER}
    )
    return await go_on(hass, result, next_step_id=source)


async def go_on(hass: HomeAssistant, flow: Result, **answers: Any) -> Result:
    """Answer a step."""
    result: Result = await hass.config_entries.subentries.async_configure(flow["flow_id"], answers)
    return result


def access(hpc: SimulatedSite, **changes: Any) -> dict[str, Any]:
    """Return what the first step asks for."""
    assert hpc.slurm is not None
    whole = {"url": hpc.slurm.url, "username": hpc.slurm.user, "token": hpc.slurm.token}
    return whole | {"verify_ssl": True} | changes


async def add_cluster(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, **more: Any
) -> ClusterCoordinator:
    """Add the lab's cluster by the flow; unless told otherwise with both of its branches.

    All of its jobs may wait.
    """
    flow = await go_on(hass, await begin(hass, lab), **access(hpc))
    branches = more.pop("branches", ["rack_a", "rack_c"])
    flow = await go_on(hass, flow, name="Slurm", branches=branches)
    if len(branches) > 1:
        flow = await go_on(hass, flow, **{"Rack A": "a[1-6]", "Rack C": "c[1-6]"})
    assert flow["step_id"] == "levers"
    flow = await go_on(hass, flow, **{"partitions": ["compute"], "accounts": [], **more})
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    (cluster,) = lab.runtime_data.clusters.values()
    assert isinstance(cluster, ClusterCoordinator)
    return cluster
