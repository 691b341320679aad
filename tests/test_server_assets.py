"""Loads behind servers: added by the flow, read, asked for new credentials; nothing leaks."""

import asyncio
from collections.abc import AsyncIterator
import json
import logging
from pathlib import Path
from typing import Any

from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.const import DOMAIN
from custom_components.computeload.coordinator import DeviceCoordinator
from custom_components.computeload.core.model import Quantity
from custom_components.computeload.diagnostics import async_get_config_entry_diagnostics

from .common import async_wait_for, real_entry
from .drivers.http_servers import PASSWORD, USER, Controller, own_certificate, serving
from .drivers.test_prometheus import app, vector
from .drivers.test_redfish import NEW, OLD
from .test_config_flow import suggested, told
from .test_subentry_flow import answer, closed_port

OTHER = "another:word"
TOKEN = "secret-token"  # noqa: S105 - of a server in this process


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncIterator[MockConfigEntry]:
    """Return a site without devices."""
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


@pytest.fixture(name="controller")
def controller_fixture() -> Controller:
    """Return a management controller with one chassis."""
    return Controller(NEW)


@pytest.fixture(name="bmc")
async def bmc_fixture(socket_enabled: None, controller: Controller) -> AsyncIterator[str]:
    """Return the address of the management controller."""
    async with serving(controller.app()) as url:
        yield url


async def begin(hass: HomeAssistant, site: MockConfigEntry, source: str) -> FlowResult[Any, Any]:
    """Start adding a load."""
    result: FlowResult[Any, Any] = await hass.config_entries.subentries.async_init(
        (site.entry_id, "load"), context={"source": SOURCE_USER}
    )
    return await answer(hass, result, {"next_step_id": source})


def redfish(url: str, **more: Any) -> dict[str, Any]:
    """Return what the Redfish step is told."""
    known = {"url": url, "username": USER, "password": PASSWORD}
    return known | {"basic_auth": False, "verify_ssl": True} | more


async def add_redfish(
    hass: HomeAssistant, site: MockConfigEntry, url: str, **more: Any
) -> DeviceCoordinator:
    """Add the chassis, and return it when it has answered."""
    result = await begin(hass, site, "redfish")
    result = await answer(hass, result, redfish(url, **more))
    assert result["step_id"] == "confirm", result["errors"]
    result = await answer(hass, result, {"name": "Node 1", "poll_s": 30})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    device: DeviceCoordinator = list(site.runtime_data.devices.values())[-1]
    await async_wait_for(lambda: device.data is not None)
    return device


async def test_a_chassis_is_added_with_its_live_values_and_read(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, bmc: str
) -> None:
    result = await begin(hass, site, "redfish")
    result = await answer(hass, result, redfish(bmc + "/"))
    assert "0.41" in told(result)["values"]
    assert told(result)["serial"] == "SN 1"
    assert suggested(result)["name"] == "Contoso 3500"
    assert controller.sessions == {}, "a look leaves no session behind"
    assert (await answer(hass, result, {"name": "N", "poll_s": 5}))["errors"] == {
        "poll_s": "poll_out_of_range"
    }
    hass.config_entries.subentries.async_abort(result["flow_id"])

    device = await add_redfish(hass, site, bmc)
    assert device.data.number(Quantity.ENERGY_IMPORT_WH) == 1_000_250.0
    (subentry,) = site.subentries.values()
    assert subentry.unique_id == "load serial SN 1"
    assert subentry.data["chassis"] == "/redfish/v1/Chassis/1"
    assert len(controller.sessions) == 1
    await hass.config_entries.async_unload(site.entry_id)
    await async_wait_for(lambda: controller.sessions == {})
    assert await hass.config_entries.async_setup(site.entry_id)


async def test_of_several_chassis_one_is_chosen(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, bmc: str
) -> None:
    second = "/redfish/v1/Chassis/2"
    controller.resources["/redfish/v1/Chassis"] = {
        "Members": [{"@odata.id": "/redfish/v1/Chassis/1"}, {"@odata.id": second}]
    }
    controller.resources[second] = {"Name": "Fans"}
    result = await begin(hass, site, "redfish")
    result = await answer(hass, result, redfish(bmc))
    assert result["step_id"] == "chassis"
    result = await answer(hass, result, {"chassis": second})
    assert result["errors"] == {"base": "server_payload"}
    assert told(result)["what"] == "a chassis that does not report its power"
    result = await answer(hass, result, {"chassis": "/redfish/v1/Chassis/1"})
    assert result["step_id"] == "confirm"


