"""What the rest of the package may ask of any device, whatever wire it is on."""

from enum import StrEnum
from typing import Protocol

from ..core.model import Contract, Identity, Reading


class Scope(StrEnum):
    """How much of a device one poll reads."""

    FAST = "fast"
    """What the control loop needs, in as few requests as possible."""
    FULL = "full"
    """Everything that the device reports."""


class DeviceError(Exception):
    """A device could not be read or commanded.

    ``key`` names the sentence for the user in the translations, ``placeholders`` fill
    it. The text itself is for logs.
    """

    key = "device_error"

    def __init__(self, message: str, **placeholders: str) -> None:
        """Keep the details that the user's sentence needs."""
        super().__init__(message)
        self.placeholders = placeholders


class CannotConnectError(DeviceError):
    """Nothing answers at this address. Placeholder: ``device``."""

    key = "cannot_connect"


class NoAnswerError(DeviceError):
    """The link is up, but the device (unit id) does not answer in time.

    Placeholders: ``device``, ``timeout_s``.
    """

    key = "no_answer"


class WrongDeviceError(DeviceError):
    """Something answers, but not the device that the profile describes.

    Placeholders: ``device``, ``expected``, ``found``.
    """

    key = "wrong_device"


class RefusedError(DeviceError):
    """The device answered a command or a read with a refusal.

    Placeholders: ``device``, ``what`` (was refused), ``code`` (the Modbus exception code,
    or "-" where the refusal is ours).
    """

    key = "refused"


class Device(Protocol):
    """One device: it can be read, and, where it has a contract, commanded.

    Every method may raise DeviceError; none blocks, none retries, each ends within its
    own timeout.
    """

    @property
    def contract(self) -> Contract | None:
        """The fail-safe contract; None for a device that is only read."""
        ...

    async def identify(self) -> Identity:
        """Check that this is the device that the profile describes, and who it is.

        Raises WrongDeviceError when it is not.
        """
        ...

    async def read(self, scope: Scope) -> Reading:
        """Poll the device. A part that it refuses is absent from the reading."""
        ...

    async def command(self, power_w: float) -> None:
        """Take control if need be, and command this AC power (or PV limit), in our sign.

        The value is clamped to what the registers can express. Raises RefusedError.
        """
        ...

    async def release(self) -> None:
        """Give the device back to its own control; harmless when it already has it."""
        ...
