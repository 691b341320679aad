"""Repairs: a finding that came up later is mended with one click."""

from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.core import HomeAssistant
import voluptuous as vol

from .coordinator import ComputeLoadConfigEntry
from .core.proof import Finding
from .proof_words import async_fix_label


class ApplyFixFlow(RepairsFlow):
    """Shows what would be corrected, and corrects it."""

    def __init__(self, entry: ComputeLoadConfigEntry | None, check: str, asset_id: str) -> None:
        """Belong to one finding."""
        self._entry = entry
        self._check = check
        self._asset_id = asset_id

    def _finding(self) -> Finding | None:
        """Return the finding as it is now; None where it is gone."""
        if self._entry is None or not hasattr(self._entry, "runtime_data"):
            return None
        return next(
            (
                f
                for f in self._entry.runtime_data.proof.findings()
                if f.fix is not None and (f.check, f.asset_id) == (self._check, self._asset_id)
            ),
            None,
        )

    async def async_step_init(self, _: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Begin with what would be done."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Do it, once the user says so."""
        finding = self._finding()
        if self._entry is None or finding is None or finding.fix is None:
            return self.async_abort(reason="gone")
        proof = self._entry.runtime_data.proof
        if user_input is not None:
            await proof.async_apply([finding.fix])
            return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),
            description_placeholders={
                "fix": await async_fix_label(self.hass, finding.fix, proof.name_of)
            },
        )


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,  # noqa: ARG001 - Home Assistant's signature
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the flow of an issue that can be mended."""
    known = data or {}
    entry = hass.config_entries.async_get_entry(str(known.get("entry_id")))
    return ApplyFixFlow(entry, str(known.get("check")), str(known.get("asset_id")))
