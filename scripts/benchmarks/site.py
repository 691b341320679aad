"""A site for benchmarks, written into Home Assistant's storage before it starts.

The flow asks users for sensible poll intervals; the floor is measured with none.
"""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Final

ENTRY_ID: Final = "benchmark00000000000000000"


def subentry(index: int, kind: str, title: str, data: Mapping[str, object]) -> dict[str, object]:
    """Return a device as Home Assistant stores it."""
    return {
        "subentry_id": f"asset{index:021d}",
        "subentry_type": kind,
        "title": title,
        "unique_id": f"benchmark {index}",
        "data": dict(data),
    }


def write_site(config: Path, *, meter_port: int, battery_port: int, target_kw: float) -> None:
    """Write a site with the responder's meter and battery, control switched on."""
    subentries = [
        subentry(
            1,
            "meter",
            "Meter",
            {
                "profile": "eastron_sdm630",
                "link": {"type": "tcp", "host": "127.0.0.1", "port": meter_port},
                "unit_id": 1,
                "poll_s": 0.0,
                "role": "grid",
            },
        ),
        subentry(
            2,
            "battery",
            "Battery",
            {
                "profile": "openems_fems",
                "link": {"type": "tcp", "host": "127.0.0.1", "port": battery_port},
                "unit_id": 1,
                "poll_s": 0.05,
            },
        ),
    ]
    write_entry(config, subentries, target_kw=target_kw, enabled=True)


def write_entry(
    config: Path, subentries: list[dict[str, object]], *, target_kw: float, enabled: bool
) -> None:
    """Write a site with these devices, its control switched on or off."""
    entry = {
        "created_at": "2026-01-01T00:00:00+00:00",
        "modified_at": "2026-01-01T00:00:00+00:00",
        "data": {"connection_limit_kw": 500.0, "target_peak_kw": target_kw, "currency": "EUR"},
        "disabled_by": None,
        "discovery_keys": {},
        "domain": "computeload",
        "entry_id": ENTRY_ID,
        "minor_version": 1,
        "options": {"proof": {"accept_unproven": True}},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "subentries": subentries,
        "title": "Benchmark",
        "unique_id": "benchmark",
        "version": 1,
    }
    storage = config / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    _store(storage / "core.config_entries", {"entries": [entry]}, minor=5)
    settings = {
        "enabled": enabled,
        "strategy": "peak_shaving",
        "target_w": None,
        "connection_w": None,
        "soc_min": 0.05,
        "reserve": 0.1,
    }
    state: dict[str, object] = {"settings": settings, "window": None, "peaks": [], "engaged": []}
    _store(storage / f"computeload.{ENTRY_ID}", state, minor=1)


def _store(file: Path, data: object, *, minor: int) -> None:
    content = {"version": 1, "minor_version": minor, "key": file.name, "data": data}
    file.write_text(json.dumps(content))
