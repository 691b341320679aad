"""Sensors of the accounts: the bill so far, its peaks, and what control saved or would have.

Money is told for a span that begins anew: each state says since when it counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import (
    EntityCategory,
    UnitOfApparentPower,
    UnitOfMass,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTime,
)
from homeassistant.core import callback
from homeassistant.util import slugify

from .coordinator import SiteRuntime
from .core.model import AssetKind
from .core.savings import Billed, Statement
from .core.tariff import Tariff
from .core.tariff.spec import DemandCharge, DemandQuantity, Op
from .entity import Gate, Pace, PacedSensor, Shown, SiteEntity
from .savings import SavingsCoordinator, SavingsData
from .sensor_tables import PERCENT, ComputeLoadSensorDescription
from .site_sensor import CURRENCY, CoordinatedSensor

GRAMS_PER_KG: Final = 1000.0
CENTS: Final = 100.0
_SHARE: Final = Pace(step=1.0, every_s=3600.0)

type Of = Callable[[SavingsData], Statement | None]
type Value = Callable[[Statement], float | None]


@dataclass(frozen=True, kw_only=True)
class SavingsSensorDescription(ComputeLoadSensorDescription[SavingsCoordinator]):
    """A sensor of the accounts."""

    of: Of
    """Whose account it tells; that one says since when it counts."""
    battery: bool = True
    """Whether only a site with a battery has it."""


def _told(of: Of, value: Value) -> Callable[[SavingsCoordinator], Shown]:
    def told(savings: SavingsCoordinator) -> Shown:
        statement = of(savings.data)
        return None if statement is None else value(statement)

    return told


def _money(
    key: str,
    of: Of,
    cents: Callable[[Statement], int],
    knows: Callable[[Statement], bool] = lambda statement: statement.has_money,
    *,
    battery: bool = True,
) -> SavingsSensorDescription:
    """Describe an amount; unknown while not ``knows``."""
    return SavingsSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        native_unit_of_measurement=CURRENCY,
        suggested_display_precision=2,
        digits=2,
        of=of,
        battery=battery,
        value_fn=_told(of, lambda each: cents(each) / CENTS if knows(each) else None),
    )


def _day(data: SavingsData) -> Statement | None:
    return data.today


def _month(data: SavingsData) -> Statement | None:
    return data.month


def _year(data: SavingsData) -> Statement | None:
    return data.year


def _has_prices(statement: Statement) -> bool:
    return statement.priced


def _charges_demand(statement: Statement) -> bool:
    return statement.demand_charged


def _co2_kg(statement: Statement) -> float | None:
    saved_g = statement.co2_saved_g
    return None if saved_g is None else saved_g / GRAMS_PER_KG


def _coverage(statement: Statement) -> float | None:
    return None if statement.coverage is None else statement.coverage * PERCENT


def _bill(key: str, of: Of) -> Iterator[SavingsSensorDescription]:
    yield _money(key, of, lambda each: each.bill.total, battery=False)
    yield _money(f"{key}_energy", of, lambda each: each.bill.energy, _has_prices, battery=False)
    yield _money(f"{key}_demand", of, lambda each: each.bill.demand, _charges_demand, battery=False)


SAVINGS_SENSORS: tuple[SavingsSensorDescription, ...] = (
    _money("savings_today", _day, lambda each: each.saved.total),
    _money("savings_month", _month, lambda each: each.saved.total),
    _money("savings_year", _year, lambda each: each.saved.total),
    _money("savings_demand", _month, lambda each: each.saved.demand, _charges_demand),
    _money("savings_arbitrage", _month, lambda each: each.saved.arbitrage, _has_prices),
    _money("savings_pv", _month, lambda each: each.saved.pv, _has_prices),
    _money("savings_wear", _month, lambda each: each.saved.wear),
    _money("shadow_day", lambda data: data.shadow_day, lambda each: each.saved.total),
    _money("shadow_month", lambda data: data.shadow_month, lambda each: each.saved.total),
    *_bill("bill_month", _month),
    *_bill("bill_year", _year),
    SavingsSensorDescription(
        key="co2_saved",
        translation_key="co2_saved",
        device_class=SensorDeviceClass.WEIGHT,
        state_class=SensorStateClass.TOTAL,
        native_unit_of_measurement=UnitOfMass.KILOGRAMS,
        suggested_display_precision=1,
        digits=1,
        of=_month,
        value_fn=_told(_month, _co2_kg),
    ),
    SavingsSensorDescription(
        key="savings_coverage",
        translation_key="savings_coverage",
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        suggested_display_precision=0,
        pace=_SHARE,
        digits=1,
        of=_month,
        battery=False,
        value_fn=_told(_month, _coverage),
    ),
)

type BilledSensorDescription = ComputeLoadSensorDescription[Billed]


def _billed(key: str, device_class: SensorDeviceClass, unit: str) -> BilledSensorDescription:
    return ComputeLoadSensorDescription(
        key=key,
        translation_key="billed_charge",
        device_class=device_class,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=unit,
        suggested_display_precision=2,
        value_fn=lambda billed: round(billed.billed, 3),
    )


BILLED_KW: Final = _billed("billed_kw", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT)
BILLED_KVA: Final = _billed(
    "billed_kva", SensorDeviceClass.APPARENT_POWER, UnitOfApparentPower.KILO_VOLT_AMPERE
)
BILLED_HOURS: Final = _billed("billed_hours", SensorDeviceClass.DURATION, UnitOfTime.HOURS)


def _description_of(charge: DemandCharge) -> BilledSensorDescription:
    """Return how a charge is shown: by the unit of what it bills."""
    if charge.pick.op is Op.HOURS:
        return BILLED_HOURS
    return BILLED_KVA if charge.quantity is DemandQuantity.IMPORT_KVA else BILLED_KW


def billed_unit(charge: DemandCharge) -> str | None:
    """Return the unit of what a charge bills."""
    return _description_of(charge).native_unit_of_measurement


def savings_sensors(runtime: SiteRuntime) -> Iterator[SensorEntity]:
    """Yield the sensors of the accounts that the site has."""
    has_battery = bool(runtime.of_kind(AssetKind.BATTERY))
    for description in SAVINGS_SENSORS:
        if has_battery or not description.battery:
            yield SavingsSensor(runtime.savings, description)
    for name, charge in billed_names(runtime.tariff).items():
        yield BilledSensor(runtime.savings, name, charge)


def billed_names(tariff: Tariff) -> dict[str, DemandCharge]:
    """Return the demand charges that look at power, by the name of what they bill."""
    return {
        f"{charge.name} {slot}" if len(charge.slots) > 1 else charge.name: charge
        for charge in tariff.demand
        if not charge.is_contract_only
        for slot in charge.slots
    }


class SavingsSensor(CoordinatedSensor[SavingsCoordinator]):
    """A sensor of the accounts."""

    entity_description: SavingsSensorDescription
    _since: datetime | None = None

    @callback
    @override
    def _take_value(self) -> bool:
        """Look at the value and at since when it counts; either may be new."""
        description = self.entity_description
        statement = description.of(self.coordinator.data)
        since = None if statement is None else statement.since
        began_anew = since != self._since
        self._since = since
        if description.state_class is SensorStateClass.TOTAL:
            self._attr_last_reset = since
        return super()._take_value() or began_anew


class BilledSensor(PacedSensor, SiteEntity[SavingsCoordinator]):
    """What one demand charge bills for its running period so far."""

    entity_description: BilledSensorDescription

    def __init__(self, savings: SavingsCoordinator, name: str, charge: DemandCharge) -> None:
        """Show what is billed under a name, in the charge's own unit."""
        description = _description_of(charge)
        super().__init__(savings, description, f"billed_by_{slugify(name)}")
        self._attr_translation_placeholders = {"charge": name}
        self._gate = Gate(description.pace)
        self._name = name

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        billed = self.coordinator.data.billed.get(self._name)
        return None if billed is None else self.entity_description.value_fn(billed)
