"""Whatever a dead controller left behind, the first release of a new one ends it."""

import pytest

from custom_components.computeload.core.model import Quantity

from .fact_tables import TABLES, FactTable, served_table
from .servers import LIBRARY

pytestmark = pytest.mark.usefixtures("socket_enabled")

HELD_FOR_EVER = {
    name: table
    for name, table in TABLES.items()
    if (contract := LIBRARY.profiles[table.profile].contract)
    and contract.lapse_s is None
    and Quantity.SETPOINT_W in table.expected()
}
"""Devices that follow a command which nobody repeats, and that never drop it."""


def test_there_are_such_devices() -> None:
    assert HELD_FOR_EVER


@pytest.mark.parametrize("table", HELD_FOR_EVER.values(), ids=HELD_FOR_EVER.keys())
async def test_a_device_left_on_a_command_is_given_back_by_a_first_release(
    table: FactTable,
) -> None:
    released = next(order for order in table.orders if order.command is None)
    async with served_table(table, LIBRARY.profiles[table.profile]) as served:
        await served.device.release()
        assert tuple(served.writes) == released.writes != ()


@pytest.mark.parametrize(
    "table",
    [pytest.param(table, id=name) for name, table in TABLES.items() if table.orders],
)
async def test_the_greatest_commands_touch_no_register_but_those_of_the_facts(table: FactTable) -> None:
    async with served_table(table, LIBRARY.profiles[table.profile]) as served:
        for power_w in (1e9, -1e9, 0.0):
            await served.device.command(power_w)
        places = {
            (unit, at + offset)
            for order in table.orders
            for unit, _, at, words in order.writes
            for offset in range(len(words))
        }
        assert {(unit, at) for unit, _, at, _ in served.writes} <= places
