"""Assets behind a server: from what is stored of them to the device."""

from collections.abc import Mapping
from typing import Any

from homeassistant.const import (
    CONF_PASSWORD,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from . import const
from .coordinator import ComputeLoadConfigEntry
from .core.model import Clock
from .core.watch import stale_after_s
from .drivers import prometheus, redfish
from .drivers.http import HttpServer
from .drivers.prometheus import Access, PrometheusDevice, Query
from .drivers.redfish import RedfishClient, RedfishDevice

SECRETS = (CONF_URL, CONF_USERNAME, CONF_PASSWORD, CONF_TOKEN)
"""What of an asset's data is nobody else's business."""


def _server(
    hass: HomeAssistant, data: Mapping[str, Any], name: str, timeout_s: float
) -> HttpServer:
    session = async_get_clientsession(hass, verify_ssl=data.get(CONF_VERIFY_SSL, True))
    return HttpServer(session, data[CONF_URL], name, timeout_s)


@callback
def async_shared_redfish(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, data: Mapping[str, Any], name: str
) -> RedfishClient:
    """Return the one client for all of a site's chassis behind the same service.

    Services have few sessions, and are slow: one is opened, and requests wait in a line. It
    is closed when the entry unloads, and when Home Assistant stops.
    """
    clients = entry.runtime_data.redfish
    key = tuple(data.get(each) for each in (*SECRETS, const.CONF_BASIC_AUTH, CONF_VERIFY_SSL))
    if key not in clients:
        client = clients[key] = redfish_client(hass, data, name)
        stop = HassJob(client.aclose, "computeload Redfish session")
        entry.async_on_unload(hass.async_add_shutdown_job(stop))
        entry.async_on_unload(client.aclose)
    return clients[key]


def redfish_client(hass: HomeAssistant, data: Mapping[str, Any], name: str) -> RedfishClient:
    """Return the client for a Redfish service; it has to be closed."""
    return RedfishClient(
        _server(hass, data, name, redfish.TIMEOUT_S),
        data[CONF_USERNAME],
        data[CONF_PASSWORD],
        basic=data.get(const.CONF_BASIC_AUTH, False),
    )


def open_redfish(client: RedfishClient, data: Mapping[str, Any], clock: Clock) -> RedfishDevice:
    """Return one chassis of a Redfish service; what closes it closes the client."""
    return RedfishDevice(client, data[const.CONF_CHASSIS], clock)


def open_prometheus(
    hass: HomeAssistant, data: Mapping[str, Any], clock: Clock, name: str
) -> PrometheusDevice:
    """Return what a query gives."""
    energy = data.get(const.CONF_ENERGY_QUERY)
    return PrometheusDevice(
        _server(hass, data, name, prometheus.TIMEOUT_S),
        Access(
            username=data.get(CONF_USERNAME, ""),
            password=data.get(CONF_PASSWORD, ""),
            token=data.get(CONF_TOKEN, ""),
        ),
        clock,
        power=Query(text=data[const.CONF_QUERY], unit=data[const.CONF_QUERY_UNIT]),
        energy=Query(text=energy, unit=data[const.CONF_ENERGY_UNIT]) if energy else None,
        stale_s=stale_after_s(data.get(const.CONF_POLL_S, prometheus.POLL_S)),
    )
