"""What the dashboard's cards are sent."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import (
    MockHAClientWebSocket,
    WebSocketGenerator,
)

from custom_components.computeload.coordinator import SiteRuntime
from custom_components.computeload.feeds import FEEDS
from custom_components.computeload.feeds.plan import plan_payload
from custom_components.computeload.feeds.savings import savings_payload
from custom_components.computeload.planning import PlanData
from custom_components.computeload.savings import SavingsData

from .test_actions_explain import with_rack
from .test_savings import month_start, rows, runtime_fixture  # noqa: F401


def site_device(hass: HomeAssistant) -> str:
    """Return the id of the site's device."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), "site")
    return next(each.id for each in devices if each.entry_type is dr.DeviceEntryType.SERVICE)


async def followed(
    hass: HomeAssistant, generator: WebSocketGenerator, feed: str
) -> tuple[MockHAClientWebSocket, dict[str, Any]]:
    """Subscribe to a feed of the site; return the client and what was sent first."""
    client = await generator(hass)
    await client.send_json_auto_id({"type": f"computeload/{feed}", "site": site_device(hass)})
    assert (await client.receive_json())["success"]
    return client, (await client.receive_json())["event"]


async def test_a_card_is_sent_the_plan_now_and_whenever_it_is_renewed(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    runtime: SiteRuntime = still_site.runtime_data
    client, first = await followed(hass, hass_ws_client, "plan")
    plan = runtime.planning.plan
    assert plan is not None
    assert first["made"] == round(plan.made_at.timestamp() * 1000.0)
    assert first["currency"] == "EUR"
    assert len(first["steps"]) == len(plan.steps)
    step: dict[str, Any] = first["steps"][0]
    assert step["grid"] == round(plan.steps[0].grid_w)
    assert abs(step["load"] - step["pv"] - step["battery"] - step["grid"]) <= 2
    assert step["reason"] == plan.steps[0].reason.value
    await runtime.planning.async_replan()
    renewed = (await client.receive_json())["event"]
    assert renewed["made"] >= first["made"]


async def test_a_card_follows_its_site_over_a_reload(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    client, first = await followed(hass, hass_ws_client, "plan")
    assert first["made"] is not None
    await hass.config_entries.async_unload(still_site.entry_id)
    assert (await client.receive_json())["event"] == {"stopped": True}
    await hass.config_entries.async_setup(still_site.entry_id)
    assert (await client.receive_json())["event"]["currency"] == "EUR"


@pytest.mark.parametrize("feed", [feed.name for feed in FEEDS])
async def test_a_card_of_no_site_is_told(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator, feed: str
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": f"computeload/{feed}", "site": "nothing"})
    assert (await client.receive_json())["error"]["code"] == "not_found"


async def test_an_unread_ledger_is_told(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    path = still_site.runtime_data.ledger.reader.path
    still_site.runtime_data.ledger.reader.path = path.with_name("nowhere.db")
    _, sent = await followed(hass, hass_ws_client, "peaks")
    assert "nowhere.db" in sent["problem"]


async def test_peaks_are_told_with_what_made_them(
    hass: HomeAssistant,
    runtime: SiteRuntime,
    still_site: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    past = [with_rack(row) for row in rows(runtime, days=15)]
    await hass.async_add_executor_job(runtime.ledger._keeper.bring_in, past, runtime.clock.now())
    _, sent = await followed(hass, hass_ws_client, "peaks")
    by_month = {each["month"]: each["mean_w"] for each in sent["months"]}
    assert by_month[f"{month_start(runtime):%Y-%m}"] == 22_000
    lasting = sent["duration"]["with"]
    assert (lasting[0], len(lasting)) == (22_000, 101)
    assert lasting == sorted(lasting, reverse=True)
    assert max(sent["duration"]["without"]) >= lasting[0]
    cells = [cell for day in sent["heat"] for cell in day if cell]
    assert max(most for _, most in cells) == 30_000
    assert all(mean <= most for mean, most in cells)
    story = next(each for each in sent["stories"] if each["charge"] == "peak")
    assert story["parts"][0]["above_usual_kw"] == 20.0


async def test_savings_are_told_in_money_and_month_by_month(
    hass: HomeAssistant,
    runtime: SiteRuntime,
    still_site: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    await hass.async_add_executor_job(
        runtime.ledger._keeper.bring_in, rows(runtime, days=15), runtime.clock.now()
    )
    await runtime.savings.async_refresh()
    _, sent = await followed(hass, hass_ws_client, "savings")
    month = runtime.savings.data.month
    assert month is not None
    assert sent["month"]["bill"]["total"] == month.bill.total / 100.0
    split = sent["month"]["saved"]
    parts = split["demand"] + split["arbitrage"] + split["pv"] + split["wear"]
    assert parts == pytest.approx(split["total"])
    assert sent["months"][-1]["saved"] == split


def test_before_anything_is_accounted_for_there_are_no_savings() -> None:
    sent = savings_payload(SavingsData(), "EUR")
    assert (sent["month"], sent["months"]) == (None, [])


async def test_every_device_is_told_with_its_link_and_its_proof(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    _, sent = await followed(hass, hass_ws_client, "health")
    devices = still_site.runtime_data.devices
    assert [each["name"] for each in sent["devices"]] == [each.name for each in devices.values()]
    assert all(each["fresh"] and each["answered"] == 1.0 for each in sent["devices"])
    assert not sent["ready"]
    proofs = {each["name"]: each["proof"] for each in sent["devices"]}
    assert all(0 <= each["passed"] <= each["checks"] for each in proofs.values())
    # Only what control waits for is called waiting.
    waiting = {name for name, each in proofs.items() if each["verdict"] == "waiting"}
    assert waiting == {finding["device"] for finding in sent["findings"]}
    assert sent["findings"]
    assert all(each["sentence"] for each in sent["findings"])


def test_before_the_first_plan_there_are_no_steps() -> None:
    assert plan_payload(PlanData(), "EUR") == {"made": None, "currency": "EUR", "steps": []}
