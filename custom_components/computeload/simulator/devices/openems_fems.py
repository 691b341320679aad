"""A cabinet behind OpenEMS Edge or FENECON FEMS: the Modbus TCP slave of the controller.

Tables per component: ``_sum`` from 200 on, ``ess0`` from 500 on. The setpoint is written
to 706 (float32, W, discharge positive) with function 16 and dropped when it has not been
written for 60 s. Registers that are not in the writable list swallow writes silently.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from ...core.model import AssetKind, Quantity
from ..cabinet import Alarm
from ..registers import Block, Kind, Point, Raw
from .base import ILLEGAL_VALUE, Refusal, WireDevice

API_TIMEOUT_S: Final = 60.0
_READ: Final = frozenset({3, 4})
_SETPOINT: Final = 706
_ON_GRID, _OFF_GRID = 1, 2
_OK, _INFO, _WARNING = 0, 1, 2


def name_hash(name: str) -> int:
    """Return the low 16 bits of Java's hash of a name, which mark the tables."""
    value = 0
    for letter in name:
        value = value * 31 + ord(letter)
    return value & 0xFFFF


class OpenEmsFems(WireDevice):
    """The controller with one cabinet, ``ess0``. Discharge is positive."""

    kind: ClassVar[AssetKind] = AssetKind.BATTERY
    write_functions: ClassVar[frozenset[int]] = frozenset({6, 16})

    def build(self) -> list[Block]:
        """Lay out ``_meta`` (its head only), ``_sum`` and ``ess0``."""
        self.battery = battery = self.physics.batteries[self.wire.serves[0]]
        physics = self.physics
        meta = [
            _u16("hash", 0, lambda: name_hash("OpenEMS")),
            _u16("length", 1, lambda: 199),
        ]
        total = [
            _text("id", 200, "_sum"),
            _u16("length", 216, lambda: 300),
            *_head(220, "OpenemsComponent", 80),
            _u16("state", 222, self._state),
            *_head(300, "Sum", 220),
            _u16("soc", 302, self._soc, Quantity.SOC),
            _f32("ess_w", 303, lambda: battery.power_w, Quantity.POWER_W),
            _f32("grid_w", 315, lambda: physics.grid_w),
            _f32("production_w", 327, lambda: physics.pv_w),
            _f32("consumption_w", 343, lambda: physics.load_w),
            _f64(
                "charged",
                351,
                lambda: self.counted("charged", battery.charged_ws),
                Quantity.ENERGY_IMPORT_WH,
            ),
            _f64(
                "discharged",
                355,
                lambda: self.counted("discharged", battery.discharged_ws),
                Quantity.ENERGY_EXPORT_WH,
            ),
            _f64("bought", 359, lambda: self.counted("bought", physics.import_ws)),
            _f64("sold", 363, lambda: self.counted("sold", physics.export_ws)),
            _f64("produced", 367, self._produced),
            _f32("grid_l1_w", 397, lambda: physics.grid_phases_w[0]),
            _f32("grid_l2_w", 399, lambda: physics.grid_phases_w[1]),
            _f32("grid_l3_w", 401, lambda: physics.grid_phases_w[2]),
            _f32("ess_discharge_w", 415, lambda: battery.power_w),
            _u16("grid_mode", 417, self._grid_mode, Quantity.GRID_PRESENT),
            _f32("capacity", 420, lambda: battery.spec.capacity_wh, Quantity.CAPACITY_WH),
        ]
        ess = [
            _text("id", 500, "ess0"),
            _u16("length", 516, lambda: 300),
            *_head(520, "OpenemsComponent", 80),
            _u16("state", 522, self._state),
            *_head(600, "SymmetricEss", 100),
            _u16("soc", 602, self._soc, Quantity.SOC),
            _u16("grid_mode", 603, self._grid_mode, Quantity.GRID_PRESENT),
            _f32("ess_w", 604, lambda: battery.power_w, Quantity.POWER_W),
            *_head(700, "ManagedSymmetricEss", 100),
            _f32("least_w", 702, lambda: -battery.charge_limit_w, Quantity.CHARGE_LIMIT_W),
            _f32("most_w", 704, lambda: battery.discharge_limit_w, Quantity.DISCHARGE_LIMIT_W),
            Point(
                name="setpoint",
                address=_SETPOINT,
                kind=Kind.F32,
                get=lambda: battery.command_w,
                writable=True,
            ),
        ]
        return [
            Block(0, 2, meta, functions=_READ),
            Block(200, 300, total, functions=_READ),
            Block(500, 300, ess, functions=_READ),
        ]

    def write(self, function: int, address: int, registers: list[int]) -> None:
        """Take the setpoint; swallow every other write within the tables."""
        if address >= _SETPOINT + 2 or address + len(registers) <= _SETPOINT:
            self.read(3, address, len(registers))
        else:
            super().write(function, address, registers)

    def apply(self, values: Mapping[str, float | None]) -> None:
        """Command the cabinet for the next 60 s; NaN takes the command back."""
        power_w = values["setpoint"]
        if power_w is not None and abs(power_w) > 1e9:  # noqa: PLR2004 - not a power
            raise Refusal(ILLEGAL_VALUE)
        now_s = self.physics.elapsed_s
        self.battery.command(power_w, now_s, expires_s=now_s + API_TIMEOUT_S)

    def reset(self) -> None:
        """Forget the setpoint."""
        self.battery.command(None, self.physics.elapsed_s)

    def _soc(self) -> float:
        return self.battery.soc * 100.0

    def _grid_mode(self) -> int:
        return _ON_GRID if self.physics.grid_present else _OFF_GRID

    def _produced(self) -> float:
        return self.counted("produced", sum(p.energy_ws for p in self.physics.pv.values()))

    def _state(self) -> int:
        alarms = self.battery.alarms
        if Alarm.OVER_TEMPERATURE in alarms or Alarm.UNDER_TEMPERATURE in alarms:
            return _WARNING
        return _INFO if alarms else _OK


def _u16(
    name: str, address: int, get: Callable[[], Raw], quantity: Quantity | None = None
) -> Point:
    return Point(name=name, address=address, kind=Kind.U16, get=get, quantity=quantity)


def _f32(
    name: str, address: int, get: Callable[[], Raw], quantity: Quantity | None = None
) -> Point:
    return Point(name=name, address=address, kind=Kind.F32, get=get, quantity=quantity)


def _f64(
    name: str, address: int, get: Callable[[], Raw], quantity: Quantity | None = None
) -> Point:
    return Point(name=name, address=address, kind=Kind.F64, get=get, quantity=quantity)


def _text(name: str, address: int, text: str) -> Point:
    return Point(name=name, address=address, kind=Kind.TEXT, get=lambda: text, words=16)


def _head(address: int, nature: str, length: int) -> list[Point]:
    """Return the two registers that open a nature: the hash of its name, its length."""
    return [
        _u16(f"{nature}.hash", address, lambda: name_hash(nature)),
        _u16(f"{nature}.length", address + 1, lambda: length),
    ]
