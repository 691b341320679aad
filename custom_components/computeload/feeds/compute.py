"""A site's clusters as rows for tables."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..cluster import ClusterCoordinator
from ..coordinator import ComputeLoadConfigEntry, SiteRuntime
from ..core.job_energy import By, Used
from ..core.model import Quantity
from ..core.queue import Job
from ..core.queue_forecast import Train
from ..core.queue_jobs import is_taken, is_up, view_of
from .base import Feed, Payload, unix_ms

SHOWN: Final = 200
"""So many jobs of a kind are shown; there is a count of all."""
TOP: Final = 10


def clusters_payload(runtime: SiteRuntime) -> Payload:
    """Return all clusters of a site.

    ``clusters``: a list of ``{id, name, age_s, error, jobs: {running, pending, held}, nodes:
    {busy, idle, down}, branches: [{name, power_w}], running: [job], pending: [job], train,
    step, expected_w: [by quarter], top: {user: [use], account: [use]}, credit: {arriving,
    leaving}}``. A job: ``{id, name, user, account, partition, nodes, gpus, tasks, held, reason,
    start (Unix ms), end (Unix ms), power_w (expected), energy_wh, cost, co2_g}``. A use:
    ``{name, energy_wh, cost, co2_g}``. A train: ``{start, end (Unix ms), power_w, peak_w,
    energy_wh, jobs: [id]}`` or None. Money in ``currency``.
    """
    clusters = [_cluster(runtime, each) for each in runtime.clusters.values()]
    return {"currency": runtime.tariff.currency, "clusters": clusters}


def _cluster(runtime: SiteRuntime, cluster: ClusterCoordinator) -> dict[str, Any]:
    memory, data = cluster.memory, cluster.data
    head = {
        "id": cluster.asset_id,
        "name": cluster.name,
        "age_s": cluster.age_s(),
        "error": cluster.link.last_error,
    }
    if data is None:
        return head
    state, foreseen = data.queue, data.foreseen
    pending = sorted(state.pending, key=lambda job: _ms(job.starts_at) or float("inf"))
    used = memory.energy.all(By.JOB)
    arriving, leaving = memory.credit.shares().tolist()
    return head | {
        "jobs": {
            "running": sum(job.tasks for job in state.running),
            "pending": sum(job.tasks for job in state.pending),
            "held": sum(job.tasks for job in state.pending if job.held),
        },
        "nodes": {
            "busy": sum(map(is_taken, state.nodes)),
            "idle": sum(is_up(node) and not is_taken(node) for node in state.nodes),
            "down": sum(not is_up(node) for node in state.nodes),
        },
        "branches": [
            {
                "name": device.name,
                "power_w": device.latest.number(Quantity.POWER_W) if device.latest else None,
            }
            for branch in memory.branches
            if (device := runtime.devices.get(branch.asset_id)) is not None
        ],
        "running": _jobs(cluster, state.running, used),
        "pending": _jobs(cluster, pending, used),
        "train": _train(foreseen.train) if foreseen else None,
        "step": _train(foreseen.step) if foreseen else None,
        "expected_w": (foreseen.load_w + foreseen.forecast.mean_w).round().tolist()
        if foreseen
        else [],
        "top": {
            str(by): [{"name": name, **_used(use)} for name, use in memory.energy.top(by, TOP)]
            for by in (By.USER, By.ACCOUNT)
        },
        "credit": {"arriving": arriving, "leaving": leaving},
    }


def _jobs(
    cluster: ClusterCoordinator, jobs: Iterable[Job], used: Mapping[str, Used]
) -> list[dict[str, Any]]:
    return [_job(cluster, job, used) for job in list(jobs)[:SHOWN]]


def _job(cluster: ClusterCoordinator, job: Job, used: Mapping[str, Used]) -> dict[str, Any]:
    view = view_of(job)
    return {
        "id": job.id,
        "name": job.name,
        "user": job.user,
        "account": job.account,
        "partition": job.partition,
        "nodes": job.nodes,
        "gpus": job.gpus,
        "tasks": job.tasks,
        "held": job.held,
        "reason": job.reason,
        "start": _ms(job.starts_at),
        "end": _ms(job.ends_at),
        "power_w": round(cluster.memory.classes.estimate(view).node_w * view.nodes),
        **_used(used.get(view.job_id, Used())),
    }


def _used(used: Used) -> dict[str, float]:
    return {"energy_wh": used.energy_wh, "cost": used.cost_eur, "co2_g": used.co2_g}


def _train(train: Train | None) -> dict[str, Any] | None:
    if train is None:
        return None
    return {
        "start": round(1000.0 * train.start_s),
        "end": round(1000.0 * train.end_s),
        "power_w": train.power_w,
        "peak_w": train.peak_w,
        "energy_wh": train.energy_wh,
        "jobs": list(train.jobs),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else unix_ms(at)


async def _async_payload(_: HomeAssistant, entry: ComputeLoadConfigEntry) -> Payload:
    return clusters_payload(entry.runtime_data)


@callback
def _listen(
    _: HomeAssistant, entry: ComputeLoadConfigEntry, news: Callable[[], None]
) -> CALLBACK_TYPE:
    stops = [each.async_add_listener(news) for each in entry.runtime_data.clusters.values()]

    @callback
    def stop() -> None:
        for each in stops:
            each()

    return stop


COMPUTE: Final = Feed(name="compute", payload=_async_payload, listen=_listen)
