"""Bills: energy both ways, market prices, taxes, steps, sums to the cent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from custom_components.computeload.core.tariff import (
    DemandBook,
    Metered,
    bill,
    export_price,
    import_price,
    read_tariff,
)
from custom_components.computeload.core.tariff.metered import resample
from custom_components.computeload.core.window import Source, Window

from .tariff_site import BERLIN, demand_items, instants, metered, zeros

HEAD = {"timezone": BERLIN, "country": "DE"}


def energy(**sides: object) -> dict[str, Any]:
    return {"tariff": HEAD, "energy": sides}


def charge(**keys: object) -> dict[str, Any]:
    return {"name": "peak", "window_min": 15, "period": "month", "rate_eur_per_kw": 1.0, **keys}


def test_the_market_price_is_multiplied_and_added_to_and_taxed() -> None:
    tariff = read_tariff(
        {
            "tariff": {**HEAD, "vat_percent": 19},
            "energy": {
                "import": {
                    "day_ahead": {"factor": 1.03},
                    "adders": [{"name": "margin", "per_kwh": 0.015}],
                    "taxes": [{"name": "electricity tax", "per_kwh": 0.0205}],
                },
                "export": {
                    "day_ahead": {"factor": 1.0},
                    "adders": [{"name": "fee", "per_kwh": -0.004}],
                },
            },
        }
    )
    starts = instants("2026-01-01T00:00", "2026-01-01T00:30")
    market = np.array([0.10, -0.05])
    # (0.10 x 1.03 + 0.015 + 0.0205) x 1.19 = 0.164815; the negative price stays negative.
    assert import_price(tariff, starts, market) == pytest.approx([0.164815, -0.01904])
    assert export_price(tariff, starts, market) == pytest.approx([0.096, -0.054])


def test_a_fixed_tariff_needs_no_market() -> None:
    tariff = read_tariff(energy(**{"import": {"adders": [{"name": "all", "per_kwh": 0.30}]}}))
    day = metered("2026-01-01", "2026-01-02", 10.0)
    assert bill(tariff, day).total == 72.00


def test_a_tariff_that_follows_the_market_says_when_it_has_no_prices() -> None:
    tariff = read_tariff(energy(**{"import": {"day_ahead": {"factor": 1.0}}}))
    with pytest.raises(ValueError, match="one price per step is needed"):
        bill(tariff, metered("2026-01-01", "2026-01-02", 10.0))


@pytest.mark.parametrize(
    ("first", "last", "cost"),
    [
        # The high rate holds from 6 to 22 but not on Sundays; both clock changes are Sundays.
        ("2026-03-29", "2026-03-30", 23 * 10 * 0.20),
        ("2026-10-25", "2026-10-26", 25 * 10 * 0.20),
        ("2026-11-04", "2026-11-05", 16 * 10 * 0.30 + 8 * 10 * 0.20),
    ],
)
def test_two_rates_follow_the_local_clock_on_days_of_23_and_25_hours(
    first: str, last: str, cost: float
) -> None:
    classes = [{"name": "high", "weekdays": ["0-5"], "hours": ["6-22"]}, {"name": "low"}]
    adder = {"name": "rate", "classes": classes, "per_kwh": {"high": 0.30, "low": 0.20}}
    tariff = read_tariff(energy(**{"import": {"adders": [adder]}}))
    assert bill(tariff, metered(first, last, 10.0)).total == pytest.approx(cost)


@pytest.mark.parametrize("step_s", [900, 1800, 3600])
def test_a_flat_load_costs_the_same_at_every_step(step_s: int) -> None:
    tariff = read_tariff(
        {
            **energy(**{"import": {"adders": [{"name": "all", "per_kwh": 0.1}]}}),
            "demand": [
                charge(window_min=minutes, name=str(minutes)) for minutes in (10, 15, 30, 60)
            ],
        }
    )
    day = metered("2026-03-29", "2026-03-30", 12.0, step_s=step_s)
    # 23 h x 12 kW x 0.10 = 27.60, and four times 12 kW x 1.00.
    assert bill(tariff, day).total == 75.60


def test_an_exported_kwh_earns_and_a_negative_price_costs() -> None:
    tariff = read_tariff(energy(export={"day_ahead": {"factor": 1.0}}))
    starts = instants("2026-06-01T12:00", "2026-06-01T12:30")
    windows = Metered.of(starts, np.zeros(2), np.array([10_000.0, 10_000.0]))
    assert bill(tariff, windows, np.array([0.08, 0.02])).total == -1.00
    assert bill(tariff, windows, np.array([-0.08, -0.02])).total == 1.00


def test_energy_without_a_price_is_said_and_not_billed() -> None:
    tariff = read_tariff(energy(**{"import": {"day_ahead": {"factor": 1.0}}}))
    windows = metered("2026-01-01T00:00", "2026-01-01T00:30", 40.0)
    result = bill(tariff, windows, np.array([0.10, np.nan]))
    assert (result.total, result.unpriced_import_wh) == (1.00, 10_000.0)


def test_each_month_has_its_own_lines_and_they_sum_to_the_total() -> None:
    tariff = read_tariff(
        {
            "tariff": {**HEAD, "vat_percent": 19},
            "energy": {"import": {"adders": [{"name": "a", "per_kwh": 0.0123}]}},
            "demand": [charge(rate_eur_per_kw=3.337)],
        }
    )
    windows = metered("2026-01-10", "2026-03-10", 17.3)
    result = bill(tariff, windows)
    months = ["2026-01", "2026-02", "2026-03"]
    assert [item.period for item in result.items] == months * 2
    assert round(result.total * 100) == sum(item.cents for item in result.items)
    assert result.total == pytest.approx(
        sum(item.net + item.vat for item in result.items), abs=0.04
    )


def test_windows_of_a_tracker_are_billed() -> None:
    start = datetime(2026, 5, 4, 10, tzinfo=UTC)
    windows = [
        Window(
            start=start + timedelta(minutes=15 * index),
            energy_wh=wh,
            covered_s=900.0,
            source=Source.COUNTER,
        )
        for index, wh in enumerate((2500.0, 5000.0))
    ]
    tariff = read_tariff({"tariff": HEAD, "demand": [charge()]})
    assert bill(tariff, Metered.from_windows(windows)).total == 20.00


@pytest.mark.parametrize(
    ("starts", "step_s"), [([0, 0], 900), ([0, 450], 900), ([0, 900], 700), ([0, 900, 1800], 900)]
)
def test_windows_that_are_off_the_clock_or_twice_there_are_refused(
    starts: list[int], step_s: int
) -> None:
    with pytest.raises(ValueError, match="windows"):
        Metered.of(np.array(starts, dtype=np.int64), np.zeros(2), step_s=step_s)


def test_an_unknown_window_is_left_out_and_negative_energy_is_none() -> None:
    windows = Metered.of(np.array([0, 900, 1800]), np.array([np.nan, -5.0, 2500.0]))
    assert windows.starts.tolist() == [900, 1800]
    assert windows.import_wh.tolist() == [0.0, 2500.0]


@pytest.mark.parametrize(
    ("step_s", "window_s", "expected"),
    [
        (900, 1800, {0: 15.0, 1800: 35.0}),
        (900, 3600, {0: 25.0}),
        (900, 600, {0: 10.0, 600: 15.0, 1200: 20.0, 1800: 30.0, 2400: 35.0, 3000: 40.0}),
        (900, 900, {0: 10.0, 900: 20.0, 1800: 30.0, 2700: 40.0}),
    ],
)
def test_means_are_taken_over_the_charges_own_windows(
    step_s: int, window_s: int, expected: dict[int, float]
) -> None:
    starts, means = np.arange(4) * step_s, np.array([10.0, 20.0, 30.0, 40.0])
    new_starts, new_means = resample(starts, means, step_s, window_s)
    assert dict(zip(new_starts.tolist(), new_means.tolist(), strict=True)) == expected


def test_a_longer_window_does_not_invent_what_is_missing_of_it() -> None:
    _, means = resample(np.array([0, 900, 2700]), np.full(3, 40.0), 900, 3600)
    assert means.tolist() == [30.0]


@pytest.mark.parametrize(
    ("pick", "kw"),
    [
        ({"op": "max"}, 40.0),
        ({"op": "mean_top", "n": 3}, 35.0),  # 40, 35, 30
        ({"op": "mean_top", "n": 3, "distinct": "hour"}, 30.0),  # 40, 30, 20
        ({"op": "mean_top", "n": 3, "distinct": "day"}, 70 / 3),  # 40, 20, 10
        ({"op": "mean_top", "n": 2, "distinct": "week"}, 25.0),  # 40, 10
        ({"op": "nth_top", "n": 3, "distinct": "hour"}, 20.0),
        ({"op": "nth_top", "n": 99, "distinct": "week"}, 10.0),
        ({"op": "sum_top", "n": 2, "distinct": "day"}, 60.0),
    ],
)
def test_a_pick_counts_as_its_name_says(pick: dict[str, object], kw: float) -> None:
    # Monday: 40 and 35 kW in one hour, 30 kW in another; Tuesday 20 kW; next Monday 10 kW.
    windows = metered(
        "2026-06-01",
        "2026-06-09",
        0.0,
        {
            "2026-06-01T10:00": 40.0,
            "2026-06-01T10:15": 35.0,
            "2026-06-01T15:00": 30.0,
            "2026-06-02T10:00": 20.0,
            "2026-06-08T10:00": 10.0,
        },
    )
    tariff = read_tariff({"tariff": HEAD, "demand": [charge(pick=pick)]})
    ((billed, _),) = demand_items(tariff, windows).values()
    assert billed == pytest.approx(kw)


def test_the_sum_of_hourly_excesses_counts_each_hour_once() -> None:
    # Above 20 kW: one hour with 30 and 35 kW (15 kW counts), another with 24 kW: 19 kW.
    windows = metered(
        "2026-06-01",
        "2026-06-02",
        5.0,
        {"2026-06-01T10:00": 30.0, "2026-06-01T10:15": 35.0, "2026-06-01T15:00": 24.0},
    )
    pick = {"op": "sum", "distinct": "hour"}
    tariff = read_tariff(
        {"tariff": HEAD, "demand": [charge(pick=pick, basis="excess", contract_kw=20)]}
    )
    assert demand_items(tariff, windows) == {("peak", "2026-06"): (19.0, 19.00)}


def test_a_rolling_year_is_billed_each_month() -> None:
    # 30 kW in January stays in the bill until December and is gone the January after.
    windows = metered("2026-01-01", "2027-02-01", 6.0, {"2026-01-09T10:00": 30.0})
    price = {"unit": "EUR/kW/year", "rates": 12}
    document = {**charge(period="rolling12m", price=price)}
    del document["rate_eur_per_kw"]
    items = demand_items(read_tariff({"tariff": HEAD, "demand": [document]}), windows)
    assert items["peak", "2026-12"] == (30.0, 30.00)
    assert items["peak", "2027-01"] == (6.0, 6.00)


def test_the_highest_of_twelve_months_is_billed_until_it_is_a_year_old() -> None:
    windows = metered("2026-01-01", "2027-02-01", 6.0, {"2026-01-09T10:00": 30.0})
    tariff = read_tariff({"tariff": HEAD, "demand": [charge(combine="max12")]})
    items = demand_items(tariff, windows)
    assert items["peak", "2026-12"] == (30.0, 30.00)
    assert items["peak", "2027-01"] == (6.0, 6.00)


def test_the_contract_is_billed_unless_the_peak_is_higher() -> None:
    price = {"unit": "EUR/kW/month", "rates": 2, "charge_on": "max_of_both"}
    document = charge(price=price, contract_kw=10)
    del document["rate_eur_per_kw"]
    tariff = read_tariff({"tariff": HEAD, "demand": [document]})
    windows = metered("2026-01-01", "2026-03-01", 6.0, {"2026-02-09T10:00": 30.0})
    assert [kw for kw, _ in demand_items(tariff, windows).values()] == [10.0, 30.0]


def test_exported_power_can_be_charged() -> None:
    starts = instants("2026-06-01T12:00", "2026-06-01T12:30")
    windows = Metered.of(starts, np.array([9e3, 9e3]), np.array([2500.0, 5000.0]))
    tariff = read_tariff({"tariff": HEAD, "demand": [charge(quantity="export_kw")]})
    assert demand_items(tariff, windows) == {("peak", "2026-06"): (20.0, 20.00)}


def test_a_load_at_its_contract_or_threshold_is_not_above_it_by_a_rounding_error() -> None:
    kw = 8.877262941434573
    hours = charge(basis="excess", contract_kw=kw, pick={"op": "hours"}, name="hours")
    step = charge(
        name="step",
        pick={"op": "mean_top", "n": 3},
        price={"unit": "EUR/month", "kind": "step", "rates": [[0, 1], [0.7, 2]]},
    )
    del step["rate_eur_per_kw"]
    tariff = read_tariff({"tariff": HEAD, "demand": [hours, step]})
    at_contract = Metered.of(np.array([0]), np.array([kw * 250.0 * (1 + 1e-15)]))
    assert demand_items(tariff, at_contract)["hours", "1970-01"] == (0.0, 0.0)
    # 0.6, 0.7 and 0.8 kW are 0.7 kW in the mean, though not in floating point.
    thirds = Metered.of(np.arange(3) * 900, np.array([150.0, 175.0, 200.0]))
    assert demand_items(tariff, thirds)["step", "1970-01"][1] == 2.00


def test_several_charges_add_up() -> None:
    windows = metered("2026-01-01", "2026-02-01", 6.0)
    tariff = read_tariff({"tariff": HEAD, "demand": [charge(name="a"), charge(name="b")]})
    assert bill(tariff, windows).total == 12.00


def test_windows_that_arrive_one_by_one_make_the_same_bill() -> None:
    windows = metered("2026-01-30", "2026-02-02", 6.0, {"2026-02-01T10:15": 30.0})
    documents = [
        charge(name="hour", window_min=60),
        charge(name="mean", window_min=30, pick={"op": "mean_top", "n": 3, "distinct": "day"}),
        charge(name="above", window_min=60, basis="excess", contract_kw=5, pick={"op": "rss"}),
    ]
    tariff = read_tariff({"tariff": HEAD, "demand": documents})
    book = DemandBook(tariff)
    for index in range(len(windows)):
        one = slice(index, index + 1)
        book.add(Metered.of(windows.starts[one], windows.import_wh[one]))
    assert list(book.costs()) == list(DemandBook(tariff, windows).costs())


def test_a_window_must_be_newer_than_those_before() -> None:
    tariff = read_tariff({"tariff": HEAD, "demand": [charge()]})
    day = metered("2026-01-01", "2026-01-02", 6.0)
    book = DemandBook(tariff, day)
    with pytest.raises(ValueError, match="order of time"):
        book.add(day)


def test_nothing_metered_costs_nothing() -> None:
    tariff = read_tariff({"tariff": HEAD, "demand": [charge()]})
    nothing = metered("2026-01-01", "2026-01-01")
    assert bill(tariff, nothing, zeros(nothing)).total == 0.0
