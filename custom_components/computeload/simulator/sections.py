"""Mappings out of a YAML file that are taken key by key, so that no mistake goes unnoticed."""

from collections.abc import Callable
from typing import Any, NoReturn


class ScenarioError(Exception):
    """A scenario file is not usable; the text says where and what to do."""


class Section:
    """One mapping of the file. Every getter raises ScenarioError on what does not fit."""

    def __init__(self, data: object, where: str) -> None:
        """Take a parsed mapping; ``where`` opens every message."""
        if not isinstance(data, dict):
            raise ScenarioError(f"{where}: expected keys with values, found {_shown(data)}.")
        self._data: dict[str, Any] = dict(data)
        self._where = where

    def __contains__(self, key: str) -> bool:
        """Tell whether a key is there and not taken yet."""
        return key in self._data

    def fail(self, key: str, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise ScenarioError about a key."""
        raise ScenarioError(f"{self._where}: {key}: {problem}.") from cause

    def done(self) -> None:
        """Complain about keys that nobody asked for."""
        if self._data:
            key = next(iter(self._data))
            self.fail(str(key), "this key is not known here; remove it or check its spelling")

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """Take a number within low..high."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"{_shown(value)} is not a number")
        if not low <= value <= high:
            self.fail(key, f"{value} is outside {low:g}..{high:g}")
        return float(value)

    def pair(
        self, key: str, low: float, high: float, default: tuple[float, float] | None = None
    ) -> tuple[float, float]:
        """Take two rising numbers within low..high, written as [from, to]."""
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or len(value) != len(("from", "to")):
            self.fail(key, f"{_shown(value)} is not a pair; write [from, to]")
        ends = Section({"from": value[0], "to": value[1]}, f"{self._where}: {key}")
        pair = ends.number("from", low, high), ends.number("to", low, high)
        if pair[0] > pair[1]:
            self.fail(key, f"{pair[0]:g} must not be above {pair[1]:g}")
        return pair

    def numbers(self, key: str, low: float, high: float) -> tuple[float, ...]:
        """Take a list of numbers within low..high."""
        value = self._take(key, None)
        if not isinstance(value, list):
            self.fail(key, f"{_shown(value)} is not a list of numbers")
        items = Section({f"number {n}": v for n, v in enumerate(value, 1)}, f"{self._where}: {key}")
        return tuple(items.number(f"number {n}", low, high) for n in range(1, len(value) + 1))

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text that is not empty."""
        value = self._take(key, default)
        if not isinstance(value, str) or not value.strip():
            self.fail(key, f"{_shown(value)} is not a text; put it in quotes")
        return value.strip()

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.fail(key, f"{_shown(value)} is neither true nor false")
        return value

    def names(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Take a list of ids; a single one needs no brackets."""
        value = self._take(key, default)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(i, str) for i in items):
            self.fail(key, f"{_shown(value)} is not a list of ids")
        return tuple(items)

    def section(self, key: str) -> Section:
        """Take a mapping inside this one."""
        return Section(self._take(key, None), f"{self._where}: {key}")

    def each[T](self, key: str, build: Callable[[Section], T]) -> tuple[T, ...]:
        """Take a list of mappings and build one thing from each."""
        value = self._take(key, [])
        if not isinstance(value, list):
            self.fail(key, f"{_shown(value)} is not a list")
        items = []
        for number, data in enumerate(value, 1):
            named = isinstance(data, dict) and isinstance(data.get("id"), str)
            label = data["id"] if named else f"number {number}"
            section = Section(data, f"{self._where}: {key}, {label}")
            items.append(build(section))
            section.done()
        return tuple(items)

    def _take(self, key: str, default: object) -> Any:
        if key not in self._data and default is None:
            self.fail(key, "is missing")
        return self._data.pop(key, default)


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:60]
