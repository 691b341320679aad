"""The queue as one more model of the load: believed where it was better lately."""

import numpy as np
import pytest

from custom_components.computeload.core.forecast import LEADS
from custom_components.computeload.core.queue_outlook import QueueOutlook, blended, combined

LOAD_W = np.full(20, 10_000.0)
COMING_W = np.full(192, 5_000.0)
ERRORS = {1: (100.0, 100.0), 4: (900.0, 1000.0), 16: (1500.0, 2000.0)}


def outlook(skill: float) -> QueueOutlook:
    return QueueOutlook(COMING_W, np.full(len(LEADS), skill))


def test_a_queue_that_is_much_better_is_believed() -> None:
    blend = blended(LOAD_W, outlook(0.1), ERRORS)
    assert blend[0] == LOAD_W[0]
    assert blend[1:] == pytest.approx(15_000.0, rel=0.01)


def test_a_queue_that_was_no_better_changes_nothing() -> None:
    assert blended(LOAD_W, outlook(1.0), ERRORS) == pytest.approx(LOAD_W)


def test_between_the_two_lies_a_mean() -> None:
    blend = blended(LOAD_W, outlook(0.8), {1: (100.0, 100.0)})
    assert 12_500.0 < blend[1] < 15_000.0


def test_without_any_errors_the_load_alone_is_taken_for_persistence() -> None:
    assert blended(LOAD_W, outlook(0.1), {})[1] > 14_900.0


def test_a_load_never_falls_below_nothing() -> None:
    ending = QueueOutlook(np.full(192, -50_000.0), np.full(len(LEADS), 0.1))
    assert blended(LOAD_W, ending, ERRORS).min() >= 0.0


def test_what_the_queue_does_not_reach_stays() -> None:
    short = QueueOutlook(COMING_W[:4], np.full(len(LEADS), 0.1))
    blend = blended(LOAD_W, short, ERRORS)
    assert blend[5:] == pytest.approx(LOAD_W[5:])


def test_clusters_add_up_and_the_least_sure_counts() -> None:
    both = combined([outlook(0.2), QueueOutlook(COMING_W[:8], np.full(len(LEADS), 0.6))])
    assert both is not None
    assert both.change_w == pytest.approx(np.full(8, 10_000.0))
    assert both.skill == pytest.approx(np.full(len(LEADS), 0.6))
    assert combined([]) is None
