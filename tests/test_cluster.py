"""A cluster in Home Assistant: added by the flow, read over HTTP, remembered, asked for tokens."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import numpy as np
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.actions.jobs import account_of
from custom_components.computeload.cluster import OUTDATED
from custom_components.computeload.const import DOMAIN
from custom_components.computeload.core.ledger import Channel, Flow, Origin, Quarter, Role
from custom_components.computeload.diagnostics import async_get_config_entry_diagnostics
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import SimulatedSite

from .common import STILL, add_asset, async_set_up, real_entry
from .hpc import Result, access, add_cluster, begin, go_on
from .test_config_flow import told

QUEUE = "sensor.slurm_"
NEW_TOKEN = "a new one"  # noqa: S105 - of a server in this process


@pytest.fixture(name="hpc")
async def hpc_fixture(socket_enabled: None) -> AsyncIterator[SimulatedSite]:
    """Return a lab with a cluster, in which time stands still unless it is moved on."""
    scenario = load_scenario("climate-hpc")
    site = SimulatedSite(scenario, start=scenario.default_start(), speed=STILL)
    await site.start()
    yield site
    await site.stop()


@pytest.fixture(name="lab")
async def lab_fixture(hass: HomeAssistant, hpc: SimulatedSite) -> AsyncIterator[MockConfigEntry]:
    """Return a real site with a meter at the grid and two racks."""
    entry = real_entry(target_peak_kw=70.0, connection_limit_kw=160.0)
    entry.add_to_hass(hass)
    add_asset(hass, entry, hpc, "grid")
    add_asset(hass, entry, hpc, "rack_a")
    add_asset(hass, entry, hpc, "rack_c")
    await async_set_up(hass, entry)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


def state(hass: HomeAssistant, key: str) -> str:
    """Return the state of one of the cluster's sensors."""
    found = hass.states.get(QUEUE + key)
    assert found is not None, key
    return found.state


