"""Options flow: where prices, carbon intensity, PV forecast and operator limit come from.

Every choice is tried out before it is saved: what the source says is shown, or what is
wrong with it, at the field that can be changed.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import split_entity_id
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .const import (
    CONF_CARBON,
    CONF_CONNECTION_LIMIT_KW,
    CONF_OPERATOR,
    CONF_OUTAGE,
    CONF_PLANNING,
    CONF_PRICE,
    CONF_PV,
    CONF_TARIFF,
    DOMAIN,
)
from .core.series import Series, Unit
from .forms import choice, figure
from .options_check import CheckSteps
from .options_outage import OutageSteps
from .options_steps import Answers
from .options_tariff import TariffSteps
from .signals.checks import check_prices
from .signals.error import SignalError
from .signals.fetch import Reader
from .signals.limit import LimitKeeper
from .signals.operator_limit import (
    CALENDAR,
    CONTACTS,
    ENTITY,
    FAIL_SAFE_KW,
    LASTS_MIN,
    LIMIT_KW,
    NUMBERS,
    SILENCE_MIN,
    heard,
    rule_of,
    says_power,
)
from .signals.preview import preview
from .signals.quote import Quote
from .signals.site import FORECASTS, reader_of
from .signals.solar import async_read_solar, async_solar_entries
from .signals.sources import (
    AREA,
    CARBON_SOURCES,
    ENTITIES,
    ENTRY,
    EXCHANGE_RATE,
    PRICE_SOURCES,
    SOURCE,
    TOKEN,
    UNIT,
    ActionSource,
    AnySource,
    ScenarioSource,
)

NONE: Final = "none"
PRICE_UNITS: Final = ("EUR/kWh", "EUR/MWh", "ct/kWh", "GBP/kWh", "p/kWh", "currency/kWh")


def _dropdown(options: Iterable[str], *, custom: bool = False) -> SelectSelector:
    """Return a field for one of a few words that need no translation."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options), custom_value=custom, mode=SelectSelectorMode.DROPDOWN
        )
    )


