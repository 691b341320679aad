"""Monthly reports in Home Assistant: asked for by an action, kept as files, shown by a link."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.computeload.core.ledger import EXPORT, IMPORT, Flow, Origin, Quarter
from custom_components.computeload.core.ledger_read import midnight
from custom_components.computeload.core.window import window_start

from .test_actions import async_call
from .test_actions_ledger import async_fill

QUARTER = timedelta(minutes=15)


def past(entry: MockConfigEntry, days: int) -> Sequence[Quarter]:
    """Return so many days before the running month, at 4 kW."""
    runtime = entry.runtime_data
    zone = runtime.tariff.calendar.zone
    end = midnight(runtime.clock.now().astimezone(zone).date().replace(day=1), zone)
    return [
        Quarter(
            start=end - (n + 1) * QUARTER,
            origin=Origin.IMPORTED,
            flows={IMPORT: Flow(1000.0), EXPORT: Flow(0.0)},
            price_import=0.25,
        )
        for n in reversed(range(days * 96))
    ]


def text_of(file: str) -> str:
    """Return what a file holds."""
    return Path(file).read_text(encoding="utf-8")


def put_in_the_way(folder: Path) -> None:
    """Let a file stand where a folder would have to be."""
    folder.write_text("in the way")


def month_before(entry: MockConfigEntry) -> str:
    """Return the last month that is over, for a site's clock."""
    runtime = entry.runtime_data
    now: datetime = runtime.clock.now().astimezone(runtime.tariff.calendar.zone)
    return f"{now.date().replace(day=1) - timedelta(days=1):%Y-%m}"


async def test_the_last_month_is_reported_unless_another_is_asked_for(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await async_fill(hass, still_site, past(still_site, 40))
    answer = await async_call(hass, "create_report")
    assert answer["month"] == month_before(still_site)
    assert answer["complete"] is True
    assert answer["highest_kw"] == 4.0
    hours = answer["import_kwh"] / 4.0
    assert answer["bill"] == pytest.approx(hours * 4.0 * 0.25)
    page = text_of(answer["file"])
    assert f"Lab: Energy report {answer['month']}" in page
    assert text_of(answer["csv_file"]).startswith("section,item,quantity,unit,value\n")

    asked = await async_call(hass, "create_report", month=answer["month"])
    assert {**asked, "url": "", "csv_url": ""} == {**answer, "url": "", "csv_url": ""}


async def test_a_site_that_began_this_month_gets_the_running_one(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    runtime = still_site.runtime_data
    now = runtime.clock.now()
    last = Quarter(
        start=window_start(now) - QUARTER,
        origin=Origin.IMPORTED,
        flows={IMPORT: Flow(1000.0), EXPORT: Flow(0.0)},
    )
    await async_fill(hass, still_site, [last])
    answer = await async_call(hass, "create_report")
    assert answer["month"] == f"{now.astimezone(runtime.tariff.calendar.zone):%Y-%m}"
    assert answer["complete"] is False
    assert answer["bill"] is None


async def test_a_link_shows_the_report_without_a_login_and_nothing_else(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    await async_fill(hass, still_site, past(still_site, 2))
    answer = await async_call(hass, "create_report")
    client = await hass_client_no_auth()

    shown = await client.get(answer["url"])
    assert shown.status == HTTPStatus.OK
    assert shown.content_type == "text/html"
    assert await shown.text() == text_of(answer["file"])
    rows = await client.get(answer["csv_url"])
    assert (rows.status, rows.content_type) == (HTTPStatus.OK, "text/csv")

    bare = answer["url"].partition("?")[0]
    assert (await client.get(bare)).status == HTTPStatus.UNAUTHORIZED
    signed = answer["url"].partition("?")[2]
    other = await client.get(f"{bare.replace('lab', 'lob')}?{signed}")
    assert other.status == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    "name", ["lab_2020-01.html", "..%2Fsite.db", "%2e%2e%2fsecrets.yaml", "lab_2026-01.html.new"]
)
async def test_there_is_nothing_but_reports_to_be_had(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    name: str,
) -> None:
    client = await hass_client()
    shown = await client.get(f"/api/computeload/reports/{name}")
    # Home Assistant refuses what looks like a way out before it comes to us.
    assert shown.status in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}


@pytest.mark.parametrize(
    "month",
    [
        *("2026-13", "march", "2026", "2026-03-01", ""),
        *("0001-01", "9999-12"),
    ],
)
async def test_a_month_that_is_none_is_refused(
    hass: HomeAssistant, still_site: MockConfigEntry, month: str
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await async_call(hass, "create_report", month=month)
    assert raised.value.translation_placeholders is not None
    assert raised.value.translation_placeholders["field"] == "month"


async def test_a_month_that_nobody_metered_is_refused_with_what_there_is(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await async_fill(hass, still_site, past(still_site, 2))
    with pytest.raises(ServiceValidationError) as raised:
        await async_call(hass, "create_report", month="2019-01")
    assert raised.value.translation_key == "month_unknown"
    told = raised.value.translation_placeholders
    assert told is not None
    assert (told["value"], told["first"]) == ("2019-01", month_before(still_site))


async def test_of_an_empty_ledger_there_is_no_report(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    with pytest.raises(HomeAssistantError) as raised:
        await async_call(hass, "create_report")
    assert raised.value.translation_key == "ledger_empty"


async def test_a_folder_that_cannot_be_written_is_told(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    await async_fill(hass, still_site, past(still_site, 2))
    put_in_the_way(Path(hass.config.path("computeload", "reports")))
    with pytest.raises(HomeAssistantError) as raised:
        await async_call(hass, "create_report")
    assert raised.value.translation_key == "file_not_written"
