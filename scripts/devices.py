"""Writes docs/devices.md, the list of supported devices, from the profiles.

Run ``.venv/bin/python -m scripts.devices`` after a profile was added or changed.
"""

from collections.abc import Iterable
from pathlib import Path
import sys

from custom_components.computeload.core.model import AssetKind, Contract
from custom_components.computeload.drivers.profile import SHIPPED, load_library
from custom_components.computeload.drivers.spec import Profile

PAGE = Path(__file__).parent.parent / "docs" / "devices.md"

HEAD = """# Supported devices

Written by `scripts/devices.py` from the [profiles](profiles.md). Each is held to publicly known
register facts over real sockets; **none has been tried on real hardware**. How sure the facts
are: *high*, two or more independent sources agree; *medium*, one good source, or an open
question that the device's notes name.

A command *lapses* when it is not repeated, so that a battery is free again when Home Assistant
dies. Where it never lapses, the battery keeps the last command; registers that are *stored in
flash* wear out when they are written often; and where sources disagree, control is *not certain*.
Such a device is only read until its user accepts that.

A hybrid inverter is several devices at one address: add its battery, its PV and its grid meter,
each by its own entry here. A grid meter with a connection of its own reacts faster than one that is
read through an inverter.

Devices of Fronius, SMA, SolarEdge and Victron that Home Assistant sees on the network are offered
by address when a device is added; any other address is typed.

A device that is not listed may speak SunSpec, share its registers with a listed one, or get a
[profile of your own](profiles.md). What is not on Modbus is read through
[entities, Redfish or Prometheus](assets.md).
"""

SECTIONS = {
    AssetKind.METER: "Meters",
    AssetKind.BATTERY: "Batteries",
    AssetKind.PV: "PV inverters",
    AssetKind.LOAD: "Branch meters, PDUs and UPS",
}


def page(profiles: Iterable[Profile]) -> str:
    """Return the whole page."""
    ordered = sorted(profiles, key=lambda profile: profile.title.lower())
    parts = [HEAD]
    for kind, title in SECTIONS.items():
        members = [profile for profile in ordered if profile.kind is kind]
        commanded = kind in {AssetKind.BATTERY, AssetKind.PV}
        parts.append(f"## {title}\n")
        if commanded:
            parts.append("| device | models | control | facts |\n|---|---|---|---|")
        else:
            parts.append("| device | models | facts |\n|---|---|---|")
        for profile in members:
            control = f" {control_of(profile.contract)} |" if commanded else ""
            models = ", ".join(profile.models)
            parts.append(f"| {profile.title} | {models} |{control} {profile.confidence} |")
        parts.append("")
    return "\n".join(parts)


def control_of(contract: Contract | None) -> str:
    """Return in a few words how a device is commanded."""
    if contract is None:
        return "only read"
    lapse = f"lapses after {contract.lapse_s:g} s" if contract.lapse_s else "**never lapses**"
    flash = "; **stored in flash**" if contract.persistent else ""
    return lapse + flash + ("; **not certain**" if contract.doubt else "")


def main() -> int:
    """Write the page. Returns 1 where a profile has mistakes."""
    library = load_library([SHIPPED])
    for error in library.errors:
        print(error, file=sys.stderr)
    PAGE.write_text(page(library.profiles.values()), encoding="utf-8")
    return 1 if library.errors else 0


if __name__ == "__main__":
    sys.exit(main())
