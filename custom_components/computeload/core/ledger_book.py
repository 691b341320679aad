"""Keeping the book: every device's samples in, finished quarters out.

Each channel is metered by a window tracker of its own, with its rules against invented
energy: counters that fall or leap are not believed, gaps add nothing that no counter
shows, a clock that is set back adds nothing to a quarter that is over. A quarter is
finished when all channels are past it, or a little later without the silent ones; what
those report afterwards becomes a better account of the same quarter.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypedDict

from .ledger import IMPORT, QUARTER, Channel, Flow, Origin, Quarter, Role, origin_of
from .model import Reason
from .window import TrackerState, Window, WindowTracker, window_start

GRACE: Final = timedelta(seconds=60)
"""How long a finished quarter waits for devices that are slow to report."""
OBSERVED_FOR_S: Final = 60.0
"""An observation speaks for no longer than this."""
ASLEEP_W: Final = 50.0
"""An inverter that falls silent while it gives less than this has no sun: it gives nothing."""


class BookState(TypedDict):
    """A book on disk: the open quarter of every channel."""

    channels: dict[str, TrackerState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What holds at a moment beside the flows. None: not known, or there is none."""

    reason: Reason | None = None
    soc: float | None = None
    target_w: float | None = None
    plan_battery_w: float | None = None
    plan_grid_w: float | None = None
    price_import: float | None = None
    price_export: float | None = None
    co2_g_per_kwh: float | None = None
    commands: int = 0
    """How many commands went out since the observation before."""


@dataclass(slots=True)
class _Notes:
    """What was observed during one quarter."""

    last: Observation
    commands: int = 0
    reasons_s: dict[Reason, float] = field(default_factory=dict)

    @property
    def dominant(self) -> Reason | None:
        """Return the reason that held longest."""
        return max(self.reasons_s, key=self.reasons_s.__getitem__, default=self.last.reason)


class Book:
    """Turns samples and observations into quarters. Holds no clock: samples bring theirs."""

    def __init__(self, *, plausible_w: float | None = None) -> None:
        """Start empty. ``plausible_w``: a counter that implies more is not believed."""
        self._plausible_w = plausible_w
        self._trackers: dict[Channel, WindowTracker] = {}
        self._powers: dict[Channel, float] = {}
        self._sampled: dict[Channel, datetime] = {}
        self._flows: dict[datetime, dict[Channel, Window]] = {}
        self._notes: dict[datetime, _Notes] = {}
        self._observed: tuple[float, Observation] | None = None

    def sample(
        self,
        channel: Channel,
        at: datetime,
        monotonic_s: float,
        power_w: float | None,
        counter_wh: float | None = None,
    ) -> None:
        """Take one sample of a channel; its power counts where it is positive.

        Both None says that the device is silent: that is told, too, because it ends a
        quarter like any other sample.
        """
        tracker = self._trackers.get(channel)
        if tracker is None:
            tracker = self._trackers[channel] = WindowTracker(plausible_w=self._plausible_w)
        if power_w is not None:
            self._powers[channel] = power_w
        elif channel.role is Role.PV and self._powers.get(channel, ASLEEP_W) < ASLEEP_W:
            power_w = 0.0
        if at < self._sampled.get(channel, at):
            tracker = self._begun_again(channel, tracker)
        self._sampled[channel] = at
        for window in tracker.update(at, monotonic_s, power_w, counter_wh):
            flows = self._flows.setdefault(window.start, {})
            known = flows.get(channel)
            if known is None or window.covered_s > known.covered_s:
                flows[channel] = window

    def _begun_again(self, channel: Channel, tracker: WindowTracker) -> WindowTracker:
        """Empty the open quarter of a channel: the clock was set back, it goes through it twice.

        What it held would come on top of the second pass, and make a peak that never was.
        """
        fresh = WindowTracker(plausible_w=self._plausible_w)
        if (state := tracker.to_state()) is not None:
            fresh.restore({**state, "energy_wh": 0.0, "covered_s": 0.0})
        self._trackers[channel] = fresh
        return fresh

    def observe(self, at: datetime, monotonic_s: float, seen: Observation) -> None:
        """Take what holds from now on; it speaks for the time until the next observation."""
        notes = self._notes.setdefault(window_start(at), _Notes(seen))
        if self._observed is not None:
            since_s, before = self._observed
            lasted_s = min(max(monotonic_s - since_s, 0.0), OBSERVED_FOR_S)
            if before.reason is not None:
                known_s = notes.reasons_s.get(before.reason, 0.0)
                notes.reasons_s[before.reason] = known_s + lasted_s
        notes.last = seen
        notes.commands += seen.commands
        self._observed = (monotonic_s, seen)

    def finished(self, now: datetime) -> list[Quarter]:
        """Take out the quarters that are over, oldest first.

        A quarter whose every channel was silent throughout is not one of them: nothing
        is known of it. One may come again when a device tells more about it later.
        """
        done: list[Quarter] = []
        for start in sorted(self._flows):
            if self._is_over(start, now):
                windows = self._flows.pop(start)
                notes = self._notes.pop(start, None)
                if any(window.covered_s > 0.0 for window in windows.values()):
                    done.append(self._quarter(start, windows, notes))
        for start in [s for s in self._notes if self._is_over(s, now) and s not in self._flows]:
            del self._notes[start]
        return done

    def has_finished(self, now: datetime) -> bool:
        """Return whether ``finished`` has anything to take out."""
        return any(self._is_over(start, now) for start in self._flows)

    def _is_over(self, start: datetime, now: datetime) -> bool:
        end = start + QUARTER
        if now < start or now >= end + GRACE:
            return True
        return all(t.window is None or t.window.start >= end for t in self._trackers.values())

    def _quarter(
        self, start: datetime, windows: dict[Channel, Window], notes: _Notes | None
    ) -> Quarter:
        flows = {c: Flow.of(windows[c]) if c in windows else Flow(0.0, 0.0) for c in self._trackers}
        origin = origin_of(windows[IMPORT].source) if IMPORT in windows else Origin.POWER
        seen = notes.last if notes is not None else Observation()
        return Quarter(
            start=start,
            origin=origin,
            flows=flows,
            soc=seen.soc,
            price_import=seen.price_import,
            price_export=seen.price_export,
            co2_g_per_kwh=seen.co2_g_per_kwh,
            target_w=seen.target_w,
            plan_battery_w=seen.plan_battery_w,
            plan_grid_w=seen.plan_grid_w,
            commands=notes.commands if notes is not None else None,
            reason=notes.dominant if notes is not None else None,
        )

    def to_state(self) -> BookState:
        """Return what a restart needs, ready for JSON."""
        states = {str(c): t.to_state() for c, t in self._trackers.items()}
        return BookState(channels={c: s for c, s in states.items() if s is not None})

    def restore(self, state: BookState) -> None:
        """Take up where another process stopped; what cannot be read of a state is left out."""
        channels = state.get("channels") if isinstance(state, dict) else None
        for name, tracker_state in (channels if isinstance(channels, dict) else {}).items():
            tracker = WindowTracker(plausible_w=self._plausible_w)
            try:
                channel = Channel.parse(name)
                tracker.restore(tracker_state)
            except KeyError, TypeError, ValueError:
                continue
            self._trackers[channel] = tracker

    def keep_only(self, channels: set[Channel]) -> None:
        """Forget the channels of devices that are gone; the site's balance is without them."""
        for channel in [c for c in self._trackers if c not in channels]:
            del self._trackers[channel]
