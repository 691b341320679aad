"""Each shipped tariff against its published rule, worked by hand in the comments."""

import numpy as np
import pytest

from custom_components.computeload.core.tariff import (
    Bill,
    ItemKind,
    Metered,
    Tariff,
    bill,
    import_price,
    load_preset,
    preset_names,
    read_tariff,
)

from .tariff_site import demand_items, instants, metered, zeros


def billed(name: str, windows: Metered) -> Bill:
    return bill(load_preset(name), windows, zeros(windows))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_where_its_rates_are_from_and_that_the_invoice_is_right(
    name: str,
) -> None:
    tariff = load_preset(name)
    assert tariff.id == name
    assert tariff.source
    assert "rates are examples, the invoice is the truth" in tariff.note
    assert tariff.valid_from is not None
    assert tariff.demand


def test_de_annual_bills_the_highest_quarter_of_the_calendar_year_and_each_kwh() -> None:
    # 50 kW all year, one quarter of 80 kW at 2022-06-15 10:00.
    # Power: 80 kW x 128.55 EUR/kW = 10284.00 EUR.
    # Energy: 8760 h x 50 kW + 30 kW x 0.25 h = 438007.5 kWh x 0.0272 = 11913.804 EUR.
    year = metered("2022-01-01", "2023-01-01", 50.0, {"2022-06-15T10:00": 80.0})
    result = billed("de_annual", year)
    assert result.of(ItemKind.DEMAND) == pytest.approx(10284.00)
    assert result.of(ItemKind.ENERGY, "grid") == pytest.approx(11913.80, abs=0.06)


def test_de_annual_starts_a_new_peak_with_the_local_new_year() -> None:
    # 23:30 UTC on 31 December is already 2023 in Germany.
    windows = metered("2022-12-31T12:00", "2023-01-01T12:00", 10.0, {"2023-01-01T00:30": 30.0})
    assert demand_items(load_preset("de_annual"), windows) == {
        ("annual peak", "2022"): (10.0, 1285.50),
        ("annual peak", "2023"): (30.0, 3856.50),
    }


def test_de_annual_sheets_take_the_sheet_of_the_full_load_hours() -> None:
    # 10 kW flat, one quarter of 80 kW: 8760 x 10 + 70 x 0.25 = 87617.5 kWh.
    # 87617.5 / 80 = 1095 h < 2500 h: 80 x 36.73 = 2938.40, 87617.5 x 0.064 = 5607.52.
    few = metered("2022-01-01", "2023-01-01", 10.0, {"2022-06-15T10:00": 80.0})
    result = billed("de_annual_sheets", few)
    assert result.of(ItemKind.DEMAND) == pytest.approx(2938.40)
    assert result.of(ItemKind.ENERGY, "annual peak energy") == pytest.approx(5607.52)
    # 50 kW flat: 438007.5 kWh / 80 kW = 5475 h: 80 x 128.55 = 10284, 438007.5 x 0.0272.
    many = metered("2022-01-01", "2023-01-01", 50.0, {"2022-06-15T10:00": 80.0})
    result = billed("de_annual_sheets", many)
    assert result.of(ItemKind.DEMAND) == pytest.approx(10284.00)
    assert result.of(ItemKind.ENERGY, "annual peak energy") == pytest.approx(11913.80)


def test_de_annual_sheets_judge_a_running_year_by_its_hours_so_far() -> None:
    # Flat load runs at 8760 full load hours, also in January.
    january = metered("2022-01-01", "2022-02-01", 20.0)
    assert billed("de_annual_sheets", january).of(ItemKind.DEMAND) == pytest.approx(20 * 128.55)


def test_de_monthly_bills_each_month_by_itself() -> None:
    # January: 40 kW x 19.85 = 794.00. February: 25 kW x 19.85 = 496.25.
    windows = metered("2025-01-01", "2025-03-01", 25.0, {"2025-01-20T08:15": 40.0})
    assert demand_items(load_preset("de_monthly"), windows) == {
        ("monthly peak", "2025-01"): (40.0, 794.00),
        ("monthly peak", "2025-02"): (25.0, 496.25),
    }


