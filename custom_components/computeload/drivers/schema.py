"""From a YAML document to a Profile, or to a list of errors with a place and a remedy.

The document has the sections described in ``profiles/README.md``. This module reads the
head, the link and the registers; ``schema_control`` reads how a device is commanded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
import re
from typing import Final, Literal

from ..core.model import AssetKind, Quantity
from .document import Node, Problems, ProfileError, SchemaError, parse
from .schema_control import read_control
from .schema_registers import FIELD_KEYS, RegisterReader
from .spec import (
    Channels,
    Computed,
    Control,
    Expectation,
    Field,
    Link,
    Point,
    Profile,
    Register,
    Serial,
    Space,
    Write,
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,63}")
_KINDS: Final = {kind.value: kind for kind in AssetKind}
_TRANSPORTS: Final = ("tcp", "serial", "rtu_over_tcp", "udp", "tls")
_SPACES: Final[Mapping[str, Space]] = {"holding": "holding", "input": "input"}
_CONFIDENCE: Final[Mapping[str, Literal["high", "medium", "low"]]] = {
    "high": "high",
    "medium": "medium",
    "low": "low",
}
_PARITIES: Final[Mapping[str, Literal["N", "E", "O"]]] = {"N": "N", "E": "E", "O": "O"}
_HEAD: Final = ("kind", "title", "manufacturer", "models", "confidence", "tested_on", "sources")
_IDENTITY: Final = ("manufacturer", "model", "serial", "firmware")
_SUNSPEC_IDENTITY: Final = {"manufacturer": "Mn", "model": "Md", "serial": "SN", "firmware": "Vr"}


def read_profile(text: str, file: str, name: str) -> tuple[Profile | None, list[ProfileError]]:
    """Read one profile; ``name`` becomes its id. Returns it, or everything wrong with it."""
    problems = Problems()
    profile: Profile | None = None
    with problems.collected():
        document = parse(text, file)
        if not _NAME.fullmatch(name):
            raise document.error("a profile's file name is lower case letters, digits and '_'")
        profile = _profile(document, name, problems)
    return (None if problems.found else profile), problems.found


def _profile(document: Node, name: str, problems: Problems) -> Profile | None:
    """Read all sections; a wrong entry is noted, and the rest is read on."""
    top = document.mapping(
        required=(*_HEAD, "registers"),
        optional=(
            *("notes", "link", "poll", "defaults", "sunspec", "identity"),
            *("helpers", "channels", "control"),
        ),
    )
    kind = top["kind"].choice(_KINDS, "kind of asset")
    sunspec = _sunspec(top["sunspec"]) if "sunspec" in top else {}
    link = _link(top.get("link"), document, sunspec=bool(sunspec))
    reader = RegisterReader(kind=kind, sunspec=sunspec, units=link.more_unit_ids)
    if "defaults" in top:
        reader = reader.with_defaults(top["defaults"])
    fields: list[Field] = []
    computed: list[Computed] = []
    nodes: dict[str, Node] = {}
    for section in ("registers", "helpers"):
        for key, node in top[section].entries().items() if section in top else ():
            with problems.collected():
                _check_key(key, node, is_helper=section == "helpers")
                source = reader.source(node, key)
                nodes[key] = node
                (fields if isinstance(source, Field) else computed).append(source)  # type: ignore[arg-type]
    if Quantity.POWER_W not in nodes and not problems.found:
        problems.found.append(top["registers"].error("'power_w' is missing").error)
    channels = None
    with problems.collected():
        channels = _channels(top["channels"], reader, problems) if "channels" in top else None
    identity: Mapping[str, Field] = {}
    expectations: tuple[Expectation, ...] = ()
    with problems.collected():
        identity, expectations = _identity(top.get("identity"), reader)
    control = None
    if problems.found:
        return None
    with problems.collected():
        if "control" in top:
            control = read_control(top["control"], reader, kind, frozenset(nodes))
        computed = _ordered(fields, computed, nodes, channels)
        poll = top["poll"].mapping(optional=("every_s", "least_s")) if "poll" in top else {}
        profile = Profile(
            id=name,
            kind=kind,
            title=top["title"].text(),
            manufacturer=top["manufacturer"].text(),
            models=tuple(node.text() for node in top["models"].items(least=1)),
            confidence=top["confidence"].choice(_CONFIDENCE, "confidence"),
            tested_on=top["tested_on"].text(),
            sources=tuple(node.text() for node in top["sources"].items(least=1)),
            notes=top["notes"].text() if "notes" in top else "",
            link=link,
            poll_s=poll["every_s"].number(0.1, 3600) if "every_s" in poll else 5.0,
            least_poll_s=poll["least_s"].number(0.0, 3600) if "least_s" in poll else 1.0,
            sunspec=sunspec,
            identity=identity,
            expectations=expectations,
            fields=tuple(fields),
            computed=tuple(computed),
            channels=channels,
            control=control,
        )
        _check_ranges(profile, nodes, top)
        return profile
    return None


def _check_key(key: str, node: Node, *, is_helper: bool) -> None:
    """Quantities belong to ``registers``, all other names to ``helpers``."""
    if is_helper and key in Quantity:
        raise node.error("this is a quantity; it belongs under 'registers'")
    if is_helper and not _NAME.fullmatch(key):
        raise node.error("a helper's name is lower case letters, digits and '_'")
    if not is_helper and key not in Quantity:
        known = ", ".join(Quantity)
        raise node.error(f"not a quantity; values of your own go under 'helpers'. One of {known}")


def _sunspec(node: Node) -> dict[str, tuple[int, ...]]:
    """Read the names that the profile gives to SunSpec models."""
    result: dict[str, tuple[int, ...]] = {"common": (1,)}
    for name, numbers in node.entries().items():
        result[name] = tuple(number.integer(1, 65534) for number in numbers.one_or_more())
    return result


def _link(node: Node | None, document: Node, *, sunspec: bool) -> Link:
    """Read how the device is reached; everything has a default."""
    node = node or replace(document, content={}, path="link")
    keys = (
        *("transports", "port", "unit_id", "more_unit_ids", "serial", "max_registers"),
        *("max_gap", "ranges", "request_timeout_s", "connect_delay_s", "spacing_s"),
    )
    link = node.mapping(optional=keys)
    transports = {word: word for word in _TRANSPORTS}
    more = link["more_unit_ids"].entries() if "more_unit_ids" in link else {}
    return Link(
        transports=tuple(
            item.choice(transports, "transport") for item in link["transports"].items(least=1)
        )
        if "transports" in link
        else ("tcp",),
        port=link["port"].integer(1, 65535) if "port" in link else 502,
        unit_id=link["unit_id"].integer(0, 255) if "unit_id" in link else 1,
        more_unit_ids={name: unit.integer(0, 255) for name, unit in more.items()},
        serial=_serial(link["serial"]) if "serial" in link else Serial(),
        max_registers=link["max_registers"].integer(1, 125) if "max_registers" in link else 125,
        max_gap=link["max_gap"].integer(0, 125) if "max_gap" in link else 125 if sunspec else 16,
        ranges=_ranges(link["ranges"]) if "ranges" in link else {},
        request_timeout_s=_seconds(link, "request_timeout_s", 1.0),
        connect_delay_s=_seconds(link, "connect_delay_s", 0.0),
        spacing_s=_seconds(link, "spacing_s", 0.0),
    )


def _seconds(entries: Mapping[str, Node], key: str, default: float) -> float:
    """Read a duration in s."""
    return entries[key].number(0.0, 60.0) if key in entries else default


def _serial(node: Node) -> Serial:
    """Read the factory settings of a serial line."""
    line = node.mapping(optional=("baudrate", "parity", "stopbits"))
    stopbits: Literal[1, 2] = 2 if "stopbits" in line and line["stopbits"].integer(1, 2) == 2 else 1  # noqa: PLR2004
    return Serial(
        baudrate=line["baudrate"].integer(300, 1_000_000) if "baudrate" in line else 9600,
        parity=line["parity"].choice(_PARITIES, "parity") if "parity" in line else "N",
        stopbits=stopbits,
    )


def _ranges(node: Node) -> dict[Space, tuple[tuple[int, int], ...]]:
    """Read the blocks that a request must not leave."""
    result: dict[Space, tuple[tuple[int, int], ...]] = {}
    for space, blocks in node.mapping(optional=_SPACES).items():
        pairs = sorted(
            (_pair(block)[0], _pair(block)[1], index)
            for index, block in enumerate(blocks.items(least=1))
        )
        for (_, end, _), (start, _, index) in pairwise(pairs):
            if start <= end:
                raise blocks.items()[index].error("this block overlaps another one")
        result[_SPACES[space]] = tuple((low, high) for low, high, _ in pairs)
    return result


def _pair(node: Node) -> tuple[int, int]:
    """Read a first and a last address."""
    items = node.items(least=2)
    low, high = (item.integer() for item in items[:2])
    if len(items) > 2 or low > high:  # noqa: PLR2004
        raise node.error("a block is [first address, last address]")
    return low, high


def _channels(node: Node, reader: RegisterReader, problems: Problems) -> Channels:
    """Read the repeated part of a multi-channel device."""
    keys = ("count", "registers")
    part = node.mapping(required=keys, optional=("most", "base", "stride", "bases", "helpers"))
    count = part["count"].integer(1, 256)
    if "bases" in part:
        bases = tuple(item.integer() for item in part["bases"].items(least=count))
    else:
        if missing := [key for key in ("base", "stride", "most") if key not in part]:
            raise node.error(f"'{missing[0]}' is missing (or a list under 'bases')")
        base, stride = part["base"].integer(), part["stride"].integer(1)
        bases = tuple(base + stride * index for index in range(part["most"].integer(count, 256)))
    fields: list[Field] = []
    computed: list[Computed] = []
    nodes: dict[str, Node] = {}
    for section in ("registers", "helpers"):
        for key, entry in part[section].entries().items() if section in part else ():
            with problems.collected():
                _check_key(key, entry, is_helper=section == "helpers")
                source = reader.source(entry, key)
                nodes[key] = entry
                if isinstance(source, Computed):
                    computed.append(source)
                    continue
                if isinstance(source.location, Point):
                    raise entry.error("channels of SunSpec models cannot be described yet")
                if bases[-1] + source.location.end > 0x10000:  # noqa: PLR2004
                    raise entry.error("the last channel's register would lie beyond 65535")
                fields.append(source)
    return Channels(
        default=count,
        most=len(bases),
        bases=bases,
        fields=tuple(fields),
        computed=tuple(_ordered(fields, computed, nodes, None)),
    )


def _identity(
    node: Node | None, reader: RegisterReader
) -> tuple[dict[str, Field], tuple[Expectation, ...]]:
    """Read who the device says it is, and what proves that it is the right one."""
    fields: dict[str, Field] = {}
    if reader.sunspec:
        fields |= {key: reader.common_point(name) for key, name in _SUNSPEC_IDENTITY.items()}
    if node is None:
        return fields, ()
    part = node.mapping(optional=(*_IDENTITY, "expect"))
    for key in _IDENTITY:
        if key in part:
            fields[key] = reader.field(part[key], f"identity_{key}")
    expected: tuple[Node, ...] = part["expect"].items() if "expect" in part else ()
    return fields, tuple(_expectation(item, reader, i) for i, item in enumerate(expected))


def _expectation(node: Node, reader: RegisterReader, index: int) -> Expectation:
    """Read one register that tells whether this is the right device."""
    tests = ("equals", "starts_with", "between")
    entries = node.mapping(required=("means",), optional=(*tests, *FIELD_KEYS))
    if sum(test in entries for test in tests) != 1:
        raise node.error(f"exactly one of {', '.join(tests)} belongs here")
    described = {key: entry for key, entry in entries.items() if key in FIELD_KEYS}
    between = entries["between"].items(least=2) if "between" in entries else ()
    return Expectation(
        field=reader.field(replace(node, content=described), f"expect_{index}"),
        equals=reader.values(entries["equals"]) if "equals" in entries else frozenset(),
        starts_with=tuple(item.text() for item in entries["starts_with"].one_or_more())
        if "starts_with" in entries
        else (),
        between=(between[0].number(), between[1].number()) if between else None,
        meaning=entries["means"].text(),
    )


def _ordered(
    fields: Iterable[Field],
    computed: Iterable[Computed],
    nodes: Mapping[str, Node],
    channels: Channels | None,
) -> list[Computed]:
    """Check what values refer to, and sort the computed ones after their inputs."""
    by_key = {item.key: item for item in computed}
    channel_keys = {item.key for item in (*channels.fields, *channels.computed)} if channels else ()
    for item in (*fields, *by_key.values()):
        node = nodes[item.key]
        for condition in item.when:
            if condition.key not in nodes:
                raise node.error(f"'when' names '{condition.key}', which is not defined")
            if isinstance(item, Field) and condition.key in by_key:
                raise node.error("'when' of a register names a computed value; name a register")
        if isinstance(item, Computed):
            over_channels = item.operation == "sum_of_channels"
            for name in item.inputs:
                if name not in (channel_keys if over_channels else nodes):
                    raise node.error(f"it is made from '{name}', which is not defined")
    graph = {
        key: {name for name in (*item.inputs, *(c.key for c in item.when)) if name in by_key}
        if item.operation != "sum_of_channels"
        else set()
        for key, item in by_key.items()
    }
    try:
        return [by_key[key] for key in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise nodes[error.args[1][0]].error("this value is made from itself") from error


def _check_ranges(profile: Profile, nodes: Mapping[str, Node], top: Mapping[str, Node]) -> None:
    """Every register must lie within one of the declared blocks, if there are any."""
    sources = [*profile.fields, *profile.identity.values()]
    sources += [expectation.field for expectation in profile.expectations]
    places = [(item.key, item.location) for item in sources]
    places += [
        (item.key, replace(item.location, address=item.location.address + base))
        for base in (profile.channels.bases if profile.channels else ())
        for item in (profile.channels.fields if profile.channels else ())
        if isinstance(item.location, Register)
    ]
    places += [("control", place) for place in _scale_registers(profile.control)]
    for key, place in places:
        if not isinstance(place, Register):
            continue
        node = nodes.get(key, top.get(key, top["registers"]))
        if place.count > profile.link.max_registers:
            raise node.error(f"{place.count} registers are more than link.max_registers allows")
        blocks = profile.link.ranges.get(place.space)
        if blocks is None:
            continue
        spans = [(place.address, place.end - 1)]
        if place.scale_address is not None:
            spans.append((place.scale_address, place.scale_address))
        for first, last in spans:
            if not any(low <= first and last <= high for low, high in blocks):
                raise node.error(f"register {first} lies outside link.ranges.{place.space}")


def _scale_registers(control: Control | None) -> list[Register]:
    """Return the scale registers that commands read."""
    steps = (*control.enable, *control.setpoint, *control.release) if control else ()
    places = [part.location for step in steps if isinstance(step, Write) for part in step.parts]
    return [
        replace(place, address=place.scale_address, count=1, scale_address=None)
        for place in places
        if isinstance(place, Register) and place.scale_address is not None
    ]


__all__ = ["SchemaError", "read_profile"]
