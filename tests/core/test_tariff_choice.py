"""A tariff from what a user fills into a form."""

import numpy as np
import pytest

from custom_components.computeload.core.tariff import TariffError, choose_tariff, import_price

BERLIN = {"timezone": "Europe/Berlin", "currency": "EUR"}
NOON = np.array([1_780_000_200], dtype=np.int64)
MARKET = np.array([0.10])


def test_without_a_choice_the_market_price_is_the_price() -> None:
    tariff = choose_tariff(None, **BERLIN)
    assert not tariff.demand
    assert import_price(tariff, NOON, MARKET)[0] == pytest.approx(0.10)


def test_a_preset_is_taken_as_it_is() -> None:
    tariff = choose_tariff({"preset": "de_annual"}, **BERLIN)
    assert [charge.name for charge in tariff.demand] == ["annual peak"]
    assert import_price(tariff, NOON, MARKET)[0] == pytest.approx(0.10 + 0.0272)


def test_own_figures_take_the_place_of_a_presets() -> None:
    own = {"preset": "nl_ms", "rate": 2.4, "contract_kw": 60.0, "import_adder": 0.05}
    tariff = choose_tariff(own, **BERLIN)
    contract, peak = tariff.demand
    assert contract.contract_kw == {"all": 60.0}
    assert peak.sheet(None).price.rates == ((0.0, 2.4),)
    assert import_price(tariff, NOON, MARKET)[0] == pytest.approx(0.15)


def test_the_site_lends_its_zone_and_currency_to_a_document() -> None:
    text = "demand: [{window_min: 15, period: month, rate_eur_per_kw: 6}]"
    tariff = choose_tariff({"document": text}, **BERLIN)
    assert str(tariff.calendar.zone) == "Europe/Berlin"
    assert tariff.currency == "EUR"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"preset": "atlantis"}, "is not a preset"),
        ({"preset": "at_2027_draft", "rate": "x"}, "rates"),
        ({"preset": "de_annual", "contract_kw": 5.0}, "no contracted power"),
        ({"preset": "se_ellevio"}, "SEK"),
        ({"document": "- 1"}, "must begin with"),
        ({"document": "tariff: {currency: SEK}"}, "currency of this site"),
        ({"document": "tariff: 7"}, "tariff"),
        ({"document": "energie: {}"}, "energie"),
    ],
)
def test_a_mistake_is_told_in_words(choice: dict[str, object], words: str) -> None:
    with pytest.raises(TariffError, match=words):
        choose_tariff(choice, **BERLIN)