def test_de_hlzf_sees_only_working_days_inside_the_windows() -> None:
    # 20 kW base. Outside: before 10:45, from 13:30 on, on a Saturday, on Good Friday, on
    # 28 December, in July.
    windows = metered(
        "2026-01-01",
        "2027-01-01",
        20.0,
        {
            "2026-01-07T10:30": 90.0,
            "2026-01-07T13:30": 90.0,
            "2026-01-10T11:00": 90.0,
            "2026-04-03T12:15": 90.0,
            "2026-12-28T17:00": 90.0,
            "2026-07-08T11:00": 90.0,
            "2026-02-11T18:30": 60.0,
        },
    )
    # The last one is inside (16:30-18:45, a Wednesday in winter): 60 x 148.82 = 8929.20.
    items = demand_items(load_preset("de_hlzf"), windows)
    assert list(items.values()) == [(60.0, 8929.20)]


def test_nl_ms_adds_contract_and_monthly_peak() -> None:
    # March: 100 kW x 13.95 / 12 = 116.25; 62.4 kW x 1.53 = 95.472 -> 95.47.
    # Energy: 743 h (a clock change) x 30 kW + 32.4 x 0.25 = 22298.1 kWh x 0.0093 = 207.37.
    windows = metered(
        "2015-03-01", "2015-04-01", 30.0, {"2015-03-10T09:00": 62.4}, zone="Europe/Amsterdam"
    )
    tariff = load_preset("nl_ms")
    assert demand_items(tariff, windows) == {
        ("contracted power", "2015-03"): (100.0, 116.25),
        ("monthly peak", "2015-03"): (62.4, 95.47),
    }
    assert bill(tariff, windows, zeros(windows)).of(ItemKind.ENERGY) == 207.37


def test_be_flanders_bills_a_twelfth_of_the_mean_of_twelve_peaks_of_at_least_2_5_kw() -> None:
    # Peaks: January 8 kW, February 1 kW (counts as 2.5), March 6 kW.
    # March: mean (8 + 2.5 + 6) / 3 = 5.5 kW x 49.4036563 / 12 = 22.64334 EUR.
    windows = metered(
        "2026-01-01",
        "2026-04-01",
        1.0,
        {"2026-01-15T18:00": 8.0, "2026-03-15T18:00": 6.0},
        zone="Europe/Brussels",
    )
    items = demand_items(load_preset("be_flanders_lv"), windows)
    assert items["mean monthly peak", "2026-01"] == (8.0, 32.94)
    assert items["mean monthly peak", "2026-02"] == (5.25, 21.61)
    assert items["mean monthly peak", "2026-03"] == (5.5, 22.64)


def test_be_flanders_forgets_a_peak_after_twelve_months() -> None:
    # January 2026 has 14.5 kW, every other month 2.5 kW. December: (14.5 + 11 x 2.5) / 12 =
    # 3.5 kW. In January 2027 the peak has left: 2.5 kW.
    windows = metered(
        "2026-01-01", "2027-02-01", 2.5, {"2026-01-15T18:00": 14.5}, zone="Europe/Brussels"
    )
    items = demand_items(load_preset("be_flanders_lv"), windows)
    assert items["mean monthly peak", "2026-12"] == (3.5, 14.41)
    assert items["mean monthly peak", "2027-01"] == (2.5, 10.29)


