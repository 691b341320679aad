"""What is kept for a peak that nobody foresees, and up to which level that pays.

A load that jumps a few times a day from a low base is held by a battery that is charged when
it jumps; what is kept for that cannot earn by the price meanwhile. How much energy a level
takes is read from the site's own past: the deepest that a battery would have been drawn that
gives all that is above the level and recharges below it. Loads that stay up for longer than
the battery lasts have no level worth guarding, and nothing is kept for them.

Whether what was enough so far will be enough is judged by the past itself: each stretch of it
is held against what all the others would have taught.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .plan import BatterySpec, Floats

_LEVELS: Final = 24
_RECHARGE: Final = 0.92
"""Recharging stays this far below the level."""
_USABLE: Final = 0.95
"""Of the battery's energy so much is relied on."""
_MARGIN: Final = 1.15
"""What is kept is more than what was ever needed by this factor."""
_LEAST_GAIN: Final = 3.0
"""What a guarded level saves must be more than what is given up for it by this factor."""
_STRETCHES: Final = 8
_DOUBT: Final = 0.05
"""So much of a failed stretch is assumed where none has failed."""
_SURE: Final = 0.8
"""A level that holds to the period's end with less chance than this is not guarded."""
_LEAST_SPREAD: Final = 0.03
"""What a kWh earns in a day at the least: some days have no spread, but most do."""
_HOURS: Final = 0.25
_KWH: Final = 1000.0
_DAY: Final = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A level of the mean import that is held, and what is kept for that."""

    level_w: float
    energy_wh: float
    """As stored."""
    gain: float
    """What it saves over the rest of the period, less what keeping the energy costs."""


def best_guard(
    net_w: Floats,
    battery: BatterySpec,
    *,
    free_w: float,
    natural_w: float,
    rate: float,
    days_left: float,
    spread: float,
) -> Guard | None:
    """Return the level that is best guarded; None where none pays.

    ``net_w``: weighted means of load less PV of past quarters, shape (n,), W. ``free_w`` is
    paid already, ``natural_w`` is where the period goes by itself, ``rate`` the price of each
    kW between. ``spread`` is what a kWh of stored energy earns in a day by the price alone.
    """
    lowest_w = max(free_w, float(net_w.mean()) if net_w.size else 0.0, 0.0)
    if battery.capacity_wh <= 0.0 or natural_w <= lowest_w or rate <= 0.0:
        return None
    levels_w = np.linspace(lowest_w, natural_w, _LEVELS, endpoint=False)
    needs_wh, stretch_days = needs_by_stretch(net_w, battery, levels_w)
    need_wh = _MARGIN * needs_wh.max(axis=1)
    power_w = float(net_w.max()) - levels_w
    usable_wh = _USABLE * (battery.most_wh - battery.least_wh)
    possible = (need_wh <= usable_wh) & (power_w <= battery.discharge_w)
    holds = _holding(needs_wh) ** max(days_left / stretch_days, 1.0)
    saved = holds * rate * (natural_w - levels_w) / _KWH
    given_up = max(spread, _LEAST_SPREAD) * need_wh / _KWH * max(days_left, 1.0)
    pays = possible & (holds >= _SURE) & (saved > _LEAST_GAIN * given_up)
    gain = np.where(pays, saved - given_up, -np.inf)
    best = int(np.argmax(gain))
    if not np.isfinite(gain[best]):
        return None
    return Guard(
        level_w=float(levels_w[best]),
        energy_wh=battery.least_wh + float(need_wh[best]),
        gain=float(gain[best]),
    )


def needs_by_stretch(net_w: Floats, battery: BatterySpec, levels_w: Floats) -> tuple[Floats, float]:
    """Return how far a battery would have been drawn down in each stretch of the past.

    Shape (levels, stretches), Wh as stored, and the length of a stretch in days. The battery
    gives what is above the level and recharges below it: what it lacks at the end of a
    quarter is a sum that never falls below nothing, the sum less its lowest so far.
    """
    over_w = net_w[None, :] - levels_w[:, None]
    room_w = np.maximum(_RECHARGE * levels_w[:, None] - net_w[None, :], 0.0)
    given_wh = np.maximum(over_w, 0.0) * (_HOURS / battery.efficiency_discharge)
    taken_wh = np.minimum(room_w, battery.charge_w) * (_HOURS * battery.efficiency_charge)
    total = np.cumsum(given_wh - taken_wh, axis=1)
    lacking = total - np.minimum(np.minimum.accumulate(total, axis=1), 0.0)
    days = max(len(net_w) // _DAY, 1)
    firsts = np.linspace(0, len(net_w), min(_STRETCHES, days), endpoint=False).astype(np.int64)
    needs: Floats = np.maximum.reduceat(lacking, firsts, axis=1)
    return needs, days / len(firsts)


def _holding(needs_wh: Floats) -> Floats:
    """Return the chance that a stretch needs no more than the others have taught, per level."""
    count = needs_wh.shape[1]
    if count == 1:
        return np.zeros(len(needs_wh))
    ordered = np.sort(needs_wh, axis=1)
    highest, second = ordered[:, -1:], ordered[:, -2:-1]
    taught = np.where(needs_wh == highest, second, highest)
    failed = (needs_wh > _MARGIN * taught).sum(axis=1)
    chance: Floats = 1.0 - (failed + _DOUBT) / (count + _DOUBT)
    return chance
