"""The control loop inside Home Assistant: samples in, ``decide``, commands out.

No policy lives here. The loop is driven by the grid meter's samples, with a watchdog for
when they stop; it reads typed readings, never entity states, and waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
import math
from typing import Any, Final, TypedDict, override

from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.storage import Store
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .const import (
    CONF_CAPACITY_KWH,
    CONF_CHARGE_LIMIT_KW,
    CONF_CONNECTION_LIMIT_KW,
    CONF_DISCHARGE_LIMIT_KW,
    CONF_EXPORT_LIMIT_KW,
    CONF_PHASE_LIMIT_A,
    CONF_ROLE,
    CONF_TARGET_PEAK_KW,
    DOMAIN,
    LOGGER,
    PUBLISH_S,
    ROLE_GRID,
)
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from .core.control import decide
from .core.model import AssetKind, Clock, Quantity, Reading, Reason
from .core.numbers import known
from .core.site import (
    BatteryState,
    ControlState,
    Decision,
    GridState,
    Limits,
    Memory,
    PvState,
    SiteState,
    Strategy,
)
from .core.watch import FollowCheck, FreshnessCheck
from .core.window import PeakLog, TrackerState, Window, WindowTracker
from .hands import AssetWriter

STORE_VERSION: Final = 1
SAVE_DELAY_S: Final = 30.0
WATCHDOG_S: Final = 1.0
STALE_POLLS: Final = 5.0
STALE_LEAST_S: Final = 5.0
NOMINAL_PHASE_V: Final = 230.0
GRID_LOST_V: Final = 100.0
DECISIONS_KEPT: Final = 100
DEFAULT_TARGET_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user sets while the site runs; kept over restarts."""

    enabled: bool = False
    strategy: Strategy = Strategy.PEAK_SHAVING
    target_w: float | None = None
    """None: a share of the connection limit."""
    connection_w: float | None = None
    """None: what the site's connection carries."""
    soc_min: float = 0.05
    reserve: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteData:
    """The site as published. Powers in W, in our signs; None where it is not known."""

    grid_power_w: float | None = None
    load_power_w: float | None = None
    pv_power_w: float | None = None
    battery_power_w: float | None = None
    soc: float | None = None
    """State of charge of all batteries together, 0..1."""
    window: Window | None = None
    running_mean_w: float | None = None
    """Mean import of the running window so far."""
    projected_mean_w: float | None = None
    remaining_wh: float | None = None
    billed_peak_w: float | None = None
    headroom_w: float | None = None
    setpoint_w: float | None = None
    """What the batteries are told together; with control off, what they would be."""
    data_age_s: float | None = None
    state: ControlState = ControlState.OFF
    reason: Reason = Reason.OFF
    peak_at_risk: bool = False
    peak_unavoidable: bool = False
    grid_present: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """One decision that differed from the one before, for diagnostics."""

    at: datetime
    state: ControlState
    reason: Reason
    grid_w: float | None
    setpoints: Mapping[str, float | None]


class StoredState(TypedDict):
    """The controller on disk."""

    settings: dict[str, Any]
    window: TrackerState | None
    peaks: list[tuple[str, float, float, str]]
    engaged: list[str]


@dataclass(slots=True)
class _Battery:
    """A battery with its writer and its watch."""

    device: DeviceCoordinator
    writer: AssetWriter
    follow: FollowCheck = field(default_factory=FollowCheck)