def test_fr_hta_bills_subscription_and_root_of_squared_excesses_by_class() -> None:
    # Subscribed 100 kW in all classes: 14.41 x 100 / 12 = 120.08 each month.
    # Thursday 15 January 2026: two 10-minute means above at 08:00 and 08:10 (class P, 30 and
    # 40 kW) and one at 12:00 (HPH, 20 kW); a Sunday one at 12:00 (HCH, 10 kW).
    # P: 0.04 x 14.41 x sqrt(30^2 + 40^2) = 28.82. HPH: 0.04 x 14.41 x 20 = 11.528.
    # HCH: 0.04 x 14.41 x 10 = 5.764.
    windows = metered(
        "2026-01-01",
        "2026-02-01",
        80.0,
        {
            "2026-01-15T08:00": 130.0,
            "2026-01-15T08:10": 140.0,
            "2026-01-15T12:00": 120.0,
            "2026-01-18T12:00": 110.0,
        },
        zone="Europe/Paris",
        step_s=600,
    )
    items = demand_items(load_preset("fr_hta"), windows)
    assert items["subscribed power P", "2026-01"] == (100.0, 120.08)
    assert items["excess P", "2026-01"] == pytest.approx((50.0, 28.82))
    assert items["excess HPH", "2026-01"] == pytest.approx((20.0, 11.53))
    assert items["excess HCH", "2026-01"] == pytest.approx((10.0, 5.76))
    assert items["excess HCB", "2026-01"] == (0.0, 0.0)


def test_fr_bt36_bills_each_hour_above_the_subscription() -> None:
    # 60 kVA subscribed; three 10-minute means above: half an hour x 12.41 EUR/h = 6.205.
    # Subscription 60 x 17.61 / 12 = 88.05.
    windows = metered(
        "2026-05-01",
        "2026-06-01",
        40.0,
        {"2026-05-05T10:00": 61.0, "2026-05-05T10:10": 90.0, "2026-05-06T10:00": 61.0},
        zone="Europe/Paris",
        step_s=600,
    )
    items = demand_items(load_preset("fr_bt36"), windows)
    assert items["hours above", "2026-05"] == pytest.approx((0.5, 6.205), abs=0.006)
    assert items["subscribed power HPH", "2026-05"] == (60.0, 88.05)


@pytest.mark.parametrize(
    ("name", "k_p2", "contract_p1"), [("es_30td", 0.873773, 88.72), ("es_61td", 1.0, 177.04)]
)
def test_es_bills_the_root_of_squared_excesses_of_each_period(
    name: str, k_p2: float, contract_p1: float
) -> None:
    # January, high season. Wednesday 14th: 10:00 is P1, 15:00 is P2, 03:00 is P6.
    # P1: excesses 30 and 40 kW -> 1 x 1.4064 x 50 = 70.32.
    # P2: 20 kW -> K2 x 1.4064 x 20. P6 (6 January, a national holiday): 10 kW.
    # Contract P1: 100 kW x price / 12.
    windows = metered(
        "2026-01-01",
        "2026-02-01",
        80.0,
        {
            "2026-01-14T10:00": 130.0,
            "2026-01-14T10:15": 140.0,
            "2026-01-14T15:00": 120.0,
            "2026-01-06T10:00": 110.0,
        },
        zone="Europe/Madrid",
    )
    items = demand_items(load_preset(name), windows)
    k_p6 = {"es_30td": 0.107572, "es_61td": 0.026371}[name]
    assert items["excess P1", "2026-01"] == pytest.approx((50.0, 70.32))
    assert items["excess P2", "2026-01"][1] == pytest.approx(k_p2 * 1.4064 * 20, abs=0.005)
    assert items["excess P6", "2026-01"][1] == pytest.approx(k_p6 * 1.4064 * 10, abs=0.005)
    assert items["contracted power P1", "2026-01"] == (100.0, contract_p1)


