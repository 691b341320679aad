"""A past out of Home Assistant's long-term statistics: hourly energies of what a user chose."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from homeassistant.components.recorder.models import StatisticMeanType, StatisticMetaData
from homeassistant.components.recorder.statistics import get_metadata, statistics_during_period
from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import DATA_INSTANCE, get_instance
from homeassistant.util.unit_conversion import EnergyConverter, PowerConverter

from ..core.ledger import EXPORT, IMPORT, Channel, Role
from ..core.ledger_past import statistics_hours, summed
from ..signals.units import price_unit
from .base import failed, wrong

FLOWS: Final[Mapping[str, Channel]] = {
    "grid_import": IMPORT,
    "grid_export": EXPORT,
    "pv": Channel(Role.PV),
    "battery_in": Channel(Role.BATTERY_IN),
    "battery_out": Channel(Role.BATTERY_OUT),
    "load": Channel(Role.LOAD),
}
"""The fields in which statistics are chosen, and what they are to the ledger."""
PRICE: Final = "price_import"
_OTHER_SIDE: Final = {"grid_export": "grid_import", "battery_in": "battery_out"}
"""A power that is chosen in both fields has a sign, and its negative side is the first."""
_NEEDED: Final = ("grid_import", "load")
_UNITS: Final = {
    EnergyConverter.UNIT_CLASS: UnitOfEnergy.WATT_HOUR,
    PowerConverter.UNIT_CLASS: UnitOfPower.WATT,
}
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)

type Hours = dict[Channel, Sequence[tuple[datetime, float]]]
type Prices = list[tuple[datetime, float]]


async def async_read_hours(
    hass: HomeAssistant,
    chosen: Mapping[str, Sequence[str]],
    price: str | None,
    span: tuple[datetime | None, datetime | None],
    currency: str,
) -> tuple[Hours, Prices]:
    """Return hourly energies in Wh of the statistics that are chosen, by field, and prices.

    ``price`` is the statistic of what a kWh cost, in ``currency`` or a part of it.

    Raises ServiceValidationError for one that does not fit, HomeAssistantError where
    there are none.
    """
    if not any(field in chosen for field in _NEEDED):
        raise wrong("statistic_missing", _NEEDED[0], "")
    since, until = span
    if since is not None and until is not None and until <= since:
        raise wrong("span_reversed", "until", until, since=str(since))
    if DATA_INSTANCE not in hass.data:
        raise failed("recorder_missing")
    return await get_instance(hass).async_add_executor_job(
        _read, hass, chosen, price, since or _ALWAYS, until, currency
    )


def _read(  # noqa: PLR0917 - an executor job has no keywords
    hass: HomeAssistant,
    chosen: Mapping[str, Sequence[str]],
    price: str | None,
    since: datetime,
    until: datetime | None,
    currency: str,
) -> tuple[Hours, Prices]:
    flows = {each for those in chosen.values() for each in those}
    ids = flows if price is None else {*flows, price}
    known = get_metadata(hass, statistic_ids=ids)
    for field, those in chosen.items():
        for each in those:
            _check(field, each, known[each][1] if each in known else None)
    divisor = 1.0
    if price is not None:
        divisor = _price_divisor(price, known[price][1] if price in known else None, currency)
    rows = statistics_during_period(
        hass, since, until, ids, "hour", dict(_UNITS), {"change", "mean"}
    )
    if not any(rows.get(each) for each in flows):
        raise failed("statistics_empty", statistics=", ".join(sorted(flows)))
    hours: Hours = {
        FLOWS[field]: summed(
            statistics_hours(rows.get(each, ()), sign=_sign(field, each, chosen)) for each in those
        )
        for field, those in chosen.items()
    }
    prices = [
        (datetime.fromtimestamp(row["start"], UTC), mean / divisor)
        for row in rows.get(price or "", ())
        if (mean := row.get("mean")) is not None
    ]
    return hours, prices


def _price_divisor(statistic: str, about: StatisticMetaData | None, currency: str) -> float:
    """Return what a price's statistics are divided by to be in the site's currency per kWh."""
    if about is None:
        raise wrong("statistic_unknown", PRICE, statistic)
    unit = price_unit(about["unit_of_measurement"] or "")
    has_mean = about["mean_type"] is StatisticMeanType.ARITHMETIC
    if unit is None or not has_mean or unit.currency not in {None, currency}:
        raise wrong(
            "statistic_no_price",
            PRICE,
            statistic,
            unit=about["unit_of_measurement"] or "none",
            currency=currency,
        )
    return unit.divisor


def _check(field: str, statistic: str, about: StatisticMetaData | None) -> None:
    if about is None:
        raise wrong("statistic_unknown", field, statistic)
    is_energy = about["has_sum"] and about["unit_class"] == EnergyConverter.UNIT_CLASS
    is_power = (
        about["mean_type"] is StatisticMeanType.ARITHMETIC
        and about["unit_class"] == PowerConverter.UNIT_CLASS
    )
    if not is_energy and not is_power:
        raise wrong(
            "statistic_unfit", field, statistic, unit=about["unit_of_measurement"] or "no unit"
        )


def _sign(field: str, statistic: str, chosen: Mapping[str, Sequence[str]]) -> float:
    return -1.0 if statistic in chosen.get(_OTHER_SIDE.get(field, ""), ()) else 1.0
