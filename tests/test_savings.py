"""The accounts inside Home Assistant: from a ledger on disk to entities, over restarts."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import CONF_TARIFF
from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.core.ledger import Quarter
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.window import window_start
from custom_components.computeload.observing import observing
from custom_components.computeload.savings import SavingsCoordinator, shadow_store
from custom_components.computeload.savings_sensors import billed_names, savings_sensors

from .common import async_wait_for
from .core.savings_site import quarter

MONTHLY = """
energy:
  import_adder_eur_per_kwh: 0.0
  export_adder_eur_per_kwh: 0.0
demand:
  - {name: peak, window_min: 15, period: month, rate_eur_per_kw: 10.0}
  - {name: capacity, window_min: 15, period: month, quantity: import_kva, rate_eur_per_kw: 1.0}
"""
SAVINGS = ("today", "this_month", "this_year")


class Stopped:
    """A clock that shows one moment."""

    def __init__(self, at: datetime) -> None:
        """Stop at a moment."""
        self.at = at.astimezone(UTC)

    def now(self) -> datetime:
        """Return the wall clock."""
        return self.at

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never steps."""
        return self.at.timestamp()


def month_start(runtime: SiteRuntime) -> datetime:
    """Return when the site's month began."""
    zone = runtime.tariff.calendar.zone
    now = runtime.clock.now().astimezone(zone)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def rows(
    runtime: SiteRuntime, *, days: int = 0, commanded: bool = True, priced: bool = True
) -> list[Quarter]:
    """Return the month so far: 10 kW, and yesterday a peak of 30 kW of which a battery took 8.

    ``days``: begin so many days earlier.
    """
    start = month_start(runtime) - timedelta(days=days)
    end = window_start(runtime.clock.now())
    peak = (end - timedelta(days=1)).timestamp()
    found = []
    for at_s in range(round(start.timestamp()), round(end.timestamp()), 900):
        told = {"load": 30.0, "battery": 8.0} if at_s == peak else {}
        row = quarter(at_s, told if priced else {**told, "buy": None, "sell": None, "co2": None})
        if not commanded:
            row = replace(row, reason=Reason.OFF, commands=0)
        found.append(replace(row, without_import_wh=None, without_export_wh=None, soc=0.5))
    return found


async def accounted(
    hass: HomeAssistant, runtime: SiteRuntime, quarters: Iterable[Quarter]
) -> SiteRuntime:
    """Put quarters into the site's ledger, and work its accounts out."""
    keep = runtime.ledger._keeper.bring_in
    await hass.async_add_executor_job(keep, list(quarters), runtime.clock.now())
    await runtime.savings.async_refresh()
    await hass.async_block_till_done()
    return runtime


@pytest.fixture(name="runtime")
async def runtime_fixture(hass: HomeAssistant, still_site: MockConfigEntry) -> SiteRuntime:
    """Return the still site with a tariff that charges for peaks."""
    hass.config_entries.async_update_entry(
        still_site, options={**still_site.options, CONF_TARIFF: {"document": MONTHLY}}
    )
    await hass.async_block_till_done()
    runtime: SiteRuntime = still_site.runtime_data
    return runtime


def state_of(hass: HomeAssistant, name: str) -> str:
    """Return the state of one of the site's sensors."""
    state = hass.states.get(f"sensor.lab_{name}")
    assert state is not None, name
    return state.state


