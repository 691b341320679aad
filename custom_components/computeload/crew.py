"""The assets that may be commanded: a writer each, and whether they do what they were told.

What was really sent, what has to be sent anew, who is to be given back, who disobeys: the
controller asks here, and decides nothing of it itself.
"""

import asyncio
from collections.abc import Container, Iterable
from dataclasses import replace
import math

from .coordinator import DeviceCoordinator
from .core.model import Command, Quantity, Reason
from .core.site import BatteryState, Memory
from .core.watch import REPEAT_S, FollowCheck
from .hands import AssetWriter


class Crew:
    """One site's commanded assets, by asset id."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.writers: dict[str, AssetWriter] = {}
        self.borrowed: set[str] = set()
        """Assets that somebody else commands for a moment: a battery that is tried out."""
        self._follows: dict[str, FollowCheck] = {}

    def take(self, asset_id: str, writer: AssetWriter) -> None:
        """Take an asset in."""
        self.writers[asset_id] = writer
        self._follows[asset_id] = FollowCheck()

    @property
    def engaged(self) -> list[str]:
        """Return whose control we hold."""
        return [asset_id for asset_id, writer in self.writers.items() if writer.engaged]

    async def async_release_all(self) -> None:
        """Give all assets back to their own control."""
        await asyncio.gather(*(writer.async_release() for writer in self.writers.values()))

    async def async_written(self) -> None:
        """Wait until every command under way is on the wire, or refused."""
        await asyncio.gather(*(writer.async_settled() for writer in self.writers.values()))

    def recalled(self, memory: Memory, now_s: float) -> Memory:
        """Return what was really sent: not what failed."""
        for asset_id, writer in self.writers.items():
            if writer.needs_rewrite(now_s):
                memory = replace(
                    memory,
                    sent={k: v for k, v in memory.sent.items() if k != asset_id},
                    sent_pv={k: v for k, v in memory.sent_pv.items() if k != asset_id},
                )
        return memory

    def hand_back(self, held: Container[str], batteries: Iterable[DeviceCoordinator]) -> None:
        """Send every asset on its way back that is engaged and not held by the law."""
        for battery in batteries:
            self._see_released(battery)
        for asset_id, writer in self.writers.items():
            free = asset_id not in held and asset_id not in self.borrowed
            if writer.engaged and free and writer.idle:
                writer.send(Command(asset_id=asset_id, power_w=None, reason=Reason.RELEASED))

    def _see_released(self, battery: DeviceCoordinator) -> None:
        """Look whether a battery that was given back does let go."""
        writer, reading = self.writers.get(battery.asset_id), battery.latest
        if writer is not None and reading is not None and battery.asset_id not in self.borrowed:
            writer.see_released(
                told_w=reading.number(Quantity.SETPOINT_W),
                power_w=reading.number(Quantity.POWER_W),
                at_s=reading.monotonic_s,
            )

    def watched(
        self, battery: BatteryState, memory: Memory, now_s: float
    ) -> tuple[BatteryState, Memory]:
        """Look whether a battery does what it was told; one that does not is let go."""
        check, sent = self._follows[battery.asset_id], memory.sent.get(battery.asset_id)
        if sent is None or sent.power_w is None or not battery.usable:
            check.reset()
            return battery, memory
        writer = self.writers[battery.asset_id]
        strayed_s = check.strayed_s(now_s)
        if not check.follows(
            now_s=now_s,
            commanded_w=sent.power_w,
            changed_s=sent.changed_s,
            settle_s=battery.settle_s,
            power_w=battery.power_w,
            limit_w=battery.discharge_limit_w if sent.power_w > 0.0 else battery.charge_limit_w,
        ):
            check.reset()
            writer.give_up("it takes commands but does not follow them")
            return replace(battery, usable=False), memory
        if strayed_s < REPEAT_S <= check.strayed_s(now_s):
            # Its heartbeat is due now: the command may be gone with a restart.
            overdue = replace(sent, at_s=-math.inf)
            memory = replace(memory, sent={**memory.sent, battery.asset_id: overdue})
        if check.sure:
            writer.recovered()
        return battery, memory
