"""Time for end-to-end tests: it passes only while the event loop waits, many times as fast.

Everything in these tests runs on one event loop: Home Assistant, the drivers and the
simulated devices behind their sockets. Time stands still while code runs and goes fast
while all of it waits, so that seconds mean what they say however busy the machine is, and
a minute passes in one or two real seconds.
"""

import asyncio
from collections.abc import Callable
import time
from typing import Any, Final

SPEED: Final = 100.0


class FastTime:
    """The clock of a running event loop, from now until that loop is closed."""

    def __init__(self, loop: Any) -> None:
        """Take the loop's clock over; it goes on from where it is."""
        self.now_s: float = loop.time()
        # Its debug mode keeps the stack of every call, at several times the cost of the call.
        loop.set_debug(False)
        # An event loop offers no public way to replace its clock.
        selector = loop._selector
        self._wait: Callable[[float | None], list[Any]] = selector.select
        selector.select = self._select
        loop.time = lambda: self.now_s

    def _select(self, timeout_s: float | None = None) -> list[Any]:
        """Wait for sockets as the loop would, but only a part of the time asked for."""
        if timeout_s is None or timeout_s <= 0.0:
            return self._wait(timeout_s)
        began_s = time.monotonic()
        ready = self._wait(timeout_s / SPEED)
        waited_s = (time.monotonic() - began_s) * SPEED
        # What the operating system let us wait too long has not happened.
        self.now_s += min(waited_s, timeout_s) if ready else timeout_s
        return ready


def fast_time() -> FastTime:
    """Let the running event loop's time pass fast."""
    return FastTime(asyncio.get_running_loop())
