"""What one device said over a while, thinned so that an hour of it stays small."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .model import Quantity, Reading
from .numbers import known
from .overrides import PHASE_POWERS
from .watch import FROZEN_S, FreshnessCheck

KEPT: Final = 512
POLLS_KEPT: Final = 120
LONGEST_S: Final = 3600.0
GAP_S: Final = 30.0
GAP_POLLS: Final = 5.0
_VOLTS: Final = (Quantity.VOLTAGE_L1_V, Quantity.VOLTAGE_L2_V, Quantity.VOLTAGE_L3_V)
_AMPS: Final = (Quantity.CURRENT_L1_A, Quantity.CURRENT_L2_A, Quantity.CURRENT_L3_A)


class Sample(NamedTuple):
    """One moment. What the device did not say is None."""

    at_s: float
    power_w: float
    phases_w: tuple[float, float, float] | None
    apparent_va: float | None
    """The sum of volts times amperes over the phases; has no sign."""
    import_wh: float | None
    export_wh: float | None
    soc: float | None
    positive_wh: float
    """The energy under the power curve since the trace began, where it was above 0."""
    negative_wh: float
    """The same where it was below 0, as a positive number."""


@dataclass(slots=True)
class Trace:
    """Takes every reading of a device, keeps some of them, integrates all of them."""

    poll_s: float
    samples: list[Sample] = field(default_factory=list)
    polls: deque[bool] = field(default_factory=lambda: deque(maxlen=POLLS_KEPT))
    """Whether the last polls were answered, oldest first."""
    moved: bool = False
    """Whether any of the live values ever changed."""
    frozen: bool = False
    """Whether all of them have stood still for too long to be true."""
    _fresh: FreshnessCheck = field(default_factory=FreshnessCheck)
    _last: Sample | None = None
    _spacing_s: float = 0.0

    def miss(self) -> None:
        """Count a poll without an answer."""
        self.polls.append(False)

    def add(self, reading: Reading) -> None:
        """Take a reading. After a gap, or a counter that fell, the trace begins anew."""
        power_w = reading.number(Quantity.POWER_W)
        if not known(power_w):
            self.miss()
            return
        self.polls.append(True)
        self.frozen = self._fresh.age_s(reading, reading.monotonic_s) > FROZEN_S
        sample, before = _sample(reading, power_w), self._last
        if before is not None:
            if sample.at_s <= before.at_s:
                return
            self.moved |= sample[1:5] != before[1:5]
            if self._broken(before, sample):
                self.samples.clear()
                self._spacing_s = 0.0
            else:
                sample = _integrated(before, sample)
        self._last = sample
        if not self.samples or sample.at_s - self.samples[-1].at_s >= self._spacing_s:
            self._keep(sample)

    @property
    def latest(self) -> Sample | None:
        """Return the newest sample, kept or not."""
        return self._last

    @property
    def missed(self) -> int:
        """Return how many of the last polls had no answer."""
        return self.polls.count(False)

    @property
    def missed_share(self) -> float:
        """Return the share of polls without an answer."""
        return self.missed / max(len(self.polls), 1)

    def since(self, seconds: float) -> list[Sample]:
        """Return the kept samples of the last so many seconds, oldest first."""
        if not self.samples:
            return []
        from_s = self.samples[-1].at_s - seconds
        return [sample for sample in self.samples if sample.at_s >= from_s]

    def _broken(self, before: Sample, sample: Sample) -> bool:
        gap_s = max(GAP_S, GAP_POLLS * self.poll_s)
        fell = any(
            old is not None and new is not None and new < old
            for old, new in (
                (before.import_wh, sample.import_wh),
                (before.export_wh, sample.export_wh),
            )
        )
        return fell or sample.at_s - before.at_s > gap_s

    def _keep(self, sample: Sample) -> None:
        self.samples.append(sample)
        if len(self.samples) < KEPT:
            return
        span_s = sample.at_s - self.samples[0].at_s
        if span_s >= LONGEST_S:
            del self.samples[: KEPT // 2]
        else:
            self.samples = self.samples[::2]
            self._spacing_s = 2.0 * span_s / KEPT


def _sample(reading: Reading, power_w: float) -> Sample:
    l1, l2, l3 = (reading.number(quantity) for quantity in PHASE_POWERS)
    pairs = [
        (reading.number(volt), reading.number(ampere))
        for volt, ampere in zip(_VOLTS, _AMPS, strict=True)
    ]
    apparent = [abs(u * i) for u, i in pairs if known(u) and known(i)]
    return Sample(
        at_s=reading.monotonic_s,
        power_w=power_w,
        phases_w=(l1, l2, l3) if known(l1) and known(l2) and known(l3) else None,
        apparent_va=sum(apparent) if apparent else None,
        import_wh=_known(reading.number(Quantity.ENERGY_IMPORT_WH)),
        export_wh=_known(reading.number(Quantity.ENERGY_EXPORT_WH)),
        soc=_known(reading.number(Quantity.SOC)),
        positive_wh=0.0,
        negative_wh=0.0,
    )


def _known(value: float | None) -> float | None:
    return value if known(value) else None


def _integrated(before: Sample, sample: Sample) -> Sample:
    """Return the sample with the energy since the one before, by the trapezoidal rule."""
    half_h = (sample.at_s - before.at_s) / 7200.0
    positive_w = max(before.power_w, 0.0) + max(sample.power_w, 0.0)
    negative_w = max(-before.power_w, 0.0) + max(-sample.power_w, 0.0)
    return sample._replace(
        positive_wh=before.positive_wh + positive_w * half_h,
        negative_wh=before.negative_wh + negative_w * half_h,
    )
