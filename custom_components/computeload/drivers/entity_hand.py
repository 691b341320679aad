"""Commanding a battery through entities that another integration has for it.

Most have a number for the power, and often a word for the direction, and something to
switch on before either counts. What is set already is not set again: another's cloud may
be behind it, or a memory that wears out.
"""

from dataclasses import dataclass
import math
from typing import Final, Protocol

from .base import EntitySilentError, EntityUnitError, RefusedError
from .entity import POWER_UNITS, EntityState, StateGetter

ON: Final = "on"
OFF: Final = "off"
TINY: Final = 1e-6
"""A step missed by less than this was missed by the arithmetic."""


class SetEntity(Protocol):
    """Sets an entity: a number to a number, a choice to a word, a switch to on or off."""

    async def __call__(self, entity: str, value: float | str) -> None:
        """Return when the entity has taken it. Raises RefusedError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A choice that says what the battery does."""

    entity: str
    charge: str
    discharge: str
    idle: str
    own: str
    """The battery decides for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandEntities:
    """The entities that command a battery."""

    power: str
    """The number for the power."""
    charge_power: str | None = None
    """A number of its own for charging; the other one is for discharging then."""
    inverted: bool = False
    """The number counts charging as positive, instead of discharging."""
    mode: Mode | None = None
    """With it, the number is without a sign."""
    switch: str | None = None
    """On while we command."""


def unit_of_number(entity: str, state: EntityState) -> float:
    """Return W per unit of a number that sets a power; one without a unit is in W.

    Raises EntityUnitError for any other unit: 1000 of an A or a % would be a lot.
    """
    if state.unit and state.unit not in POWER_UNITS:
        raise EntityUnitError(entity, state.unit, ", ".join(POWER_UNITS))
    return POWER_UNITS.get(state.unit, 1.0)


class EntityHand:
    """Implements ``entity.Hand`` with entities."""

    def __init__(self, entities: HandEntities, get: StateGetter, set_entity: SetEntity) -> None:
        """Take the entities, and how they are looked up and set."""
        self._entities = entities
        self._get = get
        self._set = set_entity
        self._told: dict[str, float | str] = {}

    async def command(self, power_w: float) -> None:
        """Set what differs, the power first: a direction must not meet an older power."""
        entities = self._entities
        if entities.charge_power is not None:
            numbers = [(entities.charge_power, -power_w), (entities.power, power_w)]
            # The one that ends goes first: both at once would be a command to do both.
            for number, part_w in sorted(numbers, key=lambda each: each[1]):
                await self._set_power(number, max(part_w, 0.0))
        elif entities.mode is not None:
            await self._set_power(entities.power, abs(power_w))
        else:
            await self._set_power(entities.power, -power_w if entities.inverted else power_w)
        if (mode := entities.mode) is not None:
            word = mode.discharge if power_w > 0.0 else mode.charge if power_w < 0.0 else mode.idle
            await self._change(mode.entity, word)
        if entities.switch is not None:
            await self._change(entities.switch, ON)

    async def release(self) -> None:
        """Set the power to zero, and give the battery back where there is a way to."""
        entities = self._entities
        self._told.clear()
        for number in (entities.charge_power, entities.power):
            if number is not None:
                await self._set_power(number, 0.0)
        if entities.mode is not None:
            await self._change(entities.mode.entity, entities.mode.own)
        if entities.switch is not None:
            await self._change(entities.switch, OFF)
        self._told.clear()

    async def _set_power(self, entity: str, power_w: float) -> None:
        """Set a number to a power, in its own unit and within what it takes."""
        state = self._state(entity)
        value = power_w / unit_of_number(entity, state)
        if state.step > 0.0:
            base = state.least if math.isfinite(state.least) else 0.0
            # Towards zero, so that rounding never asks for more than was decided.
            steps = (value - base) / state.step
            whole = math.floor(steps + TINY) if value > 0.0 else math.ceil(steps - TINY)
            value = base + state.step * whole
        await self._change(entity, round(max(state.least, min(value, state.most)), 6))

    async def _change(self, entity: str, value: float | str) -> None:
        """Set an entity, unless it was told that already and has it."""
        state = self._state(entity)
        has = state.number if isinstance(value, float) else state.value
        if has == value and self._told.get(entity) == value:
            return
        self._told.pop(entity, None)
        await self._set(entity, value)
        self._told[entity] = value

    def _state(self, entity: str) -> EntityState:
        state = self._get(entity)
        if state is None or state.value is None:
            raise EntitySilentError(entity, "cannot be set now: it has no value")
        return state


def refused(device: str, what: str) -> RefusedError:
    """Return the error for something that was not taken."""
    return RefusedError(f"{device}: {what}", device=device, what=what, code="-")
