"""A quarter as a row of the database, and back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
import json
import math
from typing import Final

from .ledger import FILLABLE, Channel, Flow, Origin, Quarter, Role
from .model import Reason
from .window import WINDOW_S

SUMS: Final = ("import_wh", "export_wh", "pv_wh", "battery_in_wh", "battery_out_wh", "load_wh")
COLUMNS: Final = ("start", "revision", "origin", "covered_s", *SUMS, *FILLABLE, "flows")
"""The columns of a row, in the order of ``to_row`` and ``from_row``."""
_FIRST_FILL: Final = COLUMNS.index(FILLABLE[0])
_AFTER_FILL: Final = _FIRST_FILL + len(FILLABLE)

type Row = Sequence[float | int | str | None]
type Numbers = Mapping[Channel, int]
"""The short number that stands for a channel in this file."""


def to_row(quarter: Quarter, numbers: Numbers) -> Row:
    """Return the row of a quarter; a number that is not finite becomes NULL."""
    return (
        int(quarter.start.timestamp()),
        quarter.revision,
        quarter.origin.value,
        quarter.covered_s,
        quarter.import_wh,
        quarter.export_wh,
        quarter.energy_wh(Role.PV),
        quarter.energy_wh(Role.BATTERY_IN),
        quarter.energy_wh(Role.BATTERY_OUT),
        quarter.load_wh,
        *(_storable(getattr(quarter, name)) for name in FILLABLE),
        _flows_text(quarter.flows, numbers),
    )


def from_row(row: Row, channels: Mapping[str, Channel]) -> Quarter | None:
    """Return the quarter of a row; None for one that something has damaged."""
    values = dict(zip(FILLABLE, row[_FIRST_FILL:_AFTER_FILL], strict=True))
    try:
        reason = values.pop("reason")
        return Quarter(
            start=datetime.fromtimestamp(int(row[0] or 0), UTC),
            revision=int(row[1] or 0),
            origin=Origin(str(row[2])),
            flows={
                channels[number]: Flow(*flow) if isinstance(flow, list) else Flow(flow)
                for number, flow in json.loads(str(row[-1])).items()
            },
            reason=Reason(str(reason)) if reason is not None else None,
            **values,  # type: ignore[arg-type] # the table is STRICT: a column has its type
        )
    except ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError:
        return None


def _flows_text(flows: Mapping[Channel, Flow], numbers: Numbers) -> str:
    # Most flows are known for the whole quarter: only the others say for how long.
    return json.dumps(
        {
            str(numbers[channel]): (
                flow.energy_wh if flow.covered_s == WINDOW_S else [flow.energy_wh, flow.covered_s]
            )
            for channel, flow in flows.items()
        },
        separators=(",", ":"),
    )


def _storable(value: float | str | None) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
