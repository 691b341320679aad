"""SunSpec model layouts and the chain of models that a SunSpec device serves.

Offsets follow from the order and the types, as in the SunSpec Alliance's model
definitions (Apache-2.0): "W:i16*W_SF" is a signed 16-bit W scaled by 10 to the W_SF.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from ...core.model import Quantity
from ..registers import Block, Kind, Point, Raw

type Getter = Callable[[], Raw]
type Source = Getter | Raw
"""What a point says: a constant, or where its value comes from."""

BASE: Final = 40000
READ: Final = frozenset({3})
_HEADER: Final = 2
_KINDS: Final = {
    "u16": Kind.U16,
    "i16": Kind.I16,
    "u32": Kind.U32,
    "i32": Kind.I32,
    "u64": Kind.U64,
    "acc32": Kind.ACC32,
    "enum16": Kind.U16,
    "bits32": Kind.U32,
    "sf": Kind.I16,
    "pad": Kind.I16,
}

LAYOUTS: Final = {
    1: """
        Mn:str16 Md:str16 Opt:str8 Vr:str8 SN:str16 DA:u16 Pad:pad
    """,
    103: """
        A:u16*A_SF AphA:u16*A_SF AphB:u16*A_SF AphC:u16*A_SF A_SF:sf PPVphAB:u16*V_SF
        PPVphBC:u16*V_SF PPVphCA:u16*V_SF PhVphA:u16*V_SF PhVphB:u16*V_SF PhVphC:u16*V_SF
        V_SF:sf W:i16*W_SF W_SF:sf Hz:u16*Hz_SF Hz_SF:sf VA:i16*VA_SF VA_SF:sf VAr:i16*VAr_SF
        VAr_SF:sf PF:i16*PF_SF PF_SF:sf WH:acc32*WH_SF WH_SF:sf DCA:u16*DCA_SF DCA_SF:sf
        DCV:u16*DCV_SF DCV_SF:sf DCW:i16*DCW_SF DCW_SF:sf TmpCab:i16*Tmp_SF TmpSnk:i16*Tmp_SF
        TmpTrns:i16*Tmp_SF TmpOt:i16*Tmp_SF Tmp_SF:sf St:enum16 StVnd:enum16 Evt1:bits32
        Evt2:bits32 EvtVnd1:bits32 EvtVnd2:bits32 EvtVnd3:bits32 EvtVnd4:bits32
    """,
    120: """
        DERTyp:enum16 WRtg:u16*WRtg_SF WRtg_SF:sf VARtg:u16*VARtg_SF VARtg_SF:sf
        VArRtgQ1:i16*VArRtg_SF VArRtgQ2:i16*VArRtg_SF VArRtgQ3:i16*VArRtg_SF
        VArRtgQ4:i16*VArRtg_SF VArRtg_SF:sf ARtg:u16*ARtg_SF ARtg_SF:sf PFRtgQ1:i16*PFRtg_SF
        PFRtgQ2:i16*PFRtg_SF PFRtgQ3:i16*PFRtg_SF PFRtgQ4:i16*PFRtg_SF PFRtg_SF:sf
        WHRtg:u16*WHRtg_SF WHRtg_SF:sf AhrRtg:u16*AhrRtg_SF AhrRtg_SF:sf
        MaxChaRte:u16*MaxChaRte_SF MaxChaRte_SF:sf MaxDisChaRte:u16*MaxDisChaRte_SF
        MaxDisChaRte_SF:sf Pad:pad
    """,
    123: """
        Conn_WinTms:u16 Conn_RvrtTms:u16 Conn:enum16 WMaxLimPct:u16*WMaxLimPct_SF
        WMaxLimPct_WinTms:u16 WMaxLimPct_RvrtTms:u16 WMaxLimPct_RmpTms:u16 WMaxLim_Ena:enum16
        OutPFSet:i16*OutPFSet_SF OutPFSet_WinTms:u16 OutPFSet_RvrtTms:u16 OutPFSet_RmpTms:u16
        OutPFSet_Ena:enum16 VArWMaxPct:i16*VArPct_SF VArMaxPct:i16*VArPct_SF
        VArAvalPct:i16*VArPct_SF VArPct_WinTms:u16 VArPct_RvrtTms:u16 VArPct_RmpTms:u16
        VArPct_Mod:enum16 VArPct_Ena:enum16 WMaxLimPct_SF:sf OutPFSet_SF:sf VArPct_SF:sf
    """,
    701: """
        ACType:enum16 St:enum16 InvSt:enum16 ConnSt:enum16 Alrm:bits32 DERMode:bits32 W:i16*W_SF
        VA:i16*VA_SF Var:i16*Var_SF PF:i16*PF_SF A:i16*A_SF LLV:u16*V_SF LNV:u16*V_SF
        Hz:u32*Hz_SF TotWhInj:u64*TotWh_SF TotWhAbs:u64*TotWh_SF TotVarhInj:u64*TotVarh_SF
        TotVarhAbs:u64*TotVarh_SF TmpAmb:i16*Tmp_SF TmpCab:i16*Tmp_SF TmpSnk:i16*Tmp_SF
        TmpTrns:i16*Tmp_SF TmpSw:i16*Tmp_SF TmpOt:i16*Tmp_SF WL1:i16*W_SF VAL1:i16*VA_SF
        VarL1:i16*Var_SF PFL1:i16*PF_SF AL1:i16*A_SF VL1L2:u16*V_SF VL1:u16*V_SF
        TotWhInjL1:u64*TotWh_SF TotWhAbsL1:u64*TotWh_SF TotVarhInjL1:u64*TotVarh_SF
        TotVarhAbsL1:u64*TotVarh_SF WL2:i16*W_SF VAL2:i16*VA_SF VarL2:i16*Var_SF PFL2:i16*PF_SF
        AL2:i16*A_SF VL2L3:u16*V_SF VL2:u16*V_SF TotWhInjL2:u64*TotWh_SF TotWhAbsL2:u64*TotWh_SF
        TotVarhInjL2:u64*TotVarh_SF TotVarhAbsL2:u64*TotVarh_SF WL3:i16*W_SF VAL3:i16*VA_SF
        VarL3:i16*Var_SF PFL3:i16*PF_SF AL3:i16*A_SF VL3L1:u16*V_SF VL3:u16*V_SF
        TotWhInjL3:u64*TotWh_SF TotWhAbsL3:u64*TotWh_SF TotVarhInjL3:u64*TotVarh_SF
        TotVarhAbsL3:u64*TotVarh_SF ThrotPct:u16 ThrotSrc:bits32 A_SF:sf V_SF:sf Hz_SF:sf
        W_SF:sf PF_SF:sf VA_SF:sf Var_SF:sf TotWh_SF:sf TotVarh_SF:sf Tmp_SF:sf MnAlrmInfo:str32
    """,
    704: """
        PFWInjEna:enum16 PFWInjEnaRvrt:enum16 PFWInjRvrtTms:u32 PFWInjRvrtRem:u32
        PFWAbsEna:enum16 PFWAbsEnaRvrt:enum16 PFWAbsRvrtTms:u32 PFWAbsRvrtRem:u32
        WMaxLimPctEna:enum16 WMaxLimPct:u16*WMaxLimPct_SF WMaxLimPctRvrt:u16*WMaxLimPct_SF
        WMaxLimPctEnaRvrt:enum16 WMaxLimPctRvrtTms:u32 WMaxLimPctRvrtRem:u32 WSetEna:enum16
        WSetMod:enum16 WSet:i32*WSet_SF WSetRvrt:i32*WSet_SF WSetPct:i16*WSetPct_SF
        WSetPctRvrt:i16*WSetPct_SF WSetEnaRvrt:enum16 WSetRvrtTms:u32 WSetRvrtRem:u32
        VarSetEna:enum16 VarSetMod:enum16 VarSetPri:enum16 VarSet:i32*VarSet_SF
        VarSetRvrt:i32*VarSet_SF VarSetPct:i16*VarSetPct_SF VarSetPctRvrt:i16*VarSetPct_SF
        VarSetEnaRvrt:enum16 VarSetRvrtTms:u32 VarSetRvrtRem:u32 WRmp:u16 WRmpRef:enum16
        VarRmp:u16 AntiIslEna:enum16 PF_SF:sf WMaxLimPct_SF:sf WSet_SF:sf WSetPct_SF:sf
        VarSet_SF:sf VarSetPct_SF:sf PFWInj.PF:u16*PF_SF PFWInj.Ext:enum16
        PFWInjRvrt.PF:u16*PF_SF PFWInjRvrt.Ext:enum16 PFWAbs.PF:u16*PF_SF PFWAbs.Ext:enum16
        PFWAbsRvrt.PF:u16*PF_SF PFWAbsRvrt.Ext:enum16
    """,
    713: """
        WHRtg:u16*WH_SF WHAvail:u16*WH_SF SoC:u16*Pct_SF SoH:u16*Pct_SF Sta:enum16 WH_SF:sf
        Pct_SF:sf
    """,
    802: """
        AHRtg:u16*AHRtg_SF WHRtg:u16*WHRtg_SF WChaRteMax:u16*WChaDisChaMax_SF
        WDisChaRteMax:u16*WChaDisChaMax_SF DisChaRte:u16*DisChaRte_SF SoCMax:u16*SoC_SF
        SoCMin:u16*SoC_SF SocRsvMax:u16*SoC_SF SoCRsvMin:u16*SoC_SF SoC:u16*SoC_SF
        DoD:u16*DoD_SF SoH:u16*SoH_SF NCyc:u32 ChaSt:enum16 LocRemCtl:enum16 Hb:u16 CtrlHb:u16
        AlmRst:u16 Typ:enum16 State:enum16 StateVnd:enum16 WarrDt:u32 Evt1:bits32 Evt2:bits32
        EvtVnd1:bits32 EvtVnd2:bits32 V:u16*V_SF VMax:u16*V_SF VMin:u16*V_SF
        CellVMax:u16*CellV_SF CellVMaxStr:u16 CellVMaxMod:u16 CellVMin:u16*CellV_SF
        CellVMinStr:u16 CellVMinMod:u16 CellVAvg:u16*CellV_SF A:i16*A_SF AChaMax:u16*AMax_SF
        ADisChaMax:u16*AMax_SF W:i16*W_SF ReqInvState:enum16 ReqW:i16*W_SF SetOp:enum16
        SetInvState:enum16 AHRtg_SF:sf WHRtg_SF:sf WChaDisChaMax_SF:sf DisChaRte_SF:sf SoC_SF:sf
        DoD_SF:sf SoH_SF:sf V_SF:sf CellV_SF:sf A_SF:sf AMax_SF:sf W_SF:sf
    """,
}


def model_length(number: int) -> int:
    """Return a model's length without its header, as its L register says."""
    return sum(length for _, _, length, _ in _layout(number))


