"""Numbers from the field may be missing or not finite; these make them safe to use."""

import math
from typing import TypeIs


def known(value: float | None) -> TypeIs[float]:
    """Tell whether there is a number at all."""
    return value is not None and math.isfinite(value)


def not_negative(value: float | None, default: float = 0.0) -> float:
    """Return the number, at least 0; the default where there is none."""
    if not known(value):
        value = default if known(default) else 0.0
    return max(value, 0.0)
