"""A simulated past: the same lab, its peaks shaved, and nothing that does not add up."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.computeload.simulator.past import PastQuarter, simulated_past
from custom_components.computeload.simulator.scenario import load_scenario

UNTIL = datetime(2026, 6, 15, 10, 7, tzinfo=UTC)
DAYS = 4


@pytest.fixture(name="past", scope="module")
def past_fixture() -> list[PastQuarter]:
    return list(simulated_past(load_scenario("cfd-lab"), UNTIL, DAYS))


def test_it_ends_with_the_last_full_quarter_and_has_no_holes(past: list[PastQuarter]) -> None:
    assert len(past) == DAYS * 96
    assert past[-1].start + timedelta(minutes=15) == datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
    starts = [each.start for each in past]
    assert starts == [starts[0] + timedelta(minutes=15 * n) for n in range(len(starts))]


def test_every_quarter_adds_up(past: list[PastQuarter]) -> None:
    for each in past:
        energies = (
            each.import_wh,
            each.export_wh,
            *each.served_wh.values(),
            *each.charged_wh.values(),
            *each.discharged_wh.values(),
        )
        assert min(energies) >= 0.0
        load_wh = each.import_wh - each.export_wh + each.served_wh["roof"]
        load_wh += sum(each.discharged_wh.values()) - sum(each.charged_wh.values())
        # The cabinets' own standby is part of what the grid gives.
        assert load_wh == pytest.approx(each.served_wh["branches"], abs=100.0)


def test_its_peaks_were_shaved_to_the_target(past: list[PastQuarter]) -> None:
    target_wh = load_scenario("cfd-lab").target_peak_w / 4.0
    assert max(each.import_wh for each in past) <= target_wh + 1e-6
    assert sum(sum(each.discharged_wh.values()) for each in past) > 50_000.0


def test_the_same_past_is_told_every_time(past: list[PastQuarter]) -> None:
    assert list(simulated_past(load_scenario("cfd-lab"), UNTIL, DAYS)) == past
