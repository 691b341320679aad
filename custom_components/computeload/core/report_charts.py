"""The charts of a report, as SVG that needs nothing else: colours are the page's variables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
import math
from typing import Final

from .load_shape import Heat

WIDTH: Final = 720
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 20, 12, 26
_TICKS: Final = 4
_BASES: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_LABELS: Final = 16
"""No more of them stand below a chart."""
_HEAT_ROW: Final = 20

type Say = Callable[[float], str]
"""Writes a value with its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of value, over all places of a chart; None leaves a place empty."""

    name: str
    colour: str
    """One of the page's variables, without its dashes."""
    values: Sequence[float | None]


def bars(
    title: str,
    labels: Sequence[str],
    rows: Sequence[Row],
    say: Say,
    *,
    stacked: bool = False,
    line: tuple[str, float] | None = None,
) -> str:
    """Return bars over places: side by side, or one on the other.

    ``line``: a name and a value that is drawn across. Negative bars hang down; stacked ones
    are not negative.
    """
    sums = [_sum_at(rows, place) if stacked else 0.0 for place in range(len(labels))]
    values = [value for row in rows for value in row.values if value is not None]
    scale = _Scale([*sums, *values, *([] if line is None else [line[1]])])
    room = (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    width = room * 0.8 / (1 if stacked else max(len(rows), 1))
    parts = [*_grid(scale, say)]
    for place, label in enumerate(labels):
        left, base = _LEFT + room * (place + 0.1), 0.0
        for index, row in enumerate(rows):
            value = row.values[place]
            if value is None:
                continue
            x = left if stacked else left + index * width
            low, high = sorted((scale.y(base), scale.y(base + value)))
            told = escape(f"{label}: {row.name} {say(value)}")
            parts.append(
                f'<rect x="{x:.1f}" y="{low:.1f}" width="{max(width - 1, 1):.1f}" '
                f'height="{max(high - low, 0.5):.1f}" fill="var(--{row.colour})">'
                f"<title>{told}</title></rect>"
            )
            base += value if stacked else 0.0
    parts += _labels(labels, lambda place: _LEFT + room * (place + 0.5))
    if line is not None:
        y, told = scale.y(line[1]), escape(f"{line[0]} {say(line[1])}")
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="mark">'
            f"<title>{told}</title></line>"
        )
    return _drawn(title, parts) + _legend([*((row.name, row.colour) for row in rows)], line)


def lines(title: str, rows: Sequence[Row], labels: Sequence[str], say: Say) -> str:
    """Return lines over a span that runs evenly from the first label to the last."""
    scale = _Scale([value for row in rows for value in row.values if value is not None])
    parts = [*_grid(scale, say)]
    for row in rows:
        room = (WIDTH - _LEFT - _RIGHT) / max(len(row.values) - 1, 1)
        points = " ".join(
            f"{_LEFT + room * place:.1f},{scale.y(value):.1f}"
            for place, value in enumerate(row.values)
            if value is not None
        )
        parts.append(f'<polyline points="{points}" class="line" stroke="var(--{row.colour})"/>')
    room = (WIDTH - _LEFT - _RIGHT) / max(len(labels) - 1, 1)
    parts += _labels(labels, lambda place: _LEFT + room * place)
    return _drawn(title, parts) + _legend([(row.name, row.colour) for row in rows], None)


def heat_map(title: str, days: Sequence[str], cells: Heat, say: Say) -> str:
    """Return a table of colours: a row for each weekday, a column for each hour."""
    known = [cell[0] for row in cells for cell in row if cell is not None]
    low, high = min(known, default=0), max(known, default=1)
    room = (WIDTH - _LEFT - _RIGHT) / 24
    parts = []
    for day, (name, row) in enumerate(zip(days, cells, strict=True)):
        y = _TOP + day * _HEAT_ROW
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 14}" class="end">{escape(name)}</text>')
        for hour, cell in enumerate(row):
            if cell is None:
                continue
            strength = 0.08 + 0.92 * (cell[0] - low) / max(high - low, 1)
            told = escape(f"{name} {hour:02}:00: {say(cell[0])}")
            parts.append(
                f'<rect x="{_LEFT + hour * room:.1f}" y="{y}" width="{room - 1:.1f}" '
                f'height="{_HEAT_ROW - 1}" fill="var(--load)" fill-opacity="{strength:.2f}">'
                f"<title>{told}</title></rect>"
            )
    hours = [f"{hour:02}" for hour in range(24)]
    bottom = _TOP + 7 * _HEAT_ROW + 14
    parts += _labels(hours, lambda hour: _LEFT + (hour + 0.5) * room, bottom)
    return _drawn(title, parts, bottom + 6)


class _Scale:
    """From values to heights; 0 is always in sight."""

    def __init__(self, values: Iterable[float]) -> None:
        """Take all values that have to fit."""
        known = [0.0, *values]
        self.low, self.high = min(known), max(known)
        if self.high == self.low:
            self.high = self.low + 1.0

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP)

    def ticks(self) -> Iterator[float]:
        """Yield round values within the scale."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(base * power for base in _BASES if base * power >= rough * 0.999)
        value = math.ceil(self.low / step) * step
        while value <= self.high * 1.0001:
            yield value
            value += step


def _sum_at(rows: Sequence[Row], place: int) -> float:
    return math.fsum(row.values[place] or 0.0 for row in rows)


def _grid(scale: _Scale, say: Say) -> Iterator[str]:
    for tick in scale.ticks():
        y = scale.y(tick)
        yield f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{escape(say(tick))}</text>'


def _labels(
    labels: Sequence[str], x: Callable[[int], float], y: float = HEIGHT - 8
) -> Iterator[str]:
    every = math.ceil(len(labels) / _LABELS)
    for place, label in enumerate(labels):
        if place % every == 0:
            yield f'<text x="{x(place):.1f}" y="{y}" class="middle">{escape(label)}</text>'


def _drawn(title: str, parts: Iterable[str], height: float = HEIGHT) -> str:
    box = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"'
    return f'<div class="scroll" tabindex="0"><svg {box}>{"".join(parts)}</svg></div>'


def _legend(rows: Sequence[tuple[str, str]], line: tuple[str, float] | None) -> str:
    keys = [f'<i style="background: var(--{colour})"></i>{escape(name)}' for name, colour in rows]
    if line is not None:
        keys.append(f'<i class="mark"></i>{escape(line[0])}')
    return f'<p class="legend">{" ".join(f"<span>{key}</span>" for key in keys)}</p>'