class SignalOptionsFlow(CheckSteps, TariffSteps, OutageSteps):
    """Check the site; choose signals, tariff and what planning reckons with, one at a time."""

    _source: AnySource
    _placeholders: Mapping[str, str]

    async def async_step_init(self, _: Answers | None = None) -> ConfigFlowResult:
        """Ask which signal it is about."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        return self.async_show_menu(
            step_id="init",
            menu_options=["check", CONF_PRICE, CONF_TARIFF, CONF_CARBON, CONF_PV, "advanced"],
        )

    async def async_step_advanced(self, _: Answers | None = None) -> ConfigFlowResult:
        """Ask which of what most sites leave as it is."""
        return self.async_show_menu(
            step_id="advanced", menu_options=[CONF_PLANNING, CONF_OPERATOR, CONF_OUTAGE]
        )

    # -- prices and carbon: source, details, preview -----------------------------------

    async def async_step_price(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Choose where prices come from."""
        return await self._async_choose(CONF_PRICE, PRICE_SOURCES, user_input)

    async def async_step_carbon(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Choose where the carbon intensity comes from."""
        return await self._async_choose(CONF_CARBON, CARBON_SOURCES, user_input)

    async def _async_choose(
        self, sort: str, table: Mapping[str, AnySource], user_input: Answers | None
    ) -> ConfigFlowResult:
        self._sort = sort
        error: SignalError | None = None
        if user_input is not None:
            if user_input[SOURCE] == NONE:
                return self._async_save(None)
            self._source = table[user_input[SOURCE]]
            self._chosen = user_input
            if self._source.fields:
                return await self.async_step_details()
            try:
                return await self._async_try()
            except SignalError as err:
                error = err
        offered = [key for key, source in table.items() if self._offered(source)]
        schema = vol.Schema({vol.Required(SOURCE): choice([*offered, NONE], f"{sort}_source")})
        return self._form(sort, schema, self.config_entry.options.get(sort, {}), error)

    def _offered(self, source: AnySource) -> bool:
        """Tell whether a source can be had here at all."""
        if isinstance(source, ScenarioSource):
            simulator = self.config_entry.runtime_data.simulator
            return simulator is not None and simulator.scenario.prices is not None
        if isinstance(source, ActionSource):
            return self.hass.services.has_service(source.id, source.action)
        return True

    async def async_step_details(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Ask what the source needs to know, and try it out."""
        error: SignalError | None = None
        if user_input is not None:
            self._chosen = {SOURCE: self._source.id, **user_input}
            try:
                return await self._async_try()
            except SignalError as err:
                error = err
        before = self.config_entry.options.get(self._sort, {})
        suggested = user_input or (before if before.get(SOURCE) == self._source.id else {})
        asks_rate = EXCHANGE_RATE in suggested or (
            error is not None and error.field == EXCHANGE_RATE
        )
        fields = (*self._source.fields, *([EXCHANGE_RATE] if asks_rate else []))
        optional = self._source.optional | {EXCHANGE_RATE}
        schema = vol.Schema(
            {
                (vol.Optional if name in optional else vol.Required)(name): self._field(name)
                for name in fields
            }
        )
        return self._form("details", schema, suggested, error)

    def _field(self, name: str) -> Any:
        """Return the field by which a source is asked for something; text unless it is known."""
        areas, text = self._source.areas, TextSelector()
        fields: Mapping[str, Any] = {
            ENTRY: self._entries(self.hass.config_entries.async_entries(self._source.id)),
            ENTITIES: EntitySelector(EntitySelectorConfig(multiple=True)),
            AREA: _dropdown(areas) if areas else text,
            UNIT: _dropdown(PRICE_UNITS, custom=True),
            TOKEN: TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD)),
            EXCHANGE_RATE: figure(f"{self._currency} / EUR"),
        }
        return fields.get(name, text)

    def _entries(self, entries: Any, *, multiple: bool = False) -> SelectSelector:
        options = [SelectOptionDict(value=each.entry_id, label=each.title) for each in entries]
        return SelectSelector(SelectSelectorConfig(options=options, multiple=multiple))

    async def _async_try(self) -> ConfigFlowResult:
        """Ask the source once, and show what it says. Raises SignalError."""
        reader: Reader = reader_of(self.hass, self.config_entry)
        now = self.config_entry.runtime_data.clock.now()
        quote = await reader.async_read(self._source, self._chosen, reader.span(now))
        if self._sort == CONF_PRICE:
            check_prices(quote.series, Series(Unit.PRICE), self._currency)
            return await self._async_show_quote(quote, f"{self._currency}/kWh", 1.0)
        return await self._async_show_quote(quote, Unit.CARBON, 1.0)

    async def _async_show_quote(self, quote: Quote, unit: str, divisor: float) -> ConfigFlowResult:
        now = self.config_entry.runtime_data.clock.now()
        if (seen := preview(quote.series, now)) is None:
            raise SignalError("no_data")
        local = dt_util.as_local(seen.until)
        self._placeholders = {
            "least": f"{seen.least / divisor:.4g}",
            "mean": f"{seen.mean / divisor:.4g}",
            "most": f"{seen.most / divisor:.4g}",
            "unit": unit,
            "step": f"{seen.step / timedelta(minutes=1):g}",
            "until": f"{local:%Y-%m-%d %H:%M}",
            "line": seen.line,
            "note": quote.note,
        }
        return await self.async_step_preview()

    async def async_step_preview(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Show the next 24 hours; save when they look right."""
        if user_input is not None:
            return self._async_save(self._chosen)
        return self.async_show_form(
            step_id="preview",
            data_schema=vol.Schema({}),
            description_placeholders=self._placeholders,
        )

    # -- PV --------------------------------------------------------------------------------

    async def async_step_pv(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Choose the solar forecasts; more than one are added up."""
        self._sort = CONF_PV
        error: SignalError | None = None
        if user_input is not None:
            if not user_input.get(FORECASTS):
                return self._async_save(None)
            self._chosen = user_input
            try:
                quote = await async_read_solar(self.hass, user_input[FORECASTS])
                return await self._async_show_quote(quote, "kW", 1000.0)
            except SignalError as err:
                error = err
        entries = await async_solar_entries(self.hass)
        schema = vol.Schema({vol.Optional(FORECASTS): self._entries(entries, multiple=True)})
        suggested = user_input or self.config_entry.options.get(CONF_PV, {})
        return self._form("pv", schema, suggested, error)

    # -- the operator's limit ----------------------------------------------------------------

    async def async_step_operator(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Choose the entity that says the operator's limit, and what holds without it."""
        self._sort = CONF_OPERATOR
        error: SignalError | None = None
        if user_input is not None:
            if ENTITY not in user_input:
                return self._async_save(None)
            self._chosen = user_input
            try:
                self._check_operator(user_input)
                return await self.async_step_confirm()
            except SignalError as err:
                error = err
        domains = [*NUMBERS, *CONTACTS, CALENDAR]
        schema = vol.Schema(
            {
                vol.Optional(ENTITY): EntitySelector(EntitySelectorConfig(domain=domains)),
                vol.Optional(LIMIT_KW): figure("kW"),
                vol.Optional(FAIL_SAFE_KW): figure("kW"),
                vol.Optional(LASTS_MIN): figure("min"),
                vol.Optional(SILENCE_MIN): figure("min"),
            }
        )
        suggested = user_input or self.config_entry.options.get(CONF_OPERATOR, {})
        return self._form("operator", schema, suggested, error)

    def _check_operator(self, answers: Answers) -> None:
        """Raise SignalError for a limit that could not be kept or not be understood."""
        state = self.hass.states.get(answers[ENTITY])
        if state is None:
            raise SignalError("entity_unavailable", {"entity": answers[ENTITY]}, field=ENTITY)
        domain = split_entity_id(answers[ENTITY])[0]
        if domain in NUMBERS and not says_power(state):
            raise SignalError("unit_of_limit", {"entity": answers[ENTITY]}, field=ENTITY)
        if domain in CONTACTS and not answers.get(LIMIT_KW):
            raise SignalError("limit_missing", field=LIMIT_KW)
        connection_kw = self.config_entry.data[CONF_CONNECTION_LIMIT_KW]
        if not 0.0 < answers.get(FAIL_SAFE_KW, 0.0) <= connection_kw:
            raise SignalError(
                "fail_safe_out_of_range", {"limit": f"{connection_kw:g}"}, field=FAIL_SAFE_KW
            )
        for name in (LIMIT_KW, LASTS_MIN, SILENCE_MIN):
            if answers.get(name, 1.0) <= 0.0:
                raise SignalError("not_positive", field=name)

    async def async_step_confirm(self, user_input: Answers | None = None) -> ConfigFlowResult:
        """Show what would hold now; save when that is right."""
        if user_input is not None:
            return self._async_save(self._chosen)
        state = self.hass.states.get(self._chosen[ENTITY])
        limit_kw = self._chosen.get(LIMIT_KW)
        limit_w = None if limit_kw is None else limit_kw * 1000.0
        said = None if state is None else heard(state, limit_w)
        in_force = LimitKeeper(rule_of(self._chosen)).in_force(said, dt_util.utcnow())
        words = await async_get_translations(
            self.hass, self.hass.config.language, "selector", {DOMAIN}
        )
        sentence = words[f"component.{DOMAIN}.selector.operator_now.options.{in_force.source}"]
        limit = "" if in_force.limit_w is None else f"{in_force.limit_w / 1000.0:g}"
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),
            description_placeholders={"now": sentence.format(limit=limit)},
        )

    # -- shared ------------------------------------------------------------------------------

    def _form(
        self,
        step: str,
        schema: vol.Schema,
        suggested: Mapping[str, Any],
        error: SignalError | None,
    ) -> ConfigFlowResult:
        errors = {}
        if error is not None:
            known = {str(key) for key in schema.schema}
            errors = {error.field if error.field in known else "base": error.key}
        return self._async_show(
            step,
            schema,
            suggested,
            {str(field): key for field, key in errors.items()},
            error.details if error is not None else {},
        )
