"""The part of the profile schema that describes single values in registers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ..core.model import TEXT_QUANTITIES, AssetKind, Quantity
from .document import Node
from .spec import (
    Computed,
    Condition,
    Field,
    Location,
    Operation,
    Point,
    Register,
    RegisterType,
    Space,
    WordOrder,
)
from .sunspec import known_models, point_names, table_register

_TYPES: Final = {type_.value: type_ for type_ in RegisterType}
_SPACES: Final[Mapping[str, Space]] = {"holding": "holding", "input": "input"}
_ORDERS: Final[Mapping[str, WordOrder]] = {"big": "big", "little": "little"}

LOCATION_KEYS: Final = (
    *("at", "model", "point", "type", "count", "space", "word_order", "unit_id"),
    *("scale_register", "nan"),
)
SCALE_KEYS: Final = ("scale", "offset")
FIELD_KEYS: Final = (
    *LOCATION_KEYS,
    *SCALE_KEYS,
    *("unit", "sign", "range", "mask", "values", "bits", "fast", "when"),
)

SIGNS: Final[Mapping[AssetKind, Mapping[str, float]]] = {
    AssetKind.METER: {"import_positive": 1.0, "export_positive": -1.0},
    AssetKind.BATTERY: {"discharge_positive": 1.0, "charge_positive": -1.0},
    AssetKind.PV: {"generation_positive": 1.0, "consumption_positive": -1.0},
    AssetKind.LOAD: {"consumption_positive": 1.0, "generation_positive": -1.0},
}
"""What a device can call positive, and what that makes of it in our signs."""

_SIGNED: Final = frozenset(
    {
        Quantity.POWER_W,
        Quantity.POWER_L1_W,
        Quantity.POWER_L2_W,
        Quantity.POWER_L3_W,
        Quantity.SETPOINT_W,
    }
)

_FRACTION: Final = {"1": 1.0, "%": 0.01}
_UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "w": {"W": 1.0, "kW": 1e3, "MW": 1e6, "mW": 1e-3},
    "wh": {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6},
    "v": {"V": 1.0, "mV": 1e-3, "kV": 1e3},
    "a": {"A": 1.0, "mA": 1e-3},
    "hz": {"Hz": 1.0, "mHz": 1e-3},
    "va": {"VA": 1.0, "kVA": 1e3},
    "var": {"var": 1.0, "kvar": 1e3},
    "c": {"C": 1.0},
    "soc": _FRACTION,
    "soh": _FRACTION,
    "factor": _FRACTION,
    "present": {"1": 1.0},
}
"""By the last word of a quantity's name, the units that registers may have."""

_PLAUSIBLE: Final[Mapping[str, tuple[float, float]]] = {
    "w": (-1e9, 1e9),
    "wh": (0.0, 1e15),
    "v": (0.0, 1e6),
    "a": (-1e6, 1e6),
    "hz": (0.0, 1000.0),
    "c": (-100.0, 300.0),
    "soc": (0.0, 1.0),
    "soh": (0.0, 1.5),
    "factor": (-1.0, 1.0),
    "present": (0.0, 1.0),
}
_ANY: Final = (-1e18, 1e18)