@pytest.mark.parametrize(
    ("when", "period"),
    [
        ("2026-03-11T10:00", "P2"),  # medium high season, peak hours
        ("2026-03-11T16:00", "P3"),
        ("2026-06-10T10:00", "P3"),
        ("2026-06-10T22:30", "P4"),
        ("2026-05-13T10:00", "P4"),
        ("2026-05-13T08:30", "P5"),
        ("2026-05-13T03:00", "P6"),
        ("2026-05-16T10:00", "P6"),  # a Saturday
    ],
)
def test_es_periods_follow_season_and_hour(when: str, period: str) -> None:
    tariff = load_preset("es_30td")
    day, month = when[:10], when[:7]
    windows = metered(day, f"{day}T23:45", 50.0, {when: 200.0}, zone="Europe/Madrid")
    items = demand_items(tariff, windows)
    above = [name for (name, _), (kw, _) in items.items() if name.startswith("excess") and kw]
    assert above == [f"excess {period}"]
    assert (f"excess {period}", month) in items


def test_it_bills_the_peak_of_each_month_at_a_twelfth_of_the_yearly_price() -> None:
    # 45 kW x 30 / 12 = 112.50.
    windows = metered(
        "2026-02-01", "2026-03-01", 12.0, {"2026-02-17T16:45": 45.0}, zone="Europe/Rome"
    )
    assert list(demand_items(load_preset("it_bta6"), windows).values()) == [(45.0, 112.50)]


def test_at_today_bills_the_peak_of_the_year() -> None:
    # 33 kW x 82.92 = 2736.36.
    windows = metered(
        "2026-01-01", "2027-01-01", 12.0, {"2026-02-17T16:45": 33.0}, zone="Europe/Vienna"
    )
    assert list(demand_items(load_preset("at_ne7"), windows).values()) == [(33.0, 2736.36)]


def test_at_2027_bills_two_blocks_and_at_least_a_fifth_of_the_contract() -> None:
    # 25 kW: 10 x 4.00 + 15 x 6.00 = 130.00. A month of 0.5 kW: the floor of 2 kW x 4 = 8.00.
    windows = metered(
        "2027-01-01", "2027-03-01", 0.5, {"2027-01-17T16:45": 25.0}, zone="Europe/Vienna"
    )
    items = demand_items(load_preset("at_2027_draft"), windows)
    assert items["monthly peak", "2027-01"] == (25.0, 130.00)
    assert items["monthly peak", "2027-02"] == (2.0, 8.00)
    # With 50 kW contracted the floor is 10 kW: 40.00.
    changed = read_tariff({"demand": [{"preset": "at_2027_draft", "contract_kw": 50}]})
    assert demand_items(changed, windows)["monthly peak", "2027-02"] == (10.0, 40.00)


def stockholm(tariff: Tariff, peaks: dict[str, float]) -> tuple[float, float]:
    windows = metered("2025-03-01", "2025-04-01", 2.0, peaks, zone="Europe/Stockholm", step_s=3600)
    (item,) = demand_items(tariff, windows).values()
    return item


def test_se_ellevio_takes_three_days_and_halves_the_night() -> None:
    # 3 March: 12 kW and 11 kW (one day: only 12 counts). 4 March: 9 kW. 5 March: 16 kW at
    # 23:00, which counts 8. Mean (12 + 9 + 8) / 3 = 29/3 kW x 81.25 = 785.42 SEK with VAT.
    peaks = {
        "2025-03-03T08:00": 12.0,
        "2025-03-03T09:00": 11.0,
        "2025-03-04T08:00": 9.0,
        "2025-03-05T23:00": 16.0,
    }
    assert stockholm(load_preset("se_ellevio"), peaks) == pytest.approx((29 / 3, 785.42))


def test_se_goteborg_takes_three_days_at_full_weight() -> None:
    # Mean (12 + 9 + 16) / 3 = 37/3 kW x 45 = 555.00 SEK with VAT.
    peaks = {"2025-03-03T08:00": 12.0, "2025-03-04T08:00": 9.0, "2025-03-05T23:00": 16.0}
    assert stockholm(load_preset("se_goteborg"), peaks) == pytest.approx((37 / 3, 555.00))


