"""How long plans take: against the bare linear programme of the same size, and as a whole."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
import time
from typing import Final

import numpy as np

from custom_components.computeload.core.backtest import run
from custom_components.computeload.core.backtest_data import Measured, TestSite
from custom_components.computeload.core.learning import learn
from custom_components.computeload.core.plan import BatterySpec, Floats, PeakCost, PlanProblem
from custom_components.computeload.core.planner import Planner
from custom_components.computeload.core.planning import Connection, SitePlanning
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.core.tariff import Tariff, read_tariff
from scripts.benchmarks.bare_lp import BareLp

START_S: Final = 1_750_032_000
STEPS: Final = 192
DAY: Final = 96
LOOK_S: Final = 0.001
BATTERY: Final = BatterySpec(
    capacity_wh=100_000.0, charge_w=50_000.0, discharge_w=50_000.0, wear_eur_per_kwh=0.02
)


@dataclass(frozen=True, slots=True)
class PlanTimes:
    """Medians in ms over rounds in which planner and floor took turns."""

    cold_ms: float
    cold_floor_ms: float
    warm_ms: float
    warm_floor_ms: float


def lab(days: int) -> Measured:
    """Return a made-up lab: jobs that come and go on a base load, prices by the hour, sun."""
    random = np.random.default_rng(11)
    count = days * DAY
    hours = np.arange(count) % DAY / 4.0
    load = np.full(count, 25_000.0)
    at = 0
    while at < count:
        length = int(random.integers(2, 40))
        load[at : at + length] += float(random.integers(0, 6)) * 8_000.0
        at += length
    load += random.normal(0.0, 300.0, count)
    by_hour = 0.09 + 0.05 * np.sin((hours // 1 - 13.0) / 12.0 * np.pi)
    price = by_hour + np.repeat(random.normal(0.0, 0.02, days), DAY)
    sun = np.maximum(np.sin((hours - 5.0) / 14.0 * np.pi), 0.0)
    clouds = np.repeat(random.uniform(0.2, 0.8, days), DAY)
    starts = START_S + np.arange(count, dtype=np.int64) * 900
    return Measured(starts, 900, load, price, sun * clouds, np.full(count, 300.0))


def tariff() -> Tariff:
    """Return a tariff with a monthly demand charge."""
    return read_tariff(
        {
            "tariff": {"timezone": "Europe/Amsterdam"},
            "energy": {"import_adder_eur_per_kwh": 0.06, "export_adder_eur_per_kwh": -0.005},
            "demand": [{"window_min": 15, "period": "month", "rate_eur_per_kw": 6.0}],
        }
    )


def problems(count: int) -> list[PlanProblem]:
    """Return plans of 48 h in quarters, as they follow each other: new load, new energy."""
    series = lab(4 + count // DAY)
    random = np.random.default_rng(4)
    result = []
    for first in range(count):
        part = slice(first, first + STEPS)
        buy = series.price[part] + 0.06
        result.append(
            PlanProblem(
                start=datetime.fromtimestamp(int(series.starts[first]), UTC),
                step_s=np.full(STEPS, 900, dtype=np.int64),
                load_w=series.load_w[part],
                pv_w=series.pv_per_kwp[part] * 30_000.0,
                import_price=buy,
                export_price=series.price[part] - 0.005,
                battery=BATTERY,
                energy_wh=float(random.uniform(0.0, BATTERY.capacity_wh)),
                peaks=(PeakCost("month", np.ones(STEPS), np.array([45_000.0]), np.array([6.0])),),
                stored_value=0.1,
            )
        )
    return result


def plan_times(rounds: int = 41) -> PlanTimes:
    """Time planner and floor in turns, cold and warm, so that a busy machine slows both."""
    asked = problems(rounds + 1)
    times: dict[str, list[float]] = {"cold": [], "cold_floor": [], "warm": [], "warm_floor": []}
    warm, warm_floor = Planner(), BareLp(asked[0])
    warm.plan(asked[0])
    warm_floor.solve()
    for each in asked[1:]:
        for name, work in (
            ("cold_floor", lambda each=each: BareLp(each).solve()),
            ("cold", lambda each=each: Planner().plan(each)),
            ("warm_floor", lambda each=each: warm_floor.solve(each)),
            ("warm", lambda each=each: warm.plan(each)),
        ):
            begun = time.perf_counter()
            work()
            times[name].append(1000.0 * (time.perf_counter() - begun))
    middle = {name: float(np.median(of)) for name, of in times.items()}
    return PlanTimes(middle["cold"], middle["cold_floor"], middle["warm"], middle["warm_floor"])


def plans(count: int) -> Iterator[Callable[[], object]]:
    """Yield what makes each next plan with its forecast, with 60 days of history behind it."""
    series = lab(60 + 3 + count // DAY)
    planning = SitePlanning(
        tariff=tariff(), battery=BATTERY, connection=Connection(), strategy=Strategy.AUTOMATIC
    )
    pv_w = series.pv_per_kwp * 30_000.0
    net_w = series.load_w - pv_w
    past = slice(0, 60 * DAY)
    learn(planning, START_S, series.load_w[past], pv_w[past], net_w[past])

    def make(step: int) -> None:
        one = slice(step - 1, step)
        if step > 60 * DAY:
            start_s = int(series.starts[step - 1])
            planning.close(start_s, series.load_w[one], pv_w[one], net_w[one])
        planning.plan(
            planning.problem(
                datetime.fromtimestamp(int(series.starts[step]), UTC),
                load_now_w=float(series.load_w[step]),
                pv_now_w=float(pv_w[step]),
                energy_wh=50_000.0,
                day_ahead=series.price[step : step + STEPS],
            )
        )

    for step in range(60 * DAY, 60 * DAY + count):
        yield partial(make, step)


def whole_plan_ms(count: int = 300) -> Floats:
    """Return how long each plan took."""
    result = []
    for make in plans(count):
        begun = time.perf_counter()
        make()
        result.append(1000.0 * (time.perf_counter() - begun))
    return np.array(result)


@dataclass(frozen=True, slots=True)
class Blocks:
    """How late an event loop was that looked every millisecond, ms."""

    idle: Floats
    planning: Floats


async def loop_blocks(count: int = 300) -> Blocks:
    """Let an event loop run beside plans that are made in a thread, as they are live."""
    loop = asyncio.get_running_loop()
    late_ms: list[float] = []

    async def look() -> None:
        while True:
            due_s = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            late_ms.append(1000.0 * (loop.time() - due_s))

    ahead = await asyncio.to_thread(list, plans(count))
    looking = asyncio.create_task(look())
    await asyncio.sleep(count * 0.01)
    idle, late_ms[:] = np.array(late_ms), []
    for make in ahead:
        await asyncio.to_thread(make)
        await asyncio.sleep(0.0)
    planning = np.array(late_ms)
    looking.cancel()
    return Blocks(idle=idle, planning=planning)


@dataclass(frozen=True, slots=True)
class Speed:
    """Steps of 15 minutes that a backtest does."""

    per_s: float
    per_cpu_s: float
    """Per second of one core's time, whatever else the machine does."""


def backtest_speed(days: int = 30, rounds: int = 3) -> Speed:
    """Return the best of a few runs of a month, planned anew at least every hour."""
    site = TestSite(
        tariff=tariff(),
        battery=BATTERY,
        start_wh=50_000.0,
        pv_peak_kw=30.0,
        import_limit_w=None,
        export_limit_w=None,
        reserve_wh=0.0,
    )
    series = lab(days)
    wall, core = [], []
    for _ in range(rounds):
        begun = time.process_time()
        wall.append(len(series) / run(series, site, Strategy.AUTOMATIC).run_s)
        core.append(len(series) / (time.process_time() - begun))
    return Speed(max(wall), max(core))
