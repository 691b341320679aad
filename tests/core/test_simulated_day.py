"""The control law on simulated days: what it is for, held to the promise."""

from dataclasses import replace

import pytest

from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.site import Limits, Strategy
from custom_components.computeload.core.tariff import choose_tariff
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.spec import Scenario
from tests.closed_loop import Outcome, Planned, run


def limits_of(scenario: Scenario) -> Limits:
    return Limits(
        connection_w=scenario.connection_limit_w,
        target_w=scenario.target_peak_w,
        soc_min=0.05,
        reserve=0.1,
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_of_cfd_lab_has_a_peak_at_least_40_percent_lower(seed: int) -> None:
    scenario = load_scenario("cfd-lab")
    limits = limits_of(scenario)
    before = run(scenario, hours=24, limits=None, seed=seed)
    after = run(scenario, hours=24, limits=limits, seed=seed)

    assert after.site.peak_w <= 0.6 * before.site.peak_w
    above = [w for w in after.windows if w.mean_w > limits.target_w]
    assert [w for w in above if w.start not in after.short_windows] == []
    for cabinet in after.site.batteries.values():
        assert limits.soc_min <= cabinet.min_soc
        assert cabinet.max_soc <= 1.0
        assert cabinet.lapses == 0
    assert after.site.loads.jobs.killed == 0
    assert after.site.loads.jobs.started == before.site.loads.jobs.started > 0
    assert after.site.loads.jobs.finished == before.site.loads.jobs.finished


def test_the_controllers_own_windows_are_the_ones_that_the_site_was_billed_for() -> None:
    outcome = run(load_scenario("cfd-lab"), hours=6, limits=limits_of(load_scenario("cfd-lab")))
    billed = {w.start: w.mean_import_w for w in outcome.site.windows[1:]}
    for window in outcome.windows[1:]:
        assert window.mean_w == pytest.approx(billed[window.start], rel=0.002, abs=20.0)


def test_a_target_out_of_reach_is_said_and_the_reserve_is_kept() -> None:
    scenario = load_scenario("cfd-lab")
    limits = replace(limits_of(scenario), target_w=3_000.0, reserve=0.3)
    outcome = run(scenario, hours=12, limits=limits)
    assert outcome.short_windows
    assert outcome.reasons & {Reason.RESERVE, Reason.UNAVOIDABLE}
    for cabinet in outcome.site.batteries.values():
        # Standing losses go on below the reserve, discharging does not.
        assert cabinet.min_soc > 0.28


def test_climate_hpc_never_exceeds_its_target_while_its_batteries_have_energy() -> None:
    scenario = load_scenario("climate-hpc")
    limits = limits_of(scenario)
    outcome = run(scenario, hours=12, limits=limits)
    above = [w for w in outcome.windows if w.mean_w > limits.target_w]
    assert [w for w in above if w.start not in outcome.short_windows] == []


@pytest.mark.parametrize(
    ("name", "seed", "share"),
    [("cfd-lab", 1, 0.6), ("climate-hpc", 1, 0.7), ("climate-hpc", 2, 0.7)],
)
def test_a_planned_day_has_a_lower_peak_and_a_lower_energy_bill(
    name: str, seed: int, share: float
) -> None:
    scenario = load_scenario(name)
    tariff = choose_tariff({"preset": scenario.tariff}, timezone="Europe/Berlin", currency="EUR")
    planned = Planned(scenario, tariff)
    limits = replace(limits_of(scenario), strategy=Strategy.AUTOMATIC)
    before = run(scenario, hours=24, limits=None, every_s=5.0, seed=seed)
    after = run(scenario, hours=24, limits=limits, every_s=5.0, planned=planned, seed=seed)

    assert after.site.peak_w <= share * before.site.peak_w
    assert energy_eur(after, planned) < energy_eur(before, planned)
    for cabinet in after.site.batteries.values():
        assert limits.soc_min <= cabinet.min_soc
        assert cabinet.lapses == 0
    assert after.site.loads.jobs.finished == before.site.loads.jobs.finished


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_a_cluster_that_may_keep_jobs_back_has_a_peak_at_least_40_percent_lower(seed: int) -> None:
    scenario = load_scenario("climate-hpc")
    limits = replace(limits_of(scenario), target_w=60_000.0)
    before = run(scenario, hours=24, limits=None, every_s=5.0, seed=seed)
    after = run(
        scenario, hours=24, limits=limits, every_s=5.0, seed=seed, longest_delay_s=4.0 * 3600.0
    )
    tariff = choose_tariff({"preset": scenario.tariff}, timezone="Europe/Berlin", currency="EUR")
    priced = Planned(scenario, tariff)

    assert after.site.peak_w <= 0.6 * before.site.peak_w
    assert energy_eur(after, priced) < energy_eur(before, priced)
    jobs = after.site.loads.jobs
    assert jobs.killed == 0
    assert jobs.finished == before.site.loads.jobs.finished > 20
    assert 0.0 < max(jobs.delays_s) <= 4.0 * 3600.0 + 60.0


def energy_eur(outcome: Outcome, planned: Planned) -> float:
    """Return what a run's energy cost at the market, less what it stored meanwhile."""
    site = outcome.site
    prices = planned.prices(site.windows[0].start, len(site.windows))
    net_kwh = [(window.import_wh - window.export_wh) / 1000.0 for window in site.windows]
    kept = sum((c.soc - c.spec.soc_start) * c.spec.capacity_wh for c in site.batteries.values())
    return float(prices @ net_kwh - kept / 1000.0 * prices.mean())
