"""A Modbus device as its profile describes it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from modbus_connection import ModbusExceptionError, ModbusUnit

from ..core.model import Clock, Contract, Identity, Quantity, Reading, Value
from . import selection
from .base import RefusedError, Scope, WrongDeviceError
from .blocks import Ranges
from .decode import Decoder
from .layout import Layout
from .link import ABSENT_CODES, TimedUnit, refused
from .selection import Selection
from .sequences import Commander
from .spec import (
    HEADER_REGISTERS,
    Expectation,
    Field,
    Location,
    Point,
    Profile,
    Register,
    RegisterType,
    Space,
    Write,
)
from .sunspec import ModelMap, find_models

_WORD: Final = Register(address=0, type=RegisterType.UINT16, count=1)
_EXPONENT: Final = Register(address=0, type=RegisterType.INT16, count=1)
_ABSENT: Final = frozenset(str(int(code)) for code in ABSENT_CODES)
_IDENTITY: Final = "identity"
_CONTROL: Final = "control"


def open_device(
    profile: Profile,
    unit: ModbusUnit,
    clock: Clock,
    *,
    more_units: Mapping[str, ModbusUnit] | None = None,
    channels: int | None = None,
    request_timeout_s: float | None = None,
) -> ModbusDevice:
    """Return the device behind a unit of a link. Sends nothing yet.

    ``more_units`` holds a unit for each name in ``profile.link.more_unit_ids``; without one
    of them, what it holds is absent, and the device is only read. ``channels`` says how many
    channels a multi-channel device has (the profile's default otherwise);
    ``request_timeout_s`` is how long one request may take. Raises ValueError for a number of
    channels that the profile excludes.
    """
    units = {"": unit} | dict(more_units or {})
    most = profile.channels.most if profile.channels else 0
    count = profile.channel_count if channels is None else channels
    if not 0 <= count <= most:
        raise ValueError(f"{profile.title} has at most {most} channels, not {count}")
    for each in units.values():
        if profile.link.spacing_s:
            each.set_message_spacing(profile.link.spacing_s)
        if profile.link.connect_delay_s:
            each.require_connect_delay(profile.link.connect_delay_s)
    timeout_s = request_timeout_s or profile.link.request_timeout_s
    timed = {name: TimedUnit(each, profile.title, timeout_s) for name, each in units.items()}
    device = ModbusDevice(profile, timed, clock, count)
    device.closes = [each.on_connection_lost(device.link_lost) for each in units.values()]
    return device


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How one poll reads a selection."""

    layout: Layout
    decoder: Decoder
    channel_decoders: tuple[Decoder, ...]
    headers: Mapping[str, int]
    """Per raw key of a SunSpec header, what must stand there."""
    helpers: tuple[str, ...]
    """Values that are of no interest outside."""


class ModbusDevice:
    """Implements ``base.Device`` over Modbus, from a profile."""

    def __init__(
        self, profile: Profile, units: Mapping[str, TimedUnit], clock: Clock, channels: int
    ) -> None:
        """Use ``open_device``."""
        self.profile = profile
        self.datasheet = profile.datasheet
        self.closes: list[Callable[[], None]] = []
        self._name = profile.title
        self._units = units
        self._clock = clock
        self._channels = channels
        self._map: ModelMap | None = None
        self._plans: dict[str, _Plan] = {}
        control = profile.control if units.keys() >= profile.link.more_unit_ids.keys() else None
        self._commander = Commander(self._name, control, units, self, clock) if control else None
        held = {Quantity.SETPOINT_W, Quantity.POWER_LIMIT_W} & profile.quantities
        self._held_quantity = next(iter(held), None)

    @property
    def contract(self) -> Contract | None:
        """The fail-safe contract; None for a device that is only read."""
        return self.profile.contract if self._commander else None

    @property
    def refused(self) -> frozenset[str]:
        """Values of the profile that this device does not have, as far as is known."""
        return frozenset().union(*(plan.layout.refused for plan in self._plans.values()))

    def close(self) -> None:
        """Stop listening to the link. The device is not released by this."""
        while self.closes:
            self.closes.pop()()

    def link_lost(self) -> None:
        """Take control anew with the next command; the device may have restarted."""
        if self._commander:
            self._commander.forget()

    async def identify(self) -> Identity:
        """Check that this is the device that the profile describes, and who it is.

        Raises WrongDeviceError when it is not, and the other DeviceErrors of a read.
        """
        expected = ", ".join(e.meaning for e in self.profile.expectations) or self._name
        try:
            values = await self._name_plate()
            for expectation in self.profile.expectations:
                found = values.get(expectation.field.key)
                if not _is_met(expectation, found):
                    shown = "nothing" if found is None else _shown(found)
                    raise self._wrong(expectation.meaning, shown)
            await self.read(Scope.FAST)
        except RefusedError as error:
            if error.placeholders["code"] in _ABSENT:
                raise self._wrong(expected, error.placeholders["what"] + " refused") from error
            raise
        told = {
            name: _shown(values[field.key])
            for name, field in self.profile.identity.items()
            if field.key in values
        }
        told.setdefault("manufacturer", self.profile.manufacturer)
        options = {}
        if self._map:
            options["sunspec_models"] = ", ".join(str(number) for number in self._map.models)
        return Identity(**told, options=options)

    async def find_units(self) -> None:
        """Check that something answers at each of the further unit ids.

        Readings do without one that is silent, so a mistyped one would never be noticed.
        Raises WrongDeviceError.
        """
        for name in self._units.keys() - {""}:
            place = next(place for place in self._places() if place.unit == name)
            request = Layout(
                self._name,
                self._units,
                {name: place},
                link=self.profile.link,
                ranges=self._ranges(),
                essential=frozenset(),
            )
            try:
                there = bool(await request.read(self._clock.monotonic_s()))
            except RefusedError as error:
                there = error.placeholders["code"] in _ABSENT  # it is there, and says no
            if not there:
                raise self._wrong(f"an answer from the unit id of '{name}'", "none")

    def _places(self) -> Iterator[Register]:
        """Yield all registers with an address of their own that are read or written."""
        control = self.profile.control
        steps = (*control.enable, *control.setpoint) if control else ()
        parts = [part for step in steps if isinstance(step, Write) for part in step.parts]
        places = (*(f.location for f in self.profile.fields), *(p.location for p in parts))
        yield from (place for place in places if isinstance(place, Register))

    async def _name_plate(self) -> Mapping[str, Value]:
        """Read who the device says it is: nothing, where it refuses and nothing is expected."""
        try:
            plan, raw = await self._raw(_IDENTITY)
        except RefusedError as error:
            if self.profile.expectations or error.placeholders["code"] not in _ABSENT:
                raise
            return {}
        return plan.decoder.decode(raw)

    async def read(self, scope: Scope) -> Reading:
        """Poll the device. A part that it refuses is absent from the reading."""
        plan, raw = await self._raw(scope)
        at, monotonic_s = self._clock.now(), self._clock.monotonic_s()
        channels = [decoder.decode(raw) for decoder in plan.channel_decoders]
        values = plan.decoder.decode(raw, channels)
        for key in plan.helpers:
            values.pop(key, None)
        held = self._held_quantity
        if scope is Scope.FULL and self._commander and held and held not in values:
            self._commander.saw_own_control()
        return Reading(
            at=at,
            monotonic_s=monotonic_s,
            values=cast("Mapping[Quantity, Value]", values),
            channels=tuple(cast("list[Mapping[Quantity, Value]]", channels)),
        )

    async def command(self, power_w: float) -> None:
        """Take control if need be, and command this AC power (or PV limit), in our sign."""
        await self._commanding().command(power_w)

    async def release(self) -> None:
        """Give the device back to its own control; harmless when it already has it."""
        if self._commander:
            await self._commander.release()

    async def place(self, location: Location) -> Register | None:
        """Return where a value is on this device; None where it has none."""
        if isinstance(location, Register):
            return location if location.unit in self._units else None
        return (await self._models()).place(location, self.profile.sunspec[location.model])

    async def read_for_control(self) -> tuple[Mapping[str, Value], Mapping[int, int]]:
        """Read what commands refer to: values by key, scale exponents by address."""
        plan, raw = await self._raw(_CONTROL)
        values = plan.decoder.decode(raw)
        exponents = {
            int(key[1:]): int(content)
            for key, content in raw.items()
            if key.startswith("^") and content is not None
        }
        return values, exponents

    def _commanding(self) -> Commander:
        """Return the commander; a device without control refuses."""
        if self._commander is None:
            raise RefusedError(
                f"{self._name}: it can only be read",
                device=self._name,
                what="control of a device that can only be read",
                code="-",
            )
        return self._commander

    async def _models(self) -> ModelMap:
        """Return the SunSpec map; scans when it is not known yet."""
        if self._map is None:
            self._map = await self._scan()
        return self._map

    async def _scan(self) -> ModelMap:
        """Walk the chain of models. Raises WrongDeviceError where there is none."""
        try:
            found = await find_models(cast("ModbusUnit", self._units[""]))
        except ModbusExceptionError as error:
            raise refused(self._name, "the SunSpec scan", error) from error
        if found is None:
            raise self._wrong("a SunSpec map at register 40000, 0 or 50000", "none")
        return found

    async def _raw(self, name: str) -> tuple[_Plan, dict[str, Any]]:
        """Read the registers of a plan; a SunSpec map that has moved is found again."""
        plan = await self._plan(name)
        now_s = self._clock.monotonic_s()
        if not self.profile.is_sunspec:
            return plan, await plan.layout.read(now_s)
        try:
            raw = await plan.layout.read(now_s, learn=False)
        except RefusedError as error:
            if error.placeholders["code"] not in _ABSENT:
                raise
        else:
            if all(raw.get(key) == content for key, content in plan.headers.items()):
                return plan, raw
        found = await self._scan()
        if found != self._map:
            self._map = found
            self._plans.clear()
            self.link_lost()
        plan = await self._plan(name)
        raw = await plan.layout.read(now_s)
        if any(raw.get(key) != content for key, content in plan.headers.items()):
            raise self._wrong("a SunSpec map that stays where it is", "one that moves")
        return plan, raw

    async def _plan(self, name: str) -> _Plan:
        """Return how a poll is read on this device."""
        if name not in self._plans:
            self._plans[name] = await self._make_plan(name)
        return self._plans[name]

    async def _make_plan(self, name: str) -> _Plan:
        """Plan the requests of a poll."""
        profile = self.profile
        registers: dict[str, Register] = {}
        essential = selection.essential(profile)
        match name:
            case Scope.FAST:
                part = selection.fast(profile)
            case Scope.FULL:
                part = selection.everything(profile)
            case _ if name == _CONTROL and profile.control:
                part = selection.for_control(profile, profile.control)
                registers |= await self._exponent_registers()
                essential = frozenset()
            case _:
                expected = [expectation.field for expectation in profile.expectations]
                part = Selection(fields=(*profile.identity.values(), *expected))
                essential = frozenset(field.key for field in expected)
        for field in part.fields:
            place = await self.place(field.location)
            if place is not None:
                registers[field.key] = place
            elif field.key in essential:
                raise await self._missing_model(field)
        registers |= self._channel_registers(part.channel_fields)
        headers = self._headers(registers.values())
        registers |= {key: header[0] for key, header in headers.items()}
        return _Plan(
            layout=Layout(
                self._name,
                self._units,
                registers,
                link=profile.link,
                ranges=self._ranges(),
                essential=essential,
                known=(p for p in self._places() if p.unit in self._units),
            ),
            decoder=Decoder(part.fields, part.computed),
            channel_decoders=tuple(
                Decoder(part.channel_fields, part.channel_computed, f"{channel}:")
                for channel in range(self._channels)
            ),
            headers={key: content for key, (_, content) in headers.items()},
            helpers=tuple(
                source.key
                for source in (*part.fields, *part.computed)
                if source.key not in Quantity
            ),
        )

    async def _exponent_registers(self) -> dict[str, Register]:
        """Return the scale registers of what commands write."""
        control = self.profile.control
        steps = (*control.enable, *control.setpoint, *control.release) if control else ()
        registers: dict[str, Register] = {}
        for step in steps:
            for written in step.parts if isinstance(step, Write) else ():
                place = await self.place(written.location)
                if place is not None and place.scale_address is not None:
                    registers[f"^{place.scale_address}"] = replace(
                        _EXPONENT, address=place.scale_address, unit=place.unit
                    )
        return registers

    def _channel_registers(self, fields: Iterable[Field]) -> dict[str, Register]:
        """Return the registers of all channels."""
        bases = self.profile.channels.bases[: self._channels] if self.profile.channels else ()
        result: dict[str, Register] = {}
        for channel, base in enumerate(bases):
            for field in fields:
                if not isinstance(place := field.location, Point):
                    scale = place.scale_address
                    result[f"{channel}:{field.key}"] = replace(
                        place,
                        address=place.address + base,
                        scale_address=None if scale is None else scale + base,
                    )
        return result

    def _headers(self, registers: Iterable[Register]) -> dict[str, tuple[Register, int]]:
        """Return the SunSpec headers to check in a read of these registers."""
        result: dict[str, tuple[Register, int]] = {}
        addresses = {register.address for register in registers}
        for model in self._map.models.values() if self._map else ():
            if any(model.address <= a < model.address + model.span for a in addresses):
                contents = (model.model_id, model.length)
                for offset, content in zip(range(HEADER_REGISTERS), contents, strict=True):
                    place = replace(_WORD, address=model.address + offset)
                    result[f"@{place.address}"] = (place, content)
        return result

    def _ranges(self) -> Ranges:
        """Return the blocks that a request must not leave."""
        if self._map is None:
            return self.profile.link.ranges
        models = sorted((m.address, m.address + m.span - 1) for m in self._map.models.values())
        holding: Space = "holding"
        return {holding: tuple(models)}

    async def _missing_model(self, field: Field) -> WrongDeviceError:
        """Return the error for a device without the model, or the unit id, that it needs."""
        place = field.location
        if isinstance(place, Register):
            return self._wrong(f"a unit id for '{place.unit}'", "none")
        wanted = self.profile.sunspec[place.model]
        found = (await self._models()).models
        # A scan that a bad link led astray must not be believed for good.
        self._map = None
        return self._wrong(
            "SunSpec model " + " or ".join(str(number) for number in wanted),
            ", ".join(str(number) for number in found),
        )

    def _wrong(self, expected: str, found: str) -> WrongDeviceError:
        """Return the error for a device that is not the one of the profile."""
        message = f"{self._name}: expected {expected}, found {found}"
        return WrongDeviceError(message, device=self._name, expected=expected, found=found)


def _is_met(expectation: Expectation, found: Value | None) -> bool:
    """Whether a register shows what the right device would."""
    if found is None:
        return False
    if expectation.between:
        low, high = expectation.between
        return isinstance(found, int | float) and low <= found <= high
    if expectation.starts_with:
        return isinstance(found, str) and found.startswith(expectation.starts_with)
    return found in expectation.equals


def _shown(value: Value) -> str:
    """Return a value as text; numbers of registers are whole."""
    return (
        f"{value:g}"
        if isinstance(value, float) and not value.is_integer()
        else (str(int(value)) if isinstance(value, float) else str(value))
    )
