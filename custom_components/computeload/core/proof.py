"""The words of proof: what is checked of a site, and what a check can yield.

Wrong signs, wrong units and batteries that do not obey are found before anything is
commanded on the strength of them. ``proof_trace`` keeps what the devices said,
``proof_judges`` judges it, ``proof_trial`` tries a battery out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from .overrides import Overrides

SITE: Final = ""
"""Stands where an asset's id stands, for what concerns the site as a whole."""


class Part(StrEnum):
    """What an asset is in the site's balance."""

    GRID = "grid"
    BRANCH = "branch"
    BATTERY = "battery"
    PV = "pv"
    LOAD = "load"


class Check(StrEnum):
    """What is checked."""

    FRESHNESS = "freshness"
    SIGN = "sign"
    UNIT = "unit"
    ROLE = "role"
    PHASES = "phases"
    COUNTERS = "counters"
    BALANCE = "balance"
    CLOCK = "clock"
    COMMAND = "command"


class Verdict(StrEnum):
    """How a check came out."""

    PASSED = "passed"
    FAILED = "failed"
    WAITING = "waiting"
    """Not enough was seen to tell."""
    SKIPPED = "skipped"
    """There is nothing to tell it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What would mend a finding."""

    asset_id: str
    change: Overrides = field(default_factory=Overrides)
    """Comes on top of the corrections that are in force."""
    swap_with: str | None = None
    """The meter with which it should change roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check says of one asset."""

    check: Check
    asset_id: str
    verdict: Verdict
    key: str
    """Names the sentence for the user; ``figures`` fill it."""
    figures: Mapping[str, float] = field(default_factory=dict)
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class About:
    """Makes the findings of one check of one asset."""

    check: Check
    asset_id: str

    def passed(self, key: str, figures: Mapping[str, float] | None = None) -> Finding:
        """Return that all is well."""
        return self.found(Verdict.PASSED, key, figures)

    def failed(
        self, key: str, figures: Mapping[str, float] | None = None, fix: Fix | None = None
    ) -> Finding:
        """Return that something is wrong, and what would mend it."""
        return self.found(Verdict.FAILED, key, figures, fix)

    def waiting(self, key: str, figures: Mapping[str, float] | None = None) -> Finding:
        """Return that not enough was seen."""
        return self.found(Verdict.WAITING, key, figures)

    def skipped(self, key: str) -> Finding:
        """Return that there is nothing to tell it by."""
        return self.found(Verdict.SKIPPED, key)

    def found(
        self,
        verdict: Verdict,
        key: str,
        figures: Mapping[str, float] | None = None,
        fix: Fix | None = None,
    ) -> Finding:
        """Return a finding with this verdict."""
        return Finding(
            check=self.check,
            asset_id=self.asset_id,
            verdict=verdict,
            key=key,
            figures=figures or {},
            fix=fix,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One asset as its configuration describes it."""

    asset_id: str
    part: Part
    poll_s: float
    rated_w: float | None = None
    capacity_wh: float | None = None
    controllable: bool = False
    turned: bool = False
    """Whether a correction of its sign is in force, or of the way it is commanded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """How far something moved per watt that a battery was asked for (discharge +).

    A battery's own reading should yield 1, the grid meter -1.
    """

    value: float
    error: float
    """Its standard error."""

    @property
    def blind(self) -> bool:
        """Tell whether it did not move with the battery, as far as can be told."""
        still = self.error <= QUIET and abs(self.value) + 2.0 * self.error < BLIND
        return still and not self.clear

    @property
    def clear(self) -> bool:
        """Tell whether it moved by what can be told from the rest of the load."""
        return abs(self.value) > NOTHING and self.error <= CLEAR * abs(self.value)

    @property
    def sign(self) -> int:
        """Return which way it moved; 0 while that is not clear, or where it moved too little."""
        if not self.clear or self.factor is None:
            return 0
        return 1 if self.value > 0.0 else -1

    @property
    def factor(self) -> float | None:
        """Return what it has to be multiplied by: 1, 1000 or 0.001; None: nothing of these."""
        for factor in (1.0, 1000.0, 0.001):
            if LEAST_LIKE <= abs(self.value) * factor <= MOST_LIKE:
                return factor
        return None


BLIND: Final = 0.3
QUIET: Final = 0.05
"""Only where the rest of the load was this quiet, not moving is seen to be that."""
CLEAR: Final = 0.2
NOTHING: Final = 1e-4
"""Less than what a power in MW would yield."""
LEAST_LIKE: Final = 0.6
MOST_LIKE: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What came out when a battery was tried out."""

    battery_id: str
    power_w: float
    """What it was asked for, both ways."""
    stopped: str | None = None
    """Why it was ended early; None: it went to its end."""
    reading: Slope | None = None
    meters: Mapping[str, Slope] = field(default_factory=dict)
    """Every meter, by asset id."""
    delay_s: float | None = None
    """From the command until half of it was seen."""
    error_share: float | None = None
    """How far what it gave was from what it was asked for, as a share of that."""
    released: bool | None = None
    """Whether it was seen to be free in the end; None: it does not show."""
    lapsed: bool | None = None
    """Whether a command that was not repeated lapsed; None: not waited for."""

    def clear_for(self, grid_id: str | None) -> bool:
        """Tell whether a conclusion can be drawn from it, about the battery and the meter."""
        slopes = [self.reading, self.meters.get(grid_id) if grid_id else None]
        return all(each is not None and (each.clear or each.blind) for each in slopes)


def blocking(findings: Iterable[Finding], subjects: Iterable[Subject]) -> tuple[Finding, ...]:
    """Return what has to pass before control may be switched on, and has not.

    That is all on which it depends whether a command does what it should: sign, unit and
    freshness of the grid meter, and the trial of each battery that can be commanded. A
    mistake in sign, unit or role of one of these blocks as well.
    """
    parts = {subject.asset_id: subject for subject in subjects}
    found = []
    for finding in findings:
        subject = parts.get(finding.asset_id)
        if subject is None:
            continue
        needed = subject.part is Part.GRID and finding.check in _NEEDED_OF_GRID
        needed |= subject.controllable and finding.check is Check.COMMAND
        harmful = subject.part in (Part.GRID, Part.BATTERY) and finding.check in _HARMFUL
        failed = finding.verdict is Verdict.FAILED
        if (needed and finding.verdict is not Verdict.PASSED) or (harmful and failed):
            found.append(finding)
    return tuple(found)


_NEEDED_OF_GRID: Final = (Check.FRESHNESS, Check.SIGN, Check.UNIT)
_HARMFUL: Final = (Check.SIGN, Check.UNIT, Check.ROLE)
