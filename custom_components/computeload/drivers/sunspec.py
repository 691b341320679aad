"""SunSpec: registers found by walking the device's own chain of models.

Addresses are never assumed. A profile names models and points; where they are is known
after a scan, and every read checks the header of each model that it touches, because
maps move (an inverter that is switched from integers to floats shifts what follows).
The tables of points hold facts of the SunSpec Alliance's model definitions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
import json
from pathlib import Path
import re
from typing import Any, Final

from modbus_connection import ModbusExceptionError, ModbusUnit
from modbus_connection.model.sunspec import SunSpecError, SunSpecModel, scan

from .link import ABSENT_CODES
from .spec import Point, Register, RegisterType

_BASES: Final = (40000, 0, 50000)
_TABLES: Final = Path(__file__).with_name("sunspec_models.json")

_REPEATED: Final = re.compile(r"(\w+)\[([1-9][0-9]?)\]")

_TYPES: Final[Mapping[str, tuple[RegisterType, int | None]]] = {
    "int16": (RegisterType.INT16, 0x8000),
    "uint16": (RegisterType.UINT16, 0xFFFF),
    "acc16": (RegisterType.UINT16, 0),
    "enum16": (RegisterType.UINT16, 0xFFFF),
    "bitfield16": (RegisterType.UINT16, 0xFFFF),
    "count": (RegisterType.UINT16, 0xFFFF),
    "sunssf": (RegisterType.INT16, 0x8000),
    "int32": (RegisterType.INT32, 0x8000_0000),
    "uint32": (RegisterType.UINT32, 0xFFFF_FFFF),
    "acc32": (RegisterType.UINT32, 0),
    "enum32": (RegisterType.UINT32, 0xFFFF_FFFF),
    "bitfield32": (RegisterType.UINT32, 0xFFFF_FFFF),
    "int64": (RegisterType.INT64, 0x8000_0000_0000_0000),
    "uint64": (RegisterType.UINT64, 0xFFFF_FFFF_FFFF_FFFF),
    "acc64": (RegisterType.UINT64, 0),
    "float32": (RegisterType.FLOAT32, None),
    "float64": (RegisterType.FLOAT64, None),
    "string": (RegisterType.STRING, None),
}
"""Per SunSpec type how it is stored, and the pattern that means "not implemented"."""


@cache
def _document() -> Any:
    """Load the file of tables. Blocks; call it from an executor first."""
    return json.loads(_TABLES.read_text(encoding="utf-8"))


@cache
def _tables() -> Mapping[int, Mapping[str, list[Any]]]:
    """Return the points of each model."""
    return {int(model): points for model, points in _document()["models"].items()}


@cache
def _groups() -> Mapping[int, Mapping[str, Any]]:
    """Return the repeated part of models: start, stride, points counted from the start."""
    return {int(model): group for model, group in _document()["groups"].items()}


def known_models() -> frozenset[int]:
    """Return the numbers of the models whose points are known."""
    return frozenset(_tables())


def point_names(models: Iterable[int]) -> frozenset[str]:
    """Return the names of all points of these models; ``Name[1]`` stands for repeated ones."""
    models = tuple(models)
    single = {name for model in models for name in _tables()[model]}
    repeated = {f"{n}[1]" for m in models if m in _groups() for n in _groups()[m]["points"]}
    return frozenset(single | repeated)


def table_register(model: int, name: str) -> Register | None:
    """Return a point's place, counted from the header of its model; None if it has none.

    ``Name[n]`` is the point of the n-th repetition, from 1, of the model's repeated part.
    """
    points = described = _tables()[model]
    first = 0
    if (repeated := _REPEATED.fullmatch(name)) and model in _groups():
        group = _groups()[model]
        name, described = repeated[1], group["points"]
        first = group["start"] + group["stride"] * (int(repeated[2]) - 1)
    if name not in described:
        return None
    offset, kind, *rest = described[name]
    scale, count = (*rest, None, None)[:2]
    type_, nan = _TYPES[kind]
    return Register(
        address=first + offset,
        type=type_,
        count=count or type_.words,
        scale_address=points[scale][0] if scale else None,
        nan=frozenset() if nan is None else frozenset({nan}),
    )


@dataclass(frozen=True, slots=True)
class ModelMap:
    """Where the models of one device are; the first of each number."""

    models: Mapping[int, SunSpecModel]

    def chosen(self, numbers: Iterable[int]) -> SunSpecModel | None:
        """Return the first of these model numbers that the device has."""
        return next((self.models[number] for number in numbers if number in self.models), None)

    def place(self, point: Point, numbers: Iterable[int]) -> Register | None:
        """Return a point with its address on this device; None where it is not served."""
        model = self.chosen(numbers)
        register = point.by_model.get(model.model_id) if model else None
        if model is None or register is None:
            return None
        scale = register.scale_address
        if max(register.end, (scale or 0) + 1) > model.span:
            return None
        return replace(
            register,
            address=register.address + model.address,
            scale_address=None if scale is None else scale + model.address,
        )


async def find_models(unit: ModbusUnit) -> ModelMap | None:
    """Scan the usual base addresses; None where no SunSpec map is found.

    One request for each base, then one for each model. Errors of the link pass through.
    """
    for base in _BASES:
        try:
            found = await scan(unit, base)
        except SunSpecError, ValueError:
            # A chain that leads beyond the last register is none.
            continue
        except ModbusExceptionError as error:
            if error.exception_code not in ABSENT_CODES:
                raise
            continue
        return ModelMap({number: models[0] for number, models in found.items()})
    return None
