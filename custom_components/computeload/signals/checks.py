"""Looking at prices with some experience: a wrong unit is off by a factor of 10 to 1000."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from ..core.series import Kind, Series
from .error import SignalError

PER_EURO: Final[Mapping[str, float]] = {
    "AUD": 1.7,
    "BAM": 2.0,
    "BGN": 2.0,
    "BRL": 6.0,
    "CAD": 1.6,
    "CHF": 1.0,
    "CZK": 25.0,
    "DKK": 7.5,
    "EUR": 1.0,
    "GBP": 0.9,
    "HUF": 400.0,
    "INR": 95.0,
    "ISK": 145.0,
    "JPY": 165.0,
    "MKD": 61.5,
    "NOK": 11.5,
    "NZD": 1.9,
    "PLN": 4.3,
    "RON": 5.0,
    "RSD": 117.0,
    "SEK": 11.3,
    "TRY": 45.0,
    "UAH": 48.0,
    "USD": 1.1,
}
"""About how many to the euro: only good for telling a price from a thousand times it."""

DEAREST: Final = 15.0
"""EUR/kWh. No market lets a price go higher: 5 in Europe, about 12 in Australia."""
DEAREST_USUAL: Final = 1.5
"""EUR/kWh. The middle price of a day has never been above this anywhere."""
CHEAPEST_BEST: Final = 0.003
"""EUR/kWh. A whole day on which every price is nearer to nothing is a wrong unit."""
JUMP: Final = 30.0
"""A day this many times dearer or cheaper than the days before is an error, not a crisis."""
ENOUGH: Final = timedelta(hours=20)
"""Less than this says too little of what prices are like."""


def check_prices(new: Series, past: Series, currency: str) -> None:
    """Raise SignalError where prices (currency/kWh) cannot be meant as they are written."""
    values = [abs(slot.value) for slot in new]
    if not values:
        return
    scale = PER_EURO.get(currency, 0.0)
    middle, most = median(values), max(values)
    said = {"median": f"{median([slot.value for slot in new]):.4g}", "currency": currency}
    if scale and (most > DEAREST * scale or middle > DEAREST_USUAL * scale):
        raise SignalError("price_too_high", said)
    if _long(new) and scale and most < CHEAPEST_BEST * scale:
        raise SignalError("price_too_low", said)
    if _long(new) and _long(past):
        before = [abs(slot.value) for slot in past]
        if middle > JUMP * max(before) or most * JUMP < median(before):
            usual = f"{median([slot.value for slot in past]):.4g}"
            raise SignalError("price_jumped", said | {"usual": usual})


def _long(series: Series) -> bool:
    return sum((slot.end - slot.start for slot in series), timedelta()) >= ENOUGH


def missing(series: Series, now: datetime) -> timedelta:
    """Return how much is missing between now and the end of what is published."""
    known = Series(series.unit, tuple(s for s in series if s.kind is not Kind.STAND_IN))
    if known.end is None or known.end <= now:
        return timedelta()
    return sum((end - start for start, end in known.holes(now, known.end)), timedelta())
