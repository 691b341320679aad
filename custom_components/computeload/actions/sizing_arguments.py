"""What a simulation is asked to try: its fields, and what becomes of them."""

from collections.abc import Callable, Mapping, Sequence
import math
from typing import Any, Final

import voluptuous as vol

from ..core.plan import BatterySpec
from ..core.site import Strategy
from ..core.sizing import BatteryOption
from ..core.tariff import Tariff, TariffError, choose_tariff, tariff_of
from ..core.tariff.choice import PRESET
from .base import Arguments, wrong

CONF_BATTERIES: Final = "batteries"
CONF_LIFETIME: Final = "lifetime_years"
CONF_PV_PEAKS: Final = "pv_peaks_kw"
CONF_STRATEGIES: Final = "strategies"
CONF_TARIFFS: Final = "tariffs"
_NAME: Final = "name"
_CAPACITY: Final = "capacity_kwh"
_CHARGE: Final = "charge_kw"
_DISCHARGE: Final = "discharge_kw"
_EFFICIENCY: Final = "efficiency_percent"
_PRICE: Final = "price_per_kwh"
_WEAR: Final = "wear_per_kwh"

type Names = list[tuple[str, Tariff]]


def number(least: float, most: float) -> Callable[[object], float]:
    """Return what takes a number between two bounds, ends included."""

    def validate(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise vol.Invalid("it has to be a number")
        try:
            found = float(value)
        except (OverflowError, ValueError) as err:
            raise vol.Invalid("it has to be a number") from err
        if not (math.isfinite(found) and least <= found <= most):
            raise vol.Invalid(f"it has to be from {least:g} to {most:g}")
        return found

    return validate


def as_list(value: object) -> list[object]:
    """Return a list of what may be one thing alone; raises vol.Invalid for an empty one."""
    found = value if isinstance(value, list) else [value]
    if not found:
        raise vol.Invalid("the list is empty")
    return found


_BATTERY: Final = vol.Schema(
    {
        vol.Optional(_NAME): str,
        vol.Required(_CAPACITY): number(0.1, 100_000.0),
        vol.Required(_CHARGE): number(0.1, 100_000.0),
        vol.Optional(_DISCHARGE): number(0.1, 100_000.0),
        vol.Optional(_EFFICIENCY, default=90.0): number(30.0, 100.0),
        vol.Optional(_PRICE): number(0.0, 100_000.0),
        vol.Optional(_WEAR, default=0.02): number(0.0, 10.0),
    }
)
_STRATEGIES: Final = [each.value for each in Strategy if each is not Strategy.OBSERVE]

SIZING: Final[Mapping[vol.Marker, object]] = {
    vol.Optional(CONF_BATTERIES): vol.All(as_list, [_BATTERY]),
    vol.Optional(CONF_TARIFFS): vol.All(as_list, [vol.Any(str, dict)]),
    vol.Optional(CONF_PV_PEAKS): vol.All(as_list, [number(0.0, 100_000.0)]),
    vol.Optional(CONF_STRATEGIES, default=[Strategy.AUTOMATIC.value]): vol.All(
        as_list, [vol.In(_STRATEGIES)]
    ),
    vol.Optional(CONF_LIFETIME, default=15.0): number(1.0, 50.0),
}


def batteries_of(arguments: Arguments, *, soc_min: float, reserve: float) -> list[BatteryOption]:
    """Return the batteries that are asked for; ``soc_min`` and ``reserve`` are 0..1."""
    options: list[BatteryOption] = []
    for each in arguments[CONF_BATTERIES]:
        capacity_kwh, charge_kw = each[_CAPACITY], each[_CHARGE]
        one_way = math.sqrt(each[_EFFICIENCY] / 100.0)
        name = each.get(_NAME) or f"{capacity_kwh:g} kWh, {charge_kw:g} kW"
        options.append(
            BatteryOption(
                name=_unlike(name, [option.name for option in options]),
                spec=BatterySpec(
                    capacity_wh=1000.0 * capacity_kwh,
                    charge_w=1000.0 * charge_kw,
                    discharge_w=1000.0 * each.get(_DISCHARGE, charge_kw),
                    efficiency_charge=one_way,
                    efficiency_discharge=one_way,
                    soc_min=soc_min,
                    wear_eur_per_kwh=each[_WEAR],
                ),
                price=None if _PRICE not in each else each[_PRICE] * capacity_kwh,
                reserve_wh=1000.0 * reserve * capacity_kwh,
            )
        )
    return options


def tariffs_of(asked: Sequence[str | dict[str, Any]], *, timezone: str, currency: str) -> Names:
    """Return the tariffs that are asked for: names of presets, or documents.

    Reads the presets' files: not for the event loop. Raises ServiceValidationError.
    """
    found: Names = []
    for index, each in enumerate(asked):
        field = f"{CONF_TARIFFS}.{index}"
        try:
            tariff = (
                choose_tariff({PRESET: each}, timezone=timezone, currency=currency)
                if isinstance(each, str)
                else tariff_of(each, timezone=timezone, currency=currency)
            )
        except TariffError as err:
            raise wrong("tariff_wrong", field, each, problem="; ".join(err.problems)) from err
        name = each if isinstance(each, str) else tariff.id or f"tariff {index + 1}"
        found.append((_unlike(name, [other for other, _ in found]), tariff))
    return found


def _unlike(name: str, others: Sequence[str]) -> str:
    """Return a name that none of the others has."""
    count, unlike = 1, name
    while unlike in others:
        count += 1
        unlike = f"{name} ({count})"
    return unlike
