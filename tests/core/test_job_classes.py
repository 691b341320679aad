"""Job classes: what was seen of a job's like is expected of it, and little is believed little."""

from itertools import pairwise
import json
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.job_classes import (
    JobClasses,
    JobView,
    class_keys,
    stem,
)

HOUR = 3600.0
LEVELS = np.array([0.1, 0.5, 0.9])


def job(name: str = "train_01", *, user: str = "ada", nodes: int = 1, gpus: int = 0) -> JobView:
    return JobView(
        job_id="1",
        user=user,
        account="physics",
        partition="gpu",
        name=name,
        nodes=nodes,
        gpus=gpus,
        limit_s=10 * HOUR,
    )


def experienced(times: int = 60, *, run_s: float = 2 * HOUR, node_w: float = 800.0) -> JobClasses:
    """Return a table that has seen one class often."""
    classes = JobClasses(node_w=100.0, gpu_w=0.0)
    for number in range(times):
        classes.learn(job(f"train_{number}"), run_s=run_s, node_w=node_w, ramp_s=120.0)
    return classes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train_resnet_042", "train-resnet"),
        ("Train-ResNet.7", "train-resnet"),
        ("2024-11-26", ""),
        ("run12b", "run-b"),
        ("", ""),
        ("x" * 100, "x" * 32),
    ],
)
def test_a_stem_is_the_words_of_a_name(name: str, expected: str) -> None:
    assert stem(name) == expected


def test_classes_are_nested_from_narrow_to_wide() -> None:
    keys = class_keys(job())
    for narrow, wide in pairwise(keys):
        assert len(narrow) > len(wide)
        assert narrow[: len(wide)] == wide


def test_a_job_of_unknown_kind_draws_what_nodes_and_gpus_draw() -> None:
    classes = JobClasses(node_w=100.0, gpu_w=300.0)
    assert classes.estimate(job(nodes=2, gpus=8)).node_w == pytest.approx(100.0 + 4 * 300.0)


def test_a_job_draws_what_its_like_drew() -> None:
    estimate = experienced().estimate(job("train_99"))
    assert estimate.node_w == pytest.approx(800.0, rel=0.001)
    assert estimate.spread_w < 10.0
    assert estimate.ramp_s == pytest.approx(120.0, rel=0.001)


def test_one_observation_moves_an_estimate_by_its_share_at_each_width() -> None:
    # Five nested classes, each with one observation against a weight of four for the wider.
    classes = JobClasses(node_w=100.0)
    classes.learn(job(), node_w=200.0)
    assert classes.estimate(job()).node_w == pytest.approx(200.0 - 100.0 * 0.8**5)


def test_an_unknown_users_job_leans_on_its_partition() -> None:
    stranger = experienced().estimate(job("fold", user="eve"))
    assert stranger.node_w == pytest.approx(800.0, rel=0.01)


def test_two_classes_are_told_apart_by_what_the_branch_draws() -> None:
    # 900 W and 200 W per node; each is alone now and then, in other numbers.
    classes = JobClasses(node_w=400.0, gpu_w=0.0)
    random = np.random.default_rng(1)
    for _ in range(400):
        hungry = [job("train") for _ in range(random.integers(0, 4))]
        frugal = [job("parse", user="bob") for _ in range(random.integers(0, 4))]
        classes.learn_branch([*hungry, *frugal], 900.0 * len(hungry) + 200.0 * len(frugal))
    assert classes.estimate(job("train")).node_w == pytest.approx(900.0, rel=0.1)
    assert classes.estimate(job("parse", user="bob")).node_w == pytest.approx(200.0, rel=0.25)


def test_without_experience_a_job_ends_at_any_time_up_to_its_limit() -> None:
    times = JobClasses().remaining(job()).at(LEVELS)
    assert times[1] == pytest.approx(5 * HOUR, rel=0.15)
    assert times.max() <= 10 * HOUR


def test_jobs_whose_like_end_early_are_expected_to_end_early() -> None:
    assert experienced().remaining(job()).at(LEVELS)[1] == pytest.approx(2 * HOUR)


