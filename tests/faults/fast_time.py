"""Time for end-to-end tests: it passes only while the event loop waits, many times as fast.

Everything in these tests runs on one event loop: Home Assistant, the drivers and the
simulated devices behind their sockets. Time stands still while code runs, here or in a
thread, and goes fast while all of it waits. So seconds mean what they say however busy
the machine is, and a minute passes in one or two real seconds.
"""

import asyncio
from collections.abc import Callable
import time
from typing import Any, Final

SPEED: Final = 1000.0
LOOK_S: Final = 0.01
"""How often at least the threads are looked after, in real seconds."""


class FastTime:
    """The clock of a running event loop, from now until that loop is closed."""

    def __init__(self, loop: Any, speed: float) -> None:
        """Take the loop's clock over; it goes on from where it is."""
        self.now_s: float = loop.time()
        self._speed = speed
        self._in_threads = 0
        # Its debug mode keeps the stack of every call, at several times the cost of the call.
        loop.set_debug(False)
        # An event loop offers no public way to replace its clock.
        selector = loop._selector
        self._wait: Callable[[float | None], list[Any]] = selector.select
        self._start_thread: Callable[..., asyncio.Future[Any]] = loop.run_in_executor
        selector.select = self._select
        loop.run_in_executor = self._run_in_executor
        loop.time = lambda: self.now_s

    def _select(self, timeout_s: float | None = None) -> list[Any]:
        """Wait for sockets as the loop would, but only a part of the time asked for."""
        if timeout_s is None or timeout_s <= 0.0:
            return self._wait(timeout_s)
        # What one socket of this process sent, another one has at once.
        if ready := self._wait(0.0):
            return ready
        if self._in_threads:
            return self._wait(LOOK_S)
        began_s = time.monotonic()
        ready = self._wait(timeout_s / self._speed)
        waited_s = (time.monotonic() - began_s) * self._speed
        # What the operating system let us wait too long has not happened.
        self.now_s += min(waited_s, timeout_s) if ready else timeout_s
        return ready

    def _run_in_executor(self, *job: Any) -> asyncio.Future[Any]:
        future = self._start_thread(*job)
        self._in_threads += 1
        future.add_done_callback(self._thread_is_done)
        return future

    def _thread_is_done(self, _: asyncio.Future[Any]) -> None:
        self._in_threads -= 1


def fast_time(speed: float = SPEED) -> FastTime:
    """Let the running event loop's time pass fast."""
    return FastTime(asyncio.get_running_loop(), speed)
