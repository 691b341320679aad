"""Talk to simulated devices with pymodbus's own client, by SunSpec point where they have them."""

import struct
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from custom_components.computeload.simulator.server import SimulatedSite


class RefusedError(Exception):
    """The device answered with an exception code."""

    def __init__(self, code: int) -> None:
        """Keep the exception code."""
        super().__init__(f"exception {code}")
        self.code = code


class SilentError(Exception):
    """The device did not answer, or the link broke."""


class Wire:
    """One client per device, connected when it is first used."""

    def __init__(self, site: SimulatedSite, timeout_s: float = 0.3) -> None:
        """Talk to a started site; answers later than the timeout count as silence."""
        self._site = site
        self._timeout_s = timeout_s
        self._clients: dict[str, AsyncModbusTcpClient] = {}

    def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    async def registers(
        self,
        device_id: str,
        address: int,
        count: int,
        *,
        function: int = 3,
        unit_id: int | None = None,
    ) -> list[int]:
        """Read registers; raises RefusedError or SilentError."""
        client = await self._client(device_id)
        read = client.read_holding_registers if function == 3 else client.read_input_registers
        unit = self._site.endpoints[device_id].unit_id if unit_id is None else unit_id
        try:
            answer = await read(address, count=count, device_id=unit)
        except ModbusException as err:
            raise SilentError(str(err)) from err
        if answer.isError():
            raise RefusedError(answer.exception_code)
        return list(answer.registers)

    async def value(self, device_id: str, address: int, code: str, *, function: int = 3) -> Any:
        """Read one value by its ``struct`` code, e.g. "f" for a float32."""
        registers = await self.registers(
            device_id, address, struct.calcsize(f">{code}") // 2, function=function
        )
        return unpack(registers, code)

    async def write(
        self, device_id: str, address: int, code: str, *values: float, single: bool = False
    ) -> None:
        """Write values packed by ``struct`` codes with function 16, or 6 for a single one."""
        packed = struct.pack(f">{code}", *values)
        registers = list(struct.unpack(f">{len(packed) // 2}H", packed))
        client = await self._client(device_id)
        unit = self._site.endpoints[device_id].unit_id
        try:
            if single:
                answer = await client.write_register(address, registers[0], device_id=unit)
            else:
                answer = await client.write_registers(address, registers, device_id=unit)
        except ModbusException as err:
            raise SilentError(str(err)) from err
        if answer.isError():
            raise RefusedError(answer.exception_code)

    async def models(self, device_id: str) -> dict[int, tuple[int, list[int]]]:
        """Walk a SunSpec chain: address of the ID register and all registers, by model."""
        assert await self.value(device_id, 40000, "4s") == b"SunS"
        models = {}
        address = 40002
        while (header := await self.registers(device_id, address, 2))[0] != 0xFFFF:
            length = header[1] + 2
            registers: list[int] = []
            while len(registers) < length:
                part = min(100, length - len(registers))
                registers += await self.registers(device_id, address + len(registers), part)
            models[header[0]] = (address, registers)
            address += length
        return models

    async def _client(self, device_id: str) -> AsyncModbusTcpClient:
        client = self._clients.get(device_id)
        if client is None or not client.connected:
            if client is not None:
                client.close()
            endpoint = self._site.endpoints[device_id]
            client = AsyncModbusTcpClient(
                endpoint.host,
                port=endpoint.port,
                timeout=self._timeout_s,
                retries=0,
                reconnect_delay=0,
            )
            if not await client.connect():
                raise SilentError("connection refused")
            self._clients[device_id] = client
        return client


def unpack(registers: list[int], code: str) -> Any:
    """Turn registers into one value, high word first."""
    packed = struct.pack(f">{len(registers)}H", *registers)
    return struct.unpack(f">{code}", packed)[0]


async def address_of(wire: Wire, device_id: str, model: int, offset: int) -> int:
    """Return the register of a SunSpec point, given its offset from the model's ID."""
    return (await wire.models(device_id))[model][0] + offset
