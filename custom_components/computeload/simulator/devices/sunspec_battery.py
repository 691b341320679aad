"""A SunSpec battery: models 1, 701, 704, 713 and 802 from register 40000 on.

The setpoint is 704.WSet in W (or WSetPct of the rated discharge power, with WSetMod 0),
discharge positive, in force while WSetEna is 1. With WSetRvrtTms above zero it reverts
to WSetRvrt / WSetEnaRvrt that many seconds after WSet, WSetPct, WSetMod or WSetEna was
last written; WSetRvrtRem counts down.
"""

from collections.abc import Mapping
from math import inf
from typing import ClassVar, Final

from ...core.model import AssetKind, Quantity
from ..cabinet import Alarm
from ..registers import Block
from .base import ILLEGAL_VALUE, Refusal, WireDevice
from .sunspec import Source, chain, exponent_for

_PERCENT, _WATTS = 0, 1
_RUNNING, _STANDBY, _OFF = 3, 7, 0
_EMPTY, _DISCHARGING, _CHARGING, _FULL, _HOLDING = 2, 3, 4, 5, 6
_CONNECTED, _SOC_PROTECTION = 3, 5
_GRID_FOLLOWING, _GRID_FORMING = 1 << 0, 1 << 1
_GRID_DISCONNECT, _OVER_TEMP, _UNDER_TEMP = 1 << 4, 1 << 7, 1 << 13
_EVT_OVER_TEMP_WARNING, _EVT_UNDER_TEMP_WARNING, _EVT_UNDER_SOC_WARNING = 1 << 2, 1 << 4, 1 << 14
_IDLE_W: Final = 20.0
_TOLERANCE: Final = 1.05
"""Setpoints up to this much above the rating are clamped, beyond it they are refused."""

_RESTARTING: Final = frozenset({"WSetEna", "WSet", "WSetPct", "WSetMod"})
_SETTINGS: Final = {
    "WSetMod": float(_WATTS),
    "WSet": 0.0,
    "WSetRvrt": 0.0,
    "WSetPct": 0.0,
    "WSetPctRvrt": 0.0,
    "WSetEnaRvrt": 0.0,
    "WSetRvrtTms": 0.0,
}
"""The writable points that are kept in RAM, with their values after a start."""

_ENUMS: Final = {"WSetEna": (0.0, 1.0), "WSetMod": (0.0, 1.0), "WSetEnaRvrt": (0.0, 1.0)}


