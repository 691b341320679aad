"""The control loop inside Home Assistant: samples in, ``decide``, commands out.

No policy lives here. The loop is driven by the grid meter's samples, with a watchdog for
when they stop; it reads typed readings, never entity states, and waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime
import math
from typing import Final, override

from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .const import (
    CONF_CONNECTION_LIMIT_KW,
    CONF_EXPORT_LIMIT_KW,
    CONF_PHASE_LIMIT_A,
    CONF_TARGET_PEAK_KW,
    DOMAIN,
    LOGGER,
    PUBLISH_S,
)
from .control_issues import ControlIssues
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from .core.control import decide
from .core.model import Clock, Quantity, Reading, Reason
from .core.plan import Plan
from .core.site import BatteryState, ControlState, Decision, Limits, Memory, SiteState, Strategy
from .core.watch import PLAUSIBLE_CONNECTIONS, STALE_LEAST_S
from .core.window import PeakLog, Window, WindowTracker, window_start
from .crew import Crew
from .hands import AssetWriter
from .site_data import BaseLoad, PastDecision, Settings, SiteData, StoredState
from .site_view import SiteView, stale_s
from .trouble import Trouble

STORE_VERSION: Final = 1
SAVE_DELAY_S: Final = 30.0
WATCHDOG_S: Final = 1.0
URGENT_PUBLISH_S: Final = 1.0
NOMINAL_PHASE_V: Final = 230.0
DECISIONS_KEPT: Final = 100
WINDOWS_KEPT: Final = 96
DEFAULT_TARGET_SHARE: Final = 0.8


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
        self.data = SiteData()
        self.settings = Settings()
        self.decision: Decision | None = None
        self.history: deque[PastDecision] = deque(maxlen=DECISIONS_KEPT)
        self.closed_windows: deque[Window] = deque(maxlen=WINDOWS_KEPT)
        self.crew = Crew()
        self._issues = ControlIssues(hass, entry.entry_id, entry.title)
        self.view = SiteView({}, self.capacity_w)
        self.operator_w: Callable[[], float | None] = lambda: None
        """Says the grid operator's import limit, W; None while there is none."""
        self.plan: Callable[[], Plan | None] = lambda: None
        """Says what is planned; None while there is no plan that is worth following."""
        self.paid_w: Callable[[datetime], float | None] = lambda _: None
        """Says which mean is paid already in a window, by its start; None: nobody knows."""
        self.billed_w: Callable[[], float | None] = lambda: None
        """Says which peak the tariff bills so far, W; None: ask the calendar month."""
        self.backup: Callable[[], float] = lambda: 0.0
        """Says which state of charge an outage asks for, 0..1."""
        self._store: Store[StoredState] = Store(hass, STORE_VERSION, f"{DOMAIN}.{entry.entry_id}")
        self._tracker = WindowTracker(plausible_w=PLAUSIBLE_CONNECTIONS * self.capacity_w)
        self._peaks = PeakLog(dt_util.get_default_time_zone())
        self._memory = Memory()
        self._base_load = BaseLoad()
        self._engaged_before: frozenset[str] = frozenset()
        self._trouble = Trouble(self.name)
        self.stopping = False
        """True from when everything is handed back for good."""
        self._stepped_s = hass.loop.time()
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
        default_kw = self.config_entry.data.get(CONF_TARGET_PEAK_KW)
        default_w = default_kw * 1000.0 if default_kw else DEFAULT_TARGET_SHARE * self.capacity_w
        return min(self.settings.target_w or default_w, self.connection_w)

    @property
    def reserve(self) -> float:
        """Return the state of charge that is kept back, 0..1."""
        return max(self.settings.reserve, self.backup())

    @property
    def base_load_w(self) -> float | None:
        """Return the lowest draw of the last day, with the batteries at rest."""
        return self._base_load.lowest_w

    @property
    def base_load_hours(self) -> int:
        """Return how many hours the base load is known from, 24 at most."""
        return self._base_load.hours

    @property
    def active(self) -> bool:
        """Return whether commands are really sent."""
        wanted = self.settings.enabled and self.settings.strategy is not Strategy.OBSERVE
        return wanted and not self.stopping

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

    @callback
    def async_adopt(self, devices: Mapping[str, DeviceCoordinator]) -> None:
        """Take the site's devices, and know which of them an earlier run left engaged."""
        self.view = SiteView(devices, self.capacity_w)
        for device in (*self.view.batteries, *self.view.pv):
            if device.controllable:
                writer = self._writer(device)
                writer.engaged = device.asset_id in self._engaged_before
                self.crew.take(device.asset_id, writer)

    async def async_start(self) -> None:
        """Begin; what an earlier run left engaged is released unless control goes on."""
        entry = self.config_entry
        if not self.active:
            await self.async_release_all()
        if self.view.meter is not None:
            entry.async_on_unload(self.view.meter.async_listen_for_samples(self._step))
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
            # Who has the batteries is on disk at once: a start after a crash must find it.
            engaged=lambda: self._store.async_delay_save(self._to_store, 0.0),
            monotonic_s=self.clock.monotonic_s,
        )

    async def async_stop(self) -> None:
        """Hand every asset back, command nothing more, and keep what a restart needs."""
        self.stopping = True
        await self.async_release_all()
        await self._store.async_save(self._to_store())

    async def async_release_all(self) -> None:
        """Give all assets back to their own control."""
        self._memory = replace(self._memory, sent={}, sent_pv={})
        await self.crew.async_release_all()

    # -- the loop ------------------------------------------------------------------

    async def _async_watchdog(self) -> None:
        """Keep deciding when the meter's samples stop: that is when it matters most."""
        loop = self.hass.loop
        while True:
            await asyncio.sleep(self._stepped_s + WATCHDOG_S - loop.time())
            # The same sum as above: a difference could be too small by rounding, for ever.
            if loop.time() >= self._stepped_s + WATCHDOG_S:
                self._step(None)

    @callback
    def _step(self, reading: Reading | None) -> None:
        """Act and publish, on a new sample of the meter or on what is known without one."""
        self._stepped_s = self.hass.loop.time()
        try:
            state, decision = self._act(reading)
        except Exception as err:  # noqa: BLE001 - a loop that cannot decide must let go
            self._trouble.note(err)
            self._memory = Memory()
            self._hand_back()
            return
        with self._trouble.survived():
            self._remember(decision, state)

    def _act(self, reading: Reading | None) -> tuple[SiteState, Decision]:
        """Run the law once and carry out what it says."""
        if reading is not None:
            self._account(reading)
        state = self._site_state()
        memory = self.crew.recalled(self._memory, state.monotonic_s)
        decision = decide(state, self.limits(), memory, self.plan())
        if self.active:
            self._memory = decision.memory
            for command in decision.commands:
                self.crew.writers[command.asset_id].send(command)
        else:
            # What is only computed was not sent: the first command later is news.
            self._memory = replace(decision.memory, sent={}, sent_pv={})
        self._hand_back()
        if decision.natural_w is not None:
            self._base_load.add(state.monotonic_s, decision.natural_w)
        return state, decision

    def _account(self, reading: Reading) -> None:
        """Add the sample to the running window, and closed windows to the billed peaks."""
        power_w = reading.number(Quantity.POWER_W)
        counter_wh = reading.number(Quantity.ENERGY_IMPORT_WH)
        if power_w is not None and not self.view.believes(reading):
            # A meter that is wrong by that much is not believed in anything.
            power_w = counter_wh = None
        closed = self._tracker.update(reading.at, reading.monotonic_s, power_w, counter_wh)
        for window in closed:
            self.closed_windows.append(window)
            self._peaks.add(window)
        if closed:
            self._store.async_delay_save(self._to_store, SAVE_DELAY_S)

    def _hand_back(self) -> None:
        """Send what the law does not hold on its way back."""
        if not self.stopping:
            held = self._memory.sent.keys() | self._memory.sent_pv.keys()
            self.crew.hand_back(held, self.view.batteries)

    def limits(self) -> Limits:
        """Return what must and what should be kept now."""
        data, meter = self.config_entry.data, self.view.meter
        phase_a, export_kw = data.get(CONF_PHASE_LIMIT_A), data.get(CONF_EXPORT_LIMIT_KW)
        return Limits(
            connection_w=self.connection_w,
            target_w=self.target_w,
            phase_w=None if phase_a is None else phase_a * NOMINAL_PHASE_V,
            operator_w=self.operator_w(),
            export_w=None if export_kw is None else export_kw * 1000.0,
            soc_min=self.settings.soc_min,
            reserve=self.reserve,
            stale_s=STALE_LEAST_S if meter is None else stale_s(meter),
            strategy=self.settings.strategy,
        )

    def _site_state(self) -> SiteState:
        now, now_s = self.clock.now(), self.clock.monotonic_s()
        window = self._tracker.window
        return SiteState(
            now=now,
            monotonic_s=now_s,
            grid=self.view.grid(now_s),
            window=window if window is not None and window.left_s(now) > 0.0 else None,
            billed_peak_w=self._paid_w(now),
            batteries=tuple(self._watched(now_s)),
            pv=tuple(
                self.view.pv_inverter(p, now_s, usable=self._usable(p, now_s))
                for p in self.view.pv
                if p.asset_id in self.crew.writers
            ),
            grid_present=self.view.grid_present() is not False,
        )

    def batteries(self) -> tuple[BatteryState, ...]:
        """Return the batteries that may be commanded, as they report themselves."""
        now_s = self.clock.monotonic_s()
        return tuple(
            self.view.battery(each, now_s, usable=self._usable(each, now_s))
            for each in self.view.batteries
            if each.asset_id in self.crew.writers
        )

    def _watched(self, now_s: float) -> Iterator[BatteryState]:
        """Yield the batteries, each with a look at whether it does what it was told."""
        for battery in self.batteries():
            seen, self._memory = self.crew.watched(battery, self._memory, now_s)
            yield seen

    def _paid_w(self, now: datetime) -> float:
        """Return the mean that costs nothing more in the running window, at most all there is."""
        paid_w = self.paid_w(window_start(now))
        if paid_w is None:
            peak = self._peaks.peak(now)
            paid_w = peak.mean_w if peak is not None else 0.0
        return min(paid_w, self.capacity_w)

    def _usable(self, device: DeviceCoordinator, now_s: float) -> bool:
        return self.crew.writers[device.asset_id].usable(now_s)

    # -- publishing ----------------------------------------------------------------

    def _remember(self, decision: Decision, state: SiteState) -> None:
        """Keep the decision, and publish it: now and then, soon where it is news."""
        before, self.decision = self.decision, decision
        if self.active:
            self._log_trust(before)
        news = before is None or (
            (before.state, before.reason, before.peak_at_risk, before.peak_unavoidable)
            != (decision.state, decision.reason, decision.peak_at_risk, decision.peak_unavoidable)
        )
        if news:
            self.history.append(
                PastDecision(
                    at=state.now,
                    state=decision.state,
                    reason=decision.reason,
                    grid_w=state.grid.power_w if state.grid else None,
                    setpoints=decision.setpoints,
                )
            )
        since_s = self.hass.loop.time() - self._published_s
        if since_s >= PUBLISH_S or (news and since_s >= URGENT_PUBLISH_S):
            self._publish()

    def _log_trust(self, before: Decision | None) -> None:
        """Say once that the meter is not to be relied on, and once that it is again."""
        lost_before = before is not None and before.state is ControlState.SAFE
        if self._meter_lost and not lost_before:
            LOGGER.warning(
                "%s: the grid meter is silent or not believable; the batteries are wound down",
                self.name,
            )
        elif lost_before and not self._meter_lost:
            LOGGER.info("%s: the grid meter can be relied on again", self.name)

    @property
    def _meter_lost(self) -> bool:
        return self.decision is not None and self.decision.state is ControlState.SAFE

    @callback
    def _publish(self) -> None:
        self._published_s = self.hass.loop.time()
        self.async_set_updated_data(self._site_data())
        self._issues.of_assets(self.crew, (*self.view.batteries, *self.view.pv))
        self._issues.of_meter(self.view.meter, active=self.active, lost=self._meter_lost)

    @override
    async def _async_update_data(self) -> SiteData:
        return self._site_data()

    def _site_data(self) -> SiteData:
        now, now_s = self.clock.now(), self.clock.monotonic_s()
        view, decision, window = self.view, self.decision, self._tracker.window
        grid = view.grid(now_s)
        target_w = decision.target_w if decision is not None else None
        target_w = self.target_w if target_w is None else target_w
        data = SiteData(
            grid_power_w=view.grid_w(now_s),
            load_power_w=view.load_w(now_s),
            pv_power_w=view.pv_w(),
            battery_power_w=view.battery_w(),
            soc=view.soc(now_s),
            window=window,
            running_mean_w=(
                window.energy_wh * 3600.0 / window.covered_s
                if window is not None and window.covered_s > 1.0
                else None
            ),
            remaining_wh=window.remaining_wh(now, target_w) if window is not None else None,
            target_w=target_w,
            billed_peak_w=self._billed_peak_w(now),
            data_age_s=grid.age_s if grid is not None else None,
            grid_present=view.grid_present(),
            state=self._state(),
        )
        if decision is None:
            return data
        setpoints = [s for s in decision.setpoints.values() if s is not None]
        return replace(
            data,
            projected_mean_w=decision.projected_mean_w,
            headroom_w=decision.headroom_w,
            setpoint_w=sum(setpoints) if setpoints else None,
            reason=Reason.NO_METER if view.meter is None else decision.reason,
            peak_at_risk=decision.peak_at_risk,
            peak_unavoidable=decision.peak_unavoidable,
        )

    def _billed_peak_w(self, now: datetime) -> float | None:
        if (billed_w := self.billed_w()) is not None:
            return billed_w
        peak = self._peaks.peak(now)
        return peak.mean_w if peak is not None else None

    def _state(self) -> ControlState:
        if not self.settings.enabled:
            return ControlState.OFF
        if self.settings.strategy is Strategy.OBSERVE:
            return ControlState.OBSERVING
        return self.decision.state if self.decision is not None else ControlState.IDLE

    # -- storage ---------------------------------------------------------------------

    @callback
    def _to_store(self) -> StoredState:
        return StoredState(
            settings=asdict(self.settings),
            window=self._tracker.to_state(),
            peaks=self._peaks.to_state(),
            engaged=self.crew.engaged,
        )
