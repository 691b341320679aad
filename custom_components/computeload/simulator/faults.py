"""Faults on demand: what may go wrong, and the one interface that makes it so.

``README.md`` has the table. Faults last until they are cleared, except those that are a
single event (restart, SoC jump). Several may be active on one device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Final

from ..core.model import Quantity
from .cabinet import BatteryPhysics
from .registers import Bend, Raw

if TYPE_CHECKING:
    from .port import ModbusPort
    from .server import SimulatedSite

SITE: Final = "site"
"""The id under which faults of the whole site are injected and cleared."""

type Parameter = float | str
type Parameters = Mapping[str, Parameter]


class Fault(StrEnum):
    """What may go wrong."""

    NO_ANSWER = "no_answer"
    """Connections are accepted, requests are never answered."""
    SLOW = "slow"
    """Every answer comes ``delay_s`` later."""
    REFUSED_CONNECTION = "refused_connection"
    """The port is closed; open connections are reset."""
    EXCEPTION = "exception"
    """Every request is answered with exception ``code``."""
    FROZEN = "frozen"
    """Reads repeat what was true when the fault began; writes still work."""
    WRONG_VALUES = "wrong_values"
    """``quantity`` (or all) reads as value * ``factor`` + ``offset``, or as ``value``."""
    NOT_AVAILABLE = "not_available"
    """``quantity`` (or all) reads as NaN or the type's "not available" pattern."""
    DROP_MID_FRAME = "drop_mid_frame"
    """The link breaks after ``bytes`` of every answer."""
    REFUSED_WRITES = "refused_writes"
    """Writes are answered with exception ``code``; reads work."""
    IGNORED_WRITES = "ignored_writes"
    """Writes are acknowledged and do nothing."""
    STUCK = "stuck"
    """Likewise, and the command in force never lapses."""
    RESTART = "restart"
    """Once: gone for ``downtime_s`` real seconds, then counters at zero, RAM empty."""
    SOC_JUMP = "soc_jump"
    """Once: a battery's SoC becomes ``soc``."""
    OVERHEAT = "overheat"
    """The air around a battery has ``ambient_c``."""
    GRID_LOSS = "grid_loss"
    """The public grid is gone."""
    CLOCK_SKEW = "clock_skew"
    """The site's wall clock is ``seconds`` ahead (behind, if negative)."""


class FaultError(Exception):
    """A fault cannot be injected as asked; the text says why and what is possible."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Whom a fault may hit, and its parameters with their defaults and limits."""

    whom: str = "device"
    numbers: Mapping[str, tuple[float | None, float, float]] | None = None
    """By name: default (None: must be given, unless ``optional``), least, most."""
    optional: frozenset[str] = frozenset()
    quantity: bool = False


_RULES: Final = {
    Fault.NO_ANSWER: _Rule(),
    Fault.SLOW: _Rule(numbers={"delay_s": (0.5, 0.0, 3600.0)}),
    Fault.REFUSED_CONNECTION: _Rule(),
    Fault.EXCEPTION: _Rule(numbers={"code": (4, 1, 255)}),
    Fault.FROZEN: _Rule(),
    Fault.WRONG_VALUES: _Rule(
        numbers={
            "factor": (1.0, -1e30, 1e30),
            "offset": (0.0, -1e30, 1e30),
            "value": (None, -1e30, 1e30),
        },
        optional=frozenset({"value"}),
        quantity=True,
    ),
    Fault.NOT_AVAILABLE: _Rule(quantity=True),
    Fault.DROP_MID_FRAME: _Rule(numbers={"bytes": (5, 1, 260)}),
    Fault.REFUSED_WRITES: _Rule(numbers={"code": (4, 1, 255)}),
    Fault.IGNORED_WRITES: _Rule(),
    Fault.STUCK: _Rule(whom="battery"),
    Fault.RESTART: _Rule(numbers={"downtime_s": (1.0, 0.0, 3600.0)}),
    Fault.SOC_JUMP: _Rule(whom="battery", numbers={"soc": (None, 0.0, 1.0)}),
    Fault.OVERHEAT: _Rule(whom="battery", numbers={"ambient_c": (50.0, -40.0, 80.0)}),
    Fault.GRID_LOSS: _Rule(whom=SITE),
    Fault.CLOCK_SKEW: _Rule(whom=SITE, numbers={"seconds": (None, -1e9, 1e9)}),
}

_ONCE: Final = frozenset({Fault.RESTART, Fault.SOC_JUMP})


