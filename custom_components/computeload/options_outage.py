"""Options: what is to run through an outage, what carries it, and what is called at its end."""

from typing import Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .const import (
    CONF_CALENDAR,
    CONF_ISLANDING,
    CONF_OUTAGE,
    CONF_PROTECTED,
    CONF_ROLE,
    CONF_SCRIPT,
    CONF_SHUTDOWN_MIN,
    ROLE_GRID,
)
from .coordinator import SiteRuntime
from .core.model import AssetKind
from .forms import figure
from .options_steps import Answers, OptionsSteps
from .outage import SHUTDOWN_MIN, branches_of

LONGEST_SHUTDOWN_MIN: Final = 120.0


class OutageSteps(OptionsSteps):
    """The step about outages."""

    async def async_step_outage(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Ask what is protected, and what carries it."""
        self._sort = CONF_OUTAGE
        errors: dict[str, str] = {}
        if user_input is not None:
            if not 0.0 < user_input[CONF_SHUTDOWN_MIN] <= LONGEST_SHUTDOWN_MIN:
                errors[CONF_SHUTDOWN_MIN] = "shutdown_out_of_range"
            else:
                return self._async_save(user_input)
        runtime: SiteRuntime = self.config_entry.runtime_data
        batteries = {each.asset_id: each.name for each in runtime.of_kind(AssetKind.BATTERY)}
        metered = [*runtime.of_kind(AssetKind.LOAD), *runtime.of_kind(AssetKind.METER)]
        loads = {
            branch: name
            for device in metered
            if device.subentry.data.get(CONF_ROLE) != ROLE_GRID
            for branch, name in branches_of(device).items()
        }
        schema = vol.Schema(
            {
                vol.Optional(CONF_PROTECTED, default=[]): _several(loads),
                vol.Optional(CONF_ISLANDING, default=[]): _several(batteries),
                vol.Required(CONF_SHUTDOWN_MIN): figure("min"),
                vol.Optional(CONF_SCRIPT): EntitySelector(EntitySelectorConfig(domain="script")),
                vol.Optional(CONF_CALENDAR): EntitySelector(
                    EntitySelectorConfig(domain="calendar")
                ),
            }
        )
        before = {
            CONF_ISLANDING: list(batteries),
            CONF_SHUTDOWN_MIN: SHUTDOWN_MIN,
            **self.config_entry.options.get(CONF_OUTAGE, {}),
        }
        for name, there in ((CONF_PROTECTED, loads), (CONF_ISLANDING, batteries)):
            before[name] = [each for each in before.get(name, []) if each in there]
        return self._async_show("outage", schema, user_input or before, errors, {})


def _several(titles: dict[str, str]) -> SelectSelector:
    options = [SelectOptionDict(value=key, label=title) for key, title in titles.items()]
    return SelectSelector(
        SelectSelectorConfig(options=options, multiple=True, mode=SelectSelectorMode.LIST)
    )
