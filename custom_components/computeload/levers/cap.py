"""Cap: a budget for what compute may draw; the user's own script makes jobs keep it."""

from typing import Any, Final, override

from homeassistant.const import ATTR_ENTITY_ID, SERVICE_TURN_ON
from homeassistant.exceptions import HomeAssistantError

from ..const import CONF_BUDGET_SCRIPT, LOGGER
from ..core.levers import Budget, next_budget
from .base import Save, Tool, View
from .data import Deed
from .hands import Hands
from .limits import ServerLimits

CUT_SHARE: Final = 0.5
"""To this share of its draw compute is cut where somebody asks for all that can be had."""


class Cap(Tool):
    """Cuts what compute may draw."""

    def __init__(self, hands: Hands, save: Save) -> None:
        """Start without a budget."""
        super().__init__(hands, save)
        self.budget: Budget | None = None
        self._limits = ServerLimits(hands, save)

    @override
    async def look(self, view: View) -> None:
        """Cut by what is missing, and give back what there is room for."""
        if view.compute_w is None or (self.budget is None and not view.asked):
            return
        if view.demanded:
            cut = Budget(CUT_SHARE * view.compute_w, view.compute_w)
            await self._set(self.budget or cut, view.compute_w)
            return
        missing_w = view.missing_w if view.asked else 0.0
        budget = next_budget(self.budget, view.compute_w, missing_w, view.headroom_w)
        await self._set(budget, view.compute_w)

    @override
    async def give_back(self) -> None:
        """Let compute draw what it likes."""
        await self._set(None)

    @override
    async def settle(self) -> None:
        """Try again to lift limits that could not be lifted."""
        if self.budget is None:
            await self._limits.lift()

    @override
    def to_state(self) -> dict[str, Any]:
        """Return the budget, and what was limited before."""
        budget = self.budget if self.earnest else None
        return {
            "budget": None if budget is None else [budget.power_w, budget.uncut_w],
            "before": self._limits.to_state(),
        }

    @override
    def restore(self, state: Any) -> None:
        """Take up the budget."""
        budget = state["budget"]
        self.budget = None if budget is None else Budget(*map(float, budget))
        self._limits.restore(state["before"])

    async def _set(self, budget: Budget | None, compute_w: float = 0.0) -> None:
        if budget == self.budget:
            return
        self.budget = budget
        power_w = None if budget is None else budget.power_w
        if self.earnest:
            await self._save()
            await self._run_script(power_w)
            if budget is None:
                await self._limits.lift()
            elif compute_w > 0.0:
                await self._limits.cut(budget.power_w / compute_w)
        self.hands.note(Deed.LIFTED if budget is None else Deed.CUT, self.mode, power_w=power_w)

    async def _run_script(self, power_w: float | None) -> None:
        """Let the user's script act on the budget (kW); it is told None where there is none."""
        cluster = self.hands.cluster
        script = cluster.subentry.data.get(CONF_BUDGET_SCRIPT)
        if script is None:
            return
        variables = {
            "cluster": cluster.name,
            "budget_kw": None if power_w is None else round(power_w / 1000.0, 2),
        }
        try:
            await cluster.hass.services.async_call(
                "script", SERVICE_TURN_ON, {ATTR_ENTITY_ID: script, "variables": variables}
            )
        except HomeAssistantError as err:
            LOGGER.warning("%s: %s could not be run: %s", cluster.name, script, err)
