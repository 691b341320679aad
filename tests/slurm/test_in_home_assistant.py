"""A real Slurm in a real Home Assistant: jobs are seen, put off, let go; it may be away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import time

from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.cluster import ClusterCoordinator
from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.levers import Consent, Lever
from custom_components.computeload.simulator.server import SimulatedSite
from scripts.slurm_lab import SlurmLab
from tests.common import add_asset, async_set_up, build_lab, prove, real_entry
from tests.hpc import begin, go_on

PATIENCE_S = 60.0
TIGHT_W, ROOMY_W = 1_000.0, 20_000.0


@pytest.fixture(name="site")
async def site_fixture(socket_enabled: None) -> AsyncIterator[SimulatedSite]:
    """Return the devices around the cluster; their time stands still, Slurm's does not."""
    site = build_lab()
    await site.start()
    yield site
    await site.stop()


@pytest.fixture(name="entry")
async def entry_fixture(
    hass: HomeAssistant, site: SimulatedSite, lab: SlurmLab
) -> AsyncIterator[MockConfigEntry]:
    """Return a proven site with its grid meter and the cluster, added by the flow."""
    entry = real_entry(target_peak_kw=20.0)
    entry.add_to_hass(hass)
    add_asset(hass, entry, site, "grid")
    await async_set_up(hass, entry)
    prove(entry)
    await add_cluster(hass, entry, lab, lab.token())
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    await asyncio.to_thread(lab.clear)


async def add_cluster(
    hass: HomeAssistant, entry: MockConfigEntry, lab: SlurmLab, word: str
) -> None:
    """Add the cluster by the flow."""
    access = {"url": lab.url, "username": "root", "token": word, "verify_ssl": True}
    flow = await go_on(hass, await begin(hass, entry), **access)
    flow = await go_on(hass, flow, name="Slurm", branches=[])
    flow = await go_on(hass, flow, partitions=["work"], accounts=[])
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


def cluster_of(entry: MockConfigEntry) -> ClusterCoordinator:
    """Return the cluster."""
    (cluster,) = entry.runtime_data.clusters.values()
    assert isinstance(cluster, ClusterCoordinator)
    return cluster


async def look(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Let meter and scheduler be read, and the levers be looked at."""
    for device in entry.runtime_data.devices.values():
        await device.async_sample()
    entry.runtime_data.controller._publish()
    await cluster_of(entry).async_refresh()
    for levers in entry.runtime_data.levers.of.values():
        await levers.async_look()
    await hass.async_block_till_done(wait_background_tasks=False)


async def until(hass: HomeAssistant, entry: MockConfigEntry, happens: Callable[[], bool]) -> None:
    """Look again and again until something is so."""
    ends_s = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < ends_s
        await asyncio.sleep(0.3)
        await look(hass, entry)


async def aim(entry: MockConfigEntry, target_w: float) -> None:
    """Switch control on, with a target."""
    controller = entry.runtime_data.controller
    await controller.async_change(replace(controller.settings, enabled=True, target_w=target_w))


def shown(hass: HomeAssistant, key: str) -> str:
    """Return the state of one of the cluster's sensors."""
    state = hass.states.get(f"sensor.slurm_{key}")
    assert state is not None
    return state.state


async def test_jobs_are_seen_foreseen_put_off_and_let_go(
    hass: HomeAssistant, entry: MockConfigEntry, lab: SlurmLab
) -> None:
    first = lab.submit(120, "-t3", "-J", "first")
    await until(hass, entry, lambda: shown(hass, "running_jobs") == "1")
    second = lab.submit(60, "-t2", "-J", "second")
    await until(hass, entry, lambda: shown(hass, "waiting_jobs") == "1")

    foreseen = cluster_of(entry).data.foreseen
    assert foreseen is not None
    assert [each.job_id for each in foreseen.jobs.pending] == [str(second)]
    assert foreseen.raw.arriving_w.max() > 0.0

    levers = entry.runtime_data.levers.of[cluster_of(entry).asset_id]
    await levers.async_change(levers.settings.allowing(Lever.HOLD, Consent.ON))
    await aim(entry, TIGHT_W)
    await until(hass, entry, lambda: shown(hass, "jobs_put_off") == "1")
    lab.ask("scancel", str(first), check=True)
    await asyncio.sleep(4.0)
    await look(hass, entry)
    (waiting,) = cluster_of(entry).data.queue.pending
    assert (waiting.id, waiting.reason) == (str(second), "BeginTime")
    assert waiting.eligible_at is not None
    # It starts by itself at its deadline, whatever becomes of us.
    assert waiting.eligible_at > datetime.now(UTC) + timedelta(hours=3, minutes=50)

    await aim(entry, ROOMY_W)
    await until(hass, entry, lambda: shown(hass, "running_jobs") == "1")
    assert shown(hass, "jobs_put_off") == "0"


async def test_what_was_put_off_starts_when_home_assistant_lets_go(
    hass: HomeAssistant, entry: MockConfigEntry, lab: SlurmLab
) -> None:
    first = lab.submit(120, "-t3")
    await until(hass, entry, lambda: shown(hass, "running_jobs") == "1")
    second = lab.submit(60, "-t2")
    levers = entry.runtime_data.levers.of[cluster_of(entry).asset_id]
    await levers.async_change(levers.settings.allowing(Lever.HOLD, Consent.ON))
    await aim(entry, TIGHT_W)
    await until(hass, entry, lambda: shown(hass, "jobs_put_off") == "1")
    await hass.config_entries.async_unload(entry.entry_id)
    lab.ask("scancel", str(first), check=True)
    ends_s = time.monotonic() + PATIENCE_S
    while lab.ask("squeue", "-h", "-j", str(second), "-o", "%T").strip() != "RUNNING":
        assert time.monotonic() < ends_s
        await asyncio.sleep(0.5)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


async def test_a_token_that_expires_is_asked_for_anew(
    hass: HomeAssistant, site: SimulatedSite, lab: SlurmLab
) -> None:
    entry = real_entry()
    entry.add_to_hass(hass)
    add_asset(hass, entry, site, "grid")
    await async_set_up(hass, entry)
    await add_cluster(hass, entry, lab, lab.token(lifespan_s=4))
    await asyncio.sleep(6.0)
    await cluster_of(entry).async_refresh()
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["source"] == SOURCE_REAUTH
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"username": "root", "token": lab.token()}
    )
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    await hass.async_block_till_done()
    assert cluster_of(entry).last_update_success
    assert shown(hass, "running_jobs") == "0"
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def test_a_controller_that_dies_and_comes_back_costs_nothing_but_age(
    hass: HomeAssistant, entry: MockConfigEntry, lab: SlurmLab
) -> None:
    job = lab.submit(120, "-t3", "-J", "survivor")
    await until(hass, entry, lambda: shown(hass, "running_jobs") == "1")
    # What it has not yet written down, a controller that is killed forgets.
    await asyncio.to_thread(lab.write_down, job)
    lab.kill_controller()
    try:
        await look(hass, entry)
        assert shown(hass, "running_jobs") == "1"
        assert cluster_of(entry).link.last_error is not None
    finally:
        lab.start_controller()
    before = cluster_of(entry).data.queue.at
    await until(
        hass,
        entry,
        lambda: cluster_of(entry).data.queue.at > before and shown(hass, "running_jobs") == "1",
    )
    assert [each.id for each in cluster_of(entry).data.queue.running] == [str(job)]
