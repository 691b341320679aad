"""Savings, worked by hand: peaks shaved, energy moved, PV stored; sums to the cent."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import math
from pathlib import Path

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.ledger import IMPORT, QUARTER, Quarter
from custom_components.computeload.core.ledger_book import Book
from custom_components.computeload.core.ledger_keeper import LedgerKeeper
from custom_components.computeload.core.ledger_read import LedgerReader
from custom_components.computeload.core.savings import COLUMNS, Account, Record, Statement
from custom_components.computeload.core.tariff import (
    ItemKind,
    Metered,
    bill,
    import_price,
    load_preset,
)

from .savings_site import (
    BATTERY,
    energy_only,
    plain_record,
    quarter,
    quarters,
    record,
    tariff,
    written,
)
from .tariff_site import at

DAY = ("2026-03-02", "2026-03-03")
DAYS_OF_MARCH = [(f"2026-03-{n:02}", f"2026-03-{n + 1:02}") for n in range(1, 31)] + [
    ("2026-03-31", "2026-04-01")
]


def stated(account: Account, first: str, last: str) -> Statement:
    """Return the account of a span of local time."""
    (statement,) = account.statements([(at(first), at(last))])
    return statement


def of_day(told: Mapping[str, Mapping[str, float | None]], **usual: float | None) -> Statement:
    """Return the account of one day."""
    rows = list(quarters(*DAY, told, usual=usual))
    return stated(Account(tariff(), plain_record(rows), BATTERY), *DAY)


def test_a_shaved_peak_saves_its_kilowatts_at_the_rate() -> None:
    # 30 kW of load held to 22 kW: 8 kW x 10. The 2 kWh were worth 0.20, and wear 0.02 each.
    saved = of_day({"2026-03-02T10:00": {"load": 30.0, "battery": 8.0}}).saved
    assert saved.demand == 8 * 10_00
    assert saved.arbitrage == 2 * 20
    assert saved.wear == -2 * 2
    assert (saved.pv, saved.total) == (0, 80_00 + 40 - 4)


def test_a_peak_below_one_that_stands_saves_no_demand() -> None:
    saved = of_day(
        {
            "2026-03-02T09:00": {"load": 40.0},
            "2026-03-02T10:00": {"load": 30.0, "battery": 8.0},
        }
    ).saved
    assert saved.demand == 0


def test_the_batterys_own_charging_may_cost_demand() -> None:
    saved = of_day({"2026-03-02T03:00": {"battery": -15.0}}).saved
    assert saved.demand == -15 * 10_00


def test_arbitrage_is_what_moved_energy_gained() -> None:
    # 4 kWh taken at 0.05, 3.6 given at 0.30: 1.08 - 0.20, and wear of 3.6 x 0.02.
    # Another load makes the peak.
    statement = of_day(
        {
            "2026-03-02T03:00": {"battery": -16.0, "buy": 0.05},
            "2026-03-02T12:00": {"load": 40.0},
            "2026-03-02T18:00": {"load": 20.0, "battery": 14.4, "buy": 0.30},
        }
    )
    assert statement.saved.arbitrage == 108 - 20
    assert statement.saved.wear == -7
    assert statement.saved.demand == statement.saved.pv == 0
    assert statement.without.energy - statement.bill.energy == 88


def test_stored_surplus_gains_what_it_replaced_less_what_it_would_have_earned() -> None:
    # 4 kWh of surplus at 0.08 forgone, 3.6 kWh later replace 0.20 each.
    saved = of_day(
        {
            "2026-03-02T09:00": {"load": 40.0},
            "2026-03-02T12:00": {"load": 5.0, "pv": 21.0, "battery": -16.0},
            "2026-03-02T20:00": {"load": 20.0, "battery": 14.4},
        }
    ).saved
    assert saved.pv == 72 - 32
    assert (saved.arbitrage, saved.demand) == (0, 0)


def test_what_is_discharged_is_pv_in_the_share_that_is_stored() -> None:
    # 1 kWh of surplus and 3 kWh bought: a quarter of the 3.6 kWh x 0.20 is PV's.
    saved = of_day(
        {
            "2026-03-02T09:00": {"load": 40.0},
            "2026-03-02T12:00": {"load": 5.0, "pv": 9.0, "battery": -16.0},
            "2026-03-02T20:00": {"load": 20.0, "battery": 14.4},
        }
    ).saved
    assert saved.pv == 18 - 8
    assert saved.arbitrage == 54 - 60


def test_curtailed_feed_in_would_have_earned_nothing() -> None:
    row = quarter(round(at("2026-03-02T12:00").timestamp()), {"load": 5, "pv": 21, "battery": -16})
    limited = replace(row, without_export_wh=0.0)
    account = Account(tariff(), plain_record([limited]), BATTERY)
    assert stated(account, *DAY).saved.pv == 0


def test_charging_at_a_negative_price_is_a_gain() -> None:
    saved = of_day(
        {
            "2026-03-02T12:00": {"load": 40.0},
            "2026-03-02T14:00": {"battery": -16.0, "buy": -0.10, "sell": -0.10},
        }
    ).saved
    assert saved.arbitrage == 40


def test_without_control_nothing_is_saved() -> None:
    rows = [
        replace(q, without_import_wh=q.import_wh, without_export_wh=q.export_wh)
        for q in quarters(*DAY, {"2026-03-02T10:00": {"load": 30.0, "battery": 8.0}})
    ]
    statement = stated(Account(tariff(), plain_record(rows), BATTERY), *DAY)
    assert statement.saved.total == statement.saved.wear == 0
    assert statement.bill == statement.without
    assert statement.co2_saved_g == 0.0
    assert statement.coverage == 1.0


def test_co2_is_that_of_the_import_at_its_time() -> None:
    statement = of_day(
        {
            "2026-03-02T03:00": {"battery": -16.0, "co2": 100.0},
            "2026-03-02T18:00": {"load": 20.0, "battery": 14.4, "co2": 500.0},
        }
    )
    assert statement.co2_saved_g == pytest.approx(3.6 * 500.0 - 4.0 * 100.0)


def test_unpriced_quarters_are_in_no_money_and_lower_the_coverage() -> None:
    told = {f"2026-03-02T{h:02}:{m}": {"buy": None} for h in range(12) for m in ("00", "15")}
    statement = of_day(told)
    assert statement.bill.energy == 72 * 2.5 * 20
    assert statement.coverage == 72 / 96
    assert statement.priced


def test_a_site_without_any_price_has_no_energy_money() -> None:
    rows = list(quarters(*DAY, usual={"buy": None, "sell": None, "co2": None}))
    statement = stated(Account(energy_only(), plain_record(rows), BATTERY), *DAY)
    assert not statement.has_money
    assert statement.co2_saved_g is None
    assert statement.coverage == 0.0


def test_an_empty_ledger_has_an_account(tmp_path: Path) -> None:
    nothing = record(tmp_path, *DAY, [])
    statement = stated(Account(tariff(), nothing, None), *DAY)
    assert statement.bill.total == statement.saved.total == 0
    assert statement.coverage == 0.0
    assert Account(tariff(), nothing, None).billed(at("2026-03-02")) == []


def test_gaps_are_in_no_sum_and_lower_the_coverage(tmp_path: Path) -> None:
    rows = [q for q in quarters(*DAY) if not 8 <= q.start.hour < 14]
    statement = stated(Account(tariff(), record(tmp_path, *DAY, rows), BATTERY), *DAY)
    assert statement.bill.energy == 72 * 2.5 * 20
    assert statement.coverage == 72 / 96


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [("2026-03-29", "2026-03-30", 23), ("2026-10-25", "2026-10-26", 25)],
)
def test_days_of_23_and_25_hours_are_whole_days(first: str, last: str, hours: int) -> None:
    account = Account(tariff(), plain_record(list(quarters(first, last))), BATTERY)
    statement = stated(account, first, last)
    assert statement.bill.energy == hours * 10 * 20
    assert statement.coverage == 1.0


def month(seed: int = 3) -> list[Quarter]:
    """Return March with jobs, sun, a battery at work and prices that swing."""
    random = np.random.default_rng(seed)
    rows = []
    for q in quarters("2026-03-01", "2026-04-01"):
        hour = q.start.hour + q.start.minute / 60.0
        rows.append(
            quarter(
                round(q.start.timestamp()),
                {
                    "load": 12.0 + 15.0 * (random.random() < 0.1) + random.normal(),
                    "pv": max(math.sin((hour - 6.0) / 12.0 * math.pi), 0.0) * 18.0,
                    "battery": 6.0 * math.sin(hour / 4.0) + random.normal(),
                    "buy": 0.2131 + 0.1 * math.sin(hour / 5.0) + random.normal() / 30.0,
                    "sell": 0.0713 + random.normal() / 30.0,
                },
            )
        )
    return rows


@pytest.fixture(name="march", scope="module")
def march_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a ledger that holds a month."""
    folder = tmp_path_factory.mktemp("march")
    written(folder, month())
    return folder / "site.db"


