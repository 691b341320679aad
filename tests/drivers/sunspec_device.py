"""SunSpec devices for tests, laid out from the shipped tables of points."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Final

from custom_components.computeload.drivers import sunspec

from .servers import FakeDevice, text, words

TABLES: Final = json.loads(
    Path(sunspec.__file__).with_name("sunspec_models.json").read_text(encoding="utf-8")
)["models"]
LENGTHS: Final = {
    **dict.fromkeys((101, 102, 103), 50),
    **dict.fromkeys((111, 112, 113), 60),
    1: 66,
    120: 26,
    121: 30,
    123: 24,
    160: 8,
    701: 153,
    702: 50,
    704: 65,
    713: 7,
    802: 62,
}
CODES: Final = {"int16": "h", "sunssf": "h", "int32": "i", "uint64": "Q", "float32": "f"}
ABSENT: Final = {"int16": 0x8000, "sunssf": 0x8000, "int32": 0x80000000, "acc32": 0, "acc64": 0}

type Contents = Mapping[int, Mapping[str, float | str]]


class SunSpecDevice(FakeDevice):
    """A device with a chain of models; ``place`` tells where a point is."""

    def __init__(self, models: Contents, base: int = 40000) -> None:
        """Lay out the models in order; points without a value say "not implemented"."""
        super().__init__()
        self.places: dict[int, int] = {}
        self.lay_out(models, base)

    def lay_out(self, models: Contents, base: int = 40000) -> None:
        """Replace the whole map."""
        self.holding.clear()
        self.places.clear()
        self.set(base, words("I", 0x53756E53))
        at = base + 2
        for number, points in models.items():
            self.places[number] = at
            self.set(at, [number, LENGTHS[number], *([0xFFFF] * LENGTHS[number])])
            for name, (offset, kind, *rest) in TABLES[str(number)].items():
                self.set(at + offset, content(kind, rest, points.get(name)))
            at += LENGTHS[number] + 2
        self.set(at, [0xFFFF, 0])

    def place(self, model: int, point: str) -> int:
        """Return the address of a point."""
        return self.places[model] + int(TABLES[str(model)][point][0])

    def put(self, model: int, point: str, raw: float) -> None:
        """Change the raw value of a point."""
        kind = TABLES[str(model)][point][1]
        self.set(self.place(model, point), content(kind, [], raw))


def content(kind: str, rest: list[object], raw: float | str | None) -> list[int]:
    """Return the registers of a point; without a value they say "not implemented"."""
    if kind == "string":
        return text(str(raw or ""), int(str(rest[1])))
    bits = int(kind[-2:]) if kind[-2:].isdigit() else 16
    code = CODES.get(kind, {16: "H", 32: "I", 64: "Q"}[bits])
    if raw is None:
        if code == "f":
            return words(code, float("nan"))
        absent = ABSENT.get(kind, (1 << bits) - 1)
        return [absent >> shift & 0xFFFF for shift in range(bits - 16, -1, -16)]
    return words(code, raw if isinstance(raw, float) else int(raw))


COMMON: Final = {"Mn": "Maker", "Md": "Model X", "SN": "S-1", "Vr": "2.0"}


def inverter(**changes: float) -> Contents:
    """Return a PV inverter of 30 kW that produces 12.34 kW."""
    measured: dict[str, float | str] = {
        "W": 1234,
        "W_SF": 1,
        "WH": 56789,
        "WH_SF": 1,
        "Hz": 4998,
        "Hz_SF": -2,
        "St": 4,
        "Evt1": 0b10000001,
        "AphA": 178,
        "AphB": 179,
        "AphC": 180,
        "A_SF": -1,
        "PhVphA": 2301,
        "V_SF": -1,
        "PF": 987,
        "PF_SF": -1,
        "TmpCab": 412,
        "Tmp_SF": -1,
    }
    return {
        1: COMMON,
        103: {**measured, **changes},
        120: {"WRtg": 3000, "WRtg_SF": 1},
        123: {"WMaxLimPct": 1000, "WMaxLimPct_SF": -1, "WMaxLim_Ena": 0, "WMaxLimPct_RvrtTms": 0},
    }


def storage(**changes: float) -> Contents:
    """Return a battery of 100 kWh that charges with 8 kW."""
    measured: dict[str, float | str] = {
        "W": -8000,
        "W_SF": 0,
        "Hz": 50010,
        "Hz_SF": -3,
        "ConnSt": 1,
        "Alrm": 0,
        "TotWhInj": 7_000_000,
        "TotWhAbs": 8_000_000,
        "TotWh_SF": 0,
        "TmpCab": 255,
        "Tmp_SF": -1,
    }
    return {
        1: COMMON,
        701: {**measured, **changes},
        702: {"WMaxRtg": 5000, "W_SF": 1},
        704: {"WSet": 0, "WSet_SF": 1, "WSetEna": 0, "WSetMod": 0, "WSetRvrtTms": 0}
        | {"WSetEnaRvrt": 1},
        713: {"WHRtg": 1000, "WH_SF": 2, "SoC": 555, "SoH": 990, "Pct_SF": -1},
        802: {"WChaRteMax": 400, "WDisChaRteMax": 500, "WChaDisChaMax_SF": 2}
        | {"State": 3, "Evt1": 1 << 17, "SoC": 1, "SoC_SF": 0},
    }
