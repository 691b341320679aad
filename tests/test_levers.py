"""The levers of compute in Home Assistant: by consent, said, on disk, and given back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.computeload.cluster import ClusterCoordinator
from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.levers import AFTER_S, CALM_S, Consent, Lever
from custom_components.computeload.levers import ClusterLevers
from custom_components.computeload.simulator.jobs import Job
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

from .common import STILL, add_asset, async_set_up, prove, real_entry
from .drivers.http_servers import Controller, serving
from .drivers.test_redfish import NEW
from .hpc import add_cluster
from .test_server_assets import add_redfish

TIGHT_KW, ROOMY_KW = 1.0, 150.0
HOUR_S = 3600.0


@pytest.fixture(name="hpc")
async def hpc_fixture(
    socket_enabled: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SimulatedSite]:
    """Return a lab with a cluster, whose clock is also Home Assistant's."""
    scenario = load_scenario("climate-hpc")
    site = SimulatedSite(scenario, start=scenario.default_start(), speed=STILL)
    monkeypatch.setattr("custom_components.computeload.SystemClock", lambda: site.clock)
    await site.start()
    yield site
    await site.stop()


@pytest.fixture(name="lab")
async def lab_fixture(hass: HomeAssistant, hpc: SimulatedSite) -> AsyncIterator[MockConfigEntry]:
    """Return a real site with a meter at the grid and two racks."""
    entry = real_entry(target_peak_kw=ROOMY_KW, connection_limit_kw=160.0)
    entry.add_to_hass(hass)
    for asset in ("grid", "rack_a", "rack_c"):
        add_asset(hass, entry, hpc, asset)
    await async_set_up(hass, entry)
    prove(entry)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


