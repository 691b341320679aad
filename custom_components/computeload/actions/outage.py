"""Planned outages: the batteries are full when one begins."""

from typing import Final

from homeassistant.core import HomeAssistant
import voluptuous as vol

from ..coordinator import ComputeLoadConfigEntry
from ..outage import Maintenance
from .base import ActionDescription, Answer, Arguments, moment, wrong

CONF_START: Final = "start"
CONF_END: Final = "end"


async def _async_plan(
    hass: HomeAssistant,  # noqa: ARG001 - the signature of all handlers
    site: ComputeLoadConfigEntry,
    arguments: Arguments,
) -> Answer:
    """Plan an outage; one that was planned before is forgotten."""
    runtime, start, end = site.runtime_data, arguments[CONF_START], arguments[CONF_END]
    if end <= start:
        raise wrong("span_reversed", CONF_END, end.isoformat(), since=start.isoformat())
    if end <= runtime.clock.now():
        raise wrong("outage_over", CONF_END, end.isoformat())
    await runtime.outage.async_plan(Maintenance(start=start, end=end))
    return {"start": start.isoformat(), "end": end.isoformat()}


async def _async_cancel(
    hass: HomeAssistant,  # noqa: ARG001 - the signature of all handlers
    site: ComputeLoadConfigEntry,
    arguments: Arguments,  # noqa: ARG001 - the signature of all handlers
) -> Answer:
    """Forget what was planned."""
    await site.runtime_data.outage.async_plan(None)
    return {}


OUTAGE_ACTIONS: Final[tuple[ActionDescription, ...]] = (
    ActionDescription(
        name="plan_outage",
        schema={vol.Required(CONF_START): moment, vol.Required(CONF_END): moment},
        handler=_async_plan,
        admin=True,
    ),
    ActionDescription(name="cancel_outage", schema={}, handler=_async_cancel, admin=True),
)
