"""Solar forecasts as Home Assistant's energy platforms give them: Wh by the start of a step."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from ..core.series import Kind, Series, Slot, Unit
from .rows import read_rows
from .usual import STEP


def read_wh_hours(answer: Mapping[str, Any]) -> Series:
    """Return the mean power (W) of a forecast that gives Wh per step, by the step's start."""
    by_step = read_rows(answer.get("wh_hours"), unit=Unit.POWER, kind=Kind.FORECAST, zone=UTC)
    return by_step.mapped(lambda slot: max(slot.value, 0.0) / slot.hours)


def summed(parts: Sequence[Series]) -> Series:
    """Return the sum of forecasts in quarters; where one says nothing, as at night, it is 0."""
    starts = [part.slots[0].start for part in parts]
    end = max(part.slots[-1].end for part in parts)
    at, slots = min(starts), []
    while at < end:
        until = min(at + STEP, end)
        value = sum(part.mean(at, until) or 0.0 for part in parts)
        slots.append(Slot(at, until, value, Kind.FORECAST))
        at = until
    return Series(Unit.POWER, tuple(slots))
