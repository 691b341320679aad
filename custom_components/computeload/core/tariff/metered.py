"""Closed metering windows as columns, and their means over a charge's own windows."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ..window import Window
from .calendar import Instants
from .spec import HOUR_S, DemandQuantity

type Floats = NDArray[np.float64]

_LONGEST_STEP_S: Final = HOUR_S


@dataclass(frozen=True, slots=True)
class Metered:
    """Windows of one length in the order of time: shape (n,) each.

    Make one with ``of`` or ``from_windows``; they sort, check and drop what is not known.
    """

    step_s: int
    starts: Instants
    """Seconds since 1970, UTC."""
    import_wh: Floats
    export_wh: Floats
    import_kva: Floats | None = None
    """The mean apparent power of each window, where the meter gives it; NaN: not known."""

    @classmethod
    def of(
        cls,
        starts: Instants,
        import_wh: Floats,
        export_wh: Floats | None = None,
        import_kva: Floats | None = None,
        *,
        step_s: int = 900,
    ) -> Self:
        """Return checked windows in the order of time.

        A window whose import is not finite is not known and left out, negative energy
        counts as 0. Raises ValueError for a step that does not divide the hour, starts off
        the clock, two windows with one start, or columns of different lengths.
        """
        if not 0 < step_s <= _LONGEST_STEP_S or _LONGEST_STEP_S % step_s:
            raise ValueError(f"windows of {step_s} s do not divide the hour")
        if export_wh is None:
            export_wh = np.zeros_like(import_wh)
        columns = [import_wh, export_wh, *([] if import_kva is None else [import_kva])]
        if any(column.shape != starts.shape for column in columns):
            raise ValueError("the columns of the windows differ in length")
        known = np.flatnonzero(np.isfinite(import_wh))
        order = known[np.argsort(starts[known], kind="stable")]
        starts = starts[order]
        if np.any(starts % step_s) or np.any(np.diff(starts) == 0):
            raise ValueError("windows must start on the clock, and each only once")
        return cls(
            step_s=step_s,
            starts=starts,
            import_wh=np.maximum(import_wh[order], 0.0),
            export_wh=np.maximum(np.nan_to_num(export_wh[order], posinf=0.0, neginf=0.0), 0.0),
            import_kva=None if import_kva is None else import_kva[order],
        )

    @classmethod
    def from_windows(cls, windows: Iterable[Window], *, step_s: int = 900) -> Self:
        """Return the closed windows that the tracker yields, all of ``step_s`` length."""
        listed = list(windows)
        return cls.of(
            np.array([round(window.start.timestamp()) for window in listed], dtype=np.int64),
            np.array([window.energy_wh for window in listed], dtype=np.float64),
            step_s=step_s,
        )

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.starts)

    def power_kw(self, quantity: DemandQuantity, power_factor: float) -> Floats:
        """Return the mean of each window in kW, for apparent power in kVA.

        Where no apparent power is known it is active power over ``power_factor``.
        """
        energy_wh = self.export_wh if quantity is DemandQuantity.EXPORT_KW else self.import_wh
        power_kw = energy_wh * (HOUR_S / 1000.0 / self.step_s)
        if quantity is not DemandQuantity.IMPORT_KVA:
            return power_kw
        assumed = power_kw / power_factor
        if self.import_kva is None:
            return assumed
        known = np.isfinite(self.import_kva) & (self.import_kva >= 0.0)
        return np.where(known, self.import_kva, assumed)


def resample(
    starts: Instants, means: Floats, step_s: int, window_s: int
) -> tuple[Instants, Floats]:
    """Return the means of windows of another length, with their starts.

    A longer window takes the sum of what is known of it: an unknown part adds nothing. A
    shorter one takes the mean of the step that it lies in, the best that can be known.
    """
    if step_s == window_s or not len(starts):
        return starts, means
    piece_s = gcd(step_s, window_s)
    if piece_s != step_s:
        parts = step_s // piece_s
        starts = (starts[:, None] + np.arange(parts) * piece_s).ravel()
        means = np.repeat(means, parts)
    windows = starts // window_s * window_s
    firsts = np.flatnonzero(np.diff(windows, prepend=windows[0] - 1))
    return windows[firsts], np.add.reduceat(means, firsts) * (piece_s / window_s)