class SunSpecBattery(WireDevice):
    """The cabinet. Discharge is positive throughout, as in the generator frame."""

    kind: ClassVar[AssetKind] = AssetKind.BATTERY

    def build(self) -> list[Block]:
        """Lay out the models; what is not listed here says "not implemented"."""
        self.battery = self.physics.batteries[self.wire.serves[0]]
        self._settings = dict(_SETTINGS)
        self._lapses = 0
        identity: dict[str, Source] = {
            "Mn": "computeload",
            "Md": "Simulated battery",
            "Vr": "1.0",
            "SN": str(self.serial),
            "DA": self.wire.unit_id,
        }
        return chain(
            {
                1: identity,
                701: self._measurements(),
                704: self._controls(),
                713: self._capacity(),
                802: self._cells(),
            },
            quantities={
                (701, "W"): Quantity.POWER_W,
                (701, "Hz"): Quantity.FREQUENCY_HZ,
                (701, "TotWhInj"): Quantity.ENERGY_EXPORT_WH,
                (701, "TotWhAbs"): Quantity.ENERGY_IMPORT_WH,
                (701, "TmpCab"): Quantity.TEMPERATURE_C,
                (701, "WL1"): Quantity.POWER_L1_W,
                (701, "WL2"): Quantity.POWER_L2_W,
                (701, "WL3"): Quantity.POWER_L3_W,
                (701, "VL1"): Quantity.VOLTAGE_L1_V,
                (701, "VL2"): Quantity.VOLTAGE_L2_V,
                (701, "VL3"): Quantity.VOLTAGE_L3_V,
                (713, "SoC"): Quantity.SOC,
                (713, "SoH"): Quantity.SOH,
                (713, "WHRtg"): Quantity.CAPACITY_WH,
                (802, "SoC"): Quantity.SOC,
                (802, "SoH"): Quantity.SOH,
                (802, "WHRtg"): Quantity.CAPACITY_WH,
                (802, "WChaRteMax"): Quantity.CHARGE_LIMIT_W,
                (802, "WDisChaRteMax"): Quantity.DISCHARGE_LIMIT_W,
            },
            writable=frozenset((704, name) for name in ("WSetEna", *_SETTINGS)),
        )

    def reset(self) -> None:
        """Forget the setpoint and everything about it."""
        self._settings = dict(_SETTINGS)
        self.battery.command(None, self.physics.elapsed_s)

    def apply(self, values: Mapping[str, float | None]) -> None:
        """Take what was written together, then start, change or end the command."""
        given = {name: value for name, value in values.items() if value is not None}
        if any(given.get(name, 0.0) not in allowed for name, allowed in _ENUMS.items()):
            raise Refusal(ILLEGAL_VALUE)
        spec = self.battery.spec
        self._notice_lapse()
        enabled = bool(given.pop("WSetEna", self.battery.command_w is not None))
        settings = self._settings | given
        power_w = _power_w(settings, "WSet", "WSetPct", spec.discharge_w)
        if not -spec.charge_w * _TOLERANCE <= power_w <= spec.discharge_w * _TOLERANCE:
            raise Refusal(ILLEGAL_VALUE)
        self._settings = settings
        if not values.keys() & _RESTARTING:
            return
        now_s = self.physics.elapsed_s
        revert_s = settings["WSetRvrtTms"]
        reverts_to_w = _power_w(settings, "WSetRvrt", "WSetPctRvrt", spec.discharge_w)
        self.battery.command(
            power_w if enabled else None,
            now_s,
            expires_s=now_s + revert_s if revert_s else inf,
            revert_to_w=reverts_to_w if settings["WSetEnaRvrt"] else None,
        )
        self._lapses = self.battery.lapses

    def _notice_lapse(self) -> None:
        """After a lapse the revert values are the values."""
        if self._lapses != self.battery.lapses:
            self._lapses = self.battery.lapses
            self._settings["WSet"] = self._settings["WSetRvrt"]
            self._settings["WSetPct"] = self._settings["WSetPctRvrt"]

    def _setting(self, name: str) -> float:
        self._notice_lapse()
        return self._settings[name]

    def _remaining_s(self) -> float:
        battery = self.battery
        if battery.command_w is None or battery.command_expires_s == inf:
            return 0.0
        return max(0.0, battery.command_expires_s - self.physics.elapsed_s)

    def _controls(self) -> dict[str, Source]:
        def setting(name: str) -> Source:
            return lambda: self._setting(name)

        return {
            "WSetEna": lambda: int(self.battery.command_w is not None),
            **{name: setting(name) for name in _SETTINGS},
            "WSetRvrtRem": self._remaining_s,
            "WSet_SF": 0,
            "WSetPct_SF": -1,
        }

    def _measurements(self) -> dict[str, Source]:
        battery, physics = self.battery, self.physics
        power_sf = exponent_for(max(battery.spec.charge_w, battery.spec.discharge_w) * 1.1)

        def power_w() -> float:
            return battery.power_w

        def third_w() -> float:
            return battery.power_w / 3

        def third_a() -> float:
            return abs(battery.power_w) / 3 / 230.0

        return {
            "ACType": 2,
            "St": lambda: int(not physics.dark),
            "InvSt": self._inverter_state,
            "ConnSt": lambda: int(physics.grid_present),
            "Alrm": self._alarms,
            "DERMode": lambda: _GRID_FORMING if battery.forming else _GRID_FOLLOWING,
            "W": power_w,
            "VA": lambda: abs(battery.power_w),
            "Var": 0.0,
            "PF": 1.0,
            "A": lambda: 3 * third_a(),
            "LLV": lambda: physics.voltage_v(0) * 3**0.5,
            "LNV": lambda: physics.voltage_v(0),
            "Hz": lambda: physics.frequency_hz,
            "TotWhInj": lambda: self.counted("discharged", battery.discharged_ws),
            "TotWhAbs": lambda: self.counted("charged", battery.charged_ws),
            "TmpAmb": lambda: battery.ambient_c,
            "TmpCab": lambda: battery.temperature_c,
            "WL1": third_w,
            "WL2": third_w,
            "WL3": third_w,
            "AL1": third_a,
            "AL2": third_a,
            "AL3": third_a,
            "VL1": lambda: physics.voltage_v(0),
            "VL2": lambda: physics.voltage_v(1),
            "VL3": lambda: physics.voltage_v(2),
            "A_SF": -1,
            "V_SF": -1,
            "Hz_SF": -3,
            "W_SF": power_sf,
            "PF_SF": -2,
            "VA_SF": power_sf,
            "Var_SF": power_sf,
            "TotWh_SF": 0,
            "Tmp_SF": -1,
        }

    def _capacity(self) -> dict[str, Source]:
        battery = self.battery
        return {
            "WHRtg": battery.spec.capacity_wh,
            "WHAvail": lambda: battery.stored_wh,
            "SoC": lambda: battery.soc * 100.0,
            "SoH": 98.0,
            "Sta": lambda: int(bool(battery.alarms)),
            "WH_SF": exponent_for(battery.spec.capacity_wh / 2),
            "Pct_SF": -1,
        }

    def _cells(self) -> dict[str, Source]:
        battery = self.battery
        spec = battery.spec
        highest_w = max(spec.charge_w, spec.discharge_w)

        def cells_v() -> float:
            return 680.0 + 120.0 * battery.soc

        def cells_w() -> float:
            if battery.power_w >= 0.0:
                return battery.power_w / spec.discharge_efficiency
            return battery.power_w * spec.charge_efficiency

        return {
            "AHRtg": spec.capacity_wh / 740.0,
            "WHRtg": spec.capacity_wh,
            "WChaRteMax": spec.charge_w,
            "WDisChaRteMax": spec.discharge_w,
            "SoCMax": 100.0,
            "SoCMin": spec.soc_floor * 100.0,
            "SoC": lambda: battery.soc * 100.0,
            "SoH": 98.0,
            "ChaSt": self._charge_state,
            "LocRemCtl": 0,
            "AlmRst": 0,
            "Typ": 4,
            "State": lambda: _SOC_PROTECTION if battery.soc <= spec.soc_floor else _CONNECTED,
            "Evt1": self._events,
            "Evt2": 0,
            "EvtVnd1": 0,
            "EvtVnd2": 0,
            "V": cells_v,
            "A": lambda: cells_w() / cells_v(),
            "AChaMax": lambda: battery.charge_limit_w * spec.charge_efficiency / cells_v(),
            "ADisChaMax": lambda: battery.discharge_limit_w / spec.discharge_efficiency / cells_v(),
            "W": cells_w,
            "SetOp": 1,
            "SetInvState": 3,
            "AHRtg_SF": -1,
            "WHRtg_SF": exponent_for(spec.capacity_wh / 2),
            "WChaDisChaMax_SF": exponent_for(highest_w / 2),
            "SoC_SF": -1,
            "SoH_SF": -1,
            "V_SF": -1,
            "CellV_SF": -3,
            "A_SF": -2,
            "AMax_SF": -2,
            "W_SF": exponent_for(highest_w * 1.1),
        }

    def _inverter_state(self) -> int:
        if self.physics.dark:
            return _OFF
        return _RUNNING if abs(self.battery.power_w) > _IDLE_W else _STANDBY

    def _charge_state(self) -> int:
        battery = self.battery
        if battery.power_w > _IDLE_W:
            return _DISCHARGING
        if battery.power_w < -_IDLE_W:
            return _CHARGING
        if battery.soc <= battery.spec.soc_floor:
            return _EMPTY
        return _FULL if battery.soc > 0.995 else _HOLDING  # noqa: PLR2004 - all but full

    def _alarms(self) -> int:
        alarms = self.battery.alarms
        return (
            (0 if self.physics.grid_present else _GRID_DISCONNECT)
            | (_OVER_TEMP if Alarm.OVER_TEMPERATURE in alarms else 0)
            | (_UNDER_TEMP if Alarm.UNDER_TEMPERATURE in alarms else 0)
        )

    def _events(self) -> int:
        alarms = self.battery.alarms
        return (
            (_EVT_OVER_TEMP_WARNING if Alarm.OVER_TEMPERATURE in alarms else 0)
            | (_EVT_UNDER_TEMP_WARNING if Alarm.UNDER_TEMPERATURE in alarms else 0)
            | (_EVT_UNDER_SOC_WARNING if Alarm.LOW_SOC in alarms else 0)
        )


def _power_w(settings: Mapping[str, float], watts: str, percent: str, rated_w: float) -> float:
    """Return the power that the settings ask for, in whichever unit is chosen."""
    if settings["WSetMod"] == _PERCENT:
        return settings[percent] / 100.0 * rated_w
    return settings[watts]
