"""A link that cannot be opened ends in an error that says so, and in nothing else."""

import asyncio
import socket
from typing import Any

from modbus_connection import ModbusTcpParams
from modbus_connection.tmodbus import ModbusConnection
import pytest

from custom_components.computeload.drivers.base import CannotConnectError
from custom_components.computeload.drivers.link import TimedUnit


@pytest.mark.usefixtures("socket_enabled")
async def test_a_host_that_is_silent_at_first_and_refuses_later_leaves_no_trace() -> None:
    """A request gives up long before the attempt to connect does, which then fails unheard."""
    loop = asyncio.get_running_loop()
    unheard: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    with socket.socket() as listener, socket.socket() as guest, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # With its queue full, the kernel drops what else knocks: nobody answers.
        for each in (guest, second):
            each.setblocking(False)
            each.connect_ex(address)
        connection = ModbusConnection(ModbusTcpParams(host=address[0], port=address[1]))
        unit = TimedUnit(connection.for_unit(1), "meter", 0.1)
        for request in (
            unit.read_input_registers(0, 2),
            unit.write_register(0, 1),
            unit.write_register(0, 2),
        ):
            with pytest.raises(CannotConnectError, match="meter: no connection"):
                await request
    # The next knock is refused now, a second after the first.
    with pytest.raises(CannotConnectError):
        await TimedUnit(connection.for_unit(1), "meter", 5.0).read_input_registers(0, 2)
    await connection.close()
    await asyncio.sleep(0.0)
    assert unheard == []
