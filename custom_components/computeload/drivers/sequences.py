"""Carrying out what a profile says about control: enable, set, release.

The steps of ``enable`` run when control is taken, and again after the link was lost or
the command has lapsed. Each command then runs the steps of the setpoint, and nothing
else is written.
"""

import asyncio
from collections.abc import Mapping
import math
from typing import Final, Protocol

from modbus_connection import ModbusExceptionError

from ..core.model import Clock, Value
from .base import RefusedError
from .decode import encode
from .link import ABSENT_CODES, TimedUnit, refused
from .spec import (
    Check,
    Constant,
    Control,
    Counter,
    Location,
    Occasion,
    Part,
    Power,
    Register,
    Reported,
    Step,
    Wait,
    Words,
    Write,
)

_CHECK_EVERY_S: Final = 0.2


class Ground(Protocol):
    """What sequences need of the device that they run on."""

    async def place(self, location: Location) -> Register | None:
        """Return where a value is on this device; None where it has none."""
        ...

    async def read_for_control(self) -> tuple[Mapping[str, Value], Mapping[int, int]]:
        """Read what commands refer to: values by key, scale exponents by address."""
        ...


class Commander:
    """Commands one device."""

    def __init__(
        self,
        name: str,
        control: Control,
        units: Mapping[str, TimedUnit],
        ground: Ground,
        clock: Clock,
    ) -> None:
        """Start without control; ``name`` is what errors call the device."""
        self._name = name
        self._control = control
        self._units = units
        self._ground = ground
        self._clock = clock
        self._turn = asyncio.Lock()
        self._enabled = False
        self._held = False
        self._commanded_at_s = -math.inf
        self._counter = 0
        self._values: Mapping[str, Value] = {}
        self._exponents: Mapping[int, int] = {}
        self._stored: dict[tuple[str, int], list[int]] = {}

    def forget(self) -> None:
        """Take control anew with the next command: the device may have dropped it."""
        self._enabled = False

    def saw_own_control(self) -> None:
        """Note that the device reported, in a reading, that it follows no command.

        A reading that is younger than the device's reaction time says nothing.
        """
        age_s = self._clock.monotonic_s() - self._commanded_at_s
        if age_s > self._control.contract.delay_s:
            self._enabled = False

    async def command(self, power_w: float) -> None:
        """Command this power, our sign. Raises RefusedError.

        Commands and releases take turns: what was asked for last is what holds.
        """
        if not math.isfinite(power_w):
            raise RefusedError(
                f"{self._name}: {power_w} is not a power",
                device=self._name,
                what="a command that is not a number",
                code="-",
            )
        async with self._turn:
            await self._command(power_w)

    async def _command(self, power_w: float) -> None:
        """Take control unless we have it, and write the setpoint."""
        lapse_s = self._control.contract.lapse_s
        if lapse_s and self._clock.monotonic_s() - self._commanded_at_s >= lapse_s:
            self._enabled = False
        enabled, self._enabled = self._enabled, False
        self._counter = self._counter % 0xFFFF + 1
        if not enabled:
            self._stored.clear()
            self._values, self._exponents = await self._ground.read_for_control()
            self._held = True
            await self._run(self._control.enable, power_w)
        await self._run(self._control.setpoint, power_w)
        self._enabled = True
        self._commanded_at_s = self._clock.monotonic_s()

    async def release(self) -> None:
        """Give the device back, whether or not we hold it."""
        async with self._turn:
            await self._release()

    async def _release(self) -> None:
        """Take the steps of the release."""
        self._enabled = False
        self._stored.clear()
        for step in self._control.release:
            if isinstance(step, Write) and await self._needs_reading(step):
                self._values, self._exponents = await self._ground.read_for_control()
                break
        await self._run(self._control.release, 0.0)
        self._held = False

    async def _needs_reading(self, step: Write) -> bool:
        """Whether a write depends on what the device reports."""
        if step.unless or any(isinstance(part.expression, Reported) for part in step.parts):
            return True
        places = [await self._ground.place(part.location) for part in step.parts]
        return any(place is not None and place.scale_address is not None for place in places)

    async def _run(self, steps: tuple[Step, ...], power_w: float) -> None:
        """Take the steps in order."""
        for step in steps:
            match step:
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Check():
                    await self._check(step)
                case Write() if self._is_due(step, power_w):
                    await self._write(step, power_w)

    def _is_due(self, step: Write, power_w: float) -> bool:
        """Whether a step applies now, and does not merely repeat what the device reports."""
        if step.only and not self._occasion(power_w) & step.only:
            return False
        met = (self._values.get(item.key) in item.allowed for item in step.unless)
        return not step.unless or not all(met)

    def _occasion(self, power_w: float) -> frozenset[Occasion]:
        """Return what applies now."""
        if abs(power_w) * 2 < self._control.contract.resolution_w or power_w == 0:
            direction = Occasion.IDLE
        else:
            direction = Occasion.DISCHARGE if power_w > 0 else Occasion.CHARGE
        return frozenset({direction, Occasion.ENGAGED} if self._held else {direction})

    async def _write(self, step: Write, power_w: float) -> None:
        """Send one request."""
        words: list[int] = []
        first: Register | None = None
        for part in step.parts:
            place = await self._ground.place(part.location)
            if place is None:
                if step.optional:
                    return
                raise self._unsupported(f"writing {_named(part.location)}")
            first = first or place
            words += encode(part, place, self._value(part, power_w), self._exponent(place))
        if first is None or not self._is_news(first, words):
            return
        unit = self._units[first.unit]
        try:
            if step.function == 6 or (step.function is None and len(words) == 1):  # noqa: PLR2004
                await unit.write_register(first.address, words[0])
            else:
                await unit.write_registers(first.address, words)
        except ModbusExceptionError as error:
            if step.optional and error.exception_code in ABSENT_CODES:
                return
            what = f"writing {_named(step.parts[0].location)}"
            raise refused(self._name, what, error) from error
        if self._control.contract.persistent:
            self._stored[first.unit, first.address] = words

    def _is_news(self, place: Register, words: list[int]) -> bool:
        """Whether registers that are stored in flash would change, as far as we know."""
        return self._stored.get((place.unit, place.address)) != words

    def _exponent(self, place: Register) -> int:
        """Return the power of ten of a value's scale register."""
        return self._exponents.get(place.scale_address or -1, 0)

    def _value(self, part: Part, power_w: float) -> float:
        """Return what to write, in the unit of the part."""
        match part.expression:
            case Constant(value):
                return value
            case Counter():
                return self._counter
            case Reported(key):
                return self._reported(key, "is to be written")
            case Words() as words:
                return self._word(words, power_w)
            case Power() as power:
                value = abs(power_w) if power.magnitude else power_w * power.sign
                base = power.percent_of
                return value / self._reported(base, "is 100 %", 0.0) * 100.0 if base else value

    def _word(self, words: Words, power_w: float) -> float:
        """Return the word for the direction of a power."""
        occasion = self._occasion(power_w)
        if Occasion.IDLE in occasion:
            return words.idle
        return words.charge if Occasion.CHARGE in occasion else words.discharge

    def _reported(self, key: str, use: str, above: float = -math.inf) -> float:
        """Return a number that the device reported; without it nothing can be written."""
        value = self._values.get(key)
        if not isinstance(value, int | float) or value <= above:
            raise self._unsupported(f"reading '{key}', which {use},")
        return value

    async def _check(self, step: Check) -> None:
        """Wait until a value is what it must be."""
        deadline_s = self._clock.monotonic_s() + step.within_s
        while self._values.get(step.key) not in step.allowed:
            if self._clock.monotonic_s() >= deadline_s:
                found = self._values.get(step.key, "nothing")
                raise RefusedError(
                    f"{self._name}: {step.key} is {found}; {step.remedy}",
                    device=self._name,
                    what=step.remedy,
                    code="-",
                )
            await asyncio.sleep(_CHECK_EVERY_S)
            self._values, self._exponents = await self._ground.read_for_control()

    def _unsupported(self, what: str) -> RefusedError:
        """Return the error for what this device does not offer."""
        message = f"{self._name}: {what} is not offered by this device"
        return RefusedError(message, device=self._name, what=what, code="-")


def _named(location: Location) -> str:
    """Name a place for a message."""
    if isinstance(location, Register):
        return f"register {location.address}"
    return f"{location.model}.{location.name}"
