"""Whatever a device answers, its driver says what is wrong, or makes values that can be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
import math
import struct
from unittest.mock import patch

from hypothesis import example, given, settings, strategies as st
from modbus_connection import (
    ModbusConnectionError,
    ModbusDesyncError,
    ModbusExceptionError,
    ModbusProtocolError,
    ModbusTimeoutError,
)
import pytest

from custom_components.computeload.core.model import Quantity, Reading
from custom_components.computeload.drivers.base import DeviceError, Scope
from custom_components.computeload.drivers.modbus import open_device
from custom_components.computeload.drivers.spec import Profile

from .servers import LIBRARY, HandClock, connected, shipped

CODES = (1, 2, 3, 4, 5, 6, 8, 10, 11, 77)
FAILURES = 4 + len(CODES)


def failure_of(number: int) -> Exception:
    """Return one of the ways in which the Modbus library says that a request has failed."""
    match number:
        case 0:
            return ModbusConnectionError("gone")
        case 1:
            return ModbusTimeoutError("late")
        case 2:
            return ModbusProtocolError("short")
        case 3:
            return ModbusDesyncError("mixed up")
        case _:
            return ModbusExceptionError.from_code(CODES[number - 4], "no")


async def outcome[T](attempt: Callable[[], Awaitable[T]]) -> T | DeviceError:
    """Return what comes of an attempt; only what a driver may raise is caught."""
    try:
        return await attempt()
    except DeviceError as error:
        return error


class Chaos:
    """A unit that answers anything: what is drawn, in the order in which it is asked."""

    connected = True

    def __init__(self, seed: bytes, failures: list[int | None]) -> None:
        """Answer with these bytes over and over; fail where a number names a failure."""
        self._seed = seed
        self._failures = failures
        self._asked = 0

    async def _next(self, count: int) -> list[int]:
        self._asked += 1
        failure = self._failures[self._asked % len(self._failures)]
        if failure is not None:
            raise failure_of(failure)
        start = self._asked % len(self._seed)
        content = (self._seed[start:] + self._seed) * (2 * count // len(self._seed) + 1)
        return list(struct.unpack(f">{count}H", content[: 2 * count]))

    async def read_holding_registers(self, _: int, count: int) -> list[int]:
        """Answer a read."""
        return await self._next(count)

    read_input_registers = read_holding_registers

    async def write_register(self, _: int, value: int) -> None:
        """Take a write, or fail; what is written always fits."""
        assert 0 <= value <= 0xFFFF
        await self._next(1)

    async def write_registers(self, _: int, values: list[int]) -> None:
        """Take a write, or fail."""
        assert all(0 <= value <= 0xFFFF for value in values)
        await self._next(1)

    async def disconnect(self) -> None:
        """Close the link; the next request opens it again."""

    def set_message_spacing(self, seconds: float) -> None:
        """Need no pause."""

    def require_connect_delay(self, seconds: float) -> None:
        """Need no pause."""

    def on_connection_lost(self, _: Callable[[], None]) -> Callable[[], None]:
        """Never tell."""
        return lambda: None


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(LIBRARY.profiles.values(), key=lambda profile: profile.id)),
    st.one_of(
        st.binary(min_size=1, max_size=64),
        st.sampled_from([b"\0", b"\xff", b"SunS\0\1\0\102", b"\x80\0", b"\x7f\xc0\0\0"]),
    ),
    st.lists(st.one_of(st.none(), st.integers(0, FAILURES - 1)), min_size=1, max_size=8),
    st.floats(-1e9, 1e9),
)
async def test_no_answer_crashes_a_driver_or_makes_a_value_that_cannot_be(
    profile: Profile, seed: bytes, failures: list[int | None], power_w: float
) -> None:
    clock = HandClock()
    units = [Chaos(seed, failures) for _ in range(1 + len(profile.link.more_unit_ids))]

    async def passed(seconds: float) -> None:
        clock.passed_s += seconds

    device = open_device(
        profile,
        units[0],  # type: ignore[arg-type] # all that a driver needs
        clock,
        more_units=dict(zip(profile.link.more_unit_ids, units[1:], strict=True)),  # type: ignore[arg-type]
    )
    with patch("asyncio.sleep", passed):
        attempts: tuple[Callable[[], Awaitable[object]], ...] = (
            device.identify,
            lambda: device.read(Scope.FULL),
            lambda: device.command(power_w),
            lambda: device.read(Scope.FAST),
            device.release,
        )
        for attempt in attempts:
            result = await outcome(attempt)
            if isinstance(result, DeviceError):
                assert str(result)
                assert result.placeholders["device"] == profile.title
            elif isinstance(result, Reading):
                for values in (result.values, *result.channels):
                    numbers = [v for v in values.values() if not isinstance(v, str)]
                    assert all(math.isfinite(number) for number in numbers)
                    assert 0.0 <= float(values.get(Quantity.SOC, 0.0)) <= 1.0
    device.close()


# -- on the wire -------------------------------------------------------------------------

FRAMES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        # A frame that is right but for one thing: transaction, protocol, length, unit, function.
        st.tuples(
            st.integers(-1, 1), st.integers(0, 1), st.integers(-3, 300), st.integers(0, 2)
        ).map(lambda parts: struct.pack(">hHhBB", *(*parts, 4)) + b"\2\0\1"),
    ),
    min_size=1,
    max_size=4,
)


@asynccontextmanager
async def babbling(frames: list[bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Listen on a port and answer each request with the next frame; then rightly."""
    left = list(frames)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readexactly(12):
                transaction, function = request[:2], request[7]
                (count,) = struct.unpack(">H", request[10:12])
                right = bytes(2 * count)
                answer = (
                    left.pop(0)
                    if left
                    else (
                        transaction
                        + struct.pack(">HHBBB", 0, 3 + len(right), request[6], function, len(right))
                        + right
                    )
                )
                writer.write(answer)
                await writer.drain()
        except OSError, asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], left


@pytest.mark.usefixtures("socket_enabled")
@settings(max_examples=40, deadline=None)
@given(FRAMES)
@example([b""])
@example([b"\0\1\0\0\xff\xff\1\4"])
@example([struct.pack(">HHHBBB", 1, 0, 3, 1, 0x84, 0xFF)])
async def test_garbage_on_the_wire_is_an_error_and_the_next_answer_is_read(
    frames: list[bytes],
) -> None:
    async with (
        babbling(frames) as (port, left),
        connected(port) as unit,
    ):
        meter = open_device(shipped("eastron_sdm630"), unit, HandClock(), request_timeout_s=0.05)
        for _ in range(len(frames) + 60):  # a busy machine may miss a few
            result = await outcome(lambda: meter.read(Scope.FAST))
            if isinstance(result, Reading):
                assert all(math.isfinite(float(value)) for value in result.values.values())
                if not left:
                    break
            else:
                assert str(result)
                await unit.disconnect()
        else:
            pytest.fail("the driver does not recover")
        meter.close()
