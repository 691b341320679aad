"""What a source answered: a series, and what has to be known of it."""

from dataclasses import dataclass

from ..core.series import Series


@dataclass(frozen=True, slots=True)
class Quote:
    """An answer, read. Prices are in ``currency``/kWh."""

    series: Series
    currency: str | None = None
    """ISO code, where the source says it."""
    note: str = ""
    """The licence of the data, where the source states one; the user is shown it."""
