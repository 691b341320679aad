"""What a user sets of a cluster's levers: consent to each, for how long, and a budget."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.const import EntityCategory, UnitOfPower, UnitOfTime

from .cluster import ClusterCoordinator
from .cluster_entity import ClusterEntity
from .core.levers import Consent, Lever
from .levers import ClusterLevers
from .levers.data import LeverSettings

LONGEST_H: Final = 24.0
HOUR_S: Final = 3600.0


class LeverEntity(ClusterEntity):
    """An entity of a cluster's levers; it has a value whether the scheduler answers or not."""

    @property
    def levers(self) -> ClusterLevers:
        """Return the levers of this entity's cluster."""
        return self.coordinator.config_entry.runtime_data.levers.of[self.coordinator.asset_id]

    @property
    @override
    def available(self) -> bool:
        """Return True: what is set is set."""
        return True


CONSENT_SELECTS: Final = {
    lever: SelectEntityDescription(
        key=f"consent_{lever}",
        translation_key=f"consent_{lever}",
        entity_category=EntityCategory.CONFIG,
        options=[each.value for each in Consent],
    )
    for lever in Lever
}


class ConsentSelect(LeverEntity, SelectEntity):
    """Whether a lever may be moved: not at all, only in words, or in earnest."""

    def __init__(self, cluster: ClusterCoordinator, lever: Lever) -> None:
        """Belong to one lever."""
        super().__init__(cluster, CONSENT_SELECTS[lever])
        self._lever = lever

    @property
    @override
    def current_option(self) -> str:
        """Return what the user has chosen."""
        return self.levers.settings.consent[self._lever]

    @override
    async def async_select_option(self, option: str) -> None:
        """Put another choice into force."""
        settings = self.levers.settings.allowing(self._lever, Consent(option))
        await self.levers.async_change(settings)


@dataclass(frozen=True, kw_only=True)
class LeverNumberDescription(NumberEntityDescription):
    """A number of the levers' settings, in the unit that people use."""

    value_fn: Callable[[ClusterLevers], float]
    set_fn: Callable[[LeverSettings, float], LeverSettings]


def _connection_w(levers: ClusterLevers) -> float:
    return levers.cluster.config_entry.runtime_data.controller.capacity_w


LEVER_NUMBERS: Final = (
    LeverNumberDescription(
        key="longest_delay",
        translation_key="longest_delay",
        entity_category=EntityCategory.CONFIG,
        device_class=NumberDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.HOURS,
        native_min_value=0.25,
        native_max_value=LONGEST_H,
        native_step=0.25,
        mode=NumberMode.BOX,
        value_fn=lambda levers: levers.settings.longest_s / HOUR_S,
        set_fn=lambda settings, hours: replace(settings, longest_s=hours * HOUR_S),
    ),
    LeverNumberDescription(
        key="compute_budget",
        translation_key="compute_budget",
        device_class=NumberDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        native_min_value=0.0,
        native_max_value=100_000.0,
        native_step=0.1,
        mode=NumberMode.BOX,
        # Without a limit of its own compute may draw all that the connection carries.
        value_fn=lambda levers: (levers.settings.budget_w or _connection_w(levers)) / 1000.0,
        set_fn=lambda settings, kw: replace(settings, budget_w=1000.0 * kw or None),
    ),
)


class LeverNumber(LeverEntity, NumberEntity):
    """A number of the levers' settings."""

    entity_description: LeverNumberDescription

    @property
    @override
    def native_value(self) -> float:
        """Return the number in force."""
        return round(self.entity_description.value_fn(self.levers), 3)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Put another number into force."""
        await self.levers.async_change(self.entity_description.set_fn(self.levers.settings, value))


def consent_selects(cluster: ClusterCoordinator) -> list[SelectEntity]:
    """Return the consents of one cluster's levers."""
    return [ConsentSelect(cluster, lever) for lever in Lever]


def lever_numbers(cluster: ClusterCoordinator) -> list[NumberEntity]:
    """Return the numbers of one cluster's levers."""
    return [LeverNumber(cluster, each) for each in LEVER_NUMBERS]
