"""Energy counters against integrated power: one number says how well the two agree."""

from dataclasses import dataclass
import itertools
from typing import Final

from .proof import Part, Subject
from .proof_trace import Sample, Trace

LATENCY_S: Final = 15.0
"""Counters are read less often than power, and some devices refresh them lazily."""
ONE_WAY: Final = 10.0
"""Energy went one way when that way had so many times as much as the other."""
LEAST_WH: Final = 2.0
SURE: Final = 0.3
"""An agreement whose doubt is above this says nothing."""
LEAST_SOC: Final = 0.03
LEAST_CHARGE: Final = 0.015
"""As a share of the capacity: below it, what the battery needs for itself may explain all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the counters moved while power was integrated, both into the same direction."""

    ratio: float
    """Counted by integrated energy: 1 where both agree, -1 where one has the wrong sign."""
    doubt: float
    """By how much the ratio may be off, from when and how often both were read."""
    span_s: float

    def near(self, ratio: float, tolerance: float) -> bool:
        """Tell whether the ratio is this one, within the tolerance and the doubt."""
        return abs(self.ratio - ratio) <= tolerance + self.doubt

    @property
    def factor(self) -> float | None:
        """Return what power has to be multiplied by where it is off by a factor of 1000."""
        for factor in (1000.0, 0.001):
            if 0.5 * factor <= abs(self.ratio) <= 2.0 * factor:
                return factor
        return None


def agreement(subject: Subject, trace: Trace) -> Agreement | None:
    """Compare the energy counters with the power; None while too little moved.

    Between the first and the last step of a counter its energy is exact, however coarse it
    is. Batteries and PV count as export what they give, meters and loads as import what
    they take.
    """
    samples = trace.samples
    steps = [b for a, b in itertools.pairwise(samples) if a[4:6] != b[4:6]]
    if len(steps) < 2:  # noqa: PLR2004 - a first step and a last one
        return None
    first, last = steps[0], steps[-1]
    taken_wh, given_wh = last.positive_wh - first.positive_wh, last.negative_wh - first.negative_wh
    if subject.part in (Part.BATTERY, Part.PV):
        taken_wh, given_wh = given_wh, taken_wh
    counted_wh, power_wh = _both(first, last, taken_wh, given_wh)
    if not counted_wh or not power_wh or max(abs(counted_wh), abs(power_wh)) < LEAST_WH:
        return None
    most_w = max(abs(s.power_w) for s in samples if first.at_s <= s.at_s <= last.at_s)
    slack_s = LATENCY_S + 2.0 * max(trace.poll_s, _spacing_s(samples))
    return Agreement(
        ratio=counted_wh / power_wh,
        doubt=2.0 * slack_s * most_w / 3600.0 / abs(power_wh) + trace.missed_share,
        span_s=last.at_s - first.at_s,
    )


def _both(
    first: Sample, last: Sample, taken_wh: float, given_wh: float
) -> tuple[float | None, float | None]:
    """Return counted and integrated energy into one direction; None where it went both ways."""
    if first.import_wh is not None and last.import_wh is not None:
        imported_wh = last.import_wh - first.import_wh
        if first.export_wh is not None and last.export_wh is not None:
            net_wh = imported_wh - (last.export_wh - first.export_wh)
            # Some meters count phases apart, so that both counters rise at once: their
            # difference is the same for all.
            if abs(taken_wh - given_wh) < 0.5 * (taken_wh + given_wh):
                return None, None
            return net_wh, taken_wh - given_wh
        return imported_wh, _one_way(taken_wh, given_wh)
    if first.export_wh is not None and last.export_wh is not None:
        return last.export_wh - first.export_wh, _one_way(given_wh, taken_wh)
    return None, None


def _one_way(this_wh: float, other_wh: float) -> float | None:
    if this_wh >= ONE_WAY * other_wh:
        return this_wh
    if other_wh >= ONE_WAY * this_wh:
        return -other_wh
    return None


def _spacing_s(samples: list[Sample]) -> float:
    return (samples[-1].at_s - samples[0].at_s) / max(len(samples) - 1, 1)


def charge_agreement(subject: Subject, trace: Trace) -> float | None:
    """Return the energy by state of charge, per integrated energy; None while little moved.

    It is about 1, and about -1 where the power has the wrong sign. A state of charge that
    leaps (a recalibration) says nothing.
    """
    told = [s for s in trace.samples if s.soc is not None]
    if not subject.capacity_wh or len(told) < 2:  # noqa: PLR2004
        return None
    first, last = told[0], told[-1]
    leaps = [
        abs(b.soc - a.soc)
        for a, b in itertools.pairwise(told)
        if a.soc is not None and b.soc is not None
    ]
    if first.soc is None or last.soc is None or max(leaps) > 0.5 * LEAST_SOC:
        return None
    emptied_wh = (first.soc - last.soc) * subject.capacity_wh
    given_wh = last.positive_wh - first.positive_wh
    taken_wh = last.negative_wh - first.negative_wh
    net_wh = given_wh - taken_wh
    if abs(first.soc - last.soc) < LEAST_SOC or abs(net_wh) < 0.5 * (given_wh + taken_wh):
        return None
    return emptied_wh / net_wh if abs(net_wh) >= LEAST_CHARGE * subject.capacity_wh else None
