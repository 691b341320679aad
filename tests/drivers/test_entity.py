"""Entities as a device: units, signs, age, and commands that are not given twice."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import math
from types import SimpleNamespace

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.drivers.base import (
    Datasheet,
    EntitySilentError,
    EntityUnitError,
    RefusedError,
    Scope,
)
from custom_components.computeload.drivers.entity import EntityDevice, EntityState, Term
from custom_components.computeload.drivers.entity_hand import EntityHand, HandEntities, Mode

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOW_S = 1000.0
CLOCK = SimpleNamespace(now=lambda: NOW, monotonic_s=lambda: NOW_S)
SHEET = Datasheet(
    id="entities",
    title="Entities",
    manufacturer="Test",
    quantities=frozenset(),
    poll_s=10.0,
    least_poll_s=1.0,
)


def device(
    states: Mapping[str, EntityState], terms: Mapping[Quantity, tuple[Term, ...]]
) -> EntityDevice:
    return EntityDevice(SHEET, terms, states.get, CLOCK, stale_s=50.0)


def power(*terms: Term) -> dict[Quantity, tuple[Term, ...]]:
    return {Quantity.POWER_W: terms}


@pytest.mark.parametrize(
    ("quantity", "said", "unit", "ours"),
    [
        (Quantity.POWER_W, "1.5", "kW", 1500.0),
        (Quantity.POWER_W, "-250", "W", -250.0),
        (Quantity.POWER_W, "0.002", "MW", 2000.0),
        (Quantity.ENERGY_IMPORT_WH, "12.5", "kWh", 12500.0),
        (Quantity.ENERGY_EXPORT_WH, "3.6", "MJ", 1000.0),
        (Quantity.SOC, "55", "%", 0.55),
    ],
)
async def test_units_become_ours(quantity: Quantity, said: str, unit: str, ours: float) -> None:
    states = {"p": EntityState(value="1", unit="W"), "x": EntityState(value=said, unit=unit)}
    reading = await device(states, power(Term("p")) | {quantity: (Term("x"),)}).read(Scope.FULL)
    assert reading.number(quantity) == pytest.approx(ours)


async def test_import_and_export_as_two_sensors_are_one_power() -> None:
    states = {
        "in": EntityState(value="300", unit="W", age_s=2.0),
        "out": EntityState(value="1.2", unit="kW", age_s=7.0),
    }
    meter = device(states, power(Term("in"), Term("out", -1.0)))
    reading = await meter.read(Scope.FAST)
    assert reading.number(Quantity.POWER_W) == pytest.approx(-900.0)
    assert reading.monotonic_s == NOW_S - 7.0, "a sum is as old as its oldest part"
    assert reading.at == NOW - timedelta(seconds=7)


@pytest.mark.parametrize("said", [None, "", "nan", "inf", "-inf", "on", "12,5"])
async def test_a_power_that_is_no_number_is_silence(said: str | None) -> None:
    states = {"p": EntityState(value=said, unit="W")}
    with pytest.raises(EntitySilentError, match="p has no value"):
        await device(states, power(Term("p"))).read(Scope.FULL)


@pytest.mark.parametrize("said", [None, "nan"])
async def test_anything_else_that_is_no_number_is_absent(said: str | None) -> None:
    states = {"p": EntityState(value="1", unit="W"), "s": EntityState(value=said, unit="%")}
    reading = await device(states, power(Term("p")) | {Quantity.SOC: (Term("s"),)}).read(Scope.FULL)
    assert reading.number(Quantity.SOC) is None


async def test_a_power_that_was_not_written_for_too_long_is_silence() -> None:
    state = EntityState(value="1", unit="W", age_s=50.0)
    assert await device({"p": state}, power(Term("p"))).read(Scope.FULL)
    with pytest.raises(EntitySilentError, match="not written for more than 50 s"):
        await device({"p": replace(state, age_s=50.1)}, power(Term("p"))).read(Scope.FULL)


async def test_a_phase_that_was_not_written_for_too_long_is_absent_and_a_counter_is_not() -> None:
    old = EntityState(value="1", unit="kW", age_s=60.0)
    states = {"p": EntityState(value="3", unit="kW"), "l1": old, "e": replace(old, unit="kWh")}
    terms = {Quantity.POWER_L1_W: (Term("l1"),), Quantity.ENERGY_IMPORT_WH: (Term("e"),)}
    reading = await device(states, power(Term("p")) | terms).read(Scope.FULL)
    assert reading.values == {Quantity.POWER_W: 3000.0, Quantity.ENERGY_IMPORT_WH: 1000.0}


async def test_an_entity_that_does_not_exist_or_fit_is_found_at_once() -> None:
    with pytest.raises(EntitySilentError, match="p does not exist"):
        await device({}, power(Term("p"))).identify()
    with pytest.raises(EntityUnitError, match="p is in VA, not in one of mW, W, kW"):
        await device({"p": EntityState(value="1", unit="VA")}, power(Term("p"))).identify()
    with pytest.raises(EntityUnitError, match="no unit"):
        await device({"p": EntityState(value="1")}, power(Term("p"))).identify()


async def test_an_entity_that_has_not_started_yet_is_no_mistake() -> None:
    assert await device({"p": EntityState(value=None)}, power(Term("p"))).identify()


async def test_entities_that_are_only_read_refuse_commands() -> None:
    meter = device({}, power(Term("p")))
    with pytest.raises(RefusedError):
        await meter.command(1000.0)
    await meter.release()
    assert meter.contract is None


# -- commands --------------------------------------------------------------------------

MODE = Mode(entity="mode", charge="Charge", discharge="Discharge", idle="Stop", own="Auto")


class Board:
    """Entities that take what they are told, and a list of that."""

    def __init__(self, **states: EntityState) -> None:
        """Start with these states."""
        self.states = states
        self.told: list[tuple[str, float | str]] = []

    async def set(self, entity: str, value: float | str) -> None:
        """Take a value."""
        self.told.append((entity, value))
        self.states[entity] = replace(self.states[entity], value=str(value))

    def hand(self, entities: HandEntities) -> EntityHand:
        """Return what sets these entities."""
        return EntityHand(entities, self.states.get, self.set)

    def news(self) -> list[tuple[str, float | str]]:
        """Return what was told since the last time."""
        told, self.told = self.told, []
        return told


def number(**bounds: float) -> EntityState:
    return EntityState(value="0", unit="W", **bounds)


async def test_a_signed_number_is_set_in_its_own_sign_and_unit() -> None:
    board = Board(n=EntityState(value="0", unit="kW", least=-5.0, most=5.0))
    hand = board.hand(HandEntities(power="n", inverted=True))
    await hand.command(1500.0)
    await hand.command(-2000.0)
    await hand.command(-9000.0)
    await hand.release()
    assert board.news() == [("n", -1.5), ("n", 2.0), ("n", 5.0), ("n", 0.0)]


async def test_with_a_mode_the_power_comes_first_and_the_mode_only_when_it_changes() -> None:
    board = Board(n=number(), mode=EntityState(value="Auto"), on=EntityState(value="off"))
    hand = board.hand(HandEntities(power="n", mode=MODE, switch="on"))
    await hand.command(-1000.0)
    assert board.news() == [("n", 1000.0), ("mode", "Charge"), ("on", "on")]
    await hand.command(-1200.0)
    assert board.news() == [("n", 1200.0)]
    await hand.command(1200.0)
    assert board.news() == [("mode", "Discharge")]
    await hand.command(0.0)
    assert board.news() == [("n", 0.0), ("mode", "Stop")]
    await hand.release()
    assert board.news() == [("n", 0.0), ("mode", "Auto"), ("on", "off")]


async def test_two_numbers_are_never_both_above_zero() -> None:
    board = Board(up=number(least=0.0), down=number(least=0.0))
    hand = board.hand(HandEntities(power="down", charge_power="up"))
    for power_w in (-1000.0, 800.0, -300.0):
        await hand.command(power_w)
    seen = {"up": 0.0, "down": 0.0}
    for entity, value in board.news():
        assert isinstance(value, float)
        seen[entity] = value
        assert min(seen.values()) == 0.0
    assert seen == {"up": 300.0, "down": 0.0}


async def test_what_another_has_changed_is_set_again() -> None:
    board = Board(n=number(), mode=EntityState(value="Auto"))
    hand = board.hand(HandEntities(power="n", mode=MODE))
    await hand.command(1000.0)
    board.states["mode"] = EntityState(value="Auto")
    board.news()
    await hand.command(1000.0)
    assert board.news() == [("mode", "Discharge")]


async def test_a_state_that_lags_behind_does_not_swallow_a_command() -> None:
    board = Board(n=number())
    hand = board.hand(HandEntities(power="n"))
    await hand.command(1000.0)
    await hand.command(2000.0)
    board.states["n"] = replace(board.states["n"], value="1000.0")
    board.news()
    await hand.command(1000.0)
    assert board.news() == [("n", 1000.0)]


async def test_a_number_that_is_no_power_is_not_set() -> None:
    board = Board(n=EntityState(value="0", unit="A"))
    with pytest.raises(EntityUnitError, match="n is in A"):
        await board.hand(HandEntities(power="n")).command(1000.0)
    assert board.news() == []


async def test_an_entity_without_a_value_cannot_be_set() -> None:
    board = Board(n=EntityState(value=None))
    with pytest.raises(EntitySilentError):
        await board.hand(HandEntities(power="n")).command(1.0)


@given(
    power_w=st.floats(-20_000.0, 20_000.0),
    step=st.sampled_from([0.0, 0.1, 1.0, 50.0, 100.0]),
    inverted=st.booleans(),
)
async def test_a_number_never_gets_more_than_was_decided(
    power_w: float, step: float, inverted: bool
) -> None:
    board = Board(n=number(least=-10_000.0, most=10_000.0, step=step))
    await board.hand(HandEntities(power="n", inverted=inverted)).command(power_w)
    ((_, set_w),) = board.news() or [("n", 0.0)]
    assert isinstance(set_w, float)
    asked_w = -power_w if inverted else power_w
    assert abs(set_w) <= abs(asked_w) + 1e-5
    assert abs(set_w - max(-10_000.0, min(asked_w, 10_000.0))) <= max(step, 1e-5)
    assert set_w == 0.0 or math.copysign(1.0, set_w) == math.copysign(1.0, asked_w)
