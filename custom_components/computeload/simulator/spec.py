"""What a scenario says about a lab: site, branches, jobs, cabinets, devices, prices."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from .cabinet import BatterySpec
from .jobs import WorkloadSpec
from .loads import BranchSpec
from .sun import PvSpec

SCENARIO_DIR: Final = Path(__file__).parent / "scenarios"
_DAY_SPREAD: Final = 0.15
_WATTS: Final = 1e8
_HOURS: Final = 24
GRID: Final = "grid"
"""What the meter at the grid connection serves."""

DEVICES: Final = {
    "eastron_sdm630": "meter",
    "socomec_digiware": "branches",
    "sunspec_battery": "battery",
    "openems_fems": "battery",
    "sunspec_pv": "pv",
}
"""Kinds of device by what may be behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSpec:
    """One device on the wire: which kind it is and what it measures or controls."""

    id: str
    name: str
    device: str
    """Kind of device, see ``devices``."""
    unit_id: int
    serves: tuple[str, ...]
    """The branches, the battery or the plant behind it; ``("grid",)`` for the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A day-ahead price shape: what an hour costs on an average day."""

    hours: tuple[float, ...]
    """24 prices by local hour, EUR/kWh."""
    weekend: float = 0.85
    """Factor on Saturdays and Sundays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A site to simulate, and what a controller should try to achieve on it."""

    id: str
    name: str
    description: str
    latitude: float
    longitude: float
    timezone: ZoneInfo
    start_time: time
    """Local time of day at which the scenario shows most; a job is running then."""
    target_peak_w: float
    connection_limit_w: float
    branches: tuple[BranchSpec, ...]
    workloads: tuple[WorkloadSpec, ...]
    pv: tuple[PvSpec, ...]
    cloud_cover: float
    batteries: tuple[BatterySpec, ...]
    wires: tuple[WireSpec, ...]
    prices: Prices | None
    tariff: str | None = None
    """The name of a tariff preset that suits the lab."""
    cluster: str | None = None
    """The name of the cluster whose scheduler starts the jobs; None: nobody can be asked."""

    def default_start(self) -> datetime:
        """Return a fixed sunny start for tests and backtests (UTC)."""
        return self.start_on(date(2026, 6, 15))

    def start_on(self, day: date) -> datetime:
        """Return the recommended start on a given day (UTC)."""
        return datetime.combine(day, self.start_time, self.timezone).astimezone(UTC)

    def day_ahead(self, day: date) -> tuple[tuple[datetime, float], ...]:
        """Return a local day's hourly prices as (start in UTC, EUR/kWh).

        Days differ by some percent, the same day is always the same. Empty without
        prices in the file.
        """
        if self.prices is None:
            return ()
        # A random generator of its own: prices must not depend on how far physics is.
        spread = Random(day.toordinal())
        level = spread.uniform(1 - _DAY_SPREAD, 1 + _DAY_SPREAD)
        if day.isoweekday() > 5:  # noqa: PLR2004 - Saturday and Sunday
            level *= self.prices.weekend
        start = datetime.combine(day, time(), self.timezone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), time(), self.timezone).astimezone(UTC)
        result = []
        while start < end:
            hour = start.astimezone(self.timezone).hour
            price = self.prices.hours[hour] * level * spread.uniform(0.97, 1.03)
            result.append((start, round(price, 5)))
            start += timedelta(hours=1)
        return tuple(result)
