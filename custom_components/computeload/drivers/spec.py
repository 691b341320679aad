"""What a device profile says, checked and ready to use.

``schema`` makes these from YAML; ``layout``, ``decode`` and ``sequences`` act on them.
Addresses are the numbers in the request frame, counted from 0. A value is
``(raw + offset) * factor``; unit and sign are part of the factor, so everything that
leaves a driver is in our units and signs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from ..core.model import AssetKind, Contract, Quantity
from .base import Datasheet

type Space = Literal["holding", "input"]
type WordOrder = Literal["big", "little"]

HEADER_REGISTERS: Final = 2
"""A SunSpec model starts with its number and its length."""


class RegisterType(StrEnum):
    """How registers hold one value."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"

    @property
    def words(self) -> int:
        """Return the number of registers; 0 where the profile says it."""
        return 0 if self is RegisterType.STRING else int(self.value[-2:]) // 16

    @property
    def is_float(self) -> bool:
        """Whether this is an IEEE 754 number."""
        return self in {RegisterType.FLOAT32, RegisterType.FLOAT64}

    @property
    def is_signed(self) -> bool:
        """Whether this is a two's complement number."""
        return self.value.startswith("int")


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where a value is, and how its registers are to be read."""

    address: int
    type: RegisterType
    count: int
    space: Space = "holding"
    word_order: WordOrder = "big"
    scale_address: int | None = None
    """A register with the power of ten that scales this one."""
    nan: frozenset[int] = frozenset()
    """Raw patterns, unsigned, that mean "no value"."""
    unit: str = ""
    """Which of the device's unit ids; empty for the main one."""

    @property
    def end(self) -> int:
        """Return the address after the last register."""
        return self.address + self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value of a SunSpec model. Its address is known after a scan."""

    model: str
    """The profile's own name for the model."""
    name: str
    by_model: Mapping[int, Register]
    """Per model number; addresses count from the model's header."""


