"""Keeping the ledger through trouble: what cannot be written now is written later.

A full disk, a file that another program holds, a file that breaks: none of them may
cost a quarter or stop the site. Rows wait in memory, bounded, until the file takes them.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from itertools import batched
from pathlib import Path
from threading import Lock
from typing import Any, Final

from .ledger import Quarter
from .ledger_db import DamagedLedgerError, LedgerError, LedgerFile
from .ledger_prune import KEPT_QUARTERS, prune
from .ledger_read import LedgerReader

WAITING_MOST: Final = 4 * 7 * 96
"""Four weeks of quarters wait in memory (some 3 MB); from then on the oldest are lost."""
PRUNE_EVERY: Final = 96
"""So many new quarters, and it is looked whether there are too many."""
PART: Final = 2_000
"""So many quarters of a past are written in one go."""


class LedgerKeeper:
    """The ledger as the rest of the site sees it. Blocks; safe to call from any thread."""

    def __init__(self, path: Path, zone: tzinfo, *, kept: int = KEPT_QUARTERS) -> None:
        """Prepare; nothing is touched before ``open``. ``zone`` is the site's calendar.

        Beyond ``kept`` quarters the oldest months are summed up by day.
        """
        self.reader = LedgerReader(path)
        self._file = LedgerFile(path)
        self._zone = zone
        self._kept = kept
        self._since_pruned = PRUNE_EVERY
        self._opened = False
        self._lock = Lock()
        self._waiting: deque[Quarter] = deque(maxlen=WAITING_MOST)
        self._state: object = None
        self.problem: str | None = None
        """Why quarters wait in memory, for people; None while all is written."""
        self.notice: str | None = None
        """What happened to the file, for people: it was set aside, a new one was begun."""
        self.lost = 0
        """How many quarters had to be given up because the trouble went on for too long."""

    @property
    def waiting(self) -> int:
        """Return how many quarters wait in memory."""
        return len(self._waiting)

    def open(self, now: datetime) -> Any:
        """Open the file, and return the state of the open quarter (None: there is none).

        Never raises: where there can be no file now, ``problem`` says so, and the next
        write tries again.
        """
        with self._lock:
            try:
                self._ready(now)
                return self._file.state()
            except LedgerError as err:
                self.problem = str(err)
                return None

    def keep(self, quarters: Iterable[Quarter], state: object, now: datetime) -> bool:
        """Take quarters and the state of the open one; True once all is on disk."""
        with self._lock:
            for quarter in quarters:
                self.lost += len(self._waiting) == WAITING_MOST
                self._waiting.append(quarter)
            self._state = state
            try:
                self._write(now)
            except LedgerError as err:
                self.problem = str(err)
                return False
            self.problem = None
            return True

    def bring_in(self, quarters: Iterable[Quarter], now: datetime) -> int:
        """Add a past that was metered elsewhere; return how many quarters are new or better.

        Raises LedgerError; what was added until then stays, and the rest can be brought
        in again.
        """
        added = 0
        for part in batched(quarters, PART, strict=False):
            # In parts, so that the running quarters never wait for long.
            with self._lock:
                self._ready(now)
                added += self._file.append(part)
        return added

    def amend(self, quarters: Iterable[Quarter], now: datetime) -> int:
        """Put what was worked out later into rows (see ``LedgerFile.amend``)."""
        with self._lock:
            self._ready(now)
            return self._file.amend(quarters)

    def work_out(
        self, since: datetime, until: datetime, worked_out: Callable[[Quarter], Quarter]
    ) -> int:
        """Put what follows from rows themselves into the rows of a span.

        Nothing else is written between reading and writing, so no better account of a
        quarter is lost. Returns how many rows changed. Raises LedgerError, also for a
        ledger that is closed: it is not opened for this.
        """
        with self._lock:
            if not self._opened:
                raise LedgerError(f"The ledger {self.reader.path.name} is not open")
            return self._file.amend([worked_out(q) for q in self.reader.quarters(since, until)])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()
            self._opened = False

    def _write(self, now: datetime) -> None:
        self._ready(now)
        try:
            self._file.append(self._waiting, self._state)
        except DamagedLedgerError:
            # It broke while it was in use: set it aside, and go on in a new one.
            self._opened = False
            self._ready(now)
            self._file.append(self._waiting, self._state)
        self._since_pruned += len(self._waiting)
        self._waiting.clear()
        if self._since_pruned >= PRUNE_EVERY:
            prune(self._file, self._zone, self._kept)
            self._since_pruned = 0

    def _ready(self, now: datetime) -> None:
        if not self._opened:
            self.notice = self._file.open(now) or self.notice
            self._opened = True
