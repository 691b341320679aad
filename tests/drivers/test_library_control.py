"""Whatever a dead controller left is ended; mistakes in what a profile writes are noticed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import DeviceError
from custom_components.computeload.drivers.spec import (
    Constant,
    Control,
    Location,
    Part,
    Power,
    Profile,
    Register,
    Step,
    Words,
    Write,
)

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

GREATEST = 0xFFFF
"""What one register can hold."""
CONTROLLED = {name: profile for name, profile in LIBRARY.profiles.items() if profile.control}


def test_there_are_devices_that_hold_a_command_for_ever() -> None:
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
async def test_the_greatest_commands_write_no_register_but_those_of_the_facts(
    table: FactTable,
) -> None:
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


@pytest.mark.parametrize("profile", CONTROLLED.values(), ids=CONTROLLED.keys())
async def test_a_mistake_in_what_a_profile_writes_is_noticed(profile: Profile) -> None:
    tables = [table for table in TABLES.values() if table.profile == profile.id]
    assert profile.control
    unnoticed = []
    for mistake, control in _mistaken(profile.control):
        wrong = replace(profile, control=control)
        if not any([await _is_noticed(table, wrong) for table in tables if table.orders]):
            unnoticed.append(mistake)
    assert unnoticed == []


async def _is_noticed(table: FactTable, profile: Profile) -> bool:
    """Whether the commands of a table are not carried out as it says."""
    async with served_table(table, profile) as served:
        for order in table.orders:
            served.writes.clear()
            try:
                if order.command is None:
                    await served.device.release()
                else:
                    await served.device.command(order.command)
            except DeviceError:
                return True
            if tuple(served.writes) != order.writes:
                return True
    return False


def _mistaken(control: Control) -> Iterator[tuple[str, Control]]:
    """Return controls with one mistake each, in every step that writes."""
    for mistake, steps in _mistakes_of_steps(control.enable):
        yield f"enable {mistake}", replace(control, enable=steps)
    for mistake, steps in _mistakes_of_steps(control.setpoint):
        yield f"setpoint {mistake}", replace(control, setpoint=steps)
    for mistake, steps in _mistakes_of_steps(control.release):
        yield f"release {mistake}", replace(control, release=steps)


def _mistakes_of_steps(steps: tuple[Step, ...]) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Return sequences with one mistake each."""
    for index, step in enumerate(steps):
        for mistake, instead in _mistakes_of_step(step) if isinstance(step, Write) else ():
            yield f"{index}: {mistake}", (*steps[:index], *instead, *steps[index + 1 :])


def _mistakes_of_step(step: Write) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Return what could have been written instead of a step."""
    yield "left out", ()
    if len(step.parts) == 1 and _first(step.parts[0].location).count == 1:
        yield "another function", (replace(step, function=6 if step.function == 16 else 16),)
    for index, part in enumerate(step.parts):
        mistakes = list(_mistakes_of_part(part))
        if index == 0:
            mistakes.append(("one register after", replace(part, location=_moved(part.location))))
        for mistake, wrong in mistakes:
            parts = (*step.parts[:index], wrong, *step.parts[index + 1 :])
            yield f"part {index}, {mistake}", (replace(step, parts=parts),)


def _mistakes_of_part(part: Part) -> Iterator[tuple[str, Part]]:
    """Return what could stand instead of one value."""
    match part.expression:
        case Constant(value):
            other = value + (part.factor if value < GREATEST else -part.factor)
            yield "another value", replace(part, expression=Constant(other))
        case Power() as power:
            yield "a factor of ten", replace(part, factor=part.factor * 10, low=-1e18, high=1e18)
            if not power.magnitude:
                yield "another sign", replace(part, expression=replace(power, sign=-power.sign))
        case Words() as words if words.charge != words.discharge:
            swapped = replace(words, charge=words.discharge, discharge=words.charge)
            yield "charge for discharge", replace(part, expression=swapped)
        case _:
            return


def _first(location: Location) -> Register:
    """Return a place that a location stands for."""
    return location if isinstance(location, Register) else next(iter(location.by_model.values()))


def _moved(location: Location) -> Location:
    """Return the location one register further on."""
    if isinstance(location, Register):
        return replace(location, address=location.address + 1)
    moved = {m: replace(r, address=r.address + 1) for m, r in location.by_model.items()}
    return replace(location, by_model=moved)
