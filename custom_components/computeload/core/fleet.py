"""All batteries of a site as the one that a plan is made for."""

from collections.abc import Iterable

from .numbers import known, not_negative
from .plan import BatterySpec
from .site import BatteryState


def combined(
    batteries: Iterable[BatteryState],
    *,
    soc_min: float,
    round_trip: float,
    wear_eur_per_kwh: float,
) -> tuple[BatterySpec, float]:
    """Return what the usable batteries are together, and the energy that they hold, Wh.

    ``round_trip`` is what comes back of a kWh that is put in; half of the loss is taken to
    happen on each way. Without a usable battery what is returned holds nothing.
    """
    usable = [
        (each, each.soc)
        for each in batteries
        if each.usable and known(each.soc) and not_negative(each.capacity_wh) > 0.0
    ]
    capacity_wh = sum(each.capacity_wh for each, _ in usable)
    stored_wh = sum(each.capacity_wh * soc for each, soc in usable)
    spec = BatterySpec(
        capacity_wh=capacity_wh,
        charge_w=sum(not_negative(each.charge_limit_w) for each, _ in usable),
        discharge_w=sum(not_negative(each.discharge_limit_w) for each, _ in usable),
        efficiency_charge=round_trip**0.5,
        efficiency_discharge=round_trip**0.5,
        soc_min=min(soc_min, 1.0),
        wear_eur_per_kwh=wear_eur_per_kwh,
    )
    return spec, stored_wh
