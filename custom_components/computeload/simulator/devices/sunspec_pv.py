"""A SunSpec PV inverter: models 1, 103, 120 and 123 from register 40000 on.

The power limit is 123.WMaxLimPct, a percentage of the nameplate. With
WMaxLimPct_RvrtTms above zero it reverts: WMaxLim_Ena goes back to 0 that many seconds
after the limit or its enabling was last written.
"""

from collections.abc import Mapping
from math import inf
from typing import ClassVar, Final

from ...core.model import AssetKind, Quantity
from ..registers import Block
from .base import ILLEGAL_VALUE, Refusal, WireDevice
from .sunspec import chain, exponent_for

_OFF, _SLEEPING, _MPPT, _THROTTLED = 1, 2, 4, 5
_GRID_DISCONNECT: Final = 1 << 4
_LIMIT: Final = frozenset({"WMaxLimPct", "WMaxLim_Ena"})


class SunSpecPv(WireDevice):
    """The inverter. Production is positive."""

    kind: ClassVar[AssetKind] = AssetKind.PV

    def build(self) -> list[Block]:
        """Lay out the models; what is not listed here says "not implemented"."""
        self.plant = plant = self.physics.pv[self.wire.serves[0]]
        physics = self.physics
        self.reset()
        power_sf = exponent_for(plant.spec.rated_w * 1.1)

        def power_w() -> float:
            return plant.power_w

        def phase_a() -> float:
            return plant.power_w / 3 / 230.0

        return chain(
            {
                1: {
                    "Mn": "computeload",
                    "Md": "Simulated PV",
                    "Vr": "1.0",
                    "SN": str(self.serial),
                    "DA": self.wire.unit_id,
                },
                103: {
                    "A": lambda: 3 * phase_a(),
                    "AphA": phase_a,
                    "AphB": phase_a,
                    "AphC": phase_a,
                    "A_SF": -1,
                    "PhVphA": lambda: physics.voltage_v(0),
                    "PhVphB": lambda: physics.voltage_v(1),
                    "PhVphC": lambda: physics.voltage_v(2),
                    "V_SF": -1,
                    "W": power_w,
                    "W_SF": power_sf,
                    "Hz": lambda: physics.frequency_hz,
                    "Hz_SF": -2,
                    "VA": power_w,
                    "VA_SF": power_sf,
                    "VAr": 0.0,
                    "VAr_SF": power_sf,
                    "PF": 100.0,
                    "PF_SF": 0,
                    "WH": lambda: self.counted("produced", plant.energy_ws),
                    "WH_SF": 0,
                    "DCW": lambda: plant.power_w / 0.975,
                    "DCW_SF": power_sf,
                    "TmpCab": lambda: 24.0 + 22.0 * plant.power_w / plant.spec.rated_w,
                    "Tmp_SF": -1,
                    "St": self._state,
                    "Evt1": lambda: _GRID_DISCONNECT if physics.dark else 0,
                    "Evt2": 0,
                },
                120: {
                    "DERTyp": 4,
                    "WRtg": plant.spec.rated_w,
                    "WRtg_SF": power_sf,
                    "VARtg": plant.spec.rated_w,
                    "VARtg_SF": power_sf,
                    "VArRtgQ1": 0.0,
                    "VArRtgQ4": 0.0,
                    "VArRtg_SF": power_sf,
                    "ARtg": plant.spec.rated_w / 690.0,
                    "ARtg_SF": -1,
                    "PFRtgQ1": 1.0,
                    "PFRtgQ4": 1.0,
                    "PFRtg_SF": -2,
                },
                123: {
                    "Conn": lambda: int(plant.connected),
                    "WMaxLimPct": lambda: self._limit_pct,
                    "WMaxLimPct_RvrtTms": lambda: self._revert_s,
                    "WMaxLim_Ena": lambda: int(plant.limit_fraction is not None),
                    "OutPFSet_Ena": 0,
                    "VArPct_Ena": 0,
                    "WMaxLimPct_SF": -1,
                    "OutPFSet_SF": -2,
                },
            },
            quantities={
                (103, "W"): Quantity.POWER_W,
                (103, "WH"): Quantity.ENERGY_EXPORT_WH,
                (103, "Hz"): Quantity.FREQUENCY_HZ,
                (103, "TmpCab"): Quantity.TEMPERATURE_C,
                (103, "AphA"): Quantity.CURRENT_L1_A,
                (103, "AphB"): Quantity.CURRENT_L2_A,
                (103, "AphC"): Quantity.CURRENT_L3_A,
                (103, "PhVphA"): Quantity.VOLTAGE_L1_V,
                (103, "PhVphB"): Quantity.VOLTAGE_L2_V,
                (103, "PhVphC"): Quantity.VOLTAGE_L3_V,
            },
            writable=frozenset((123, name) for name in ("Conn", "WMaxLimPct_RvrtTms", *_LIMIT)),
        )

    def reset(self) -> None:
        """Come back connected and without a limit."""
        self._limit_pct = 100.0
        self._revert_s = 0.0
        self.plant.connected = True
        self.plant.limit(None)

    def apply(self, values: Mapping[str, float | None]) -> None:
        """Take limit, revert time, enabling and connection together."""
        given = {name: value for name, value in values.items() if value is not None}
        if given.get("WMaxLimPct", 0.0) > 100.0 or not {  # noqa: PLR2004 - percent
            given.get("WMaxLim_Ena", 0.0),
            given.get("Conn", 0.0),
        } <= {0.0, 1.0}:
            raise Refusal(ILLEGAL_VALUE)
        self._limit_pct = given.get("WMaxLimPct", self._limit_pct)
        self._revert_s = given.get("WMaxLimPct_RvrtTms", self._revert_s)
        plant = self.plant
        plant.connected = bool(given.get("Conn", plant.connected))
        if given.keys() & _LIMIT:
            enabled = given.get("WMaxLim_Ena", plant.limit_fraction is not None)
            expires_s = self.physics.elapsed_s + self._revert_s if self._revert_s else inf
            plant.limit(self._limit_pct / 100.0 if enabled else None, expires_s)

    def _state(self) -> int:
        plant = self.plant
        if self.physics.dark or not plant.connected:
            return _OFF
        if plant.possible_w <= 0.0:
            return _SLEEPING
        return _THROTTLED if plant.power_w < plant.possible_w * 0.995 else _MPPT
