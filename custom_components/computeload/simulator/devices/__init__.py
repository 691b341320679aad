"""The kinds of device on the wire, each with its real register map over the physics.

Maps are carried by hand from the makers' and the SunSpec Alliance's documentation and
from public drivers; none of the project's own drivers is consulted.
"""

from typing import Final

from ..physics import SitePhysics
from ..spec import WireSpec
from .base import WireDevice
from .openems_fems import OpenEmsFems
from .sdm630 import Sdm630
from .socomec_digiware import SocomecDigiware
from .sunspec_battery import SunSpecBattery
from .sunspec_pv import SunSpecPv

_CLASSES: Final[dict[str, type[WireDevice]]] = {
    "eastron_sdm630": Sdm630,
    "socomec_digiware": SocomecDigiware,
    "sunspec_battery": SunSpecBattery,
    "openems_fems": OpenEmsFems,
    "sunspec_pv": SunSpecPv,
}


def build_device(wire: WireSpec, physics: SitePhysics) -> WireDevice:
    """Put one of the scenario's devices in front of the physics."""
    return _CLASSES[wire.device](wire, physics)
