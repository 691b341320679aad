"""How every device answers, and what of the site is proven."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_track_time_interval

from ..const import DOMAIN
from ..coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from ..core.model import Quantity
from ..core.proof import Finding, Verdict, blocking
from ..proof import part_of
from ..proof_words import async_sentence
from ..site_view import stale_s
from .base import Feed, Payload

EVERY: Final = timedelta(seconds=10)


async def _async_payload(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> Payload:
    runtime = entry.runtime_data
    proof = runtime.proof
    findings, now_s = proof.findings(), runtime.clock.monotonic_s()
    blockers = blocking(findings, proof.subjects)
    told = [f for f in findings if f.verdict is Verdict.FAILED or f in blockers]
    registry = dr.async_get(hass)
    return {
        "ready": not blockers,
        "accepted": proof.accepted,
        "devices": [
            {
                **_device(registry, entry.entry_id, device, now_s),
                "proof": _proof([f for f in findings if f.asset_id == asset_id], blockers),
            }
            for asset_id, device in runtime.devices.items()
        ],
        "findings": [
            {
                "device": proof.name_of(finding.asset_id),
                "verdict": finding.verdict.value,
                "sentence": await async_sentence(hass, finding),
            }
            for finding in told
        ],
    }


def _device(
    registry: dr.DeviceRegistry, entry_id: str, device: DeviceCoordinator, now_s: float
) -> dict[str, Any]:
    link, latest = device.link, device.latest
    age_s = None if latest is None else max(now_s - latest.monotonic_s, 0.0)
    known = registry.async_get_device_by_identifier((DOMAIN, device.asset_id), entry_id)
    return {
        "id": None if known is None else known.id,
        "name": device.name,
        "part": part_of(device).value,
        "fresh": age_s is not None and age_s <= stale_s(device),
        "age_s": None if age_s is None else round(age_s, 1),
        "answered": None if link.answered is None else round(link.answered, 4),
        "latency_ms": None if link.latency_s is None else round(1000.0 * link.latency_s, 1),
        "alarms": None if latest is None else latest.text(Quantity.ALARMS) or None,
    }


def _proof(findings: list[Finding], blockers: tuple[Finding, ...]) -> dict[str, Any] | None:
    """Return how a device's checks came out; None where there is nothing to check.

    It waits only while control does; what else could not be seen yet is counted.
    """
    verdicts = [f.verdict for f in findings if f.verdict is not Verdict.SKIPPED]
    if not verdicts:
        return None
    verdict = Verdict.PASSED
    if Verdict.FAILED in verdicts:
        verdict = Verdict.FAILED
    elif any(finding in blockers for finding in findings):
        verdict = Verdict.WAITING
    return {
        "verdict": verdict.value,
        "passed": verdicts.count(Verdict.PASSED),
        "checks": len(verdicts),
    }


def _listen(
    hass: HomeAssistant, _: ComputeLoadConfigEntry, news: Callable[[], None]
) -> CALLBACK_TYPE:
    return async_track_time_interval(hass, lambda _: news(), EVERY, name=f"{DOMAIN} health")


HEALTH: Final = Feed(name="health", payload=_async_payload, listen=_listen)
