"""From the windows of a period to the one figure that is billed."""

from collections.abc import Sequence
import math

from .spec import HOUR_S, Op, Pick


def picked(pick: Pick, values: Sequence[float], window_s: int) -> float:
    """Return the billed figure of the groups' highest values (kW, in any order).

    With fewer than ``n`` values so far, those there are count. 0 without any.
    """
    if not values:
        return 0.0
    top = sorted(values, reverse=True)[: pick.n]
    match pick.op:
        case Op.MAX:
            figure = max(values)
        case Op.MEAN_TOP:
            figure = math.fsum(top) / len(top)
        case Op.NTH_TOP:
            figure = top[-1]
        case Op.SUM_TOP:
            figure = math.fsum(top)
        case Op.SUM:
            figure = math.fsum(values)
        case Op.RSS:
            figure = math.sqrt(math.fsum(value * value for value in values))
        case Op.HOURS:
            figure = sum(value > 0.0 for value in values) * window_s / HOUR_S
    return figure
