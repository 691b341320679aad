"""Steps of the options flow: check the site, mend what is wrong, try the batteries out."""

import asyncio
from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .const import CONF_ACCEPT_UNPROVEN, CONF_PROOF
from .core.proof import Fix, Verdict
from .options_steps import OptionsSteps
from .proof import SiteProof
from .proof_trial import BatteryTrials
from .proof_words import async_fix_label

FIXES: Final = "fixes"
BATTERIES: Final = "batteries"


class CheckSteps(OptionsSteps):
    """Check the site as often as one likes, and act on what it shows."""

    _waiting: asyncio.Task[None] | None = None

    @property
    def _proof(self) -> SiteProof:
        proof: SiteProof = self.config_entry.runtime_data.proof
        return proof

    @property
    def _trials(self) -> BatteryTrials:
        trials: BatteryTrials = self.config_entry.runtime_data.trials
        return trials

    async def async_step_check(self, _: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show what every check says now, and what can be done about it."""
        proof = self._proof
        proof.async_look()
        steps = ["check_again"]
        if self._fixes():
            steps.append("apply_fixes")
        if any(subject.controllable for subject in proof.subjects):
            steps.append("try_batteries")
        steps.append("accept_unproven")
        return self.async_show_menu(
            step_id="check",
            menu_options=steps,
            description_placeholders={"report": await proof.async_report()},
        )

    async def async_step_check_again(self, _: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Look again: readings have come in meanwhile."""
        return await self.async_step_check()

    # -- fixes -------------------------------------------------------------------------

    def _fixes(self) -> dict[str, Fix]:
        """Return what is proposed; the same fix for two findings is one."""
        fixes: dict[str, Fix] = {}
        for finding in self._proof.findings():
            if finding.verdict is Verdict.FAILED and finding.fix not in (None, *fixes.values()):
                assert finding.fix is not None  # noqa: S101 - for the type checker
                fixes[f"{finding.check} {finding.asset_id}"] = finding.fix
        return fixes

    async def async_step_apply_fixes(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let the user tick what is to be mended, and mend it."""
        fixes = self._fixes()
        if user_input is not None:
            chosen = [fix for key, fix in fixes.items() if key in user_input[FIXES]]
            if not chosen:
                return await self.async_step_check()
            await self._proof.async_apply(chosen)
            return self.async_abort(reason="fixes_applied")
        options = [
            SelectOptionDict(
                value=key, label=await async_fix_label(self.hass, fix, self._proof.name_of)
            )
            for key, fix in fixes.items()
        ]
        schema = vol.Schema({vol.Required(FIXES, default=list(fixes)): _ticks(options)})
        return self.async_show_form(step_id="apply_fixes", data_schema=schema)

    # -- trials ------------------------------------------------------------------------

    async def async_step_try_batteries(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for consent, battery by battery; what is ticked is tried out."""
        if self._trials.running:
            return await self.async_step_trial()
        if user_input is not None:
            if not user_input[BATTERIES]:
                return await self.async_step_check()
            self._trials.async_begin(user_input[BATTERIES])
            return await self.async_step_trial()
        proof = self._proof
        batteries = [s.asset_id for s in proof.subjects if s.controllable]
        options = [SelectOptionDict(value=b, label=proof.name_of(b)) for b in batteries]
        schema = vol.Schema({vol.Required(BATTERIES, default=batteries): _ticks(options)})
        return self.async_show_form(step_id="try_batteries", data_schema=schema)

    async def async_step_trial(self, _: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Wait for the trial. Whoever closes the dialog stops it."""
        if self._trials.running:
            # The dialog waits for the trial, but does not own it: it may be closed.
            if self._waiting is None or self._waiting.done():
                self._waiting = self.hass.async_create_task(self._trials.async_wait())
            return self.async_show_progress(
                step_id="trial", progress_action="trial", progress_task=self._waiting
            )
        return self.async_show_progress_done(next_step_id="check")

    def async_remove(self) -> None:
        """Stop a trial whose dialog was closed: nobody watches it any more."""
        if self.config_entry.state.recoverable and hasattr(self.config_entry, "runtime_data"):
            self._trials.stop("user")

    # -- the risk ----------------------------------------------------------------------

    async def async_step_accept_unproven(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let the user take the risk of control without proof, by name."""
        self._sort = CONF_PROOF
        if user_input is not None:
            return self._async_save(user_input)
        schema = vol.Schema({vol.Required(CONF_ACCEPT_UNPROVEN, default=False): BooleanSelector()})
        suggested = self.config_entry.options.get(CONF_PROOF, {})
        return self._async_show("accept_unproven", schema, suggested, {}, {})


def _ticks(options: list[SelectOptionDict]) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(options=options, multiple=True, mode=SelectSelectorMode.LIST)
    )
