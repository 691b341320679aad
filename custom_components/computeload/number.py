"""Numbers: what the user wants of the site while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
import math
from typing import Final, override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import EntityCategory, UnitOfPower, UnitOfRatio, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .cluster_controls import lever_numbers
from .const import DOMAIN
from .controller import Controller
from .coordinator import ComputeLoadConfigEntry
from .entity import SiteEntity
from .site_data import Settings

PARALLEL_UPDATES = 1

BASE_LOAD_HOURS: Final = 12
UNSURE_SHARE: Final = 0.5
LARGEST_KW: Final = 100_000.0
"""Beyond any site: what is too much for this one is said in words, not by the input field."""


@dataclass(frozen=True, kw_only=True)
class ComputeLoadNumberDescription(NumberEntityDescription):
    """A number of the site's settings, in the unit that people use."""

    value_fn: Callable[[Controller], float]
    set_fn: Callable[[Controller, float], Settings]
    """Returns the settings with the new number; raises ServiceValidationError."""


def _refuse(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )


def _kw(power_w: float) -> str:
    return f"{power_w / 1000.0:.1f}"


def _check_above_base_load(controller: Controller, limit_w: float) -> None:
    """Refuse a limit that the site exceeds even at its quietest."""
    base_w = controller.base_load_w
    if base_w is None:
        return
    # In the first hours a job may hide how low the site can go.
    known = controller.base_load_hours >= BASE_LOAD_HOURS
    least_w = base_w if known else UNSURE_SHARE * base_w
    if limit_w < least_w:
        # Rounded up, so that what is suggested is accepted.
        suggested_w = math.ceil(least_w * 1.1 / 100.0) * 100.0
        raise _refuse("below_base_load", base_load=_kw(base_w), suggested=_kw(suggested_w))


def _with_target(controller: Controller, value_kw: float) -> Settings:
    target_w = 1000.0 * value_kw
    if target_w <= 0.0:
        raise _refuse("target_not_positive")
    if target_w > controller.connection_w:
        raise _refuse("target_above_connection", limit=_kw(controller.connection_w))
    _check_above_base_load(controller, target_w)
    return replace(controller.settings, target_w=target_w)


def _with_connection(controller: Controller, value_kw: float) -> Settings:
    limit_w = 1000.0 * value_kw
    if limit_w <= 0.0:
        raise _refuse("connection_not_positive")
    if limit_w > controller.capacity_w:
        raise _refuse("connection_above_capacity", limit=_kw(controller.capacity_w))
    _check_above_base_load(controller, limit_w)
    return replace(controller.settings, connection_w=limit_w)


def _with_soc_min(controller: Controller, percent: float) -> Settings:
    settings = controller.settings
    if percent / 100.0 > settings.reserve:
        raise _refuse("soc_min_above_reserve", reserve=f"{100.0 * settings.reserve:.0f}")
    return replace(settings, soc_min=percent / 100.0)


def _with_reserve(controller: Controller, percent: float) -> Settings:
    settings = controller.settings
    if percent / 100.0 < settings.soc_min:
        raise _refuse("reserve_below_soc_min", soc_min=f"{100.0 * settings.soc_min:.0f}")
    return replace(settings, reserve=percent / 100.0)


def _with_backup(controller: Controller, minutes: float) -> Settings:
    return replace(controller.settings, backup_s=60.0 * minutes)


SITE_NUMBERS: tuple[ComputeLoadNumberDescription, ...] = (
    ComputeLoadNumberDescription(
        key="target_peak",
        translation_key="target_peak",
        device_class=NumberDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        native_min_value=0.0,
        native_max_value=LARGEST_KW,
        native_step=0.1,
        mode=NumberMode.BOX,
        value_fn=lambda controller: controller.target_w / 1000.0,
        set_fn=_with_target,
    ),
    ComputeLoadNumberDescription(
        key="connection_limit",
        translation_key="connection_limit",
        device_class=NumberDeviceClass.POWER,
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        native_min_value=0.0,
        native_max_value=LARGEST_KW,
        native_step=0.1,
        mode=NumberMode.BOX,
        value_fn=lambda controller: controller.connection_w / 1000.0,
        set_fn=_with_connection,
    ),
    ComputeLoadNumberDescription(
        key="soc_minimum",
        translation_key="soc_minimum",
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        native_min_value=0.0,
        native_max_value=100.0,
        native_step=1.0,
        value_fn=lambda controller: 100.0 * controller.settings.soc_min,
        set_fn=_with_soc_min,
    ),
    ComputeLoadNumberDescription(
        key="backup_reserve",
        translation_key="backup_reserve",
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        native_min_value=0.0,
        native_max_value=100.0,
        native_step=1.0,
        value_fn=lambda controller: 100.0 * controller.settings.reserve,
        set_fn=_with_reserve,
    ),
    ComputeLoadNumberDescription(
        key="backup_time",
        translation_key="backup_time",
        device_class=NumberDeviceClass.DURATION,
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        native_min_value=0.0,
        native_max_value=1440.0,
        native_step=1.0,
        mode=NumberMode.BOX,
        value_fn=lambda controller: controller.settings.backup_s / 60.0,
        set_fn=_with_backup,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers of the site and its clusters."""
    async_add_entities(SiteNumber(entry.runtime_data.controller, each) for each in SITE_NUMBERS)
    for subentry_id, cluster in entry.runtime_data.clusters.items():
        async_add_entities(lever_numbers(cluster), config_subentry_id=subentry_id)


class SiteNumber(SiteEntity[Controller], NumberEntity):
    """A number of the site's settings."""

    entity_description: ComputeLoadNumberDescription

    @property
    @override
    def native_value(self) -> float:
        """Return the number in force."""
        return round(self.entity_description.value_fn(self.coordinator), 3)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Put a new number into force; a bad one is refused with what to do instead."""
        controller = self.coordinator
        await controller.async_change(self.entity_description.set_fn(controller, value))
