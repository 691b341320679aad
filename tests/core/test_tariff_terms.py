"""What one more kW costs: the planner's terms and the controller's states."""

from datetime import UTC, datetime
import math
from typing import Any

import numpy as np
import pytest

from custom_components.computeload.core.tariff import (
    DemandBook,
    DemandTerm,
    Metered,
    already_paid_w,
    bill,
    charge_states,
    demand_terms,
    load_preset,
    read_tariff,
)
from custom_components.computeload.core.tariff.calendar import Instants
from custom_components.computeload.core.tariff.metered import Floats, resample

from .tariff_site import BERLIN, at, later, metered, zeros

HEAD = {"timezone": BERLIN, "country": "DE"}


def tariff_book(history: Metered, *charges: dict[str, Any], **head: object) -> DemandBook:
    document = {"tariff": dict[str, object](HEAD) | head, "demand": list(charges)}
    return DemandBook(read_tariff(document), history)


def charge(**keys: object) -> dict[str, Any]:
    known: dict[str, Any] = {"name": "peak", "window_min": 15, "period": "month"}
    rate: dict[str, Any] = {} if "price" in keys else {"rate_eur_per_kw": 6.0}
    return known | rate | keys


def term_cost(terms: tuple[DemandTerm, ...], starts: Instants, grid_kw: Floats) -> float:
    """Return what the terms add to a plan's cost, by their definition."""
    cost = 0.0
    for term in terms:
        windows, means = resample(starts, grid_kw, 900, term.window_s)
        weights = term.weights[np.searchsorted(starts, windows)]
        cost += term.rate_eur_per_kw * max(0.0, max(weights * means) - term.floor_w / 1000.0)
    return cost


def true_cost(book: DemandBook, history: Metered, starts: Instants, grid_kw: Floats) -> float:
    """Return how much the plan raises the bill of the periods that it touches."""
    joined = Metered.of(
        np.concatenate([history.starts, starts]),
        np.concatenate([history.import_wh, np.maximum(grid_kw, 0.0) * 250.0]),
        np.concatenate([history.export_wh, np.maximum(-grid_kw, 0.0) * 250.0]),
    )
    return (
        bill(book.tariff, joined, zeros(joined)).total
        - bill(book.tariff, history, zeros(history)).total
    )


HISTORY = metered("2026-06-01", "2026-06-10", 5.0, {"2026-06-04T10:00": 20.0})


def test_up_to_the_months_peak_nothing_more_is_paid() -> None:
    (term,) = demand_terms(tariff_book(HISTORY, charge()), later("2026-06-10", 24))
    assert (term.floor_w, term.rate_eur_per_kw, term.window_s) == (20_000.0, 6.0, 900)
    assert term.weights.tolist() == [1.0] * 96
    assert term.resets_at == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_a_new_month_starts_from_nothing() -> None:
    book = tariff_book(HISTORY, charge())
    first, second = demand_terms(book, later("2026-06-30T12:00", 24))
    assert (first.floor_w, second.floor_w) == (20_000.0, 0.0)
    assert first.weights.sum() == second.weights.sum() == 48
    assert not np.any(first.weights * second.weights)


CLASSES = [
    {"name": "day", "weekdays": ["0-4"], "hours": ["8-20"]},
    {"name": "night", "hours": ["22-6"], "weight": 0.5},
]
EXACT = {
    "max": charge(),
    "of the year": charge(period="year"),
    "masked and weighted": charge(classes=CLASSES),
    "hourly": charge(window_min=60),
    "with a floor": charge(floor_kw=30),
    "above a contract": charge(basis="excess", contract_kw=12),
    "contract or peak": charge(
        contract_kw=25,
        price={"unit": "EUR/kW/month", "rates": 2, "charge_on": "max_of_both"},
    ),
    "rising blocks": charge(
        price={"unit": "EUR/kW/month", "kind": "block", "rates": [[0, 2], [10, 3], [30, 7]]}
    ),
    "each class by itself": charge(
        classes=[*CLASSES, {"name": "rest"}],
        pick={"op": "max", "per": "class"},
        price={
            "unit": "EUR/kW/year",
            "rates": 12,
            "class_factor": {"day": 3, "night": 1, "rest": 0.5},
        },
    ),
    "export": charge(quantity="export_kw"),
    "sum of hours": charge(basis="excess", contract_kw=15, pick={"op": "sum", "distinct": "hour"}),
    "sum of windows": charge(basis="excess", contract_kw=15, pick={"op": "sum"}),
}