@pytest.fixture(name="cluster")
async def cluster_fixture(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> ClusterCoordinator:
    """Return the lab's cluster, with a job that waits to start within minutes."""
    await add_cluster(hass, lab, hpc)
    jobs = hpc.physics.loads.jobs
    while not any(job.due_s - hpc.clock.elapsed_s < 900.0 for job in jobs.waiting):
        await hpc.advance(300.0)
    return await look(hass, lab)


async def look(hass: HomeAssistant, lab: MockConfigEntry) -> ClusterCoordinator:
    """Let the site and then the cluster be read, and the levers be looked at."""
    (cluster,) = lab.runtime_data.clusters.values()
    for device in lab.runtime_data.devices.values():
        await device.async_sample()
    lab.runtime_data.controller._publish()
    await cluster.async_refresh()
    await hass.async_block_till_done(wait_background_tasks=False)
    await levers_of(lab).async_look()
    await hass.async_block_till_done(wait_background_tasks=False)
    assert isinstance(cluster, ClusterCoordinator)
    return cluster


def levers_of(lab: MockConfigEntry) -> ClusterLevers:
    """Return the cluster's levers."""
    (levers,) = lab.runtime_data.levers.of.values()
    assert isinstance(levers, ClusterLevers)
    return levers


async def allow(hass: HomeAssistant, lever: Lever, consent: Consent) -> None:
    """Choose what a lever may do, as a user does."""
    names = {
        Lever.HOLD: "put_jobs_off",
        Lever.CAP: "cut_compute_power",
        Lever.DRAIN: "drain_nodes",
        Lever.REQUEUE: "put_jobs_back",
    }
    data = {"entity_id": f"select.slurm_{names[lever]}", "option": consent}
    await hass.services.async_call("select", "select_option", data, blocking=True)
    await hass.async_block_till_done(wait_background_tasks=False)


async def control(lab: MockConfigEntry, target_kw: float, *, enabled: bool = True) -> None:
    """Set the target, and switch control on or off."""
    controller = lab.runtime_data.controller
    await controller.async_change(
        replace(controller.settings, enabled=enabled, target_w=1000.0 * target_kw)
    )


def event(hass: HomeAssistant, name: str) -> dict[str, Any]:
    """Return the last event of a kind."""
    state = hass.states.get(f"event.slurm_{name}")
    assert state is not None
    return dict(state.attributes)


def first_due(hpc: SimulatedSite) -> Job:
    """Return the job that starts next if nobody keeps it from it."""
    return min(hpc.physics.loads.jobs.waiting, key=lambda job: job.due_s)


async def test_at_first_nothing_is_done_but_said_what_would_be(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, cluster: ClusterCoordinator
) -> None:
    await control(lab, TIGHT_KW)
    await look(hass, lab)
    told = event(hass, "jobs_moved")
    assert (told["event_type"], told["dry_run"]) == ("put_off", True)
    assert str(first_due(hpc).number) in told["what"]
    assert all(job.not_before_s == 0.0 for job in hpc.physics.loads.jobs.waiting)
    assert hass.states.get("sensor.slurm_jobs_put_off").state == "0"  # type: ignore[union-attr]


async def test_a_job_is_put_off_until_its_deadline_and_let_go_when_there_is_room(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, cluster: ClusterCoordinator
) -> None:
    job = first_due(hpc)
    await allow(hass, Lever.HOLD, Consent.ON)
    await control(lab, TIGHT_KW)
    await look(hass, lab)
    # Should nothing be heard from here any more, it starts by itself.
    assert job.not_before_s == pytest.approx(job.due_s + 4 * HOUR_S, abs=2.0)
    assert hass.states.get("sensor.slurm_jobs_put_off").state == "1"  # type: ignore[union-attr]
    await hpc.advance(HOUR_S)
    await look(hass, lab)
    assert job.runs == 0
    await control(lab, ROOMY_KW)
    await look(hass, lab)
    assert event(hass, "jobs_moved")["event_type"] == "let_go"
    await hpc.advance(60.0)
    assert job.runs == 1


@pytest.mark.parametrize("how", ["consent", "control", "unload"])
async def test_what_was_put_off_is_given_back(
    hass: HomeAssistant,
    lab: MockConfigEntry,
    hpc: SimulatedSite,
    cluster: ClusterCoordinator,
    how: str,
) -> None:
    job = first_due(hpc)
    await allow(hass, Lever.HOLD, Consent.ON)
    await control(lab, TIGHT_KW)
    await look(hass, lab)
    assert job.not_before_s > job.due_s
    if how == "consent":
        await allow(hass, Lever.HOLD, Consent.OFF)
    elif how == "control":
        await control(lab, TIGHT_KW, enabled=False)
        await look(hass, lab)
    else:
        await hass.config_entries.async_unload(lab.entry_id)
    assert job.not_before_s <= hpc.clock.elapsed_s
    if how == "unload":
        await hass.config_entries.async_setup(lab.entry_id)
        await hass.async_block_till_done()


async def test_after_a_restart_the_first_deadline_stands(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, cluster: ClusterCoordinator
) -> None:
    job = first_due(hpc)
    await allow(hass, Lever.HOLD, Consent.ON)
    await control(lab, TIGHT_KW)
    await look(hass, lab)
    deadline_s = job.not_before_s
    assert await hass.config_entries.async_reload(lab.entry_id)
    await hass.async_block_till_done()
    await look(hass, lab)
    assert job.runs == 0
    assert job.not_before_s == pytest.approx(deadline_s, abs=2.0)


async def test_a_crash_leaves_nothing_behind(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, cluster: ClusterCoordinator
) -> None:
    """What was put off before is found on disk, and let go if it is no longer wanted."""
    job = first_due(hpc)
    await allow(hass, Lever.HOLD, Consent.ON)
    await control(lab, TIGHT_KW)
    await look(hass, lab)
    again = ClusterLevers(cluster)
    await control(lab, TIGHT_KW, enabled=False)
    await again._async_load()
    await again.async_look()
    assert job.not_before_s <= hpc.clock.elapsed_s


async def test_jobs_of_other_partitions_are_left_alone(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    await add_cluster(hass, lab, hpc, partitions=[])
    jobs = hpc.physics.loads.jobs
    while not jobs.waiting:
        await hpc.advance(300.0)
    await allow(hass, Lever.HOLD, Consent.ON)
    await control(lab, TIGHT_KW)
    await look(hass, lab)
    assert all(job.not_before_s == 0.0 for job in jobs.waiting)


async def test_a_scheduler_that_refuses_is_reported(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, cluster: ClusterCoordinator
) -> None:
    await allow(hass, Lever.HOLD, Consent.ON)
    await control(lab, TIGHT_KW)
    for device in lab.runtime_data.devices.values():
        await device.async_sample()
    lab.runtime_data.controller._publish()
    hpc.physics.loads.jobs.waiting.clear()
    await levers_of(lab).async_look()
    issues = ir.async_get(hass)
    issue_id = f"lever_refused_{cluster.asset_id}"
    assert issues.async_get_issue(DOMAIN, issue_id) is not None
    assert levers_of(lab).hold.holds.told == {}


async def test_compute_is_cut_by_the_users_script_and_the_cut_is_lifted(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    calls: list[ServiceCall] = async_mock_service(hass, "script", "turn_on")
    await add_cluster(hass, lab, hpc, budget_script="script.cut")
    await allow(hass, Lever.CAP, Consent.ON)
    await control(lab, TIGHT_KW)
    await look(hass, lab)
    assert calls == []
    await hpc.advance(AFTER_S[Lever.CAP] + 1.0)
    await look(hass, lab)
    budget_kw = calls[-1].data["variables"]["budget_kw"]
    assert 0.0 <= budget_kw < 60.0
    assert event(hass, "compute_budget")["event_type"] == "cut"
    await control(lab, ROOMY_KW)
    await hpc.advance(CALM_S + 1.0)
    for _ in range(3):
        await look(hass, lab)
    assert calls[-1].data["variables"] == {"cluster": "Slurm", "budget_kw": None}
    assert event(hass, "compute_budget")["event_type"] == "lifted"


async def test_whoever_needs_it_can_ask_for_all_levers(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, cluster: ClusterCoordinator
) -> None:
    jobs = hpc.physics.loads.jobs
    for lever in Lever:
        await allow(hass, lever, Consent.ON)
    await control(lab, ROOMY_KW)
    running = list(jobs.running)
    assert running
    await lab.runtime_data.levers.async_demand("outage", Lever.REQUEUE)
    assert jobs.running == []
    assert set(running) <= set(jobs.waiting)
    assert event(hass, "jobs_moved")["reason"] == "outage"
    assert jobs.drained
    await look(hass, lab)
    await hpc.advance(HOUR_S)
    assert jobs.running == []
    await lab.runtime_data.levers.async_demand("outage", None)
    for _ in range(20):
        await hpc.advance(300.0)
        await look(hass, lab)
    assert jobs.drained == set()
    assert jobs.running
    assert jobs.killed == 0


async def test_a_node_that_somebody_else_resumed_is_not_ours_any_more(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, cluster: ClusterCoordinator
) -> None:
    jobs = hpc.physics.loads.jobs
    await allow(hass, Lever.DRAIN, Consent.ON)
    await control(lab, ROOMY_KW)
    await lab.runtime_data.levers.async_demand("outage", Lever.DRAIN)
    ours = set(jobs.drained)
    one = min(ours)
    jobs.drain([one], drained=False, elapsed_s=hpc.clock.elapsed_s)
    jobs.drain(["c6"] if "c6" not in ours else [], drained=True, elapsed_s=hpc.clock.elapsed_s)
    await lab.runtime_data.levers.async_demand("outage", None)
    for _ in range(10):
        await look(hass, lab)
    assert jobs.drained <= {"c6"}


async def test_a_cut_is_set_as_power_limit_of_servers_and_what_was_before_comes_back(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    controller = Controller(NEW)
    async with serving(controller.app()) as bmc:
        node = await add_redfish(hass, lab, bmc)
        await add_cluster(hass, lab, hpc, redfish_limits=True, branches=[node.asset_id])
        await allow(hass, Lever.CAP, Consent.ON)
        await control(lab, ROOMY_KW)
        await lab.runtime_data.levers.async_demand("outage", Lever.CAP)
        ((path, _, body),) = controller.changes
        assert path.endswith("EnvironmentMetrics")
        # Half of the 412.5 W that it draws.
        assert body["PowerLimitWatts"] == {"SetPoint": 206, "ControlMode": "Automatic"}
        await lab.runtime_data.levers.async_demand("outage", None)
        await allow(hass, Lever.CAP, Consent.OFF)
        assert controller.changes[-1][2]["PowerLimitWatts"]["SetPoint"] == 800
        await hass.config_entries.async_unload(lab.entry_id)
    await hass.config_entries.async_setup(lab.entry_id)
    await hass.async_block_till_done()
