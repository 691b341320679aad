"""Entities of the system around us as a device: what others measure, in our units and signs.

How an entity's state is looked up, and how one is set, is handed in; nothing here waits
for a network. A sensor that others keep writing is as good as a meter, and one that has
not been written for too long is as silent as one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
import math
from typing import Final, Protocol

from ..core.model import Clock, Contract, Identity, Quantity, Reading, Value
from .base import Datasheet, EntitySilentError, EntityUnitError, RefusedError, Scope

POWER_UNITS: Final = {"mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6, "GW": 1e9}
"""W per unit."""
ENERGY_UNITS: Final = {
    "Wh": 1.0,
    "kWh": 1e3,
    "MWh": 1e6,
    "GWh": 1e9,
    "mJ": 1e-3 / 3600.0,
    "J": 1.0 / 3600.0,
    "kJ": 1.0 / 3.6,
    "MJ": 1e3 / 3.6,
    "GJ": 1e6 / 3.6,
}
"""Wh per unit."""
SHARE_UNITS: Final = {"%": 0.01}
UNITS: Final[Mapping[Quantity, Mapping[str, float]]] = {
    Quantity.POWER_W: POWER_UNITS,
    Quantity.POWER_L1_W: POWER_UNITS,
    Quantity.POWER_L2_W: POWER_UNITS,
    Quantity.POWER_L3_W: POWER_UNITS,
    Quantity.ENERGY_IMPORT_WH: ENERGY_UNITS,
    Quantity.ENERGY_EXPORT_WH: ENERGY_UNITS,
    Quantity.SOC: SHARE_UNITS,
}
"""What an entity can be chosen for, and the units that it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityState:
    """What an entity says now."""

    value: str | None
    """None while it has no value."""
    unit: str = ""
    age_s: float = 0.0
    """How long ago it was written, be it with the same value."""
    least: float = -math.inf
    """The smallest number that it can be set to, in its own unit."""
    most: float = math.inf
    step: float = 0.0
    """The steps in which it can be set; 0 where it does not say."""

    @property
    def number(self) -> float | None:
        """Return the value as a number; None where it is none."""
        try:
            number = float(self.value or "")
        except ValueError:
            return None
        return number if math.isfinite(number) else None


type StateGetter = Callable[[str], EntityState | None]
"""Looks an entity up by its id; None where there is no such entity."""


@dataclass(frozen=True, slots=True)
class Term:
    """An entity whose number counts with a sign, +1 or -1."""

    entity: str
    sign: float = 1.0


class Hand(Protocol):
    """What can command a device that others talk to."""

    async def command(self, power_w: float) -> None:
        """Have the device take or give this power, in our sign. Raises RefusedError."""
        ...

    async def release(self) -> None:
        """Give the device back to its own control. Raises RefusedError."""
        ...


class EntityDevice:
    """Implements ``base.Device`` with entities."""

    def __init__(
        self,
        datasheet: Datasheet,
        terms: Mapping[Quantity, tuple[Term, ...]],
        get: StateGetter,
        clock: Clock,
        *,
        stale_s: float,
        hand: Hand | None = None,
        contract: Contract | None = None,
    ) -> None:
        """Say which entities add up to which quantity; the power has to be among them.

        A power that was not written for ``stale_s`` does not count. What is commanded
        through ``hand`` needs a contract.
        """
        self.datasheet = datasheet
        self.contract = contract if hand else None
        self._terms = terms
        self._get = get
        self._clock = clock
        self._stale_s = stale_s
        self._hand = hand

    @property
    def entities(self) -> frozenset[str]:
        """Return the ids of all entities that are read."""
        return frozenset(term.entity for terms in self._terms.values() for term in terms)

    async def identify(self) -> Identity:
        """Check that all entities are there, and have units that fit.

        Raises EntitySilentError or EntityUnitError.
        """
        for quantity, terms in self._terms.items():
            for term in terms:
                _factor(quantity, term.entity, self._state(term.entity))
        return Identity()

    async def read(self, scope: Scope) -> Reading:  # noqa: ARG002 - all of it is at hand
        """Look all entities up. The reading is as old as the oldest part of the power.

        Raises EntitySilentError where the power is not known.
        """
        values: dict[Quantity, Value] = {}
        age_s = 0.0
        for term in self._terms[Quantity.POWER_W]:
            state = self._state(term.entity)
            if state.number is None:
                raise EntitySilentError(term.entity, "has no value")
            if state.age_s > self._stale_s:
                raise EntitySilentError(
                    term.entity, f"was not written for more than {self._stale_s:g} s"
                )
            age_s = max(age_s, state.age_s)
        for quantity, terms in self._terms.items():
            value = self._sum(quantity, terms)
            if value is not None:
                values[quantity] = value
        return Reading(
            at=self._clock.now() - timedelta(seconds=age_s),
            monotonic_s=self._clock.monotonic_s() - age_s,
            values=values,
        )

    async def command(self, power_w: float) -> None:
        """Command this power, in our sign."""
        if self._hand is None:
            raise RefusedError(
                f"{self.datasheet.title}: it can only be read",
                device=self.datasheet.title,
                what="control of a device that can only be read",
                code="-",
            )
        await self._hand.command(power_w)

    async def release(self) -> None:
        """Give the device back to its own control."""
        if self._hand is not None:
            await self._hand.release()

    def _state(self, entity: str) -> EntityState:
        state = self._get(entity)
        if state is None:
            raise EntitySilentError(entity, "does not exist")
        return state

    def _sum(self, quantity: Quantity, terms: Iterable[Term]) -> float | None:
        """Return what the entities add up to, in our unit; None while a part is not known.

        A counter and a charge are what they are until they are written again; a power that
        was not written for too long is not known.
        """
        total = 0.0
        stale_s = self._stale_s if UNITS[quantity] is POWER_UNITS else math.inf
        for term in terms:
            state = self._get(term.entity)
            number = state.number if state is not None else None
            if state is None or number is None or state.age_s > stale_s:
                return None
            total += term.sign * number * _factor(quantity, term.entity, state)
        return total


def _factor(quantity: Quantity, entity: str, state: EntityState) -> float:
    """Return our unit per the entity's; raises EntityUnitError.

    An entity without a value may come without its unit, too: that is no mistake.
    """
    units = UNITS[quantity]
    if state.unit not in units and (state.value is not None or state.unit):
        raise EntityUnitError(entity, state.unit or "no unit", ", ".join(units))
    return units.get(state.unit, 1.0)
