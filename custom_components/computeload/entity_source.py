"""Home Assistant's entities as a device: how they are looked up, set and listened to."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
import math
from typing import Any, Final

from homeassistant.const import (
    ATTR_ENTITY_ID,
    ATTR_UNIT_OF_MEASUREMENT,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import Context, HomeAssistant, callback, split_entity_id
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_state_report_event,
)
from homeassistant.helpers.script import Script, async_validate_actions_config
from homeassistant.util import dt as dt_util
import voluptuous as vol

from . import const
from .coordinator import DeviceCoordinator
from .core.model import Clock, Contract, Quantity
from .core.watch import stale_after_s
from .drivers.base import Datasheet, NoAnswerError
from .drivers.entity import EntityDevice, EntityState, Hand, StateGetter, Term
from .drivers.entity_hand import ON, EntityHand, HandEntities, Mode, refused

TITLE: Final = "Home Assistant entities"
PHASES: Final = (Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W)
POLL_S: Final = 10.0
LEAST_POLL_S: Final = 1.0
ACTION_TIMEOUT_S: Final = 10.0
LEAST_INTERVAL_S: Final = 10.0
"""Between two commands: what is behind an entity is often a cloud, or a slow gateway."""
DELAY_S: Final = 5.0


def open_entities(
    hass: HomeAssistant, data: Mapping[str, Any], clock: Clock, name: str
) -> EntityDevice:
    """Return the device that an asset's entities make up; ``name`` is for messages.

    How old their values may be follows from how often they are written; before that is
    known, they may be of any age.
    """
    terms = entity_terms(data)
    get = state_getter(hass)
    hand = _hand(hass, data, get, name)
    return EntityDevice(
        Datasheet(
            id="entities",
            title=TITLE,
            manufacturer="Home Assistant",
            quantities=frozenset(terms),
            fast=frozenset(terms),
            poll_s=POLL_S,
            least_poll_s=LEAST_POLL_S,
        ),
        terms,
        get,
        clock,
        stale_s=stale_after_s(data.get(const.CONF_POLL_S, math.inf)),
        hand=hand,
        contract=_contract(data) if hand else None,
    )


def entity_terms(data: Mapping[str, Any]) -> dict[Quantity, tuple[Term, ...]]:
    """Return which entities add up to what, in our signs.

    The first power counts in our sign of the kind (meter: import, battery: discharge, PV:
    production, load: consumption), the other one the other way; "inverted" turns both.
    """
    sign = -1.0 if data.get(const.CONF_INVERTED) else 1.0
    power = [Term(data[const.CONF_POWER], sign)]
    if other := data.get(const.CONF_POWER_OTHER_WAY):
        power.append(Term(other, -sign))
    terms = {Quantity.POWER_W: tuple(power)}
    for key, quantity in zip(const.CONF_POWER_PHASES, PHASES, strict=True):
        if entity := data.get(key):
            terms[quantity] = (Term(entity, sign),)
    for key, quantity in (
        (const.CONF_ENERGY_IMPORT, Quantity.ENERGY_IMPORT_WH),
        (const.CONF_ENERGY_EXPORT, Quantity.ENERGY_EXPORT_WH),
        (const.CONF_SOC, Quantity.SOC),
    ):
        if entity := data.get(key):
            terms[quantity] = (Term(entity),)
    return terms


def state_getter(hass: HomeAssistant) -> StateGetter:
    """Return what looks entities up."""

    def get(entity_id: str) -> EntityState | None:
        state = hass.states.get(entity_id)
        if state is None:
            return None
        silent = state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN)
        bounds = {
            ours: float(state.attributes[theirs])
            for ours, theirs in (("least", "min"), ("most", "max"), ("step", "step"))
            if isinstance(state.attributes.get(theirs), int | float)
        }
        return EntityState(
            value=None if silent else state.state,
            unit=state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) or "",
            age_s=max((dt_util.utcnow() - state.last_reported).total_seconds(), 0.0),
            **bounds,
        )

    return get


@callback
def async_follow(device: DeviceCoordinator, entities: EntityDevice) -> None:
    """Read the entities whenever one of them is written, be it with the same value."""

    @callback
    def wake(_: object) -> None:
        device.async_wake()

    for track in (async_track_state_change_event, async_track_state_report_event):
        device.config_entry.async_on_unload(track(device.hass, entities.entities, wake))


def _contract(data: Mapping[str, Any]) -> Contract:
    """Return what can be promised for a battery that somebody else talks to: very little."""
    return Contract(
        lapse_s=None,
        lapse_to="what its own integration makes of the release",
        heartbeat_s=None,
        persistent=False,
        on_grid_loss="unknown",
        min_interval_s=LEAST_INTERVAL_S,
        resolution_w=50.0,
        delay_s=data.get(const.CONF_DELAY_S, DELAY_S),
    )


def _hand(hass: HomeAssistant, data: Mapping[str, Any], get: StateGetter, name: str) -> Hand | None:
    """Return what commands the battery; None where it is only read."""
    command = data.get(const.CONF_COMMAND, {})
    if const.CONF_SET_ACTIONS in command:
        return _ScriptHand(
            hass, command[const.CONF_SET_ACTIONS], command[const.CONF_RELEASE_ACTIONS], name
        )
    if const.CONF_SET_POWER not in command:
        return None
    mode = None
    if choice := command.get(const.CONF_SET_MODE):
        mode = Mode(
            entity=choice,
            **{word: command[f"mode_{word}"] for word in ("charge", "discharge", "idle", "own")},
        )
    entities = HandEntities(
        power=command[const.CONF_SET_POWER],
        charge_power=command.get(const.CONF_SET_CHARGE_POWER),
        inverted=command.get(const.CONF_SET_INVERTED, False),
        mode=mode,
        switch=command.get(const.CONF_SET_SWITCH),
    )

    async def set_entity(entity: str, value: float | str) -> None:
        domain, _ = split_entity_id(entity)
        service, extra = _service(domain, value)
        async with _in_time(name, f"{entity} does not take {value}"):
            await hass.services.async_call(
                domain, service, {ATTR_ENTITY_ID: entity, **extra}, blocking=True
            )

    return EntityHand(entities, get, set_entity)


def _service(domain: str, value: float | str) -> tuple[str, dict[str, float | str]]:
    """Return the action that sets an entity of this domain, and its data."""
    if isinstance(value, float):
        return "set_value", {"value": value}
    if domain in ("select", "input_select"):
        return "select_option", {"option": value}
    return SERVICE_TURN_ON if value == ON else SERVICE_TURN_OFF, {}


class _ScriptHand:
    """Implements ``drivers.entity.Hand`` with actions of the user's own."""

    def __init__(
        self,
        hass: HomeAssistant,
        setting: Sequence[Mapping[str, Any]],
        releasing: Sequence[Mapping[str, Any]],
        name: str,
    ) -> None:
        self._hass = hass
        self._name = name
        self._actions = {"command": setting, "release": releasing}
        self._scripts: dict[str, Script] = {}

    async def command(self, power_w: float) -> None:
        """Run the user's actions with the power as variables."""
        await self._run(
            "command",
            {
                "power_w": power_w,
                "charge_w": max(-power_w, 0.0),
                "discharge_w": max(power_w, 0.0),
            },
        )

    async def release(self) -> None:
        """Run the user's actions for giving the battery back."""
        await self._run("release", {})

    async def _run(self, which: str, variables: dict[str, float]) -> None:
        async with _in_time(self._name, f"the actions to {which} it failed"):
            if which not in self._scripts:
                actions = await async_validate_actions_config(
                    self._hass, cv.SCRIPT_SCHEMA(list(self._actions[which]))
                )
                self._scripts[which] = Script(
                    self._hass, actions, f"{self._name} {which}", const.DOMAIN
                )
            await self._scripts[which].async_run(variables, context=Context())


@asynccontextmanager
async def _in_time(device: str, what: str) -> AsyncIterator[None]:
    """Raise RefusedError where an action fails, and NoAnswerError where it takes too long."""
    try:
        async with asyncio.timeout(ACTION_TIMEOUT_S):
            yield
    except TimeoutError as err:
        seconds = f"{ACTION_TIMEOUT_S:g}"
        raise NoAnswerError(
            f"{device}: no end within {seconds} s", device=device, timeout_s=seconds
        ) from err
    except (HomeAssistantError, vol.Invalid) as err:
        raise refused(device, what) from err
