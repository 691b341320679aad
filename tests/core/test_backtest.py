"""The backtest on a made-up lab: it saves money, knows no future, and cannot beat foresight."""

from dataclasses import replace
import gzip
from pathlib import Path

import numpy as np
import pytest

from custom_components.computeload.core.backtest import Schedule, run
from custom_components.computeload.core.backtest_data import (
    BacktestError,
    Measured,
    TestSite as Site,
    read_series,
    read_site,
)
from custom_components.computeload.core.backtest_report import (
    bound_of,
    cost_of,
    raised_kw,
    without_battery,
)
from custom_components.computeload.core.price_outlook import known_until
from custom_components.computeload.core.site import Strategy
from tests.core.reversals import unpaid_reversals

START_S = 1_750_000_000 // 86_400 * 86_400
DAYS = 12
SITE = """
timezone: Europe/Amsterdam
battery: {capacity_kwh: 40, charge_kw: 20, discharge_kw: 20, efficiency_charge: 0.95,
  efficiency_discharge: 0.95, soc_min: 0.0, soc_max: 1.0, soc_start: 0.5, wear_eur_per_kwh: 0.02}
pv: {peak_kw: 10}
energy: {import_adder_eur_per_kwh: 0.06, export_adder_eur_per_kwh: -0.005}
demand:
  - {window_min: 15, period: month, rate_eur_per_kw: 6.0}
grid: {import_limit_kw: null, export_limit_kw: null}
reserve_kwh: 0
"""


