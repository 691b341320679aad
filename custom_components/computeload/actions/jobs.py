"""What a cluster's jobs used: energy, money and CO2, by job, user, account or partition."""

from datetime import date, timedelta
from typing import Final

from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.util.json import JsonValueType
import voluptuous as vol

from ..coordinator import ComputeLoadConfigEntry
from ..core.cluster import Cluster
from ..core.job_energy import NOBODY, OTHERS, By, JobEnergy, Used
from .base import ActionDescription, Answer, Arguments, failed

CONF_BY: Final = "by"
CONF_SPAN: Final = "span"
CONF_COUNT: Final = "count"
TODAY: Final = "today"
MONTH: Final = "month"
LAST_MONTH: Final = "last_month"
ALL_TIME: Final = "all_time"
_MOST: Final = 500


async def _async_job_energy(
    hass: HomeAssistant,  # noqa: ARG001 - the signature of all handlers
    site: ComputeLoadConfigEntry,
    arguments: Arguments,
) -> Answer:
    """Tell who used most."""
    runtime = site.runtime_data
    if not runtime.clusters:
        raise failed("no_cluster", site=site.title)
    by = By(arguments[CONF_BY])
    today = runtime.clock.now().astimezone(runtime.tariff.calendar.zone).date()
    answer: list[JsonValueType] = []
    for cluster in runtime.clusters.values():
        account = account_of(cluster.memory, arguments[CONF_SPAN], today)
        answer.append(
            {
                "name": cluster.name,
                "metered": told(account.total),
                "unassigned": told(account.used(by, NOBODY)),
                "others": told(account.used(by, OTHERS)),
                "top": [
                    {"name": name, **told(used)}
                    for name, used in account.top(by, arguments[CONF_COUNT])
                ],
            }
        )
    return {"currency": runtime.tariff.currency, "by": str(by), "clusters": answer}


def account_of(memory: Cluster, span: str, today: date) -> JobEnergy:
    """Return the account of a span; an empty one where nothing was counted in it."""
    if span == TODAY:
        return memory.today
    if span == ALL_TIME:
        return memory.energy
    first = today.replace(day=1)
    month = first if span == MONTH else first - timedelta(days=1)
    return memory.months.get(f"{month:%Y-%m}", JobEnergy())


def told(used: Used) -> Answer:
    """Return a use in the units of people."""
    return {
        "energy_kwh": round(used.energy_wh / 1000.0, 3),
        "cost": round(used.cost_eur, 2),
        "co2_kg": round(used.co2_g / 1000.0, 3),
    }


JOB_ACTIONS: Final[tuple[ActionDescription, ...]] = (
    ActionDescription(
        name="get_job_energy",
        schema={
            vol.Optional(CONF_BY, default=By.USER): vol.In([str(by) for by in By]),
            vol.Optional(CONF_SPAN, default=TODAY): vol.In([TODAY, MONTH, LAST_MONTH, ALL_TIME]),
            vol.Optional(CONF_COUNT, default=10): vol.All(
                vol.Coerce(int), vol.Range(min=1, max=_MOST)
            ),
        },
        handler=_async_job_energy,
        admin=False,
        supports_response=SupportsResponse.ONLY,
    ),
)
