"""The sizing question, on weeks of which the answer is known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from custom_components.computeload.core.backtest_data import Measured
from custom_components.computeload.core.plan import BatterySpec
from custom_components.computeload.core.planning import Connection
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.core.sizing import (
    YEAR_DAYS,
    BatteryOption,
    Result,
    Row,
    Variant,
    Yearly,
    table,
    tried,
    variants,
)
from custom_components.computeload.core.sizing_past import DAY, Past
from custom_components.computeload.core.tariff import Tariff, read_tariff

DAYS = 8
MARKET = read_tariff(
    {
        "energy": {
            "import": {"day_ahead": {"factor": 1.0}, "adders": [{"name": "grid", "per_kwh": 0.1}]},
            "export": {"day_ahead": {"factor": 1.0}},
        }
    }
)
PEAKS = read_tariff({"demand": [{"window_min": 15, "period": "month", "rate_eur_per_kw": 10}]})


@pytest.fixture(name="past", scope="module")
def past_fixture() -> Past:
    """Return days with 20 kW from noon to three and 10 kW else; the afternoon is dear."""
    quarter = np.arange(DAYS * DAY) % DAY
    busy = (quarter >= 48) & (quarter < 60)
    return Past(
        series=Measured(
            starts=int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) + 900 * np.arange(DAYS * DAY),
            step_s=900,
            load_w=np.where(busy, 20_000.0, 10_000.0),
            price=np.where(busy, 0.4, 0.1),
            pv_per_kwp=np.where(busy, 0.5, 0.0),
            carbon_g_per_kwh=np.zeros(DAYS * DAY),
        ),
        pv_peak_kw=4.0,
        load_known=1.0,
        price_known=1.0,
        pv_known=1.0,
    )


def battery(kwh: float, price: float | None = None) -> BatteryOption:
    """Return a battery of a size that charges and discharges fully within two hours."""
    return BatteryOption(
        name=f"{kwh:g} kWh",
        spec=BatterySpec(capacity_wh=1000.0 * kwh, charge_w=500.0 * kwh, discharge_w=500.0 * kwh),
        price=price,
    )


def of(option: BatteryOption | None, tariff: Tariff = MARKET, peak_kw: float = 0.0) -> Variant:
    """Return the variant with a battery."""
    return Variant(
        tariff_name="t",
        tariff=tariff,
        pv_peak_kw=peak_kw,
        battery=option,
        strategy=Strategy.OBSERVE if option is None else Strategy.AUTOMATIC,
    )


def nothing(_: float) -> None:
    """Hear of progress, and do nothing."""


def nothing_done(done: int, share: float) -> None:
    """Hear how far all variants are, and do nothing."""


type Try = Callable[[Variant], Result]


@pytest.fixture(name="trying", scope="module")
def trying_fixture(past: Past) -> Try:
    """Return what tries a variant on this past, each once."""
    known: dict[str, Result] = {}

    def trying(variant: Variant) -> Result:
        key = f"{variant.tariff.demand} {variant.pv_peak_kw} {variant.battery}"
        if key not in known:
            known[key] = tried(past, variant, Connection(), nothing)
        return known[key]

    return trying


# One variant.


def test_a_site_without_a_battery_pays_for_what_it_draws(trying: Try) -> None:
    result = trying(of(None))
    day = 3 * 20.0 * 0.5 + 21 * 10.0 * 0.2
    assert result.yearly.energy == pytest.approx(day * YEAR_DAYS)
    assert (result.yearly.demand, result.yearly.wear, result.peak_kw) == (0.0, 0.0, 20.0)
    assert result.total == pytest.approx(day * DAYS, abs=0.02)


def test_pv_grows_with_its_peak(trying: Try) -> None:
    small, large = (trying(of(None, peak_kw=peak)).yearly.energy for peak in (4.0, 8.0))
    kwh = 3 * 4.0 * 0.5
    assert small - large == pytest.approx(kwh * 0.5 * YEAR_DAYS, rel=1e-3)


def test_a_monthly_charge_costs_twelve_times_a_year_however_few_its_days_are(trying: Try) -> None:
    result = trying(of(None, PEAKS))
    assert result.yearly.demand == pytest.approx(12 * 20.0 * 10.0)
    assert result.peaks_kw == {"demand month 2026-03": pytest.approx(20.0)}


def test_a_bigger_battery_saves_more_and_no_more_than_foresight(trying: Try) -> None:
    rows = table([trying(of(each)) for each in (None, battery(5.0), battery(20.0))], 15.0)
    assert [row.saving for row in rows] == sorted(row.saving for row in rows)
    for before, after in pairwise(rows):
        assert after.saving > before.saving + 1.0
    # What it gives in the dear hours, less what is lost and paid for in the cheap ones.
    kept = 0.95 * 0.95
    most = 5.0 * 0.95 * (0.5 - 0.2 / kept) * YEAR_DAYS
    assert rows[1].saving == pytest.approx(most, rel=0.15)
    for row in rows[1:]:
        assert row.share_of_bound is not None
        assert 0.8 < row.share_of_bound <= 1.0 + 1e-6


def test_a_battery_is_told_how_far_it_is_and_can_be_stopped(past: Past) -> None:
    heard: list[float] = []

    class StopError(Exception):
        """Somebody has seen enough."""

    def progress(share: float) -> None:
        heard.append(share)
        if len(heard) == 1:
            raise StopError

    with pytest.raises(StopError):
        tried(past, of(battery(5.0)), Connection(), progress)
    assert heard == [0.0]


# All variants.


def test_each_combination_is_tried_and_first_the_site_without_a_battery() -> None:
    found = list(
        variants(
            [("a", MARKET), ("b", PEAKS)],
            [0.0, 5.0],
            [battery(5.0), battery(9.0)],
            [Strategy.AUTOMATIC, Strategy.PEAK_SHAVING],
        )
    )
    assert len(found) == 2 * 2 * (1 + 2 * 2)
    assert [v.battery is None for v in found[:6]] == [True, False, False, False, False, True]
    assert len({(v.place, v.battery and v.battery.name, v.strategy) for v in found}) == len(found)


# The table.


def result(
    bill: float, *, wear: float = 0.0, option: BatteryOption | None = None, best: float = 0.0
) -> Result:
    """Return a made-up result of a year."""
    return Result(
        variant=of(option),
        yearly=Yearly(energy=bill, demand=0.0, wear=wear),
        peak_kw=1.0,
        peaks_kw={},
        total=bill + wear,
        best_total=None if option is None else best,
    )


def rows_of(*results: Result) -> list[Row]:
    """Return the table, for batteries that last for ten years."""
    return table(results, 10.0)


def test_a_battery_pays_back_when_its_savings_reach_its_price() -> None:
    bare, row = rows_of(result(1_000.0), result(800.0, option=battery(5.0, price=1_000.0)))
    assert (bare.saving, bare.payback_years, bare.share_of_bound) == (0.0, None, None)
    assert (row.saving, row.payback_years, row.price_per_year) == (200.0, 5.0, 100.0)
    assert (row.cost, row.rank, bare.rank) == (900.0, 1, 2)


def test_a_battery_that_costs_more_than_it_saves_in_its_life_has_no_payback() -> None:
    bare, row = rows_of(result(1_000.0), result(950.0, option=battery(5.0, price=1_000.0)))
    assert row.payback_years is None
    assert (row.cost, row.rank, bare.rank) == (1_050.0, 2, 1)


def test_a_battery_that_saves_nothing_has_no_payback() -> None:
    _, row = rows_of(result(1_000.0), result(1_000.0, option=battery(5.0, price=1.0)))
    assert row.payback_years is None


def test_a_battery_of_unknown_price_costs_its_wear() -> None:
    _, row = rows_of(result(1_000.0), result(900.0, wear=30.0, option=battery(5.0)))
    assert (row.saving, row.cost, row.payback_years) == (100.0, 930.0, None)


def test_wear_is_in_the_price_and_not_counted_twice() -> None:
    _, row = rows_of(result(1_000.0), result(900.0, wear=30.0, option=battery(5.0, price=500.0)))
    assert row.cost == 950.0


def test_the_share_of_the_bound_is_of_what_foresight_saves() -> None:
    bare, row = rows_of(result(1_000.0), result(925.0, option=battery(5.0), best=900.0))
    assert row.share_of_bound == 0.75
    useless = replace(row.result, best_total=1_000.0)
    assert table([bare.result, useless], 10.0)[1].share_of_bound is None
