"""What a cluster's queue adds to the forecast of the load: one more model among others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from .forecast import LEADS
from .plan import Floats

_SHARPNESS: Final = 4.0
"""A model half as wrong as another weighs 2 to this power more."""


@dataclass(frozen=True, slots=True, eq=False)
class QueueOutlook:
    """How the load will change by jobs that end and jobs that start."""

    change_w: Floats
    """Shape (n,): the mean of each quarter to come, against the load now, as believed."""
    skill: Floats
    """At LEADS: its error, of that of persistence; 1 where nothing is known."""


def combined(outlooks: Iterable[QueueOutlook]) -> QueueOutlook | None:
    """Return all clusters of a site as one, as sure as the least sure; None without any."""
    each = list(outlooks)
    if not each:
        return None
    shortest = min(len(one.change_w) for one in each)
    change_w = np.sum([one.change_w[:shortest] for one in each], axis=0)
    return QueueOutlook(change_w, np.max([one.skill for one in each], axis=0))


def blended(
    load_w: Floats, outlook: QueueOutlook, errors: Mapping[int, tuple[float, float]]
) -> Floats:
    """Return a forecast with what the queue says of it, shape (n,); the first value is now.

    ``load_w``: the forecast without it. ``errors``: per lead in quarters, the mean absolute
    error of that forecast and of persistence. Where the queue was not better lately, or says
    nothing, the forecast stays as it is.
    """
    leads = np.arange(1, min(len(load_w), len(outlook.change_w) + 1))
    known = sorted(lead for lead in errors if errors[lead][1] > 0.0)
    ratios = [errors[lead][0] / errors[lead][1] for lead in known]
    alone = np.interp(leads, known, ratios) if known else np.ones(len(leads))
    queue = np.interp(leads, LEADS, outlook.skill)
    strong = alone**_SHARPNESS
    weight = np.where(queue < alone, strong / (strong + queue**_SHARPNESS + 1e-12), 0.0)
    said_w = np.maximum(load_w[0] + outlook.change_w[: len(leads)], 0.0)
    result = load_w.copy()
    result[leads] += weight * (said_w - load_w[leads])
    return result
