"""What announces itself on the network is offered where a device is added, and only there."""

from collections.abc import AsyncIterator
from fnmatch import fnmatch
from ipaddress import ip_address
from typing import Any

from homeassistant.config_entries import SOURCE_DHCP, SOURCE_SSDP, SOURCE_ZEROCONF
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.helpers.service_info.ssdp import SsdpServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.loader import async_get_integration
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.announced import MAKERS, Announcement
from custom_components.computeload.const import DOMAIN
from custom_components.computeload.simulator.server import SimulatedSite

from .common import real_entry
from .test_subentry_flow import answer, place, reach

INVERTER = DhcpServiceInfo(ip="192.0.2.7", hostname="fronius-cellar", macaddress="0003ac112233")
GX = SsdpServiceInfo(
    ssdp_usn="usn",
    ssdp_st="upnp:rootdevice",
    ssdp_location="http://192.0.2.8:80/gateway.xml",
    upnp={"manufacturer": "Victron Energy", "friendlyName": "Cerbo GX"},
)
SOLAREDGE = ZeroconfServiceInfo(
    ip_address=ip_address("192.0.2.9"),
    ip_addresses=[ip_address("192.0.2.9")],
    port=1502,
    hostname="inverter.local.",
    type="_solaredge-modbus._tcp.local.",
    name="Roof._solaredge-modbus._tcp.local.",
    properties={},
)
SEEN = ((SOURCE_DHCP, INVERTER), (SOURCE_SSDP, GX), (SOURCE_ZEROCONF, SOLAREDGE))


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, lab: SimulatedSite) -> AsyncIterator[MockConfigEntry]:
    """Return a site without devices."""
    entry = real_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def announce(hass: HomeAssistant, source: str, announcement: Announcement) -> None:
    """Tell Home Assistant of a device, as its discovery does; nobody is asked anything."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": source}, data=announcement
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "noted"


def host_field(result: Any) -> Any:
    """Return the field for the host."""
    return next(field for key, field in result["data_schema"].schema.items() if key == "host")


async def test_without_an_announcement_the_host_is_typed(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    assert host_field(await reach(hass, site, lab, "grid")).selector_type == "text"


async def test_announced_devices_are_offered_when_one_is_added(
    hass: HomeAssistant, site: MockConfigEntry, lab: SimulatedSite
) -> None:
    for source, announcement in SEEN:
        await announce(hass, source, announcement)
    result = await reach(hass, site, lab, "grid")
    field = host_field(result)
    assert field.config["options"] == [
        {"value": "192.0.2.8", "label": "Cerbo GX (192.0.2.8)"},
        {"value": "192.0.2.7", "label": "Fronius fronius-cellar (192.0.2.7)"},
        {"value": "192.0.2.9", "label": "Roof (192.0.2.9)"},
    ]
    # Any other can still be typed, and is read.
    result = await answer(hass, result, place(lab, "grid"))
    assert result["step_id"] == "confirm"


async def test_an_announcement_adds_nothing_by_itself(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    for source, announcement in SEEN:
        await announce(hass, source, announcement)
    assert not site.subentries
    assert not hass.config_entries.flow.async_progress()
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


async def test_home_assistant_is_told_what_to_watch_for(hass: HomeAssistant) -> None:
    manifest = (await async_get_integration(hass, DOMAIN)).manifest
    watched = [str(matcher["macaddress"]) for matcher in manifest["dhcp"]]
    assert {mac.rstrip("*").lower() for mac in watched} == MAKERS.keys()
    assert any(fnmatch(INVERTER.macaddress.upper(), mac) for mac in watched)
    assert {"manufacturer": GX.upnp["manufacturer"]} in manifest["ssdp"]
    assert SOLAREDGE.type in manifest["zeroconf"]
