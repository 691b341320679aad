"""One device on one TCP port: pymodbus frames, asyncio sockets, faults in between.

Not pymodbus's own server: faults must be real on the wire (a reset link, half a frame, a
closed port), several requests in one segment must all be answered, and a healthy device
must answer without a detour through tasks. Frames are coded and decoded by pymodbus.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
import socket
import struct
import time
from typing import Final, cast, override

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from .devices.base import GATEWAY_TARGET_SILENT, ILLEGAL_FUNCTION, Refusal, WireDevice
from .faults import Fault, Parameters

_READS: Final = {3: ReadHoldingRegistersResponse, 4: ReadInputRegistersResponse}
_WRITES: Final = {6: WriteSingleRegisterResponse, 16: WriteMultipleRegistersResponse}
_LONGEST_FRAME: Final = 260
_NO_LINGER: Final = struct.pack("ii", 1, 0)
_LATE_KEPT: Final = 256
"""So many answers may be under way late; a client that asks for more is not a healthy one."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write request that arrived at a device, whatever became of it."""

    device_id: str
    monotonic_s: float
    """Real time (``time.monotonic``)."""
    elapsed_s: float
    """Simulated time."""
    function: int
    address: int
    registers: tuple[int, ...]


class ModbusPort:
    """A device behind a listening socket."""

    def __init__(
        self,
        device: WireDevice,
        catch_up: Callable[[], None],
        on_write: Callable[[Write], None],
    ) -> None:
        """Belong to a device; ``catch_up`` is called before each request is answered."""
        self.device = device
        self.faults: Mapping[Fault, Parameters] = {}
        self.port = 0
        """Where it listens; 0 while it is stopped."""
        self.requests = 0
        """How many requests have arrived."""
        self._catch_up = catch_up
        self._on_write = on_write
        self._host = ""
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._comeback: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises OSError where that is impossible."""
        self._host, self.port = host, port
        await self._listen()
        if Fault.REFUSED_CONNECTION in self.faults:
            self._close()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._comeback is not None:
            self._comeback.cancel()
            with suppress(asyncio.CancelledError):
                await self._comeback
            self._comeback = None
        self._close()
        for connection in tuple(self._connections):
            connection.hang_up()
        self.port = 0

    async def set_faults(self, faults: Mapping[Fault, Parameters]) -> None:
        """Put link faults into effect."""
        self.faults = dict(faults)
        if Fault.REFUSED_CONNECTION in faults:
            self._break_off()
        elif self._server is None and self._comeback is None and self.port:
            await self._listen()

    async def restart(self, downtime_s: float) -> None:
        """Lose power for some real seconds; come back with RAM and counters empty."""
        self._break_off()
        self.device.restart()
        if self._comeback is not None:
            self._comeback.cancel()
        self._comeback = asyncio.create_task(self._come_back(downtime_s))

    async def _come_back(self, downtime_s: float) -> None:
        await asyncio.sleep(downtime_s)
        self._comeback = None
        if Fault.REFUSED_CONNECTION not in self.faults:
            await self._listen()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, self._connections), self._host, self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _break_off(self) -> None:
        self._close()
        for connection in tuple(self._connections):
            connection.reset()

    def answer(self, request: ModbusPDU) -> ModbusPDU | None:
        """Return the response to a request, or None where the device keeps silent."""
        self.requests += 1
        faults = self.faults
        if Fault.NO_ANSWER in faults:
            return None
        if request.dev_id != self.device.wire.unit_id:
            return _refusal(request, GATEWAY_TARGET_SILENT) if self.device.gateway else None
        if Fault.EXCEPTION in faults:
            return _refusal(request, int(faults[Fault.EXCEPTION]["code"]))
        self._catch_up()
        try:
            return self._serve(request)
        except Refusal as refusal:
            return _refusal(request, refusal.code)

    def _serve(self, request: ModbusPDU) -> ModbusPDU:
        """Read or write; raises Refusal."""
        function = request.function_code
        if function in _READS:
            registers = self.device.read(function, request.address, request.count)
            return _READS[function](registers=registers)
        if function in _WRITES:
            return self._write(request, function)
        raise Refusal(ILLEGAL_FUNCTION)

    def _write(self, request: ModbusPDU, function: int) -> ModbusPDU:
        """Let a write happen as the faults allow."""
        registers = list(request.registers)
        self._on_write(
            Write(
                self.device.wire.id,
                time.monotonic(),
                self.device.physics.elapsed_s,
                function,
                request.address,
                tuple(registers),
            )
        )
        if Fault.REFUSED_WRITES in self.faults:
            return _refusal(request, int(self.faults[Fault.REFUSED_WRITES]["code"]))
        if not self.faults.keys() & {Fault.IGNORED_WRITES, Fault.STUCK}:
            self.device.write(function, request.address, registers)
        if function == WriteSingleRegisterResponse.function_code:
            return WriteSingleRegisterResponse(address=request.address, registers=registers)
        return WriteMultipleRegistersResponse(address=request.address, count=len(registers))


class _Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, port: ModbusPort, peers: set[_Connection]) -> None:
        self._port = port
        self._peers = peers
        self._framer = FramerSocket(DecodePDU(is_server=True))
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._late: deque[asyncio.TimerHandle] = deque(maxlen=_LATE_KEPT)
        self._free_at = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._peers.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.discard(self)
        self._transport = None
        for handle in self._late:
            handle.cancel()
        self._late.clear()

    def hang_up(self) -> None:
        """Close the connection in good order."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Break the connection: the client gets a TCP reset, as from a dead device."""
        if self._transport is not None:
            link: socket.socket = self._transport.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()

    @override
    def data_received(self, data: bytes) -> None:
        """Answer every complete request; hang up on what is not Modbus TCP."""
        self._buffer += data
        while self._buffer:
            try:
                used, request = self._framer.handleFrame(self._buffer, 0, 0)
            except ModbusException, LookupError, ValueError, struct.error:
                self.hang_up()
                return
            self._buffer = self._buffer[used:]
            if request is None:
                if len(self._buffer) >= _LONGEST_FRAME:
                    self.hang_up()
                return
            if (response := self._port.answer(request)) is not None:
                response.dev_id = request.dev_id
                response.transaction_id = request.transaction_id
                self._send(self._framer.buildFrame(response))

    def _send(self, frame: bytes) -> None:
        """Send an answer: at once or late, but never before the one asked for earlier."""
        slow = self._port.faults.get(Fault.SLOW)
        loop = asyncio.get_running_loop()
        if slow is not None:
            self._free_at = max(loop.time() + float(slow["delay_s"]), self._free_at)
        if self._free_at <= loop.time():
            self._put(frame)
        else:
            self._late.append(loop.call_at(self._free_at, self._put, frame))

    def _put(self, frame: bytes) -> None:
        if self._transport is None:
            return
        broken = self._port.faults.get(Fault.DROP_MID_FRAME)
        if broken is None:
            self._transport.write(frame)
            return
        # Closing flushes the half frame first; an abort could swallow it.
        self._transport.write(frame[: min(int(broken["bytes"]), len(frame) - 1)])
        self._transport.close()


def _refusal(request: ModbusPDU, code: int) -> ModbusPDU:
    return ExceptionResponse(request.function_code, code)
