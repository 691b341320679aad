"""What the rest of the package may ask of any device, whatever wire it is on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..core.model import Contract, Identity, Quantity, Reading


class Scope(StrEnum):
    """How much of a device one poll reads."""

    FAST = "fast"
    """What the control loop needs, in as few requests as possible."""
    FULL = "full"
    """Everything that the device reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasheet:
    """What is known of a device before it has answered.

    All that the rest of the package needs to know of a kind of device is here, be it
    described by a profile, by the user or by a standard.
    """

    id: str
    """What this kind of device is called in diagnostics."""
    title: str
    """What people call it, while it has not said its model itself."""
    manufacturer: str
    quantities: frozenset[Quantity]
    """What the device itself may report, its channels aside."""
    fast: frozenset[Quantity] = frozenset()
    """The part of these that a fast poll reads."""
    channel_quantities: frozenset[Quantity] = frozenset()
    """What each channel may report."""
    channel_count: int = 0
    """How many channels such a device has when nothing else is said; 0 for none."""
    most_channels: int = 0
    poll_s: float
    """How often to poll when nothing else is asked for."""
    least_poll_s: float
    """The shortest poll interval that the device stands."""


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


class EntitySilentError(NoAnswerError):
    """An entity has no value, or none that is fresh enough. Placeholder: ``entity``."""

    key = "entity_silent"

    def __init__(self, entity: str, why: str) -> None:
        """Name the entity, and say what is wrong with it."""
        super().__init__(f"{entity} {why}", device=entity, entity=entity)


class EntityUnitError(DeviceError):
    """An entity has a unit that cannot be what it was chosen for.

    Placeholders: ``entity``, ``unit`` (the one it has), ``units`` (those that would do).
    """

    key = "entity_unit"

    def __init__(self, entity: str, unit: str, units: str) -> None:
        """Name the entity, its unit, and the units that would do."""
        message = f"{entity} is in {unit}, not in one of {units}"
        super().__init__(message, device=entity, entity=entity, unit=unit, units=units)


class AuthError(DeviceError):
    """A server does not accept the credentials. Placeholder: ``device``."""

    key = "invalid_auth"


class ServerUnreachableError(CannotConnectError):
    """No server answers at this address. Placeholder: ``device``."""

    key = "server_unreachable"


class CertificateError(CannotConnectError):
    """A server's certificate cannot be verified. Placeholder: ``device``."""

    key = "certificate"


class ServerSilentError(NoAnswerError):
    """A server does not answer in time. Placeholders: ``device``, ``timeout_s``."""

    key = "server_silent"


class ServerRefusedError(RefusedError):
    """A server answered with an error. Placeholders: ``device``, ``what``, ``code``."""

    key = "server_refused"


class PayloadError(DeviceError):
    """A server answered something else than expected. Placeholders: ``device``, ``what``."""

    key = "server_payload"


class QueryError(DeviceError):
    """A query does not give one power. Placeholders: ``device``, ``what``."""

    key = "query"


class Device(Protocol):
    """One device: it can be read, and, where it has a contract, commanded.

    Every method may raise DeviceError; none blocks, none retries, each ends within its
    own timeout.
    """

    @property
    def datasheet(self) -> Datasheet:
        """What is known of this kind of device."""
        ...

    @property
    def contract(self) -> Contract | None:
        """The fail-safe contract; None for a device that is only read."""
        ...

    async def identify(self) -> Identity:
        """Check that this is the device that it should be, and who it is.

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
