"""The ledger inside Home Assistant: samples and observations in, finished quarters to disk.

Thin: the accounts are ``core.ledger_book``'s, the file is ``core.ledger_keeper``'s and is
only ever touched in the executor, by one task at a time.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import CONF_CURRENCY, CONF_ROLE, DOMAIN, LOGGER, ROLE_GRID
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator
from .core.ledger import EXPORT, IMPORT, Channel, Quarter, Role
from .core.ledger_book import Book, Observation
from .core.ledger_csv import write_csv
from .core.ledger_csv_in import read_csv
from .core.ledger_keeper import LedgerKeeper
from .core.ledger_past import Interval, Survey, hourly_intervals, quarters_of
from .core.ledger_read import LedgerReader
from .core.model import AssetKind, Clock, Quantity, Reading

LOOK_S: Final = 5.0
"""How often it is looked whether a quarter is over, and what the controller does."""

type Observe = Callable[[], Observation]
type QuarterListener = Callable[[Sequence[Quarter]], None]


def ledger_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return where a site's ledger is: part of every backup of the configuration."""
    return Path(hass.config.path(DOMAIN, f"{entry_id}.db"))


class LedgerStore:
    """One site's ledger."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ComputeLoadConfigEntry,
        clock: Clock,
        *,
        plausible_w: float,
        observe: Observe,
    ) -> None:
        """Prepare. ``observe`` says what holds now beside the flows; it must not wait."""
        self._hass = hass
        self._entry = entry
        self._clock = clock
        self._observe = observe
        self._plausible_w = plausible_w
        self._book = Book(plausible_w=plausible_w)
        self._keeper = LedgerKeeper(
            ledger_path(hass, entry.entry_id), dt_util.get_default_time_zone()
        )
        self._writing = asyncio.Lock()
        self._stop_looking: CALLBACK_TYPE | None = None
        self._listeners: list[QuarterListener] = []

    @property
    def reader(self) -> LedgerReader:
        """Return what answers questions; ask it in the executor."""
        return self._keeper.reader

    async def async_load(self) -> None:
        """Open the file and take up the open quarter; whatever is wrong with it is reported."""
        now = self._clock.now()
        state = await self._hass.async_add_executor_job(self._keeper.open, now)
        if state is not None:
            self._book.restore(state)
        self._report()

    @callback
    def async_listen(self, listener: QuarterListener) -> CALLBACK_TYPE:
        """Call ``listener`` with finished quarters, once they are on disk or waiting for it."""
        self._listeners.append(listener)

        @callback
        def unsubscribe() -> None:
            self._listeners.remove(listener)

        return unsubscribe

    @callback
    def async_start(self, devices: Mapping[str, DeviceCoordinator]) -> None:
        """Listen to the site's devices from now on, until the entry unloads."""
        channels: set[Channel] = set()
        for device in devices.values():
            metered = dict(_channels(device))
            channels |= metered.keys()
            listener = self._listener(metered)
            self._entry.async_on_unload(device.async_listen_for_samples(listener))
        self._book.keep_only(channels)
        self._stop_looking = async_track_time_interval(
            self._hass, self._async_look, timedelta(seconds=LOOK_S), name=f"{DOMAIN} ledger"
        )
        self._entry.async_on_unload(
            self._hass.async_add_shutdown_job(HassJob(self.async_stop, f"{DOMAIN} ledger"))
        )

    async def async_stop(self) -> None:
        """Write what is finished and the state of the open quarter, then close the file.

        Harmless when it is stopped already.
        """
        if self._stop_looking is None:
            return
        self._stop_looking()
        self._stop_looking = None
        await self._async_write()
        await self._hass.async_add_executor_job(self._keeper.close)

    def work_out(
        self, since: datetime, until: datetime, worked_out: Callable[[Quarter], Quarter]
    ) -> int:
        """Put what follows from rows themselves into them; blocks. Raises LedgerError."""
        return self._keeper.work_out(since, until, worked_out)

    async def async_export(self, file: Path, since: datetime, until: datetime) -> int:
        """Write the quarters of a span as CSV; return how many. Raises LedgerError, OSError."""
        return await self._hass.async_add_executor_job(self._export, file, since, until)

    async def async_import_csv(self, file: Path) -> tuple[int, Survey]:
        """Take a past from a CSV file; return how many quarters are new, and what it holds.

        Nothing is taken from a file that is not sound to its end. Raises PastError,
        LedgerError or OSError.
        """
        return await self._hass.async_add_executor_job(self._import_csv, file)

    async def async_is_empty(self) -> bool:
        """Tell whether no quarter was ever written. Raises LedgerError."""
        return await self._hass.async_add_executor_job(self.reader.span) is None

    async def async_import_quarters(self, quarters: Callable[[], Iterable[Quarter]]) -> int:
        """Take a past as quarters, which are made in the executor; return how many are new.

        Raises LedgerError.
        """

        def bring_in() -> int:
            return self._keeper.bring_in(quarters(), self._clock.now())

        return await self._hass.async_add_executor_job(bring_in)

    async def async_import_hours(
        self,
        hours: Mapping[Channel, Sequence[tuple[datetime, float]]],
        prices: Sequence[tuple[datetime, float]] = (),
    ) -> tuple[int, Survey]:
        """Take a past from hourly energies and prices (see ``ledger_past``); return the same.

        Raises LedgerError.
        """
        intervals = hourly_intervals(hours, prices, plausible_w=self._plausible_w)
        return await self._hass.async_add_executor_job(self._bring_in, intervals)

    def _export(self, file: Path, since: datetime, until: datetime) -> int:
        # A file that is there stands until the new one is whole.
        part = file.with_name(f"{file.name}.part")
        try:
            with part.open("w", encoding="utf-8", newline="") as out:
                rows = write_csv(
                    self.reader.quarters(since, until),
                    out,
                    currency=self._entry.data[CONF_CURRENCY],
                    branches=self._names(self.reader.branches()),
                )
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return rows

    def _names(self, branches: Iterable[str]) -> dict[str, str]:
        """Return a name of its own for every branch, by asset id."""
        titles = {s.subentry_id: s.title for s in self._entry.subentries.values()}
        names: dict[str, str] = {}
        for asset_id in branches:
            title = titles.get(asset_id, asset_id)
            names[asset_id] = f"{title} {asset_id}" if title in names.values() else title
        return names

    def _import_csv(self, file: Path) -> tuple[int, Survey]:
        # A ledger that was begun anew has none of the branches yet that the site has.
        branches = dict.fromkeys([*self.reader.branches(), *self._entry.subentries])
        read = partial(read_csv, plausible_w=self._plausible_w, branches=self._names(branches))
        with file.open(encoding="utf-8", newline="") as lines:
            for _ in read(lines):
                pass
            lines.seek(0)
            return self._bring_in(read(lines))

    def _bring_in(self, intervals: Iterable[Interval]) -> tuple[int, Survey]:
        survey = Survey()
        new = self._keeper.bring_in(survey.of(quarters_of(intervals)), self._clock.now())
        return new, survey

    def _listener(
        self, metered: Mapping[Channel, tuple[float, Quantity]]
    ) -> Callable[[Reading | None], None]:
        @callback
        def take(reading: Reading | None) -> None:
            at, monotonic_s = self._clock.now(), self._clock.monotonic_s()
            if reading is not None:
                at, monotonic_s = reading.at, reading.monotonic_s
            for channel, (sign, counter) in metered.items():
                power_w = reading.number(Quantity.POWER_W) if reading is not None else None
                counter_wh = reading.number(counter) if reading is not None else None
                self._book.sample(
                    channel,
                    at,
                    monotonic_s,
                    None if power_w is None else sign * power_w,
                    counter_wh,
                )

        return take

    async def _async_look(self, _: datetime) -> None:
        now, monotonic_s = self._clock.now(), self._clock.monotonic_s()
        self._book.observe(now, monotonic_s, self._observe())
        if self._book.has_finished(now) or self._keeper.waiting:
            await self._async_write()

    async def _async_write(self) -> None:
        async with self._writing:
            now = self._clock.now()
            finished = self._book.finished(now)
            state = self._book.to_state()
            await self._hass.async_add_executor_job(self._keeper.keep, finished, state, now)
        self._report()
        if finished:
            for listener in tuple(self._listeners):
                listener(finished)

    @callback
    def _report(self) -> None:
        """Tell the user about trouble with the file, and take it back once it is over."""
        keeper, issue_id = self._keeper, f"ledger_{self._entry.entry_id}"
        if (notice := keeper.notice) is not None:
            keeper.notice = None
            LOGGER.warning("%s: %s", self._entry.title, notice)
        if keeper.problem is None:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="ledger_not_written",
            translation_placeholders={
                "site": self._entry.title,
                "problem": keeper.problem,
                "waiting": str(keeper.waiting),
            },
        )


def _channels(device: DeviceCoordinator) -> Iterator[tuple[Channel, tuple[float, Quantity]]]:
    """Yield the flows that a device meters: the sign of its power in each, and the counter."""
    drawn, given = Quantity.ENERGY_IMPORT_WH, Quantity.ENERGY_EXPORT_WH
    match device.kind:
        case AssetKind.METER if device.subentry.data.get(CONF_ROLE) == ROLE_GRID:
            yield IMPORT, (1.0, drawn)
            yield EXPORT, (-1.0, given)
        case AssetKind.METER | AssetKind.LOAD:
            yield Channel(Role.BRANCH, device.asset_id), (1.0, drawn)
        case AssetKind.PV:
            yield Channel(Role.PV, device.asset_id), (1.0, given)
        case AssetKind.BATTERY:
            yield Channel(Role.BATTERY_IN, device.asset_id), (-1.0, drawn)
            yield Channel(Role.BATTERY_OUT, device.asset_id), (1.0, given)
