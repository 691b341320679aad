"""Records for the tests of savings: a controlled site over some days, told by its quarters."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from custom_components.computeload.core.ledger import EXPORT, IMPORT, Flow, Origin, Quarter
from custom_components.computeload.core.ledger_db import LedgerFile
from custom_components.computeload.core.ledger_read import LedgerReader
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.plan import BatterySpec
from custom_components.computeload.core.savings import COLUMNS, Record
from custom_components.computeload.core.tariff import Tariff, read_tariff
from custom_components.computeload.core.without import with_counterfactual

from .ledger_rows import CHARGED, DISCHARGED
from .tariff_site import BERLIN, at, instants

if TYPE_CHECKING:
    from pathlib import Path

BATTERY = BatterySpec(
    capacity_wh=40_000.0,
    charge_w=20_000.0,
    discharge_w=20_000.0,
    efficiency_charge=1.0,
    efficiency_discharge=0.9,
    wear_eur_per_kwh=0.02,
)


def tariff(rate: float = 10.0, **charge: object) -> Tariff:
    """Return a market tariff with one demand charge per kW and month, without VAT."""
    peak = {"name": "peak", "window_min": 15, "period": "month", "rate_eur_per_kw": rate}
    return read_tariff(
        {
            "tariff": {"timezone": BERLIN, "country": "DE"},
            "energy": {
                "import": {"day_ahead": {"factor": 1.0}},
                "export": {"day_ahead": {"factor": 1.0}},
            },
            "demand": [{**peak, **charge}],
        }
    )


def energy_only() -> Tariff:
    """Return a tariff that charges nothing for power."""
    return read_tariff(
        {
            "tariff": {"timezone": BERLIN},
            "energy": {"import": {"day_ahead": {"factor": 1.0}}},
        }
    )


type Told = Mapping[str, float | None]
"""What differs in a quarter: load, pv, battery (kW), buy, sell (money/kWh), co2 (g/kWh)."""


def quarters(
    first: str,
    last: str,
    told: Mapping[str, Told] | None = None,
    *,
    usual: Told | None = None,
) -> Iterator[Quarter]:
    """Yield controlled quarters of a span of local time; 10 kW of load unless told."""
    by_start = {round(at(when).timestamp()): each for when, each in (told or {}).items()}
    for start_s in instants(first, last).tolist():
        yield quarter(start_s, {**(usual or {}), **by_start.get(start_s, {})})


def quarter(start_s: int, told: Told) -> Quarter:
    """Return one quarter, with what would have been without control."""
    battery_kw = told.get("battery") or 0.0
    load_kw = told.get("load", 10.0) or 0.0
    grid_wh = (load_kw - (told.get("pv") or 0.0) - battery_kw) * 250.0
    return with_counterfactual(
        Quarter(
            start=datetime.fromtimestamp(start_s, at("2026-01-01").tzinfo),
            origin=Origin.COUNTER,
            flows={
                IMPORT: Flow(round(max(grid_wh, 0.0), 3)),
                EXPORT: Flow(round(max(-grid_wh, 0.0), 3)),
                CHARGED: Flow(round(max(-battery_kw, 0.0) * 250.0, 3)),
                DISCHARGED: Flow(round(max(battery_kw, 0.0) * 250.0, 3)),
            },
            price_import=told.get("buy", 0.20),
            price_export=told.get("sell", 0.08),
            co2_g_per_kwh=told.get("co2", 400.0),
            reason=Reason.PLAN,
            commands=1,
        )
    )


def written(folder: Path, rows: Iterable[Quarter]) -> LedgerReader:
    """Return the reader of a ledger that holds these quarters."""
    file = LedgerFile(folder / "site.db")
    file.open(at("2026-01-01"))
    file.append(rows)
    file.close()
    return LedgerReader(file.path)


def record(folder: Path, first: str, last: str, rows: Iterable[Quarter]) -> Record:
    """Return the record of quarters, by way of a ledger on disk."""
    reader = written(folder, rows)
    return Record.of(reader.history(COLUMNS, at(first), at(last)))


def plain_record(rows: list[Quarter]) -> Record:
    """Return the record of quarters without gaps, without a disk."""

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([np.nan if getattr(q, name) is None else getattr(q, name) for q in rows])

    def flow(channel: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([q.flows[channel].energy_wh for q in rows])  # type: ignore[index]

    return Record(
        starts=np.array([round(q.start.timestamp()) for q in rows], dtype=np.int64),
        import_wh=flow(IMPORT),
        export_wh=flow(EXPORT),
        without_import_wh=column("without_import_wh"),
        without_export_wh=column("without_export_wh"),
        battery_in_wh=flow(CHARGED),
        battery_out_wh=flow(DISCHARGED),
        price_import=column("price_import"),
        price_export=column("price_export"),
        co2_g_per_kwh=column("co2_g_per_kwh"),
    )
