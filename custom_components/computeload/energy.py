"""Home Assistant's Energy dashboard: what the sun is expected to give."""

from datetime import timedelta

from homeassistant.components.energy.types import SolarForecastType
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant

from .coordinator import ComputeLoadConfigEntry


async def async_get_solar_forecast(
    hass: HomeAssistant, config_entry_id: str
) -> SolarForecastType | None:
    """Return the PV that the plan reckons with, Wh by the start of each of its steps.

    None for a site that has no plan, or no PV in it.
    """
    entry: ComputeLoadConfigEntry | None = hass.config_entries.async_get_entry(config_entry_id)
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        return None
    problem = entry.runtime_data.planning.data.problem
    if problem is None or not problem.pv_w.any():
        return None
    start, hours = problem.start, {}
    for length_s, power_w in zip(problem.step_s.tolist(), problem.pv_w.tolist(), strict=True):
        hours[start.isoformat()] = round(power_w * length_s / 3600.0, 1)
        start += timedelta(seconds=length_s)
    return SolarForecastType(wh_hours=hours)
