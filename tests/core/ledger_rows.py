"""Rows for the tests of the ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime
import math

from custom_components.computeload.core.ledger import (
    EXPORT,
    IMPORT,
    QUARTER,
    Channel,
    Flow,
    Origin,
    Quarter,
    Role,
)
from custom_components.computeload.core.model import Reason

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PV = Channel(Role.PV, "roof")
CHARGED = Channel(Role.BATTERY_IN, "cabinet")
DISCHARGED = Channel(Role.BATTERY_OUT, "cabinet")
RACK = Channel(Role.BRANCH, "rack")


def full(number: int = 0, import_wh: float = 2_000.0) -> Quarter:
    """Return the quarter ``number`` after START, with everything known."""
    return Quarter(
        start=START + number * QUARTER,
        origin=Origin.COUNTER,
        flows={
            IMPORT: Flow(round(import_wh, 3)),
            EXPORT: Flow(0.0),
            PV: Flow(500.0),
            CHARGED: Flow(100.0),
            DISCHARGED: Flow(0.0),
            RACK: Flow(1_500.125),
        },
        soc=0.5,
        price_import=0.25,
        price_export=0.05,
        co2_g_per_kwh=300.0,
        target_w=10_000.0,
        plan_battery_w=-400.0,
        plan_grid_w=8_000.0,
        commands=3,
        reason=Reason.PEAK,
    )


def several(count: int, first: int = 0) -> Iterator[Quarter]:
    """Yield quarters with a daily swing."""
    for number in range(first, first + count):
        yield full(number, 2_000.0 + 1_000.0 * math.sin(number / 96.0 * math.tau))