type Location = Register | Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A value counts only while another one is one of these."""

    key: str
    allowed: frozenset[float | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value comes from; its key is a quantity, or a helper's name."""

    key: str
    when: tuple[Condition, ...] = ()
    fast: bool = False
    """Whether the control loop reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Source):
    """A value that is read from registers."""

    location: Location
    factor: float = 1.0
    offset: float = 0.0
    """Added to the raw value before the factor."""
    low: float
    high: float
    """Plausible range in our unit; a value outside is treated as absent."""
    mask: int | None = None
    texts: Mapping[int, str] | None = None
    numbers: Mapping[int, float] | None = None
    bits: Mapping[int, str] | None = None


class Operation(StrEnum):
    """How a value comes from others."""

    SUM = "sum"
    DIFFERENCE = "difference"
    PRODUCT = "product"
    FIRST = "first"
    """The first of them that is present."""
    LARGEST = "largest"
    SMALLEST = "smallest"
    JOIN = "join"
    """The texts of those that are present, in a row."""
    CHANNELS = "sum_of_channels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Source):
    """A value that is made from others; absent while what it needs is absent."""

    operation: Operation
    inputs: tuple[str, ...]
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The repeated part of a multi-channel device."""

    default: int
    most: int
    bases: tuple[int, ...]
    """The address that channel n's registers count from, for all ``most`` channels."""
    fields: tuple[Field, ...]
    computed: tuple[Computed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A register that tells whether this is the device that the profile describes."""

    field: Field
    equals: frozenset[float | str] = frozenset()
    starts_with: tuple[str, ...] = ()
    between: tuple[float, float] | None = None
    meaning: str
    """What the register shows, in plain words, for the user's message."""


class Occasion(StrEnum):
    """When a step of a sequence is taken."""

    CHARGE = "charge"
    DISCHARGE = "discharge"
    IDLE = "idle"
    """The commanded power is zero."""
    ENGAGED = "engaged"
    """We hold the control (in ``release``)."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always this value."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """The commanded power, in the device's sign."""

    sign: float
    magnitude: bool = False
    percent_of: str | None = None
    """The key of the power in W that 100 % stands for."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A number that is another one in every command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A word that tells the direction."""

    charge: float
    discharge: float
    idle: float


@dataclass(frozen=True, slots=True)
class Reported:
    """What the device itself reports under this key, such as its greatest power."""

    key: str


type Expression = Constant | Power | Counter | Words | Reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One value of a write."""

    location: Location
    expression: Expression
    factor: float = 1.0
    offset: float = 0.0
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One request that writes adjoining values."""

    parts: tuple[Part, ...]
    function: Literal[6, 16] | None = None
    """Forced function code; otherwise 6 for one register and 16 for more."""
    only: frozenset[Occasion] = frozenset()
    unless: tuple[Condition, ...] = ()
    """Left out while the device reports all of these: what is stored is not stored again."""
    optional: bool = False
    """Whether a device that does not have the register can be commanded without it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Give the device time."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Read a value until it is one of these."""

    key: str
    allowed: frozenset[float | str]
    within_s: float
    remedy: str
    """What the user does when it never is."""


type Step = Write | Wait | Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """How a device is commanded."""

    contract: Contract
    enable: tuple[Step, ...]
    setpoint: tuple[Step, ...]
    release: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """Factory settings of the serial line."""

    baudrate: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How the device is reached, and what its Modbus server can stand."""

    transports: tuple[str, ...]
    port: int
    unit_id: int
    more_unit_ids: Mapping[str, int]
    """Further unit ids by the name that registers use for them."""
    serial: Serial
    max_registers: int
    """The most registers of one request."""
    max_gap: int
    """Unused registers that a request may run over to save another request."""
    ranges: Mapping[Space, tuple[tuple[int, int], ...]]
    """First and last address of the blocks that a request must not leave."""
    request_timeout_s: float
    connect_delay_s: float
    spacing_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of device: what it reports, and how it is commanded."""

    id: str
    kind: AssetKind
    title: str
    manufacturer: str
    models: tuple[str, ...]
    confidence: Literal["high", "medium", "low"]
    tested_on: str
    sources: tuple[str, ...]
    notes: str
    link: Link
    poll_s: float
    """How often to poll when nothing else is asked for."""
    least_poll_s: float
    """The shortest poll interval that the device stands."""
    sunspec: Mapping[str, tuple[int, ...]]
    """Per name of a SunSpec model, the model numbers that serve, preferred first."""
    identity: Mapping[str, Field]
    expectations: tuple[Expectation, ...]
    fields: tuple[Field, ...]
    computed: tuple[Computed, ...]
    """In an order in which each comes after its inputs."""
    channels: Channels | None
    control: Control | None

    @property
    def is_sunspec(self) -> bool:
        """Whether the registers are found by a scan."""
        return bool(self.sunspec)

    @property
    def contract(self) -> Contract | None:
        """The fail-safe contract; None for a device that is only read."""
        return self.control.contract if self.control else None

    @property
    def quantities(self) -> frozenset[Quantity]:
        """What the device itself may report, its channels aside."""
        return _quantities((*self.fields, *self.computed))

    @property
    def channel_quantities(self) -> frozenset[Quantity]:
        """What each channel may report."""
        channels = self.channels
        return _quantities((*channels.fields, *channels.computed) if channels else ())

    @property
    def channel_count(self) -> int:
        """How many channels such a device has when nothing else is said; 0 for none."""
        return self.channels.default if self.channels else 0

    @property
    def datasheet(self) -> Datasheet:
        """What of this concerns those who do not talk to the device."""
        return Datasheet(
            id=self.id,
            title=self.title,
            manufacturer=self.manufacturer,
            quantities=self.quantities,
            fast=_quantities(each for each in (*self.fields, *self.computed) if each.fast),
            channel_quantities=self.channel_quantities,
            channel_count=self.channel_count,
            most_channels=self.channels.most if self.channels else 0,
            poll_s=self.poll_s,
            least_poll_s=self.least_poll_s,
        )


def _quantities(sources: Iterable[Source]) -> frozenset[Quantity]:
    """Return what of these leaves the driver; the others are helpers."""
    return frozenset(Quantity(source.key) for source in sources if source.key in Quantity)
