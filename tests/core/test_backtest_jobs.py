"""The backtest with jobs: they start later, none is lost, and nothing is known beforehand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from custom_components.computeload.core.backtest import Schedule, run
from custom_components.computeload.core.backtest_data import (
    BacktestError,
    JobsFile,
    Measured,
    TestSite as Site,
    read_series,
    read_site,
)
from custom_components.computeload.core.backtest_jobs import JobLog, JobStream, read_jobs
from custom_components.computeload.core.backtest_report import cost_of, report, without_battery
from custom_components.computeload.core.site import Strategy
from tests.shared import shared

START = datetime(2025, 6, 2, tzinfo=UTC)
NODE_W, REST_W = 400.0, 6_000.0
DAYS = 10
SITE = """
timezone: Europe/Amsterdam
battery: {capacity_kwh: 8, charge_kw: 4, discharge_kw: 4, soc_start: 0.5}
energy: {import_adder_eur_per_kwh: 0.06, export_adder_eur_per_kwh: -0.005}
demand:
  - {window_min: 15, period: month, rate_eur_per_kw: 6.0}
"""


def jobs_csv() -> str:
    """Return jobs: every day at eight a burst of forty, and some at any time."""
    random = np.random.default_rng(3)
    lines = ["job_id,start_utc,duration_s,nodes"]
    for day in range(DAYS):
        hours = [8.0 + n / 60.0 for n in range(40)] + list(random.uniform(0.0, 24.0, 30))
        for hour in sorted(hours):
            at = START + timedelta(days=day, hours=float(hour))
            lines.append(f"{len(lines)},{at.isoformat()},{random.integers(600, 7200)},1")
    return "\n".join(lines) + "\n"


@pytest.fixture(name="site", scope="module")
def site_fixture(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "jobs.csv").write_text(jobs_csv())
    (folder / "site.yaml").write_text(SITE + f"jobs: {{file: jobs.csv, node_w: {NODE_W}}}\n")
    return read_site(folder / "site.yaml")


@pytest.fixture(name="series", scope="module")
def series_fixture(site: Site) -> Measured:
    starts = int(START.timestamp()) + 900 * np.arange(96 * DAYS, dtype=np.int64)
    hour = np.arange(96 * DAYS) % 96 / 4.0
    flat = np.full(96 * DAYS, REST_W)
    empty = Measured(
        starts, 900, flat, 0.08 + 0.06 * np.sin(hour / 12 * np.pi), 0.0 * hour, 0.0 * hour
    )
    assert site.jobs is not None
    busy = read_jobs(replace(site.jobs, shift_days=0.0), empty).busy(empty)
    return replace(empty, load_w=REST_W + NODE_W * busy)


@pytest.fixture(name="log", scope="module")
def log_fixture(site: Site, series: Measured) -> JobLog:
    assert site.jobs is not None
    return read_jobs(site.jobs, series)


@pytest.fixture(name="shaved", scope="module")
def shaved_fixture(series: Measured, site: Site, log: JobLog) -> Schedule:
    return run(series, site, Strategy.PEAK_SHAVING, jobs=log)


def test_the_load_is_taken_apart_and_put_together_again(series: Measured, log: JobLog) -> None:
    stream = JobStream(series, replace(log, may_wait=np.zeros(len(log.start_s), bool)))
    load_w = [
        stream.step(step, pv_w=0.0, stored_w=0.0, paid_w=0.0, prices=None)
        for step in range(len(series))
    ]
    assert load_w == pytest.approx(series.load_w, abs=1e-6)
    assert not stream.delays_s.any()


def test_what_a_node_draws_and_when_the_jobs_ran_is_found_from_the_load(
    series: Measured, site: Site
) -> None:
    assert site.jobs is not None
    found = read_jobs(replace(site.jobs, node_w=None), series)
    assert found.node_w == pytest.approx(NODE_W, rel=0.01)
    weeks_later = replace(series, starts=series.starts + 3 * 7 * 86_400)
    found = read_jobs(replace(site.jobs, node_w=None), weeks_later)
    assert found.node_w == pytest.approx(NODE_W, rel=0.01)


def test_peaks_fall_and_no_job_waits_for_too_long(
    series: Measured, log: JobLog, shaved: Schedule
) -> None:
    assert shaved.grid_w.max() < 0.8 * series.load_w.max()
    assert shaved.delays_s is not None
    assert 0.0 < shaved.delays_s.max() <= 4.0 * 3600.0
    assert len(shaved.delays_s) == len(log.start_s)


def test_every_job_runs_for_as_long_as_it_did(series: Measured, shaved: Schedule) -> None:
    # What was put off beyond the end of the series is not in it any more.
    missing_wh = float((series.load_w - shaved.load_w).sum()) / 4.0
    assert -1e-6 <= missing_wh < NODE_W * 40 * 2.0


def test_half_of_the_jobs_may_wait(series: Measured, site: Site, log: JobLog) -> None:
    half = replace(log, may_wait=np.arange(len(log.start_s)) % 2 == 0)
    schedule = run(series, site, Strategy.AUTOMATIC, jobs=half)
    assert schedule.delays_s is not None
    assert not schedule.delays_s[1::2].any()
    assert schedule.delays_s[::2].any()


def test_who_only_observes_delays_nothing(series: Measured, site: Site, log: JobLog) -> None:
    schedule = run(series, site, Strategy.OBSERVE, jobs=log)
    assert schedule.delays_s is None
    assert (schedule.load_w == series.load_w).all()


@pytest.mark.parametrize("strategy", [Strategy.PEAK_SHAVING, Strategy.AUTOMATIC])
def test_cutting_the_series_changes_no_earlier_decision(
    series: Measured, site: Site, log: JobLog, strategy: Strategy
) -> None:
    steps = 96 * 4 + 37
    short = series.first(steps)
    there = log.start_s < short.starts[-1] + 900
    cut = replace(
        log,
        start_s=log.start_s[there],
        duration_s=log.duration_s[there],
        nodes=log.nodes[there],
        may_wait=log.may_wait[there],
    )
    whole = run(series, site, strategy, jobs=log)
    part = run(short, site, strategy, jobs=cut)
    # The prices of the last day are not out at the cut.
    same = steps - 2 * 96 if strategy is Strategy.AUTOMATIC else steps
    assert part.load_w[:same] == pytest.approx(whole.load_w[:same])
    assert part.battery_w[:same] == pytest.approx(whole.battery_w[:same], abs=1.0)


def test_the_report_tells_of_the_delays(series: Measured, site: Site, shaved: Schedule) -> None:
    told: Any = report(series, site, shaved)["jobs"]
    assert told["count"] == DAYS * 70
    assert 0 < told["delayed"] <= told["count"]
    assert 0.0 < told["mean_h"] <= told["p95_h"] <= told["longest_h"] <= 4.0


@pytest.mark.parametrize(
    ("jobs", "says"),
    [
        ("{file: 3}", "jobs.file: 3 is not the name of a file"),
        ("{file: jobs.csv, may_wait: 2}", "jobs.may_wait: 2 is not a share"),
        ("{file: jobs.csv, longest_delay_h: -1}", "jobs.longest_delay_h: -1 is not between"),
        ("{file: jobs.csv, colour: blue}", "jobs.colour is not known"),
        ("{file: jobs.csv, node_w: much}", "jobs.node_w: 'much' is not a number"),
        ("[]", "jobs: a mapping is needed"),
    ],
)
def test_what_is_wrong_with_the_jobs_is_named(tmp_path: Path, jobs: str, says: str) -> None:
    (tmp_path / "site.yaml").write_text(SITE + f"jobs: {jobs}\n")
    with pytest.raises(BacktestError, match=says):
        read_site(tmp_path / "site.yaml")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("job_id,start_utc\n", "the column duration_s is missing"),
        ("start_utc,duration_s\n", "there is no job in it"),
        ("start_utc,duration_s\n2025-06-02T00:00:00Z,-1\n", "line 2: a job lasts at least 0 s"),
        ("start_utc,duration_s\nnever,60\n", "line 2"),
        ("start_utc,duration_s\n1970-06-02T00:00:00Z,60\n", "no job runs while the series lasts"),
    ],
)
def test_what_is_wrong_in_a_file_of_jobs_is_named(
    tmp_path: Path, series: Measured, content: str, says: str
) -> None:
    (tmp_path / "jobs.csv").write_text(content)
    with pytest.raises(BacktestError, match=says):
        read_jobs(JobsFile(path=tmp_path / "jobs.csv", shift_days=0.0), series)


def test_a_file_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE + "jobs: jobs.csv\n")
    assert read_site(tmp_path / "site.yaml").jobs == JobsFile(path=tmp_path / "jobs.csv")


def test_on_a_measured_cluster_the_monthly_peaks_fall_by_a_sixth() -> None:
    """The bar of 16 % on average, with a battery that only shaves, and all jobs may wait 4 h."""
    series = read_series(shared("data", "site", "nl_hpc_surf.csv.gz"))
    site = read_site(shared("data", "site", "nl_hpc_surf.yaml"))
    log = read_jobs(JobsFile(path=shared("data", "jobs", "surf_lisa_2022.csv.gz")), series)
    schedule = run(series, site, Strategy.PEAK_SHAVING, jobs=log)
    before = without_battery(series, site).peaks
    after = cost_of(series, site, schedule.grid_w, schedule.battery_w).peaks
    fallen = [1.0 - after[month] / peak for month, peak in before.items()]
    assert len(fallen) == 3
    assert min(fallen) > 0.1
    assert sum(fallen) / len(fallen) >= 0.16
    assert schedule.delays_s is not None
    assert schedule.delays_s.max() <= 4.0 * 3600.0
