"""A past that is made whole from what the ledger knows."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
import pytest

from custom_components.computeload.core.ledger_read import Column, History
from custom_components.computeload.core.sizing_past import (
    DAY,
    Past,
    PastTooThinError,
    filled,
    market_price,
    past_of,
)
from custom_components.computeload.core.tariff import Tariff, import_price, read_tariff

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = 7 * DAY
GAP = float("nan")


@pytest.fixture(name="tariff")
def tariff_fixture() -> Tariff:
    """Return a tariff whose price is 1.2 times the market's, and 0.06 more."""
    return read_tariff(
        {
            "tariff": {"timezone": "Europe/Berlin", "vat_percent": 20},
            "energy": {
                "import": {
                    "day_ahead": {"factor": 1.0},
                    "adders": [{"name": "grid", "per_kwh": 0.05}],
                }
            },
        }
    )


def past(tariff: Tariff, peak_kw: float | None = None, **columns: NDArray[np.float64]) -> Past:
    """Return the past of a ledger with these columns, and nothing of the others."""
    length = len(next(iter(columns.values())))
    known = {Column(name): values for name, values in columns.items()}
    nothing = np.full(length, np.nan)
    wanted = (Column.LOAD_W, Column.PV_W, Column.PRICE_IMPORT)
    history = History(
        start=START, step_s=900.0, columns={name: known.get(name, nothing) for name in wanted}
    )
    return past_of(history, tariff, peak_kw)


def test_a_short_gap_is_bridged_in_a_straight_line() -> None:
    assert filled(np.array([1.0, GAP, GAP, GAP, 5.0])).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_long_gap_takes_the_same_hours_of_the_nearest_week() -> None:
    values = np.arange(3.0 * WEEK, dtype=np.float64)
    gapped = values.copy()
    gapped[WEEK + 10 : WEEK + 60] = GAP
    assert np.array_equal(filled(gapped)[WEEK + 10 : WEEK + 60], values[10:60])
    gapped = values.copy()
    gapped[10:60] = GAP
    assert np.array_equal(filled(gapped)[10:60], values[WEEK + 10 : WEEK + 60])


def test_a_gap_in_a_single_week_takes_what_is_usual_at_that_time_of_the_day() -> None:
    day = np.arange(float(DAY))
    values = np.concatenate([day, day + 10.0, day])
    values[DAY + 8 : DAY + 48] = GAP
    assert filled(values)[DAY + 8 : DAY + 48].tolist() == day[8:48].tolist()


def test_what_was_never_known_is_nothing() -> None:
    assert filled(np.array([GAP, GAP])).tolist() == [0.0, 0.0]


def test_known_values_are_never_changed() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=2 * WEEK)
    gapped = np.where(rng.random(2 * WEEK) < 0.4, GAP, values)
    whole = filled(gapped)
    known = np.isfinite(gapped)
    assert np.array_equal(whole[known], values[known])
    assert np.isfinite(whole).all()


def test_the_markets_price_is_worked_out_of_what_a_kwh_cost(tariff: Tariff) -> None:
    starts = int(START.timestamp()) + 900 * np.arange(4)
    market = np.array([0.1, -0.05, GAP, 0.0])
    price = import_price(tariff, starts, market)
    assert price[0] == pytest.approx(1.2 * 0.15)
    assert market_price(tariff, starts, price) == pytest.approx(market, nan_ok=True)


def test_a_fixed_price_says_nothing_about_the_market() -> None:
    fixed = read_tariff({"energy": {"import": {"adders": [{"name": "grid", "per_kwh": 0.3}]}}})
    starts = int(START.timestamp()) + 900 * np.arange(2)
    assert np.isnan(market_price(fixed, starts, np.array([0.3, 0.3]))).all()


def test_a_past_begins_and_ends_where_the_load_is_known(tariff: Tariff) -> None:
    load_w = np.full(9 * DAY, 5_000.0)
    load_w[:10] = load_w[-20:] = GAP
    load_w[DAY : DAY + 48] = GAP
    pv_w = np.full(9 * DAY, 500.0)
    pv_w[200] = 2_000.0
    found = past(tariff, load_w=load_w, pv_w=pv_w, price_import=np.full(9 * DAY, 0.18))
    assert found.series.starts[0] == int(START.timestamp()) + 9_000
    assert len(found.series) == 9 * DAY - 30
    assert found.load_known == pytest.approx(1.0 - 48 / (9 * DAY - 30))
    assert (found.price_known, found.pv_known, found.pv_peak_kw) == (1.0, 1.0, 2.0)
    assert np.all(found.series.load_w == 5_000.0)
    assert found.series.price == pytest.approx(np.full(len(found.series), 0.1))
    assert found.series.pv_per_kwp[0] == pytest.approx(0.25)


def test_the_peak_of_the_roof_is_what_is_known_of_it(tariff: Tariff) -> None:
    flat = np.full(8 * DAY, 1_000.0)
    found = past(tariff, 10.0, load_w=flat, pv_w=flat)
    assert (found.pv_peak_kw, found.series.pv_per_kwp[0]) == (10.0, 0.1)


def test_a_site_without_pv_and_prices_has_none(tariff: Tariff) -> None:
    found = past(tariff, load_w=np.full(8 * DAY, 1_000.0))
    assert (found.pv_peak_kw, found.pv_known, found.price_known) == (0.0, 1.0, 0.0)
    assert not found.series.pv_per_kwp.any()
    assert not found.series.price.any()
    assert found.days == 8.0


def test_a_past_that_is_too_short_or_too_thin_is_refused(tariff: Tariff) -> None:
    with pytest.raises(PastTooThinError, match=r"6\.0 days of the load are known, 7 are needed"):
        past(tariff, load_w=np.full(6 * DAY, 1.0))
    with pytest.raises(PastTooThinError, match=r"0\.0 days"):
        past(tariff, load_w=np.full(9 * DAY, GAP))
    thin = np.where(np.arange(9 * DAY) % 10 == 0, 1.0, GAP)
    with pytest.raises(PastTooThinError, match=r"known in 10% of these 9 days, 50% are needed"):
        past(tariff, load_w=thin)
