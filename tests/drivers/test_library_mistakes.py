"""The tables of facts notice mistakes: a profile that is made wrong is read wrong."""

from collections.abc import Container, Iterator
from dataclasses import replace

import pytest

from custom_components.computeload.core.model import Quantity, Values
from custom_components.computeload.drivers.base import DeviceError, Scope
from custom_components.computeload.drivers.spec import (
    Computed,
    Field,
    Operation,
    Profile,
    Register,
)

from .fact_tables import TABLES, FactTable, served_table
from .servers import LIBRARY

pytestmark = pytest.mark.usefixtures("socket_enabled")

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())


def wrong(profile: Profile, keys: Container[str]) -> Iterator[tuple[str, str, Profile]]:
    """Return a key, a mistake in it, and the profile with it; only what that key is made from.

    The mistakes: another address, sign, power of ten, word order.
    """
    for field in profile.fields:
        for mistake, made in _mistakes(field) if field.key in keys else ():
            needed = {field.key, *(condition.key for condition in field.when)}
            others = [each for each in profile.fields if each.key in needed and each is not field]
            fields = (made, *others)
            yield field.key, mistake, replace(profile, fields=fields, computed=(), channels=None)


def _mistakes(field: Field) -> Iterator[tuple[str, Field]]:
    """Return what could have been written instead of a field."""
    if isinstance(place := field.location, Register):
        if place.address:
            yield "one before", replace(field, location=replace(place, address=place.address - 1))
        yield "one after", replace(field, location=replace(place, address=place.address + 1))
        if place.type.words > 1 and field.mask is None:  # one bit may be the same in both words
            order = "little" if place.word_order == "big" else "big"
            swapped = replace(place, word_order="little" if order == "little" else "big")
            yield "words swapped", replace(field, location=swapped)
    if not (field.texts or field.bits or field.numbers):
        yield "another sign", replace(field, factor=-field.factor)
        yield "a factor of ten", replace(field, factor=field.factor * 10)


@each_table
async def test_a_mistake_in_a_profile_is_noticed(table: FactTable) -> None:
    profile = LIBRARY.profiles[table.profile]
    unnoticed = []
    expected = table.expected()
    async with served_table(table, profile) as served:
        for key, mistake, mistaken in wrong(profile, expected):
            device = served.opened(mistaken)
            try:
                values: Values = (await device.read(Scope.FULL)).values
            except DeviceError, ValueError:
                continue
            finally:
                device.close()
            if values.get(Quantity(key)) == pytest.approx(expected[key], rel=2e-6):
                unnoticed.append(f"{key}: {mistake}")
    assert not unnoticed


@each_table
async def test_every_choice_for_a_value_says_the_same(table: FactTable) -> None:
    profile = LIBRARY.profiles[table.profile]
    for index, item in enumerate(profile.computed):
        known = [fact for fact in table.facts if item.key in fact.means]
        if item.operation is not Operation.FIRST or len(known) != len(item.inputs):
            continue
        for choice in item.inputs:
            only: Computed = replace(item, inputs=(choice,))
            computed = (*profile.computed[:index], only, *profile.computed[index + 1 :])
            async with served_table(table, replace(profile, computed=computed)) as served:
                values = (await served.device.read(Scope.FULL)).values
            assert values.get(Quantity(item.key)) == pytest.approx(
                table.expected()[item.key], rel=2e-6
            ), choice


async def test_an_sma_inverter_that_is_off_at_night_produces_nothing() -> None:
    table = TABLES["sma_sunny_tripower"]
    by_name = {fact.name: fact for fact in table.facts}
    async with served_table(table, LIBRARY.profiles[table.profile]) as served:
        served.put(by_name["active_power"], -0x8000_0000)
        assert Quantity.POWER_W not in (await served.device.read(Scope.FULL)).values
        served.put(by_name["health"], 303)
        assert (await served.device.read(Scope.FAST)).number(Quantity.POWER_W) == 0.0


async def test_an_apc_ups_on_battery_says_that_the_grid_is_gone() -> None:
    table = TABLES["apc_smart_ups"]
    (status,) = (fact for fact in table.facts if fact.name == "status")
    async with served_table(table, LIBRARY.profiles[table.profile]) as served:
        served.put(status, 1 << 2 | 1 << 21)
        values = (await served.device.read(Scope.FULL)).values
    assert values[Quantity.GRID_PRESENT] == 0.0
    assert values[Quantity.STATE] == "on battery, overload"