def test_of_an_old_job_only_those_count_that_lasted_longer() -> None:
    classes = JobClasses()
    for number in range(30):
        classes.learn(job(), run_s=(1.0 if number % 2 else 8.0) * HOUR)
    assert classes.remaining(job(), 2 * HOUR).at(LEVELS)[1] == pytest.approx(6 * HOUR)


def test_a_job_that_outlived_all_its_like_is_expected_within_its_limit() -> None:
    times = experienced().remaining(job(), 9 * HOUR).at(LEVELS)
    assert (times > 0.0).all()
    assert (times <= HOUR).all()


def test_a_job_at_its_limit_ends_at_once() -> None:
    assert experienced().remaining(job(), 10 * HOUR).at(LEVELS).tolist() == [0.0, 0.0, 0.0]


def test_a_job_without_limit_goes_on_about_as_long_as_it_has_lasted() -> None:
    endless = JobView(job_id="1")
    assert JobClasses().remaining(endless, 48 * HOUR).at(LEVELS)[1] == pytest.approx(
        48 * HOUR, rel=0.25
    )


def test_the_table_forgets_what_was_not_met_for_longest() -> None:
    classes = JobClasses(at_most=50)
    for number in range(1000):
        classes.learn(job(user=f"user{number}"), node_w=10.0 * number)
        assert len(classes) <= 50
    assert classes.estimate(job(user="user999")).node_w > 9000.0


def test_a_table_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at_most: 0"):
        JobClasses(at_most=0)


def test_what_was_learned_survives_storage() -> None:
    classes = experienced()
    again = JobClasses(node_w=100.0, gpu_w=0.0).restore(json.loads(json.dumps(classes.to_state())))
    assert again.to_state() == classes.to_state()
    assert again.estimate(job()).node_w == pytest.approx(classes.estimate(job()).node_w)
    assert again.remaining(job()).at(LEVELS).tolist() == pytest.approx(
        classes.remaining(job()).at(LEVELS).tolist()
    )


@pytest.mark.parametrize(
    "wrong",
    [
        [{"key": ["a"], "runs": [math.nan], "node_w": [0, 0, 0], "ramp_s": [0, 0, 0]}],
        [{"key": ["a"], "runs": [], "node_w": [0, 0], "ramp_s": [0, 0, 0]}],
        [{"key": ["a"], "runs": [-1.0], "node_w": [0, 0, 0], "ramp_s": [0, 0, 0]}],
        [{"runs": []}],
    ],
)
def test_a_damaged_store_is_refused_and_changes_nothing(wrong: list[dict[str, object]]) -> None:
    classes = experienced()
    before = classes.to_state()
    with pytest.raises((KeyError, TypeError, ValueError)):
        classes.restore(wrong)
    assert classes.to_state() == before


ANY = st.floats(allow_nan=True, allow_infinity=True)
JOBS = st.builds(
    JobView,
    job_id=st.just("1"),
    user=st.sampled_from(["a", "b"]),
    name=st.text(max_size=5),
    nodes=st.integers(-1, 1000),
    gpus=st.integers(-1, 1000),
    limit_s=st.none() | ANY,
)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(JOBS, ANY, st.none() | st.floats(-1.0, 1e5), ANY), max_size=20), JOBS, ANY
)
def test_whatever_was_seen_estimates_are_finite_and_times_rise(
    seen: list[tuple[JobView, float, float | None, float]], asked: JobView, age_s: float
) -> None:
    classes = JobClasses()
    for each, run_s, node_w, branch_w in seen:
        classes.learn(each, run_s=run_s, node_w=node_w)
        classes.learn_branch([each, asked], branch_w)
    estimate = classes.estimate(asked)
    assert all(math.isfinite(each) and each >= 0.0 for each in (estimate.node_w, estimate.spread_w))
    remaining = classes.remaining(asked, age_s)
    times = remaining.at(np.linspace(0.0, 1.0, 11))
    assert (np.diff(times) >= 0.0).all()
    assert (times >= 0.0).all()
    assert remaining.chances.sum() == pytest.approx(1.0)