def march_account(march: Path) -> Account:
    """Return its account."""
    history = LedgerReader(march).history(COLUMNS, at("2026-03-01"), at("2026-04-01"))
    return Account(tariff(13.57), Record.of(history), BATTERY)


def test_days_add_up_to_their_month_to_the_cent(march: Path) -> None:
    whole, *days = march_account(march).statements(
        (at(first), at(last)) for first, last in [("2026-03-01", "2026-04-01"), *DAYS_OF_MARCH]
    )
    for name in ("demand", "arbitrage", "pv", "wear", "total"):
        assert sum(getattr(day.saved, name) for day in days) == getattr(whole.saved, name), name
    for side in ("bill", "without"):
        assert sum(getattr(day, side).energy for day in days) == getattr(whole, side).energy
        assert sum(getattr(day, side).demand for day in days) == getattr(whole, side).demand
    assert sum(day.co2_saved_g or 0.0 for day in days) == pytest.approx(whole.co2_saved_g)


def test_the_split_adds_up_to_the_difference_of_the_bills_less_wear(march: Path) -> None:
    whole = stated(march_account(march), "2026-03-01", "2026-04-01")
    parts = whole.saved
    assert parts.total == parts.demand + parts.arbitrage + parts.pv + parts.wear
    assert parts.total == whole.without.total - whole.bill.total + parts.wear
    assert parts.demand
    assert parts.pv
    assert parts.wear < 0


