"""Events: what an automation would want to be told of at the moment that it becomes known."""

from datetime import UTC, datetime
from math import isinf
from typing import Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .cluster import ClusterCoordinator
from .cluster_controls import LeverEntity
from .cluster_entity import ClusterEntity
from .coordinator import ComputeLoadConfigEntry
from .core.outage import Stage, Supply
from .core.queue_forecast import Train
from .entity import SiteEntity
from .levers.data import Act, Deed
from .outage import OutageCoordinator

PARALLEL_UPDATES = 0

FORESEEN: Final = "foreseen"
GONE: Final = "gone"
NEXT_TRAIN: Final = EventEntityDescription(
    key="next_train", translation_key="next_train", event_types=[FORESEEN, GONE]
)
COMPUTE_BUDGET: Final = EventEntityDescription(
    key="compute_budget",
    translation_key="compute_budget",
    event_types=[Deed.CUT, Deed.LIFTED],
)
JOBS_MOVED: Final = EventEntityDescription(
    key="jobs_moved",
    translation_key="jobs_moved",
    event_types=[deed for deed in Deed if deed not in (Deed.CUT, Deed.LIFTED)],
)
LEVER_EVENTS: Final = (COMPUTE_BUDGET, JOBS_MOVED)
OUTAGE: Final = EventEntityDescription(
    key="outage", translation_key="outage", event_types=[stage.value for stage in Stage]
)
SAME_S: Final = 1800.0
"""A stretch whose begin moved by less than this is still the same one."""
SAME_SHARE: Final = 0.25
"""So is one whose highest load changed by less than this share."""
NAMED: Final = 20
"""So many of its jobs are named."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: ComputeLoadConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the events of the site and its clusters."""
    async_add_entities([OutageEvent(entry.runtime_data.outage)])
    for subentry_id, cluster in entry.runtime_data.clusters.items():
        events = [NextTrainEvent(cluster), *(LeverEvent(cluster, each) for each in LEVER_EVENTS)]
        async_add_entities(events, config_subentry_id=subentry_id)


class NextTrainEvent(ClusterEntity, EventEntity):
    """Tells of jobs that will take the site above its target, and when they no longer will."""

    entity_description: EventEntityDescription

    def __init__(self, cluster: ClusterCoordinator) -> None:
        """Start with nothing foreseen."""
        super().__init__(cluster, NEXT_TRAIN)
        self._told: Train | None = None

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Tell of another stretch than the last one."""
        data = self.coordinator.data
        train = data.foreseen.train if data is not None and data.foreseen is not None else None
        if train is not None and not _same(train, self._told):
            self._trigger_event(FORESEEN, _described(train))
            self._told = train
        elif train is None and self._told is not None:
            self._trigger_event(GONE)
            self._told = None
        self.async_write_ha_state()


class LeverEvent(LeverEntity, EventEntity):
    """Tells of what the levers did, or would have done."""

    entity_description: EventEntityDescription

    @override
    async def async_added_to_hass(self) -> None:
        """Listen to the levers."""
        await super().async_added_to_hass()
        self.async_on_remove(self.levers.hands.async_listen(self._tell))

    @callback
    def _tell(self, act: Act) -> None:
        if act.deed in self.event_types:
            self._trigger_event(act.deed, act.described())
            self.async_write_ha_state()


class OutageEvent(SiteEntity[OutageCoordinator], EventEntity):
    """Tells of every stage of an outage; ``grid`` is its end."""

    entity_description: EventEntityDescription

    def __init__(self, outage: OutageCoordinator) -> None:
        """Start with the stage that there is."""
        super().__init__(outage, OUTAGE)
        self._told = outage.data.stage

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Tell of another stage than the last one."""
        data = self.coordinator.data
        if data.stage is not self._told:
            self._told = data.stage
            self._trigger_event(data.stage, _left(data.supply))
            self.async_write_ha_state()


def _left(supply: Supply | None) -> dict[str, object]:
    """Return how long the batteries last; None: for ever, or nobody knows."""
    lasting = (None, None) if supply is None else (supply.runtime_s, supply.protected_s)
    minutes = [
        None if seconds is None or isinf(seconds) else int(seconds // 60) for seconds in lasting
    ]
    return {"minutes_left": minutes[0], "protected_minutes_left": minutes[1]}


def _same(train: Train, told: Train | None) -> bool:
    """Return whether a stretch was told of before."""
    return (
        told is not None
        and abs(train.start_s - told.start_s) < SAME_S
        and abs(train.peak_w - told.peak_w) < SAME_SHARE * told.peak_w
    )


def _described(train: Train) -> dict[str, object]:
    return {
        "starts_at": datetime.fromtimestamp(train.start_s, tz=UTC).isoformat(),
        "ends_at": datetime.fromtimestamp(train.end_s, tz=UTC).isoformat(),
        "power_kw": round(train.power_w / 1000.0, 2),
        "peak_kw": round(train.peak_w / 1000.0, 2),
        "energy_kwh": round(train.energy_wh / 1000.0, 2),
        "jobs": list(train.jobs[:NAMED]),
    }
