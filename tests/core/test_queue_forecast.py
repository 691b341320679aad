"""The queue foretells the load: by hand where it can be, and never beyond what jobs can do."""

from dataclasses import replace
import math
from typing import Any

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.forecast import QUANTILES
from custom_components.computeload.core.job_classes import JobClasses, JobView
from custom_components.computeload.core.queue_forecast import (
    JobsNow,
    WaitErrors,
    forecast_queue,
)

NOW_S = 1_800_000_000.0
HOUR = 3600.0
JOB = JobView(job_id="1", user="ada", partition="cpu", nodes=2, limit_s=4 * HOUR)


def sure(*, run_s: float = HOUR, node_w: float = 500.0, ramp_s: float = 0.0) -> JobClasses:
    """Return classes that have seen so much of one kind that they hardly doubt it."""
    classes = JobClasses(node_w=node_w, gpu_w=0.0)
    for _ in range(200):
        classes.learn(JOB, run_s=run_s, node_w=node_w, ramp_s=ramp_s)
    return classes


def running(name: str = "r", *, age_s: float = 0.0, nodes: int = 2) -> JobView:
    return replace(JOB, job_id=name, start_s=NOW_S - age_s, nodes=nodes)


def waiting(name: str = "w", *, in_s: float | None = None, nodes: int = 2) -> JobView:
    start_s = None if in_s is None else NOW_S + in_s
    return replace(JOB, job_id=name, start_s=start_s, nodes=nodes)


def test_an_empty_cluster_changes_nothing() -> None:
    forecast = forecast_queue(JobsNow(now_s=NOW_S), JobClasses())
    assert forecast.mean_w.tolist() == [0.0] * 192
    assert forecast.next_train(1000.0, 2000.0) is None


def test_a_running_job_takes_its_power_away_when_its_like_ended() -> None:
    # After half an hour of the one that it takes; a time limit of four does not matter.
    state = JobsNow(now_s=NOW_S, running=[running(age_s=HOUR / 2)])
    forecast = forecast_queue(state, sure())
    assert forecast.quantiles_w()[3, :4].tolist() == pytest.approx([0, 0, -1000, -1000], abs=20)


def test_a_waiting_job_comes_when_it_is_expected_and_goes_when_its_like_went() -> None:
    state = JobsNow(now_s=NOW_S, pending=[waiting(in_s=HOUR / 2)])
    forecast = forecast_queue(state, sure())
    middle = forecast.quantiles_w()[3, :7].tolist()
    assert middle == pytest.approx([0, 0, 1000, 1000, 1000, 1000, 0], abs=20)


def test_a_job_that_comes_within_a_step_counts_by_its_part_of_it() -> None:
    state = JobsNow(now_s=NOW_S, pending=[waiting(in_s=225.0)])
    forecast = forecast_queue(state, sure())
    assert forecast.mean_w[0] == pytest.approx(750.0, abs=15)


def test_a_slow_rise_holds_as_much_energy_as_a_jump_half_way() -> None:
    state = JobsNow(now_s=NOW_S, pending=[waiting(in_s=0.0)])
    forecast = forecast_queue(state, sure(ramp_s=450.0))
    assert forecast.mean_w[0] == pytest.approx(750.0, abs=15)


def test_expectations_that_were_twice_too_late_are_halved() -> None:
    waits = WaitErrors()
    for _ in range(50):
        waits.learn(expected_s=HOUR, waited_s=HOUR / 2)
    state = JobsNow(now_s=NOW_S, pending=[waiting(in_s=HOUR)])
    forecast = forecast_queue(state, sure(), waits)
    assert forecast.arrivals[0].start_s == pytest.approx(NOW_S + HOUR / 2)


def test_in_turn_a_job_starts_when_enough_nodes_are_free() -> None:
    state = JobsNow(
        now_s=NOW_S,
        running=[running(age_s=HOUR / 2)],
        pending=[waiting("first", nodes=3), waiting("second", nodes=1)],
        free_nodes={"cpu": 1},
    )
    forecast = forecast_queue(state, sure())
    first, second = forecast.arrivals
    # Two nodes come free after half an hour; the second does not overtake.
    assert first.start_s == pytest.approx(NOW_S + HOUR / 2, abs=10)
    assert second.start_s == pytest.approx(first.start_s + HOUR, abs=60 * 15)


def test_a_job_that_fits_starts_at_once() -> None:
    state = JobsNow(now_s=NOW_S, pending=[waiting()], free_nodes={"cpu": 2})
    assert forecast_queue(state, sure()).arrivals[0].start_s == NOW_S


def test_a_job_that_is_larger_than_its_partition_never_starts_and_holds_up_nobody() -> None:
    state = JobsNow(
        now_s=NOW_S, pending=[waiting("large", nodes=9), waiting("small")], free_nodes={"cpu": 2}
    )
    large, small = forecast_queue(state, sure()).arrivals
    assert large.start_s == math.inf
    assert small.start_s == NOW_S


