"""Trying batteries out in Home Assistant: the trial decides, this carries it out.

A battery is borrowed from the controller, which is off meanwhile, and is always given
back: after the trial, when it is stopped, when anything fails, when Home Assistant stops.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator, SiteRuntime
from .core.model import AssetKind, Command, Quantity, Reason
from .core.proof import TrialResult
from .core.proof_trial import SHARES, Heard, Trial, TrialView, make_plan, obstacle, trial_power_w
from .trouble import Trouble

LOOK_S: Final = 0.2


class BatteryTrials:
    """Tries a site's batteries out, one after the other."""

    def __init__(
        self, hass: HomeAssistant, entry: ComputeLoadConfigEntry, runtime: SiteRuntime
    ) -> None:
        """Prepare; nothing is commanded before ``async_begin``."""
        self._hass = hass
        self._entry = entry
        self._runtime = runtime
        self._trouble = Trouble(entry.title)
        self._task: asyncio.Task[None] | None = None
        self._trial: Trial | None = None
        self._stopped = False
        runtime.proof.trying = lambda: self.running

    @property
    def running(self) -> bool:
        """Tell whether a battery is being tried out."""
        return self._task is not None and not self._task.done()

    @callback
    def async_begin(self, battery_ids: Iterable[str]) -> None:
        """Try these batteries out; where a trial runs already, that goes on instead."""
        if not self.running:
            self._stopped = False
            self._task = self._entry.async_create_background_task(
                self._hass, self._async_run(list(battery_ids)), f"{DOMAIN} trial"
            )

    async def async_wait(self) -> None:
        """Wait until no battery is being tried out."""
        if self._task is not None and self.running:
            await asyncio.wait({self._task})

    def stop(self, why: str) -> None:
        """End the trial that runs, and begin no other; the battery is released."""
        self._stopped = True
        if self._trial is not None:
            self._trial.stop(why)

    async def async_stop(self) -> None:
        """End everything and wait for it; for a site that is about to be let go."""
        self.stop("user")
        if self._task is not None:
            self._task.cancel()
        await self.async_wait()

    async def _async_run(self, battery_ids: list[str]) -> None:
        for battery_id in battery_ids:
            device = self._runtime.devices.get(battery_id)
            if device is None or not device.controllable or self._stopped:
                continue
            try:
                result = await self._async_try(device)
            except Exception as err:  # noqa: BLE001 - what is not known must not look proven
                self._trouble.note(err)
                result = TrialResult(battery_id=battery_id, power_w=0.0, stopped="error")
            self._runtime.proof.async_record_trial(result)

    async def _async_try(self, device: DeviceCoordinator) -> TrialResult:
        """Try one battery out; again with more power where the load drowned it."""
        meter = self._runtime.controller.view.meter
        result = TrialResult(battery_id=device.asset_id, power_w=0.0, stopped="no_room")
        for share in SHARES:
            trial = self._planned(device, share)
            if isinstance(trial, TrialResult):
                return trial
            result = await self._async_carry_out(device, trial)
            if result.stopped is not None or result.clear_for(meter.asset_id if meter else None):
                break
        return result

    def _planned(self, device: DeviceCoordinator, share: float) -> Trial | TrialResult:
        """Return a trial, or why there is none."""
        controller, view = self._runtime.controller, self._runtime.controller.view
        now_s = self._runtime.clock.monotonic_s()
        battery = view.battery(device, now_s, usable=True)
        grid, contract = view.grid(now_s), device.device.contract
        why = self._obstacle(device)
        power_w = None
        if why is None and grid is not None:
            power_w = trial_power_w(battery, grid, controller.limits(), share)
        if power_w is None or contract is None:
            why = why or "no_room"
            return TrialResult(battery_id=device.asset_id, power_w=0.0, stopped=why)
        polls_s = [device.poll_s, *([view.meter.poll_s] if view.meter is not None else [])]
        meter_id = view.meter.asset_id if view.meter is not None else None
        return Trial(make_plan(battery, contract, power_w, polls_s, meter_id))

    async def _async_carry_out(self, device: DeviceCoordinator, trial: Trial) -> TrialResult:
        """Do what the trial says until it is done."""
        controller, writer = (
            self._runtime.controller,
            self._runtime.controller.crew.writers[device.asset_id],
        )
        self._trial = trial
        refusals = writer.refusals
        controller.crew.borrowed.add(device.asset_id)
        try:
            while not trial.done and not controller.stopping:
                if writer.refusals > refusals and device.link.in_a_row == 0:
                    trial.stop("refused")
                order = trial.step(self._view(device))
                if order is not None:
                    writer.send(
                        Command(
                            asset_id=device.asset_id,
                            power_w=order.power_w,
                            reason=Reason.RELEASED if order.power_w is None else Reason.IDLE,
                        )
                    )
                await asyncio.sleep(LOOK_S)
        finally:
            self._trial = None
            controller.crew.borrowed.discard(device.asset_id)
            if writer.engaged and not controller.stopping:
                # The trial has said so already, unless something went wrong with it.
                writer.send(Command(asset_id=device.asset_id, power_w=None, reason=Reason.RELEASED))
        return trial.result()

    def _view(self, device: DeviceCoordinator) -> TrialView:
        meters = {
            meter.asset_id: heard
            for meter in self._runtime.of_kind(AssetKind.METER)
            if (heard := _heard(meter)) is not None
        }
        battery = _heard(device)
        return TrialView(
            now_s=self._runtime.clock.monotonic_s(),
            battery=battery or Heard(at_s=0.0, power_w=0.0),
            setpoint_w=device.latest.number(Quantity.SETPOINT_W) if device.latest else None,
            meters=meters,
            obstacle="battery_silent" if battery is None else self._obstacle(device),
        )

    def _obstacle(self, device: DeviceCoordinator) -> str | None:
        """Return why the battery must not be tried out now."""
        controller, view = self._runtime.controller, self._runtime.controller.view
        if controller.settings.enabled:
            return "control_on"
        now_s = self._runtime.clock.monotonic_s()
        return obstacle(
            view.battery(device, now_s, usable=device.last_update_success),
            view.grid(now_s),
            controller.limits(),
            grid_present=view.grid_present() is not False,
        )


def _heard(device: DeviceCoordinator) -> Heard | None:
    reading = device.latest
    power_w = reading.number(Quantity.POWER_W) if reading is not None else None
    if reading is None or power_w is None:
        return None
    return Heard(at_s=reading.monotonic_s, power_w=power_w)
