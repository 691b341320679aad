"""What all actions share: their description, the check of their arguments, their errors.

Arguments are checked here and not by Home Assistant, so that a wrong one gets the same
kind of answer everywhere: which field, which value, what is wrong, what to do.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, service
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType
import voluptuous as vol

from ..const import CONF_SITE, DOMAIN
from ..coordinator import ComputeLoadConfigEntry

SHOWN: Final = 60
"""So much of a wrong value is repeated in the error about it."""

type Arguments = Mapping[str, Any]
type Answer = dict[str, JsonValueType]
type Handler = Callable[[HomeAssistant, ComputeLoadConfigEntry, Arguments], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDescription:
    """One action."""

    name: str
    schema: Mapping[vol.Marker, object]
    """Its fields beside the site, as voluptuous has them."""
    handler: Handler
    """Gets the loaded site and the checked arguments; returns the response."""
    admin: bool
    """Whether only administrators may call it."""
    supports_response: SupportsResponse = SupportsResponse.OPTIONAL


@callback
def async_register(hass: HomeAssistant, description: ActionDescription) -> None:
    """Register one action."""
    schema = vol.Schema({vol.Optional(CONF_SITE): cv.string, **description.schema})
    anything = vol.Schema({}, extra=vol.ALLOW_EXTRA)
    register = (
        partial(service.async_register_admin_service, hass)
        if description.admin
        else hass.services.async_register
    )

    async def handle(call: ServiceCall) -> ServiceResponse:
        arguments = _checked(schema, call.data)
        site: ComputeLoadConfigEntry = service.async_get_config_entry(
            hass, DOMAIN, arguments.get(CONF_SITE)
        )
        answer = await description.handler(hass, site, arguments)
        return answer if call.return_response else None

    register(
        DOMAIN,
        description.name,
        handle,
        schema=anything,
        supports_response=description.supports_response,
    )


def _checked(schema: vol.Schema, data: Arguments) -> Arguments:
    try:
        checked: Arguments = schema(dict(data))
    except vol.Invalid as err:
        first = err.errors[0] if isinstance(err, vol.MultipleInvalid) else err
        path = [getattr(each, "schema", each) for each in first.path]
        value: object = data
        for each in path:
            try:
                value = value[each]  # type: ignore[index] # what is no container raises
            except IndexError, KeyError, TypeError:
                value = None
        raise wrong(
            "argument_wrong",
            ".".join(map(str, path)),
            value,
            problem=first.msg,
        ) from err
    return checked


def wrong(key: str, field: str, value: object, **details: str) -> ServiceValidationError:
    """Return the error about a wrong argument; its text names field, value and remedy."""
    text = str(value)
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"field": field, "value": shown, **details},
    )


def failed(key: str, **details: str) -> HomeAssistantError:
    """Return the error about something that was asked for rightly, and could not be done."""
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=details
    )


def moment(value: object) -> datetime:
    """Return a moment (UTC) of what may be a day or have no offset: those are local time.

    Raises vol.Invalid.
    """
    try:
        return dt_util.as_utc(cv.datetime(value))
    except OverflowError as err:
        raise vol.Invalid("Nobody metered then") from err