def test_nodes_promised_to_one_job_are_not_given_to_another() -> None:
    state = JobsNow(
        now_s=NOW_S,
        pending=[waiting("promised", in_s=0.0), waiting("next")],
        free_nodes={"cpu": 2},
    )
    assert forecast_queue(state, sure()).arrivals[1].start_s == pytest.approx(NOW_S + HOUR, abs=10)


def test_the_next_train_says_when_which_jobs_and_how_much() -> None:
    state = JobsNow(
        now_s=NOW_S,
        pending=[waiting("a", in_s=HOUR), waiting("b", in_s=HOUR, nodes=4)],
    )
    # 5 kW and 3 kW more from an hour on, for an hour; the target is 6 kW.
    train = forecast_queue(state, sure()).next_train(5000.0, 6000.0)
    assert train is not None
    assert train.start_s == NOW_S + HOUR
    assert train.jobs == ("b", "a")
    assert train.power_w == pytest.approx(3000.0, rel=0.05)
    assert train.peak_w == pytest.approx(8000.0, rel=0.05)
    assert train.energy_wh == pytest.approx(2000.0, rel=0.2)


def test_what_stays_below_the_target_is_no_train() -> None:
    state = JobsNow(now_s=NOW_S, pending=[waiting(in_s=HOUR)])
    assert forecast_queue(state, sure()).next_train(5000.0, 6100.0) is None


def test_a_load_that_is_above_the_target_without_jobs_is_no_train() -> None:
    state = JobsNow(now_s=NOW_S, pending=[waiting(in_s=HOUR)])
    assert forecast_queue(state, sure()).next_train(7000.0, 6000.0) is None


def test_a_base_that_changes_is_taken_step_by_step() -> None:
    state = JobsNow(now_s=NOW_S, pending=[waiting(in_s=0.0)])
    base_w = np.full(192, 4000.0)
    base_w[2:] = 5500.0
    train = forecast_queue(state, sure()).next_train(base_w, 6000.0)
    assert train is not None
    assert train.start_s == NOW_S + 1800.0


def test_the_same_queue_gives_the_same_forecast() -> None:
    state = JobsNow(now_s=NOW_S, running=[running()], pending=[waiting()])
    one, other = (forecast_queue(state, JobClasses()).scenarios_w for _ in range(2))
    assert (one == other).all()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"scenarios": 0}])
def test_nothing_asked_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        forecast_queue(JobsNow(now_s=NOW_S), JobClasses(), **wrong)


def test_wait_errors_survive_storage_and_stay_bounded() -> None:
    waits = WaitErrors()
    for number in range(1000):
        waits.learn(expected_s=1000.0, waited_s=float(number))
    assert len(waits.ratios) == 200
    assert WaitErrors().restore(waits.to_state()).to_state() == waits.to_state()
    with pytest.raises(ValueError, match="ratios"):
        waits.restore([math.nan])


def test_waits_that_say_nothing_are_not_learned() -> None:
    waits = WaitErrors()
    waits.learn(expected_s=1.0, waited_s=1e6)
    waits.learn(expected_s=math.nan, waited_s=1.0)
    assert waits.ratios.tolist() == [1.0]


TIME = st.none() | st.floats(allow_nan=True, allow_infinity=True)
JOBS = st.lists(
    st.builds(
        JobView,
        job_id=st.just("1"),
        partition=st.sampled_from(["cpu", "gpu"]),
        nodes=st.integers(-2, 64),
        gpus=st.integers(0, 8),
        limit_s=TIME,
        start_s=TIME | st.floats(NOW_S - 1e5, NOW_S + 1e5),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(JOBS, JOBS, st.integers(-2, 64), st.floats(-1e5, 1e5))
def test_whatever_the_queue_quantiles_are_ordered_and_within_what_jobs_can_draw(
    run: list[JobView], wait: list[JobView], free: int, target_w: float
) -> None:
    state = JobsNow(now_s=NOW_S, running=run, pending=wait, free_nodes={"cpu": free})
    classes = JobClasses()
    forecast = forecast_queue(state, classes, scenarios=8)
    values = forecast.quantiles_w()
    assert values.shape == (len(QUANTILES), 192)
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=0) >= 0.0).all()
    most_w, least_w = (
        sum(2.0 * max(job.nodes, 0) * classes.estimate(job).node_w for job in jobs)
        for jobs in (wait, run)
    )
    assert values.max() <= most_w + 1e-3
    assert values.min() >= -least_w - 1e-3
    train = forecast.next_train(0.0, target_w)
    assert train is None or (train.energy_wh >= 0.0 and train.end_s > train.start_s)