def lab(days: int = DAYS) -> str:
    """Return a lab's CSV: a base load, jobs of two hours, prices by the hour, sun by day."""
    random = np.random.default_rng(7)
    lines = ["utc,load_kw,price_eur_per_kwh,pv_kw_per_kwp,co2_g_per_kwh"]
    for step in range(96 * days):
        at = np.datetime64(START_S + step * 900, "s")
        hour = step % 96 / 4.0
        job = 15.0 if (step // 8) % 5 in {1, 2} else 0.0
        load = 10.0 + job + random.normal(0.0, 0.3)
        price = 0.08 + 0.06 * np.sin((hour - 13.0) / 24.0 * 2.0 * np.pi)
        sun = max(np.sin((hour - 5.0) / 14.0 * np.pi), 0.0) * 0.7 if 5.0 < hour < 19.0 else 0.0
        lines.append(f"{at}Z,{load:.3f},{price:.4f},{sun:.3f},300")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", name="files")
def files_fixture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("backtest")
    data, site = folder / "lab.csv.gz", folder / "lab.yaml"
    data.write_bytes(gzip.compress(lab().encode()))
    site.write_text(SITE)
    return data, site


@pytest.fixture(scope="module", name="series")
def series_fixture(files: tuple[Path, Path]) -> Measured:
    return read_series(files[0])


@pytest.fixture(scope="module", name="site")
def site_fixture(files: tuple[Path, Path]) -> Site:
    return read_site(files[1])


@pytest.fixture(scope="module", name="automatic")
def automatic_fixture(series: Measured, site: Site) -> Schedule:
    return run(series, site, Strategy.AUTOMATIC)


def test_following_the_plan_saves_money_and_never_more_than_foresight(
    series: Measured, site: Site, automatic: Schedule
) -> None:
    alone = without_battery(series, site).total
    ours = cost_of(series, site, automatic.grid_w, automatic.battery_w).total
    best, _ = bound_of(series, site)
    assert best.total <= ours < alone


def test_the_powers_balance_and_the_battery_keeps_its_bounds(
    series: Measured, site: Site, automatic: Schedule
) -> None:
    balance = series.load_w - automatic.pv_w - automatic.battery_w - automatic.grid_w
    assert np.abs(balance).max() < 1e-6
    assert automatic.stored_wh.min() >= -1e-6
    assert automatic.stored_wh.max() <= site.battery.capacity_wh + 1e-6
    assert np.abs(automatic.battery_w).max() <= 20_000.0 + 1e-6
    assert len(automatic.reasons) == len(series)


def test_a_series_cut_short_changes_no_earlier_decision(
    series: Measured, site: Site, automatic: Schedule
) -> None:
    for count in (96, 400, 96 * 7 + 13):
        cut = run(series.first(count), site, Strategy.AUTOMATIC)
        np.testing.assert_allclose(cut.battery_w, automatic.battery_w[:count], atol=1e-6)


def test_another_future_changes_no_earlier_decision(
    series: Measured, site: Site, automatic: Schedule
) -> None:
    count = 96 * 5 + 30
    published = int(known_until(site.tariff.calendar, series.starts)[count - 1])
    load_w, price = series.load_w.copy(), series.price.copy()
    pv, carbon = series.pv_per_kwp.copy(), series.carbon_g_per_kwh.copy()
    load_w[count:] = 60_000.0
    price[published:] = -0.5
    pv[count:] = 0.0
    carbon[count:] = 900.0
    other = Measured(series.starts, series.step_s, load_w, price, pv, carbon)
    changed = run(other.first(count + 96), site, Strategy.AUTOMATIC)
    np.testing.assert_allclose(changed.battery_w[:count], automatic.battery_w[:count], atol=1e-6)
    assert np.abs(changed.battery_w[count:] - automatic.battery_w[count : count + 96]).max() > 1.0


def test_of_the_prices_tomorrows_are_known_from_one_oclock_on(site: Site) -> None:
    # 2025-06-15 in Amsterdam: midnight is 22:00 UTC the day before.
    midnight_s = 1_749_938_400
    starts = midnight_s + np.arange(96 * 3, dtype=np.int64) * 900
    known = known_until(site.tariff.calendar, starts)
    assert known[0] == 96
    assert known[12 * 4 + 3] == 96
    assert known[13 * 4] == 192


def test_the_battery_turns_round_only_for_a_reason_worth_its_wear(
    series: Measured, site: Site, automatic: Schedule
) -> None:
    assert unpaid_reversals(series, site, automatic) == []


def test_turning_round_for_nothing_is_noticed(
    series: Measured, site: Site, automatic: Schedule
) -> None:
    flapping = replace(
        automatic,
        battery_w=np.where(np.arange(len(series)) % 2 == 0, 10_000.0, -10_000.0),
        reasons=["dear"] * len(series),
    )
    assert len(unpaid_reversals(series, site, flapping)) > len(series) // 2


def test_shaving_peaks_alone_raises_no_peak(series: Measured, site: Site) -> None:
    schedule = run(series, site, Strategy.PEAK_SHAVING)
    before = without_battery(series, site)
    after = cost_of(series, site, schedule.grid_w, schedule.battery_w)
    assert raised_kw(before, after) == {}


@pytest.mark.parametrize("strategy", [Strategy.PEAK_SHAVING, Strategy.ARBITRAGE])
def test_every_strategy_keeps_the_battery_within_its_bounds(
    series: Measured, site: Site, strategy: Strategy
) -> None:
    schedule = run(series.first(96 * 4), site, strategy)
    assert schedule.stored_wh.min() >= -1e-6
    assert schedule.stored_wh.max() <= site.battery.capacity_wh + 1e-6


def test_observing_leaves_the_battery_alone(series: Measured, site: Site) -> None:
    schedule = run(series.first(96), site, Strategy.OBSERVE)
    assert np.abs(schedule.grid_w + schedule.pv_w - series.load_w[:96]).max() <= 20_000.0 + 1e-6


def test_a_connection_limit_is_kept_while_the_battery_has_energy(
    series: Measured, site: Site
) -> None:
    limited = replace(site, import_limit_w=22_000.0)
    schedule = run(series.first(96 * 4), limited, Strategy.AUTOMATIC)
    assert (series.load_w[: 96 * 4] - schedule.pv_w).max() > 24_000.0
    above = schedule.grid_w > 22_100.0
    assert not above.all()
    assert schedule.stored_wh[above].max(initial=0.0) < 0.02 * site.battery.capacity_wh


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("utc,load_kw\n", "price_eur_per_kwh is missing"),
        ("utc,load_kw,price_eur_per_kwh\n2026-01-01T00:00Z,x,1\n", "line 2"),
        ("utc,load_kw,price_eur_per_kwh\n2026-01-01T00:00Z,1,1\n", "two steps"),
        (
            (
                "utc,load_kw,price_eur_per_kwh\n2026-01-01T00:00Z,1,1\n2026-01-01T00:15Z,1,1\n"
                "2026-01-01T01:15Z,1,1\n"
            ),
            "not constant",
        ),
        (
            "utc,load_kw,price_eur_per_kwh\n2026-01-01T00:00Z,nan,1\n2026-01-01T00:15Z,1,1\n",
            "finite",
        ),
    ],
)
def test_a_series_that_cannot_be_used_is_said_in_plain_words(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "series.csv"
    file.write_text(text)
    with pytest.raises(BacktestError, match=said):
        read_series(file)


@pytest.mark.parametrize("text", ["[]", "battery: 3", "timezone: Nowhere/At all", "{"])
def test_a_site_that_cannot_be_used_is_said_in_plain_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(BacktestError):
        read_site(file)
    with pytest.raises(BacktestError):
        read_site(tmp_path / "nowhere.yaml")