@pytest.mark.parametrize("document", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("seed", range(3))
def test_terms_cost_what_the_bill_will_say(document: dict[str, Any], seed: int) -> None:
    book = tariff_book(HISTORY, document, vat_percent=19)
    starts = later("2026-06-10", 36)
    grid_kw = np.random.default_rng(seed).normal(15.0, 15.0, len(starts))
    terms = demand_terms(book, starts)
    # The true cost is a difference of amounts rounded to the cent.
    expected = true_cost(book, HISTORY, starts, grid_kw)
    assert term_cost(terms, starts, grid_kw) == pytest.approx(expected, abs=0.04)


def test_a_mean_of_days_charges_one_day_exactly_and_several_not_too_little() -> None:
    history = metered(
        "2026-06-01",
        "2026-06-10",
        5.0,
        {f"2026-06-0{day}T10:00": 10.0 + day for day in range(1, 8)},
    )
    document = charge(pick={"op": "mean_top", "n": 3, "distinct": "day"})
    book = tariff_book(history, document)
    starts = later("2026-06-10", 48)
    today, tomorrow = demand_terms(book, starts)
    # The three highest so far: 17, 16, 15 kW.
    assert today.floor_w == tomorrow.floor_w == 15_000.0
    assert today.rate_eur_per_kw == pytest.approx(2.0)
    grid_kw = np.full(len(starts), 5.0)
    grid_kw[40] = 40.0
    one_day = true_cost(book, history, starts, grid_kw)
    assert term_cost((today, tomorrow), starts, grid_kw) == pytest.approx(one_day, abs=0.02)
    grid_kw[140] = 40.0
    two_days = true_cost(book, history, starts, grid_kw)
    assert term_cost((today, tomorrow), starts, grid_kw) >= two_days


def test_todays_own_peak_is_its_floor_while_days_are_still_missing() -> None:
    history = metered("2026-06-01", "2026-06-02T12:00", 5.0, {"2026-06-02T10:00": 12.0})
    document = charge(pick={"op": "mean_top", "n": 3, "distinct": "day"})
    today, tomorrow = demand_terms(tariff_book(history, document), later("2026-06-02T12:00", 24))
    assert (today.floor_w, tomorrow.floor_w) == (12_000.0, 0.0)


def test_flanders_spreads_a_peak_over_twelve_bills_and_still_charges_all_of_it() -> None:
    history = metered("2026-01-01", "2026-06-10", 1.0, {"2026-06-04T10:00": 6.0})
    (term,) = demand_terms(
        DemandBook(load_preset("be_flanders_lv"), history), later("2026-06-10", 24)
    )
    # Twelve bills, each with a twelfth of the peak at a twelfth of 49.4036563.
    assert term.floor_w == pytest.approx(6000.0)
    assert term.rate_eur_per_kw == pytest.approx(49.4036563 / 12)


def test_flanders_leaves_the_first_2_5_kw_of_a_month_free() -> None:
    history = metered("2026-01-01", "2026-06-10", 1.0)
    (term,) = demand_terms(
        DemandBook(load_preset("be_flanders_lv"), history), later("2026-06-10", 24)
    )
    assert term.floor_w == pytest.approx(2500.0)


def test_a_band_is_free_up_to_just_below_the_next_and_reaches_its_jump_at_its_end() -> None:
    # Elvia: three days of 6 kW are in the band from 5 to 10 kW. The next one, up to 15 kW,
    # costs 1584 NOK a year more, the one after 1632.
    history = metered(
        "2026-09-01",
        "2026-09-10",
        1.0,
        {f"2026-09-0{day}T08:00": 6.0 for day in (2, 3, 4)},
        zone="Europe/Oslo",
        step_s=3600,
    )
    book = DemandBook(load_preset("no_elvia"), history)
    terms = demand_terms(book, later("2026-09-10", 12, "Europe/Oslo"))
    first = min(terms, key=lambda term: term.floor_w)
    # One day must lift the mean of three from 6 to 9.9 kW: by 3 x 3.9 from 6 kW.
    assert first.floor_w == pytest.approx((6.0 + 3 * 3.9) * 1000.0)
    # 1584 / 12 x 1.25 over 5 kW, a third of it per kW of one day.
    assert first.rate_eur_per_kw == pytest.approx(1584 / 12 * 1.25 / 5 / 3)


def test_a_root_of_squares_has_no_free_peak_but_the_contract() -> None:
    history = metered("2026-01-01", "2026-01-14", 90.0, zone="Europe/Madrid")
    book = DemandBook(load_preset("es_30td"), history)
    terms = demand_terms(book, later("2026-01-14T10:00", 1, "Europe/Madrid"))
    (term,) = terms
    assert term.floor_w == 100_000.0
    # An hour of 10 kW above is sqrt(4) x 10 = 20: two for one.
    assert term.rate_eur_per_kw == pytest.approx(1.4064 * 2)


def test_apparent_power_is_planned_as_active_power() -> None:
    history = metered("2026-04-01", "2026-04-02", 50.0, zone="Europe/London")
    (term,) = demand_terms(
        DemandBook(load_preset("uk_duos"), history), later("2026-04-02", 6, "Europe/London")
    )
    # 100 kVA at 0.95 are 95 kW; each kW above is 1/0.95 kVA x 0.05 x 30 days.
    assert term.floor_w == pytest.approx(95_000.0)
    assert term.rate_eur_per_kw == pytest.approx(0.05 * 30 / 0.95)
    assert term.window_s == 1800


def test_power_outside_all_windows_is_free() -> None:
    book = DemandBook(load_preset("de_hlzf"), metered("2026-01-01", "2026-01-05", 20.0))
    assert demand_terms(book, later("2026-01-05T13:30", 3)) == ()
    assert len(demand_terms(book, later("2026-01-05T13:30", 4))) == 1


def test_a_contract_alone_gives_no_term() -> None:
    book = DemandBook(load_preset("nl_ms"), metered("2026-01-01", "2026-01-05", 20.0))
    assert [term.name for term in demand_terms(book, later("2026-01-05", 1))] == ["monthly peak"]


def test_two_sheets_are_planned_by_the_full_load_hours_so_far() -> None:
    steps = later("2022-02-01", 1)
    flat = DemandBook(load_preset("de_annual_sheets"), metered("2022-01-01", "2022-02-01", 50.0))
    assert demand_terms(flat, steps)[0].rate_eur_per_kw == pytest.approx(128.55)
    assert flat.full_load_hours(at("2022-02-01")) == pytest.approx(8760.0)
    spiky = DemandBook(
        load_preset("de_annual_sheets"),
        metered("2022-01-01", "2022-02-01", 5.0, {"2022-01-10T10:00": 100.0}),
    )
    assert demand_terms(spiky, steps)[0].rate_eur_per_kw == pytest.approx(36.73)


def test_the_controller_learns_what_a_window_may_draw_for_nothing() -> None:
    day, night = CLASSES
    book = tariff_book(HISTORY, charge(classes=[day, night]), charge(name="all", period="year"))
    masked, yearly = charge_states(book, at("2026-06-10T23:10"))
    # The night counts half: 20 kW by day is paid, so 40 kW is free now.
    assert (masked.already_paid_w, masked.weight, masked.eur_per_kw) == (40_000.0, 0.5, 3.0)
    assert masked.resets_at == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert yearly.already_paid_w == 20_000.0
    assert yearly.resets_at == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert already_paid_w((masked, yearly)) == 20_000.0


def test_where_no_charge_looks_everything_is_free() -> None:
    book = tariff_book(HISTORY, charge(classes=CLASSES))
    (state,) = charge_states(book, at("2026-06-10T21:00"))
    assert (state.already_paid_w, state.eur_per_kw, state.weight) == (math.inf, 0.0, 0.0)
    assert already_paid_w((state,)) == math.inf


def test_an_export_charge_does_not_limit_import() -> None:
    book = tariff_book(HISTORY, charge(quantity="export_kw"))
    (state,) = charge_states(book, at("2026-06-10T12:00"))
    assert state.weight == -1.0
    assert already_paid_w((state,)) == math.inf
