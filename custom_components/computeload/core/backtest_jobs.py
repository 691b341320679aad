"""The jobs behind a measured load: when they came, what they drew, and what if they had waited.

The load is taken apart into what the jobs' nodes draw and the rest. A job that starts later runs
as long as it did; nothing of it is known before it comes, and its end not before it ends.
"""

from collections import deque
from collections.abc import Mapping
import csv
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from .backtest_data import BacktestError, JobsFile, Measured, opened
from .job_starts import SLACK, QueueLevel, forced, is_cheaper_later
from .plan import Floats

_STEP_S: Final = 900.0
_WEEK_S: Final = 7 * 86_400.0
_WEEKS: Final = 4
"""So many weeks to either side are looked at for where the jobs belong."""
_COLUMNS: Final = ("start_utc", "duration_s")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobLog:
    """Jobs as they came, by time; shape (n,) each."""

    start_s: Floats
    duration_s: Floats
    nodes: Floats
    node_w: float
    may_wait: np.ndarray[tuple[int], np.dtype[np.bool_]]
    longest: int
    """For so many quarters a job may be delayed."""

    def busy(self, series: Measured, shift_s: float = 0.0) -> Floats:
        """Return the mean number of busy nodes in each quarter, as it was; shape (n,)."""
        change = np.zeros(len(series) + 2)
        for at_s, sign in ((self.start_s, 1.0), (self.start_s + self.duration_s, -1.0)):
            place = (at_s + shift_s - float(series.starts[0])) / _STEP_S
            place = np.clip(place, 0.0, len(series))
            step = place.astype(np.int64)
            np.add.at(change, step, sign * self.nodes * (1.0 - (place - step)))
            np.add.at(change, step + 1, sign * self.nodes * (place - step))
        busy: Floats = np.cumsum(change)[: len(series)]
        return busy


def read_jobs(file: JobsFile, series: Measured) -> JobLog:
    """Return the jobs of a file in the time of a series; raises BacktestError."""
    start_s, duration_s, nodes = _columns(file.path)
    order = np.argsort(start_s, kind="stable")
    log = JobLog(
        start_s=start_s[order],
        duration_s=duration_s[order],
        nodes=nodes[order],
        node_w=file.node_w or 0.0,
        may_wait=np.random.default_rng(1).random(len(order)) < file.may_wait,
        longest=round(file.longest_delay_h * 3600.0 / _STEP_S),
    )
    shift_s = _shift_s(log, series) if file.shift_days is None else file.shift_days * 86_400.0
    log = replace(log, start_s=log.start_s + shift_s)
    busy = log.busy(series)
    if busy.max(initial=0.0) <= 0.0:
        raise BacktestError(f"{file.path.name}: no job runs while the series lasts")
    if file.node_w is not None:
        return log
    slope = float(np.polyfit(busy, series.load_w, 1)[0])
    if slope <= 0.0:
        raise BacktestError(f"{file.path.name}: the load does not rise with these jobs")
    return replace(log, node_w=slope)


def _shift_s(log: JobLog, series: Measured) -> float:
    """Return the whole weeks after which busy nodes and load are most alike."""
    first = round((float(series.starts[0]) - float(log.start_s[0])) / _WEEK_S)
    alike = {}
    for weeks in range(first - _WEEKS, first + _WEEKS + 1):
        busy = log.busy(series, weeks * _WEEK_S)
        if busy.std() > 0.0 and series.load_w.std() > 0.0:
            alike[weeks] = float(np.corrcoef(busy, series.load_w)[0, 1])
    return max(alike, key=alike.__getitem__, default=first) * _WEEK_S


def _columns(path: Path) -> tuple[Floats, Floats, Floats]:
    rows: list[tuple[float, float, float]] = []
    with opened(path) as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise BacktestError(f"{path.name}: the column {missing[0]} is missing")
        for number, row in enumerate(reader, start=2):
            try:
                rows.append(_row(row))
            except ValueError as error:
                raise BacktestError(f"{path.name}, line {number}: {error}") from error
    if not rows:
        raise BacktestError(f"{path.name}: there is no job in it")
    start_s, duration_s, nodes = np.array(rows).T
    return start_s, duration_s, nodes