def test_a_month_matches_the_ledger_to_the_cent(march: Path) -> None:
    totals = LedgerReader(march).totals(at("2026-03-01"), at("2026-04-01"))
    whole = stated(march_account(march), "2026-03-01", "2026-04-01")
    assert whole.bill.energy == round((totals.cost - totals.income) * 100)
    assert whole.without.energy == round(totals.without_cost * 100)


def test_months_add_up_to_the_year(march: Path) -> None:
    account = march_account(march)
    spans = [("2026-01-01", "2027-01-01"), ("2026-03-01", "2026-04-01")]
    year, only = account.statements((at(a), at(b)) for a, b in spans)
    assert year.saved == only.saved
    assert year.bill == only.bill


def test_a_running_day_is_the_day_so_far(march: Path) -> None:
    account = march_account(march)
    so_far = stated(account, "2026-03-14", "2026-03-14T13:15")
    rest = stated(account, "2026-03-14T13:15", "2026-03-15")
    assert so_far.saved.total + rest.saved.total == (
        stated(account, "2026-03-14", "2026-03-15").saved.total
    )


@pytest.mark.parametrize("name", ["nl_ms", "be_flanders_lv", "de_annual", "es_30td", "se_ellevio"])
def test_the_bill_is_that_of_the_tariff(name: str) -> None:
    """Each line of the tariff's bill is rounded: so many half cents apart at most."""
    preset = load_preset(name)
    rows = [
        q for q in quarters("2026-01-01", "2026-03-01", usual={"load": 17.3}) if q.start.day % 3
    ]
    plain = plain_record(rows)
    market = 0.08 + 0.05 * np.sin(np.arange(len(rows)) / 11.0)
    priced = replace(
        plain, price_import=import_price(preset, plain.starts, market), price_export=market
    )
    statement = stated(Account(preset, priced), "2026-01-01", "2026-03-01")
    expected = bill(preset, Metered.of(plain.starts, plain.import_wh, plain.export_wh), market)
    assert statement.bill.demand == round(expected.of(ItemKind.DEMAND) * 100)
    lines = len(expected.items)
    assert abs(statement.bill.total - round(expected.total * 100)) <= lines / 2 + 2


def test_the_lower_price_sheet_changes_the_energy_price_too() -> None:
    preset = load_preset("de_annual_sheets")
    rows = list(quarters(*DAY, {"2026-03-02T10:00": {"load": 900.0}}))
    plain = plain_record(rows)
    priced = replace(plain, price_import=import_price(preset, plain.starts, np.full(96, 0.1)))
    statement = stated(Account(preset, priced), *DAY)
    expected = bill(preset, Metered.of(plain.starts, plain.import_wh), np.full(96, 0.1))
    assert abs(statement.bill.total - round(expected.total * 100)) <= 2