_PHASES: Final = frozenset(
    f"{what}_l{phase}_{unit}"
    for what, unit in (("power", "w"), ("current", "a"))
    for phase in (1, 2, 3)
)
_FAST: Final[Mapping[AssetKind, frozenset[str]]] = {
    AssetKind.METER: frozenset({"power_w", *_PHASES}),
    AssetKind.BATTERY: frozenset(
        {"power_w", "soc", "charge_limit_w", "discharge_limit_w", "grid_present"}
    ),
    AssetKind.PV: frozenset({"power_w"}),
    AssetKind.LOAD: frozenset({"power_w"}),
}
"""What the control loop reads of a device whose profile says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterReader:
    """Reads descriptions of values, with what the profile says about all of them."""

    kind: AssetKind
    sunspec: Mapping[str, tuple[int, ...]]
    units: Mapping[str, int]
    space: Space = "holding"
    type: RegisterType | None = None
    word_order: WordOrder = "big"
    nan: Mapping[RegisterType, frozenset[int]] = field(default_factory=dict)

    def with_defaults(self, node: Node) -> RegisterReader:
        """Return a reader that knows the profile's ``defaults`` section."""
        part = node.mapping(optional=("space", "type", "word_order", "nan"))
        nan: dict[RegisterType, frozenset[int]] = {}
        for name, values in part["nan"].mapping(optional=_TYPES).items() if "nan" in part else ():
            nan[_TYPES[name]] = _patterns(values, _TYPES[name])
        return replace(
            self,
            space=part["space"].choice(_SPACES, "register space") if "space" in part else "holding",
            type=part["type"].choice(_TYPES, "type") if "type" in part else None,
            word_order=part["word_order"].choice(_ORDERS, "word order")
            if "word_order" in part
            else "big",
            nan=nan,
        )

    def source(self, node: Node, key: str) -> Field | Computed:
        """Read a value: from registers, or made from others."""
        made = [word for word in node.entries() if word in Operation]
        if not made:
            return self.field(node, key)
        entries = node.mapping(optional=(*Operation, "factor", "when", "fast"))
        if len(made) > 1:
            raise node.error(f"both '{made[0]}' and '{made[1]}'; one value has one origin")
        inputs = tuple(item.text() for item in entries[made[0]].one_or_more())
        if made[0] == Operation.DIFFERENCE and len(inputs) != 2:  # noqa: PLR2004
            raise entries[made[0]].error("a difference has exactly two inputs")
        return Computed(
            key=_key(key),
            operation=Operation(made[0]),
            inputs=inputs,
            factor=entries["factor"].number() if "factor" in entries else 1.0,
            when=self.conditions(entries.get("when")),
            fast=self._fast(entries, key),
        )

    def field(self, node: Node, key: str) -> Field:
        """Read a value that comes from registers."""
        entries = node.mapping(optional=FIELD_KEYS)
        location = self.location(node, entries)
        quantity = Quantity(key) if key in Quantity else None
        suffix = key.rsplit("_", 1)[-1] if quantity else ""
        texts, numbers, bits = _tables(entries)
        is_text = texts or bits or _type(location) is RegisterType.STRING
        if quantity and bool(is_text) != (quantity in TEXT_QUANTITIES):
            wanted = "a text: give 'values' or 'bits'" if not is_text else "a number"
            raise node.error(f"'{key}' is {wanted}")
        low, high = _PLAUSIBLE.get(suffix, _ANY)
        if "range" in entries:
            bounds = entries["range"].items(least=2)
            low, high = bounds[0].number(), bounds[1].number()
        factor, offset = scaling(entries)
        return Field(
            key=_key(key),
            location=location,
            factor=factor * _unit(entries, suffix) * self._sign(node, entries, quantity),
            offset=offset,
            low=low,
            high=high,
            mask=entries["mask"].integer(1, 0xFFFF_FFFF) if "mask" in entries else None,
            texts=texts,
            numbers=numbers,
            bits=bits,
            when=self.conditions(entries.get("when")),
            fast=self._fast(entries, key),
        )

    def location(self, node: Node, entries: Mapping[str, Node]) -> Location:
        """Read where a value is."""
        if ("at" in entries) == ("point" in entries):
            raise node.error("exactly one of 'at' (a register) and 'point' (SunSpec) belongs here")
        if "point" in entries:
            for key in ("model", "type", "count", "space", "word_order", "scale_register", "nan"):
                if key in entries:
                    raise entries[key].error("SunSpec says this itself; leave it out")
            return self._point(entries["point"])
        type_ = entries["type"].choice(_TYPES, "type") if "type" in entries else self.type
        if type_ is None:
            raise node.error("'type' is missing")
        if "count" in entries and type_ is not RegisterType.STRING:
            raise entries["count"].error("only a string has a count; numbers know their own")
        if type_ is RegisterType.STRING and "count" not in entries:
            raise node.error("'count' is missing: the number of registers of the string")
        at = entries["at"].integer()
        register = Register(
            address=at,
            type=type_,
            count=entries["count"].integer(1, 125) if "count" in entries else type_.words,
            space=entries["space"].choice(_SPACES, "register space")
            if "space" in entries
            else self.space,
            word_order=entries["word_order"].choice(_ORDERS, "word order")
            if "word_order" in entries
            else self.word_order,
            scale_address=entries["scale_register"].integer()
            if "scale_register" in entries
            else None,
            nan=_patterns(entries["nan"], type_)
            if "nan" in entries
            else self.nan.get(type_, frozenset()),
            unit=entries["unit_id"].choice({name: name for name in self.units}, "unit id's name")
            if "unit_id" in entries
            else "",
        )
        if register.end > 0x10000:  # noqa: PLR2004
            raise entries["at"].error("the value would reach beyond register 65535")
        if "model" in entries:
            model = self._model(entries["model"])
            by_model = dict.fromkeys(self.sunspec[model], register)
            return Point(model=model, name=str(at), by_model=by_model)
        return register

    def common_point(self, name: str) -> Field:
        """Return a text of SunSpec's common model."""
        register = table_register(1, name)
        by_model = {1: register} if register else {}
        location = Point(model="common", name=name, by_model=by_model)
        return Field(key=f"common_{name}", location=location, low=_ANY[0], high=_ANY[1])

    def conditions(self, node: Node | None) -> tuple[Condition, ...]:
        """Read the values that others must have."""
        entries = node.entries() if node else {}
        return tuple(
            Condition(key=key, allowed=self.values(value)) for key, value in entries.items()
        )

    def values(self, node: Node) -> frozenset[float | str]:
        """Read one or several values, words or numbers."""
        return frozenset(
            item.text() if isinstance(item.content, str) else item.number()
            for item in node.one_or_more()
        )

    def _point(self, node: Node) -> Point:
        """Read ``model.Point``."""
        word, _, name = node.text().partition(".")
        model = self._model(replace(node, content=word))
        numbers = self.sunspec[model]
        if unknown := [number for number in numbers if number not in known_models()]:
            raise node.error(f"the points of SunSpec model {unknown[0]} are not known here")
        places = {number: table_register(number, name) for number in numbers}
        by_model = {number: place for number, place in places.items() if place}
        if not by_model:
            known = ", ".join(sorted(point_names(numbers)))
            raise node.error(f"'{name}' is not a point of model {numbers[0]}; one of {known}")
        return Point(model=model, name=name, by_model=by_model)

    def _model(self, node: Node) -> str:
        """Read the profile's own name of a SunSpec model."""
        return node.choice({name: name for name in self.sunspec}, "name under 'sunspec'")

    def _sign(self, node: Node, entries: Mapping[str, Node], quantity: Quantity | None) -> float:
        """Read what the device calls positive; powers must say it."""
        if "sign" in entries:
            return entries["sign"].choice(SIGNS[self.kind], f"sign of a {self.kind}")
        if quantity in _SIGNED:
            words = ", ".join(SIGNS[self.kind])
            raise node.error(f"'sign' is missing: what the device calls positive, one of {words}")
        return 1.0

    def _fast(self, entries: Mapping[str, Node], key: str) -> bool:
        """Whether the control loop reads this value."""
        return entries["fast"].flag() if "fast" in entries else key in _FAST[self.kind]


