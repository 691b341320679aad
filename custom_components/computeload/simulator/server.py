"""A simulated site on the wire: every device on its own port, one clock, one panel of faults."""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from ..core.model import AssetKind
from .cabinet import BatteryPhysics
from .clock import SimClock
from .devices import build_device
from .faults import FaultPanel
from .physics import SitePhysics
from .port import ModbusPort, Write
from .slurm_http import SlurmServer
from .spec import GRID, Scenario

_CHUNK_S: Final = 30.0
"""At most this much is simulated before the event loop gets its turn."""
_SHORTEST_TICK_S: Final = 0.02
_WRITES_KEPT: Final = 2000


class Role(StrEnum):
    """What a device is for on this site."""

    GRID = "grid"
    BRANCH = "branch"
    BATTERY = "battery"
    PV = "pv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a device answers, and what a configuration needs to know about it."""

    id: str
    name: str
    host: str
    port: int
    unit_id: int
    profile: str
    kind: AssetKind
    role: Role
    channels: tuple[str, ...] = ()
    """Names of the branches behind a branch meter."""
    capacity_wh: float | None = None
    charge_w: float | None = None
    discharge_w: float | None = None
    rated_w: float | None = None
    """PV: the inverter's rated power."""


class SimulatedSite:
    """A scenario's site behind sockets. Time passes from ``start`` to ``stop``."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int = 1,
        speed: float = 1.0,
        start: datetime | None = None,
    ) -> None:
        """Build the site at ``start`` (default: now), ``speed`` times as fast as real time."""
        begin = start or datetime.now(UTC)
        self.scenario = scenario
        self.physics = SitePhysics(scenario, seed, start=begin)
        self.clock = SimClock(begin, speed)
        self.faults = FaultPanel(self)
        self.writes: deque[Write] = deque(maxlen=_WRITES_KEPT)
        """The latest write requests of all devices, oldest first."""
        self.ports = {
            wire.id: ModbusPort(build_device(wire, self.physics), self.catch_up, self.writes.append)
            for wire in scenario.wires
        }
        self.endpoints: Mapping[str, Endpoint] = {}
        self.slurm = SlurmServer(self) if scenario.cluster else None
        self._ticker: asyncio.Task[None] | None = None

    async def start(
        self,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        *,
        paused: bool = False,
    ) -> None:
        """Listen on all ports (free ones, except those given by device id) and let time pass.

        With ``paused`` it does not pass until ``resume``. Raises OSError when a port is
        taken; nothing is left open then.
        """
        try:
            for device_id, port in self.ports.items():
                await port.start(host, (ports or {}).get(device_id, 0))
            if self.slurm is not None:
                await self.slurm.start(host)
        except OSError:
            await self.stop()
            raise
        self.endpoints = {
            device_id: self._endpoint(port, host) for device_id, port in self.ports.items()
        }
        if not paused:
            self.clock.resume()
        self._ticker = asyncio.create_task(self._tick_on(), name="simulated site")

    async def stop(self) -> None:
        """Close all ports and hold time. Harmless when not started."""
        self.clock.pause()
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        for port in self.ports.values():
            await port.stop()
        if self.slurm is not None:
            await self.slurm.stop()

    def pause(self) -> None:
        """Hold time; devices go on answering with what is true then."""
        self.catch_up()
        self.clock.pause()

    def resume(self) -> None:
        """Let time pass again."""
        self.clock.resume()

    async def advance(self, seconds: float) -> None:
        """Let this much simulated time pass as fast as possible, paused or not."""
        self.clock.jump(seconds)
        while self.physics.elapsed_s + self.physics.step_s <= self.clock.elapsed_s:
            self._step_to_now()
            await asyncio.sleep(0)

    def battery_behind(self, device_id: str) -> BatteryPhysics | None:
        """Return the battery that a device controls, or None for other devices."""
        device = self.ports[device_id].device
        if device.kind is not AssetKind.BATTERY:
            return None
        return self.physics.batteries[device.wire.serves[0]]

    async def _tick_on(self) -> None:
        """Keep physics with the clock, also while nobody reads."""
        pause_s = max(self.physics.step_s / self.clock.speed, _SHORTEST_TICK_S)
        while True:
            await asyncio.sleep(pause_s)
            self._step_to_now()
            while self.physics.elapsed_s + self.physics.step_s <= self.clock.elapsed_s:
                await asyncio.sleep(0)
                self._step_to_now()

    def catch_up(self) -> None:
        """Bring physics to the present before a request is answered."""
        if self.clock.running:
            self._step_to_now()

    def _step_to_now(self) -> None:
        behind_s = self.clock.elapsed_s - self.physics.elapsed_s
        if behind_s >= self.physics.step_s:
            self.physics.step_to(self.physics.elapsed_s + min(behind_s, _CHUNK_S))

    def _endpoint(self, port: ModbusPort, host: str) -> Endpoint:
        device = port.device
        wire = device.wire
        battery = self.battery_behind(wire.id)
        plant = self.physics.pv.get(wire.serves[0]) if device.kind is AssetKind.PV else None
        branches = self.physics.loads.branches
        return Endpoint(
            id=wire.id,
            name=wire.name,
            host=host,
            port=port.port,
            unit_id=wire.unit_id,
            profile=wire.device,
            kind=device.kind,
            role=_role(device.kind, wire.serves),
            channels=tuple(branches[name].spec.name for name in wire.serves if name in branches),
            capacity_wh=battery.spec.capacity_wh if battery else None,
            charge_w=battery.spec.charge_w if battery else None,
            discharge_w=battery.spec.discharge_w if battery else None,
            rated_w=plant.spec.rated_w if plant else None,
        )


def _role(kind: AssetKind, serves: tuple[str, ...]) -> Role:
    if kind is AssetKind.BATTERY:
        return Role.BATTERY
    if kind is AssetKind.PV:
        return Role.PV
    return Role.GRID if serves == (GRID,) else Role.BRANCH
