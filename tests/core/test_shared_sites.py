"""The bars, on measured sites: what a plan must earn, and what it may never do.

The first weeks of each; ``scripts/bench --only sites`` holds the whole of them.
"""

from dataclasses import dataclass

import pytest

from custom_components.computeload.core.backtest import Schedule, run
from custom_components.computeload.core.backtest_data import (
    Measured,
    TestSite as Site,
    read_series,
    read_site,
)
from custom_components.computeload.core.backtest_report import (
    Cost,
    bound_of,
    cost_of,
    raised_kw,
    without_battery,
)
from custom_components.computeload.core.site import Strategy
from tests.core.reversals import unpaid_reversals
from tests.shared import shared

DAYS = 60
LEAST_SCORE = {"nl_hpc_surf": 0.77, "de_hpc_hawk": 0.38, "nl_gpulab": 0.30}
"""Of what perfect foresight saves in these weeks. The whole of each site must reach 0.77; at
first, in winter or under a whole year's demand charge, little is known and little to be won."""
NO_WORSE_THAN_PERSISTENCE = 1.02
INTERVAL_80 = (0.75, 0.85)


@dataclass(frozen=True)
class Tried:
    """A site after its first weeks."""

    name: str
    series: Measured
    site: Site
    schedule: Schedule
    before: Cost
    after: Cost
    best: Cost


@pytest.fixture(scope="module", params=["nl_hpc_surf", "de_hpc_hawk", "nl_gpulab"], name="tried")
def tried_fixture(request: pytest.FixtureRequest) -> Tried:
    name = str(request.param)
    series = read_series(shared("data", "site", f"{name}.csv.gz")).first(96 * DAYS)
    site = read_site(shared("data", "site", f"{name}.yaml"))
    schedule = run(series, site, Strategy.AUTOMATIC)
    return Tried(
        name,
        series,
        site,
        schedule,
        without_battery(series, site),
        cost_of(series, site, schedule.grid_w, schedule.battery_w),
        bound_of(series, site)[0],
    )


@pytest.mark.slow
def test_most_of_what_foresight_would_save_is_saved(tried: Tried) -> None:
    saved = tried.before.total - tried.after.total
    least = LEAST_SCORE[tried.name]
    assert saved >= least * (tried.before.total - tried.best.total)


@pytest.mark.slow
def test_the_demand_charge_is_lower_than_without_a_battery(tried: Tried) -> None:
    assert tried.after.demand < tried.before.demand


@pytest.mark.slow
def test_the_battery_raises_no_billed_peak(tried: Tried) -> None:
    assert raised_kw(tried.before, tried.after) == {}


@pytest.mark.slow
def test_no_forecast_is_worse_than_that_nothing_changes(tried: Tried) -> None:
    for of, errors in tried.schedule.errors.items():
        for lead, (own, naive) in errors.items():
            assert own <= NO_WORSE_THAN_PERSISTENCE * naive, (of, lead)


@pytest.mark.slow
def test_an_interval_holds_as_often_as_it_says(tried: Tried) -> None:
    for of, shares in tried.schedule.coverage.items():
        for lead, share in shares.items():
            assert INTERVAL_80[0] <= share <= INTERVAL_80[1], (of, lead)


@pytest.mark.slow
def test_the_battery_hardly_ever_turns_round_for_nothing(tried: Tried) -> None:
    # When news comes in (a price, a job) the plan may change its mind; it must stay rare.
    assert len(unpaid_reversals(tried.series, tried.site, tried.schedule)) <= DAYS / 7
