"""Outages inside Home Assistant: what is kept for one, how far one has come, who is told.

No policy lives here: ``core.outage`` says what is shed when. The batteries themselves are given
back by the control law as soon as the grid is gone, so that nothing hinders an island.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import exp
from typing import Any, Final, override

from homeassistant.const import ATTR_ENTITY_ID, SERVICE_TURN_ON
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .const import (
    CONF_CALENDAR,
    CONF_EFFICIENCY,
    CONF_ISLANDING,
    CONF_OUTAGE,
    CONF_PLANNING,
    CONF_PROTECTED,
    CONF_SCRIPT,
    CONF_SHUTDOWN_MIN,
    DOMAIN,
    LOGGER,
)
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from .core.model import Quantity
from .core.outage import (
    STABLE_S,
    WORST_LEVER,
    Promise,
    Stage,
    Supply,
    is_due,
    next_stage,
    reserve_soc,
    reserve_wh,
    stored_wh,
)
from .core.site import BatteryState
from .plan_inputs import EFFICIENCY_PERCENT
from .trouble import Trouble

STORE_VERSION: Final = 1
SHUTDOWN_MIN: Final = 5.0
USUAL_S: Final = 3600.0
"""What is usual is what was drawn in about the last hour."""
CLAIMANT: Final = "outage"
CHANNEL: Final = "#"
"""Stands before the number of a channel in what a branch is stored as."""
SCRIPT_STAGES: Final = (Stage.SHUTDOWN, Stage.LAST)


def outage_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where it is kept how far an outage has come, and which one is planned."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry_id}.outage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A planned outage."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageData:
    """How an outage goes, or would go."""

    stage: Stage = Stage.GRID
    since: datetime | None = None
    """When the grid was lost; None while it is there."""
    supply: Supply | None = None
    """None while battery or load is not known."""
    reserve: float = 0.0
    """State of charge that is kept for an outage, 0..1."""
    maintenance: Maintenance | None = None
    """The next planned outage."""


class OutageCoordinator(DataUpdateCoordinator[OutageData]):
    """Watches the grid of one site, and what an outage would find."""

    config_entry: ComputeLoadConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
        """Prepare; ``async_start`` comes when devices and levers are there."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=f"{entry.title} outage",
            update_interval=None,
            always_update=False,
        )
        self.data = OutageData()
        self._runtime = entry.runtime_data
        self._options: Mapping[str, Any] = entry.options.get(CONF_OUTAGE, {})
        planning = entry.options.get(CONF_PLANNING, {})
        # Half of the loss happens on the way out.
        self._efficiency = (planning.get(CONF_EFFICIENCY, EFFICIENCY_PERCENT) / 100.0) ** 0.5
        self._store = outage_store(hass, entry.entry_id)
        self._planned: Maintenance | None = None
        self._usual_w: tuple[float, float] | None = None
        """What the protected load and all of it usually draw."""
        self._seen_s: float | None = None
        self._back_s: float | None = None
        """Since when the grid is seen again."""
        self._trouble = Trouble(self.name)

    @property
    def promise(self) -> Promise:
        """Return what the user wants of an outage."""
        return Promise(
            protect_s=self._runtime.controller.settings.backup_s,
            shutdown_s=60.0 * self._options.get(CONF_SHUTDOWN_MIN, SHUTDOWN_MIN),
        )

    async def async_start(self) -> None:
        """Take up what an earlier run has left, and watch until the entry unloads."""
        await self._async_load()
        controller = self._runtime.controller
        controller.backup = lambda: self.data.reserve
        self.config_entry.async_on_unload(controller.async_add_listener(self._look))
        self._look()

    async def async_plan(self, maintenance: Maintenance | None) -> None:
        """Be full by the start of a planned outage; None: there is none any more."""
        self._planned = maintenance
        self._look()
        await self._async_save()

    @callback
    def _look(self) -> None:
        with self._trouble.survived():
            self._learn()
            supply = self._supply()
            stage, since = self._stage(supply)
            before = self.data
            data = OutageData(
                stage=stage,
                since=since,
                supply=supply,
                reserve=self._reserve(),
                maintenance=self._maintenance(),
            )
            if data != before:
                self.async_set_updated_data(data)
            if stage is not before.stage:
                self.config_entry.async_create_background_task(
                    self.hass, self._async_enter(data), f"{DOMAIN} outage {self.name}"
                )

    # -- what there is ---------------------------------------------------------------------

    def _batteries(self) -> list[BatteryState]:
        """Return the batteries that carry the site in an outage, as the user has said."""
        chosen = self._options.get(CONF_ISLANDING)
        batteries = self._runtime.controller.batteries()
        return [each for each in batteries if chosen is None or each.asset_id in chosen]

    def _protected_w(self, load_w: float) -> float | None:
        """Return what the protected branches draw; all of it where none is marked."""
        chosen = self._options.get(CONF_PROTECTED)
        if not chosen:
            return load_w
        powers = [power_of(self._runtime.devices, branch) for branch in chosen]
        known_w = [each for each in powers if each is not None]
        return min(sum(known_w), load_w) if len(known_w) == len(powers) else None

    def _load_w(self) -> float | None:
        """Return what the site draws; without a grid that is what battery and PV give."""
        site = self._runtime.controller.data
        if site.grid_present is False and site.battery_power_w is not None:
            return site.battery_power_w + (site.pv_power_w or 0.0)
        return site.load_power_w

    def _supply(self) -> Supply | None:
        load_w = self._load_w()
        protected_w = None if load_w is None else self._protected_w(load_w)
        batteries = self._batteries()
        if load_w is None or protected_w is None or not batteries:
            return None
        return Supply(
            stored_wh=stored_wh(
                batteries,
                soc_min=self._runtime.controller.settings.soc_min,
                efficiency=self._efficiency,
            ),
            discharge_w=sum(each.discharge_limit_w for each in batteries),
            load_w=load_w,
            protected_w=protected_w,
            pv_w=self._runtime.controller.data.pv_power_w or 0.0,
        )

    def _learn(self) -> None:
        """Follow what is usually drawn, while there is a grid."""
        site, now_s = self._runtime.controller.data, self._runtime.clock.monotonic_s()
        load_w = site.load_power_w
        protected_w = None if load_w is None else self._protected_w(load_w)
        if load_w is None or protected_w is None or site.grid_present is False:
            self._seen_s = None
            return
        if self._usual_w is None:
            self._usual_w = (protected_w, load_w)
        elif self._seen_s is not None:
            share = 1.0 - exp(-max(now_s - self._seen_s, 0.0) / USUAL_S)
            before_w, all_w = self._usual_w
            self._usual_w = (
                before_w + share * (protected_w - before_w),
                all_w + share * (load_w - all_w),
            )
        self._seen_s = now_s

    # -- what is kept ----------------------------------------------------------------------

    def _reserve(self) -> float:
        """Return the state of charge to keep: for the promise, or for a planned outage."""
        batteries, now = self._batteries(), self._runtime.clock.now()
        planned = self._maintenance()
        if planned is not None and is_due(planned.start.timestamp(), now.timestamp(), batteries):
            return 1.0
        if self._usual_w is None:
            return 0.0
        protected_w, load_w = self._usual_w
        share = reserve_soc(
            reserve_wh(protected_w, load_w, self.promise),
            batteries,
            soc_min=self._runtime.controller.settings.soc_min,
            efficiency=self._efficiency,
        )
        # To a percent: a reserve that moves with every watt would be planned for anew each time.
        return round(share, 2)

    def _maintenance(self) -> Maintenance | None:
        """Return the next planned outage: what an action has said, or a calendar."""
        now = self._runtime.clock.now()
        if self._planned is not None and self._planned.end > now:
            return self._planned
        state = self.hass.states.get(self._options.get(CONF_CALENDAR, ""))
        if state is None:
            return None
        start, end = (_local(state.attributes.get(key)) for key in ("start_time", "end_time"))
        if start is None or end is None or end <= now:
            return None
        return Maintenance(start=start, end=end)

    # -- an outage -------------------------------------------------------------------------

    def _stage(self, supply: Supply | None) -> tuple[Stage, datetime | None]:
        """Return how far an outage has come, and since when there is one."""
        present, now = self._runtime.controller.data.grid_present, self._runtime.clock.now()
        stage, since = self.data.stage, self.data.since
        if present is False:
            self._back_s = None
            since = since or now
            if supply is None:
                return (Stage.HOLD if stage is Stage.GRID else stage), since
            elapsed_s = (now - since).total_seconds()
            return next_stage(stage, supply, self.promise, elapsed_s), since
        if stage is Stage.GRID or present is None:
            return stage, since
        self._back_s = now.timestamp() if self._back_s is None else self._back_s
        back = now.timestamp() - self._back_s >= STABLE_S
        return (Stage.GRID, None) if back else (stage, since)

    async def _async_enter(self, data: OutageData) -> None:
        """Do what a stage asks for."""
        LOGGER.warning("%s: stage %s", self.name, data.stage)
        await self._async_save()
        await self._runtime.levers.async_demand(CLAIMANT, WORST_LEVER[data.stage])
        script = self._options.get(CONF_SCRIPT)
        if script is None or data.stage not in SCRIPT_STAGES or not self._runtime.controller.active:
            return
        supply = data.supply
        left_s = None if supply is None else supply.protected_s
        variables = {
            "stage": data.stage,
            "minutes_left": None if left_s is None else int(min(left_s, 1e6) // 60),
        }
        try:
            await self.hass.services.async_call(
                "script", SERVICE_TURN_ON, {ATTR_ENTITY_ID: script, "variables": variables}
            )
        except HomeAssistantError as err:
            LOGGER.warning("%s: %s could not be run: %s", self.name, script, err)

    @override
    async def _async_update_data(self) -> OutageData:
        return self.data

    # -- storage ---------------------------------------------------------------------------

    async def _async_load(self) -> None:
        stored = await self._store.async_load()
        if stored is None:
            return
        try:
            since, planned = stored["since"], stored["planned"]
            self.data = replace(
                self.data,
                stage=Stage(stored["stage"]),
                since=None if since is None else datetime.fromisoformat(since),
            )
            if planned is not None:
                start, end = map(datetime.fromisoformat, planned)
                self._planned = Maintenance(start=start, end=end)
        except KeyError, TypeError, ValueError:
            LOGGER.warning("%s: what was stored could not be read", self.name)

    async def _async_save(self) -> None:
        planned, since = self._planned, self.data.since
        await self._store.async_save(
            {
                "stage": self.data.stage,
                "since": None if since is None else since.isoformat(),
                "planned": None
                if planned is None
                else [planned.start.isoformat(), planned.end.isoformat()],
            }
        )


def branches_of(device: DeviceCoordinator) -> dict[str, str]:
    """Return the branches of a metered load by what they are stored as, with their names."""
    if not device.datasheet.channel_count:
        return {device.asset_id: device.name}
    return {
        f"{device.asset_id}{CHANNEL}{n}": f"{device.name}: {name}"
        for n, name in enumerate(device.channel_names)
    }


def power_of(devices: Mapping[str, DeviceCoordinator], branch: str) -> float | None:
    """Return what a branch draws now, W; None while that is not known."""
    asset_id, _, channel = branch.partition(CHANNEL)
    device = devices.get(asset_id)
    if device is None or device.latest is None or not device.last_update_success:
        return None
    if not channel:
        return device.latest.number(Quantity.POWER_W)
    channels = device.latest.channels
    number = int(channel)
    power = channels[number].get(Quantity.POWER_W) if number < len(channels) else None
    return power if isinstance(power, float) else None


def _local(text: object) -> datetime | None:
    """Return a calendar's moment, UTC; what has no offset is local time."""
    moment = dt_util.parse_datetime(str(text))
    return None if moment is None else dt_util.as_utc(moment)
