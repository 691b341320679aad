"""YAML with line numbers, read so that a mistake becomes a sentence with a place.

A profile is data that somebody else may have written. Nothing in here constructs
objects from tags, follows aliases, or lets a wrong type travel further than the line on
which it stands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
import difflib
import math
import re
from typing import Final

import yaml

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST: Final = 262_144
_DEEPEST: Final = 40
_SHOWN: Final = 40
_INTEGER: Final = re.compile(r"[-+]?(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})")
_FLOAT: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.?[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "": None, "null": None}
_STANDARD_TAG: Final = "tag:yaml.org,2002:"

type Content = Mapping[str, Node] | tuple[Node, ...] | str | float | bool | None


@dataclass(frozen=True, slots=True)
class ProfileError:
    """What is wrong with a profile, where, and what would be right."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """Return ``file:line: field: message``."""
        place = f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class SchemaError(Exception):
    """A profile does not say what it must say; ``error`` tells where."""

    def __init__(self, error: ProfileError) -> None:
        """Keep the place beside the sentence."""
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class Problems:
    """Collects errors, so that one reading of a file reports all of them."""

    found: list[ProfileError] = field(default_factory=list)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Turn a SchemaError of the body into an entry of the list."""
        try:
            yield
        except SchemaError as error:
            self.found.append(error.error)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document, with the place that an error names."""

    content: Content
    file: str
    line: int
    path: str = ""

    def error(self, message: str) -> SchemaError:
        """Return the error to raise about this value."""
        return SchemaError(ProfileError(self.file, self.line, self.path, message))

    def entries(self) -> Mapping[str, Node]:
        """Return a mapping with free keys."""
        if not isinstance(self.content, Mapping):
            raise self.error(f"{_shown(self.content)} stands where a mapping belongs")
        return self.content

    def mapping(
        self, *, required: Iterable[str] = (), optional: Iterable[str] = ()
    ) -> Mapping[str, Node]:
        """Return a mapping whose keys are known; a wrong or missing key is an error."""
        entries = self.entries()
        required = tuple(required)
        known = (*required, *optional)
        for key, node in entries.items():
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean '{close[0]}'?" if close else ""
                raise node.error(f"this key is not known here{hint} Known: {', '.join(known)}")
        if missing := [key for key in required if key not in entries]:
            raise self.error(f"'{missing[0]}' is missing")
        return entries

    def items(self, *, least: int = 0) -> tuple[Node, ...]:
        """Return a list of at least so many values."""
        if not isinstance(self.content, tuple):
            raise self.error(f"{_shown(self.content)} stands where a list belongs")
        if len(self.content) < least:
            raise self.error(f"a list of at least {least} belongs here")
        return self.content

    def one_or_more(self) -> tuple[Node, ...]:
        """Return a list; a single value counts as a list of one."""
        return self.items(least=1) if isinstance(self.content, tuple) else (self,)

    def text(self) -> str:
        """Return a non-empty text."""
        if isinstance(self.content, str) and self.content.strip():
            return self.content.strip()
        raise self.error(f"{_shown(self.content)} stands where a text belongs")

    def flag(self) -> bool:
        """Return true or false."""
        if isinstance(self.content, bool):
            return self.content
        raise self.error(f"{_shown(self.content)} is neither true nor false")

    def number(self, low: float = -1e18, high: float = 1e18) -> float:
        """Return a finite number within the bounds."""
        value = self.content
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{_shown(value)} is not a number")
        if not low <= value <= high:
            raise self.error(f"{value} is outside {low:g} to {high:g}")
        return float(value)

    def integer(self, low: int = 0, high: int = 0xFFFF) -> int:
        """Return a whole number within the bounds."""
        if isinstance(self.content, bool) or not isinstance(self.content, int):
            raise self.error(f"{_shown(self.content)} is not a whole number")
        if not low <= self.content <= high:
            raise self.error(f"{self.content} is outside {low} to {high}")
        return self.content

    def choice[T](self, options: Mapping[str, T], what: str) -> T:
        """Return what the options hold under this word."""
        if isinstance(self.content, str) and self.content in options:
            return options[self.content]
        known = ", ".join(options)
        raise self.error(f"{_shown(self.content)} is not a {what}; one of {known}")

    def integer_keys[T](self, read: Callable[[Node], T]) -> dict[int, T]:
        """Return a mapping from whole numbers to what ``read`` makes of the values."""
        result: dict[int, T] = {}
        for key, node in self.entries().items():
            if not _INTEGER.fullmatch(key):
                raise node.error(f"the key '{key}' is not a whole number")
            result[int(key, 0 if "x" in key else 10)] = read(node)
        return result


def parse(text: str, file: str) -> Node:
    """Return the document of a text; ``file`` is the name that errors show.

    Raises SchemaError for anything that is not one plain YAML document.
    """
    start = Node(None, file, 1)
    if len(text) > _LONGEST:
        raise start.error(f"the file is longer than {_LONGEST} characters; no profile needs that")
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise replace(start, line=line).error(f"not readable as YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise start.error("not readable as YAML") from error
    if root is None:
        raise start.error("the file is empty")
    return _Reader(file).node(root, "", 0)


class _Reader:
    """Turns YAML nodes into ours, each at most once."""

    def __init__(self, file: str) -> None:
        """Start with nothing seen."""
        self._file = file
        self._seen: set[int] = set()

    def node(self, source: yaml.Node, path: str, depth: int) -> Node:
        """Turn one node, and what it holds, into ours."""
        here = Node(None, self._file, source.start_mark.line + 1, path)
        if not source.tag.startswith(_STANDARD_TAG) or "python" in source.tag:
            raise here.error(f"the tag {source.tag} is not used in profiles; leave it out")
        if isinstance(source, yaml.ScalarNode):
            return replace(here, content=_scalar(source, here))
        if depth > _DEEPEST:
            raise here.error("nested deeper than any profile needs")
        if id(source) in self._seen:
            raise here.error("anchors and aliases are not used in profiles; write it out")
        self._seen.add(id(source))
        if isinstance(source, yaml.MappingNode):
            return replace(here, content=self._mapping(source, here, depth))
        items = (
            self.node(item, f"{path}[{index}]", depth + 1)
            for index, item in enumerate(source.value)
        )
        return replace(here, content=tuple(items))

    def _mapping(self, source: yaml.MappingNode, here: Node, depth: int) -> dict[str, Node]:
        """Turn a YAML mapping into one with text keys, each used once."""
        result: dict[str, Node] = {}
        for key_node, value_node in source.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                raise replace(here, line=line).error("only plain words and numbers can be keys")
            key = str(key_node.value)
            path = f"{here.path}.{key}" if here.path else key
            if key in result:
                raise replace(here, line=line, path=path).error("this key stands here twice")
            result[key] = replace(self.node(value_node, path, depth + 1), line=line)
        return result


def _scalar(source: yaml.ScalarNode, here: Node) -> Content:
    """Read a scalar by the YAML 1.2 core rules: ``off`` and ``yes`` are words."""
    text = str(source.value)
    if source.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 16) if "x" in text else int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise here.error(f"{_shown(text)} is too large for a number")
        return value
    return text


def _shown(content: Content) -> str:
    """Return a value as an error shows it: short, and quoted."""
    if content is None:
        return "nothing"
    if isinstance(content, Mapping):
        return "a mapping"
    if isinstance(content, tuple):
        return "a list"
    text = str(content)
    return f"'{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}'"
