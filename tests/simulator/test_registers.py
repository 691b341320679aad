"""Register images: what a value becomes on the wire, and what a written one means."""

from math import isnan, nan
import struct

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.model import Quantity
from custom_components.computeload.simulator.devices.sunspec import LAYOUTS, model_length
from custom_components.computeload.simulator.registers import (
    AddressError,
    Block,
    Kind,
    Point,
    Raw,
    RegisterMap,
)

HOLDING = frozenset({3})


def point(kind: Kind, value: Raw, *, scale: float = 1.0, address: int = 0) -> Point:
    return Point(
        name=f"p{address}",
        address=address,
        kind=kind,
        get=lambda: value,
        scale=scale,
        quantity=Quantity.POWER_W,
        writable=True,
    )


def words(at: Point) -> list[int]:
    registers = RegisterMap([Block(at.address, at.length, [at], functions=HOLDING)])
    return registers.read(3, at.address, at.length, 1, {})


@pytest.mark.parametrize(
    ("kind", "value", "scale", "expected"),
    [
        (Kind.U16, 6553.4, 0.1, [0xFFFE]),
        (Kind.U16, 1e9, 1.0, [0xFFFE]),
        (Kind.U16, None, 1.0, [0xFFFF]),
        (Kind.I16, -1.0, 1.0, [0xFFFF]),
        (Kind.I16, None, 1.0, [0x8000]),
        (Kind.I16, nan, 1.0, [0x8000]),
        (Kind.I32, -2.0, 1.0, [0xFFFF, 0xFFFE]),
        (Kind.U32, None, 1.0, [0xFFFF, 0xFFFF]),
        (Kind.ACC32, 2.0**32 + 5, 1.0, [0, 5]),
        (Kind.ACC32, None, 1.0, [0, 0]),
        (Kind.U64, 65536.0, 1.0, [0, 0, 1, 0]),
        (Kind.F32, 1.0, 1.0, [0x3F80, 0]),
        (Kind.F32, None, 1.0, [0x7FC0, 0]),
        (Kind.F64, 1.0, 1.0, [0x3FF0, 0, 0, 0]),
    ],
)
def test_a_value_is_scaled_clamped_or_marked_as_not_available(
    kind: Kind, value: Raw, scale: float, expected: list[int]
) -> None:
    assert words(point(kind, value, scale=scale)) == expected


def test_a_text_fills_its_registers_with_nul() -> None:
    text = Point(name="t", address=10, kind=Kind.TEXT, get=lambda: "ess0", words=4)
    assert struct.pack(">4H", *words(text)) == b"ess0\0\0\0\0"


@given(
    kind=st.sampled_from([Kind.I16, Kind.U16, Kind.I32, Kind.F32, Kind.F64]),
    value=st.floats(0, 3000),
    scale=st.sampled_from([1.0, 0.1, 10.0]),
)
def test_what_is_written_reads_back_within_one_count(
    kind: Kind, value: float, scale: float
) -> None:
    at = point(kind, value, scale=scale)
    back = at.decode(words(at))
    assert back is not None
    if kind in (Kind.F32, Kind.F64):
        assert back / scale == pytest.approx(value, rel=1e-6)
    else:
        assert back == pytest.approx(value, abs=0.51 * scale)


def test_a_written_not_available_is_no_value() -> None:
    assert point(Kind.F32, 0).decode([0x7FC0, 0]) is None
    assert point(Kind.U16, 0).decode([0xFFFF]) is None


def test_registers_between_points_read_as_unused_and_beyond_them_nothing_is_there() -> None:
    block = Block(100, 6, [point(Kind.U16, 7, address=102)], functions=HOLDING, unused=9)
    registers = RegisterMap([block])
    assert registers.read(3, 100, 6, 1, {}) == [9, 9, 7, 9, 9, 9]
    for function, address, count in ((3, 99, 2), (3, 105, 2), (4, 102, 1), (3, 200, 1)):
        with pytest.raises(AddressError):
            registers.read(function, address, count, 1, {})


def test_a_read_may_span_adjoining_blocks() -> None:
    one = Block(0, 2, [point(Kind.U16, 1)], functions=HOLDING)
    two = Block(2, 2, [point(Kind.U16, 2, address=2)], functions=HOLDING)
    assert RegisterMap([two, one]).read(3, 0, 4, 1, {}) == [1, 0xFFFF, 2, 0xFFFF]


def test_an_image_is_kept_until_the_stamp_changes() -> None:
    values = iter(range(10))
    at = Point(name="n", address=0, kind=Kind.U16, get=lambda: next(values))
    registers = RegisterMap([Block(0, 1, [at], functions=HOLDING)])
    assert [registers.read(3, 0, 1, stamp, {})[0] for stamp in (1, 1, 2, 2, 3)] == [0, 0, 1, 1, 2]


def test_half_of_a_value_cannot_be_written() -> None:
    registers = RegisterMap([Block(0, 4, [point(Kind.F32, 0)], functions=HOLDING)])
    assert [v for _, v in registers.written(0, [0x3F80, 0])] == [1.0]
    for address, written in ((0, [1]), (1, [1]), (0, [0, 0, 0]), (2, [0])):
        with pytest.raises(AddressError):
            registers.written(address, written)


def test_points_that_overlap_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="p1 does not fit"):
        Block(0, 4, [point(Kind.F32, 0), point(Kind.U16, 0, address=1)], functions=HOLDING)
    assert isnan(Kind.F32.value.absent)


@pytest.mark.parametrize(
    ("model", "length"),
    [(1, 66), (103, 50), (120, 26), (123, 24), (701, 153), (704, 65), (713, 7), (802, 62)],
)
def test_sunspec_layouts_have_their_standard_lengths(model: int, length: int) -> None:
    assert model_length(model) == length
    assert model in LAYOUTS
