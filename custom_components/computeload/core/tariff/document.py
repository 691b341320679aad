"""A tariff document, read so that every mistake becomes a sentence with a path.

The document is plain data (what YAML or JSON gives). Nothing here lets a wrong type, an
unknown key or a number that is none travel further than the place where it stands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
import difflib
from enum import StrEnum
import math
import re
from typing import Final

import yaml

_LONGEST: Final = 65_536
_SHOWN: Final = 40
_MANY: Final = 1e9
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "": None, "null": None}

type Content = Mapping[str, Content] | list[Content] | str | float | bool | None


class TariffError(Exception):
    """A tariff does not say what it must say. ``problems`` are sentences for the user."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep each problem by itself; the text joins them."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(slots=True)
class Problems:
    """Collects errors, so that one reading of a document reports all of them."""

    found: list[str] = field(default_factory=list)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Turn a TariffError of the body into an entry of the list."""
        try:
            yield
        except TariffError as error:
            self.found.extend(error.problems)

    def attempt[T](self, default: T, read: Callable[[], T]) -> T:
        """Return what ``read`` returns; the default, with its error noted, if it fails."""
        with self.collected():
            return read()
        return default

    def check(self) -> None:
        """Raise TariffError with everything found, if anything was."""
        if self.found:
            raise TariffError(self.found)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document, with the path that an error names."""

    content: object
    path: str = ""

    def error(self, message: str) -> TariffError:
        """Return the error to raise about this value."""
        return TariffError([f"{self.path}: {message}" if self.path else message])

    def child(self, key: str | int) -> Node:
        """Return what stands under a key or at a place of a list, which must be there."""
        if isinstance(self.content, list) and isinstance(key, int):
            return Node(self.content[key], f"{self.path}[{key}]")
        assert isinstance(self.content, Mapping)  # noqa: S101 - callers have checked
        return Node(self.content[key], f"{self.path}.{key}" if self.path else str(key))

    def entries(self) -> dict[str, Node]:
        """Return a mapping with free keys."""
        if not isinstance(self.content, Mapping):
            raise self.error(f"{shown(self.content)} stands where a mapping belongs")
        for key in self.content:
            if not isinstance(key, str):
                raise self.error(f"the key {shown(key)} is not a word; write it in quotes")
        return {key: self.child(key) for key in self.content}

    def mapping(self, *, required: Iterable[str] = (), optional: Iterable[str]) -> dict[str, Node]:
        """Return a mapping whose keys are known; a wrong or missing key is an error."""
        entries = self.entries()
        required = tuple(required)
        known = (*required, *optional)
        for key, node in entries.items():
            if key not in known:
                raise node.error(f"this key is not known here{_hint(key, known)}")
        for key in required:
            if key not in entries:
                raise self.error(f"'{key}' is missing")
        return entries

    def items(self, *, least: int = 0) -> list[Node]:
        """Return a list of at least so many values."""
        if not isinstance(self.content, list):
            raise self.error(f"{shown(self.content)} stands where a list belongs")
        if len(self.content) < least:
            raise self.error(f"a list of at least {least} belongs here")
        return [self.child(index) for index in range(len(self.content))]

    def text(self) -> str:
        """Return a non-empty text."""
        if isinstance(self.content, str) and self.content.strip():
            return self.content.strip()
        hint = "; write it in quotes" if isinstance(self.content, bool | int | float) else ""
        raise self.error(f"{shown(self.content)} stands where a text belongs{hint}")

    def flag(self) -> bool:
        """Return true or false."""
        if isinstance(self.content, bool):
            return self.content
        raise self.error(f"{shown(self.content)} is neither true nor false")

    def number(self, low: float = -_MANY, high: float = _MANY) -> float:
        """Return a finite number within the bounds."""
        value = self.content
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise self.error(f"{shown(value)} is not a number")
        if not low <= value <= high:
            raise self.error(f"{shown(value)} is outside {low:g} to {high:g}")
        return float(value)

    def integer(self, low: int, high: int) -> int:
        """Return a whole number within the bounds."""
        value = self.number(low, high)
        if value != int(value):
            raise self.error(f"{shown(self.content)} is not a whole number")
        return int(value)

    def choice[E: StrEnum](self, options: type[E]) -> E:
        """Return the member that this word is the value of."""
        known = [option.value for option in options]
        if isinstance(self.content, str) and self.content in known:
            return options(self.content)
        raise self.error(f"{shown(self.content)} is not known; use one of {', '.join(known)}")

    def day(self) -> date:
        """Return a date, written as 2026-12-31."""
        try:
            return date.fromisoformat(self.text())
        except ValueError:
            raise self.error(f"{shown(self.content)} is not a date like 2026-12-31") from None


def parse(text: str) -> object:
    """Return the plain data of a YAML text, read by the rules of YAML 1.2.

    So ``no`` is a word (and a country), and 16:30 a time of day. Raises TariffError for
    anything that is not one plain document.
    """
    if len(text) > _LONGEST:
        raise TariffError([f"longer than {_LONGEST} characters; no tariff needs that"])
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _plain(root, set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise TariffError([f"{line}not readable as YAML: {error.problem}"]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TariffError(["not readable as YAML"]) from error


def shown(content: object) -> str:
    """Return a value as an error shows it: short, and quoted."""
    if content is None:
        return "nothing"
    if isinstance(content, Mapping):
        return "a mapping"
    if isinstance(content, list):
        return "a list"
    text = str(content) if not isinstance(content, int) or abs(content) < _MANY else "a huge number"
    return f"'{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}'"


def _plain(node: yaml.Node, seen: set[int]) -> Content:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise TariffError([f"line {line}: anchors and aliases are not used here; write it out"])
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        return _scalar(str(node.value), quoted=bool(node.style))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, seen) for item in node.value]
    result: dict[str, Content] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise TariffError([f"line {line}: only plain words can be keys"])
        if key.value in result:
            raise TariffError([f"line {key.start_mark.line + 1}: '{key.value}' stands here twice"])
        result[str(key.value)] = _plain(value, seen)
    return result


def _scalar(text: str, *, quoted: bool) -> Content:
    if quoted:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _hint(key: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key[:_SHOWN], known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
