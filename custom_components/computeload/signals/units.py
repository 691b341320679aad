"""Units as sources write them: "EUR/MWh", "ct/kWh", "€ / kWh", "CHF_kWh"; "gCO2eq/kWh"."""

from dataclasses import dataclass
import re
from typing import Final

_PATTERN: Final = re.compile(r"\s*(?P<money>\S+?)\s*[/_ ]\s*(?P<energy>[kmg]?wh)\s*", re.IGNORECASE)
_ENERGY: Final = {"wh": 0.001, "kwh": 1.0, "mwh": 1_000.0, "gwh": 1_000_000.0}
_MONEY: Final[dict[str, tuple[str | None, float]]] = {
    "€": ("EUR", 1.0),
    "£": ("GBP", 1.0),
    "$": (None, 1.0),
    "kr": (None, 1.0),
    "currency": (None, 1.0),
    "ct": (None, 100.0),
    "c": (None, 100.0),
    "¢": (None, 100.0),
    "cent": (None, 100.0),
    "cents": (None, 100.0),
    "c€": ("EUR", 100.0),
    "€ct": ("EUR", 100.0),
    "eurocent": ("EUR", 100.0),
    "p": ("GBP", 100.0),
    "pence": ("GBP", 100.0),
    "rp": ("CHF", 100.0),
    "öre": (None, 100.0),
    "øre": (None, 100.0),
}


@dataclass(frozen=True, slots=True)
class PriceUnit:
    """What a price is written in."""

    currency: str | None
    """ISO code; None where the unit does not say which ("ct", "kr")."""
    divisor: float
    """What a value is divided by to be in currency/kWh."""


def price_unit(text: str) -> PriceUnit | None:
    """Return a unit by how it is written; None for what is no price of energy."""
    if (match := _PATTERN.fullmatch(text)) is None:
        return None
    money = match["money"]
    if money.lower() in _MONEY:
        currency, per = _MONEY[money.lower()]
    elif len(money) == 3 and money.isascii() and money.isalpha():  # noqa: PLR2004 - an ISO code
        currency, per = money.upper(), 1.0
    else:
        return None
    return PriceUnit(currency, per * _ENERGY[match["energy"].lower()])


_CARBON: Final = re.compile(
    r"\s*(?P<mass>g|kg|lbs?)\s*(?:co2|co₂)?\s*-?\s*(?:eq|e)?\.?\s*/\s*(?P<energy>[km]wh)\s*",
    re.IGNORECASE,
)
_GRAMS: Final = {"g": 1.0, "kg": 1000.0, "lb": 453.592, "lbs": 453.592}


def carbon_factor(text: object) -> float | None:
    """Return what a carbon intensity of this unit is multiplied by to be in g/kWh.

    None for what is no unit of carbon intensity.
    """
    if not isinstance(text, str) or (match := _CARBON.fullmatch(text)) is None:
        return None
    return _GRAMS[match["mass"].lower()] / _ENERGY[match["energy"].lower()]
