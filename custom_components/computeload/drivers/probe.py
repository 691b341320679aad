"""Finding out what answers at an address: only by reading, and at a gentle pace."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace

from modbus_connection import ModbusExceptionError, ModbusUnit

from ..core.model import Clock, Identity, Quantity, Reading
from .base import CannotConnectError, DeviceError, NoAnswerError, Scope
from .link import TimedUnit
from .modbus import open_device
from .spec import Profile
from .sunspec import ModelMap, find_models


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A profile that a device can be read through."""

    profile: Profile
    proven: bool
    """Whether registers have shown that it is this device; else they could only be read."""
    identity: Identity
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found behind one unit id."""

    models: tuple[int, ...] = ()
    """The SunSpec models in the order of the device; none where it has no SunSpec map."""
    matches: tuple[Match, ...] = field(default=())
    """Proven ones first."""


async def answers(unit: ModbusUnit, timeout_s: float) -> bool:
    """Tell whether anything answers at a unit id, be it a refusal.

    Raises CannotConnectError where there is not even a connection.
    """
    timed = TimedUnit(unit, "the device", timeout_s)
    try:
        await timed.read_holding_registers(0, 1)
    except NoAnswerError:
        return False
    except ModbusExceptionError:
        return True
    return True


async def find(
    unit: ModbusUnit,
    profiles: Iterable[Profile],
    clock: Clock,
    *,
    timeout_s: float = 1.0,
    spacing_s: float = 0.05,
) -> Found:
    """Find out what is behind a unit id, and which of these profiles read it.

    One request at a time, with a pause of ``spacing_s`` after each. Raises CannotConnectError
    when the connection is lost and does not come back.
    """
    unit.set_message_spacing(spacing_s)
    models = await _models(unit, timeout_s)
    matches: list[Match] = []
    for profile in profiles:
        if models or not profile.is_sunspec:
            unit.set_message_spacing(spacing_s)  # a profile tried before may have asked for more
            pause_s = max(spacing_s, profile.link.spacing_s)
            gentle = replace(profile, link=replace(profile.link, spacing_s=pause_s))
            match = await _tried(unit, gentle, clock, timeout_s)
            matches += [match] if match else []
    matches.sort(key=lambda match: not match.proven)
    return Found(models=tuple(models.models) if models else (), matches=tuple(matches))


async def _models(unit: ModbusUnit, timeout_s: float) -> ModelMap | None:
    """Scan for SunSpec; a device that does not take the scan has none."""
    timed = TimedUnit(unit, "the device", timeout_s)
    try:
        return await find_models(timed)  # type: ignore[arg-type] # all that a scan needs
    except CannotConnectError:
        raise
    except DeviceError, ModbusExceptionError:
        return None


async def _tried(
    unit: ModbusUnit, profile: Profile, clock: Clock, timeout_s: float
) -> Match | None:
    """Try to read a device through a profile; None where that makes no sense."""
    device = open_device(profile, unit, clock, request_timeout_s=timeout_s)
    with closing(device):
        try:
            identity = await device.identify()
            reading = await device.read(Scope.FULL)
        except CannotConnectError:
            raise
        except DeviceError:
            return None
    if reading.number(Quantity.POWER_W) is None:
        return None
    proven = bool(profile.expectations) or profile.is_sunspec
    return Match(profile=profile, proven=proven, identity=identity, reading=reading)
