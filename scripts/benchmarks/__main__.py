"""Runs the benchmarks and prints one line per figure; ``scripts/bench`` is the front."""

import argparse
import asyncio
from dataclasses import asdict, dataclass
import json
from pathlib import Path

from scripts.benchmarks import latency, recorder

ROUNDS = 3
SAMPLES = 120


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, its floor where it has one, and the bar it is held to."""

    name: str
    value: float
    unit: str
    bar: float
    floor: float | None = None

    @property
    def held(self) -> bool:
        """Return whether the figure is within its bar."""
        return self.value <= self.bar

    def __str__(self) -> str:
        """Return the line that is printed."""
        floor = "" if self.floor is None else f" (floor {self.floor:.3f} ms)"
        verdict = "held" if self.held else "MISSED"
        return f"{self.name}: {self.value:.3f} {self.unit}{floor}, bar {self.bar:g}: {verdict}"


def _middle(runs: list[latency.Latency]) -> float:
    return sorted(run.median_ms for run in runs)[len(runs) // 2]


async def _latency() -> list[Figure]:
    """Time floor and integration in turns, so that a busy machine slows both alike."""
    figures = []
    for delay_ms, bar in ((0.0, 3.0), (5.0, 1.1)):
        floors, ours = [], []
        for _ in range(ROUNDS):
            floors.append(await latency.floor(delay_ms, SAMPLES))
            ours.append(await latency.inside_home_assistant(delay_ms, SAMPLES))
        floor_ms, ours_ms = _middle(floors), _middle(ours)
        print(
            f"device answers after {delay_ms:g} ms: {ours_ms:.3f} ms, bare loop {floor_ms:.3f} ms"
        )
        name = f"meter to battery, device delay {delay_ms:g} ms, ratio of medians"
        figures.append(Figure(name, ours_ms / floor_ms, "x", bar, floor_ms))
    busy = await latency.inside_home_assistant(0.0, 3 * SAMPLES, background=True)
    figures.append(Figure("meter to battery, 200 recorded states/s, p99", busy.p99_ms, "ms", 50.0))
    return figures


async def _recorder(minutes: float) -> list[Figure]:
    growth = await recorder.measure(minutes)
    print(
        f"recorder: {growth.devices} devices, {growth.entities} entities,"
        f" {growth.states_per_day:.0f} states a day, watched {growth.watched_s:.0f} s"
    )
    return [Figure("recorder growth", growth.megabytes_per_day, "MB/day", 40.0)]


async def main() -> int:
    """Run what was asked for; 0 if every bar was held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=["latency", "recorder"])
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="how long to watch the recorder"
    )
    options = parser.parse_args()
    figures: list[Figure] = []
    if options.only in {None, "latency"}:
        figures += await _latency()
    if options.only in {None, "recorder"}:
        figures += await _recorder(options.minutes)
    for figure in figures:
        print(figure)
    if options.json:
        content = [asdict(figure) | {"held": figure.held} for figure in figures]
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0 if all(figure.held for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
