"""The site as its devices last described it: readings in, the control law's state out."""

from collections.abc import Mapping
from dataclasses import replace
import math
from typing import Final

from .const import (
    CONF_CAPACITY_KWH,
    CONF_CHARGE_LIMIT_KW,
    CONF_DISCHARGE_LIMIT_KW,
    CONF_ROLE,
    ROLE_GRID,
)
from .coordinator import DeviceCoordinator
from .core.model import AssetKind, Quantity, Reading
from .core.numbers import known
from .core.site import BatteryState, GridState, PvState
from .core.watch import FreshnessCheck, plausible, stale_after_s

GRID_LOST_V: Final = 100.0
"""Below this on all phases there is no grid."""

_PHASE_POWERS: Final = (Quantity.POWER_L1_W, Quantity.POWER_L2_W, Quantity.POWER_L3_W)
_PHASE_VOLTS: Final = (Quantity.VOLTAGE_L1_V, Quantity.VOLTAGE_L2_V, Quantity.VOLTAGE_L3_V)


def stale_s(device: DeviceCoordinator) -> float:
    """Return the age from which a device's reading is not acted on any more."""
    return stale_after_s(device.poll_s)


def _number(device: DeviceCoordinator, quantity: Quantity) -> float | None:
    return device.latest.number(quantity) if device.latest is not None else None


class SiteView:
    """Reads the latest of every device; never waits, never asks."""

    def __init__(self, devices: Mapping[str, DeviceCoordinator], capacity_w: float) -> None:
        """Sort the site's devices by what they are to it.

        ``capacity_w`` is what the grid connection carries: no meter reading is believed
        that is far beyond it.
        """
        self.batteries = [d for d in devices.values() if d.kind is AssetKind.BATTERY]
        self.pv = [d for d in devices.values() if d.kind is AssetKind.PV]
        meters = [d for d in devices.values() if d.kind is AssetKind.METER]
        self.meter = next((m for m in meters if m.subentry.data[CONF_ROLE] == ROLE_GRID), None)
        self._capacity_w = capacity_w
        self._believed: Reading | None = None
        self._fresh = FreshnessCheck()
        self._states: dict[str, tuple[Reading | None, BatteryState]] = {}

    def believes(self, reading: Reading) -> bool:
        """Tell whether the grid meter's reading has a power, and one that can be true."""
        return plausible(reading.number(Quantity.POWER_W), self._capacity_w)

    def grid(self, now_s: float) -> GridState | None:
        """Return the grid meter's last believable answer with its age; None before the first.

        A meter that says nothing of use is as silent as one that says nothing.
        """
        latest = self.meter.latest if self.meter is not None else None
        if latest is not None and self.believes(latest):
            self._believed = latest
        reading = self._believed
        power_w = reading.number(Quantity.POWER_W) if reading is not None else None
        if reading is None or power_w is None:
            return None
        l1, l2, l3 = (reading.number(q) for q in _PHASE_POWERS)
        return GridState(
            power_w=power_w,
            age_s=self._fresh.age_s(reading, now_s),
            phase_w=None if l1 is None or l2 is None or l3 is None else (l1, l2, l3),
        )

    def grid_present(self) -> bool | None:
        """Tell whether the grid is there: a battery says so, or the meter's voltages do.

        None while nobody can tell.
        """
        seen: list[bool] = []
        for battery in self.batteries:
            present = _number(battery, Quantity.GRID_PRESENT)
            if present is not None and battery.last_update_success:
                seen.append(present > 0.0)
        if self.meter is not None and self.meter.last_update_success:
            volts = [v for q in _PHASE_VOLTS if known(v := _number(self.meter, q))]
            if volts:
                seen.append(max(volts) > GRID_LOST_V)
        return all(seen) if seen else None

    def battery(self, device: DeviceCoordinator, now_s: float, *, usable: bool) -> BatteryState:
        """Return one battery for the control law; ``usable`` is what its writer thinks of it."""
        # The meter speaks more often than a battery does: what it said is looked up once.
        known_for, state = self._states.get(device.asset_id, (None, None))
        if state is None or known_for is not device.latest:
            state = _battery_state(device)
            self._states[device.asset_id] = (device.latest, state)
        usable = usable and now_s - state.reading_s <= stale_s(device)
        return state if usable == state.usable else replace(state, usable=usable)

    def pv_inverter(self, device: DeviceCoordinator, now_s: float, *, usable: bool) -> PvState:
        """Return one PV inverter that can be limited, for the control law."""
        reading, contract = device.latest, device.device.contract
        fresh = reading is not None and now_s - reading.monotonic_s <= stale_s(device)
        return PvState(
            asset_id=device.asset_id,
            power_w=_number(device, Quantity.POWER_W),
            rated_w=_number(device, Quantity.RATED_POWER_W) or math.inf,
            usable=usable and fresh,
            heartbeat_s=contract.heartbeat_s if contract else None,
        )

    def grid_w(self, now_s: float) -> float | None:
        """Return the grid power; None when the meter's last word is too old."""
        grid = self.grid(now_s)
        if grid is None or self.meter is None or grid.age_s > stale_s(self.meter):
            return None
        return grid.power_w

    def battery_w(self) -> float | None:
        """Return the power of all batteries; None while one of them is not known."""
        return _sum(self.batteries)

    def pv_w(self) -> float | None:
        """Return the production of all PV; None while a part of it is not known."""
        return _sum(self.pv)

    def load_w(self, now_s: float) -> float | None:
        """Return what the site consumes; None while a part of the balance is not known."""
        grid_w, battery_w, pv_w = self.grid_w(now_s), self.battery_w(), self.pv_w()
        if grid_w is None or battery_w is None or pv_w is None:
            return None
        return grid_w + battery_w + pv_w

    def soc(self, now_s: float) -> float | None:
        """Return the state of charge of all batteries together, weighed by capacity."""
        states = [self.battery(b, now_s, usable=True) for b in self.batteries]
        sound = [(s.soc, s.capacity_wh) for s in states if known(s.soc) and s.capacity_wh > 0.0]
        total_wh = sum(capacity_wh for _, capacity_wh in sound)
        return sum(soc * capacity_wh for soc, capacity_wh in sound) / total_wh if total_wh else None


