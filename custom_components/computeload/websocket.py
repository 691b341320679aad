"""The websocket commands by which the dashboard's cards subscribe to feeds."""

from typing import Any

from homeassistant.components import websocket_api
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.messages import BASE_COMMAND_MESSAGE_SCHEMA
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
import voluptuous as vol

from .const import DOMAIN
from .coordinator import ComputeLoadConfigEntry
from .feeds import FEEDS
from .feeds.base import Feed, Subscription


@callback
def async_setup_websocket(hass: HomeAssistant) -> None:
    """Register a command for each feed; called once per start."""
    for feed in FEEDS:
        _register(hass, feed)


def _register(hass: HomeAssistant, feed: Feed) -> None:
    @callback
    def subscribe(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
        entry = _site(hass, msg["site"])
        if entry is None:
            connection.send_error(msg["id"], ERR_NOT_FOUND, "There is no such site")
            return
        subscription = Subscription(hass, entry, feed, connection, msg["id"])
        connection.subscriptions[msg["id"]] = subscription.async_stop
        connection.send_result(msg["id"])
        subscription.async_start()

    command = f"{DOMAIN}/{feed.name}"
    schema = BASE_COMMAND_MESSAGE_SCHEMA.extend(
        {vol.Required("type"): command, vol.Required("site"): str}
    )
    websocket_api.async_register_command(hass, command, subscribe, schema)


def _site(hass: HomeAssistant, device_id: str) -> ComputeLoadConfigEntry | None:
    """Return the site that a device stands for."""
    device = dr.async_get(hass).async_get(device_id)
    if device is None or device.config_entry_id is None:
        return None
    entry = hass.config_entries.async_get_entry(device.config_entry_id)
    return entry if entry is not None and entry.domain == DOMAIN else None
