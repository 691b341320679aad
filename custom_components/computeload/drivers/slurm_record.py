"""One object of slurmrestd's JSON, read so that damage becomes an error with a place.

A number is bare in old versions of the interface, and in newer ones an object that says
whether it is set, and whether it is infinite. Both read the same here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
import math
from typing import Any, Final

NOT_SET: Final = frozenset({2**32 - 1, 2**32 - 2, 2**64 - 1, 2**64 - 2, -1, -2})
"""How old versions say that there is no number, or no limit (INFINITE and NO_VAL)."""
LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""


class SlurmPayloadError(ValueError):
    """An answer cannot be used; the text names the place in it."""


class Record:
    """An object of the answer; ``place`` is what errors call it."""

    __slots__ = ("_values", "place")

    def __init__(self, values: object, place: str) -> None:
        """Take the JSON. Raises SlurmPayloadError where it is no object."""
        self.place = place
        if not isinstance(values, dict):
            raise SlurmPayloadError(f"{place}: {_shown(values)} instead of an object")
        self._values: dict[str, Any] = values

    def error(self, key: str, why: str) -> SlurmPayloadError:
        """Return the error to raise about one of the values."""
        return SlurmPayloadError(f"{self.place}.{key}: {why}")

    def _wrong(self, key: str, what: str) -> SlurmPayloadError:
        return self.error(key, f"{_shown(self._values.get(key))} instead of {what}")

    def has(self, key: str) -> bool:
        """Return whether the value is there, and not null."""
        return self._values.get(key) is not None

    def text(self, key: str) -> str:
        """Return a text; empty where there is none."""
        value = self._values.get(key)
        if value is None:
            return ""
        if type(value) is not str:
            raise self._wrong(key, "a text")
        return value

    def name(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.text(key)
        if not value:
            raise self.error(key, "missing")
        return value

    def flag(self, key: str) -> bool:
        """Return a truth; false where there is none."""
        value = self._values.get(key)
        if value is None:
            return False
        if type(value) is not bool:
            raise self._wrong(key, "true or false")
        return value

    def number(self, key: str) -> float | None:
        """Return a number; None where it is absent, not set, or infinite."""
        value = self._values.get(key)
        if type(value) is dict:
            if value.get("set") is False or value.get("infinite") is True:
                return None
            value = value.get("number")
            if value is None:
                raise self._wrong(key, "a number")
        if value is None:
            return None
        if type(value) is not int and type(value) is not float:
            raise self._wrong(key, "a number")
        if value in NOT_SET:
            return None
        if not -1e18 < value < 1e18:  # noqa: PLR2004 - no count or time is near; NaN is caught too
            raise self._wrong(key, "a number")
        return value

    def count(self, key: str) -> int:
        """Return a number of things; 0 where there is none."""
        value = self.number(key)
        if value is None:
            return 0
        if value < 0 or value != math.floor(value):
            raise self._wrong(key, "a count")
        return int(value)

    def time(self, key: str) -> datetime | None:
        """Return a time (UTC) from seconds since 1970; None where there is none, or it is 0."""
        value = self.number(key)
        if not value:
            return None
        if not 0 < value <= LATEST:
            raise self._wrong(key, "a time")
        return datetime.fromtimestamp(value, UTC)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list of one."""
        value = self._values.get(key)
        if value is None or value == "":
            return ()
        if type(value) is str:
            return (value,)
        if type(value) is not list or not all(type(each) is str for each in value):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def record(self, key: str) -> Record:
        """Return an object within; an empty one where there is none."""
        value = self._values.get(key)
        return Record({} if value is None else value, f"{self.place}.{key}")


def _shown(value: object) -> str:
    """Return a word for a value, short enough for a log."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value)[:40]