def _battery_state(device: DeviceCoordinator) -> BatteryState:
    data, contract, reading = device.subentry.data, device.device.contract, device.latest
    rated_w = _number(device, Quantity.RATED_POWER_W)
    configured_wh = (data.get(CONF_CAPACITY_KWH) or 0.0) * 1000.0
    return BatteryState(
        asset_id=device.asset_id,
        power_w=_number(device, Quantity.POWER_W),
        soc=_number(device, Quantity.SOC),
        reading_s=reading.monotonic_s if reading is not None else -math.inf,
        capacity_wh=configured_wh or _number(device, Quantity.CAPACITY_WH) or 0.0,
        charge_limit_w=_least(
            data.get(CONF_CHARGE_LIMIT_KW), reading, Quantity.CHARGE_LIMIT_W, rated_w
        ),
        discharge_limit_w=_least(
            data.get(CONF_DISCHARGE_LIMIT_KW), reading, Quantity.DISCHARGE_LIMIT_W, rated_w
        ),
        heartbeat_s=contract.heartbeat_s if contract else None,
        min_interval_s=contract.min_interval_s if contract else 0.0,
        resolution_w=contract.resolution_w if contract else 1.0,
        settle_s=(contract.delay_s if contract else 1.0) + device.poll_s,
    )


def _sum(devices: list[DeviceCoordinator]) -> float | None:
    total_w = 0.0
    for device in devices:
        power_w = _number(device, Quantity.POWER_W)
        if power_w is None or not device.last_update_success:
            return None
        total_w += power_w
    return total_w


def _least(
    configured_kw: float | None, reading: Reading | None, quantity: Quantity, rated_w: float | None
) -> float:
    """Return the least of what is configured, reported and rated; 0 where nothing is known."""
    reported_w = reading.number(quantity) if reading is not None else None
    configured_w = configured_kw * 1000.0 if configured_kw is not None else None
    limits = [max(w, 0.0) for w in (configured_w, reported_w, rated_w) if known(w)]
    return min(limits, default=0.0)
