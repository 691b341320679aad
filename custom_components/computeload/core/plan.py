"""The words of planning: what a plan is made from, and what it says.

All powers are means over a step, in W and in the signs of ``model``; energies are Wh as
stored in the battery, prices are the site's currency per kWh. A problem's arrays have one
value per step, shape (n,); steps may differ in length.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
import math

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]


class PlanReason(StrEnum):
    """Why the battery does in a step what it does."""

    CHEAP = "cheap"
    """Charging: energy is cheaper now than when it will be used."""
    SURPLUS = "surplus"
    """Charging from PV that would earn less if it was fed in."""
    PEAK = "peak"
    """Discharging: without it the grid power would set a dearer peak."""
    DEAR = "dear"
    """Discharging: energy is dear now."""
    LIMIT = "limit"
    """The grid connection or its operator's limit decides."""
    RESERVE = "reserve"
    """Holding, or charging for, the energy that is reserved for an outage."""
    KEEP = "keep"
    """Holding what is stored: it will be worth more later."""
    GUARD = "guard"
    """Holding, or charging, what is kept for a peak that nobody foresees."""
    WEAR = "wear"
    """Doing nothing: no difference in price here pays for the losses and the wear."""


class PlanSource(StrEnum):
    """What made a plan."""

    OPTIMISER = "optimiser"
    RULES = "rules"
    """Simple rules, while the optimiser is missing or has failed."""


class PlanError(ValueError):
    """A problem that cannot be planned, or a plan that contradicts its problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySpec:
    """All batteries of a site as one: what it holds, gives, loses and costs to use."""

    capacity_wh: float
    charge_w: float
    """The most that it takes, AC side."""
    discharge_w: float
    """The most that it gives, AC side."""
    efficiency_charge: float = 0.95
    """Wh stored for each Wh taken."""
    efficiency_discharge: float = 0.95
    """Wh given for each Wh of what was stored."""
    soc_min: float = 0.0
    soc_max: float = 1.0
    wear_eur_per_kwh: float = 0.0
    """What giving one kWh (AC side) costs in lifetime."""

    def __post_init__(self) -> None:
        """Refuse what is no battery."""
        fractions = (self.efficiency_charge, self.efficiency_discharge)
        sizes = (self.capacity_wh, self.charge_w, self.discharge_w, self.wear_eur_per_kwh)
        if not all(0.0 < each <= 1.0 for each in fractions):
            raise PlanError("an efficiency is a fraction above 0, at most 1")
        if not all(math.isfinite(each) and each >= 0.0 for each in sizes):
            raise PlanError("sizes and wear of a battery are finite and not negative")
        if not 0.0 <= self.soc_min <= self.soc_max <= 1.0:
            raise PlanError("states of charge are fractions, the lower bound first")

    @property
    def least_wh(self) -> float:
        """Return the energy that stays in."""
        return self.soc_min * self.capacity_wh

    @property
    def most_wh(self) -> float:
        """Return the energy at which it is full."""
        return self.soc_max * self.capacity_wh

    def stored_after(self, energy_wh: float, power_w: float, hours: float) -> float:
        """Return what is stored after giving (+) or taking (-) a power for some hours."""
        if power_w > 0.0:
            return energy_wh - power_w * hours / self.efficiency_discharge
        return energy_wh - power_w * hours * self.efficiency_charge

    def within(self, power_w: float, energy_wh: float, hours: float) -> float:
        """Return the nearest power that it can keep for that long."""
        most_w = max(energy_wh - self.least_wh, 0.0) * self.efficiency_discharge / hours
        least_w = -max(self.most_wh - energy_wh, 0.0) / self.efficiency_charge / hours
        power_w = min(max(power_w, -self.charge_w), self.discharge_w)
        return min(max(power_w, least_w), most_w)


@dataclass(frozen=True, slots=True, eq=False)
class PeakCost:
    """What the highest window of the plan will cost: a rising, convex, piecewise line.

    ``rates_eur_per_kw[k]`` is the price of each kW between ``levels_w[k]`` and the next
    level (the last without end); below the first nothing is paid. The levels above the
    first say how high the rest of the period will probably go anyway: a peak that will be
    exceeded later costs little.
    """

    name: str
    weights: Floats
    """Shape (n,): what a step's mean counts; 0: not at all; negative: export counts."""
    levels_w: Floats
    rates_eur_per_kw: Floats

    @property
    def free_w(self) -> float:
        """Return the mean up to which nothing more is paid."""
        return float(self.levels_w[0])


