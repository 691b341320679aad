"""One unit id on a link, with a time limit of its own for every request.

The link below is shared: its own time-out is as long as the slowest of its users asks
for. What the control loop waits for is therefore cut here, request by request, and
errors of the link become the few that the rest of the package knows.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from modbus_connection import (
    ExceptionCode,
    ModbusConnectionError,
    ModbusError,
    ModbusExceptionError,
    ModbusUnit,
)

from .base import CannotConnectError, DeviceError, NoAnswerError, RefusedError

_UNREACHABLE: Final = frozenset(
    {
        ExceptionCode.GATEWAY_PATH_UNAVAILABLE,
        ExceptionCode.GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND,
    }
)

SILENT_TO_RECYCLE: Final = 3
"""After so many silent requests in a row the link is opened anew; then after twice as many.

One wrong length in an answer, and the library below takes the answers that follow for the
rest of it. Others on the link notice no more of it than a pause.
"""

ABSENT_CODES: Final = frozenset(
    {
        ExceptionCode.ILLEGAL_FUNCTION,
        ExceptionCode.ILLEGAL_DATA_ADDRESS,
        ExceptionCode.ILLEGAL_DATA_VALUE,
    }
)
"""What a device answers about registers that it does not have."""


class TimedUnit:
    """The reads and writes of a unit; each ends within its time or raises DeviceError.

    A refusal by the device stays a ModbusExceptionError: what it means is the caller's
    to say.
    """

    def __init__(self, unit: ModbusUnit, name: str, timeout_s: float) -> None:
        """Wrap a unit; ``name`` is what errors call the device."""
        self._unit = unit
        self._name = name
        self._timeout_s = timeout_s
        self._silent = 0
        self._recycle_at = SILENT_TO_RECYCLE
        self._opening: asyncio.Task[Any] | None = None
        self._hangs = False
        """Whether the last request got neither an answer nor a refusal."""

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Read holding registers (function 3)."""
        return self._whole(
            await self._limited(self._unit.read_holding_registers, address, count), count
        )

    async def read_input_registers(self, address: int, count: int) -> list[int]:
        """Read input registers (function 4)."""
        return self._whole(
            await self._limited(self._unit.read_input_registers, address, count), count
        )

    async def write_register(self, address: int, value: int) -> None:
        """Write one register (function 6)."""
        await self._linked(address)
        await self._limited(self._unit.write_register, address, value, may_be_late=False)

    async def write_registers(self, address: int, values: list[int]) -> None:
        """Write adjoining registers (function 16)."""
        await self._linked(address)
        await self._limited(self._unit.write_registers, address, values, may_be_late=False)

    async def _linked(self, address: int) -> None:
        """Open a link that hangs by a read, which may arrive late; a write must not."""
        if not self._unit.connected and self._hangs:
            with suppress(ModbusExceptionError, DeviceError):
                await self.read_holding_registers(address, 1)
        if not self._unit.connected and self._opening is not None:
            raise self._cannot_connect()

    def _whole(self, answer: list[int], count: int) -> list[int]:
        """Return an answer that has as many registers as were asked for."""
        if len(answer) != count:
            raise self._no_answer()
        return answer

    async def _limited[A, R](
        self,
        request: Callable[[int, A], Coroutine[Any, Any, R]],
        address: int,
        argument: A,
        *,
        may_be_late: bool = True,
    ) -> R:
        """Send one request, and name what went wrong."""
        try:
            if may_be_late and (self._opening is not None or not self._unit.connected):
                answer = await self._first(request(address, argument))
            else:
                async with asyncio.timeout(self._timeout_s):
                    answer = await request(address, argument)
        except TimeoutError as error:
            self._hangs = True
            if not self._unit.connected:
                raise self._cannot_connect() from error
            await self._heard_nothing()
            raise self._no_answer() from error
        except ModbusExceptionError as error:
            self._heard()
            if error.exception_code in _UNREACHABLE:
                raise self._no_answer() from error
            raise
        except ModbusConnectionError as error:
            self._hangs = False
            raise self._cannot_connect() from error
        except ModbusError as error:
            await self._heard_nothing()
            raise self._no_answer() from error
        self._heard()
        return answer

    async def _first[R](self, request: Coroutine[Any, Any, R]) -> R:
        """Send the request that opens the link; give up waiting without cutting it off.

        The attempt to connect is shared with others: one that is cut off and fails later
        has nobody left to hear of it, and would end as an error in the log.
        """
        if (opening := self._opening) is not None:
            await asyncio.wait({opening}, timeout=self._timeout_s)
            if not self._unit.connected and not opening.done():
                request.close()
                raise TimeoutError
            opening.cancel()
            self._opening = None
        sent = asyncio.create_task(request)
        sent.add_done_callback(_ignore_outcome)
        await asyncio.wait({sent}, timeout=self._timeout_s)
        if sent.done():
            return sent.result()
        if self._unit.connected:
            sent.cancel()
        else:
            self._opening = sent
        raise TimeoutError

    def _heard(self) -> None:
        """Note that the device answers."""
        self._silent, self._recycle_at, self._hangs = 0, SILENT_TO_RECYCLE, False

    async def _heard_nothing(self) -> None:
        """Note a missing answer; open the link anew when it may be the link's fault."""
        self._silent += 1
        if self._silent < self._recycle_at:
            return
        self._recycle_at *= 2
        with suppress(ModbusError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._unit.disconnect()

    def _no_answer(self) -> NoAnswerError:
        """Return the error for a device that is silent, or answers with garbage."""
        seconds = f"{self._timeout_s:g}"
        return NoAnswerError(
            f"{self._name}: no usable answer within {seconds} s",
            device=self._name,
            timeout_s=seconds,
        )

    def _cannot_connect(self) -> CannotConnectError:
        """Return the error for a link that is down."""
        return CannotConnectError(f"{self._name}: no connection", device=self._name)


def _ignore_outcome(opening: asyncio.Task[Any]) -> None:
    """Take what opening a link came to: the request that follows meets the same."""
    if not opening.cancelled():
        opening.exception()


def refused(name: str, what: str, error: ModbusExceptionError) -> DeviceError:
    """Return the error for a request that a device has refused."""
    code = str(int(error.exception_code or 0))
    message = f"{name}: {what} refused with exception code {code}"
    return RefusedError(message, device=name, what=what, code=code)
