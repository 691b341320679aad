"""A plan's problem as plain data and back, so that a plan can be made again elsewhere.

The data is that of JSON: times are ISO texts, arrays are lists, and an endless number, which
JSON does not have, is null. Numbers keep all their digits, so what comes back is the same
problem, and the same problem gives the same plan.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
import math
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import numpy as np

from .plan import Floats, Ints, PlanError, PlanProblem

type Plain = dict[str, Plain] | list[Plain] | str | int | float | bool | None


def problem_to_dict(problem: PlanProblem) -> dict[str, Plain]:
    """Return a problem as plain data."""
    return {each.name: _plain(getattr(problem, each.name)) for each in fields(problem)}


def problem_from_dict(data: Mapping[str, Any]) -> PlanProblem:
    """Return the problem that plain data describes; raises PlanError."""
    found: PlanProblem = _built(PlanProblem, data, "problem")
    return found


def _plain(value: Any) -> Plain:
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.tolist()]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    plain: Plain = value
    return plain


def _built(cls: Any, data: Any, path: str) -> Any:
    """Return an object of a data class, whose hints say what its plain values become."""
    if not isinstance(data, Mapping):
        raise PlanError(f"{path}: a mapping is needed")
    hints = get_type_hints(cls)
    if unknown := data.keys() - hints.keys():
        raise PlanError(f"{path}.{min(map(str, unknown))} is not known")
    values = {name: _read(hints[name], each, f"{path}.{name}") for name, each in data.items()}
    try:
        return cls(**values)
    except TypeError as err:
        raise PlanError(f"{path}: {err}") from err


def _read(hint: Any, value: Any, path: str) -> Any:
    if isinstance(hint, UnionType):
        hint = next(each for each in get_args(hint) if each is not NoneType)
        return None if value is None else _read(hint, value, path)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise PlanError(f"{path}: a list is needed")
        inner = get_args(hint)[0]
        return tuple(_read(inner, each, f"{path}.{n}") for n, each in enumerate(value))
    if (make := _MAKERS.get(hint)) is None:
        return _built(hint, value, path)
    try:
        return make(value)
    except (OverflowError, TypeError, ValueError) as err:
        raise PlanError(f"{path}: {str(value)[:60]!r} cannot be read ({err})") from err


def _floats(values: Any) -> Floats:
    return np.array([math.inf if each is None else each for each in values], np.float64)


def _ints(values: Any) -> Ints:
    return np.array(values, np.int64)


_MAKERS: Final[Mapping[object, Callable[[Any], object]]] = {
    Floats: _floats,
    Ints: _ints,
    datetime: datetime.fromisoformat,
    float: float,
    str: str,
}
"""What makes the values of each hint out of plain ones."""
