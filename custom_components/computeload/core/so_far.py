"""The running window so far, for a plan that is made in the middle of it.

A plan's first step is the whole window: what was drawn until now belongs to it, and what
the batteries held when it began.
"""

from dataclasses import dataclass
from datetime import datetime

from .window import WINDOW_S, window_start

_LONGEST_S = 120.0
"""A power that was seen speaks for no longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the window that is running will probably have been."""

    start: datetime
    load_w: float
    pv_w: float
    stored_wh: float
    """What the batteries held when it began."""


class SoFar:
    """Adds up load and PV of the running window."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._start: datetime | None = None
        self._seen: tuple[datetime, float, float] | None = None
        self._covered_s = self._load_ws = self._pv_ws = 0.0
        self._stored_wh: float | None = None

    def see(self, at: datetime, load_w: float, pv_w: float, stored_wh: float) -> None:
        """Take what holds from now on."""
        start = window_start(at)
        if start != self._start:
            self._start, self._stored_wh = start, stored_wh
            self._covered_s = self._load_ws = self._pv_ws = 0.0
        elif self._seen is not None:
            before, was_load_w, was_pv_w = self._seen
            lasted_s = min((at - before).total_seconds(), _LONGEST_S)
            if lasted_s > 0.0:
                self._covered_s += lasted_s
                self._load_ws += was_load_w * lasted_s
                self._pv_ws += was_pv_w * lasted_s
        self._seen = at, load_w, pv_w

    def window(self) -> Window | None:
        """Return the window as it will be if load and PV stay; None before anything is seen."""
        if self._seen is None or self._start is None or self._stored_wh is None:
            return None
        _, load_w, pv_w = self._seen
        left_s = max(WINDOW_S - self._covered_s, 0.0)
        whole_s = self._covered_s + left_s
        return Window(
            start=self._start,
            load_w=(self._load_ws + load_w * left_s) / whole_s,
            pv_w=(self._pv_ws + pv_w * left_s) / whole_s,
            stored_wh=self._stored_wh,
        )
