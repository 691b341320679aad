"""The ledger as CSV, for people and other programs; ``ledger_csv_in`` reads it again."""

from collections.abc import Callable, Iterable, Mapping
import csv
from typing import TextIO

from .ledger import Quarter, Role


def write_csv(
    quarters: Iterable[Quarter],
    out: TextIO,
    *,
    currency: str,
    branches: Mapping[str, str],
) -> int:
    """Write quarters as CSV, one line each, as they come; return how many.

    Times are UTC in ISO format, the unit is in each column's name, nothing is written
    where nothing is known. ``branches`` names the load's branches by asset id; the file
    can be imported again.
    """
    money = currency.lower()
    columns: dict[str, Callable[[Quarter], object]] = {
        "start_utc": lambda q: f"{q.start:%Y-%m-%dT%H:%M:%SZ}",
        "origin": lambda q: q.origin.value,
        "covered_s": lambda q: q.covered_s,
        "import_wh": lambda q: q.import_wh,
        "export_wh": lambda q: q.export_wh,
        "load_wh": lambda q: _rounded(q.load_wh),
        "pv_wh": lambda q: q.energy_wh(Role.PV),
        "battery_in_wh": lambda q: q.energy_wh(Role.BATTERY_IN),
        "battery_out_wh": lambda q: q.energy_wh(Role.BATTERY_OUT),
        "soc": lambda q: q.soc,
        f"price_import_{money}_per_kwh": lambda q: q.price_import,
        f"price_export_{money}_per_kwh": lambda q: q.price_export,
        "co2_g_per_kwh": lambda q: q.co2_g_per_kwh,
        "target_w": lambda q: q.target_w,
        "plan_battery_w": lambda q: q.plan_battery_w,
        "plan_grid_w": lambda q: q.plan_grid_w,
        "commands": lambda q: q.commands,
        "reason": lambda q: q.reason,
        "without_import_wh": lambda q: q.without_import_wh,
        "without_export_wh": lambda q: q.without_export_wh,
        "revision": lambda q: q.revision,
    }
    names = [f"branch {name} (wh)" for name in branches.values()]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, *names])
    count = 0
    for quarter in quarters:
        known = quarter.branches_wh
        row = [column(quarter) for column in columns.values()]
        writer.writerow([*row, *(known.get(asset_id) for asset_id in branches)])
        count += 1
    return count


def _rounded(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else round(energy_wh, 1)
