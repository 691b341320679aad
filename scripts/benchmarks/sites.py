"""The bars on the whole of the measured sites, where they are at hand.

They are not part of the repository. Their folder is the argument; a site is a YAML file with
a series of the same name beside it.
"""

from dataclasses import dataclass
from pathlib import Path

from custom_components.computeload.core.backtest import run
from custom_components.computeload.core.backtest_data import read_series, read_site
from custom_components.computeload.core.backtest_report import (
    bound_of,
    cost_of,
    raised_kw,
    without_battery,
)
from custom_components.computeload.core.site import Strategy


@dataclass(frozen=True, slots=True)
class SiteScore:
    """What one site was worth, and what it did that it may not."""

    name: str
    score: float
    demand_ratio: float
    """Demand charge with the battery, of that without."""
    raised: int
    """Billing periods whose peak the battery raised."""
    worst_forecast: float
    """The largest mean absolute error of any lead, of that of persistence."""
    least_held: float
    most_held: float
    """How often the 80 % interval held, at the worst leads."""
    steps_per_s: float


def site_names(folder: Path) -> list[str]:
    """Return the sites of a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def try_site(folder: Path, name: str) -> SiteScore:
    """Run a site from its first step to its last."""
    series, site = read_series(folder / f"{name}.csv.gz"), read_site(folder / f"{name}.yaml")
    schedule = run(series, site, Strategy.AUTOMATIC)
    before = without_battery(series, site)
    after = cost_of(series, site, schedule.grid_w, schedule.battery_w)
    best, _ = bound_of(series, site)
    errors = [own / naive for each in schedule.errors.values() for own, naive in each.values()]
    held = [share for each in schedule.coverage.values() for share in each.values()]
    return SiteScore(
        name=name,
        score=(before.total - after.total) / (before.total - best.total),
        demand_ratio=after.demand / before.demand,
        raised=len(raised_kw(before, after)),
        worst_forecast=max(errors),
        least_held=min(held),
        most_held=max(held),
        steps_per_s=len(series) / schedule.run_s,
    )
