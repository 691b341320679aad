"""Watching devices for what they do not say of themselves: frozen values, ignored commands."""

from collections import deque
from dataclasses import dataclass, field
import math
from typing import Final, TypeGuard

from .model import Quantity, Reading
from .numbers import known

STALE_POLLS: Final = 5.0
STALE_LEAST_S: Final = 5.0
FROZEN_S: Final = 60.0
"""No measured grid stays the same to the last bit for this long."""
FOLLOW_S: Final = 20.0
"""How long a battery may differ from its command before that counts as not following."""
FORGIVEN_S: Final = 3.0
"""It follows again once it has done so for this long: one that wavers has another master."""
REPEAT_S: Final = 5.0
"""After this long a battery that does not follow is told once more: it may have restarted."""
FOLLOW_TOLERANCE: Final = 0.15
FOLLOW_LEAST_W: Final = 500.0
PLAUSIBLE_CONNECTIONS: Final = 3.0
"""More than so many times the grid connection is an error of unit or a broken reading."""

_LIVELY: Final = (
    Quantity.POWER_W,
    Quantity.POWER_L1_W,
    Quantity.POWER_L2_W,
    Quantity.POWER_L3_W,
    Quantity.VOLTAGE_L1_V,
    Quantity.CURRENT_L1_A,
)


def stale_after_s(poll_s: float) -> float:
    """Return the age (s) from which a reading that comes every ``poll_s`` is not acted on."""
    return max(STALE_LEAST_S, STALE_POLLS * poll_s)


def plausible(power_w: float | None, connection_w: float) -> TypeGuard[float]:
    """Tell whether a power (W) can be true at a grid connection that carries so much (W)."""
    return known(power_w) and abs(power_w) <= PLAUSIBLE_CONNECTIONS * connection_w


@dataclass(slots=True)
class FreshnessCheck:
    """Tells since when a meter's values are what they are.

    A gateway that lost its meter goes on answering with the last values. They come with
    new time stamps, so only their not moving gives them away.
    """

    _seen: tuple[object, ...] = ()
    _since_s: float = 0.0

    def age_s(self, reading: Reading, now_s: float) -> float:
        """Return how old the reading is; since its values froze, where they did."""
        get = reading.values.get
        seen = tuple([get(quantity) for quantity in _LIVELY])
        # A lone zero is what an idle meter says; several live values never stand still.
        if seen != self._seen or len(seen) - seen.count(None) - seen.count(0.0) < 2:  # noqa: PLR2004
            self._seen, self._since_s = seen, reading.monotonic_s
        frozen_s = reading.monotonic_s - self._since_s
        if frozen_s > FROZEN_S:
            return now_s - self._since_s
        return max(now_s - reading.monotonic_s, 0.0)


@dataclass(slots=True)
class FollowCheck:
    """Tells whether a battery does what it is told.

    Under a noisy load commands change faster than a battery settles. So its power is held
    against all commands that may still be taking effect: it follows while it lies among
    them, or between what it did before it was commanded and the first of them.
    """

    sure: bool = False
    """True once it was seen to follow; not knowing any better is not that."""
    _asked: deque[tuple[float, float]] = field(default_factory=deque)
    """What it may still be doing: W, and the monotonic second up to which it was asked for."""
    _now_asked_w: float | None = None
    _taken_s: float = 0.0
    _since_s: float | None = None
    _back_s: float | None = None

    def reset(self) -> None:
        """Forget everything: the battery is not commanded."""
        self.sure = False
        self._asked.clear()
        self._now_asked_w = self._since_s = None

    def strayed_s(self, now_s: float) -> float:
        """Return for how long the battery has not followed (s); 0 while it does."""
        return now_s - self._since_s if self._since_s is not None else 0.0

    def follows(
        self,
        *,
        now_s: float,
        commanded_w: float | None,
        changed_s: float,
        settle_s: float,
        power_w: float | None,
        limit_w: float,
    ) -> bool:
        """Take what was asked and what is metered (W, discharge +); False: it does not.

        ``limit_w`` is the most that the battery can give or take in this direction now; a
        battery that tapers off at its limits follows well enough. The command has been
        what it is since ``changed_s``, and shows in the readings after ``settle_s``.
        """
        if commanded_w is None or not known(power_w):
            self.reset()
            return True
        asked_w = max(-limit_w, min(commanded_w, limit_w))
        if self._now_asked_w is None:
            self._taken_s = changed_s
            self._asked.append((power_w, changed_s))
        elif asked_w != self._now_asked_w:
            self._asked.append((self._now_asked_w, changed_s))
        self._now_asked_w = asked_w
        while self._asked and now_s >= self._asked[0][1] + settle_s:
            self._asked.popleft()
        low_w = min(asked_w, *(w for w, _ in self._asked), math.inf)
        high_w = max(asked_w, *(w for w, _ in self._asked), -math.inf)
        tolerance_w = max(FOLLOW_TOLERANCE * max(abs(low_w), abs(high_w)), FOLLOW_LEAST_W)
        if low_w - tolerance_w <= power_w <= high_w + tolerance_w:
            self._back_s = now_s if self._back_s is None else self._back_s
            if now_s - self._back_s >= FORGIVEN_S:
                self._since_s = None
            # Doing nothing proves nothing: a battery that ignores everything idles, too.
            settled = now_s >= self._taken_s + settle_s and self._since_s is None
            self.sure = settled and min(abs(power_w), abs(asked_w)) > FOLLOW_LEAST_W
            return True
        self.sure = False
        self._back_s = None
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s < FOLLOW_S
