"""From register words to values in our units and signs, and back to words.

What ``blocks`` reads gets unit, sign, names and plausibility here, and the values that are
made from others come on top. Whatever is not finite, not
plausible or not implemented is absent. The plain numbers of a poll are decoded in one
tight loop, because the control loop polls as fast as the device answers.
"""

from collections.abc import Iterable, Mapping, Sequence
import math
from typing import Any

from modbus_connection.encode import encode_float32, encode_float64, encode_int

from ..core.model import Value
from .spec import Computed, Field, Operation, Part, Register, RegisterType


class Decoder:
    """Makes named values of raw ones, for one set of keys.

    ``prefix`` is what the raw keys have in front of the fields' own, for channels.
    """

    def __init__(
        self, fields: Iterable[Field], computed: Iterable[Computed], prefix: str = ""
    ) -> None:
        """Sort the fields by the work that they need."""
        fields = tuple(fields)
        self._numbers = [
            (prefix + f.key, f.key, f.factor, f.offset * f.factor, f.low, f.high)
            for f in fields
            if _is_plain_number(f)
        ]
        self._others = [(prefix + f.key, f) for f in fields if not _is_plain_number(f)]
        self._conditional = [f for f in fields if f.when]
        self._computed = tuple(computed)

    def decode(
        self, raw: Mapping[str, Any], channels: Sequence[Mapping[str, Value]] = ()
    ) -> dict[str, Value]:
        """Return the values that are present; ``raw`` holds what the fields read."""
        values: dict[str, Value] = {}
        for raw_key, key, factor, offset, low, high in self._numbers:
            content = raw.get(raw_key)
            if content is not None and low <= (value := content * factor + offset) <= high:
                values[key] = value
        for raw_key, field in self._others:
            content = raw.get(raw_key)
            if content is not None and (read := _read(field, content)) is not None:
                values[field.key] = read
        for field in self._conditional:
            if not all(values.get(c.key) in c.allowed for c in field.when):
                values.pop(field.key, None)
        for item in self._computed:
            if all(values.get(c.key) in c.allowed for c in item.when):
                made = _compute(item, values, channels)
                if made is not None:
                    values[item.key] = made
        return values


def _is_plain_number(field: Field) -> bool:
    """Whether a field needs nothing but a factor and a range."""
    special = (field.texts, field.numbers, field.bits, field.mask)
    return all(part is None for part in special) and not _is_string(field)


def _is_string(field: Field) -> bool:
    """Whether a field reads a text."""
    place = field.location
    register = place if isinstance(place, Register) else next(iter(place.by_model.values()))
    return register.type is RegisterType.STRING


def _read(field: Field, content: float | str) -> Value | None:
    """Return the value of a text, a table, bits, or a part of a register."""
    if isinstance(content, str):
        if not content[::2].strip("\0"):
            content = content[1::2]  # one character per register
        return content.replace("\0", " ").strip() or None
    if not math.isfinite(content):
        return None
    number = int(content)
    if field.mask is not None:
        number = (number & field.mask) >> ((field.mask & -field.mask).bit_length() - 1)
    if field.texts is not None:
        return field.texts.get(number, f"code {number}")
    if field.bits is not None:
        active = (bit for bit in range(number.bit_length()) if number >> bit & 1)
        return ", ".join(field.bits.get(bit, f"bit {bit}") for bit in active)
    if field.numbers is not None:
        return field.numbers.get(number)
    value = (number + field.offset) * field.factor
    return value if field.low <= value <= field.high else None


def _compute(
    item: Computed, values: Mapping[str, Value], channels: Sequence[Mapping[str, Value]]
) -> Value | None:
    """Return a value that is made from others; None while one of them is absent."""
    inputs: list[Value | None]
    if item.operation is Operation.CHANNELS:
        inputs = [channel.get(key) for channel in channels for key in item.inputs]
    else:
        inputs = [values.get(key) for key in item.inputs]
    if item.operation in {Operation.FIRST, Operation.JOIN}:
        inputs = [value for value in inputs if value is not None]
    if not inputs or None in inputs:
        return None
    if item.operation is Operation.JOIN:
        return ", ".join(str(value) for value in inputs if value != "")
    if item.operation is Operation.FIRST:
        inputs = inputs[:1]
    numbers = [value for value in inputs if isinstance(value, int | float)]
    if len(numbers) != len(inputs):
        return None
    result = _arithmetic(item.operation, numbers) * item.factor
    return result if math.isfinite(result) else None


def _arithmetic(operation: Operation, numbers: list[float]) -> float:
    """Return the outcome of an operation on numbers."""
    match operation:
        case Operation.DIFFERENCE:
            return numbers[0] - numbers[1]
        case Operation.PRODUCT:
            return math.prod(numbers)
        case Operation.LARGEST:
            return max(numbers)
        case Operation.SMALLEST:
            return min(numbers)
        case Operation.FIRST:
            return numbers[0]
        case _:
            return sum(numbers)


def encode(part: Part, register: Register, value: float, exponent: int = 0) -> list[int]:
    """Return the words of a value, clamped to what the registers can express.

    ``value`` is finite and in the unit of the part; ``exponent`` is the power of ten of
    the register's own scale. A pattern that means "no value" is never written.
    """
    clamped = min(max(value, part.low), part.high)
    raw = (clamped / part.factor - part.offset) / 10.0**exponent
    if register.type is RegisterType.FLOAT32:
        return encode_float32(min(max(raw, -3.4e38), 3.4e38), word_order=register.word_order)
    if register.type is RegisterType.FLOAT64:
        return encode_float64(raw, word_order=register.word_order)
    bits = 16 * register.count
    signed = register.type.is_signed
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    while low % (1 << bits) in register.nan:
        low += 1
    while high in register.nan:
        high -= 1
    return encode_int(
        round(min(max(raw, low), high)), count=register.count, word_order=register.word_order
    )
