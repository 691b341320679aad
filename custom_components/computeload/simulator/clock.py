"""The simulated clock: the wall clock and a monotonic one, scaled, paused and moved."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
import time


class SimClock:
    """A ``core.model.Clock`` that runs ``speed`` times as fast as real time."""

    def __init__(
        self, start: datetime, speed: float, source: Callable[[], float] = time.monotonic
    ) -> None:
        """Start paused at ``start`` (UTC-aware)."""
        self.start = start.astimezone(UTC)
        self.speed = speed
        self.skew_s = 0.0
        """How far the wall clock is wrong; the monotonic clock never is."""
        self._source = source
        self._elapsed_s = 0.0
        self._since: float | None = None

    def now(self) -> datetime:
        """Return the simulated wall clock, UTC."""
        return self.start + timedelta(seconds=self.elapsed_s + self.skew_s)

    def monotonic_s(self) -> float:
        """Return simulated seconds since the start."""
        return self.elapsed_s

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the start."""
        if self._since is None:
            return self._elapsed_s
        return self._elapsed_s + (self._source() - self._since) * self.speed

    @property
    def running(self) -> bool:
        """Whether time passes by itself."""
        return self._since is not None

    def resume(self) -> None:
        """Let time pass."""
        if self._since is None:
            self._since = self._source()

    def pause(self) -> None:
        """Hold time."""
        self._elapsed_s = self.elapsed_s
        self._since = None

    def jump(self, seconds: float) -> None:
        """Move time forward at once."""
        self._elapsed_s += seconds
