"""A device whose mistakes are undone: what it says, and which way it is commanded."""

from ..core.model import Contract, Identity, Reading
from ..core.overrides import Overrides
from .base import Datasheet, Device, Scope


class CorrectedDevice:
    """Implements ``base.Device`` around another device."""

    def __init__(self, device: Device, overrides: Overrides) -> None:
        """Stand in front of the device."""
        self._device = device
        self._overrides = overrides

    @property
    def itself(self) -> Device:
        """The device that is corrected."""
        return self._device

    @property
    def datasheet(self) -> Datasheet:
        """What is known of the device itself."""
        return self._device.datasheet

    @property
    def contract(self) -> Contract | None:
        """The fail-safe contract of the device itself."""
        return self._device.contract

    async def identify(self) -> Identity:
        """Check that this is the device that the profile describes, and who it is."""
        return await self._device.identify()

    async def read(self, scope: Scope) -> Reading:
        """Poll the device, and correct what it says."""
        if min(self._overrides.phase_signs) < 0:
            # The total is right only together with the phases, which a fast poll may leave out.
            scope = Scope.FULL
        return self._overrides.corrected(await self._device.read(scope))

    async def command(self, power_w: float) -> None:
        """Command this AC power, in our sign, whatever the device calls it."""
        await self._device.command(power_w * self._overrides.command_sign)

    async def release(self) -> None:
        """Give the device back to its own control."""
        await self._device.release()
