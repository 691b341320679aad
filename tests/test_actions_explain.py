"""The action that explains a billed peak, over a site's own ledger."""

from dataclasses import replace

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import CONF_TARIFF
from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.core.ledger import Channel, Flow, Quarter, Role

from .test_actions import async_call
from .test_savings import MONTHLY, month_start, rows, runtime_fixture  # noqa: F401

RACK = Channel(Role.BRANCH, "pdu")


def with_rack(row: Quarter) -> Quarter:
    """Return a quarter with the branch of a rack: all of the load but 2 kW."""
    rack_wh = (row.load_wh or 0.0) - 500.0
    return replace(row, flows={**row.flows, RACK: Flow(rack_wh)}, target_w=15_000.0)


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, runtime: SiteRuntime) -> SiteRuntime:
    """Return the site with a month in its ledger."""
    past = [with_rack(row) for row in rows(runtime, days=15)]
    await hass.async_add_executor_job(runtime.ledger._keeper.bring_in, past, runtime.clock.now())
    return runtime


async def test_a_peak_is_explained(
    hass: HomeAssistant, site: SiteRuntime, still_site: MockConfigEntry
) -> None:
    answer = await async_call(hass, "explain_peak", charge="peak")
    assert answer["currency"] == "EUR"
    (peak,) = answer["peaks"]
    assert (peak["charge"], peak["billed"], peak["cost"]) == ("peak", 22.0, 220.0)
    assert peak["period"] == f"{month_start(site):%Y-%m}"
    rack, rest = peak["parts"]
    assert (rack["power_kw"], rack["usual_kw"], rack["above_usual_kw"]) == (28.0, 8.0, 20.0)
    assert rack["share_of_load_percent"] == pytest.approx(93.3)
    assert (rack["share_of_rise_percent"], rest["share_of_rise_percent"]) == (100.0, 0.0)
    assert rack["could_have_avoided_it"]
    assert (rest["name"], rest["power_kw"]) == (None, 2.0)
    assert peak["battery"]["power_kw"] == 8.0
    assert peak["battery"]["reason"] == "plan"
    assert peak["avoided_by"]["down_to_kw"] == 10.0
    assert peak["avoided_by"]["more_kw"] == 12.0
    assert peak["avoided_by"]["more_kwh"] == 3.0
    assert peak["avoided_by"]["saves"] == 120.0


async def test_all_charges_are_explained_at_once(hass: HomeAssistant, site: SiteRuntime) -> None:
    answer = await async_call(hass, "explain_peak")
    assert [each["charge"] for each in answer["peaks"]] == ["peak", "capacity"]


async def test_a_charge_that_does_not_exist_is_named(
    hass: HomeAssistant, site: SiteRuntime
) -> None:
    with pytest.raises(ServiceValidationError, match=r"charge: energy cannot be used.*capacity"):
        await async_call(hass, "explain_peak", charge="energy")


async def test_a_period_without_windows_is_named(hass: HomeAssistant, site: SiteRuntime) -> None:
    with pytest.raises(ServiceValidationError, match=r"period: 1999-01 cannot be used"):
        await async_call(hass, "explain_peak", period="1999-01")


async def test_an_empty_ledger_is_said(hass: HomeAssistant, runtime: SiteRuntime) -> None:
    with pytest.raises(HomeAssistantError, match="ledger"):
        await async_call(hass, "explain_peak")


async def test_a_tariff_without_charges_for_power_is_said(
    hass: HomeAssistant, site: SiteRuntime, still_site: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(
        still_site, options={CONF_TARIFF: {"document": MONTHLY.partition("demand:")[0]}}
    )
    await hass.async_block_till_done()
    with pytest.raises(HomeAssistantError, match="charges nothing for metered power"):
        await async_call(hass, "explain_peak")