async def test_before_a_quarter_is_over_nothing_is_claimed(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await still_site.runtime_data.savings.async_refresh()
    assert {state_of(hass, f"saved_{span}") for span in SAVINGS} == {STATE_UNKNOWN}


async def test_a_shaved_peak_shows_as_money(hass: HomeAssistant, runtime: SiteRuntime) -> None:
    await accounted(hass, runtime, rows(runtime))
    # 8 kW x (10 + 1 / 0.95...) of demand, 2 kWh x 0.20, less 2 kWh x 0.02 of wear.
    statement = runtime.savings.data.month
    assert statement is not None
    assert float(state_of(hass, "saved_this_month")) == statement.saved.total / 100
    assert float(state_of(hass, "saved_this_month_by_lower_peaks")) > 80.0
    assert state_of(hass, "saved_this_month_by_buying_at_other_times") == "0.4"
    assert state_of(hass, "saved_this_month_by_storing_pv") == "0.0"
    assert state_of(hass, "battery_wear_this_month") == "-0.04"
    assert state_of(hass, "saved_today") == "0.0"
    assert state_of(hass, "saved_this_year") == state_of(hass, "saved_this_month")
    assert float(state_of(hass, "co2_saved_this_month")) == pytest.approx(0.8)
    assert state_of(hass, "savings_coverage_this_month") == "100.0"


async def test_money_says_since_when_it_counts(hass: HomeAssistant, runtime: SiteRuntime) -> None:
    await accounted(hass, runtime, rows(runtime))
    state = hass.states.get("sensor.lab_saved_this_month")
    assert state is not None
    assert dt_util.parse_datetime(state.attributes["last_reset"]) == month_start(runtime)
    assert state.attributes["unit_of_measurement"] == "EUR"
    assert state.attributes["state_class"] == "total"


async def test_the_bill_so_far_matches_the_ledger_to_the_cent(
    hass: HomeAssistant, runtime: SiteRuntime
) -> None:
    await accounted(hass, runtime, rows(runtime))
    totals = await hass.async_add_executor_job(
        runtime.ledger.reader.totals, month_start(runtime), runtime.clock.now()
    )
    energy = float(state_of(hass, "bill_this_month_energy"))
    demand = float(state_of(hass, "bill_this_month_peaks"))
    assert energy == round(totals.cost - totals.income, 2)
    assert float(state_of(hass, "bill_this_month")) == pytest.approx(energy + demand)
    assert state_of(hass, "billed_so_far_peak") == "22.0"
    assert float(state_of(hass, "billed_so_far_capacity")) >= 22.0


async def test_accounts_follow_each_quarter_by_themselves(
    hass: HomeAssistant, runtime: SiteRuntime
) -> None:
    past = rows(runtime)
    keep = runtime.ledger._keeper.bring_in
    await hass.async_add_executor_job(keep, past, runtime.clock.now())
    with patch("custom_components.computeload.savings.APART_S", 0.0):
        for listener in tuple(runtime.ledger._listeners):
            listener([])
        await async_wait_for(lambda: runtime.savings.data.month is not None)
    assert float(state_of(hass, "bill_this_month")) > 0.0


async def test_a_day_that_has_just_begun_starts_at_nothing(
    hass: HomeAssistant, runtime: SiteRuntime
) -> None:
    midnight = runtime.clock.now().astimezone(runtime.tariff.calendar.zone)
    midnight = midnight.replace(hour=0, minute=0, second=0, microsecond=0)
    await accounted(hass, runtime, [q for q in rows(runtime) if q.start < midnight])
    runtime.clock = Stopped(midnight + timedelta(seconds=5))
    await runtime.savings.async_refresh()
    await hass.async_block_till_done()
    state = hass.states.get("sensor.lab_saved_today")
    assert state is not None
    assert state.state == "0.0"
    assert dt_util.parse_datetime(state.attributes["last_reset"]) == midnight


async def test_what_would_have_been_is_in_the_ledger(
    hass: HomeAssistant, runtime: SiteRuntime
) -> None:
    await accounted(hass, runtime, rows(runtime))
    ages = month_start(runtime), runtime.clock.now()
    kept = await hass.async_add_executor_job(lambda: list(runtime.ledger.reader.quarters(*ages)))
    assert max(q.without_import_wh or 0.0 for q in kept) == 7_500.0
    assert all(q.without_import_wh is not None for q in kept)


async def test_accounts_survive_a_restart(
    hass: HomeAssistant, runtime: SiteRuntime, still_site: MockConfigEntry
) -> None:
    await accounted(hass, runtime, rows(runtime))
    before = runtime.savings.data
    await hass.config_entries.async_reload(still_site.entry_id)
    again: SiteRuntime = still_site.runtime_data
    await again.savings.async_refresh()
    assert again.savings is not runtime.savings
    assert again.savings.data.year is not None
    assert before.year is not None
    assert again.savings.data.year.saved == before.year.saved
    assert again.savings.data.year.bill == before.year.bill
    assert again.savings.data.billed == before.billed


async def test_a_site_without_price_and_tariff_says_unknown(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime: SiteRuntime = still_site.runtime_data
    await accounted(hass, runtime, rows(runtime, priced=False))
    for name in ("saved_this_month", "bill_this_month", "co2_saved_this_month"):
        assert state_of(hass, name) == STATE_UNKNOWN
    assert state_of(hass, "savings_coverage_this_month") == "0.0"


async def test_a_site_without_battery_has_a_bill_and_no_savings(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime: SiteRuntime = still_site.runtime_data
    runtime.devices.clear()
    keys = {each.entity_description.key for each in savings_sensors(runtime)}
    spans = ("bill_month", "bill_year")
    bills = {f"{span}{part}" for span in spans for part in ("", "_energy", "_demand")}
    assert keys == {"savings_coverage", *bills}


async def test_a_ledger_that_cannot_be_read_leaves_the_last_accounts(
    hass: HomeAssistant, runtime: SiteRuntime
) -> None:
    await accounted(hass, runtime, rows(runtime))
    before = runtime.savings.data
    runtime.ledger.reader.path = runtime.ledger.reader.path.with_name("nowhere.db")
    await runtime.savings.async_refresh()
    assert runtime.savings.data is before
    assert runtime.savings.last_update_success


async def test_a_day_without_control_has_a_shadow(
    hass: HomeAssistant, runtime: SiteRuntime, still_site: MockConfigEntry
) -> None:
    lately = runtime.clock.now() - timedelta(days=4)
    past = rows(runtime, days=4, commanded=False)
    await accounted(hass, runtime, [q for q in past if q.start >= lately])
    for _ in range(3):
        # Two days at a time are lived again.
        await runtime.savings.async_refresh()
    await hass.async_block_till_done()
    data = runtime.savings.data
    assert data.month is not None
    assert data.shadow_day is not None
    assert data.shadow_month is not None
    assert data.month.saved.total == 0, "nobody commanded"
    assert data.shadow_day.until <= runtime.clock.now()
    assert float(state_of(hass, "would_have_saved_this_month_while_off")) == (
        data.shadow_month.saved.total / 100
    )
    kept = await shadow_store(hass, still_site.entry_id).async_load()
    assert kept is not None
    # A restart takes the shadows from the file, and lives no day again.
    again = SavingsCoordinator(hass, still_site)
    await again.async_refresh()
    assert again.data.shadow_month == data.shadow_month


async def test_a_day_under_control_has_none(hass: HomeAssistant, runtime: SiteRuntime) -> None:
    await accounted(hass, runtime, rows(runtime, days=8))
    assert runtime.savings.data.shadow_day is None
    assert state_of(hass, "would_have_saved_on_the_last_day_off") == STATE_UNKNOWN


async def test_a_damaged_file_of_shadows_costs_only_its_content(
    hass: HomeAssistant, runtime: SiteRuntime, still_site: MockConfigEntry
) -> None:
    await shadow_store(hass, still_site.entry_id).async_save(
        {"days": {"2026-13-01": None, "2026-06-01": {"grid_w": 3}}}
    )
    again = SavingsCoordinator(hass, still_site)
    await again.async_refresh()
    assert again.last_update_success


async def test_with_control_off_the_ledger_says_so(still_site: MockConfigEntry) -> None:
    runtime: SiteRuntime = still_site.runtime_data
    controller = runtime.controller
    assert not controller.active
    assert observing(runtime)().reason is Reason.OFF
    controller.settings = replace(controller.settings, enabled=True)
    assert observing(runtime)().reason is controller.data.reason


async def test_every_charge_for_power_has_its_sensor(
    hass: HomeAssistant, runtime: SiteRuntime, entity_registry: er.EntityRegistry
) -> None:
    assert set(billed_names(runtime.tariff)) == {"peak", "capacity"}
    ids = {each.unique_id for each in entity_registry.entities.values()}
    assert {"site_billed_by_peak", "site_billed_by_capacity"} <= ids
