"""The way from a new site to a controller that runs: what is done, and what comes next."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant
from homeassistant.helpers.event import async_track_time_interval

from ..const import CONF_ROLE, DOMAIN, ROLE_GRID
from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_read import LedgerReader
from ..core.model import AssetKind
from ..site_tariff import tariff_choice
from .base import Feed, Payload

EVERY: Final = timedelta(seconds=10)
OBSERVED: Final = timedelta(days=1)
"""After so long a forecast has seen every hour of a day."""


def _seen_for(reader: LedgerReader) -> timedelta:
    """Return how far back the ledger reaches. Blocks; raises LedgerError."""
    span = reader.span()
    return timedelta(0) if span is None else span[1] - span[0]


async def _async_payload(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> Payload:
    """Return the steps in their order: ``{steps: [{key, done, needed}], entry, running}``."""
    runtime = entry.runtime_data
    proof, running = runtime.proof, runtime.controller.settings.enabled
    meters = runtime.of_kind(AssetKind.METER)
    has_meter = any(each.subentry.data.get(CONF_ROLE) == ROLE_GRID for each in meters)
    has_tariff = tariff_choice(entry) is not None
    has_price = runtime.signals.price is not None
    seen = await hass.async_add_executor_job(_seen_for, runtime.ledger.reader)
    return {
        "entry": entry.entry_id,
        "running": running,
        "steps": [
            _step("meter", done=has_meter),
            _step("battery", done=bool(runtime.of_kind(AssetKind.BATTERY)), needed=False),
            # What is to be saved is a price, or a charge for peaks: one of the two is needed.
            _step("price", done=has_price, needed=not has_tariff),
            _step("tariff", done=has_tariff, needed=not has_price),
            _step("check", done=has_meter and (proof.accepted or not proof.blockers())),
            _step("observe", done=running or seen >= OBSERVED, needed=False),
            _step("switch_on", done=running),
        ],
    }


def _step(key: str, *, done: bool, needed: bool = True) -> dict[str, Any]:
    return {"key": key, "done": done, "needed": needed}


def _listen(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, news: Callable[[], None]
) -> CALLBACK_TYPE:
    """Look now and then, and at once where the controller is switched."""
    controller, enabled = entry.runtime_data.controller, [False]

    def look() -> None:
        if controller.settings.enabled != enabled[0]:
            enabled[0] = controller.settings.enabled
            news()

    ends = (
        controller.async_add_listener(look),
        async_track_time_interval(hass, lambda _: news(), EVERY, name=f"{DOMAIN} guide"),
    )

    def end() -> None:
        for each in ends:
            each()

    return end


GUIDE: Final = Feed(name="guide", payload=_async_payload, listen=_listen)
