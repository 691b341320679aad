"""Tries a battery, its plan and its control on a measured series, and says what it saved."""

import argparse
import csv
import json
from pathlib import Path
import sys

import numpy as np

from custom_components.computeload.core.backtest import Schedule, run
from custom_components.computeload.core.backtest_data import (
    BacktestError,
    Measured,
    read_series,
    read_site,
)
from custom_components.computeload.core.backtest_jobs import read_jobs
from custom_components.computeload.core.backtest_report import report
from custom_components.computeload.core.site import Strategy

STRATEGIES = ("automatic", "peak_shaving", "arbitrage", "observe")


def write_schedule(file: Path, series: Measured, schedule: Schedule) -> None:
    """Write one row per step: powers in kW, what is stored in kWh."""
    columns = (
        schedule.grid_w / 1000.0,
        schedule.battery_w / 1000.0,
        schedule.pv_w / 1000.0,
        schedule.load_w / 1000.0,
        schedule.stored_wh / 1000.0,
        schedule.target_w / 1000.0,
    )
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ("utc", "grid_kw", "battery_kw", "pv_kw", "load_kw", "soc_kwh", "target_kw", "reason")
        )
        times = np.datetime_as_string(series.starts.astype("datetime64[s]"), unit="m")
        for step, at in enumerate(times):
            values = (
                f"{column[step]:.6f}" if np.isfinite(column[step]) else "" for column in columns
            )
            writer.writerow((f"{at}Z", *values, schedule.reasons[step]))


def main() -> int:
    """Run what the command line asks for; 0, or 1 with what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the series, CSV or CSV.gz")
    parser.add_argument("--site", type=Path, required=True, help="the site, YAML")
    parser.add_argument("--strategy", choices=STRATEGIES, default="automatic")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--schedule", type=Path, help="where the steps go, CSV")
    options = parser.parse_args()
    try:
        series, site = read_series(options.data), read_site(options.site)
        jobs = None if site.jobs is None else read_jobs(site.jobs, series)
    except BacktestError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    schedule = run(series, site, Strategy(options.strategy), jobs=jobs)
    figures = report(series, site, schedule)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if options.schedule is not None:
        write_schedule(options.schedule, series, schedule)
    print(json.dumps({key: figures[key] for key in ("saving", "score", "steps_per_second")}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
