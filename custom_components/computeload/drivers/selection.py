"""Which fields of a profile a poll needs."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.model import Quantity
from .spec import Check, Computed, Control, Field, Operation, Power, Profile, Reported, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A part of a profile, closed under what its values are made from."""

    fields: tuple[Field, ...]
    computed: tuple[Computed, ...] = ()
    channel_fields: tuple[Field, ...] = ()
    channel_computed: tuple[Computed, ...] = ()


def everything(profile: Profile) -> Selection:
    """Select all that a profile describes."""
    channels = profile.channels
    return Selection(
        fields=profile.fields,
        computed=profile.computed,
        channel_fields=channels.fields if channels else (),
        channel_computed=channels.computed if channels else (),
    )


def fast(profile: Profile) -> Selection:
    """Select what the control loop needs."""
    return of_keys(profile, {s.key for s in (*profile.fields, *profile.computed) if s.fast})


def for_control(profile: Profile, control: Control) -> Selection:
    """Select what commands refer to."""
    steps = (*control.enable, *control.setpoint, *control.release)
    keys = {step.key for step in steps if isinstance(step, Check)}
    for step in steps:
        keys |= {condition.key for condition in step.unless} if isinstance(step, Write) else set()
        for part in step.parts if isinstance(step, Write) else ():
            if isinstance(part.expression, Power) and part.expression.percent_of:
                keys.add(part.expression.percent_of)
            if isinstance(part.expression, Reported):
                keys.add(part.expression.key)
    return of_keys(profile, keys)


def of_keys(profile: Profile, keys: Iterable[str]) -> Selection:
    """Select these values, and those that they are made from."""
    wanted, of_channels = _closure(profile, keys)
    channels = profile.channels
    inner: set[str] = set()
    if channels and of_channels:
        inner = {f.key for f in (*channels.fields, *channels.computed) if f.fast} | of_channels
        inner = _with_inputs(inner, channels.fields, channels.computed)
    return Selection(
        fields=tuple(f for f in profile.fields if f.key in wanted),
        computed=tuple(c for c in profile.computed if c.key in wanted),
        channel_fields=tuple(f for f in channels.fields if f.key in inner) if channels else (),
        channel_computed=tuple(c for c in channels.computed if c.key in inner) if channels else (),
    )


def essential(profile: Profile) -> frozenset[str]:
    """Return the fields without which a device is of no use: what its power is made from."""
    optional = {c.key for c in profile.computed if c.operation is Operation.FIRST}
    wanted = _with_inputs({Quantity.POWER_W}, profile.fields, profile.computed, stop=optional)
    return frozenset(f.key for f in profile.fields if f.key in wanted)


def _closure(profile: Profile, keys: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the device's own keys, and the keys of channels that they sum up."""
    wanted = _with_inputs(set(keys), profile.fields, profile.computed)
    of_channels = {
        key
        for item in profile.computed
        if item.key in wanted and item.operation is Operation.CHANNELS
        for key in item.inputs
    }
    return wanted, of_channels


def _with_inputs(
    keys: set[str],
    fields: Iterable[Field],
    computed: Iterable[Computed],
    stop: Iterable[str] = (),
) -> set[str]:
    """Add to a set of keys what they are made from and depend on."""
    needs = {f.key: {c.key for c in f.when} for f in fields}
    for item in computed:
        inputs = () if item.operation is Operation.CHANNELS else item.inputs
        needs[item.key] = {*inputs, *(c.key for c in item.when)}
    stopped = set(stop)
    found: set[str] = set()
    queue = list(keys)
    while queue:
        key = queue.pop()
        if key in found:
            continue
        found.add(key)
        queue += needs.get(key, ()) if key not in stopped else ()
    return found