@pytest.mark.parametrize(
    ("third", "kw", "yearly_nok"),
    [
        (6.0, 9.0, 4032.0),  # (12 + 9 + 6) / 3 = 9 kW: band 5-10
        (9.0, 10.0, 5616.0),  # exactly 10 kW belongs to the band that it opens
        (8.97, 9.99, 4032.0),
    ],
)
def test_no_elvia_pays_the_band_of_the_mean_of_three_days(
    third: float, kw: float, yearly_nok: float
) -> None:
    windows = metered(
        "2026-09-01",
        "2026-10-01",
        1.0,
        {"2026-09-02T08:00": 12.0, "2026-09-03T08:00": 9.0, "2026-09-04T03:00": third},
        zone="Europe/Oslo",
        step_s=3600,
    )
    # A twelfth of the yearly amount, plus 25 % VAT.
    (item,) = demand_items(load_preset("no_elvia"), windows).values()
    assert item == pytest.approx((kw, yearly_nok / 12 * 1.25), abs=0.005)


def test_no_elvia_has_a_day_price_on_working_days() -> None:
    # Thursday 17 September, Saturday 19th; Constitution Day, 17 May 2027, is a Monday.
    starts = np.concatenate(
        [
            instants(day, f"{day[:10]}T{hour + 1:02}:00", zone="Europe/Oslo", step_s=3600)
            for day, hour in (
                ("2026-09-17T06:00", 6),
                ("2026-09-17T22:00", 22),
                ("2026-09-19T12:00", 12),
                ("2027-05-17T12:00", 12),
            )
        ]
    )
    price = import_price(load_preset("no_elvia"), starts, np.zeros(4))
    assert price / 1.25 == pytest.approx([0.2899, 0.1699, 0.1699, 0.1699])


def test_dk_radius_bills_the_highest_hour_of_the_year() -> None:
    # Quarters of 100, 60, 60, 60 kW are an hour of 70 kW x 150 DKK = 10500.
    windows = metered(
        "2025-11-04",
        "2025-11-05",
        60.0,
        {"2025-11-04T10:15": 100.0},
        zone="Europe/Copenhagen",
    )
    (item,) = demand_items(load_preset("dk_radius"), windows).values()
    assert item == pytest.approx((70.0, 10500.00))


def test_uk_duos_bills_capacity_each_day_and_the_months_excess_on_all_days() -> None:
    # April has 30 days: 100 kVA x 0.05 x 30 = 150.00. The highest half hour is 110 and
    # 118 kW, 114 kW, or 120 kVA at a power factor of 0.95: 20 x 0.05 x 30 = 30.00.
    windows = metered(
        "2025-04-01",
        "2025-05-01",
        50.0,
        {"2025-04-09T16:00": 110.0, "2025-04-09T16:15": 118.0},
        zone="Europe/London",
    )
    items = demand_items(load_preset("uk_duos"), windows)
    assert items["agreed capacity", "2025-04"] == (100.0, 150.00)
    assert items["exceeded capacity", "2025-04"] == pytest.approx((20.0, 30.00))


def test_uk_duos_prefers_the_meters_own_apparent_power() -> None:
    windows = metered("2025-04-01", "2025-04-02", 50.0, zone="Europe/London")
    kva = np.full(len(windows), 130.0)
    kva[:50] = np.nan
    known = Metered.of(windows.starts, windows.import_wh, import_kva=kva)
    items = demand_items(load_preset("uk_duos"), known)
    assert items["exceeded capacity", "2025-04"][0] == pytest.approx(30.0)


def test_uk_duos_has_red_amber_and_green_hours() -> None:
    starts = instants("2025-04-09T15:30", "2025-04-09T16:30", zone="Europe/London", step_s=1800)
    price = import_price(load_preset("uk_duos"), starts, np.array([0.05, -0.02]))
    assert price == pytest.approx([0.06, 0.08])
