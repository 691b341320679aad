"""The tariff of a site, from its options."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import CONF_CURRENCY, CONF_TARIFF, DOMAIN, LOGGER
from .core.tariff import Tariff, TariffError, choose_tariff

if TYPE_CHECKING:
    from .coordinator import ComputeLoadConfigEntry

SIMULATED_CURRENCY = "EUR"
"""The presets that scenarios name have their rates in it."""


async def async_choose_tariff(
    hass: HomeAssistant, entry: ComputeLoadConfigEntry, choice: Mapping[str, Any] | None
) -> Tariff:
    """Return the tariff of a choice for this site; raises TariffError."""

    def chosen() -> Tariff:
        return choose_tariff(
            choice, timezone=hass.config.time_zone, currency=entry.data[CONF_CURRENCY]
        )

    return await hass.async_add_executor_job(chosen)


async def async_load_tariff(hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> Tariff:
    """Return the site's tariff. One that cannot be read any more is reported and left out."""
    issue_id = f"tariff_broken_{entry.entry_id}"
    try:
        tariff = await async_choose_tariff(hass, entry, tariff_choice(entry))
    except TariffError as err:
        LOGGER.warning("%s: the tariff cannot be read: %s", entry.title, err)
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key="tariff_broken",
            translation_placeholders={"site": entry.title, "details": str(err)},
        )
        return await async_choose_tariff(hass, entry, None)
    ir.async_delete_issue(hass, DOMAIN, issue_id)
    return tariff


def tariff_choice(entry: ComputeLoadConfigEntry) -> Mapping[str, Any] | None:
    """Return what was chosen; for a simulated site that has no choice, what its scenario says."""
    choice: Mapping[str, Any] | None = entry.options.get(CONF_TARIFF)
    simulator = entry.runtime_data.simulator
    if choice is not None or simulator is None or simulator.scenario.tariff is None:
        return choice
    in_euros = entry.data[CONF_CURRENCY] == SIMULATED_CURRENCY
    return {"preset": simulator.scenario.tariff} if in_euros else None
