"""A link that tells anything but the truth: real frames on their way back, changed or replaced."""

import struct
from typing import Final, override

from hypothesis import strategies as st

from .gateway import Gateway

HEADER_LENGTH: Final = 6
NAN: Final = struct.pack(">f", float("nan"))
INFINITE: Final = struct.pack(">f", float("-inf"))
ABSENT: Final = b"\x80\x00"

type Lie = tuple[str, int, bytes]
"""What is done to an answer, where, and with which bytes."""

KINDS: Final = (
    "truth",
    "flip",
    "cut",
    "silent",
    "garbage",
    "appended",
    "twice",
    "transaction",
    "protocol",
    "length",
    "unit",
    "function",
    "exception",
    "count",
    "fill",
)


def lies() -> st.SearchStrategy[Lie]:
    """Return what a link may do to one answer."""
    patterns = st.sampled_from([NAN, INFINITE, ABSENT, b"\xff\xff", b"\x00\x00", b"\x7f\xff"])
    content = patterns | st.binary(min_size=1, max_size=40)
    return st.tuples(st.sampled_from(KINDS), st.integers(0, 300), content)


def told(answer: bytes, lie: Lie) -> bytes:
    """Return what arrives instead of a true answer."""
    kind, where, content = lie
    at = where % len(answer)
    word, byte = struct.pack(">H", where), bytes([where % 256])
    refusal = bytes([answer[6], answer[7] | 0x80, where % 256])
    flipped = bytes(a ^ b for a, b in zip(answer[at:], content, strict=False))
    return {
        "truth": answer,
        "flip": _with(answer, at, flipped),
        "cut": answer[:at],
        "silent": b"",
        "garbage": content,
        "appended": answer + content,
        "twice": answer + answer,
        "transaction": _with(answer, 0, word),
        "protocol": _with(answer, 2, word),
        "length": _with(answer, 4, word),
        "unit": _with(answer, 6, byte),
        "function": _with(answer, 7, byte),
        "exception": answer[:4] + struct.pack(">H", len(refusal)) + refusal,
        "count": _with(answer, 8, byte),
        "fill": _with(answer, 9, (content * len(answer))[: max(len(answer) - 9, 0)]),
    }[kind]


def _with(answer: bytes, at: int, content: bytes) -> bytes:
    """Return the answer with other bytes from a place on, as long as it was."""
    return (answer[:at] + content + answer[at + len(content) :])[: len(answer)]


class Liar(Gateway):
    """A gateway whose answers are lies as long as there are any left; then the truth."""

    lies: list[Lie]

    @override
    async def _forward(self, request: bytes) -> bytes:
        answer = await super()._forward(request)
        return told(answer, self.lies.pop()) if self.lies else answer
