"""The options flow of tariff and planning: chosen, understood, refused in words."""

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.core.tariff import preset_names

from .options import answer, open_page, options_of, site_fixture  # noqa: F401 - a fixture
from .test_config_flow import suggested, told


async def test_a_preset_with_own_figures_is_shown_and_saved(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await open_page(hass, site, "tariff")
    assert {*options_of(result, "preset")} == {"none", "document", *preset_names()}
    own = {"preset": "nl_ms", "rate": 2.4, "contract_kw": 60.0}
    result = await answer(hass, result, own)
    assert result["step_id"] == "understood"
    assert "- monthly peak: 2.4 EUR/kW per month (15 min)" in told(result)["charges"]
    assert told(result)["prices"] == "? / ?"
    result = await answer(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.options == {"tariff": own}
    assert [each.name for each in site.runtime_data.tariff.demand] == [
        "contracted power",
        "monthly peak",
    ]
    assert suggested(await open_page(hass, site, "tariff")) == own


async def test_a_preset_that_does_not_fit_is_refused_in_words(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await open_page(hass, site, "tariff")
    result = await answer(hass, result, {"preset": "se_ellevio"})
    assert result["errors"] == {"base": "tariff_invalid"}
    assert "SEK" in told(result)["details"]
    result = await answer(hass, result, {"preset": "de_annual", "contract_kw": 5.0})
    assert "no contracted power" in told(result)["details"]
    result = await answer(hass, result, {"preset": "de_annual"})
    assert result["step_id"] == "understood"


async def test_an_own_document_begins_from_an_example_and_every_mistake_is_told(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    result = await answer(hass, await open_page(hass, site, "tariff"), {"preset": "document"})
    example = suggested(result)["document"]
    wrong = example.replace("window_min: 15", "window_min: 17").replace("adders", "adder")
    result = await answer(hass, result, {"document": wrong})
    assert result["errors"] == {"document": "tariff_invalid"}
    assert "demand[0].window_min" in told(result)["details"]
    assert "adder" in told(result)["details"]
    right = example.replace("rate_eur_per_kw: 0.0", "rate_eur_per_kw: 6.0")
    result = await answer(hass, result, {"document": right})
    assert told(result)["charges"] == "- monthly peak: 6 EUR/kW per period (15 min)"
    await answer(hass, result, {})
    assert site.options == {"tariff": {"document": right}}
    result = await open_page(hass, site, "tariff")
    assert suggested(result) == {"preset": "document"}


async def test_no_tariff_is_a_choice_too(hass: HomeAssistant, site: MockConfigEntry) -> None:
    hass.config_entries.async_update_entry(site, options={"tariff": {"preset": "de_annual"}})
    await hass.async_block_till_done()
    result = await answer(hass, await open_page(hass, site, "tariff"), {"preset": "none"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.options == {}
    assert site.runtime_data.tariff.demand == ()


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("efficiency", 40.0, "efficiency_out_of_range"),
        ("efficiency", 101.0, "efficiency_out_of_range"),
        ("wear", -0.1, "cost_out_of_range"),
        ("carbon_price", 1e6, "cost_out_of_range"),
    ],
)
async def test_what_a_plan_cannot_reckon_with_is_told_at_its_field(
    hass: HomeAssistant, site: MockConfigEntry, field: str, value: float, error: str
) -> None:
    result = await open_page(hass, site, "planning")
    right = suggested(result)
    result = await answer(hass, result, {**right, field: value})
    assert result["errors"] == {field: error}
    result = await answer(hass, result, right)
    assert site.options == {"planning": right}