class FaultPanel:
    """Where faults are switched on and off. What it does is in effect when it returns."""

    def __init__(self, site: SimulatedSite) -> None:
        """Belong to a site; start without faults."""
        self._site = site
        self._active: dict[str, dict[Fault, Parameters]] = {}

    @property
    def active(self) -> Mapping[str, Mapping[Fault, Parameters]]:
        """What is wrong now, by device (or "site")."""
        return {name: dict(faults) for name, faults in self._active.items() if faults}

    async def inject(self, device_id: str, fault: Fault | str, **parameters: Parameter) -> None:
        """Switch a fault on; again with other parameters to change it.

        ``device_id`` is an endpoint's id, or "site" for grid loss and clock skew. Raises
        FaultError for what does not exist or does not fit.
        """
        if fault not in tuple(Fault):
            raise FaultError(f"'{fault}' is not a fault; one of {', '.join(Fault)}.")
        fault = Fault(fault)
        checked = _checked(fault, parameters)
        battery = self._check_target(device_id, fault)
        if "quantity" in checked:
            self._check_quantity(device_id, str(checked["quantity"]))
        if fault not in _ONCE:
            self._active.setdefault(device_id, {})[fault] = checked
        if fault is Fault.SOC_JUMP and battery is not None:
            battery.set_soc(float(checked["soc"]))
        elif fault is Fault.RESTART:
            await self._site.ports[device_id].restart(float(checked["downtime_s"]))
        else:
            await self._put_into_effect(device_id)

    async def clear(self, device_id: str, fault: Fault | None = None) -> None:
        """Switch off one fault of a device, or all of them; harmless without any."""
        if device_id != SITE and device_id not in self._site.ports:
            raise FaultError(self._unknown(device_id))
        faults = self._active.get(device_id, {})
        for each in list(faults) if fault is None else [fault]:
            faults.pop(each, None)
        await self._put_into_effect(device_id)

    async def clear_all(self) -> None:
        """Switch every fault off."""
        for device_id in list(self._active):
            await self.clear(device_id)

    def _check_target(self, device_id: str, fault: Fault) -> BatteryPhysics | None:
        """Check that the fault can hit this device; return the battery behind it."""
        whom = _RULES[fault].whom
        if (whom == SITE) != (device_id == SITE):
            name = "the site as a whole, 'site'" if whom == SITE else "a device, not the site"
            raise FaultError(f"'{fault}' is a fault of {name}.")
        if device_id == SITE:
            return None
        if device_id not in self._site.ports:
            raise FaultError(self._unknown(device_id))
        battery = self._site.battery_behind(device_id)
        if whom == "battery" and battery is None:
            raise FaultError(f"'{fault}' needs a battery; '{device_id}' is none.")
        return battery

    def _check_quantity(self, device_id: str, quantity: str) -> None:
        known = self._site.ports[device_id].device.quantities
        if quantity not in known:
            raise FaultError(
                f"'{device_id}' does not report '{quantity}'; one of {', '.join(sorted(known))}."
            )

    def _unknown(self, device_id: str) -> str:
        return f"There is no device '{device_id}'; one of {', '.join(self._site.ports)}."

    async def _put_into_effect(self, device_id: str) -> None:
        """Make the world agree with what is switched on for a device."""
        faults = self._active.get(device_id, {})
        site = self._site
        if device_id == SITE:
            skew = faults.get(Fault.CLOCK_SKEW, {})
            site.clock.skew_s = float(skew.get("seconds", 0.0))
            if Fault.GRID_LOSS in faults:
                site.physics.lose_grid()
            elif not site.physics.grid_present:
                site.physics.restore_grid()
            return
        port = site.ports[device_id]
        if (battery := site.battery_behind(device_id)) is not None:
            battery.stuck = Fault.STUCK in faults
            hot = faults.get(Fault.OVERHEAT, {})
            battery.ambient_c = float(hot.get("ambient_c", battery.spec.ambient_c))
        _bend_values(port, faults)
        await port.set_faults(faults)


def _bend_values(port: ModbusPort, faults: Mapping[Fault, Parameters]) -> None:
    """Falsify what the device says, as its faults ask for."""
    bends: dict[Quantity | None, Bend] = {}
    if (wrong := faults.get(Fault.WRONG_VALUES)) is not None:
        bends[_quantity(wrong)] = partial(_wrong, wrong)
    if (absent := faults.get(Fault.NOT_AVAILABLE)) is not None:
        bends[_quantity(absent)] = _absent
    port.device.bend(bends)
    port.device.freeze(frozen=Fault.FROZEN in faults)


def _quantity(parameters: Parameters) -> Quantity | None:
    name = parameters.get("quantity")
    return None if name is None else Quantity(str(name))


def _wrong(parameters: Parameters, value: Raw) -> Raw:
    if "value" in parameters:
        return float(parameters["value"])
    if not isinstance(value, int | float):
        return value
    return value * float(parameters["factor"]) + float(parameters["offset"])


def _absent(_: Raw) -> Raw:
    return None


def _checked(fault: Fault, parameters: Parameters) -> Parameters:
    """Fill in defaults and check names and limits; raises FaultError."""
    rule = _RULES[fault]
    numbers = rule.numbers or {}
    known = [*numbers, *(["quantity"] if rule.quantity else [])]
    if unknown := parameters.keys() - set(known):
        possible = ", ".join(known) or "none"
        raise FaultError(f"'{fault}' has no parameter '{min(unknown)}'; it takes: {possible}.")
    checked: dict[str, Parameter] = {}
    for name, (default, low, high) in numbers.items():
        value = parameters.get(name, default)
        if value is None:
            if name not in rule.optional:
                raise FaultError(f"'{fault}' needs '{name}', {low:g}..{high:g}.")
            continue
        if isinstance(value, bool | str) or not isfinite(value) or not low <= value <= high:
            raise FaultError(f"'{fault}': {name} must be a number in {low:g}..{high:g}.")
        checked[name] = value
    if "quantity" in parameters:
        checked["quantity"] = str(parameters["quantity"])
    return checked
