"""The part of the profile schema that describes how a device is commanded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from ..core.model import AssetKind, Contract
from .document import Node
from .schema_registers import LOCATION_KEYS, SCALE_KEYS, SIGNS, RegisterReader, scaling
from .spec import (
    Check,
    Condition,
    Constant,
    Control,
    Counter,
    Expression,
    Occasion,
    Part,
    Point,
    Power,
    Register,
    Reported,
    Step,
    Wait,
    Words,
    Write,
)

_CONTRACT: Final = ("lapse_s", "lapse_to", "heartbeat_s", "persistent", "on_grid_loss")
_TIMING: Final = ("min_interval_s", "resolution_w", "delay_s")
_EXPRESSIONS: Final = ("value", "power", "counter", "words", "reported")
_PART: Final = (*LOCATION_KEYS, *SCALE_KEYS, *_EXPRESSIONS, "percent_of", "limits")
_WRITING: Final = ("fc", "only", "unless", "optional")
_STEPS: Final = ("write", "block", "wait_s", "check")
_OCCASIONS: Final = {occasion.value: occasion for occasion in Occasion}
_DIRECTIONS: Final = (Occasion.CHARGE, Occasion.DISCHARGE, Occasion.IDLE)
_MOST_WORDS: Final = 123


def read_control(
    node: Node, reader: RegisterReader, kind: AssetKind, keys: frozenset[str]
) -> Control:
    """Read the ``control`` section; ``keys`` are the values that it may refer to."""
    if kind not in {AssetKind.BATTERY, AssetKind.PV}:
        raise node.error(f"a {kind} is only read; batteries and PV are controlled")
    action = "setpoint" if kind is AssetKind.BATTERY else "limit"
    part = node.mapping(required=("contract", action, "release"), optional=("enable",))
    contract = _contract(part["contract"])
    steps = _Steps(reader, kind, keys, contract)
    sequences = {
        name: tuple(steps.step(item, name) for item in part[name].items())
        for name in ("enable", action, "release")
        if name in part
    }
    if not sequences[action]:
        raise part[action].error("at least one step that writes the power belongs here")
    return Control(
        contract=contract,
        enable=sequences.get("enable", ()),
        setpoint=sequences[action],
        release=sequences["release"],
    )


def _contract(node: Node) -> Contract:
    """Read the fail-safe contract; all of it must be said."""
    part = node.mapping(required=_CONTRACT, optional=(*_TIMING, "doubt"))
    lapse = None if part["lapse_s"].content is None else part["lapse_s"].number(1, 86_400)
    beat = None if part["heartbeat_s"].content is None else part["heartbeat_s"].number(0.1, 43_200)
    if lapse and (beat is None or beat > lapse / 2):
        raise part["heartbeat_s"].error("a heartbeat of at most half of lapse_s belongs here")
    persistent = part["persistent"].flag()
    if persistent and beat is not None:
        raise part["heartbeat_s"].error("what is stored in flash must not be written cyclically")
    timing = {key: part[key].number(0.0, 1e6) for key in _TIMING if key in part}
    return Contract(
        lapse_s=lapse,
        lapse_to=part["lapse_to"].text(),
        heartbeat_s=beat,
        persistent=persistent,
        on_grid_loss=part["on_grid_loss"].text(),
        doubt=part["doubt"].text() if "doubt" in part else "",
        **timing,
    )


class _Steps:
    """Reads the steps of the sequences."""

    def __init__(
        self, reader: RegisterReader, kind: AssetKind, keys: frozenset[str], contract: Contract
    ) -> None:
        """Keep what steps may refer to."""
        self._reader = reader
        self._signs = {**SIGNS[kind], "magnitude": 0.0}
        self._keys = keys
        self._contract = contract

    def step(self, node: Node, sequence: str) -> Step:
        """Read one step."""
        entries = node.mapping(optional=(*_STEPS, *_WRITING, "is", "within_s", "remedy"))
        named = [key for key in _STEPS if key in entries]
        if len(named) != 1:
            raise node.error(f"a step is exactly one of {', '.join(_STEPS)}")
        match named[0]:
            case "wait_s":
                node.mapping(required=("wait_s",))
                return Wait(entries["wait_s"].number(0.0, 30.0))
            case "check":
                return self._check(node)
            case "write":
                parts: tuple[Part, ...] = (self._part(entries["write"], sequence),)
            case _:
                members = entries["block"].items(least=2)
                parts = tuple(self._part(item, sequence) for item in members)
                _check_adjoining(parts, members)
        node.mapping(required=named, optional=_WRITING)
        return Write(
            parts=parts,
            function=_function(entries["fc"], parts) if "fc" in entries else None,
            only=self._only(entries.get("only"), sequence),
            unless=self._unless(entries["unless"], sequence) if "unless" in entries else (),
            optional=entries["optional"].flag() if "optional" in entries else False,
        )

    def _check(self, node: Node) -> Check:
        """Read a step that waits for a value."""
        entries = node.mapping(required=("check", "is", "remedy"), optional=("within_s",))
        return Check(
            key=self._known(entries["check"]),
            allowed=self._reader.values(entries["is"]),
            within_s=entries["within_s"].number(0.0, 30.0) if "within_s" in entries else 0.0,
            remedy=entries["remedy"].text(),
        )

    def _only(self, node: Node | None, sequence: str) -> frozenset[Occasion]:
        """Read when a step is taken; each sequence has its own occasions."""
        if node is None:
            return frozenset()
        allowed = (Occasion.ENGAGED,) if sequence == "release" else _DIRECTIONS
        options = {occasion.value: occasion for occasion in allowed}
        return frozenset(item.choice(options, "occasion here") for item in node.one_or_more())

    def _unless(self, node: Node, sequence: str) -> tuple[Condition, ...]:
        """Read what the device reports when a step is not needed."""
        if sequence not in {"enable", "release"}:
            raise node.error("a command is always written; only 'enable' and 'release' look first")
        conditions = self._reader.conditions(node)
        for condition in conditions:
            if condition.key not in self._keys:
                raise node.error(f"'{condition.key}' is not defined under registers or helpers")
        return conditions

    def _part(self, node: Node, sequence: str) -> Part:
        """Read one value of a write."""
        entries = node.mapping(optional=_PART)
        location = self._reader.location(node, entries)
        if isinstance(location, Register):
            if "space" in entries:
                raise entries["space"].error("only holding registers can be written; leave it out")
            location = replace(location, space="holding")
            if not location.type.words:
                raise entries["type"].error("texts cannot be written")
        low, high = -1e18, 1e18
        if "limits" in entries:
            bounds = entries["limits"].items(least=2)
            low, high = bounds[0].number(), bounds[1].number()
        factor, offset = scaling(entries)
        return Part(
            location=location,
            expression=self._expression(node, entries, sequence),
            factor=factor,
            offset=offset,
            low=low,
            high=high,
        )

    def _expression(self, node: Node, entries: Mapping[str, Node], sequence: str) -> Expression:
        """Read what is written."""
        given = [key for key in _EXPRESSIONS if key in entries]
        if len(given) != 1:
            raise node.error(f"exactly one of {', '.join(_EXPRESSIONS)} belongs here")
        if given[0] != "power" and "percent_of" in entries:
            raise entries["percent_of"].error("only a power can be a percentage")
        if sequence == "release" and given[0] not in {"value", "reported"}:
            raise node.error("a release has no power; write a fixed or a reported value")
        match given[0]:
            case "value":
                return self._constant(entries["value"])
            case "counter":
                if not entries["counter"].flag():
                    raise entries["counter"].error("leave it out where no counter is meant")
                return Counter()
            case "reported":
                return Reported(self._known(entries["reported"]))
            case "words":
                words = entries["words"].mapping(required=("charge", "discharge", "idle"))
                numbers = {key: word.number() for key, word in words.items()}
                return Words(**numbers)
        sign = entries["power"].choice(self._signs, "sign")
        base = self._known(entries["percent_of"]) if "percent_of" in entries else None
        return Power(sign=sign or 1.0, magnitude=sign == 0.0, percent_of=base)

    def _known(self, node: Node) -> str:
        """Read the name of a value of this profile."""
        key = node.text()
        if key not in self._keys:
            raise node.error(f"'{key}' is not defined under registers or helpers")
        return key

    def _constant(self, node: Node) -> Constant:
        """Read a fixed value; ``lapse_s`` stands for the contract's own."""
        if node.content == "lapse_s":
            if self._contract.lapse_s is None:
                raise node.error("the contract has no lapse_s")
            return Constant(self._contract.lapse_s)
        return Constant(node.number())


