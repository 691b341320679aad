"""Sensors of the plan: what is intended now and next, what it is worth, how good forecasts are.

The steps themselves never become attributes: actions and the dashboard ask for them.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import pairwise
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfRatio

from .core.plan import PlanReason, PlanSource, PlanStep, ShadowPrices
from .entity import Pace, Shown
from .planning import PlanningCoordinator
from .sensor_tables import ComputeLoadSensorDescription, power_sensor
from .site_sensor import CURRENCY, CoordinatedSensor

MONEY: Final = Pace(step=float("inf"), every_s=900.0)
STEPS_PER_HOUR: Final = 4
MOVING_W: Final = 50.0
"""Less than this is rest."""
DAY_HOURS: Final = 24

type PlanSensorDescription = ComputeLoadSensorDescription[PlanningCoordinator]


class Status(StrEnum):
    """What becomes of the plan."""

    FOLLOWED = "followed"
    ADVISORY = "advisory"
    """The strategy in force follows no plan, or control is off."""
    BY_RULES = "by_rules"
    """Followed, but made by simple rules: the optimiser is missing or has failed."""
    NONE = "none"
    """There is none yet, or it is outdated: the target is kept without one."""


def status(planning: PlanningCoordinator) -> Status:
    """Return what becomes of the plan now."""
    if (plan := planning.plan) is None:
        return Status.NONE
    if not planning.followed:
        return Status.ADVISORY
    return Status.BY_RULES if plan.source is PlanSource.RULES else Status.FOLLOWED


def present_step(planning: PlanningCoordinator) -> PlanStep | None:
    """Return what is planned for now."""
    plan = planning.plan
    return None if plan is None else plan.step(planning.now())


def _made_at(planning: PlanningCoordinator) -> Shown:
    plan = planning.data.plan
    return None if plan is None else plan.made_at


def _of_step[ValueT](
    value_fn: Callable[[PlanStep], ValueT],
) -> Callable[[PlanningCoordinator], ValueT | None]:
    def value(planning: PlanningCoordinator) -> ValueT | None:
        step = present_step(planning)
        return None if step is None else value_fn(step)

    return value


def _next(wanted: Callable[[PlanStep], bool]) -> Callable[[PlanningCoordinator], Shown]:
    """Return when the next step begins that is ``wanted`` and goes before one that is not."""

    def value(planning: PlanningCoordinator) -> Shown:
        if (plan := planning.plan) is None:
            return None
        ahead = [step for step in plan.steps if step.end > planning.now()]
        for before, step in pairwise(ahead):
            if wanted(step) and not wanted(before):
                return step.start
        return None

    return value


def _highest_w(planning: PlanningCoordinator) -> float | None:
    """Return the highest mean import of the next 24 hours of the plan."""
    if (plan := planning.plan) is None:
        return None
    now = planning.now()
    ahead = (s for s in plan.steps if 0.0 <= (s.end - now).total_seconds() <= DAY_HOURS * 3600.0)
    return max((max(step.grid_w, 0.0) for step in ahead), default=None)


def _shadow(
    value_fn: Callable[[ShadowPrices], float],
) -> Callable[[PlanningCoordinator], float | None]:
    def value(planning: PlanningCoordinator) -> float | None:
        plan = planning.plan
        return None if plan is None or plan.shadow is None else value_fn(plan.shadow)

    return value


def _error(what: str, hours: int) -> Callable[[PlanningCoordinator], float | None]:
    def value(planning: PlanningCoordinator) -> float | None:
        pair = planning.data.errors.get(what, {}).get(hours * STEPS_PER_HOUR)
        return None if pair is None else pair[0]

    return value


def _moment(key: str, value_fn: Callable[[PlanningCoordinator], Shown]) -> PlanSensorDescription:
    return ComputeLoadSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=value_fn,
    )


def _worth(
    key: str, per: str, value_fn: Callable[[PlanningCoordinator], float | None]
) -> PlanSensorDescription:
    return ComputeLoadSensorDescription(
        key=key,
        translation_key=key,
        native_unit_of_measurement=f"{CURRENCY}/{per}",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=3,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        pace=MONEY,
        digits=4,
        value_fn=value_fn,
    )


PLAN_SENSORS: tuple[PlanSensorDescription, ...] = (
    ComputeLoadSensorDescription(
        key="plan_status",
        translation_key="plan_status",
        device_class=SensorDeviceClass.ENUM,
        options=[each.value for each in Status],
        value_fn=lambda planning: status(planning).value,
    ),
    ComputeLoadSensorDescription(
        key="plan_reason",
        translation_key="plan_reason",
        device_class=SensorDeviceClass.ENUM,
        options=[reason.value for reason in PlanReason],
        value_fn=_of_step(lambda step: step.reason.value),
    ),
    power_sensor("planned_battery_power", _of_step(lambda step: step.battery_w)),
    power_sensor("planned_grid_power", _of_step(lambda step: step.grid_w)),
    power_sensor("planned_peak", _highest_w),
    ComputeLoadSensorDescription(
        key="planned_soc",
        translation_key="planned_soc",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        suggested_display_precision=0,
        pace=Pace(step=1.0, every_s=300.0),
        digits=1,
        value_fn=_of_step(lambda step: 100.0 * step.soc),
    ),
    _moment("next_charge", _next(lambda step: step.battery_w < -MOVING_W)),
    _moment("next_discharge", _next(lambda step: step.battery_w > MOVING_W)),
    ComputeLoadSensorDescription(
        key="plan_made",
        translation_key="plan_made",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_made_at,
    ),
    _worth("connection_worth", "kW", _shadow(lambda shadow: shadow.connection_eur_per_kw)),
    _worth("stored_worth", "kWh", _shadow(lambda shadow: shadow.energy_eur_per_kwh)),
    _worth("capacity_worth", "kWh", _shadow(lambda shadow: shadow.capacity_eur_per_kwh)),
    _worth("power_worth", "kW", _shadow(lambda shadow: shadow.power_eur_per_kw)),
    _worth("peak_worth", "kW", _shadow(lambda shadow: shadow.peak_eur_per_kw)),
    *(
        power_sensor(
            f"{what}_error_{hours}h",
            _error(what, hours),
            category=EntityCategory.DIAGNOSTIC,
            pace=Pace(step=float("inf"), every_s=3600.0),
        )
        for what in ("load", "pv")
        for hours in (1, 24)
    ),
)


def plan_sensors(planning: PlanningCoordinator) -> Iterator[SensorEntity]:
    """Yield the sensors of the plan."""
    for description in PLAN_SENSORS:
        yield CoordinatedSensor(planning, description)