def test_the_billed_peaks_are_those_of_the_running_periods() -> None:
    rows = list(quarters("2026-02-20", "2026-03-03", {"2026-02-21T10:00": {"load": 50.0}}))
    account = Account(tariff(), plain_record(rows), BATTERY)
    (peak,) = account.billed(at("2026-03-02T12:00"))
    assert (peak.name, peak.label, peak.billed, peak.cents) == ("peak", "2026-03", 10.0, 100_00)
    (before,) = account.billed(at("2026-02-22"))
    assert (before.label, before.billed) == ("2026-02", 50.0)


def test_an_unknown_counterfactual_is_no_saving_either_way() -> None:
    rows = [
        replace(q, without_import_wh=None, without_export_wh=None)
        for q in quarters(*DAY, {"2026-03-02T10:00": {"load": 30.0, "battery": 8.0}})
    ]
    statement = stated(Account(tariff(), plain_record(rows), BATTERY), *DAY)
    assert statement.saved.total == 0
    assert statement.coverage == 0.0


maybe = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32))
told = st.fixed_dictionaries(
    {
        "load": st.floats(0, 1e4),
        "pv": st.floats(0, 1e4),
        "battery": st.floats(-1e4, 1e4),
        "buy": maybe,
        "sell": maybe,
        "co2": maybe,
    }
)


@settings(max_examples=50, deadline=None)
@given(st.lists(told, min_size=1, max_size=8), st.integers(0, 8))
def test_whatever_is_recorded_the_parts_are_whole_cents_that_add_up(
    rows: list[Mapping[str, float | None]], cut: int
) -> None:
    start = round(at("2026-03-29T00:00").timestamp())
    listed = [quarter(start + 900 * n, each) for n, each in enumerate(rows)]
    with np.errstate(over="ignore"):
        account = Account(tariff(), plain_record(listed), BATTERY)
        first = datetime.fromtimestamp(start, UTC)
        middle, last = first + min(cut, len(rows)) * QUARTER, first + len(rows) * QUARTER
        whole, one, two = account.statements([(first, last), (first, middle), (middle, last)])
    assert whole.saved.total == whole.without.total - whole.bill.total + whole.saved.wear
    assert one.saved.total + two.saved.total == whole.saved.total
    assert all(isinstance(part, int) for part in (whole.saved.total, whole.bill.total))
    assert whole.co2_saved_g is None or math.isfinite(whole.co2_saved_g)


def test_resets_restarts_and_clock_steps_invent_no_energy_and_no_peak(tmp_path: Path) -> None:
    """Two hours at 20 kW by a meter that is reset, a clock that steps, and two restarts."""
    started = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    clock, counter_wh, steady_s = started, 5e6, 0.0
    keeper, book = LedgerKeeper(tmp_path / "site.db", UTC), Book(plausible_w=100_000.0)
    keeper.open(clock)
    for second in range(0, 7200 + 120, 10):
        if second == 1500:
            counter_wh = 0.0
        if second == 2700:
            clock -= timedelta(minutes=7)
        if second == 4000:
            clock += timedelta(minutes=7)
        if second in (3300, 5000):
            keeper.keep(book.finished(clock), book.to_state(), clock)
            keeper.close()
            keeper, book = LedgerKeeper(tmp_path / "site.db", UTC), Book(plausible_w=100_000.0)
            book.restore(keeper.open(clock))
            steady_s = -second
        book.sample(IMPORT, clock, steady_s + second, 20_000.0, counter_wh)
        keeper.keep(book.finished(clock), book.to_state(), clock)
        clock += timedelta(seconds=10)
        counter_wh += 20_000.0 / 360.0
    keeper.close()
    rows = [
        replace(q, price_import=0.20)
        for q in keeper.reader.quarters(started, started + timedelta(hours=3))
    ]
    until = started + timedelta(hours=3)
    file = LedgerKeeper(tmp_path / "site.db", UTC)
    file.amend(rows, until)
    history = file.reader.history(COLUMNS, started, until)
    file.close()
    account = Account(tariff(), Record.of(history), BATTERY)
    (statement,) = account.statements([(started, until)])
    assert statement.bill.demand <= 20 * 10_00 + 1, "no window above what was drawn"
    true_cents = (7200 + 120) / 3600 * 20 * 20
    assert 0.75 * true_cents <= statement.bill.energy <= true_cents
