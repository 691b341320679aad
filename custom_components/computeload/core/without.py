"""What a quarter would have been without control: the measured load, the batteries at rest.

The grid carries what load and PV leave over. Taken as they were metered: the load (jobs are
not moved back) and PV (what a curtailed inverter could have given is not known). Assumed: a
battery that nobody commands does nothing. One that would have followed a program of its own
is not simulated. While nobody commanded, what was metered is what would have been.
"""

from dataclasses import replace
from typing import Final

from .ledger import ENERGY_DIGITS, EXPORT, IMPORT, Origin, Quarter, Role
from .model import Reason
from .window import WINDOW_S

_HANDS_OFF: Final = frozenset(
    {Reason.OFF, Reason.NO_METER, Reason.NO_BATTERY, Reason.RELEASED, Reason.ISLANDED}
)
"""Reasons that stand for a controller which commands nothing."""


def was_controlled(quarter: Quarter) -> bool:
    """Tell whether batteries followed our commands in a quarter."""
    return bool(quarter.commands) or quarter.reason not in {None, *_HANDS_OFF}


def with_counterfactual(quarter: Quarter, export_limit_w: float | None = None) -> Quarter:
    """Return the quarter with what would have been drawn and fed in without control.

    ``export_limit_w``: what may be fed in; more would have been curtailed, not sold. None
    stays where it cannot be said: the import, or a flow beside it, is known for less than
    half of the quarter. A gap stays a gap on both sides: nothing is added for it. A quarter
    that was brought in from elsewhere is returned as it is.
    """
    if quarter.origin is Origin.IMPORTED:
        return quarter
    energies = _without_wh(quarter, export_limit_w)
    import_wh, export_wh = energies if energies is not None else (None, None)
    return replace(quarter, without_import_wh=import_wh, without_export_wh=export_wh)


def _without_wh(quarter: Quarter, export_limit_w: float | None) -> tuple[float, float] | None:
    drawn = quarter.flows.get(IMPORT)
    if drawn is None or drawn.mean_w is None:
        return None
    fed = quarter.flows.get(EXPORT)
    import_wh, export_wh = drawn.energy_wh, fed.energy_wh if fed is not None else 0.0
    if not was_controlled(quarter):
        return import_wh, export_wh
    hours = drawn.covered_s / 3600.0
    given_wh = 0.0
    for channel, flow in quarter.flows.items():
        sign = {Role.BATTERY_OUT: 1.0, Role.BATTERY_IN: -1.0, Role.EXPORT: 0.0}.get(channel.role)
        if sign is None:
            continue
        if flow.mean_w is None:
            return None
        given_wh += sign * flow.mean_w * hours
    # What crossed the meter both ways within the quarter would have done so anyway.
    both_wh = min(import_wh, export_wh)
    net_wh = import_wh - export_wh + given_wh
    without_import_wh = max(net_wh, 0.0) + both_wh
    without_export_wh = max(-net_wh, 0.0) + both_wh
    if export_limit_w is not None:
        most_wh = max(export_limit_w, 0.0) * WINDOW_S / 3600.0
        without_export_wh = max(min(without_export_wh, most_wh), export_wh)
    return round(without_import_wh, ENERGY_DIGITS), round(without_export_wh, ENERGY_DIGITS)
