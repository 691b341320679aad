"""Addresses at which devices have announced themselves on the network.

A device belongs to a site, and only its user knows to which, and as what. So an announcement
adds nothing by itself: the address is offered where one is asked for. Nothing is kept over a
restart; devices announce themselves again.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.helpers.service_info.ssdp import ATTR_UPNP_FRIENDLY_NAME, SsdpServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN

type Announcement = DhcpServiceInfo | SsdpServiceInfo | ZeroconfServiceInfo

MAKERS: Final[Mapping[str, str]] = {
    "0003ac": "Fronius",
    "0015bb": "SMA",
    "002702": "SolarEdge",
}
"""Who makes a device, by the first digits of its hardware address (as in ``manifest.json``)."""

_ANNOUNCED: Final[HassKey[dict[str, str]]] = HassKey(f"{DOMAIN}_announced")


@callback
def async_note(hass: HomeAssistant, announcement: Announcement) -> None:
    """Keep an address, and what is known of who is there."""
    match announcement:
        case DhcpServiceInfo():
            host = announcement.ip
            maker = MAKERS.get(announcement.macaddress[:6].lower(), "")
            name = " ".join(filter(None, (maker, announcement.hostname)))
        case ZeroconfServiceInfo():
            host = announcement.host
            name = announcement.name.partition("._")[0]
        case SsdpServiceInfo():
            host = urlsplit(announcement.ssdp_location or "").hostname or ""
            name = str(announcement.upnp.get(ATTR_UPNP_FRIENDLY_NAME, ""))
    if host:
        hass.data.setdefault(_ANNOUNCED, {})[host.lower()] = name


@callback
def host_choice(hass: HomeAssistant) -> SelectSelector | TextSelector:
    """Return a field for a host; those that were announced can be picked."""
    announced = hass.data.get(_ANNOUNCED, {})
    if not announced:
        return TextSelector()
    options = [
        SelectOptionDict(value=host, label=f"{name} ({host})" if name else host)
        for host, name in sorted(announced.items(), key=lambda item: item[1].lower())
    ]
    return SelectSelector(
        SelectSelectorConfig(options=options, custom_value=True, mode=SelectSelectorMode.DROPDOWN)
    )
