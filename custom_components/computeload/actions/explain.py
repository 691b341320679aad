"""The post-mortem of billed peaks: who drew them, what the battery did, what would have helped."""

from functools import partial
from typing import Final

from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_db import LedgerError
from ..core.post_mortem import explain_peaks, periods_of
from ..peak_stories import asset_names, metered_windows, told
from ..plan_inputs import InputsOf
from .base import ActionDescription, Answer, Arguments, failed, wrong

CONF_CHARGE: Final = "charge"
CONF_PERIOD: Final = "period"


async def _async_explain(
    hass: HomeAssistant, site: ComputeLoadConfigEntry, arguments: Arguments
) -> Answer:
    """Explain what is billed for power."""
    runtime = site.runtime_data
    battery = InputsOf(site).storage()
    try:
        metered = await hass.async_add_executor_job(metered_windows, runtime.ledger.reader)
        if metered is None:
            raise failed("ledger_empty", site=site.title)
        known = await hass.async_add_executor_job(periods_of, runtime.tariff, metered)
        charge, period = _chosen(site, known, arguments)
        stories = await hass.async_add_executor_job(
            partial(
                explain_peaks,
                runtime.tariff,
                metered,
                runtime.ledger.reader.quarters,
                battery=battery,
                charge=charge,
                period=period,
            )
        )
    except LedgerError as err:
        raise failed("ledger_unreadable", problem=str(err)) from err
    names = asset_names(site)
    return {
        "currency": runtime.tariff.currency,
        "peaks": [told(story, names) for story in stories],
    }


def _chosen(
    site: ComputeLoadConfigEntry, known: dict[str, tuple[str, ...]], arguments: Arguments
) -> tuple[str | None, str | None]:
    """Return the charge and period that are asked for; raises what names a wrong one."""
    charge: str | None = arguments.get(CONF_CHARGE)
    period: str | None = arguments.get(CONF_PERIOD)
    if not known:
        raise failed("no_demand_charge", site=site.title)
    if charge is not None and charge not in known:
        raise wrong("charge_unknown", CONF_CHARGE, charge, known=", ".join(known))
    labels = sorted({p for name, each in known.items() if charge in (None, name) for p in each})
    if period is not None and period not in labels:
        raise wrong("period_unknown", CONF_PERIOD, period, known=", ".join(labels[-12:]))
    return charge, period


EXPLAIN_ACTIONS: Final = (
    ActionDescription(
        name="explain_peak",
        schema={
            vol.Optional(CONF_CHARGE): cv.string,
            vol.Optional(CONF_PERIOD): cv.string,
        },
        handler=_async_explain,
        admin=False,
        supports_response=SupportsResponse.ONLY,
    ),
)
