"""Time classes of a tariff document: months, weekdays, hours, holidays, weight."""

from calendar import monthrange
from collections.abc import Mapping
import re
from typing import Final

from .calendar import ALL_MONTHS, ALL_WEEKDAYS, DAY_MIN, HolidayRule, MonthDay, TimeClass
from .document import Node, shown

ONE_CLASS: Final = (TimeClass(name="all"),)
_KEYS: Final = ("months", "weekdays", "hours", "holidays", "not_days", "weight")
_RANGE: Final = re.compile(r"\s*(\d{1,2})\s*-\s*(\d{1,2})\s*")
_HOURS: Final = re.compile(r"\s*(\d{1,2})(?::(\d\d))?\s*-\s*(\d{1,2})(?::(\d\d))?\s*")
_DAYS: Final = re.compile(r"\s*(\d\d)-(\d\d)\s*\.\.\s*(\d\d)-(\d\d)\s*")
_LEAP_YEAR: Final = 2024
_MOST_CLASSES: Final = 50


def with_shared_classes(document: object) -> object:
    """Return a document in which the name of shared classes is replaced by the classes.

    The top-level ``classes`` of a document hold lists of classes by name, for charges and
    adders which have the same ones. What is not as it should be is left for the reader.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("classes"), Mapping):
        return document
    shared = document["classes"]
    rest = {key: value for key, value in document.items() if key != "classes"}
    rest["demand"] = _inlined_items(rest.get("demand", []), shared)
    energy = rest.get("energy")
    if isinstance(energy, Mapping):
        rest["energy"] = {
            side: {key: _inlined_items(items, shared) for key, items in parts.items()}
            if isinstance(parts, Mapping)
            else parts
            for side, parts in energy.items()
        }
    return rest


def _inlined_items(items: object, shared: Mapping[str, object]) -> object:
    if not isinstance(items, list):
        return items
    return [
        {**item, "classes": shared[item["classes"]]}
        if isinstance(item, Mapping)
        and isinstance(item.get("classes"), str)
        and item["classes"] in shared
        else item
        for item in items
    ]


def read_classes(node: Node) -> tuple[TimeClass, ...]:
    """Return the time masks of a list; the first that matches a window holds."""
    if isinstance(node.content, str):
        raise node.error(f"{shown(node.content)} is not among the tariff's shared classes")
    classes = tuple(_read_class(item) for item in node.items(least=1))
    if len(classes) > _MOST_CLASSES:
        raise node.error(f"more than {_MOST_CLASSES} classes; no tariff needs that")
    return classes


def by_class(
    node: Node, classes: tuple[TimeClass, ...], low: float, high: float
) -> Mapping[str, float]:
    """Return a number for each class: one for all, or a mapping that names each class."""
    names = [each.name for each in classes]
    if not isinstance(node.content, Mapping):
        return dict.fromkeys(names, node.number(low, high))
    entries = node.mapping(required=names, optional=())
    return {name: entries[name].number(low, high) for name in names}


def _read_class(node: Node) -> TimeClass:
    entries = node.mapping(required=("name",), optional=_KEYS)
    hours = entries["hours"].items(least=1) if "hours" in entries else []
    minutes = tuple(span for item in hours for span in _hours(item)) or ((0, DAY_MIN),)
    holidays = HolidayRule.ANY
    if "holidays" in entries:
        holidays = entries["holidays"].choice(HolidayRule)
    not_days = entries["not_days"].items(least=1) if "not_days" in entries else []
    return TimeClass(
        name=entries["name"].text(),
        months=_numbers(entries.get("months"), ALL_MONTHS),
        weekdays=_numbers(entries.get("weekdays"), ALL_WEEKDAYS),
        minutes=minutes,
        holidays=holidays,
        not_days=tuple(_days(item) for item in not_days),
        weight=entries["weight"].number(0.0, 100.0) if "weight" in entries else 1.0,
    )


def _numbers(node: Node | None, every: frozenset[int]) -> frozenset[int]:
    """Return a set of numbers, given as a list of numbers and ranges like "0-4"."""
    if node is None:
        return every
    low, high = min(every), max(every)
    result: set[int] = set()
    for item in node.items(least=1):
        if not isinstance(item.content, str):
            result.add(item.integer(low, high))
            continue
        match = _RANGE.fullmatch(item.content)
        first, last = (int(part) for part in match.groups()) if match else (high, low)
        if not low <= first <= last <= high:
            raise item.error(
                f"{shown(item.content)} is not a number or range within {low}-{high}; "
                "a range goes upwards"
            )
        result.update(range(first, last + 1))
    return frozenset(result)


def _hours(node: Node) -> tuple[tuple[int, int], ...]:
    """Return a span like "16:30-18:45" in minutes; one over midnight becomes two."""
    match = _HOURS.fullmatch(node.content) if isinstance(node.content, str) else None
    if match:
        hour, minute, end_hour, end_minute = (int(part or 0) for part in match.groups())
        start, end = hour * 60 + minute, end_hour * 60 + end_minute
        sixty = max(minute, end_minute) < 60  # noqa: PLR2004 - minutes of an hour
        if sixty and start < DAY_MIN and end <= DAY_MIN and start != end:
            return ((start, end),) if start < end else ((start, DAY_MIN), (0, end))
    raise node.error(f'{shown(node.content)} is not a span like "16:30-18:45" or "22-6"')


def _days(node: Node) -> tuple[MonthDay, MonthDay]:
    match = _DAYS.fullmatch(node.content) if isinstance(node.content, str) else None
    if match:
        month, day, last_month, last_day = (int(part) for part in match.groups())
        if _is_day(month, day) and _is_day(last_month, last_day):
            return (month, day), (last_month, last_day)
    raise node.error(f'{shown(node.content)} is not a span of days like "12-24..01-01"')


def _is_day(month: int, day: int) -> bool:
    return month in ALL_MONTHS and 1 <= day <= monthrange(_LEAP_YEAR, month)[1]
