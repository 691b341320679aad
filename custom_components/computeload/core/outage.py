"""An outage: how long the batteries last, what is shed when, what is kept for it beforehand.

Some of the load is protected: it is to run for a promised time. The rest may go on for as long
as the batteries hold more than the promise needs; when that runs out it is shed in stages, by
rising harm, and switched off while there is still time to do it cleanly. Pure: time is passed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
import math
from typing import Final

from .levers import Lever
from .numbers import known, not_negative
from .site import BatteryState

HOUR_S: Final = 3600.0
CAP_S: Final = 1800.0
"""Jobs are slowed down when the unprotected load could go on for less than this."""
DRAIN_S: Final = 1200.0
REQUEUE_S: Final = 600.0
"""Jobs go back into the queue this long before the rest is switched off."""
STABLE_S: Final = 60.0
"""The grid has to be back for so long before it is believed."""
CHARGE_MARGIN: Final = 1.5
"""A battery is given this much more time than it needs before a planned outage."""
CHARGE_LEAD_S: Final = 1800.0


class Stage(StrEnum):
    """How far an outage has come."""

    GRID = "grid"
    """There is none."""
    HOLD = "hold"
    """It has begun: no further job starts."""
    CAP = "cap"
    DRAIN = "drain"
    REQUEUE = "requeue"
    SHUTDOWN = "shutdown"
    """What is not protected is to be switched off now."""
    LAST = "last"
    """What is protected is to be switched off now: the batteries end."""


_ORDER: Final = tuple(Stage)
WORST_LEVER: Final = {
    Stage.GRID: None,
    Stage.HOLD: Lever.HOLD,
    Stage.CAP: Lever.CAP,
    Stage.DRAIN: Lever.DRAIN,
    Stage.REQUEUE: Lever.REQUEUE,
    Stage.SHUTDOWN: Lever.REQUEUE,
    Stage.LAST: Lever.REQUEUE,
}
"""How far the levers of compute go in each stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the user wants of an outage."""

    protect_s: float
    """For so long the protected load is to run; 0: nothing is kept for it."""
    shutdown_s: float
    """What a clean shutdown takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What there is, and what draws on it. Powers in W, energy at the terminals in Wh."""

    stored_wh: float
    """What the batteries can still give, losses taken off."""
    discharge_w: float
    load_w: float
    protected_w: float
    """Of the load; all of it where nothing is marked as protected."""
    pv_w: float = 0.0

    @property
    def net_w(self) -> float:
        """Return what the batteries have to give."""
        return self.load_w - self.pv_w

    @property
    def others_w(self) -> float:
        """Return what they give beyond the protected load."""
        return max(self.net_w - max(self.protected_w - self.pv_w, 0.0), 0.0)

    @property
    def runtime_s(self) -> float:
        """Return for how long all of the load goes on as it is; 0 where it is too much at once."""
        if self.net_w > self.discharge_w:
            return 0.0
        return _lasts_s(self.stored_wh, self.net_w)

    @property
    def protected_s(self) -> float:
        """Return for how long the protected load would go on alone."""
        return _lasts_s(self.stored_wh, self.protected_w - self.pv_w)


def _lasts_s(energy_wh: float, power_w: float) -> float:
    return math.inf if power_w <= 0.0 else max(energy_wh, 0.0) * HOUR_S / power_w


def stored_wh(batteries: Iterable[BatteryState], *, soc_min: float, efficiency: float) -> float:
    """Return what batteries can still give at their terminals; ``efficiency`` on the way out."""
    return efficiency * sum(
        max(each.soc - soc_min, 0.0) * not_negative(each.capacity_wh)
        for each in batteries
        if known(each.soc)
    )


def spare_s(supply: Supply, promise: Promise, elapsed_s: float) -> float:
    """Return for how long the unprotected load may go on without breaking the promise.

    ``elapsed_s``: for how long the grid has been away. Where all of the load is protected: for
    how long it goes on.
    """
    owed_s = max(promise.protect_s - elapsed_s, 0.0)
    owed_wh = max(supply.protected_w - supply.pv_w, 0.0) * owed_s / HOUR_S
    if supply.protected_w >= supply.load_w:
        return supply.runtime_s
    return _lasts_s(supply.stored_wh - owed_wh, supply.others_w)


def next_stage(stage: Stage, supply: Supply, promise: Promise, elapsed_s: float) -> Stage:
    """Return how far an outage has come, ``elapsed_s`` after it began; it never goes back."""
    left_s = spare_s(supply, promise, elapsed_s)
    if supply.net_w > supply.discharge_w:
        # The island is about to trip.
        left_s = 0.0
    due = {
        Stage.HOLD: True,
        Stage.CAP: left_s < CAP_S + promise.shutdown_s,
        Stage.DRAIN: left_s < DRAIN_S + promise.shutdown_s,
        Stage.REQUEUE: left_s < REQUEUE_S + promise.shutdown_s,
        Stage.SHUTDOWN: left_s < promise.shutdown_s,
        Stage.LAST: supply.protected_s < promise.shutdown_s,
    }
    reached = [stage, *(each for each, has_come in due.items() if has_come)]
    return max(reached, key=_ORDER.index)


def reserve_wh(protected_w: float, load_w: float, promise: Promise) -> float:
    """Return what has to be kept, at the terminals, for the promise to hold.

    The protected load for as long as it is promised, and the rest until it is switched off.
    """
    if promise.protect_s <= 0.0:
        return 0.0
    others_w = max(load_w - protected_w, 0.0)
    return (protected_w * promise.protect_s + others_w * promise.shutdown_s) / HOUR_S


def reserve_soc(
    needed_wh: float, batteries: Iterable[BatteryState], *, soc_min: float, efficiency: float
) -> float:
    """Return the state of charge (0..1) that holds an energy; 1 where it is more than all."""
    capacity_wh = sum(not_negative(each.capacity_wh) for each in batteries)
    if needed_wh <= 0.0:
        return 0.0
    if capacity_wh <= 0.0:
        return 1.0
    return min(soc_min + needed_wh / efficiency / capacity_wh, 1.0)


def is_due(start_s: float, now_s: float, batteries: Iterable[BatteryState]) -> bool:
    """Return whether charging for a planned outage has to begin now, for it to be full by then."""
    missing_wh, charge_w = 0.0, 0.0
    for each in batteries:
        if known(each.soc):
            missing_wh += max(1.0 - each.soc, 0.0) * not_negative(each.capacity_wh)
            charge_w += not_negative(each.charge_limit_w)
    needed_s = _lasts_s(missing_wh, charge_w) if missing_wh > 0.0 else 0.0
    needed_s = 0.0 if math.isinf(needed_s) else needed_s
    return now_s >= start_s - CHARGE_LEAD_S - CHARGE_MARGIN * needed_s