async def test_all_chassis_behind_one_address_share_a_session_that_ends_with_home_assistant(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, bmc: str
) -> None:
    second = "/redfish/v1/Chassis/2"
    controller.resources["/redfish/v1/Chassis"] = {
        "Members": [{"@odata.id": "/redfish/v1/Chassis/1"}, {"@odata.id": second}]
    }
    controller.resources[second] = controller.resources["/redfish/v1/Chassis/1"] | {
        "SerialNumber": "SN 2"
    }
    for chassis in ("/redfish/v1/Chassis/1", second):
        result = await begin(hass, site, "redfish")
        result = await answer(hass, result, redfish(bmc))
        result = await answer(hass, result, {"chassis": chassis})
        result = await answer(hass, result, {"name": chassis, "poll_s": 30})
        assert result["type"] is FlowResultType.CREATE_ENTRY
    devices = site.runtime_data.devices.values()
    await async_wait_for(lambda: all(each.data is not None for each in devices))
    assert len(site.runtime_data.redfish) == 1
    await async_wait_for(lambda: len(controller.sessions) == 1)
    await asyncio.gather(
        *(job.job.target() for job in hass._shutdown_jobs if "Redfish" in str(job.job.name))
    )
    assert controller.sessions == {}


async def test_a_service_that_moved_is_found_at_its_new_address(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, bmc: str
) -> None:
    await add_redfish(hass, site, bmc)
    (subentry,) = site.subentries.values()
    result: FlowResult[Any, Any] = await hass.config_entries.subentries.async_init(
        (site.entry_id, "load"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
    )
    assert suggested(result)["url"] == bmc
    async with serving(controller.app()) as moved:
        result = await answer(hass, result, redfish(moved))
        result = await answer(hass, result, {"name": "Node 1", "poll_s": 30})
        assert result["reason"] == "reconfigure_successful"
        (subentry,) = site.subentries.values()
        assert subentry.data["url"] == moved
        device = site.runtime_data.devices[subentry.subentry_id]
        await async_wait_for(lambda: device.data is not None)
        await hass.config_entries.async_unload(site.entry_id)
        await async_wait_for(lambda: controller.sessions == {})
    assert await hass.config_entries.async_setup(site.entry_id)


async def test_mistakes_are_named_and_can_be_corrected(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, bmc: str
) -> None:
    result = await begin(hass, site, "redfish")
    for answers, errors in (
        (redfish("10.0.0.5"), {"url": "url_wrong"}),
        (redfish(bmc.replace("//", "//reader:word@")), {"url": "url_with_more"}),
        (redfish(f"http://127.0.0.1:{closed_port()}"), {"base": "server_unreachable"}),
        (redfish(bmc, password=OTHER), {"base": "invalid_auth"}),
    ):
        result = await answer(hass, result, answers)
        assert result["errors"] == errors
    controller.resources["/redfish/v1/Chassis"] = {"Members": []}
    result = await answer(hass, result, redfish(bmc))
    assert result["errors"] == {"base": "no_chassis"}


async def test_a_certificate_is_verified_unless_the_user_says_otherwise(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, tmp_path: Path
) -> None:
    async with serving(controller.app(), own_certificate(tmp_path)) as url:
        result = await begin(hass, site, "redfish")
        # The server runs in this loop too, and complains of the client that hangs up.
        hass.loop.set_exception_handler(lambda *_: None)
        result = await answer(hass, result, redfish(url))
        assert result["errors"] == {"base": "certificate"}
        result = await answer(hass, result, redfish(url, verify_ssl=False))
        assert result["step_id"] == "confirm"
        hass.config_entries.subentries.async_abort(result["flow_id"])


async def test_the_same_chassis_is_not_added_twice(
    hass: HomeAssistant, site: MockConfigEntry, bmc: str
) -> None:
    await add_redfish(hass, site, bmc)
    result = await begin(hass, site, "redfish")
    result = await answer(hass, result, redfish(bmc))
    assert result["reason"] == "already_configured"


async def test_credentials_that_are_refused_later_are_asked_for_by_the_assets_name(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, bmc: str
) -> None:
    device = await add_redfish(hass, site, bmc)
    controller.password = OTHER
    controller.forget_sessions()
    await device.async_sample()
    await hass.async_block_till_done()
    logins = controller.logins
    await device.async_sample()
    await hass.async_block_till_done()
    assert controller.logins == logins + 1

    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
    assert flow["context"]["title_placeholders"] == {"name": "Lab: Node 1"}
    shown: Any = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert shown["description_placeholders"]["asset"] == "Node 1"
    assert suggested(shown) == {"username": USER}

    shown = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"username": USER, "password": PASSWORD}
    )
    assert shown["errors"] == {"base": "invalid_auth"}
    shown = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"username": USER, "password": OTHER}
    )
    assert shown["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    (subentry,) = site.subentries.values()
    assert subentry.data["password"] == OTHER
    assert subentry.data["url"] == bmc
    device = site.runtime_data.devices[subentry.subentry_id]
    await async_wait_for(lambda: device.data is not None)
    assert not hass.config_entries.flow.async_progress()


async def test_wrong_credentials_are_not_tried_again_and_again(
    hass: HomeAssistant, site: MockConfigEntry, controller: Controller, bmc: str
) -> None:
    device = await add_redfish(hass, site, bmc)
    controller.password = OTHER
    controller.forget_sessions()
    device.poll_s = 0.01
    device.async_wake()
    await async_wait_for(lambda: device.link.failures > 0)
    logins = controller.logins
    await hass.async_block_till_done()
    assert device.link.failures == 1
    assert controller.logins == logins


async def test_a_reauth_for_an_asset_that_is_gone_ends(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    site.async_start_reauth(hass, data={"subentry": "gone"})
    await hass.async_block_till_done()
    assert not hass.config_entries.flow.async_progress()


async def test_a_query_is_added_changed_and_read(
    hass: HomeAssistant, site: MockConfigEntry, socket_enabled: None
) -> None:
    answers = {"query": "sum(w)", "query_unit": "kW", "energy_unit": "Wh", "verify_ssl": True}
    async with serving(app(vector("1.5"))) as url:
        result = await begin(hass, site, "prometheus")
        result = await answer(hass, result, {"url": url, **answers, "token": TOKEN})
        assert "1.50" in told(result)["values"]
        result = await answer(hass, result, {"name": "Racks", "poll_s": 30})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        (device,) = site.runtime_data.devices.values()
        await async_wait_for(lambda: device.data is not None)
        assert device.data.number(Quantity.POWER_W) == 1500.0

        (subentry,) = site.subentries.values()
        result = await hass.config_entries.subentries.async_init(
            (site.entry_id, "load"),
            context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
        )
        assert result["step_id"] == "prometheus"
        assert suggested(result)["query"] == "sum(w)"
        result = await answer(hass, result, {"url": url, **answers, "query_unit": "W"})
        result = await answer(hass, result, {"name": "Racks", "poll_s": 15})
        assert result["reason"] == "reconfigure_successful"
        (subentry,) = site.subentries.values()
        assert subentry.data == {
            "source": "prometheus",
            "url": url,
            **answers,
            "query_unit": "W",
            "poll_s": 15,
        }


async def test_a_query_that_cannot_be_used_is_refused_with_the_reason(
    hass: HomeAssistant, site: MockConfigEntry, socket_enabled: None
) -> None:
    wrong = {"status": "error", "errorType": "bad_data", "error": "parse error"}
    async with serving(app(wrong, 400)) as url:
        result = await begin(hass, site, "prometheus")
        result = await answer(
            hass,
            result,
            {
                "url": url,
                "query": "sum(",
                "query_unit": "W",
                "energy_unit": "Wh",
                "verify_ssl": True,
            },
        )
    assert result["errors"] == {"base": "query"}
    assert told(result)["what"] == "the server says bad_data: parse error"


async def test_no_credential_is_in_diagnostics_or_in_the_log(
    hass: HomeAssistant,
    site: MockConfigEntry,
    controller: Controller,
    bmc: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    logging.getLogger("custom_components.computeload").setLevel(logging.DEBUG)
    device = await add_redfish(hass, site, bmc)
    controller.resources = OLD
    await device.async_sample()
    controller.password = OTHER
    controller.forget_sessions()
    for _ in range(4):
        await device.async_sample()
    await hass.async_block_till_done()
    told = json.dumps(await async_get_config_entry_diagnostics(hass, site), default=str)
    assert "redfish" in told
    ours = [r.getMessage() for r in caplog.records if DOMAIN in r.name]
    assert any("credentials are not accepted" in text for text in ours)
    host = bmc.removeprefix("http://")
    for secret in (USER, PASSWORD, OTHER, host, "token 1"):
        assert secret not in told
        assert not any(secret in text for text in ours)
    for flow in hass.config_entries.flow.async_progress():
        hass.config_entries.flow.async_abort(flow["flow_id"])
