"""Carrying commands out: one writer per asset, the newest command wins.

A writer never lets the control loop wait. It writes one command at a time, forgets the
ones that were overtaken meanwhile, and repeats a release until the device has taken it:
an asset that is not known to be back under its own control is never given up.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Protocol

from .const import LOGGER
from .core.model import Command
from .drivers.base import CannotConnectError, Device, DeviceError, NoAnswerError
from .trouble import Trouble

FAILURES_TO_GIVE_UP = 3
"""So many refused commands in a row, and the asset is left alone for a while."""
FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 900.0
RELEASE_RETRY_S = 5.0
LET_GO_S = 10.0
"""So long after a release at the latest a battery reports that it follows no command."""
OWN_LEAST_W = 500.0
OWN_TOLERANCE = 0.15
REWRITE_S = 1.0
"""A failed command is tried again no sooner than this."""


class StartTask(Protocol):
    """How a writer's work is started; Home Assistant owns the tasks."""

    def __call__(self, target: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Start the coroutine at once and return its task."""
        ...


class AssetWriter:
    """Writes one asset's commands, and knows how that goes."""

    def __init__(
        self,
        device: Device,
        name: str,
        *,
        start_task: StartTask,
        engaged: Callable[[], None],
        monotonic_s: Callable[[], float],
    ) -> None:
        """Prepare. ``engaged`` is called whenever it changes who has the asset."""
        self._device = device
        self._name = name
        self._start_task = start_task
        self._on_engaged = engaged
        self._monotonic_s = monotonic_s
        self._trouble = Trouble(name)
        self._next: Command | None = None
        self._news = asyncio.Event()
        self._waiting = False
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._paused_until_s: float | None = None
        self._failed_s: float | None = None
        self._told_w = 0.0
        self._released_s: float | None = None
        self._let_go_s = LET_GO_S
        self.engaged = False
        """True from the first command until a release went through."""
        self.holds_on = False
        """Whether it was released, and goes on with its last command nevertheless."""
        self.last_error: str | None = None
        self.writes = 0
        self.refusals = 0

    def usable(self, now_s: float) -> bool:
        """Tell whether the asset may be commanded; False for a while after it refused."""
        return self._paused_until_s is None or now_s >= self._paused_until_s

    @property
    def idle(self) -> bool:
        """Return whether nothing is being written and nothing waits to be."""
        return self._next is None and (self._task is None or self._task.done())

    @property
    def faulted(self) -> bool:
        """Return whether the asset has refused and has not taken a command since."""
        return self._paused_until_s is not None

    def needs_rewrite(self, now_s: float) -> bool:
        """Tell once that the last command did not arrive and should be tried again."""
        if self._failed_s is None or now_s - self._failed_s < REWRITE_S:
            return False
        self._failed_s = None
        return True

    def give_up(self, why: str) -> None:
        """Leave the asset alone for a while, longer each time it disappoints."""
        self._paused_until_s = self._monotonic_s() + self._pause_s
        self._pause_s = min(self._pause_s * 2.0, LONGEST_PAUSE_S)
        if self.last_error != why:
            LOGGER.warning("%s: no longer commanded: %s", self._name, why)
        self.last_error = why

    def send(self, command: Command) -> None:
        """Write this command as soon as the one under way is done."""
        self._next = command
        self._news.set()
        if self._task is None or self._task.done():
            self._task = self._start_task(self._async_run(), f"command {self._name}")

    async def async_settled(self) -> None:
        """Wait until nothing is being written."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def async_release(self) -> None:
        """Give the asset back, after what is under way; returns when that was tried once."""
        self._next = None
        if self._task is not None and not self._task.done():
            if not self._waiting:
                # What is on the wire cannot be taken back; the release has to come after it.
                await asyncio.wait({self._task}, timeout=5.0)
            self._task.cancel()
        if self.engaged:
            self._task = self._start_task(self._async_release_once(), f"release {self._name}")
            await asyncio.wait({self._task})

    async def _async_release_once(self) -> None:
        await self._async_try_release()

    async def _async_run(self) -> None:
        while (command := self._next) is not None:
            self._next = None
            if command.power_w is not None:
                await self._async_write(command.power_w)
            elif not await self._async_try_release() and self._next is None:
                await self._async_wait_for_news(RELEASE_RETRY_S)
                self._next = self._next or command

    async def _async_wait_for_news(self, seconds: float) -> None:
        """Wait for a while, or until there is another command."""
        self._news.clear()
        self._waiting = True
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting = False

    async def _async_write(self, power_w: float) -> None:
        if not self.engaged:
            self.engaged = True
            self._on_engaged()
        self.writes += 1
        try:
            await self._device.command(power_w)
        except Exception as err:  # noqa: BLE001 - the writer goes on, whatever the driver does
            self._expect(err)
            self.refusals += 1
            self._failed_s = self._monotonic_s()
            if isinstance(err, CannotConnectError | NoAnswerError):
                # It may be back in a moment; one that stays away is not readable either.
                return
            self._failures += 1
            if self._failures >= FAILURES_TO_GIVE_UP:
                self._failures = 0
                self.give_up(str(err))
        else:
            self._failures = 0
            self._failed_s = None
            self._told_w, self._released_s = power_w, None

    def see_released(self, *, told_w: float | None, power_w: float | None, at_s: float) -> None:
        """Take what an asset reports after its release; one that goes on is released anew.

        ``told_w`` is the command that it says it follows (None: none), ``power_w`` what it
        gives, ``at_s`` when it said so. The pauses double: registers may wear out.
        """
        if self.engaged or self._released_s is None or at_s < self._released_s + self._let_go_s:
            return
        held_on, tolerance_w = self.holds_on, OWN_TOLERANCE * abs(self._told_w)
        self.holds_on = (
            told_w is not None
            and power_w is not None
            and abs(self._told_w) >= OWN_LEAST_W
            and max(abs(told_w - self._told_w), abs(power_w - self._told_w)) <= tolerance_w
        )
        if not self.holds_on:
            self._let_go_s, self._released_s = LET_GO_S, None
            if held_on:
                LOGGER.info("%s: lets go of its last command", self._name)
            return
        if not held_on:
            LOGGER.warning("%s: was given back, but goes on with its last command", self._name)
        self._let_go_s = min(2.0 * self._let_go_s, LONGEST_PAUSE_S)
        self.engaged = True
        self._on_engaged()

    def recovered(self) -> None:
        """Forget past trouble: the asset has done again what it was told."""
        if self.faulted:
            LOGGER.info("%s: follows commands again", self._name)
        self._paused_until_s = None
        self._pause_s = FIRST_PAUSE_S
        self.last_error = None

    async def _async_try_release(self) -> bool:
        try:
            await self._device.release()
        except Exception as err:  # noqa: BLE001 - as above
            self._expect(err)
            LOGGER.debug("%s: release failed, trying again: %s", self._name, err)
            return False
        if self.engaged:
            self.engaged = False
            self._released_s = self._monotonic_s()
            self._on_engaged()
        return True

    def _expect(self, err: Exception) -> None:
        if not isinstance(err, DeviceError):
            self._trouble.note(err)