def scaling(entries: Mapping[str, Node]) -> tuple[float, float]:
    """Read ``scale`` and ``offset``: value = (raw + offset) * scale."""
    scale = entries["scale"].number() if "scale" in entries else 1.0
    if scale == 0:
        raise entries["scale"].error("a scale of 0 makes every value 0")
    return scale, entries["offset"].number() if "offset" in entries else 0.0


def _key(key: str) -> str:
    """Return a quantity for its name, so that readings have quantities as keys."""
    return Quantity(key) if key in Quantity else key


def _type(location: Location) -> RegisterType:
    """Return how a value is stored."""
    if isinstance(location, Point):
        return next(iter(location.by_model.values())).type
    return location.type


def _unit(entries: Mapping[str, Node], suffix: str) -> float:
    """Return the factor from the register's unit to ours."""
    if "unit" not in entries:
        return 1.0
    if not suffix:
        raise entries["unit"].error("only quantities have units; use 'scale' for a helper")
    content = entries["unit"].content
    unit = replace(entries["unit"], content=str(content)) if content == 1 else entries["unit"]
    return unit.choice(_UNITS.get(suffix, {}), "unit of this quantity")


def _patterns(node: Node, type_: RegisterType) -> frozenset[int]:
    """Read the raw patterns that mean "no value"."""
    if type_.is_float or type_ is RegisterType.STRING:
        raise node.error("only whole numbers have patterns for 'no value'; floats have NaN")
    return frozenset(item.integer(0, (1 << 16 * type_.words) - 1) for item in node.one_or_more())


def _tables(
    entries: Mapping[str, Node],
) -> tuple[dict[int, str] | None, dict[int, float] | None, dict[int, str] | None]:
    """Read what raw values or bits mean: texts, numbers, names of bits."""
    if "values" in entries and "bits" in entries:
        raise entries["bits"].error("a register has either 'values' or 'bits'")
    if "bits" in entries:
        return None, None, entries["bits"].integer_keys(Node.text)
    if "values" not in entries:
        return None, None, None
    members = entries["values"].entries()
    if not members:
        raise entries["values"].error("a table of values has at least one")
    if all(isinstance(member.content, str) for member in members.values()):
        return entries["values"].integer_keys(Node.text), None, None
    return None, entries["values"].integer_keys(Node.number), None