def _row(row: Mapping[str, str]) -> tuple[float, float, float]:
    at = datetime.fromisoformat(row["start_utc"])
    duration_s, nodes = float(row["duration_s"]), float(row.get("nodes") or 1.0)
    if not (0.0 <= duration_s < float("inf") and 0.0 < nodes < float("inf")):
        raise ValueError("a job lasts at least 0 s and has at least one node")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), duration_s, nodes


class _Load:
    """Busy nodes as changes from quarter to quarter."""

    def __init__(self, series: Measured) -> None:
        self._first_s = float(series.starts[0])
        self.change = np.zeros(len(series) + 2)

    def run(self, start_s: float, duration_s: float, nodes: float) -> None:
        """Add a job; a part of a quarter counts as that part."""
        last = len(self.change) - 2
        for at_s, sign in ((start_s, nodes), (start_s + duration_s, -nodes)):
            place = max((at_s - self._first_s) / _STEP_S, 0.0)
            if place < last:
                step = int(place)
                self.change[step] += sign * (1.0 - (place - step))
                self.change[step + 1] += sign * (place - step)


class JobStream:
    """Lets the jobs of a log come and go, quarter by quarter."""

    def __init__(self, series: Measured, log: JobLog) -> None:
        """Start with the jobs that run already; ``load_w`` is the series' own."""
        self._log, self._series = log, series
        self._rest_w = series.load_w - log.node_w * log.busy(series)
        self._load = _Load(series)
        self._busy = 0.0
        self._queue: deque[int] = deque()
        self._level = QueueLevel()
        self._came = ((log.start_s - float(series.starts[0])) // _STEP_S).astype(np.int64)
        for job in np.flatnonzero(self._came < 0):
            self._run(int(job), float(log.start_s[job]))
        self._next = int(np.searchsorted(self._came, 0))
        self.delays_s = np.zeros(len(log.start_s))
        """By how much each job started later than it did."""
        self.level_w = 0.0
        """What the mean import is to stay below."""

    @property
    def waiting(self) -> int:
        """Return how many jobs wait."""
        return len(self._queue)

    def step(
        self,
        step: int,
        *,
        pv_w: float,
        stored_w: float,
        paid_w: float,
        prices: Floats | None,
    ) -> float:
        """Return the load of a quarter, W, after letting go what is to be let go.

        ``stored_w``: what the batteries can give for ``RELIED_H``. ``paid_w``: the peak that
        costs nothing more. ``prices``: from now on as far as they are out; None: do not look
        at prices.
        """
        self._arrive(step)
        log, queue = self._log, self._queue
        left = [log.longest - (step - int(self._came[job])) for job in queue]
        power_w = [log.node_w * float(log.nodes[job]) for job in queue]
        net_w = self._rest_w[step] + log.node_w * (self._busy + self._load.change[step]) - pv_w
        waiting_w = sum(power_w)
        share = forced(left, log.longest) / len(queue) if queue else 0.0
        self.level_w = self._level.level_w(
            net_w=net_w,
            waiting_w=waiting_w,
            forced_w=share * waiting_w,
            paid_w=paid_w,
            give_w=stored_w,
        )
        room_w = max(self.level_w + SLACK * stored_w - net_w, share * waiting_w)
        if prices is not None and queue and is_cheaper_later(prices, left[0]):
            room_w = share * waiting_w
        for least, job_w in zip(left, power_w, strict=True):
            if room_w < job_w and least > 0:
                break
            room_w -= self._start(step) * job_w
        self._busy += float(self._load.change[step])
        return float(self._rest_w[step] + log.node_w * self._busy)

    def _arrive(self, step: int) -> None:
        while self._next < len(self._came) and self._came[self._next] <= step:
            if self._log.may_wait[self._next]:
                self._queue.append(self._next)
            else:
                self._run(self._next, float(self._log.start_s[self._next]))
            self._next += 1

    def _start(self, step: int) -> float:
        """Let the first job go; return which part of this quarter it runs."""
        job = self._queue.popleft()
        came_s, begins_s = float(self._log.start_s[job]), float(self._series.starts[step])
        start_s = max(came_s, begins_s)
        self.delays_s[job] = start_s - came_s
        self._run(job, start_s)
        return 1.0 - (start_s - begins_s) / _STEP_S

    def _run(self, job: int, start_s: float) -> None:
        log = self._log
        self._load.run(start_s, float(log.duration_s[job]), float(log.nodes[job]))
