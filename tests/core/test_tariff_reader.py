"""A tariff document is read, or refused with the path and a remedy for each mistake."""

from pathlib import Path
import re
from typing import Any

import pytest

from custom_components.computeload.core.tariff import (
    ItemKind,
    TariffError,
    bill,
    parse_tariff,
    preset_names,
    read_tariff,
)

from .tariff_site import BERLIN, demand_items, metered, zeros

PEAK: dict[str, Any] = {
    "name": "peak",
    "window_min": 15,
    "period": "month",
    "price": {"unit": "EUR/kW/month", "rates": 6.0},
}


def problems(document: object) -> tuple[str, ...]:
    with pytest.raises(TariffError) as error:
        read_tariff(document)
    return error.value.problems


def charge(**changes: object) -> dict[str, Any]:
    return {"demand": [{**PEAK, **changes}]}


def price(**changes: object) -> dict[str, Any]:
    return charge(price={**PEAK["price"], **changes})


def test_an_empty_document_is_a_tariff_that_costs_nothing() -> None:
    tariff = read_tariff({})
    windows = metered("2026-01-01", "2026-01-02", 10.0)
    assert bill(tariff, windows).total == 0.0


def test_the_short_form_of_a_backtest_site_is_read() -> None:
    tariff = read_tariff(
        {
            "tariff": {"timezone": "Europe/Amsterdam"},
            "energy": {"import_adder_eur_per_kwh": 0.06, "export_adder_eur_per_kwh": -0.005},
            "demand": [{"window_min": 15, "period": "month", "rate_eur_per_kw": 6.0}],
        }
    )
    windows = metered("2026-01-01", "2026-01-02", 10.0, zone="Europe/Amsterdam")
    result = bill(tariff, windows, zeros(windows) + 0.10)
    # 240 kWh x (0.10 + 0.06) = 38.40; 10 kW x 6.00 = 60.00.
    assert (result.of(ItemKind.ENERGY), result.of(ItemKind.DEMAND)) == (38.40, 60.00)


def test_a_charge_may_be_a_preset_with_the_sites_own_contract_and_rates() -> None:
    tariff = read_tariff(
        {"demand": [{"preset": "nl_ms", "contract_kw": 50, "rates": {"monthly peak": 2.0}}]}
    )
    assert tariff.calendar.zone.key == "Europe/Amsterdam"
    windows = metered("2026-01-01", "2026-01-02", 10.0)
    # 50 x 13.95 / 12 = 58.125; 10 x 2 = 20.
    assert [amount for _, amount in demand_items(tariff, windows).values()] == [58.12, 20.00]


def test_a_preset_brings_its_currency_and_vat_but_the_site_keeps_its_time_zone() -> None:
    tariff = read_tariff(
        {"tariff": {"timezone": "Europe/Oslo"}, "demand": [{"preset": "se_ellevio"}]}
    )
    assert (tariff.currency, tariff.vat_percent) == ("SEK", 25.0)
    assert tariff.calendar.zone.key == "Europe/Oslo"


def test_prices_that_include_vat_cost_what_they_say() -> None:
    head = {"vat_percent": 21, "vat_included": True, "timezone": BERLIN}
    windows = metered("2026-01-01", "2026-01-02", 10.0)
    assert bill(read_tariff({"tariff": head, **charge()}), windows).total == 60.00
    head["vat_included"] = False
    assert bill(read_tariff({"tariff": head, **charge()}), windows).total == 72.60


def test_classes_may_be_shared_by_name() -> None:
    tariff = read_tariff(
        {
            "classes": {"tou": [{"name": "day", "hours": ["7-19"]}]},
            "energy": {
                "import": {"adders": [{"name": "g", "classes": "tou", "per_kwh": {"day": 0.1}}]}
            },
            **charge(classes="tou"),
        }
    )
    assert tariff.demand[0].classes == tariff.energy_import.adders[0].classes


