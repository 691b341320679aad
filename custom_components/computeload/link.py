"""From a stored link to a Modbus unit, through the connections that Home Assistant shares."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from homeassistant.components.modbus import async_get_temporary_unit, async_get_unit
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from modbus_connection import (
    ModbusSerialParams,
    ModbusTcpParams,
    ModbusTlsParams,
    ModbusUnit,
)

from . import const
from .coordinator import ComputeLoadConfigEntry
from .drivers.base import CannotConnectError

if TYPE_CHECKING:
    from .simulator.server import SimulatedSite

type Params = ModbusTcpParams | ModbusTlsParams | ModbusSerialParams

RTU_TCP_BAUDRATE = 115200
"""Line speed of a serial framing over a socket; the gateway knows the real one."""


def link_params(link: Mapping[str, Any]) -> Params:
    """Return the connection that a stored link describes.

    Raises ValueError for a type that does not exist.
    """
    match link["type"]:
        case const.LINK_TCP:
            return ModbusTcpParams(host=link["host"], port=link["port"])
        case const.LINK_TLS:
            return ModbusTlsParams(
                host=link["host"], port=link["port"], verify=link.get("verify", True)
            )
        case const.LINK_RTU_TCP:
            host = f"[{link['host']}]" if ":" in link["host"] else link["host"]
            return ModbusSerialParams(
                device=f"socket://{host}:{link['port']}", baudrate=RTU_TCP_BAUDRATE
            )
        case const.LINK_SERIAL:
            return ModbusSerialParams(
                device=link["device"],
                baudrate=link["baudrate"],
                parity=link["parity"],
                stopbits=link["stopbits"],
            )
        case other:
            raise ValueError(f"there is no link of type {other!r}")


def link_title(link: Mapping[str, Any]) -> str:
    """Return the link in the words that a user would use for it."""
    match link["type"]:
        case const.LINK_SIMULATED | const.LINK_SERIAL:
            return str(link["device"])
        case _:
            return f"{link['host']}:{link['port']}"


@callback
def async_open_unit(
    hass: HomeAssistant,
    entry: ComputeLoadConfigEntry,
    link: Mapping[str, Any],
    unit_id: int,
    simulator: SimulatedSite | None,
) -> ModbusUnit:
    """Return the unit behind a link; it is let go when the entry unloads.

    Raises CannotConnectError where the same connection is in use with other settings, or
    where the simulated site has no such device.
    """
    if link["type"] == const.LINK_SIMULATED:
        endpoint = simulator.endpoints.get(link["device"]) if simulator is not None else None
        if endpoint is None:
            raise CannotConnectError(
                f"the simulated site has no device {link['device']!r}", address=link_title(link)
            )
        params: Params = ModbusTcpParams(host=endpoint.host, port=endpoint.port)
        unit_id = endpoint.unit_id
    else:
        params = link_params(link)
    try:
        return async_get_unit(hass, entry, params, unit_id)
    except HomeAssistantError as err:
        raise CannotConnectError(str(err), address=link_title(link)) from err


@asynccontextmanager
async def async_temporary_unit(
    hass: HomeAssistant, link: Mapping[str, Any], unit_id: int
) -> AsyncIterator[ModbusUnit]:
    """Hold the unit behind a link for a probe; raises CannotConnectError as above."""
    try:
        async with async_get_temporary_unit(hass, link_params(link), unit_id) as unit:
            yield unit
    except HomeAssistantError as err:
        raise CannotConnectError(str(err), address=link_title(link)) from err
