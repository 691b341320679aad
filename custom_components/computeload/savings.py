"""What control saved, inside Home Assistant: worked out from the ledger after each quarter.

Everything is computed anew from the ledger, in the executor, so there is nothing that a
restart could lose. Only the shadows of past days are kept in a file of their own: living a
day again takes a second.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
import numpy as np

from .const import CONF_EXPORT_LIMIT_KW, DOMAIN, LOGGER
from .coordinator import ComputeLoadConfigEntry
from .core.ledger import QUARTER, Origin
from .core.ledger_db import LedgerError
from .core.ledger_read import Column, midnight, months
from .core.plan import BatterySpec
from .core.savings import COLUMNS, Account, Billed, Record, Span, Statement
from .core.shadow import COLUMNS as SHADOW_COLUMNS, ShadowDay, shadow_day, shadowed
from .core.site import Strategy
from .core.window import window_start
from .core.without import was_controlled, with_counterfactual
from .plan_inputs import InputsOf
from .trouble import Trouble

EVERY: Final = timedelta(minutes=15)
"""Worked out at least this often: at midnight even while no meter answers."""
APART_S: Final = 60.0
"""And no more often than this, however fast a simulated site lives."""
LATE: Final = timedelta(minutes=2)
"""So long after its end a quarter that is not in the ledger counts as a gap."""
AMENDED: Final = timedelta(days=2)
"""So far back better accounts of quarters are looked for each time."""
LEARNED: Final = timedelta(days=56)
"""So much of the past a shadow day learns from."""
SHADOWS_AT_ONCE: Final = 2
MONTHS: Final = 13
"""So many are compared: this one with the same of the year before."""
_PART: Final = 4 * 96
"""So many quarters are worked out at a time."""
STORE_VERSION: Final = 1

type Shadows = dict[date, ShadowDay | None]
"""By local day; None for a day that has no shadow: control was on, or too little is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsData:
    """The accounts as published; None until they are worked out."""

    today: Statement | None = None
    month: Statement | None = None
    year: Statement | None = None
    months: Mapping[str, Statement] = field(default_factory=dict)
    """The last thirteen months that the ledger knows, the running one included, by YYYY-MM."""
    billed: Mapping[str, Billed] = field(default_factory=dict)
    """What each demand charge bills for its running period, by name."""
    shadow_day: Statement | None = None
    """The last day on which control was off, with what it would have saved."""
    shadow_month: Statement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What an account is made for, taken from the site in the event loop."""

    now: datetime
    battery: BatterySpec
    strategy: Strategy
    import_limit_w: float
    export_limit_w: float | None
    reserve_wh: float


def shadow_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where a site's shadows are kept."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry_id}.shadow")


class SavingsCoordinator(DataUpdateCoordinator[SavingsData]):
    """Keeps one site's accounts."""

    config_entry: ComputeLoadConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
        """Prepare; ``async_start`` comes when ledger and controller are there."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=f"{entry.title} savings",
            update_interval=None,
            always_update=False,
        )
        self.data = SavingsData()
        runtime = entry.runtime_data
        self._runtime = runtime
        self._tariff, self._ledger = runtime.tariff, runtime.ledger
        self._zone = runtime.tariff.calendar.zone
        self._inputs = InputsOf(entry)
        self._store = shadow_store(hass, entry.entry_id)
        self._shadows: Shadows | None = None
        self._filled_until: datetime | None = None
        self._started_s = float("-inf")
        self._busy = False
        self._trouble = Trouble(self.name)

    @callback
    def async_start(self) -> None:
        """Work the accounts out now, and after each quarter until the entry unloads."""
        entry = self.config_entry
        entry.async_on_unload(self._ledger.async_listen(self._look))
        entry.async_on_unload(
            async_track_time_interval(self.hass, self._look, EVERY, name=self.name)
        )
        self._look()

    @callback
    def _look(self, *_: object) -> None:
        """Work the accounts out in the background, unless that was just done."""
        loop_s = self.hass.loop.time()
        if not self._busy and loop_s - self._started_s >= APART_S:
            self._started_s = loop_s
            self.config_entry.async_create_background_task(
                self.hass, self._async_renew(), f"{DOMAIN} {self.name}"
            )

    async def _async_renew(self) -> None:
        with self._trouble.survived():
            await self.async_refresh()

    @override
    async def _async_update_data(self) -> SavingsData:
        """Work the accounts out. A ledger that cannot be read leaves the last ones."""
        self._busy = True
        try:
            if self._shadows is None:
                self._shadows = _shadows_of(await self._store.async_load())
            shadows, ground = dict(self._shadows), self._ground()
            data = await self.hass.async_add_executor_job(self._worked_out, ground, shadows)
            if shadows.keys() != self._shadows.keys():
                self._shadows = shadows
                await self._store.async_save(_state_of(shadows))
        except LedgerError as err:
            LOGGER.warning("%s: the ledger cannot be read now: %s", self.name, err)
            return self.data
        else:
            return data
        finally:
            self._busy = False

    def _ground(self) -> _Ground:
        controller = self._runtime.controller
        spec, _ = self._inputs.batteries()
        strategy = controller.settings.strategy
        if strategy is Strategy.OBSERVE:
            strategy = Strategy.AUTOMATIC
        # Where no tariff says what a peak costs, the user's target is what is to be kept.
        by_plan = strategy.follows_plan and bool(self._tariff.demand)
        export_kw = self.config_entry.data.get(CONF_EXPORT_LIMIT_KW)
        return _Ground(
            now=self._runtime.clock.now(),
            battery=spec,
            strategy=strategy,
            import_limit_w=controller.connection_w if by_plan else controller.target_w,
            export_limit_w=None if export_kw is None else export_kw * 1000.0,
            reserve_wh=controller.settings.reserve * spec.capacity_wh,
        )

    # -- in the executor -------------------------------------------------------------------

    def _worked_out(self, ground: _Ground, shadows: Shadows) -> SavingsData:
        """Return the accounts, and add the shadows of days that had none yet. Blocks."""
        kept = self._ledger.reader.span()
        if kept is None:
            return SavingsData()
        today = ground.now.astimezone(self._zone).date()
        first = today.replace(month=1, day=1)
        # Some charges look at the twelve months before.
        since = max(midnight(first.replace(year=first.year - 1), self._zone), kept[0])
        until = window_start(ground.now)
        if kept[1] < until:
            until = max(window_start(ground.now - LATE), kept[1])
        self._fill(since, until, ground)
        record = Record.of(self._ledger.reader.history(COLUMNS, since, until))
        account = Account(self._tariff, record, ground.battery)
        starts = (midnight(each, self._zone) for each in (today, today.replace(day=1), first))
        labels = list(months(since, until, self._zone))[-MONTHS:]
        day, month, year, *by_month = account.statements(
            [
                *((start, max(until, start)) for start in starts),
                *((begin, end) for _, begin, end in labels),
            ]
        )
        self._live_again(today, until, ground, shadows)
        shadow_last, shadow_month = self._shadow_statements(record, today, ground, shadows)
        return SavingsData(
            today=day,
            month=month,
            year=year,
            months={label: each for (label, *_), each in zip(labels, by_month, strict=True)},
            billed={each.name: each for each in account.billed(ground.now)},
            shadow_day=shadow_last,
            shadow_month=shadow_month,
        )

    def _fill(self, since: datetime, until: datetime, ground: _Ground) -> None:
        """Write into the ledger what would have been drawn without control."""
        for begin, end in self._to_fill(since, until):
            self._ledger.work_out(
                begin, end, lambda quarter: with_counterfactual(quarter, ground.export_limit_w)
            )
        self._filled_until = until

    def _to_fill(self, since: datetime, until: datetime) -> Iterator[Span]:
        """Yield what has to be looked at: the last days, and at first all that is missing.

        In parts, so that the running quarters never wait for long.
        """
        recent = max(since, (self._filled_until or until) - AMENDED)
        if self._filled_until is None:
            columns = (Column.IMPORT_W, Column.WITHOUT_IMPORT_W, Column.METERED)
            history = self._ledger.reader.history(columns, since, recent)
            known, filled, metered = (history.columns[each] for each in columns)
            missing = np.isfinite(known) & ~np.isfinite(filled) & (metered == 1.0)
            for part in np.unique(np.flatnonzero(missing) // _PART).tolist():
                begin = history.start + part * _PART * QUARTER
                yield begin, min(begin + _PART * QUARTER, recent)
        yield recent, until

    def _live_again(self, today: date, until: datetime, ground: _Ground, shadows: Shadows) -> None:
        """Add the shadows of this month's days, and of the last day of the one before."""
        for day in [each for each in shadows if each < _shadows_since(today) - timedelta(days=31)]:
            del shadows[day]
        if ground.battery.capacity_wh <= 0.0:
            return
        day, lived = _shadows_since(today), 0
        while day < today and lived < SHADOWS_AT_ONCE:
            begin, end = (midnight(each, self._zone) for each in (day, day + timedelta(days=1)))
            if day not in shadows and end <= until:
                shadows[day] = self._shadow(begin, end, ground, shadows)
                lived += shadows[day] is not None
            day += timedelta(days=1)

    def _shadow(
        self, begin: datetime, end: datetime, ground: _Ground, shadows: Shadows
    ) -> ShadowDay | None:
        rows = self._ledger.reader.quarters(begin, end)
        if any(was_controlled(q) or q.origin is Origin.IMPORTED for q in rows):
            return None
        kept = self._ledger.reader.span()
        since = begin - LEARNED if kept is None else max(begin - LEARNED, kept[0])
        return shadow_day(
            self._ledger.reader.history(SHADOW_COLUMNS, min(since, begin), end),
            begin,
            tariff=self._tariff,
            battery=ground.battery,
            strategy=ground.strategy,
            import_limit_w=ground.import_limit_w,
            export_limit_w=ground.export_limit_w,
            reserve_wh=ground.reserve_wh,
            before=[each for _, each in sorted(shadows.items()) if each is not None],
        )

    def _shadow_statements(
        self, record: Record, today: date, ground: _Ground, shadows: Shadows
    ) -> tuple[Statement | None, Statement | None]:
        """Return the account of the last shadow day, and of this month's shadows."""
        days = {day: each for day, each in shadows.items() if each is not None and day < today}
        if not days:
            return None, None
        account = Account(self._tariff, shadowed(record, days.values()), ground.battery)
        last, month = max(days), today.replace(day=1)
        spans = [(last, last + timedelta(days=1)), (month, max(today, month))]
        of_day, of_month = account.statements(
            (midnight(begin, self._zone), midnight(end, self._zone)) for begin, end in spans
        )
        return of_day, of_month if last >= month else None


def _shadows_since(today: date) -> date:
    """Return the last day of the month before: on the first, it is yesterday."""
    return today.replace(day=1) - timedelta(days=1)


def _state_of(shadows: Shadows) -> dict[str, Any]:
    return {
        "days": {
            day.isoformat(): None if each is None else each.to_state()
            for day, each in shadows.items()
        }
    }


def _shadows_of(state: dict[str, Any] | None) -> Shadows:
    """Return what was kept; what cannot be read of it is lived again."""
    days = (state or {}).get("days")
    shadows: Shadows = {}
    for name, each in (days if isinstance(days, dict) else {}).items():
        try:
            shadows[date.fromisoformat(name)] = None if each is None else ShadowDay.from_state(each)
        except KeyError, TypeError, ValueError:
            continue
    return shadows