class Controller(DataUpdateCoordinator[SiteData]):
    """Runs the control law on the site's samples and publishes how it goes."""

    config_entry: ComputeLoadConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ComputeLoadConfigEntry, clock: Clock) -> None:
        """Prepare; ``async_load`` and ``async_start`` come next."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=None,
            always_update=False,
        )
        self.clock = clock
        self.settings = Settings()
        self.decision: Decision | None = None
        self.history: deque[PastDecision] = deque(maxlen=DECISIONS_KEPT)
        self.closed_windows: deque[Window] = deque(maxlen=96)
        self.data = SiteData()
        self.writers: dict[str, AssetWriter] = {}
        self._store: Store[StoredState] = Store(hass, STORE_VERSION, f"{DOMAIN}.{entry.entry_id}")
        self._tracker = WindowTracker(plausible_w=3.0 * self.capacity_w)
        self._peaks = PeakLog(dt_util.get_default_time_zone())
        self._memory = Memory()
        self._meter: DeviceCoordinator | None = None
        self._batteries: dict[str, _Battery] = {}
        self._pv: dict[str, _Battery] = {}
        self._fresh = FreshnessCheck()
        self._base_load = _BaseLoad()
        self._engaged_before: frozenset[str] = frozenset()
        self._stepped_s = -math.inf
        self._published_s = -math.inf

    # -- what is set ---------------------------------------------------------------

    @property
    def capacity_w(self) -> float:
        """Return what the grid connection carries, as configured."""
        return float(self.config_entry.data[CONF_CONNECTION_LIMIT_KW]) * 1000.0

    @property
    def connection_w(self) -> float:
        """Return the import limit in force: the connection, or what the user set below it."""
        return min(self.settings.connection_w or math.inf, self.capacity_w)

    @property
    def target_w(self) -> float:
        """Return the target peak in force."""
        default = self.config_entry.data.get(CONF_TARGET_PEAK_KW)
        default_w = default * 1000.0 if default else DEFAULT_TARGET_SHARE * self.capacity_w
        return min(self.settings.target_w or default_w, self.connection_w)

    @property
    def base_load_w(self) -> float | None:
        """Return the lowest draw of the last day, with the batteries at rest."""
        return self._base_load.lowest_w

    @property
    def active(self) -> bool:
        """Return whether commands are really sent."""
        return self.settings.enabled and self.settings.strategy is not Strategy.OBSERVE

    async def async_change(self, settings: Settings) -> None:
        """Put new settings into force, and hand back what they no longer cover."""
        was_active = self.active
        self.settings = settings
        if was_active and not self.active:
            await self.async_release_all()
        await self._store.async_save(self._to_store())
        self._step(None)
        self._publish()

    # -- life ----------------------------------------------------------------------

    async def async_load(self) -> None:
        """Read back what a restart must not lose. A damaged file costs only its content."""
        stored = await self._store.async_load()
        if stored is None:
            return
        try:
            raw = stored["settings"]
            self.settings = Settings(**{**raw, "strategy": Strategy(raw["strategy"])})
            self._peaks = PeakLog.from_state(dt_util.get_default_time_zone(), stored["peaks"])
            self._engaged_before = frozenset(stored["engaged"])
            if stored["window"] is not None:
                self._tracker.restore(stored["window"])
        except KeyError, TypeError, ValueError:
            LOGGER.warning("%s: the stored state could not be read; starting afresh", self.name)

    async def async_start(self, devices: Mapping[str, DeviceCoordinator]) -> None:
        """Take the site's devices and begin; what an earlier run left engaged is released."""
        entry = self.config_entry
        for asset_id, device in devices.items():
            if device.kind is AssetKind.METER and device.subentry.data.get(CONF_ROLE) == ROLE_GRID:
                self._meter = self._meter or device
            elif device.device.contract is not None:
                battery = _Battery(device, self._writer(device))
                self.writers[asset_id] = battery.writer
                if device.kind is AssetKind.BATTERY:
                    self._batteries[asset_id] = battery
                elif device.kind is AssetKind.PV:
                    self._pv[asset_id] = battery
                battery.writer.engaged = asset_id in self._engaged_before
        if not self.active:
            await self.async_release_all()
        if self._meter is not None:
            entry.async_on_unload(self._meter.async_listen_for_samples(self._on_sample))
        entry.async_on_unload(
            self.hass.async_add_shutdown_job(HassJob(self.async_stop, "computeload hand-back"))
        )
        entry.async_create_background_task(
            self.hass, self._async_watchdog(), f"{DOMAIN} watchdog {self.name}"
        )

    def _writer(self, device: DeviceCoordinator) -> AssetWriter:
        return AssetWriter(
            device.device,
            device.name,
            start_task=lambda target, name: self.config_entry.async_create_background_task(
                self.hass, target, name
            ),
            engaged=self._save_now,
            monotonic_s=self.clock.monotonic_s,
        )

    async def async_stop(self) -> None:
        """Hand every asset back and keep what a restart needs."""
        await self.async_release_all()
        await self._store.async_save(self._to_store())

    async def async_release_all(self) -> None:
        """Give all assets back to their own control."""
        self._memory = replace(self._memory, sent={}, sent_pv={})
        await asyncio.gather(*(writer.async_release() for writer in self.writers.values()))

    @override
    async def _async_update_data(self) -> SiteData:
        return self._site_data()

    # -- the loop ------------------------------------------------------------------

    @callback
    def _on_sample(self, reading: Reading | None) -> None:
        self._step(reading)

    async def _async_watchdog(self) -> None:
        """Keep deciding when the meter's samples stop: that is when it matters most."""
        while True:
            await asyncio.sleep(WATCHDOG_S)
            if self.hass.loop.time() - self._stepped_s >= WATCHDOG_S:
                self._step(None)

    @callback
    def _step(self, reading: Reading | None) -> None:
        """Run the law once, on a new sample of the meter or on what is known without one."""
        self._stepped_s = self.hass.loop.time()
        now, now_s = self.clock.now(), self.clock.monotonic_s()
        if reading is not None:
            self._account(reading)
        memory = self._memory if self.active else replace(self._memory, sent={}, sent_pv={})
        for asset_id, writer in self.writers.items():
            if writer.needs_rewrite(now_s):
                memory = replace(
                    memory, sent={k: v for k, v in memory.sent.items() if k != asset_id}
                )
        state = self._site_state(now, now_s)
        decision = decide(state, self._limits(state), memory)
        self._memory = decision.memory
        if self.active:
            for command in decision.commands:
                self.writers[command.asset_id].send(command)
        self._remember(decision, state)
        if decision.natural_w is not None:
            self._base_load.add(now_s, decision.natural_w)

    def _account(self, reading: Reading) -> None:
        """Add the sample to the running window, and closed windows to the billed peaks."""
        closed = self._tracker.update(
            reading.at,
            reading.monotonic_s,
            reading.number(Quantity.POWER_W),
            reading.number(Quantity.ENERGY_IMPORT_WH),
        )
        for window in closed:
            self.closed_windows.append(window)
            self._peaks.add(window)
        if closed:
            self._store.async_delay_save(self._to_store, SAVE_DELAY_S)

    def _limits(self, state: SiteState) -> Limits:
        data = self.config_entry.data
        phase_a, export_kw = data.get(CONF_PHASE_LIMIT_A), data.get(CONF_EXPORT_LIMIT_KW)
        poll_s = self._meter.poll_s if self._meter is not None else 1.0
        return Limits(
            connection_w=self.connection_w,
            target_w=self.target_w,
            phase_w=None if phase_a is None else phase_a * NOMINAL_PHASE_V,
            export_w=None if export_kw is None else export_kw * 1000.0,
            soc_min=self.settings.soc_min,
            reserve=self.settings.reserve,
            stale_s=max(STALE_LEAST_S, STALE_POLLS * poll_s),
            strategy=self.settings.strategy,
        )

    def _site_state(self, now: datetime, now_s: float) -> SiteState:
        window = self._tracker.window
        peak = self._peaks.peak(now)
        return SiteState(
            now=now,
            monotonic_s=now_s,
            grid=self._grid_state(now_s),
            window=window if window is not None and window.left_s(now) > 0.0 else None,
            billed_peak_w=peak.mean_w if peak is not None else 0.0,
            batteries=tuple(self._battery_state(b, now_s) for b in self._batteries.values()),
            pv=tuple(self._pv_state(p, now_s) for p in self._pv.values()),
            grid_present=self._grid_present() is not False,
        )

    def _grid_state(self, now_s: float) -> GridState | None:
        if self._meter is None or (reading := self._meter.latest) is None:
            return None
        power_w = reading.number(Quantity.POWER_W)
        if power_w is None:
            return None
        phases = [reading.number(q) for q in _PHASE_POWERS]
        l1, l2, l3 = phases
        return GridState(
            power_w=power_w,
            age_s=self._fresh.age_s(reading, now_s),
            phase_w=None if l1 is None or l2 is None or l3 is None else (l1, l2, l3),
        )

    def _battery_state(self, battery: _Battery, now_s: float) -> BatteryState:
        device, writer = battery.device, battery.writer
        contract, data = device.device.contract, device.subentry.data
        reading = device.latest
        power_w = reading.number(Quantity.POWER_W) if reading else None
        rated_w = (reading.number(Quantity.RATED_POWER_W) if reading else None) or math.inf
        charge_w = _least(data.get(CONF_CHARGE_LIMIT_KW), reading, Quantity.CHARGE_LIMIT_W, rated_w)
        discharge_w = _least(
            data.get(CONF_DISCHARGE_LIMIT_KW), reading, Quantity.DISCHARGE_LIMIT_W, rated_w
        )
        settle_s = (contract.delay_s if contract else 1.0) + device.poll_s
        capacity_kwh = data.get(CONF_CAPACITY_KWH)
        capacity_wh = (
            capacity_kwh * 1000.0
            if capacity_kwh
            else (reading.number(Quantity.CAPACITY_WH) if reading else None) or 0.0
        )
        state = BatteryState(
            asset_id=device.asset_id,
            power_w=power_w,
            soc=reading.number(Quantity.SOC) if reading else None,
            reading_s=reading.monotonic_s if reading else -math.inf,
            capacity_wh=capacity_wh,
            charge_limit_w=charge_w,
            discharge_limit_w=discharge_w,
            heartbeat_s=contract.heartbeat_s if contract else None,
            min_interval_s=contract.min_interval_s if contract else 0.0,
            resolution_w=contract.resolution_w if contract else 1.0,
            settle_s=settle_s,
        )
        if self.active:
            self._check_follows(battery, state, now_s)
        fresh = now_s - state.reading_s <= max(STALE_LEAST_S, STALE_POLLS * device.poll_s)
        return replace(state, usable=fresh and writer.usable(now_s))

    def _check_follows(self, battery: _Battery, state: BatteryState, now_s: float) -> None:
        sent = self._memory.sent.get(state.asset_id)
        if sent is None or sent.power_w is None:
            return
        limit_w = state.discharge_limit_w if sent.power_w > 0.0 else state.charge_limit_w
        changed_s = sent.changed_s
        if not battery.follow.follows(
            now_s=now_s,
            commanded_w=sent.power_w,
            changed_s=changed_s,
            settle_s=state.settle_s,
            power_w=state.power_w,
            limit_w=limit_w,
        ):
            battery.follow = FollowCheck()
            battery.writer.give_up("it takes commands but does not follow them")
        elif now_s > changed_s + state.settle_s and battery.writer.usable(now_s):
            battery.writer.recovered()

    def _pv_state(self, pv: _Battery, now_s: float) -> PvState:
        reading, contract = pv.device.latest, pv.device.device.contract
        fresh = reading is not None and now_s - reading.monotonic_s <= max(
            STALE_LEAST_S, STALE_POLLS * pv.device.poll_s
        )
        return PvState(
            asset_id=pv.device.asset_id,
            power_w=reading.number(Quantity.POWER_W) if reading else None,
            rated_w=(reading.number(Quantity.RATED_POWER_W) if reading else None) or math.inf,
            usable=fresh and pv.writer.usable(now_s),
            heartbeat_s=contract.heartbeat_s if contract else None,
        )

    def _grid_present(self) -> bool | None:
        """Tell whether the grid is there: a battery says so, or the meter's voltages do."""
        seen: list[bool] = []
        for battery in self._batteries.values():
            reading = battery.device.latest
            present = reading.number(Quantity.GRID_PRESENT) if reading else None
            if present is not None and battery.device.last_update_success:
                seen.append(present > 0.0)
        if self._meter is not None and (reading := self._meter.latest) is not None:
            volts = [v for q in _PHASE_VOLTS if known(v := reading.number(q))]
            if volts and self._meter.last_update_success:
                seen.append(max(volts) > GRID_LOST_V)
        return all(seen) if seen else None

    # -- publishing ----------------------------------------------------------------

    def _remember(self, decision: Decision, state: SiteState) -> None:
        before, self.decision = self.decision, decision
        changed = before is None or (before.state, before.reason) != (
            decision.state,
            decision.reason,
        )
        if changed:
            self.history.append(
                PastDecision(
                    at=state.now,
                    state=decision.state,
                    reason=decision.reason,
                    grid_w=state.grid.power_w if state.grid else None,
                    setpoints=decision.setpoints,
                )
            )
            self._report_issues(decision, state)
        urgent = changed or (
            before is not None
            and (before.peak_at_risk, before.peak_unavoidable)
            != (decision.peak_at_risk, decision.peak_unavoidable)
        )
        since_s = self.hass.loop.time() - self._published_s
        if since_s >= PUBLISH_S or (urgent and since_s >= 1.0):
            self._publish()

    @callback
    def _publish(self) -> None:
        self._published_s = self.hass.loop.time()
        for asset_id, writer in self.writers.items():
            self._issue(
                f"not_following_{asset_id}",
                "not_following",
                writer.faulted,
                self._name_of(asset_id),
            )
        self.async_set_updated_data(self._site_data())

    def _site_data(self) -> SiteData:
        now, now_s = self.clock.now(), self.clock.monotonic_s()
        decision, window = self.decision, self._tracker.window
        grid = self._grid_state(now_s)
        limits_stale_s = STALE_LEAST_S if self._meter is None else self._stale_s(self._meter)
        grid_w = grid.power_w if grid is not None and grid.age_s <= limits_stale_s else None
        battery_w = self._sum(AssetKind.BATTERY)
        pv_w = self._sum(AssetKind.PV)
        load_w = None
        if grid_w is not None and battery_w is not None and pv_w is not None:
            load_w = grid_w + battery_w + pv_w
        peak = self._peaks.peak(now)
        elapsed_s = 0.0 if window is None else window.covered_s
        data = SiteData(
            grid_power_w=grid_w,
            load_power_w=load_w,
            pv_power_w=pv_w,
            battery_power_w=battery_w,
            soc=self._soc(),
            window=window,
            running_mean_w=(
                window.energy_wh * 3600.0 / elapsed_s if window and elapsed_s > 1.0 else None
            ),
            remaining_wh=window.remaining_wh(self.target_w) if window else None,
            billed_peak_w=peak.mean_w if peak is not None else None,
            data_age_s=grid.age_s if grid else None,
            grid_present=self._grid_present(),
        )
        if decision is None:
            return data
        reason = decision.reason if self._meter is not None else Reason.NO_METER
        state = decision.state
        if not self.settings.enabled:
            state = ControlState.OFF
        elif self.settings.strategy is Strategy.OBSERVE:
            state = ControlState.OBSERVING
        setpoints = [s for s in decision.setpoints.values() if s is not None]
        return replace(
            data,
            projected_mean_w=decision.projected_mean_w,
            headroom_w=decision.headroom_w,
            setpoint_w=sum(setpoints) if setpoints else None,
            state=state,
            reason=reason,
            peak_at_risk=decision.peak_at_risk,
            peak_unavoidable=decision.peak_unavoidable,
        )

    def _stale_s(self, device: DeviceCoordinator) -> float:
        return max(STALE_LEAST_S, STALE_POLLS * device.poll_s)

    def _sum(self, kind: AssetKind) -> float | None:
        """Return the power of all devices of a kind; None while one of them is unknown."""
        total_w = 0.0
        for device in self.config_entry.runtime_data.of_kind(kind):
            power_w = device.latest.number(Quantity.POWER_W) if device.latest else None
            if power_w is None or not device.last_update_success:
                return None
            total_w += power_w
        return total_w

    def _soc(self) -> float | None:
        """Return the state of charge of all batteries together, by their capacity."""
        states = [
            self._battery_state(b, self.clock.monotonic_s()) for b in self._batteries.values()
        ]
        sound = [(s.soc, s.capacity_wh) for s in states if known(s.soc) and s.capacity_wh > 0.0]
        total_wh = sum(wh for _, wh in sound)
        return sum((soc or 0.0) * wh for soc, wh in sound) / total_wh if total_wh else None

    # -- issues and storage ----------------------------------------------------------

    def _name_of(self, asset_id: str) -> str:
        return self.config_entry.subentries[asset_id].title

    def _report_issues(self, decision: Decision, state: SiteState) -> None:
        silent = self.active and decision.state is ControlState.SAFE and self._meter is not None
        self._issue(
            "meter_silent", "meter_silent", silent, self._meter.name if self._meter else self.name
        )

    def _issue(self, key: str, translation_key: str, active: bool, device: str) -> None:  # noqa: FBT001
        issue_id = f"{self.config_entry.entry_id}_{key}"
        if active:
            ir.async_create_issue(
                self.hass,
                DOMAIN,
                issue_id,
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=translation_key,
                translation_placeholders={"device": device, "site": self.name},
            )
        else:
            ir.async_delete_issue(self.hass, DOMAIN, issue_id)

    @callback
    def _save_now(self) -> None:
        """Keep at once who has the batteries: a crash must find it on disk."""
        self._store.async_delay_save(self._to_store, 0.0)

    @callback
    def _to_store(self) -> StoredState:
        return StoredState(
            settings=asdict(self.settings),
            window=self._tracker.to_state(),
            peaks=self._peaks.to_state(),
            engaged=[asset_id for asset_id, w in self.writers.items() if w.engaged],
        )


