"""The memory of a cluster: bounded, however many jobs come and go."""

from datetime import UTC, date, datetime, timedelta
import json

from custom_components.computeload.core.cluster import Branch, Cluster
from custom_components.computeload.core.queue import Node, QueueState

from .jobs import job

START = datetime(2026, 6, 1, tzinfo=UTC)
AT_ONCE = 500
ROUNDS = 200


def state(turn: int) -> QueueState:
    """Return a cluster on which nothing runs that ran a quarter of an hour before."""
    at = START + timedelta(minutes=15 * turn)
    jobs = tuple(
        job(
            str(turn * AT_ONCE + n),
            name=f"run{turn}_{n}",
            user=f"user{(turn * 7 + n) % 5000}",
            account=f"group{n % 300}",
            starts_at=at - timedelta(minutes=10),
            hosts=(f"cn{n}",),
        )
        for n in range(AT_ONCE)
    )
    nodes = tuple(
        Node(
            name=f"cn{n}",
            states=frozenset({"ALLOCATED"}),
            partitions=("compute",),
            cpus=1,
            cpus_used=1,
            cpu_load=1.0,
            gpus=0,
            gpus_used=0,
            power_w=None,
        )
        for n in range(AT_ONCE)
    )
    return QueueState(at=at, jobs=jobs, nodes=nodes, partitions=(), planned_at=None)


def test_a_hundred_thousand_jobs_need_no_more_memory_than_half_of_them() -> None:
    cluster = Cluster(branches=(Branch(asset_id="rack", hosts=None),))
    sizes = {}
    for turn in range(ROUNDS):
        now = state(turn)
        cluster.take(now)
        cluster.meter({"rack": 100_000.0})
        start_s = now.at.timestamp() - 900.0
        cluster.close(
            start_s, {"rack": 25_000.0}, day=now.at.date(), price_eur_per_kwh=0.2, co2_g_per_kwh=300
        )
        if turn + 1 in {ROUNDS // 2, ROUNDS}:
            sizes[turn + 1] = len(json.dumps(cluster.to_state()))
    assert sizes[ROUNDS] < 1.05 * sizes[ROUNDS // 2]
    assert sizes[ROUNDS] < 2_000_000
    assert len(cluster._runs) <= 9 * AT_ONCE
    assert cluster.energy.total.energy_wh == 25_000.0 * ROUNDS


def test_the_running_month_and_the_one_before_have_accounts_of_their_own() -> None:
    cluster = Cluster(branches=(Branch(asset_id="rack", hosts=None),))
    now = state(0)
    cluster.take(now)
    for day in (date(2026, 10, 31), date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 2)):
        cluster.close(
            now.at.timestamp() - 900.0,
            {"rack": 1_000.0},
            day=day,
            price_eur_per_kwh=0.2,
            co2_g_per_kwh=300.0,
        )
    assert {label: each.total.energy_wh for label, each in cluster.months.items()} == {
        "2026-11": 1_000.0,
        "2026-12": 2_000.0,
    }
    assert cluster.today.total.energy_wh == 1_000.0

    again = Cluster(branches=cluster.branches)
    again.restore(json.loads(json.dumps(cluster.to_state())))
    assert again.to_state() == cluster.to_state()
