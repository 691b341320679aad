"""Metering windows: how much energy the grid meter has drawn in each quarter of an hour.

Demand is billed on the mean import of a window on the clock, in UTC quarters. The energy
of a window comes, in this order, from the meter's own energy counter and from integrated
power. Between two steps of the counter power fills in, and each step corrects what it
filled in, so a coarse counter costs no reaction time and a drifting power reading costs
no accuracy. Nothing is ever invented: a gap adds no energy unless the counter shows it,
and a counter that falls or leaps is not believed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
import math
from typing import Final, Self, TypedDict

WINDOW_S: Final = 900.0
MAX_HOLD_S: Final = 60.0
"""A longer silence of the meter is a gap: its power is unknown, not what it was before."""
MAX_GAP: Final = timedelta(days=40)
"""Windows of a longer gap are not made up; nobody would bill from them."""
CLOCK_SLACK: Final = timedelta(seconds=2)
"""Clocks are nudged by less than this all the time."""
WELL_HEARD: Final = 0.9
KEPT_MONTHS: Final = 13
"""The running month and the twelve before it, which the widest tariffs average over."""


class Source(StrEnum):
    """How the energy of a window was metered."""

    COUNTER = "counter"
    POWER = "power"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One metering window, running or closed. Energies are Wh, import only."""

    start: datetime
    energy_wh: float
    covered_s: float
    """For how many of its seconds the energy is known."""
    source: Source
    length_s: float = WINDOW_S

    @property
    def end(self) -> datetime:
        """Return the moment at which the next window starts."""
        return self.start + timedelta(seconds=self.length_s)

    @property
    def mean_w(self) -> float:
        """Return the mean import of the whole window that its energy stands for."""
        return self.energy_wh * 3600.0 / self.length_s

    def left_s(self, now: datetime) -> float:
        """Return the seconds until the window ends, between 0 and its length."""
        left_s = self.length_s - (now - self.start).total_seconds()
        return min(max(left_s, 0.0), self.length_s)

    def unheard_s(self, now: datetime) -> float:
        """Return for how much of the time since its start the energy is not known."""
        return max(self.length_s - self.left_s(now) - self.covered_s, 0.0)

    def projected_mean_w(self, now: datetime, power_w: float) -> float:
        """Return the mean that the window ends with if this import goes on.

        Time that was not heard, as before a start in mid-window, is taken to be like now.
        """
        rest_s = self.left_s(now) + self.unheard_s(now)
        return self.mean_w + max(power_w, 0.0) * rest_s / self.length_s

    def remaining_wh(self, now: datetime, target_w: float) -> float:
        """Return the window budget: what may still be drawn before the target is exceeded.

        Time that was not heard counts as drawn at the target.
        """
        return target_w * (self.length_s - self.unheard_s(now)) / 3600.0 - self.energy_wh


def window_start(at: datetime, length_s: float = WINDOW_S) -> datetime:
    """Return the start of the window that ``at`` falls into (UTC)."""
    seconds = at.timestamp()
    return datetime.fromtimestamp(seconds - seconds % length_s, UTC)


class TrackerState(TypedDict):
    """A tracker on disk."""

    start: str
    energy_wh: float
    covered_s: float
    source: str
    at: str
    counter_wh: float | None
    filled_wh: float
    """What power has filled in since the counter's last step."""


@dataclass(slots=True)
class _Last:
    """The sample that the next one is compared with."""

    at: datetime
    monotonic_s: float | None
    """None after a restart: the monotonic clock of another process means nothing here."""
    power_w: float | None


