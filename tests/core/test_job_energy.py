"""Job energy: what each used, by hand, and always no more and no less than the meter says."""

from dataclasses import replace
import json
import math
from typing import Any

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.job_classes import JobView
from custom_components.computeload.core.job_energy import (
    NOBODY,
    OTHERS,
    By,
    JobEnergy,
    Metered,
    apportion,
    running_in,
)

SMALL = JobView(job_id="1", user="ada", account="physics", partition="cpu", nodes=1)
LARGE = JobView(job_id="2", user="bob", account="physics", partition="cpu", nodes=3)
HOUR = Metered(
    seconds=3600.0,
    energy_wh=1000.0,
    jobs=[(SMALL, 3600.0), (LARGE, 3600.0)],
    price_eur_per_kwh=0.3,
    co2_g_per_kwh=400.0,
)


def energy_wh(account: JobEnergy, by: By) -> dict[str, float]:
    return {name: used.energy_wh for name, used in account.all(by).items()}


def test_by_nodes_alone_one_node_bears_a_quarter_beside_three() -> None:
    account = JobEnergy()
    account.add(HOUR)
    assert energy_wh(account, By.JOB) == {"1": 250.0, "2": 750.0}
    assert energy_wh(account, By.USER) == {"ada": 250.0, "bob": 750.0}
    assert energy_wh(account, By.ACCOUNT) == {"physics": 1000.0}
    assert energy_wh(account, By.PARTITION) == {"cpu": 1000.0}


def test_a_job_costs_and_emits_by_its_energy() -> None:
    account = JobEnergy()
    account.add(HOUR)
    assert account.used(By.JOB, "2").cost_eur == pytest.approx(0.225)
    assert account.used(By.JOB, "2").co2_g == pytest.approx(300.0)


def test_what_has_no_price_is_energy_all_the_same() -> None:
    account = JobEnergy()
    account.add(replace(HOUR, price_eur_per_kwh=None, co2_g_per_kwh=math.nan))
    assert account.total.energy_wh == 1000.0
    assert account.total.cost_eur == account.total.co2_g == 0.0


def test_a_job_that_ran_half_the_time_bears_half() -> None:
    account = JobEnergy()
    account.add(replace(HOUR, jobs=[(SMALL, 1800.0), (replace(SMALL, job_id="3"), 3600.0)]))
    assert energy_wh(account, By.JOB) == pytest.approx({"1": 1000 / 3, "3": 2000 / 3}, abs=0.001)


def test_gpus_bear_most_of_what_is_above_idle() -> None:
    # 1 + 2 x 4 parts against 3 parts.
    account = JobEnergy()
    account.add(replace(HOUR, energy_wh=1200.0, jobs=[(replace(SMALL, gpus=4), 60), (LARGE, 60)]))
    assert energy_wh(account, By.JOB) == {"1": 900.0, "2": 300.0}


def test_what_is_above_idle_can_be_shared_by_learned_power() -> None:
    learned = {"1": 600.0, "2": 200.0}
    account = JobEnergy(weigh=lambda job: learned[job.job_id])
    # Four nodes idle with 50 W each; the other 800 Wh go by 3 to 1.
    account.add(replace(HOUR, idle_node_w=50.0))
    assert energy_wh(account, By.JOB) == {"1": 50.0 + 600.0, "2": 150.0 + 200.0}


def test_jobs_bear_the_nodes_that_nobody_uses() -> None:
    # 6 of 10 nodes are free: 300 Wh, shared 1 to 3; 200 Wh of their own; 500 Wh above idle.
    account = JobEnergy()
    account.add(replace(HOUR, nodes=10, idle_node_w=50.0))
    assert energy_wh(account, By.JOB) == {"1": 250.0, "2": 750.0}


def test_or_nobody_does() -> None:
    account = JobEnergy(idle_to_jobs=False)
    account.add(replace(HOUR, nodes=10, idle_node_w=50.0))
    assert energy_wh(account, By.JOB) == {"1": 175.0, "2": 525.0, NOBODY: 300.0}


def test_cooling_is_borne_in_proportion() -> None:
    account = JobEnergy(idle_to_jobs=False)
    account.add(replace(HOUR, nodes=10, idle_node_w=50.0, overhead_wh=500.0))
    assert energy_wh(account, By.JOB) == {"1": 262.5, "2": 787.5, NOBODY: 450.0}


def test_without_jobs_the_energy_is_nobodys() -> None:
    account = JobEnergy()
    account.add(replace(HOUR, jobs=[]))
    assert energy_wh(account, By.JOB) == {NOBODY: 1000.0}
    assert account.top(By.JOB) == []


def test_less_than_a_milliwatt_hour_is_not_lost() -> None:
    account = JobEnergy()
    for _ in range(1000):
        account.add(replace(HOUR, energy_wh=0.0004))
    assert account.total.energy_mwh == 400


def test_an_account_survives_storage_and_goes_on() -> None:
    account = JobEnergy()
    account.add(replace(HOUR, energy_wh=1000.0004))
    again = JobEnergy().restore(json.loads(json.dumps(account.to_state())))
    for each in (account, again):
        each.add(replace(HOUR, energy_wh=1000.0004))
    assert again.to_state() == account.to_state()
    assert again.total.energy_mwh == 2_000_001


