"""Day-ahead prices in the documents of the ENTSO-E transparency platform (type A44).

Source: ENTSO-E, "Transparency Platform RESTful API user guide" (publication document 7.3;
curve type A03: a position that is left out repeats the price before it, up to the end of
the period). A document may hold several auctions of one day: sequence 1 is the coupled
day-ahead auction, others are local ones; only the first is read. Where periods overlap,
the finer one holds.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.etree import ElementTree as ET

from ..core.series import Kind, Series, Slot, Unit, joined
from .error import SignalError, unexpected
from .quote import Quote
from .units import price_unit
from .values import moment, number, shown

RESOLUTIONS: Final = {
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT60M": timedelta(hours=1),
    "PT1H": timedelta(hours=1),
}
FIRST_AUCTION: Final = "1"
LONGEST: Final = timedelta(days=31)
NO_DATA: Final = "no matching data"


def read_entsoe(payload: bytes) -> Quote:
    """Return the prices of a document. Raises SignalError for anything that is not one."""
    root = _document(payload)
    if root.tag == "Acknowledgement_MarketDocument":
        said = "; ".join(text.text or "" for text in root.iter("text"))
        if NO_DATA in said.lower():
            raise SignalError("no_data", field="area")
        raise SignalError("source_says", {"what": shown(said)})
    if root.tag != "Publication_MarketDocument":
        raise unexpected(f"the document is a {shown(root.tag)}")
    currency: str | None = None
    slots: list[Slot] = []
    for series in root.iter("TimeSeries"):
        if (_text(series, _SEQUENCE) or FIRST_AUCTION) != FIRST_AUCTION:
            continue
        currency = _text(series, "currency_Unit.name")
        measure = _text(series, "price_Measure_Unit.name") or "MWH"
        if (unit := price_unit(f"{currency or 'currency'}/{measure}")) is None:
            raise unexpected(f"the prices are per {shown(measure)}")
        for period in series.iter("Period"):
            slots += _period(period, unit.divisor)
    if not slots:
        raise SignalError("no_data", field="area")
    return Quote(_finest(slots), currency)


_SEQUENCE: Final = "classificationSequence_AttributeInstanceComponent.position"


def _document(payload: bytes) -> ET.Element:
    """Return the document without its namespace."""
    if b"<!" in payload[:1000]:
        # Neither a document type nor entities belong here, and both can be bombs.
        raise unexpected("the document has declarations of its own")
    try:
        root = ET.fromstring(payload)  # noqa: S314 - see above, and fetching bounds its size
    except (ET.ParseError, ValueError, LookupError) as err:
        raise unexpected("the document is no XML") from err
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _text(element: ET.Element, path: str) -> str | None:
    found = element.findtext(path)
    return found.strip() if found else None


def _period(period: ET.Element, divisor: float) -> Iterator[Slot]:
    """Yield a period's slots, one per position, those left out included."""
    start = moment(_text(period, "timeInterval/start"), UTC)
    end = moment(_text(period, "timeInterval/end"), UTC)
    step = RESOLUTIONS.get(resolution := _text(period, "resolution") or "")
    if step is None:
        raise unexpected(f"the resolution is {shown(resolution)}")
    if not start < end <= start + LONGEST:
        raise unexpected(f"a period goes from {start} to {end}")
    given = {}
    for point in period.iter("Point"):
        position, price = number(_text(point, "position")), number(_text(point, "price.amount"))
        if position is None or price is None or position != int(position) or position < 1:
            raise unexpected("a point has no position or no price")
        given[int(position)] = price / divisor
    price = None
    for n in range(round((end - start) / step)):
        price = given.get(n + 1, price)
        if price is not None:
            at = start + n * step
            yield Slot(at, min(at + step, end), price, Kind.DAY_AHEAD)


def _finest(slots: list[Slot]) -> Series:
    """Return one series; where resolutions overlap, the finer one holds."""
    result = Series(Unit.PRICE)
    by_length: dict[timedelta, list[Slot]] = {}
    for slot in slots:
        by_length.setdefault(slot.end - slot.start, []).append(slot)
    for length in sorted(by_length):
        result = result.over(joined(Unit.PRICE, by_length[length]))
    return result


def period_text(at: datetime) -> str:
    """Return a moment as the platform's parameters have it."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M")
