"""Options flow: what electricity costs, and what a plan should reckon with.

A tariff is shown as it was understood before it is saved.
"""

from collections.abc import Iterator
from typing import Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig
import voluptuous as vol

from .const import CONF_CARBON_PRICE, CONF_EFFICIENCY, CONF_PLANNING, CONF_TARIFF, CONF_WEAR
from .core.tariff import (
    DemandCharge,
    Price,
    Tariff,
    TariffError,
    preset_names,
    prices_at,
)
from .core.tariff.choice import CONTRACT_KW, DOCUMENT, EXPORT_ADDER, IMPORT_ADDER, PRESET, RATE
from .core.tariff.spec import DemandQuantity, Op, PriceKind
from .forms import choice, figure
from .observing import measured
from .options_steps import Answers, OptionsSteps
from .plan_inputs import EFFICIENCY_PERCENT, WEAR_PER_KWH
from .site_tariff import async_choose_tariff, tariff_choice

NONE: Final = "none"
EXAMPLE: Final = """\
energy:
  import:
    day_ahead: {factor: 1.0}
    adders: [{name: grid fee, per_kwh: 0.0}]
  export:
    day_ahead: {factor: 1.0}
demand:
  - name: monthly peak
    window_min: 15
    period: month
    rate_eur_per_kw: 0.0
"""
"""What an own document begins from."""
SHOWN_CHARGES: Final = 8
LEAST_EFFICIENCY: Final = 50.0
MOST: Final = 1000.0


class TariffSteps(OptionsSteps):
    """Choose the tariff, and what planning reckons with."""

    _understood: Tariff

    async def async_step_tariff(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Choose a preset with own figures, or to write a document."""
        self._sort = CONF_TARIFF
        errors: dict[str, str] = {}
        details = ""
        if user_input is not None:
            if user_input[PRESET] == NONE:
                return self._async_save(None)
            if user_input[PRESET] == DOCUMENT:
                return await self.async_step_document()
            try:
                return await self._async_understand(user_input)
            except TariffError as err:
                errors, details = {"base": "tariff_invalid"}, str(err)
        presets = await self.hass.async_add_executor_job(preset_names)
        unit = f"{self._currency}/kWh"
        schema = vol.Schema(
            {
                vol.Required(PRESET): choice([NONE, *presets, DOCUMENT], "tariff_preset"),
                vol.Optional(RATE): figure(f"{self._currency}/kW"),
                vol.Optional(CONTRACT_KW): figure("kW"),
                vol.Optional(IMPORT_ADDER): figure(unit),
                vol.Optional(EXPORT_ADDER): figure(unit),
            }
        )
        before = dict(tariff_choice(self.config_entry) or {PRESET: NONE})
        if DOCUMENT in before:
            before = {PRESET: DOCUMENT}
        return self._async_show(
            "tariff", schema, user_input or before, errors, {"details": details}
        )

    async def async_step_document(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Take a tariff that the user has written."""
        errors: dict[str, str] = {}
        details = ""
        if user_input is not None:
            try:
                return await self._async_understand({DOCUMENT: user_input[DOCUMENT]})
            except TariffError as err:
                errors, details = {DOCUMENT: "tariff_invalid"}, str(err)
        text = TextSelector(TextSelectorConfig(multiline=True))
        before = self.config_entry.options.get(CONF_TARIFF, {}).get(DOCUMENT, EXAMPLE)
        return self._async_show(
            "document",
            vol.Schema({vol.Required(DOCUMENT): text}),
            user_input or {DOCUMENT: before},
            errors,
            {"details": details},
        )

    async def _async_understand(self, chosen: Answers) -> ConfigFlowResult:
        self._chosen = chosen
        self._understood = await async_choose_tariff(self.hass, self.config_entry, chosen)
        return await self.async_step_understood()

    async def async_step_understood(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Show how the tariff was understood; save when that is right."""
        if user_input is not None:
            return self._async_save(self._chosen)
        tariff = self._understood
        return self.async_show_form(
            step_id="understood",
            data_schema=vol.Schema({}),
            description_placeholders={
                "charges": "\n".join(self._charges(tariff)) or "-",
                "prices": self._prices(tariff),
                "source": tariff.source or "-",
            },
        )

    def _charges(self, tariff: Tariff) -> Iterator[str]:
        for charge in tariff.demand[:SHOWN_CHARGES]:
            minutes = charge.window_s // 60
            yield f"- {charge.name}: {_rate(charge, self._currency)} ({minutes} min)"

    def _prices(self, tariff: Tariff) -> str:
        """Return what a kWh costs and earns now, as far as the market price is known."""
        runtime = self.config_entry.runtime_data
        now = runtime.clock.now()
        market = measured(runtime.signals.price, now)
        prices = prices_at(tariff, now.timestamp(), market)
        return " / ".join("?" if each is None else f"{each:.4f}" for each in prices)

    async def async_step_planning(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Ask what a plan should reckon with."""
        self._sort = CONF_PLANNING
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = _planning_errors(user_input)
            if not errors:
                return self._async_save(user_input)
        schema = vol.Schema(
            {
                vol.Required(CONF_EFFICIENCY): figure("%"),
                vol.Required(CONF_WEAR): figure(f"{self._currency}/kWh"),
                vol.Required(CONF_CARBON_PRICE): figure(f"{self._currency}/t"),
            }
        )
        before = {
            CONF_EFFICIENCY: EFFICIENCY_PERCENT,
            CONF_WEAR: WEAR_PER_KWH,
            CONF_CARBON_PRICE: 0.0,
            **self.config_entry.options.get(CONF_PLANNING, {}),
        }
        return self._async_show("planning", schema, user_input or before, errors, {})


def _rate(charge: DemandCharge, currency: str) -> str:
    """Return the price of a charge in short: its steps, and what they are for."""
    price: Price = charge.sheet(None).price
    steps = ", ".join(
        f"{rate:g}" if level == 0.0 else f"> {level:g} kW: {rate:g}" for level, rate in price.rates
    )
    if charge.pick.op is Op.HOURS:
        return f"{steps} {currency}/h"
    apparent = charge.quantity is DemandQuantity.IMPORT_KVA
    unit = "" if price.kind is PriceKind.STEP else "/kVA" if apparent else "/kW"
    return f"{steps} {currency}{unit} per {price.span.value}"


def _planning_errors(answers: Answers) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not LEAST_EFFICIENCY <= answers[CONF_EFFICIENCY] <= 100.0:  # noqa: PLR2004 - percent
        errors[CONF_EFFICIENCY] = "efficiency_out_of_range"
    for name in (CONF_WEAR, CONF_CARBON_PRICE):
        if not 0.0 <= answers[name] <= MOST:
            errors[name] = "cost_out_of_range"
    return errors