def test_an_account_that_does_not_add_up_is_refused_and_changes_nothing() -> None:
    account = JobEnergy()
    account.add(HOUR)
    before = account.to_state()
    with pytest.raises(ValueError, match="add up"):
        account.restore(before | {"total": [5, 0.0, 0.0]})
    with pytest.raises(ValueError, match="owed"):
        account.restore(before | {"owed_mwh": math.nan})
    with pytest.raises(ValueError, match="cost"):
        account.restore(before | {"total": [1_000_000, math.nan, 0.0]})
    assert account.to_state() == before


@pytest.mark.parametrize("field", ["seconds", "energy_wh", "overhead_wh", "idle_node_w"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_what_no_meter_can_have_counted_is_refused_by_name(field: str, value: float) -> None:
    account = JobEnergy()
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=field):
        account.add(replace(HOUR, **wrong))
    assert account.total.energy_mwh == 0


def test_the_largest_consumers_come_first() -> None:
    account = JobEnergy()
    account.add(HOUR)
    assert [name for name, _ in account.top(By.JOB)] == ["2", "1"]
    assert [name for name, _ in account.top(By.USER, 1)] == ["bob"]


def test_a_hundred_thousand_jobs_fit_and_the_largest_are_still_known() -> None:
    truth: dict[str, float] = {}
    account = JobEnergy(weigh=lambda job: truth[job.job_id], jobs_kept=100, names_kept=20)
    random = np.random.default_rng(7)
    for first in range(0, 100_000, 100):
        jobs = [
            (replace(SMALL, job_id=f"{first + n}", user=f"u{(first + n) % 999}"), 900.0)
            for n in range(100)
        ]
        sizes = random.pareto(1.5, 100)
        truth |= {job.job_id: float(size) for (job, _), size in zip(jobs, sizes, strict=True)}
        account.add(Metered(seconds=900.0, energy_wh=float(sizes.sum()) * 100, jobs=jobs))
    best = sorted(truth, key=lambda name: -truth[name])[:10]
    assert [name for name, _ in account.top(By.JOB)] == best
    assert len(account.all(By.JOB)) <= 2 * 100 + 100 + 2
    assert len(account.all(By.USER)) <= 2 * 20 + 2
    for by in By:
        assert sum(used.energy_mwh for used in account.all(by).values()) == account.total.energy_mwh
    assert OTHERS in account.all(By.USER)


def test_jobs_count_for_as_long_as_they_ran_in_an_interval() -> None:
    early, late, waiting = (
        replace(SMALL, job_id=name, start_s=start)
        for name, start in (("a", 0.0), ("b", 1500.0), ("c", None))
    )
    ran = running_in([(early, 1200.0), (late, None), (waiting, None)], 900.0, 1800.0)
    assert [(job.job_id, seconds) for job, seconds in ran] == [("a", 300.0), ("b", 300.0)]
    assert running_in([(early, 900.0)], 900.0, 1800.0) == []


def test_a_number_without_weights_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="weights"):
        apportion(5, np.zeros(3))


@given(
    st.integers(0, 10**12),
    st.lists(st.floats(0.0, 1e300), min_size=1, max_size=50).filter(lambda each: max(each) > 0),
)
def test_shares_add_up_and_are_never_negative(total: int, weights: list[float]) -> None:
    shares = apportion(total, np.array(weights))
    assert int(shares.sum()) == total
    assert (shares >= 0).all()
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if weight == 0)


AMOUNT = st.floats(0.0, 1e7)
RAN = st.tuples(
    st.builds(
        JobView,
        job_id=st.sampled_from("123456"),
        user=st.sampled_from("ab"),
        nodes=st.integers(-1, 500),
        gpus=st.integers(0, 8),
    ),
    st.floats(allow_nan=True, allow_infinity=True),
)
INTERVALS = st.lists(
    st.builds(
        Metered,
        seconds=st.floats(0.0, 3600.0),
        energy_wh=AMOUNT,
        jobs=st.lists(RAN, max_size=8),
        nodes=st.integers(0, 500),
        idle_node_w=st.floats(0.0, 1000.0),
        overhead_wh=AMOUNT,
        price_eur_per_kwh=st.none() | st.floats(-1.0, 1.0),
    ),
    max_size=8,
)


@settings(max_examples=100)
@given(INTERVALS, st.booleans())
def test_shares_sum_to_the_meter_to_the_milliwatt_hour(
    intervals: list[Metered], idle_to_jobs: bool
) -> None:
    account = JobEnergy(idle_to_jobs=idle_to_jobs, jobs_kept=2, names_kept=1)
    for each in intervals:
        account.add(each)
    metered_wh = math.fsum(each.energy_wh + each.overhead_wh for each in intervals)
    assert account.total.energy_mwh == pytest.approx(metered_wh * 1000.0, abs=1.0, rel=1e-12)
    for by in By:
        kept = account.all(by).values()
        assert sum(used.energy_mwh for used in kept) == account.total.energy_mwh
        assert math.fsum(used.cost_eur for used in kept) == pytest.approx(account.total.cost_eur)
