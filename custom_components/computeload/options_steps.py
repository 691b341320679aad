"""What the steps of the options flow share: one part of the options is changed at a time."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
import voluptuous as vol

from .const import CONF_CURRENCY

type Answers = dict[str, Any]


class OptionsSteps(OptionsFlow):
    """Steps that end with saving one part of the options."""

    _sort: str
    """Which part it is."""
    _chosen: Answers

    @property
    def _currency(self) -> str:
        return str(self.config_entry.data[CONF_CURRENCY])

    def _async_show(
        self,
        step: str,
        schema: vol.Schema,
        suggested: Mapping[str, Any],
        errors: dict[str, str],
        placeholders: Mapping[str, str],
    ) -> ConfigFlowResult:
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=errors,
            description_placeholders=placeholders,
        )

    def _async_save(self, chosen: Answers | None) -> ConfigFlowResult:
        """Save one part, or none in its place; the others stay as they are."""
        options = {k: v for k, v in self.config_entry.options.items() if k != self._sort}
        if chosen is not None:
            options[self._sort] = chosen
        return self.async_create_entry(data=options)
