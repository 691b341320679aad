"""Actions: what they refuse and how they say so, for all of them alike."""

from typing import Any

from homeassistant.auth.models import User
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import yaml

from custom_components.computeload.actions import ACTIONS
from custom_components.computeload.actions.base import ActionDescription
from custom_components.computeload.const import CONF_SITE, DOMAIN

from .test_texts import PACKAGE

every_action = pytest.mark.parametrize("action", ACTIONS, ids=lambda each: each.name)


async def async_call(
    hass: HomeAssistant, action: str, context: Context | None = None, **data: object
) -> dict[str, Any]:
    """Call an action of a site, and return its response."""
    answer = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True, context=context
    )
    assert answer is not None
    return dict(answer)


@every_action
async def test_actions_are_there_before_any_site_is(
    hass: HomeAssistant, action: ActionDescription
) -> None:
    assert await async_setup_component(hass, DOMAIN, {})
    assert hass.services.has_service(DOMAIN, action.name)
    assert hass.services.supports_response(DOMAIN, action.name) is action.supports_response


@every_action
def test_the_fields_that_are_checked_are_those_that_are_described(
    action: ActionDescription,
) -> None:
    described = yaml.safe_load((PACKAGE / "services.yaml").read_text())[action.name]["fields"]
    assert next(iter(described)) == CONF_SITE
    assert set(described) - {CONF_SITE} == {str(field) for field in action.schema}


def test_every_action_is_registered_once() -> None:
    names = [each.name for each in ACTIONS]
    assert len(names) == len(set(names))


REQUIRED: dict[str, Any] = {"plan_outage": {"start": "2030-01-01 08:00", "end": "2030-01-01 12:00"}}
"""What an action cannot do without."""


@every_action
async def test_a_field_that_does_not_exist_is_named(
    hass: HomeAssistant, still_site: MockConfigEntry, action: ActionDescription
) -> None:
    with pytest.raises(ServiceValidationError, match="colour: blue cannot be used"):
        await async_call(hass, action.name, colour="blue")


@every_action
async def test_a_site_that_does_not_exist_is_named(
    hass: HomeAssistant, still_site: MockConfigEntry, action: ActionDescription
) -> None:
    with pytest.raises(ServiceValidationError, match="elsewhere"):
        await async_call(hass, action.name, None, site="elsewhere", **REQUIRED.get(action.name, {}))


@every_action
async def test_only_administrators_may_write_or_burden_the_machine(
    hass: HomeAssistant,
    still_site: MockConfigEntry,
    hass_read_only_user: User,
    action: ActionDescription,
) -> None:
    context = Context(user_id=hass_read_only_user.id)
    expected = Unauthorized if action.admin else ServiceValidationError
    with pytest.raises(expected):
        await async_call(hass, action.name, context, colour="blue")