def _check_adjoining(parts: tuple[Part, ...], nodes: tuple[Node, ...]) -> None:
    """Raise where values of one request do not follow each other without a gap."""
    words = 0
    for index, (part, node) in enumerate(zip(parts, nodes, strict=True)):
        here = _span(part)
        words += here[2]
        if index and here[:2] != (_span(parts[index - 1])[0], sum(_span(parts[index - 1])[1:])):
            raise node.error("this does not begin where the value before it ends")
    if words > _MOST_WORDS:
        raise nodes[-1].error(f"one request writes at most {_MOST_WORDS} registers")


def _span(part: Part) -> tuple[str, int, int]:
    """Return the place of a value: unit or model, first register, number of registers."""
    if isinstance(part.location, Point):
        first = next(iter(part.location.by_model.values()))
        return part.location.model, first.address, first.count
    return part.location.unit, part.location.address, part.location.count


def _function(node: Node, parts: tuple[Part, ...]) -> Literal[6, 16]:
    """Read a forced function code."""
    code = node.integer(6, 16)
    if code == 6 and sum(_span(part)[2] for part in parts) == 1:  # noqa: PLR2004
        return 6
    if code == 16:  # noqa: PLR2004
        return 16
    raise node.error("the function code is 6 (one register only) or 16")