class WindowTracker:
    """Turns the grid meter's samples into windows. Holds no clock: samples bring theirs."""

    def __init__(self, *, length_s: float = WINDOW_S, plausible_w: float | None = None) -> None:
        """Start empty. ``plausible_w``: a counter that implies more is not believed."""
        self._length_s = length_s
        self.plausible_w = plausible_w
        self._window: Window | None = None
        self._last: _Last | None = None
        self._counter_wh: float | None = None
        self._filled_wh = 0.0
        self._source = Source.POWER
        self.rejected = 0
        """How many counter values were not believed (a reset or a leap)."""

    @property
    def window(self) -> Window | None:
        """Return the running window; None before the first sample."""
        return self._window

    def update(
        self,
        at: datetime,
        monotonic_s: float,
        power_w: float | None,
        counter_wh: float | None = None,
    ) -> tuple[Window, ...]:
        """Take one sample of the meter and return the windows that it closed.

        ``power_w`` is the signed grid power, ``counter_wh`` the import counter; None or
        a value that is not finite means that the sample brought none.
        """
        power_w = _finite(power_w)
        counter_wh = _finite(counter_wh)
        window, last = self._window, self._last
        elapsed_s = self._elapsed_s(at, monotonic_s)
        energy_wh, covered_s = self._power_energy(elapsed_s, power_w)
        self._filled_wh += energy_wh
        correction_wh = self._counter_correction(counter_wh, elapsed_s)
        if correction_wh is not None:
            energy_wh += correction_wh
            covered_s = elapsed_s
        self._source = Source.POWER if self._counter_wh is None else Source.COUNTER
        self._last = _Last(at, monotonic_s, power_w)

        start = window_start(at, self._length_s)
        if window is None or last is None:
            self._open(start)
            return ()
        if start < window.start or start - window.start > MAX_GAP:
            # A clock that was set back must not add to a window that is already closed,
            # and after one that leapt nobody knows what belongs where.
            self._open(start)
            return (window,)
        if at < last.at - CLOCK_SLACK:
            # The same minutes come a second time; both in one window would be a peak of
            # the clock's making.
            self._open(start)
            return ()
        return self._spread(last.at, at, energy_wh, covered_s)

    def _elapsed_s(self, at: datetime, monotonic_s: float) -> float:
        if self._last is None:
            return 0.0
        if self._last.monotonic_s is None:
            return max((at - self._last.at).total_seconds(), 0.0)
        return max(monotonic_s - self._last.monotonic_s, 0.0)

    def _power_energy(self, elapsed_s: float, power_w: float | None) -> tuple[float, float]:
        """Return the energy and the seconds that power alone vouches for."""
        last = self._last
        if last is None or elapsed_s > MAX_HOLD_S or last.monotonic_s is None:
            return 0.0, 0.0
        known = [max(p, 0.0) for p in (last.power_w, power_w) if p is not None]
        if not known:
            return 0.0, 0.0
        return sum(known) / len(known) * elapsed_s / 3600.0, elapsed_s

    def _counter_correction(self, counter_wh: float | None, elapsed_s: float) -> float | None:
        """Return what the counter's step says beyond the power filled in since the last one.

        None when there was no step, or none to be believed.
        """
        if counter_wh is None:
            return None
        if self._counter_wh is None:
            self._counter_wh, self._filled_wh = counter_wh, 0.0
            return None
        step_wh = counter_wh - self._counter_wh
        if step_wh == 0.0:
            return None
        filled_wh, self._filled_wh = self._filled_wh, 0.0
        self._counter_wh = counter_wh
        most_wh = math.inf
        if self.plausible_w is not None:
            # A counter may step rarely (then power has filled in about as much) or coarsely.
            most_wh = self.plausible_w * (elapsed_s + 60.0) / 3600.0 + 2.0 * filled_wh
        if step_wh < 0.0 or step_wh > most_wh:
            self.rejected += 1
            return None
        return step_wh - filled_wh

    def _spread(
        self, since: datetime, at: datetime, energy_wh: float, covered_s: float
    ) -> tuple[Window, ...]:
        """Share energy by time among the windows between two samples; return the closed ones."""
        closed: list[Window] = []
        span_s = (at - since).total_seconds()
        cursor = since
        while (window := self._window) is not None and window.end <= at:
            share = (window.end - cursor).total_seconds() / span_s if span_s > 0.0 else 0.0
            closed.append(self._add(window, energy_wh * share, covered_s * share))
            self._open(window.end)
            cursor = window.end
        if window is not None:
            share = (at - cursor).total_seconds() / span_s if span_s > 0.0 else 1.0
            self._window = self._add(window, energy_wh * share, covered_s * share)
        return tuple(closed)

    def _add(self, window: Window, energy_wh: float, covered_s: float) -> Window:
        return Window(
            start=window.start,
            energy_wh=max(window.energy_wh + energy_wh, 0.0),
            covered_s=min(window.covered_s + max(covered_s, 0.0), window.length_s),
            source=self._source,
            length_s=window.length_s,
        )

    def _open(self, start: datetime) -> None:
        self._window = Window(
            start=start,
            energy_wh=0.0,
            covered_s=0.0,
            source=self._source,
            length_s=self._length_s,
        )

    def to_state(self) -> TrackerState | None:
        """Return what a restart needs, ready for JSON; None before the first sample."""
        if self._window is None or self._last is None:
            return None
        return TrackerState(
            start=self._window.start.isoformat(),
            energy_wh=self._window.energy_wh,
            covered_s=self._window.covered_s,
            source=self._window.source.value,
            at=self._last.at.isoformat(),
            counter_wh=self._counter_wh,
            filled_wh=self._filled_wh,
        )

    def restore(self, state: TrackerState) -> None:
        """Take up where another process stopped.

        Raises ValueError, KeyError or TypeError for a state that is not one; the tracker
        is unchanged then.
        """
        window = Window(
            start=datetime.fromisoformat(state["start"]),
            energy_wh=float(state["energy_wh"]),
            covered_s=float(state["covered_s"]),
            source=Source(state["source"]),
            length_s=self._length_s,
        )
        last = _Last(datetime.fromisoformat(state["at"]), None, None)
        counter = state["counter_wh"]
        filled_wh = float(state["filled_wh"])
        self._counter_wh = None if counter is None else float(counter)
        self._window, self._last, self._filled_wh = window, last, filled_wh
        self._source = window.source


