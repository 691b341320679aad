"""Sensors of a cluster: what runs and waits, what it will draw, who used the energy."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfEnergy, UnitOfMass, UnitOfTime

from .cluster import ClusterCoordinator
from .cluster_entity import ClusterEntity
from .const import CONF_CURRENCY
from .core.job_energy import By, JobEnergy
from .core.queue import QueueState
from .core.queue_forecast import Train
from .core.queue_jobs import is_taken, is_up
from .entity import Gate, Pace, PacedSensor, Shown
from .levers import ClusterLevers
from .sensor_tables import COUNTER, DIAGNOSTIC, ComputeLoadSensorDescription, power_sensor
from .site_sensor import CURRENCY

type ClusterSensorDescription = ComputeLoadSensorDescription[ClusterCoordinator]

LEADS_S: Final = {"15_min": 900.0, "1_h": 3600.0, "4_h": 4 * 3600.0}
"""How far ahead the load is shown."""
_FORESEEN: Final = Pace(step=500.0, share=0.03, every_s=300.0)


def _count(
    key: str, count: Callable[[QueueState], int], category: EntityCategory | None = None
) -> ClusterSensorDescription:
    return ComputeLoadSensorDescription(
        key=key,
        translation_key=key,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=category,
        value_fn=lambda cluster: count(cluster.data.queue),
    )


def _expected(lead: str) -> ClusterSensorDescription:
    def value(cluster: ClusterCoordinator) -> float | None:
        foreseen = cluster.data.foreseen
        return None if foreseen is None else foreseen.expected_w(LEADS_S[lead])

    return power_sensor(f"expected_load_{lead}", value, _FORESEEN)


def _step[ValueT](
    value: Callable[[Train], ValueT],
) -> Callable[[ClusterCoordinator], ValueT | None]:
    def of(cluster: ClusterCoordinator) -> ValueT | None:
        foreseen = cluster.data.foreseen
        return None if foreseen is None or foreseen.step is None else value(foreseen.step)

    return of


def _starts(train: Train) -> datetime:
    return datetime.fromtimestamp(train.start_s, tz=UTC)


def _used_by_jobs(account: JobEnergy) -> Iterator[tuple[float, float, float]]:
    """Yield energy (Wh), cost and CO2 (g) of what jobs bear; nobody's is left out."""
    for name, used in account.all(By.JOB).items():
        if name:
            yield used.energy_wh, used.cost_eur, used.co2_g


def _today(which: int) -> Callable[[ClusterCoordinator], float]:
    return lambda cluster: sum(each[which] for each in _used_by_jobs(cluster.memory.today))


def _levers(cluster: ClusterCoordinator) -> ClusterLevers:
    return cluster.config_entry.runtime_data.levers.of[cluster.asset_id]


def _gpus(state: QueueState) -> int:
    return sum(job.gpus for job in state.running)


CLUSTER_SENSORS: tuple[ClusterSensorDescription, ...] = (
    _count("jobs_running", lambda state: sum(job.tasks for job in state.running)),
    _count("jobs_pending", lambda state: sum(job.tasks for job in state.pending)),
    _count("jobs_held", lambda state: sum(job.tasks for job in state.pending if job.held)),
    _count("nodes_busy", lambda state: sum(map(is_taken, state.nodes))),
    _count(
        "nodes_idle",
        lambda state: sum(is_up(node) and not is_taken(node) for node in state.nodes),
    ),
    _count("nodes_down", lambda state: sum(not is_up(node) for node in state.nodes)),
    _count("gpus_busy", _gpus),
    ComputeLoadSensorDescription(
        key="jobs_put_off",
        translation_key="jobs_put_off",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda cluster: len(_levers(cluster).hold.kept),
    ),
    power_sensor("power_put_off", lambda cluster: sum(_levers(cluster).hold.kept.values())),
    power_sensor("compute_allowed", lambda cluster: _levers(cluster).allowed_w),
    *map(_expected, LEADS_S),
    ComputeLoadSensorDescription(
        key="next_step",
        translation_key="next_step",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=_step(_starts),
    ),
    power_sensor("next_step_power", _step(lambda train: train.power_w), _FORESEEN),
    ComputeLoadSensorDescription(
        key="jobs_energy_today",
        translation_key="jobs_energy_today",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        pace=COUNTER,
        value_fn=_today(0),
    ),
    ComputeLoadSensorDescription(
        key="jobs_cost_today",
        translation_key="jobs_cost_today",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement=CURRENCY,
        suggested_display_precision=2,
        digits=2,
        value_fn=_today(1),
    ),
    ComputeLoadSensorDescription(
        key="jobs_co2_today",
        translation_key="jobs_co2_today",
        device_class=SensorDeviceClass.WEIGHT,
        native_unit_of_measurement=UnitOfMass.GRAMS,
        suggested_unit_of_measurement=UnitOfMass.KILOGRAMS,
        suggested_display_precision=1,
        pace=COUNTER,
        value_fn=_today(2),
    ),
    ComputeLoadSensorDescription(
        key="queue_age",
        translation_key="queue_age",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        pace=DIAGNOSTIC,
        value_fn=lambda cluster: cluster.age_s(),
    ),
)


def cluster_sensors(cluster: ClusterCoordinator) -> list[SensorEntity]:
    """Return the sensors of one cluster."""
    return [ClusterSensor(cluster, each) for each in CLUSTER_SENSORS]


class ClusterSensor(PacedSensor, ClusterEntity):
    """A sensor of one cluster."""

    entity_description: ClusterSensorDescription

    def __init__(self, cluster: ClusterCoordinator, description: ClusterSensorDescription) -> None:
        """Show one thing; money in the site's currency."""
        super().__init__(cluster, description)
        self._gate = Gate(description.pace)
        if description.native_unit_of_measurement == CURRENCY:
            currency = cluster.config_entry.data[CONF_CURRENCY]
            self._attr_native_unit_of_measurement = currency

    @override
    def current_value(self) -> Shown:
        """Return the value as it is now."""
        if self.coordinator.data is None:
            return None
        description = self.entity_description
        value = description.value_fn(self.coordinator)
        return round(value, description.digits) if isinstance(value, float) else value
