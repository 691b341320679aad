"""Watching devices for what they do not say of themselves: frozen values, ignored commands."""

from dataclasses import dataclass
from typing import Final, TypeGuard

from .model import Quantity, Reading
from .numbers import known

FROZEN_S: Final = 60.0
"""No measured grid stays the same to the last bit for this long."""
FOLLOW_S: Final = 20.0
"""How long a battery may differ from its command before that counts as not following."""
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
    """Tells whether a battery does what it is told."""

    sure: bool = False
    """True once it was seen to follow; not knowing any better is not that."""
    _since_s: float | None = None

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
        battery that tapers off at its limits follows well enough.
        """
        if commanded_w is None or not known(power_w) or now_s < changed_s + settle_s:
            self._since_s = None
            self.sure = False
            return True
        asked_w = max(-limit_w, min(commanded_w, limit_w))
        tolerance_w = max(FOLLOW_TOLERANCE * abs(asked_w), FOLLOW_LEAST_W)
        if abs(power_w - asked_w) <= tolerance_w:
            self._since_s = None
            # Doing nothing proves nothing: a battery that ignores everything idles, too.
            self.sure = abs(asked_w) > FOLLOW_LEAST_W
            return True
        self.sure = False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s < FOLLOW_S