class PeakLog:
    """The highest window of each calendar month, on the site's own calendar."""

    def __init__(self, zone: tzinfo) -> None:
        """Start empty, with months cut at local midnight in ``zone``."""
        self._zone = zone
        self._peaks: dict[str, Window] = {}
        self._quarter_month: tuple[float, str] = (-1.0, "")

    def add(self, window: Window) -> bool:
        """Take a closed window; True if it is its month's new peak.

        A window belongs to the month in which it starts. One that was heard in part has a
        mean that is too low; it counts only where even so it is above a peak that is known.
        """
        month = self._month(window.start)
        known = self._peaks.get(month)
        if known is None and window.covered_s < WELL_HEARD * window.length_s:
            return False
        if known is not None and known.mean_w >= window.mean_w:
            return False
        self._peaks[month] = window
        for old in sorted(self._peaks)[:-KEPT_MONTHS]:
            del self._peaks[old]
        return True

    def peak(self, at: datetime) -> Window | None:
        """Return the billed peak so far of the month that ``at`` is in."""
        return self._peaks.get(self._month(at))

    def _month(self, at: datetime) -> str:
        # Asked with every sample, while no zone changes its month within a quarter.
        quarter = at.timestamp() // WINDOW_S
        if quarter != self._quarter_month[0]:
            self._quarter_month = (quarter, at.astimezone(self._zone).strftime("%Y-%m"))
        return self._quarter_month[1]

    def to_state(self) -> list[tuple[str, float, float, str]]:
        """Return all peaks, ready for JSON."""
        return [
            (w.start.isoformat(), w.energy_wh, w.covered_s, w.source.value)
            for w in self._peaks.values()
        ]

    @classmethod
    def from_state(cls, zone: tzinfo, state: list[tuple[str, float, float, str]]) -> Self:
        """Return the log that ``to_state`` described; raises ValueError or TypeError."""
        log = cls(zone)
        for start, energy_wh, covered_s, source in state:
            log.add(
                Window(
                    start=datetime.fromisoformat(start),
                    energy_wh=float(energy_wh),
                    covered_s=float(covered_s),
                    source=Source(source),
                )
            )
        return log


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