_PHASE_POWERS: Final = (Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W)
_PHASE_VOLTS: Final = (Quantity.VOLTAGE_L1_V, Quantity.VOLTAGE_L2_V, Quantity.VOLTAGE_L3_V)


def _least(
    configured_kw: float | None, reading: Reading | None, quantity: Quantity, rated_w: float
) -> float:
    """Return the least of what is configured, reported and rated; 0 where nothing is known."""
    reported_w = reading.number(quantity) if reading else None
    limits = [rated_w]
    if configured_kw is not None:
        limits.append(configured_kw * 1000.0)
    if reported_w is not None:
        limits.append(max(reported_w, 0.0))
    least_w = min(limits)
    return least_w if math.isfinite(least_w) else 0.0


class _BaseLoad:
    """The lowest draw of the last day, in hourly buckets."""

    def __init__(self) -> None:
        self._hours: deque[tuple[float, float]] = deque(maxlen=24)

    def add(self, now_s: float, natural_w: float) -> None:
        hour = math.floor(now_s / 3600.0)
        if self._hours and self._hours[-1][0] == hour:
            self._hours[-1] = (hour, min(self._hours[-1][1], natural_w))
        else:
            self._hours.append((hour, natural_w))

    @property
    def lowest_w(self) -> float | None:
        return min((w for _, w in self._hours), default=None)
