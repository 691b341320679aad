"""Numbers as a language writes them, with their units, for paper."""

from dataclasses import dataclass
from datetime import datetime
import math
from typing import Final
from zoneinfo import ZoneInfo

NOTHING: Final = "\N{EN DASH}"
_POINT: Final = ("en", "zh")
"""Languages that write a decimal point; all others of ours write a comma."""
_GAP: Final = "\N{NARROW NO-BREAK SPACE}"
_SMALL_W: Final = 9_950.0
_SMALL_WH: Final = 99_500.0
"""Below these, hundredths are shown."""
_SPACE: Final = "\N{NO-BREAK SPACE}"


def kilo(value: float | None) -> float | None:
    """Return a value in thousands: kW of W."""
    return None if value is None else value / 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Writes numbers in a language, moments in a zone, and money in a currency."""

    language: str
    zone: ZoneInfo
    currency: str

    def number(self, value: float | None, digits: int = 0) -> str:
        """Return a number with so many digits behind the point; thousands stand apart."""
        if value is None or not math.isfinite(value):
            return NOTHING
        # A rounded zero has no sign.
        clean = 0.0 if abs(value) < 0.5 * 10**-digits else value
        text = f"{clean:,.{digits}f}".replace(",", _GAP)
        return text if self.language.startswith(_POINT) else text.replace(".", ",")

    def _with(self, value: float | None, unit: str, digits: int) -> str:
        if value is None:
            return NOTHING
        return f"{self.number(value, digits)}{_SPACE}{unit}"

    def power(self, watts: float | None) -> str:
        """Return a power of so many W."""
        digits = 2 if abs(watts or 0.0) < _SMALL_W else 1
        return self._with(kilo(watts), "kW", digits)

    def energy(self, watt_hours: float | None) -> str:
        """Return an energy of so many Wh."""
        digits = 2 if abs(watt_hours or 0.0) < _SMALL_WH else 0
        return self._with(kilo(watt_hours), "kWh", digits)

    def mass(self, grams: float | None) -> str:
        """Return a mass of so many g."""
        return self._with(kilo(grams), "kg", 1)

    def money(self, amount: float | None) -> str:
        """Return an amount in the currency."""
        return self._with(amount, self.currency, 2)

    def cents(self, cents: int) -> str:
        """Return an amount of whole cents."""
        return self.money(cents / 100.0)

    def percent(self, share: float | None) -> str:
        """Return a share, 0..1."""
        return self._with(None if share is None else 100.0 * share, "%", 0)

    def moment(self, at: datetime) -> str:
        """Return a moment in local time."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def clock(self, at: datetime) -> str:
        """Return the time of day in local time."""
        return f"{at.astimezone(self.zone):%H:%M}"
