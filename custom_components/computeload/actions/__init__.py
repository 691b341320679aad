"""Actions: what a user or an automation can ask a site to do, and what it answers.

One table; each action's handler lives in the module of its topic and gets the site and
arguments that are checked already. Registered once, whether a site is set up or not.
"""

from typing import Final

from homeassistant.core import HomeAssistant, callback

from .base import ActionDescription, async_register
from .explain import EXPLAIN_ACTIONS
from .jobs import JOB_ACTIONS
from .ledger import LEDGER_ACTIONS
from .outage import OUTAGE_ACTIONS
from .plan import PLAN_ACTIONS
from .report import REPORT_ACTIONS
from .simulate import SIMULATE_ACTIONS

ACTIONS: Final[tuple[ActionDescription, ...]] = (
    *PLAN_ACTIONS,
    *LEDGER_ACTIONS,
    *SIMULATE_ACTIONS,
    *EXPLAIN_ACTIONS,
    *JOB_ACTIONS,
    *OUTAGE_ACTIONS,
    *REPORT_ACTIONS,
)


@callback
def async_setup_actions(hass: HomeAssistant) -> None:
    """Register all actions."""
    for description in ACTIONS:
        async_register(hass, description)