@dataclass(frozen=True, slots=True, eq=False)
class Deferrable:
    """Compute that may be put off and is caught up later, within the plan."""

    most_w: Floats
    """Shape (n,): how much of the load of each step may be put off."""
    catch_up_w: Floats
    """Shape (n,): how much more than its load each step could run."""
    energy_wh: float
    """The most that may be waiting at any time."""
    eur_per_kwh_hour: float
    """What an hour of waiting costs for each kWh."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanProblem:
    """Everything a plan is made from; the same problem gives the same plan."""

    start: datetime
    step_s: Ints
    load_w: Floats
    pv_w: Floats
    import_price: Floats
    export_price: Floats
    battery: BatterySpec
    energy_wh: float
    """What is stored now."""
    peaks: tuple[PeakCost, ...] = ()
    stored_value: float = 0.0
    """What a kWh still stored at the end is worth."""
    charge_ceiling_w: Floats | None = None
    """Grid power that charging from the grid may not exceed; None: no such bound."""
    import_limit_w: float | None = None
    export_limit_w: float | None = None
    reserve_wh: float = 0.0
    """Stored energy that is kept for outages (soft)."""
    guard_wh: float = 0.0
    """Stored energy that is kept for peaks that nobody foresees (soft)."""
    guard_price: float = 0.0
    """What an hour costs for each kWh missing from that."""
    carbon_g_per_kwh: Floats | None = None
    carbon_eur_per_t: float = 0.0
    deferrable: Deferrable | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be planned; raises PlanError."""
        n = len(self.step_s)
        columns = {
            "load_w": self.load_w,
            "pv_w": self.pv_w,
            "import_price": self.import_price,
            "export_price": self.export_price,
            "carbon_g_per_kwh": self.carbon_g_per_kwh,
            **{f"weights of {peak.name}": peak.weights for peak in self.peaks},
        }
        if n == 0 or np.any(self.step_s <= 0):
            raise PlanError("a plan has steps, each longer than nothing")
        for name, column in columns.items():
            if column is not None and (column.shape != (n,) or not np.all(np.isfinite(column))):
                raise PlanError(f"{name}: one finite value is needed for each of {n} steps")
        if not math.isfinite(self.energy_wh) or not math.isfinite(self.stored_value):
            raise PlanError("the stored energy and its value must be known")

    @property
    def hours(self) -> Floats:
        """Return the length of each step in hours, shape (n,)."""
        return self.step_s / 3600.0

    @property
    def offsets_s(self) -> Ints:
        """Return when each step starts, in seconds from ``start``, shape (n,)."""
        return np.cumsum(self.step_s) - self.step_s

    @property
    def buying_price(self) -> Floats:
        """Return what an imported kWh costs with the user's price of its CO2."""
        if self.carbon_g_per_kwh is None:
            return self.import_price
        carbon: Floats = self.carbon_g_per_kwh * (self.carbon_eur_per_t / 1e6)
        return self.import_price + carbon

    @property
    def selling_price(self) -> Floats:
        """Return what an exported kWh earns in the plan.

        Never more than an imported one costs, or the plan would import and export at once
        without end; never less than nothing, since PV can be curtailed instead.
        """
        worth: Floats = np.minimum(np.maximum(self.export_price, 0.0), self.buying_price)
        return worth


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """What is planned from ``start`` until ``end``."""

    start: datetime
    end: datetime
    battery_w: float
    pv_limit_w: float | None
    """The most that PV should produce; None: no limit."""
    compute_cap_w: float | None
    """The most that the load should draw; None: nothing is put off."""
    grid_w: float
    soc: float
    """State of charge at the end of the step."""
    target_w: float
    """The mean import that the plan wants to stay under."""
    charge_ceiling_w: float
    """Charging may not raise the mean import above this."""
    reason: PlanReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPrices:
    """What one more of something scarce would have been worth, over the whole plan."""

    connection_eur_per_kw: float
    """One more kW of the connection's import limit."""
    energy_eur_per_kwh: float
    """One more kWh stored now."""
    capacity_eur_per_kwh: float
    """One more kWh of capacity."""
    power_eur_per_kw: float
    """One more kW of charge and discharge power."""
    peak_eur_per_kw: float
    """One kW less of load in every step in which a peak binds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do from now on, step by step, and what it is expected to cost."""

    made_at: datetime
    source: PlanSource
    steps: tuple[PlanStep, ...]
    cost_eur: float
    """Energy, wear, waiting and peaks, less the value of what is stored at the end."""
    shadow: ShadowPrices | None
    _ends: tuple[datetime, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the steps."""
        object.__setattr__(self, "_ends", tuple(step.end for step in self.steps))

    def step(self, at: datetime) -> PlanStep | None:
        """Return the step for a moment; None where the plan does not reach."""
        index = bisect_right(self._ends, at)
        if index == len(self.steps) or self.steps[index].start > at:
            return None
        return self.steps[index]

    @property
    def end(self) -> datetime:
        """Return how far it reaches."""
        return self._ends[-1]


def horizon(start: datetime, fine: timedelta, until: timedelta) -> Ints:
    """Return step lengths in s: quarters for ``fine``, then whole hours on the clock.

    ``start`` is on a quarter. The fine part is drawn out to the next full hour, so that
    hours of the plan are hours of the market.
    """
    quarters = round(fine / timedelta(minutes=15)) + (-start.minute // 15) % 4
    hours = max(round((until - fine) / timedelta(hours=1)), 0)
    return np.array([900] * quarters + [3600] * hours, dtype=np.int64)
