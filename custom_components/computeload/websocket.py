"""What the dashboard's own cards ask for: series that no entity can carry."""

from typing import Any, Final

from homeassistant.components import websocket_api
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import websocket_command
from homeassistant.components.websocket_api.messages import event_message
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
import voluptuous as vol

from .const import CONF_CURRENCY, DOMAIN
from .coordinator import ComputeLoadConfigEntry
from .planning import PlanData

TARGET_SHOWN_W: Final = 1e8
"""A target beyond this is none."""


@callback
def async_setup_websocket(hass: HomeAssistant) -> None:
    """Register the commands; called once per start."""
    websocket_api.async_register_command(hass, subscribe_plan)


@websocket_command({vol.Required("type"): "computeload/plan", vol.Required("site"): str})
@callback
def subscribe_plan(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Send a site's plan now and whenever it is renewed; ``site`` is its device's id."""
    entry = _site(hass, msg["site"])
    if entry is None:
        connection.send_error(msg["id"], ERR_NOT_FOUND, "There is no such site that is running")
        return
    planning = entry.runtime_data.planning

    @callback
    def send() -> None:
        connection.send_message(
            event_message(msg["id"], plan_payload(planning.data, entry.data[CONF_CURRENCY]))
        )

    connection.subscriptions[msg["id"]] = planning.async_add_listener(send)
    connection.send_result(msg["id"])
    send()


def _site(hass: HomeAssistant, device_id: str) -> ComputeLoadConfigEntry | None:
    """Return the running site that a device stands for."""
    device = dr.async_get(hass).async_get(device_id)
    for entry_id in device.config_entries if device is not None else ():
        entry = hass.config_entries.async_get_entry(entry_id)
        if entry is not None and entry.domain == DOMAIN and entry.state is ConfigEntryState.LOADED:
            return entry
    return None


def plan_payload(data: PlanData, currency: str) -> dict[str, Any]:
    """Return a plan as columns for a chart: W, state of charge 0..1, money per kWh, Unix ms."""
    plan, problem = data.plan, data.problem
    if plan is None or problem is None:
        return {"made": None, "currency": currency, "steps": []}
    rows = zip(
        plan.steps,
        problem.load_w.tolist(),
        problem.pv_w.tolist(),
        problem.import_price.tolist(),
        strict=True,
    )
    return {
        "made": round(plan.made_at.timestamp() * 1000.0),
        "source": plan.source.value,
        "strategy": data.strategy.value,
        "currency": currency,
        "steps": [
            {
                "start": round(step.start.timestamp() * 1000.0),
                "end": round(step.end.timestamp() * 1000.0),
                "load": round(load_w),
                "pv": round(pv_w),
                "battery": round(step.battery_w),
                "grid": round(step.grid_w),
                "target": round(step.target_w) if step.target_w < TARGET_SHOWN_W else None,
                "soc": round(step.soc, 4),
                "price": round(price, 5),
                "reason": step.reason.value,
            }
            for step, load_w, pv_w, price in rows
        ],
    }
