"""Runs the benchmarks and prints one line per figure; ``scripts/bench`` is the front."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
import json
from pathlib import Path

import numpy as np

from scripts.benchmarks import (
    dashboard,
    job_forecast,
    latency,
    memory,
    planner,
    polling,
    queue,
    recorder,
    sites,
)

ROUNDS = 3
SAMPLES = 120
POLLED_S = 60.0
KINDS = (
    "dashboard",
    "jobs",
    "latency",
    "memory",
    "planner",
    "polling",
    "queue",
    "recorder",
    "sites",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, its floor where it has one, and the bar it is held to."""

    name: str
    value: float
    unit: str
    bar: float
    floor: float | None = None
    at_least: bool = False
    """The bar is the least that is good enough, not the most."""

    @property
    def held(self) -> bool:
        """Return whether the figure is within its bar."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        """Return the line that is printed."""
        floor = "" if self.floor is None else f" (floor {self.floor:.3f} ms)"
        verdict = "held" if self.held else "MISSED"
        bar = f"bar {'at least ' if self.at_least else ''}{self.bar:g}"
        return f"{self.name}: {self.value:.3f} {self.unit}{floor}, {bar}: {verdict}"


def _middle(runs: list[latency.Latency]) -> float:
    return sorted(run.median_ms for run in runs)[len(runs) // 2]


async def _latency() -> list[Figure]:
    """Time floors and integration in turns, so that a busy machine slows all alike."""
    figures = []
    for delay_ms, bar in ((0.0, 3.0), (5.0, 1.1)):
        runs: dict[str, list[latency.Latency]] = {"raw": [], "library": [], "ours": []}
        for _ in range(ROUNDS):
            for kind in ("raw", "library"):
                runs[kind].append(await latency.floor(kind, delay_ms, SAMPLES))
            runs["ours"].append(await latency.inside_home_assistant(delay_ms, SAMPLES))
        median_ms = {kind: _middle(of_kind) for kind, of_kind in runs.items()}
        shown = ", ".join(f"{kind} {value:.3f} ms" for kind, value in median_ms.items())
        print(f"meter to battery, device answers after {delay_ms:g} ms: {shown}", flush=True)
        figures += [
            Figure(
                f"device delay {delay_ms:g} ms, median against the {kind} loop",
                median_ms["ours"] / median_ms[kind],
                "x",
                bar,
                median_ms[kind],
            )
            for kind in ("raw", "library")
        ]
    busy = await latency.inside_home_assistant(0.0, 3 * SAMPLES, background=True)
    figures.append(Figure("200 recorded states/s, p99", busy.p99_ms, "ms", 50.0))
    return figures


async def _recorder(minutes: float) -> list[Figure]:
    growth = await recorder.measure(minutes)
    print(
        f"recorder: {growth.devices} devices, {growth.entities} entities,"
        f" {growth.states_per_day:.0f} states a day, watched {growth.watched_s:.0f} s"
    )
    return [Figure("recorder growth", growth.megabytes_per_day, "MB/day", 40.0)]


async def _memory(minutes: float) -> list[Figure]:
    seen = await memory.measure(minutes)
    print(f"memory: {seen.without_mb:.0f} MB without a site, {seen.with_site_mb:.0f} MB with one")
    return [Figure("memory of the whole integration", seen.added_mb, "MB", 80.0)]


async def _polling() -> list[Figure]:
    seen = await polling.measure(POLLED_S)
    return [
        Figure("30 devices once a second, missed polls", seen.missed, "polls", 0),
        Figure("30 devices once a second, cadence jitter p99", 100.0 * seen.jitter, "%", 5.0),
        Figure("30 devices once a second, processor time", 100.0 * seen.cpu, "% of a core", 12.0),
        Figure("30 devices once a second, requests against the least", seen.requests, "x", 1.2),
    ]


async def _planner() -> list[Figure]:
    blocks = await planner.loop_blocks()
    print(
        f"event loop, late by: {blocks.idle.max():.1f} ms at most while idle,"
        f" {np.quantile(blocks.planning, 0.99):.1f} ms (p99) while plans are made",
        flush=True,
    )
    times = planner.plan_times()
    whole = planner.whole_plan_ms()
    speed = planner.backtest_speed()
    p99_ms = float(sorted(whole)[int(0.99 * len(whole))])
    return [
        Figure("event loop beside plans, late at most", float(blocks.planning.max()), "ms", 10.0),
        Figure(
            "48 h plan, cold, against the bare LP",
            times.cold_ms / times.cold_floor_ms,
            "x",
            1.5,
            times.cold_floor_ms,
        ),
        Figure(
            "48 h plan, warm, against the bare LP",
            times.warm_ms / times.warm_floor_ms,
            "x",
            3.0,
            times.warm_floor_ms,
        ),
        Figure("whole plan with its forecast, p99", p99_ms, "ms", 250.0),
        Figure("backtest planned every hour", speed.per_s, "steps/s", 500.0, at_least=True),
        Figure(
            "backtest planned every hour, one core's time",
            speed.per_cpu_s,
            "steps/s",
            500.0,
            at_least=True,
        ),
    ]


async def _queue() -> list[Figure]:
    times = await queue.measure()
    print(f"queue of {queue.JOBS} jobs: {times}", flush=True)
    return [
        Figure(
            "5,000 jobs, parsed and taken in",
            times.parse_ms + times.update_ms,
            "ms",
            100.0,
            times.json_ms,
        ),
        Figure("the event loop meanwhile, worst lateness", times.lateness_ms, "ms", 50.0),
    ]


async def _jobs(folder: Path) -> list[Figure]:
    figures = []
    logs = {"simulated cluster": job_forecast.compare_simulated()}
    for log in sorted(folder.parent.glob("jobs/*.csv.gz")):
        if job_forecast.can_be_read(log):
            logs[log.name.partition(".")[0]] = job_forecast.compare(log)
    for log_name, errors in logs.items():
        for each in errors:
            print(f"{log_name}, {each}", flush=True)
            harm = each.queue_with_credit_w / each.persistence_w
            name = f"{log_name}: queue with credit, {each.lead}"
            figures.append(Figure(name, harm, "of persistence", 1.02))
    return figures


async def _dashboard() -> list[Figure]:
    seen = await dashboard.measure()
    return [
        Figure("dashboard, first paint of a cold browser", seen.first_paint_s, "s", 2.0),
        *(
            Figure(f"dashboard, {view}, idle", 100.0 * share, "% of a core", 5.0)
            for view, share in seen.idle.items()
        ),
    ]


async def _sites(folder: Path) -> list[Figure]:
    scores = []
    figures = []
    for name in sites.site_names(folder):
        tried = sites.try_site(folder, name)
        print(tried, flush=True)
        scores.append(tried.score)
        figures += [
            Figure(f"{name}: score", tried.score, "of foresight", 0.77, at_least=True),
            Figure(f"{name}: demand charge", tried.demand_ratio, "of that without", 1.0),
            Figure(f"{name}: peaks raised by the battery", tried.raised, "periods", 0.0),
            Figure(f"{name}: worst forecast", tried.worst_forecast, "of persistence", 1.02),
            Figure(f"{name}: 80 % interval", tried.least_held, "", 0.75, at_least=True),
            Figure(f"{name}: 80 % interval, most", tried.most_held, "", 0.85),
        ]
    if scores:
        mean = sum(scores) / len(scores)
        figures.append(Figure("mean score", mean, "of foresight", 0.82, at_least=True))
    return figures


async def main() -> int:
    """Run what was asked for; 0 if every bar was held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument(
        "--sites",
        type=Path,
        default=Path(__file__).parents[3] / "shared" / "data" / "site",
        help="folder of measured sites, each SITE.yaml with SITE.csv.gz",
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="how long to watch recorder and memory"
    )
    options = parser.parse_args()
    measured: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
        "latency": _latency,
        "recorder": partial(_recorder, options.minutes),
        "memory": partial(_memory, options.minutes),
        "polling": _polling,
        "planner": _planner,
        "queue": _queue,
        "dashboard": _dashboard,
        "jobs": partial(_jobs, options.sites),
        "sites": partial(_sites, options.sites),
    }
    figures = [
        figure
        for kind, measure in measured.items()
        if options.only in {None, kind}
        for figure in await measure()
    ]
    for figure in figures:
        print(figure)
    if options.json:
        content = [asdict(figure) | {"held": figure.held} for figure in figures]
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0 if all(figure.held for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