def test_yaml_is_read_by_the_rules_of_today() -> None:
    tariff = parse_tariff(
        """
        tariff: {country: NO, currency: NOK}
        demand:
          - {name: a, window_min: 60, period: month, price: {unit: NOK/kW/month, rates: 50},
             classes: [{name: day, hours: [6:30-22]}]}
        """
    )
    assert tariff.country == "NO"
    assert tariff.demand[0].classes[0].minutes == ((390, 1320),)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            charge(pick={"op": "maks"}),
            (
                "demand[0].pick.op: 'maks' is not known; use one of "
                "max, mean_top, nth_top, sum_top, rss, sum, hours"
            ),
        ),
        ({"energi": {}}, "energi: this key is not known here; did you mean 'energy'?"),
        (
            charge(windows=1),
            "demand[0].windows: this key is not known here; did you mean 'window_min'?",
        ),
        (charge(window_min=20), "demand[0].window_min: 20 is not known; use one of 10, 15, 30, 60"),
        (
            charge(period="weekly"),
            (
                "demand[0].period: 'weekly' is not known; use one of "
                "month, year, rolling12m, contract_year"
            ),
        ),
        (
            price(unit="EUR/kWh"),
            (
                "demand[0].price.unit: 'EUR/kWh' is not known here; use one of "
                "EUR/kW/year, EUR/kW/month, EUR/kW/day, EUR/kW"
            ),
        ),
        (price(rates=-1), "demand[0].price.rates: '-1' is outside 0 to 1e+07"),
        (price(rates=float("nan")), "demand[0].price.rates: 'nan' is not a number"),
        (price(rates=10**400), "demand[0].price.rates: 'a huge number' is not a number"),
        (price(rates=True), "demand[0].price.rates: 'True' is not a number"),
        (
            price(rates=[[0, 1], [5, 2]]),
            ("demand[0].price.rates: a linear price has one rate; use kind: block or kind: step"),
        ),
        (
            price(rates=[[1, 1]], kind="block"),
            "demand[0].price.rates: the first threshold must be 0",
        ),
        (
            price(rates=[[0, 1], [0, 2]], kind="block"),
            "demand[0].price.rates: the thresholds must rise",
        ),
        (
            price(rates=[[0, 9], [2, 8]], kind="step", unit="EUR/month"),
            "demand[0].price.rates: the amounts of a step price must not fall",
        ),
        (
            price(class_factor={"all": 2}),
            "demand[0].price: class_factor needs pick: {op: ..., per: class}",
        ),
        (price(charge_on="contract"), "demand[0].price: needs contract_kw beside it"),
        (
            price(at_threshold="upper"),
            ("demand[0].price.at_threshold: only a step price has it; use upper or lower"),
        ),
        (charge(basis="excess"), "demand[0].basis: needs contract_kw beside it"),
        (
            charge(pick={"op": "mean_top"}),
            "demand[0].pick: 'n' is missing: of how many windows is mean_top?",
        ),
        (
            charge(pick={"op": "max", "n": 3}),
            "demand[0].pick.n: max counts no windows; leave n out",
        ),
        (
            charge(pick={"op": "max", "distinct": "day"}),
            ("demand[0].pick.distinct: makes no difference to max; leave it out"),
        ),
        (
            charge(combine="mean12", period="year"),
            ("demand[0].combine: only a period of month can be combined over twelve"),
        ),
        (
            charge(start_month=4),
            "demand[0].start_month: only a period of contract_year has a start month",
        ),
        (
            charge(rate_eur_per_kw=3),
            ("demand[0]: exactly one of price, price_select, rate_eur_per_kw belongs here"),
        ),
        (
            charge(classes=[{"name": "a", "hours": ["25-26"]}]),
            'demand[0].classes[0].hours[0]: \'25-26\' is not a span like "16:30-18:45" or "22-6"',
        ),
        (
            charge(classes=[{"name": "a", "weekdays": ["5-9"]}]),
            (
                "demand[0].classes[0].weekdays[0]: '5-9' is not a number or range within 0-6; "
                "a range goes upwards"
            ),
        ),
        (
            charge(classes=[{"name": "a", "not_days": ["02-30..03-01"]}]),
            (
                "demand[0].classes[0].not_days[0]: '02-30..03-01' is not a span of days like "
                '"12-24..01-01"'
            ),
        ),
        (
            charge(classes=[{"name": "a"}], contract_kw={"b": 1}),
            "demand[0].contract_kw.b: this key is not known here; known are a",
        ),
        (
            charge(classes="tou"),
            "demand[0].classes: 'tou' is not among the tariff's shared classes",
        ),
        (
            {"demand": [{"preset": "nl"}]},
            "demand[0].preset: 'nl' is not a preset; use one of " + ", ".join(preset_names()),
        ),
        (
            {"demand": [{"preset": "de_annual", "contract_kw": 5}]},
            "demand[0].contract_kw: this preset has no contracted power; leave it out",
        ),
        (
            {"demand": [{"preset": "de_annual", "rates": {"x": 5}}]},
            "demand[0].rates.x: the preset has no such charge; it has annual peak",
        ),
        ({"demand": [PEAK, PEAK]}, "demand: two charges are named 'peak'; give each its own name"),
        (
            {"tariff": {"timezone": "Mars/Phobos"}},
            "tariff.timezone: 'Mars/Phobos' is not a time zone like Europe/Berlin",
        ),
        (
            {"tariff": {"country": False}},
            "tariff.country: 'False' stands where a text belongs; write it in quotes",
        ),
        (
            {"tariff": {"currency": "euro"}},
            "tariff.currency: 'euro' is not a currency code like EUR",
        ),
        (
            {"tariff": {"holidays": ["1.5.2026"]}},
            "tariff.holidays[0]: '1.5.2026' is not a date like 2026-12-31",
        ),
        (
            {"tariff": {"valid_from": "2026-01-01", "valid_to": "2025-01-01"}},
            "tariff.valid_to: 2025-01-01 is before valid_from, 2026-01-01",
        ),
        ({"energy": {"import": {"day_ahead": {}}}}, "energy.import.day_ahead: 'factor' is missing"),
        (
            {"energy": {"import": {"adders": [{"name": "x", "per_kwh": "ten"}]}}},
            "energy.import.adders[0].per_kwh: 'ten' is not a number",
        ),
        ([], "a list stands where a mapping belongs"),
    ],
)
def test_a_mistake_is_a_sentence_with_its_path(document: object, expected: str) -> None:
    assert problems(document) == (expected,)


