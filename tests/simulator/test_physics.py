"""The site as a whole: the balance, the jobs, the sun, and a grid that fails."""

from datetime import UTC, datetime
from itertools import pairwise
from time import perf_counter

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.computeload.simulator.cabinet import OwnControl
from custom_components.computeload.simulator.physics import SitePhysics
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.sun import PvSpec, clear_sky

NOON = datetime(2026, 6, 15, 11, 20, tzinfo=UTC)
NIGHT = datetime(2026, 1, 14, 23, 0, tzinfo=UTC)


def lab(
    start: datetime = NOON, seed: int = 1, scenario: str = "cfd-lab", step_s: float = 0.5
) -> SitePhysics:
    return SitePhysics(load_scenario(scenario), seed, start=start, step_s=step_s)


def balance_w(site: SitePhysics) -> float:
    return site.load_w - site.pv_w - site.battery_w - site.grid_w


def test_the_site_is_in_balance_from_the_first_moment() -> None:
    site = lab()
    assert site.load_w > 10_000
    assert balance_w(site) == pytest.approx(0.0, abs=1e-6)
    assert site.import_ws == 0.0


def test_the_grid_is_load_less_pv_less_battery_at_every_step_and_the_sum_of_phases() -> None:
    site = lab()
    for second in range(0, 1800, 3):
        site.batteries["cabinet1"].command(5000.0 * ((second // 300) % 3 - 1), site.elapsed_s)
        site.step(3.0)
        assert balance_w(site) == pytest.approx(0.0, abs=1e-6)
        assert sum(site.grid_phases_w) == pytest.approx(site.grid_w, abs=1e-6)
        branches = site.loads.branches.values()
        assert sum(b.power_w for b in branches) == pytest.approx(site.load_w)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    commands=st.lists(
        st.tuples(st.floats(-20000, 20000), st.integers(30, 1500)), min_size=1, max_size=5
    ),
)
def test_no_energy_appears_or_vanishes(seed: int, commands: list[tuple[float, int]]) -> None:
    site = lab(seed=seed)
    for power_w, seconds in commands:
        for battery in site.batteries.values():
            battery.command(power_w, site.elapsed_s)
        site.step(seconds)
    used_ws = sum(branch.energy_ws for branch in site.loads.branches.values())
    made_ws = sum(plant.energy_ws for plant in site.pv.values())
    stored_ws = sum(b.charged_ws - b.discharged_ws for b in site.batteries.values())
    drawn_ws = site.import_ws - site.export_ws
    assert drawn_ws == pytest.approx(used_ws - made_ws + stored_ws, rel=1e-9, abs=1.0)
    in_windows_wh = sum(w.import_wh - w.export_wh for w in [*site.windows, site.window])
    assert in_windows_wh == pytest.approx(drawn_ws / 3600, rel=1e-9, abs=0.001)
    for battery in site.batteries.values():
        assert 0.0 <= battery.min_soc <= battery.max_soc <= 1.0


def test_windows_are_quarters_of_the_utc_hour_and_the_first_may_be_a_part() -> None:
    site = lab()
    site.step(3600)
    starts = [window.start.strftime("%H:%M") for window in site.windows]
    assert starts == ["11:15", "11:30", "11:45", "12:00"]
    assert [window.covered_s for window in site.windows] == [600.0, 900.0, 900.0, 900.0]
    assert site.window.start.strftime("%H:%M") == "12:15"
    assert site.peak_w == max(window.mean_import_w for window in site.windows)


def test_the_same_seed_and_start_give_the_same_site() -> None:
    one, other, third = lab(seed=7), lab(seed=7), lab(seed=8)
    for site in (one, third):
        site.step(7200)
    for _ in range(72):
        other.step(100)
    assert one.grid_w == other.grid_w
    assert one.import_ws == other.import_ws
    assert one.windows == other.windows
    assert one.import_ws != third.import_ws


@pytest.mark.parametrize("scenario", ["cfd-lab", "climate-hpc"])
@pytest.mark.parametrize("start", [NOON, NIGHT])
def test_shaving_is_needed_within_the_first_minutes_whenever_it_starts(
    scenario: str, start: datetime
) -> None:
    site = lab(start=start, scenario=scenario)
    assert site.loads.jobs.running
    site.step(300)
    assert site.grid_w > site.scenario.target_peak_w
    assert site.grid_w < site.scenario.connection_limit_w


def test_jobs_come_and_go_through_the_day_and_none_is_lost() -> None:
    site = lab()
    seen = set()
    for _ in range(24 * 12):
        site.step(300)
        seen.add(len(site.loads.jobs.running))
    jobs = site.loads.jobs
    assert seen == {0, 1}
    assert 3 <= jobs.finished <= jobs.started <= 8
    assert jobs.killed == 0
    for job in jobs.running:
        assert job.ends_s > site.elapsed_s


def test_a_job_is_a_steep_step_with_noise_and_the_cooling_follows_slowly() -> None:
    site = lab(start=NIGHT)
    node, cooling = site.loads.branches["node1"], site.loads.branches["cooling"]
    while site.loads.jobs.running:
        site.step(1)
    site.step(1800)
    while not site.loads.jobs.running:
        before_w, cool_before_w = node.power_w, cooling.power_w
        site.step(1)
    site.step(10)
    assert node.power_w > before_w + 3000
    assert cooling.power_w < cool_before_w + 400
    site.step(800)
    assert cooling.power_w > cool_before_w + 2000
    powers = []
    for _ in range(60):
        site.step(1)
        powers.append(node.power_w)
    moves = [abs(b - a) for a, b in pairwise(powers)]
    assert 0 < sum(moves) / len(moves) < 0.03 * node.power_w


def test_pv_is_dark_at_night_and_bends_under_clouds_by_day() -> None:
    night = lab(start=NIGHT)
    night.step(3600)
    assert night.pv["roof"].energy_ws == 0.0
    day = lab()
    powers = []
    for _ in range(360):
        day.step(10)
        powers.append(day.pv_w)
    assert max(powers) > 2.0 * min(powers) > 0
    assert max(powers) <= day.pv["roof"].spec.rated_w


def test_the_sun_peaks_at_solar_noon_and_higher_in_summer() -> None:
    south = PvSpec(id="p", name="P", peak_w=1000, rated_w=1000)
    east = PvSpec(id="e", name="E", peak_w=1000, rated_w=1000, azimuth_deg=90)

    def at(month: int, hour: int, spec: PvSpec = south) -> float:
        moment = datetime(2026, month, 21, hour, tzinfo=UTC)
        return clear_sky(moment.timestamp(), 48.0, 11.5, spec)

    assert max(range(24), key=lambda hour: at(6, hour)) in {11, 12}
    assert 0.7 < at(6, 11) < 1.0
    assert 0.2 < at(12, 11) < at(6, 11)
    assert at(6, 6, east) > 2 * at(6, 6)
    assert at(6, 23) == 0.0


def test_a_pv_limit_is_followed_within_seconds_and_lapses() -> None:
    site = lab()
    site.step(60)
    roof = site.pv["roof"]
    roof.limit(0.1, expires_s=site.elapsed_s + 30)
    site.step(15)
    assert roof.power_w <= 0.1 * 5000 * 1.01
    assert roof.possible_w > roof.power_w
    site.step(30)
    assert roof.limit_fraction is None
    assert roof.power_w == pytest.approx(roof.possible_w, rel=0.01)


def test_an_outage_is_carried_by_the_cabinet_that_forms_a_grid() -> None:
    site = lab(start=NIGHT)
    site.batteries["cabinet1"].set_soc(0.8)
    site.batteries["cabinet2"].command(4000.0, 0.0)
    site.step(60)
    site.lose_grid()
    for _ in range(120):
        site.step(1)
        assert site.grid_w == 0.0
        assert site.battery_w == pytest.approx(site.load_w - site.pv_w, rel=1e-9)
    assert site.batteries["cabinet1"].forming
    assert site.islanded_s == pytest.approx(120)
    assert site.loads.jobs.killed == 0
    imported_ws = site.import_ws
    site.restore_grid()
    site.step(30)
    assert site.import_ws > imported_ws
    assert not site.batteries["cabinet1"].forming


def test_a_command_held_through_an_outage_hinders_the_island() -> None:
    """A cabinet that only follows goes on charging, and that is what blacks the site out."""
    released, held = lab(start=NIGHT), lab(start=NIGHT)
    held.batteries["cabinet2"].command(-9000.0, 0.0)
    for site in (released, held):
        site.step(30)
        site.lose_grid()
        site.step(30)
    assert not released.dark
    assert held.dark


def test_what_the_cabinets_cannot_carry_ends_in_the_dark_and_jobs_are_lost() -> None:
    site = lab(start=NIGHT)
    site.batteries["cabinet1"].set_soc(0.05)
    site.step(10)
    running = len(site.loads.jobs.running)
    site.lose_grid()
    site.step(600)
    assert site.dark
    assert site.blackouts == 1
    assert site.loads.jobs.killed == running > 0
    assert site.load_w == site.pv_w == site.battery_w == site.grid_w == 0.0
    site.restore_grid()
    site.step(120)
    assert site.load_w > 3000
    assert not site.loads.jobs.running
    site.step(12 * 3600)
    assert site.loads.jobs.finished > 0


def test_surplus_on_an_island_pushes_the_pv_back() -> None:
    site = lab(scenario="cfd-lab")
    site.batteries["cabinet1"].set_soc(1.0)
    for branch in site.loads.branches.values():
        branch.target_w = branch.level_w = 50.0
    site.loads.jobs.kill_all()
    site.step(1)
    site.lose_grid()
    for branch in site.loads.branches.values():
        branch.target_w = branch.level_w = 50.0
    site.step(5)
    assert not site.dark
    assert site.pv_w < site.pv["roof"].possible_w
    assert balance_w(site) == pytest.approx(0.0, abs=1e-6)


def test_cabinets_left_to_themselves_are_idle_in_the_shipped_scenarios() -> None:
    for scenario in ("cfd-lab", "climate-hpc"):
        site = lab(scenario=scenario)
        site.step(900)
        assert site.battery_w == 0.0
        assert all(b.spec.own_control is OwnControl.IDLE for b in site.batteries.values())


def test_a_coarser_step_tells_the_same_story() -> None:
    fine, coarse = lab(seed=3, step_s=0.25), lab(seed=3, step_s=1.0)
    for site in (fine, coarse):
        site.batteries["cabinet1"].command(3000.0, 0.0)
        site.step(1800)
    assert coarse.batteries["cabinet1"].soc == pytest.approx(
        fine.batteries["cabinet1"].soc, abs=0.001
    )
    assert coarse.load_w == pytest.approx(fine.load_w, rel=0.15)


def test_a_day_is_simulated_in_seconds() -> None:
    site = lab()
    begin = perf_counter()
    site.step(7200)
    assert 7200 / (perf_counter() - begin) > 5000, "seconds of the site per second"
