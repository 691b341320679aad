"""The clock of real sites; simulated ones bring their own."""

from datetime import UTC, datetime
import time


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Return the wall clock, UTC-aware."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return seconds on the clock that never steps."""
        return time.monotonic()
