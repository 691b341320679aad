"""Requests are few, and what they bring is what another implementation reads."""

import asyncio
from collections.abc import Mapping
import math
from typing import Any, cast

from hypothesis import given, strategies as st
from modbus_connection.model.fields import FloatField, NumberField, StringField
import pytest

from custom_components.computeload.drivers.blocks import Page
from custom_components.computeload.drivers.decode import Decoder
from custom_components.computeload.drivers.link import TimedUnit
from custom_components.computeload.drivers.spec import Link, Register, RegisterType, Serial

from .servers import shipped

SIZE = 200
LINK = Link(
    transports=("tcp",),
    port=502,
    unit_id=1,
    more_unit_ids={},
    serial=Serial(),
    max_registers=125,
    max_gap=16,
    ranges={},
    request_timeout_s=1.0,
    connect_delay_s=0.0,
    spacing_s=0.0,
)


class Memory:
    """Registers without a wire."""

    connected = True

    def __init__(self, words: list[int]) -> None:
        """Hold these words from address 0 on, in both spaces."""
        self.words = words
        self.requests: list[tuple[int, int]] = []

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Return a part of the words."""
        self.requests.append((address, count))
        return self.words[address : address + count]

    read_input_registers = read_holding_registers


@st.composite
def places(draw: st.DrawFn) -> Register:
    """Return some register of any type, somewhere."""
    type_ = draw(st.sampled_from(RegisterType))
    count = type_.words or draw(st.integers(1, 16))
    address = draw(st.integers(0, SIZE - count))
    scaled = type_ is not RegisterType.STRING and draw(st.booleans())
    patterns = st.sampled_from([0, 1, (1 << 16 * count) - 1, 1 << 16 * count - 1])
    whole = not type_.is_float and type_ is not RegisterType.STRING
    return Register(
        address=address,
        type=type_,
        count=count,
        space=draw(st.sampled_from(["holding", "input"])),
        word_order=draw(st.sampled_from(["big", "little"])),
        scale_address=draw(st.integers(0, SIZE - 1)) if scaled else None,
        nan=draw(st.frozensets(patterns, max_size=2)) if whole else frozenset(),
    )


def read(registers: Mapping[str, Register], memory: Memory, **changes: Any) -> dict[str, Any]:
    """Read registers of a memory in one go."""
    unit = TimedUnit(cast("Any", memory), "memory", 1.0)
    options = {"link": LINK, "ranges": {}, "max_gap": LINK.max_gap, **changes}
    return asyncio.run(Page(registers, unit, **options).read())


def read_by_the_library(place: Register, words: list[int]) -> Any:
    """Read one register as Home Assistant's Modbus library does."""
    own = words[place.address : place.end]
    if place.type is RegisterType.STRING:
        return StringField(place.address, count=place.count).decode(own)
    options: dict[str, Any] = {
        "count": place.count,
        "word_order": place.word_order,
        "scale_register": place.scale_address,
        "scale_exponent_range": (-10, 10),
    }
    exponent = None
    if place.scale_address is not None:
        exponent = words[place.scale_address]
        exponent -= 0x10000 * (exponent >> 15)
    if place.type.is_float:
        return FloatField(place.address, **options).decode(own, exponent)
    field = NumberField[float](place.address, signed=place.type.is_signed, nan=place.nan, **options)
    return field.decode(own, exponent)


@given(
    st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), places(), min_size=1, max_size=12),
    st.lists(
        st.one_of(st.integers(0, 10), st.integers(0xFFF6, 0xFFFF), st.integers(0, 0xFFFF)),
        min_size=SIZE,
        max_size=SIZE,
    ),
)
def test_registers_are_read_as_by_another_implementation(
    registers: dict[str, Register], words: list[int]
) -> None:
    values = read(registers, Memory(words))
    assert values.keys() == registers.keys()
    for key, place in registers.items():
        expected = read_by_the_library(place, words)
        found = values[key]
        if isinstance(found, float) and not math.isfinite(found):
            assert expected is None or not math.isfinite(expected)
        elif isinstance(expected, float | int) and not isinstance(expected, bool):
            # The library rounds to so many decimals.
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-8)
        else:
            assert found == expected


@given(st.lists(places(), min_size=1, max_size=20), st.integers(0, 40), st.integers(20, 125))
def test_requests_stay_within_the_limits_of_the_device(
    some: list[Register], max_gap: int, most: int
) -> None:
    memory = Memory([0] * SIZE)
    link = Link(**{name: getattr(LINK, name) for name in LINK.__slots__} | {"max_registers": most})
    read({str(n): place for n, place in enumerate(some)}, memory, link=link, max_gap=max_gap)
    needed = {a for place in some for a in range(place.address, place.end)}
    needed |= {place.scale_address for place in some if place.scale_address is not None}
    for address, count in memory.requests:
        assert count <= most
        edges = {address, address + count - 1}
        assert edges <= needed
    read_addresses = {a for start, n in memory.requests for a in range(start, start + n)}
    assert needed <= read_addresses


def test_a_request_runs_over_registers_that_are_known_to_be_there() -> None:
    def at(address: int) -> Register:
        return Register(address=address, type=RegisterType.UINT16, count=1)

    memory = Memory([0] * SIZE)
    read({"first": at(0), "last": at(40)}, memory)
    assert memory.requests == [(0, 1), (40, 1)]
    memory.requests.clear()
    read({"first": at(0), "last": at(40)}, memory, known=[at(14), at(27)])
    assert memory.requests == [(0, 41)]


@given(st.lists(st.integers(0, 0xFFFF), min_size=88, max_size=88))
def test_no_register_content_makes_a_value_that_is_not_finite(raw: list[int]) -> None:
    profile = shipped("eastron_sdm630")
    registers = {field.key: field.location for field in profile.fields}
    contents = read(cast("Mapping[str, Register]", registers), Memory(raw))
    for value in Decoder(profile.fields, profile.computed).decode(contents).values():
        assert isinstance(value, float | int)
        assert math.isfinite(value)