async def test_a_cluster_is_added_by_the_flow_and_shows_its_queue(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    jobs = hpc.physics.loads.jobs
    cluster = await add_cluster(hass, lab, hpc)
    assert {b.asset_id: sorted(b.hosts or ()) for b in cluster.memory.branches} == {
        "rack_a": [f"a{n}" for n in range(1, 7)],
        "rack_c": [f"c{n}" for n in range(1, 7)],
    }
    assert state(hass, "running_jobs") == str(len(jobs.running))
    assert state(hass, "waiting_jobs") == str(len(jobs.waiting))
    busy = {node for job in jobs.running for node in job.nodes}
    assert (state(hass, "busy_nodes"), state(hass, "idle_nodes")) == (
        str(len(busy)),
        str(24 - len(busy)),
    )
    assert float(state(hass, "expected_load_in_15_minutes")) > 10.0


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"url": "lab:6820"}, ("url", "url_wrong")),
        ({"url": "http://127.0.0.1:9"}, ("base", "server_unreachable")),
        ({"token": "another"}, ("base", "invalid_auth")),
    ],
)
async def test_what_is_wrong_is_said_and_can_be_corrected(
    hass: HomeAssistant,
    lab: MockConfigEntry,
    hpc: SimulatedSite,
    wrong: dict[str, str],
    error: tuple[str, str],
) -> None:
    flow = await go_on(hass, await begin(hass, lab), **access(hpc, **wrong))
    field, key = error
    assert flow["errors"] == {field: key}
    assert key.startswith("url") or told(flow)["address"]
    flow = await go_on(hass, flow, **access(hpc))
    assert flow["step_id"] == "branches"
    flow = await go_on(hass, flow, name=" ", branches=[])
    assert flow["errors"] == {"name": "name_missing"}
    flow = await go_on(hass, flow, name="Slurm", branches=["rack_a", "rack_c"])
    flow = await go_on(hass, flow, **{"Rack A": "a[1-", "Rack C": "z9"})
    assert flow["errors"] == {"Rack A": "nodes_unreadable", "Rack C": "nodes_unknown"}
    flow = await go_on(hass, flow, **{"Rack A": "", "Rack C": "c1"})
    flow = await go_on(hass, flow, partitions=[], accounts=["nobody"])
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_a_cluster_belongs_to_one_site_only(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    await add_cluster(hass, lab, hpc)
    flow = await go_on(hass, await begin(hass, lab), **access(hpc))
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_what_was_chosen_can_be_changed(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    cluster = await add_cluster(hass, lab, hpc)
    flow: Result = await hass.config_entries.subentries.async_init(
        (lab.entry_id, "cluster"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": cluster.asset_id},
    )
    flow = await go_on(hass, flow, **access(hpc))
    flow = await go_on(hass, flow, name="Lab cluster", branches=["rack_c"])
    flow = await go_on(hass, flow, partitions=["compute"])
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    (again,) = lab.runtime_data.clusters.values()
    assert again.name == "Lab cluster"
    assert [(b.asset_id, b.hosts) for b in again.memory.branches] == [("rack_c", None)]


async def test_a_job_that_is_put_off_waits_and_one_that_is_let_go_runs(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    cluster = await add_cluster(hass, lab, hpc)
    jobs = hpc.physics.loads.jobs
    while not jobs.waiting:
        await hpc.advance(300.0)
    job = jobs.waiting[0]
    await cluster.queue.defer(str(job.number), hpc.clock.now() + timedelta(days=1))
    await hpc.advance(2.0 * 3600.0)
    assert job in jobs.waiting
    await cluster.queue.defer(str(job.number), hpc.clock.now())
    await hpc.advance(60.0)
    assert job.runs == 1
    assert jobs.delays_s[-1] > 0.0


async def test_a_scheduler_that_is_away_costs_nothing_but_age(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await add_cluster(hass, lab, hpc)
    assert hpc.slurm is not None
    running = state(hass, "running_jobs")
    await hpc.slurm.stop()
    for _ in range(3):
        await cluster.async_refresh()
    assert state(hass, "running_jobs") == running
    assert caplog.text.count("Slurm: not available") == 1
    assert cluster.memory.state is not None
    old = cluster.memory.state.at - OUTDATED - timedelta(seconds=1)
    cluster.memory.state = replace(cluster.memory.state, at=old)
    await cluster.async_refresh()
    assert state(hass, "running_jobs") == "unavailable"


async def test_a_token_that_is_refused_is_asked_for_anew(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    cluster = await add_cluster(hass, lab, hpc)
    assert hpc.slurm is not None
    hpc.slurm.token = NEW_TOKEN
    await cluster.async_refresh()
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["source"] == SOURCE_REAUTH
    configure = hass.config_entries.flow.async_configure
    result = await configure(flow["flow_id"], {"username": "operator", "token": "wrong"})
    assert result["errors"] == {"base": "invalid_auth"}
    result = await configure(flow["flow_id"], {"username": "operator", "token": NEW_TOKEN})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    await hass.async_block_till_done()
    (cluster,) = lab.runtime_data.clusters.values()
    assert cluster.last_update_success
    told_of = str(await async_get_config_entry_diagnostics(hass, lab))
    assert NEW_TOKEN not in told_of


async def test_what_a_branch_drew_is_shared_among_its_jobs(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    cluster = await add_cluster(hass, lab, hpc)
    jobs = hpc.physics.loads.jobs
    cluster._close([quarter_of(hpc, rack_a=5_000.0, rack_c=3_000.0)])
    answer = await hass.services.async_call(
        DOMAIN, "get_job_energy", {"by": "user"}, blocking=True, return_response=True
    )
    told_of: Any = answer["clusters"][0]  # type: ignore[index]
    assert told_of["metered"]["energy_kwh"] == 8.0
    users = {each["name"]: each["energy_kwh"] for each in told_of["top"]}
    assert users == {"global": 5.0, "regional": 3.0}
    assert {job.workload.id for job in jobs.running} >= set(users)
    assert told_of["metered"]["cost"] == 2.0
    (month,) = cluster.memory.months
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=32)).replace(day=1)
    for span, day, kwh in (
        ("month", first, 8.0),
        ("month", following, 0.0),
        ("last_month", following, 8.0),
        ("all_time", following, 8.0),
    ):
        account = account_of(cluster.memory, span, day)
        assert account.total.energy_wh == kwh * 1000.0, (span, day)


async def test_jobs_that_will_take_the_site_above_its_target_are_told_of(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    cluster = await add_cluster(hass, lab, hpc)
    jobs = hpc.physics.loads.jobs
    while not any(job.workload.id == "global" for job in jobs.waiting):
        await hpc.advance(600.0)
    await cluster.async_refresh()
    foreseen = cluster.data.foreseen
    assert foreseen is not None
    arriving_w = foreseen.raw.arriving_w.mean(axis=0)
    without_w = foreseen.load_w + foreseen.raw.mean_w - arriving_w
    best = int(np.argmax(arriving_w))
    target_w = float(without_w[best] + 0.5 * arriving_w[best])
    controller = lab.runtime_data.controller
    controller.settings = replace(controller.settings, target_w=target_w)
    assert controller.target_w == pytest.approx(target_w)
    await cluster.async_refresh()
    await hass.async_block_till_done()
    event = hass.states.get("event.slurm_next_peak_from_jobs")
    assert event is not None
    assert event.attributes["event_type"] == "foreseen"
    assert event.attributes["peak_kw"] > target_w / 1000.0
    assert event.attributes["jobs"]


async def test_what_was_learned_survives_a_restart(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    cluster = await add_cluster(hass, lab, hpc)
    for rack in ("rack_a", "rack_c"):
        await lab.runtime_data.devices[rack].async_refresh()
    await cluster.async_refresh()
    cluster._close([quarter_of(hpc, rack_a=5_000.0)])
    known = len(cluster.memory.classes)
    assert known > 0
    assert await hass.config_entries.async_reload(lab.entry_id)
    await hass.async_block_till_done()
    (again,) = lab.runtime_data.clusters.values()
    assert again is not cluster
    assert again.memory.energy.total.energy_wh == 5_000.0
    assert len(again.memory.classes) == known


async def test_a_simulated_site_comes_with_its_cluster(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    flow = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": "simulated"}
    )
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"scenario": "climate-hpc"}
    )
    await hass.async_block_till_done()
    entry = flow["result"]
    (cluster,) = entry.runtime_data.clusters.values()
    assert len(cluster.memory.branches) == 4
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    own = [each for each in entities if each.config_subentry_id == cluster.asset_id]
    assert len(own) > 15
    subentry_flow: Result = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "cluster"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": cluster.asset_id},
    )
    assert subentry_flow["reason"] == "simulated"
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


def quarter_of(hpc: SimulatedSite, **energy_wh: float) -> Quarter:
    """Return the present quarter of an hour with what some branches drew."""
    now = hpc.clock.now()
    start = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    return Quarter(
        start=start,
        origin=Origin.COUNTER,
        flows={Channel(Role.BRANCH, a): Flow(wh) for a, wh in energy_wh.items()},
        price_import=0.25,
        co2_g_per_kwh=300.0,
    )


async def test_jobs_that_any_sensor_counts_are_foreseen_and_cannot_be_touched(
    hass: HomeAssistant, lab: MockConfigEntry, hpc: SimulatedSite
) -> None:
    hass.states.async_set("sensor.queue", "unknown")
    answers = {"waiting": "sensor.queue", "running": "counter.running", "machines": 12}
    flow = await go_on(hass, await begin(hass, lab, "counted"), **answers)
    assert flow["errors"] == {"base": "entity_silent"}
    assert told(flow)["entity"] == "sensor.queue"
    hass.states.async_set("sensor.queue", "3")
    hass.states.async_set("counter.running", "5")
    flow = await go_on(hass, flow, **answers)
    flow = await go_on(hass, flow, name="Kubernetes", branches=["rack_a", "rack_c"])
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    (cluster,) = lab.runtime_data.clusters.values()
    for rack in ("rack_a", "rack_c"):
        await lab.runtime_data.devices[rack].async_sample()
    await lab.runtime_data.devices["grid"].async_sample()
    lab.runtime_data.controller._publish()
    await cluster.async_refresh()
    shown = {
        key: hass.states.get(f"sensor.kubernetes_{key}").state  # type: ignore[union-attr]
        for key in ("running_jobs", "waiting_jobs", "busy_nodes", "idle_nodes")
    }
    assert list(shown.values()) == ["5", "3", "5", "7"]
    assert cluster.data.foreseen is not None
    assert cluster.data.foreseen.raw.arriving_w.max() > 0.0
    assert cluster.queue.abilities == frozenset()
    hass.states.async_set("counter.running", "4")
    await cluster.async_refresh()
    assert len(cluster.memory.classes) > 0


async def test_two_clusters_are_not_counted_by_the_same_sensor(
    hass: HomeAssistant, lab: MockConfigEntry
) -> None:
    hass.states.async_set("sensor.queue", "3")
    answers = {"waiting": "sensor.queue", "machines": 12}
    flow = await go_on(hass, await begin(hass, lab, "counted"), **answers)
    flow = await go_on(hass, flow, name="One", branches=[])
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    flow = await go_on(hass, await begin(hass, lab, "counted"), **answers)
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")
