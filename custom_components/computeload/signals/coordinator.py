"""One signal: asked for at its own cadence, judged, remembered.

What a source has said is kept for two weeks and over restarts. Where it says nothing, the
last good series holds, and behind its end what is usual stands in, marked as such.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
import math
from typing import TYPE_CHECKING, Any, Final, override
import zlib

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.translation import async_get_exception_message
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from ..const import CONF_PRICE, DOMAIN, LOGGER
from ..core.model import Clock
from ..core.series import Kind, Series, Slot, Unit, joined
from ..trouble import Trouble
from .cadence import (
    tomorrow_missing,
    wait_after_failure_s,
    wait_after_success_s,
    worth_telling,
)
from .checks import check_prices, missing
from .error import SignalError
from .quote import Quote
from .usual import REMEMBERED, flat, typical_day
from .values import quarter

if TYPE_CHECKING:
    from ..coordinator import ComputeLoadConfigEntry

HORIZON: Final = timedelta(hours=48)
"""How far ahead there always is a series, as far as anything is known at all."""
SPREAD_S: Final = 240
"""Sites ask within so many seconds, so that not all of them ask at the same moment."""

LONGEST_REST_S: Final = 24.0 * 3600.0
"""Not even a stored wait is longer than this: clocks may have been wrong."""

type Read = Callable[[bool], Awaitable[Quote]]
"""Asks the source; true for the first time, when the past is wanted too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalData:
    """A signal as published."""

    series: Series
    """From now on; known as far as the source reaches, then stand-ins."""
    fetched: datetime | None = None
    """When the source last answered."""
    note: str = ""
    """The licence of the data, where the source states one."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """What is wrong, in words, by the key of its repair issue."""

    def now(self, at: datetime) -> Slot | None:
        """Return what holds at a moment; None while nothing is known."""
        return self.series.at(at)


class SeriesSignal(DataUpdateCoordinator[SignalData]):
    """One signal of a site."""

    config_entry: ComputeLoadConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ComputeLoadConfigEntry,
        clock: Clock,
        *,
        sort: str,
        unit: Unit,
        zone: tzinfo,
        read: Read | None,
        every_s: float = 0.0,
        currency: str = "",
        changed: Callable[[], None],
    ) -> None:
        """Prepare. ``changed`` is called when there is something new to be stored."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=f"{entry.title} {sort}",
            update_interval=None,
            always_update=False,
        )
        self.clock = clock
        self.sort = sort
        self.zone = zone
        self.past = Series(unit)
        """What the source has said, of the last two weeks and of the future."""
        self.data = SignalData(series=Series(unit))
        self._read = read
        self._every_s = every_s
        self._currency = currency
        self._changed = changed
        self._trouble = Trouble(self.name)
        self._spread_s = float(zlib.crc32(entry.entry_id.encode()) % SPREAD_S)
        self._next_s = float("-inf")
        self._asking = False
        self._in_a_row = 0
        self._error: SignalError | None = None
        self._quote: Quote | None = None
        self._fetched: datetime | None = None
        self._told: dict[str, str] = {}
        self._built = Series(unit)
        self._grounds: tuple[object, ...] = ()

    # -- asking ------------------------------------------------------------------------

    @callback
    def async_tick(self) -> None:
        """Ask the source if it is time to, and publish what holds now."""
        due = self.hass.loop.time() >= self._next_s
        if self._read is not None and due and not self._asking:
            self._asking = True
            self.config_entry.async_create_background_task(
                self.hass, self.async_ask(), f"{DOMAIN} {self.name}"
            )
        self.async_publish()

    async def async_ask(self) -> None:
        """Ask the source now; whatever comes of it is kept, told and published."""
        if self._read is None:
            return
        self._asking = True
        now = self.clock.now()
        try:
            quote = await self._read(not self.past)
            if self.sort == CONF_PRICE:
                past = self.past.between(now - REMEMBERED, quote.series.start or now)
                check_prices(quote.series, past, self._currency)
        except SignalError as err:
            self._failed(err)
        except Exception as err:  # noqa: BLE001 - the next attempt may do better
            self._trouble.note(err)
            self._failed(SignalError("payload_unexpected", {"what": type(err).__name__}))
        else:
            self._answered(quote, now)
        finally:
            self._asking = False
        self.async_publish()

    @callback
    def _answered(self, quote: Quote, now: datetime) -> None:
        self._quote, self._fetched, self._error, self._in_a_row = quote, now, None, 0
        self.past = quote.series.over(self.past).between(now - REMEMBERED, now + 2.0 * HORIZON)
        wait_s = wait_after_success_s(quote.series, now, self.zone, self._every_s)
        spread_s = self._spread_s if wait_s > SPREAD_S else 0.0
        self._next_s = self.hass.loop.time() + wait_s + spread_s
        self._changed()

    @callback
    def _failed(self, error: SignalError) -> None:
        self._error = error
        self._in_a_row += 1
        wait_s = wait_after_failure_s(error, self._in_a_row, self._every_s)
        self._next_s = self.hass.loop.time() + wait_s
        if error.retry_after_s is not None:
            self._changed()

    # -- publishing ----------------------------------------------------------------------

    @callback
    def async_publish(self) -> None:
        """Build the series from now on, and say what is wrong with it."""
        now = self.clock.now()
        with self._trouble.survived():
            problems = self._problems(now)
            self._tell(problems)
            self.async_set_updated_data(
                SignalData(
                    series=self._current(quarter(now)),
                    fetched=self._fetched,
                    note=self._quote.note if self._quote is not None else "",
                    problems=problems,
                )
            )

    @callback
    def _current(self, begin: datetime) -> Series:
        """Return the series from this quarter on; it is built anew only when it differs."""
        grounds = (begin, *self.grounds())
        if grounds != self._grounds:
            self._grounds = grounds
            self.rebuild(begin)
        return self._built

    def grounds(self) -> tuple[object, ...]:
        """Return all that the series is built of."""
        return (self.past,)

    @callback
    def rebuild(self, begin: datetime) -> None:
        """Build what is published."""
        self._built = self.build(begin, begin + HORIZON)

    def build(self, start: datetime, end: datetime) -> Series:
        """Return the series between two moments: what is known, then what is usual."""
        known = self.past.between(start, end)
        if not self.past or (known and not known.holes(start, end)):
            return known
        usual = typical_day(self.past, start, end, self.zone)
        recent = self.past.between(start - timedelta(days=1), start) or self.past
        level = recent.mean(recent.slots[0].start, recent.slots[-1].end) or 0.0
        return known.over(usual).over(flat(self.past.unit, level, start, end))

    def _problems(self, now: datetime) -> dict[str, str]:
        """Return what the user should know, in words, by the key of the issue."""
        found = {}
        if self._error is not None and worth_telling(self._error, self._in_a_row):
            found[f"{self.sort}_failed"] = async_get_exception_message(
                DOMAIN, self._error.key, self._error.details
            )
        if self.sort == CONF_PRICE and self._fetched is not None:
            if tomorrow_missing(self.past, now, self.zone):
                found["price_tomorrow_missing"] = ""
            if gap := missing(self.past, now):
                found["price_gaps"] = f"{gap / timedelta(hours=1):g}"
        return found

    @callback
    def _tell(self, problems: dict[str, str]) -> None:
        """Make each problem a repair issue and one line in the log; take back what is over."""
        title = self.config_entry.title
        for key, words in problems.items():
            if self._told.get(key) == words:
                continue
            if key not in self._told:
                LOGGER.warning("%s: %s", self.name, f"{key}: {words}" if words else key)
            ir.async_create_issue(
                self.hass,
                DOMAIN,
                issue_id(key, self.config_entry.entry_id),
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=key,
                translation_placeholders={"site": title, "details": words},
            )
        for key in self._told.keys() - problems.keys():
            LOGGER.info("%s: %s is over", self.name, key)
            ir.async_delete_issue(self.hass, DOMAIN, issue_id(key, self.config_entry.entry_id))
        self._told = problems

    # -- storage ---------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return what a restart must not lose."""
        wait_s = self._next_s - self.hass.loop.time()
        told_off = self._error is not None and self._error.retry_after_s is not None
        waits = math.isfinite(wait_s) and (bool(self.past) or told_off)
        return {
            "past": to_rows(self.past),
            "fetched": self._fetched and self._fetched.timestamp(),
            "due": self.clock.now().timestamp() + wait_s if waits else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with what was stored: a source is not asked again because of a restart.

        Raises KeyError, TypeError, ValueError, OverflowError or OSError for what is damaged.
        """
        self.past = from_rows(self.past.unit, state["past"])
        if (fetched := state["fetched"]) is not None:
            self._fetched = datetime.fromtimestamp(fetched, UTC)
        if (due := state["due"]) is not None:
            wait_s = min(due - self.clock.now().timestamp(), LONGEST_REST_S)
            self._next_s = self.hass.loop.time() + wait_s

    @override
    async def _async_update_data(self) -> SignalData:
        await self.async_ask()
        return self.data


ISSUES: Final = (
    "price_failed",
    "price_tomorrow_missing",
    "price_gaps",
    "carbon_failed",
    "pv_failed",
)


def to_rows(series: Series) -> list[list[Any]]:
    """Return a series as it is stored: start and end in s, value, kind."""
    return [[s.start.timestamp(), s.end.timestamp(), s.value, s.kind] for s in series]


def from_rows(unit: Unit, rows: Sequence[Sequence[Any]]) -> Series:
    """Return a stored series.

    Raises TypeError, ValueError, OverflowError or OSError for what is none.
    """
    return joined(
        unit,
        (
            Slot(
                datetime.fromtimestamp(start, UTC),
                datetime.fromtimestamp(end, UTC),
                float(value),
                Kind(kind),
            )
            for start, end, value, kind in rows
        ),
    )


def issue_id(key: str, entry_id: str) -> str:
    """Return the id of a site's repair issue."""
    return f"{key}_{entry_id}"
