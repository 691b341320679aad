"""The grid operator's limit: what it is now, and what holds when its signal is lost.

A limit comes and goes with its signal. Who does not hear the signal any more does not know
whether there is a limit: for a moment the last word holds, then the fail-safe value does,
until the signal is back. Losing the signal never lifts a limit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
import re
from typing import Final

GRACE: Final = timedelta(seconds=120)
"""So long the last word holds after the signal is lost: an integration that is reloaded."""

_IN_TEXT: Final = re.compile(r"(?<![\w.,])(\d{1,6}(?:[.,]\d{1,3})?)\s*(k|M)?W\b")
_WATTS: Final = {"": 1.0, "k": 1_000.0, "M": 1_000_000.0}


class Source(StrEnum):
    """Where the limit in force comes from."""

    NONE = "none"
    SIGNAL = "signal"
    LAST_WORD = "last_word"
    """The signal is lost since a moment ago."""
    FAIL_SAFE = "fail_safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a site treats its operator's signal."""

    fail_safe_w: float
    """The most that may be drawn while the signal is lost."""
    lasts: timedelta | None = None
    """A limit ends so long after it was set; None: when the signal takes it back."""
    silence: timedelta | None = None
    """A signal that has not been reported for so long is lost; None: only one that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the signal says."""

    limit_w: float | None
    """None: no limit."""
    since: datetime
    """When it began to say so."""
    reported: datetime
    """When it last said so."""
    until: datetime | None = None
    """The end, where the signal names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What may be drawn now."""

    limit_w: float | None
    """None: no limit."""
    source: Source
    until: datetime | None = None


class LimitKeeper:
    """Turns what is heard into what is in force."""

    def __init__(self, rule: Rule) -> None:
        """Start without having heard anything: the fail-safe value holds."""
        self.rule = rule
        self._last: Heard | None = None
        self._last_at: datetime | None = None

    def in_force(self, heard: Heard | None, now: datetime) -> InForce:
        """Return the limit at a moment (UTC); ``heard`` is None while there is no signal."""
        silence = self.rule.silence
        if heard is not None and (silence is None or now - heard.reported <= silence):
            self._last, self._last_at = heard, now
            return self._said(heard, now, Source.SIGNAL)
        if self._last is not None and self._last_at is not None and now - self._last_at <= GRACE:
            return self._said(self._last, now, Source.LAST_WORD)
        return InForce(limit_w=self.rule.fail_safe_w, source=Source.FAIL_SAFE)

    def _said(self, heard: Heard, now: datetime, source: Source) -> InForce:
        if heard.limit_w is None:
            return InForce(limit_w=None, source=Source.NONE)
        ends = [heard.until] if heard.until is not None else []
        if self.rule.lasts is not None:
            ends.append(heard.since + self.rule.lasts)
        until = min(ends, default=None)
        if until is not None and now >= until:
            return InForce(limit_w=None, source=Source.NONE)
        return InForce(limit_w=heard.limit_w, source=source, until=until)


def limit_in_text(text: object) -> float | None:
    """Return the power that a text names, W: "Max. 40 kW" is 40000. None without one."""
    if not isinstance(text, str) or (match := _IN_TEXT.search(text)) is None:
        return None
    watts = float(match[1].replace(",", ".")) * _WATTS[match[2] or ""]
    return watts if watts > 0.0 else None
