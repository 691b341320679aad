"""Asking the sources: actions and entities of other integrations, and services over HTTP.

Whatever goes wrong comes out as a SignalError. Addresses and tokens are never part of it:
the texts of HTTP errors are not passed on, because they quote the whole request.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.aiohttp_client import async_get_clientsession
import voluptuous as vol

from ..core.series import Kind, Series, Slot, Unit, joined
from .attributes import read_carbon_attributes, read_price_attributes
from .error import SignalError, unexpected
from .quote import Quote
from .rows import read_rows
from .sources import (
    AREA,
    ATTRIBUTE,
    ENTITIES,
    ENTRY,
    EXCHANGE_RATE,
    HOUR_S,
    TOKEN,
    UNIT,
    ActionSource,
    AnySource,
    EntitySource,
    HttpSource,
    Options,
    ScenarioSource,
    Span,
)
from .units import carbon_factor, price_unit
from .values import local_midnight, number, quarter, shown

TIMEOUT_S: Final = 30.0
LARGEST_ANSWER: Final = 4 * 1024 * 1024
QUARTER: Final = timedelta(minutes=15)

type DayAhead = Callable[[date], tuple[tuple[datetime, float], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads any source for one site."""

    hass: HomeAssistant
    currency: str
    zone: tzinfo
    day_ahead: DayAhead | None = None
    """The prices of the simulated site, for a local day."""

    def span(self, now: datetime, *, days_back: int = 0) -> Span:
        """Return what to ask for: from some days ago until the end of tomorrow."""
        first = -days_back
        today = now.astimezone(self.zone).date()
        return Span(
            now=now,
            start=local_midnight(now, self.zone, first),
            end=local_midnight(now, self.zone, 2),
            days=tuple(today + timedelta(days=n) for n in range(first, 2)),
        )

    async def async_read(self, source: AnySource, options: Options, span: Span) -> Quote:
        """Return what a source says, prices in the site's currency.

        Raises SignalError.
        """
        match source:
            case ActionSource():
                quote = await self._async_call(source, options, span)
            case HttpSource():
                quote = await self._async_get(source, options, span)
            case EntitySource(of=Unit.CARBON):
                quote = Quote(self._carbon(options, span))
            case EntitySource():
                quote = self._prices(options, span)
            case ScenarioSource():
                quote = self._scenario(span)
        return self._in_own_currency(quote, options)

    def _in_own_currency(self, quote: Quote, options: Options) -> Quote:
        """Return the quote in the site's currency, by the rate that the user has given."""
        if quote.currency in {None, self.currency}:
            return quote
        rate = options.get(EXCHANGE_RATE)
        if not rate:
            raise SignalError(
                "currency_differs",
                {"theirs": str(quote.currency), "ours": self.currency},
                field=EXCHANGE_RATE,
            )
        return replace(quote, series=quote.series.times(rate), currency=self.currency)

    # -- actions of other integrations -----------------------------------------------

    async def _async_call(self, source: ActionSource, options: Options, span: Span) -> Quote:
        if not self.hass.services.has_service(source.id, source.action):
            raise SignalError("integration_missing", {"integration": source.id})
        unit = price_unit(source.unit)
        assert unit is not None  # noqa: S101 - the table is ours
        found = Series(Unit.PRICE)
        problem: SignalError | None = None
        today = span.now.astimezone(self.zone).date()
        for day in (today, today + timedelta(days=1)) if source.daily else (today,):
            try:
                rows = await self._async_rows(source, options, day, span)
                if rows:
                    part = read_rows(
                        rows,
                        unit=Unit.PRICE,
                        kind=Kind.DAY_AHEAD,
                        zone=self.zone,
                        divisor=unit.divisor,
                    )
                    found = found.over(part)
            except SignalError as err:
                # Tomorrow is an error at many sources as long as it is not published.
                problem = problem or err
        if not found:
            raise problem or SignalError("no_data")
        return Quote(found, unit.currency or self._entry_currency(options))

    async def _async_rows(
        self, source: ActionSource, options: Options, day: date, span: Span
    ) -> object:
        """Return the rows of one call; None where there is no such list yet."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await self.hass.services.async_call(
                    source.id,
                    source.action,
                    source.request(options, day, span),
                    blocking=True,
                    return_response=True,
                )
        except TimeoutError:
            raise SignalError("source_unreachable", {"source": source.id}) from None
        except (HomeAssistantError, vol.Invalid) as err:
            raise SignalError("source_says", {"what": shown(str(err))}) from err
        except Exception as err:
            # What another integration may raise is not known here.
            raise SignalError("source_says", {"what": shown(repr(err))}) from err
        rows: object = response
        for step in source.path:
            rows = rows.get(step) if isinstance(rows, Mapping) else None
        if not source.keyed:
            return rows
        if not isinstance(rows, Mapping):
            raise unexpected(f"{shown(rows)} has no areas")
        return _of_area(rows, options.get(AREA))

    def _entry_currency(self, options: Options) -> str | None:
        """Return the currency that the other integration was set up with, if it has one."""
        entry = self.hass.config_entries.async_get_entry(options.get(ENTRY, ""))
        currency = entry.data.get("currency") if entry is not None else None
        return currency if isinstance(currency, str) else None

    # -- services over HTTP ----------------------------------------------------------

    async def _async_get(self, source: HttpSource, options: Options, span: Span) -> Quote:
        session = async_get_clientsession(self.hass)
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                session.get(
                    source.address(options, span), params=source.params(options, span)
                ) as response,
            ):
                payload = await _async_body(response)
        except aiohttp.ClientError, TimeoutError, OSError:
            raise SignalError("source_unreachable", {"source": source.name}) from None
        if response.status != HTTPStatus.OK:
            raise _refusal(source, response, payload, span.now)
        return await self.hass.async_add_executor_job(source.read, payload)

    # -- entities of other integrations ------------------------------------------------

    def _prices(self, options: Options, span: Span) -> Quote:
        found, currency = Series(Unit.PRICE), None
        for state in self._states(options):
            quote = read_price_attributes(
                state.attributes,
                now=span.now,
                zone=self.zone,
                unit=options.get(UNIT),
                attribute=options.get(ATTRIBUTE),
            )
            found = found.over(quote.series)
            currency = currency or quote.currency
        return Quote(found, currency)

    def _carbon(self, options: Options, span: Span) -> Series:
        """Return what the entity says now, and its forecast where it has one."""
        found = Series(Unit.CARBON)
        for state in self._states(options):
            factor = carbon_factor(unit := state.attributes.get("unit_of_measurement"))
            if factor is None:
                raise SignalError("unit_unknown", {"unit": shown(unit)}, field=ENTITIES)
            forecast = read_carbon_attributes(
                state.attributes, zone=self.zone, attribute=options.get(ATTRIBUTE)
            )
            value = number(state.state)
            start = quarter(span.now)
            known = [Slot(start, start + QUARTER, value, Kind.MEASURED)] if value else []
            both = joined(Unit.CARBON, known).over(forecast)
            found = found.over(both.times(factor))
        return found

    def _states(self, options: Options) -> list[State]:
        states = []
        for entity_id in options[ENTITIES]:
            state = self.hass.states.get(entity_id)
            if state is None or state.state in {STATE_UNAVAILABLE, STATE_UNKNOWN}:
                raise SignalError("entity_unavailable", {"entity": entity_id}, field=ENTITIES)
            states.append(state)
        return states

    # -- the simulated site --------------------------------------------------------------

    def _scenario(self, span: Span) -> Quote:
        rows = [row for day in span.days for row in self.day_ahead(day)] if self.day_ahead else []
        if not rows:
            raise SignalError("no_data")
        series = read_rows(rows, unit=Unit.PRICE, kind=Kind.DAY_AHEAD, zone=self.zone)
        return Quote(series)


def _of_area(lists: Mapping[str, Any], area: str | None) -> object:
    """Return the list of an area, or the only one that there is."""
    if area:
        if area not in lists:
            raise SignalError("area_missing", {"area": area, "areas": ", ".join(lists)}, field=AREA)
        return lists[area]
    if len(lists) > 1:
        raise SignalError("area_ambiguous", {"areas": ", ".join(lists)}, field=AREA)
    return next(iter(lists.values()), None)


async def _async_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the answer's body; one without end is cut off."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise unexpected("the answer is too long")
    return bytes(body)


def _refusal(
    source: HttpSource, response: aiohttp.ClientResponse, payload: bytes, now: datetime
) -> SignalError:
    """Return what another status than 200 means."""
    status = response.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait_s = retry_after_s(response.headers.get("Retry-After"), now)
        return SignalError("limited", {"source": source.name}, retry_after_s=max(wait_s, HOUR_S))
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        field = TOKEN if TOKEN in source.fields else None
        return SignalError("token_refused", {"source": source.name}, field=field)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        try:
            source.read(payload)
        except SignalError as err:
            if err.key in {"no_data", "source_says"}:
                return err
        field = AREA if AREA in source.fields else None
        return SignalError(
            "area_refused", {"source": source.name, "code": str(status)}, field=field
        )
    return SignalError("server_error", {"source": source.name, "code": str(status)})


def retry_after_s(header: str | None, now: datetime) -> float:
    """Return the wait that a Retry-After header asks for, s; 0 without or with nonsense."""
    if header is None:
        return 0.0
    try:
        if header.strip().isdecimal():
            return min(float(header), 7.0 * 24.0 * HOUR_S)
        until = parsedate_to_datetime(header)
        until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        return min(max((until - now).total_seconds(), 0.0), 7.0 * 24.0 * HOUR_S)
    except TypeError, ValueError, OverflowError:
        return 0.0
