"""Diagnostics: what one needs to see to help a user, without where and what the site is."""

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_DEVICE, CONF_HOST
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .cluster import ClusterCoordinator
from .const import (
    CONF_ENERGY_QUERY,
    CONF_LINK,
    CONF_QUERY,
    CONF_RELEASE_ACTIONS,
    CONF_SET_ACTIONS,
)
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from .core.model import Reading
from .http_source import SECRETS
from .signals.sources import AREA, TOKEN

TO_REDACT: Final = {
    *SECRETS,
    CONF_QUERY,
    CONF_ENERGY_QUERY,
    CONF_SET_ACTIONS,
    CONF_RELEASE_ACTIONS,
    CONF_HOST,
    CONF_DEVICE,
    AREA,
    TOKEN,
    "serial",
    "title",
    "unique_id",
    "name",
}
LIBRARIES: Final = ("modbus-connection", "tmodbus", "pymodbus")


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
) -> dict[str, Any]:
    """Return the state of a whole site."""
    runtime = entry.runtime_data
    controller = runtime.controller
    data = {
        "versions": library_versions(),
        "site": dict(entry.data),
        "options": {key: dict(value) for key, value in entry.options.items()},
        "signals": runtime.signals.diagnostics(),
        "settings": asdict(controller.settings),
        "proof": runtime.proof.diagnostics(),
        "now": asdict(controller.data),
        "savings": asdict(runtime.savings.data),
        "base_load_w": controller.base_load_w,
        "decisions": [asdict(decision) for decision in controller.history],
        "closed_windows": [asdict(window) for window in controller.closed_windows],
        "writers": {
            asset_id: {
                "engaged": writer.engaged,
                "writes": writer.writes,
                "refusals": writer.refusals,
                "last_error": _without_address(runtime.devices[asset_id], writer.last_error),
            }
            for asset_id, writer in controller.crew.writers.items()
        },
        "devices": {key: _device(device) for key, device in runtime.devices.items()},
        "outage": asdict(runtime.outage.data),
        "clusters": {key: _cluster(each) for key, each in runtime.clusters.items()},
        "own_profiles": sorted(runtime.library.own),
        "profile_errors": [str(error) for error in runtime.library.errors],
    }
    return async_redact_data(data, TO_REDACT)


def _cluster(cluster: ClusterCoordinator) -> dict[str, Any]:
    """Return how a cluster's scheduler answers, and how much is known of its jobs."""
    state = cluster.memory.state
    levers = cluster.config_entry.runtime_data.levers.of[cluster.asset_id]
    return {
        "link": asdict(cluster.link),
        "age_s": cluster.age_s(),
        "running": len(state.running) if state is not None else None,
        "pending": len(state.pending) if state is not None else None,
        "nodes": len(state.nodes) if state is not None else None,
        "job_classes": len(cluster.memory.classes),
        "credit": cluster.memory.credit.shares().tolist(),
        "levers": levers.settings.to_state(),
        "put_off": len(levers.hold.kept),
        "acts": [{"at": act.at, "deed": act.deed, **act.described()} for act in levers.hands.acts],
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return the state of one device; the site's own is the whole."""
    coordinator = entry.runtime_data.devices.get(device.config_subentry_id or "")
    if coordinator is None:
        return await async_get_config_entry_diagnostics(hass, entry)
    data = {"versions": library_versions(), "asset": _device(coordinator)}
    return async_redact_data(data, TO_REDACT)


def library_versions() -> dict[str, str]:
    """Return the versions of what talks Modbus; another integration may have changed them."""
    versions: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _device(device: DeviceCoordinator) -> dict[str, Any]:
    link = device.link
    return {
        "kind": device.kind.value,
        "profile": device.datasheet.id,
        "data": dict(device.subentry.data),
        "identity": asdict(device.identity) if device.identity else None,
        "contract": asdict(device.device.contract) if device.device.contract else None,
        "link": {
            "polls": link.polls,
            "failures": link.failures,
            "in_a_row": link.in_a_row,
            "latency_s": link.latency_s,
            "last_error": _without_address(device, link.last_error),
        },
        "reading": _reading(device.latest) if device.latest else None,
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "at": reading.at,
        "values": {quantity.value: value for quantity, value in reading.values.items()},
        "channels": [
            {quantity.value: value for quantity, value in channel.items()}
            for channel in reading.channels
        ],
    }


def _without_address(device: DeviceCoordinator, text: str | None) -> str | None:
    """Return an error's text without the address and the serial number in it."""
    data = device.subentry.data
    link = data.get(CONF_LINK, {})
    serial = device.identity.serial if device.identity else None
    for secret in (
        link.get(CONF_HOST),
        link.get(CONF_DEVICE),
        serial,
        *(data.get(key) for key in SECRETS),
    ):
        if text and secret:
            text = text.replace(str(secret), "**REDACTED**")
    return text