def test_all_mistakes_are_told_at_once() -> None:
    document = {
        "tariff": {"timezone": "Nowhere", "country": "XX"},
        "energy": {"import": {"taxes": 3}},
        "demand": [{**PEAK, "window_min": 7}, {**PEAK, "basis": "all"}],
    }
    paths = [problem.split(":")[0] for problem in problems(document)]
    assert paths == [
        *("tariff.country", "tariff.timezone", "energy.import.taxes"),
        *("demand[0].window_min", "demand[1].basis"),
    ]


def test_a_preset_in_another_currency_is_refused() -> None:
    (problem,) = problems({"tariff": {"currency": "EUR"}, "demand": [{"preset": "no_elvia"}]})
    assert problem.startswith("demand[0].preset: its rates are in NOK, the tariff is in EUR;")


def test_the_examples_of_the_documentation_are_tariffs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tariffs.md").read_text("utf-8")
    examples = re.findall(r"```yaml\n(tariff:.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert parse_tariff(example).demand


def test_the_documentation_lists_every_preset() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tariffs.md").read_text("utf-8")
    assert [name for name in preset_names() if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("demand: [", "line 1: not readable as YAML"),
        ("a: &x 1\nb: *x", "line 1: anchors"),
        ("a: &x [1]\nb: *x", "line 1: anchors"),
        ("tariff: {}\ntariff: {}", "line 2: 'tariff' stands here twice"),
        ("? [a]\n: 1", "line 1: only plain words can be keys"),
        ("[" * 5000, "not readable as YAML"),
        ("x" * 70_000, "longer than 65536 characters"),
        ("\x00", "not readable as YAML"),
    ],
)
def test_text_that_is_no_document_is_refused_with_its_line(text: str, expected: str) -> None:
    with pytest.raises(TariffError) as error:
        parse_tariff(text)
    assert error.value.problems[0].startswith(expected)