def chain(
    models: Mapping[int, Mapping[str, Source]],
    *,
    quantities: Mapping[tuple[int, str], Quantity],
    writable: frozenset[tuple[int, str]] = frozenset(),
) -> list[Block]:
    """Lay out "SunS", the models in order, and the end marker from 40000 on.

    Points without a source say "not implemented". ``quantities`` and ``writable`` name
    points as (model, point). Raises KeyError for a point that no layout knows.
    """
    start = _constant("SunS", BASE, 0x53756E53, Kind.U32)
    blocks = [Block(BASE, _HEADER, [start], functions=READ)]
    address = BASE + _HEADER
    for number, sources in models.items():
        length = model_length(number)
        points = [
            _constant("ID", address, number, Kind.U16),
            _constant("L", address + 1, length, Kind.U16),
        ]
        if unknown := sources.keys() - {name for name, *_ in _layout(number)}:
            raise KeyError(f"model {number} has no {', '.join(sorted(unknown))}")
        at = address + _HEADER
        for name, kind, words, factor in _layout(number):
            source = sources.get(name)
            points.append(
                Point(
                    name=name,
                    address=at,
                    kind=kind,
                    get=source if callable(source) else partial(_same, source),
                    scale=_power_of_ten(sources, factor),
                    words=words,
                    quantity=quantities.get((number, name)),
                    writable=(number, name) in writable,
                )
            )
            at += words
        blocks.append(Block(address, length + _HEADER, points, functions=READ))
        address = at
    # The end marker, 0xFFFF, is the pattern for "no value".
    end = [
        _constant("ID", address, None, Kind.U16),
        _constant("L", address + 1, 0, Kind.U16),
    ]
    return [*blocks, Block(address, _HEADER, end, functions=READ)]


def exponent_for(highest: float) -> int:
    """Return the smallest scale factor, at least 0, that fits a value into 15 bits."""
    exponent = 0
    while highest / 10**exponent > 0x7FFE:  # noqa: PLR2004 - the largest int16 but one
        exponent += 1
    return exponent


def _layout(number: int) -> Iterator[tuple[str, Kind, int, str]]:
    """Yield (name, kind, registers, name of the scale factor) of a model's points."""
    for entry in LAYOUTS[number].split():
        name, _, rest = entry.partition(":")
        kind, _, factor = rest.partition("*")
        if kind.startswith("str"):
            yield name, Kind.TEXT, int(kind[3:]), ""
        else:
            yield name, _KINDS[kind], _KINDS[kind].value.words, factor


def _power_of_ten(sources: Mapping[str, Source], factor: str) -> float:
    exponent = sources.get(factor, 0) if factor else 0
    return 10.0**exponent if isinstance(exponent, int) else 1.0


def _constant(name: str, address: int, value: int | None, kind: Kind) -> Point:
    return Point(name=name, address=address, kind=kind, get=partial(_same, value))


def _same(value: Raw) -> Raw:
    return value
