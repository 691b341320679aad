"""Hold: jobs that wait are told not to start before their deadlines, or to go ahead."""

from datetime import UTC, datetime
import math
from typing import Any, override

from ..core.deferral import Waiting
from ..core.holds import Begin, Holds
from ..core.levers import Consent
from ..core.queue import QueueState
from ..core.queue_jobs import BLOCKED, jobs_now
from .base import Save, Tool, View
from .data import Deed
from .hands import Hands


class Hold(Tool):
    """Puts jobs off."""

    def __init__(self, hands: Hands, save: Save) -> None:
        """Start with nothing kept back."""
        super().__init__(hands, save)
        self.holds = Holds()
        self._owed: list[Begin] = []
        """What is still to be given back: the scheduler did not answer."""
        self._demanded = False

    @property
    def kept(self) -> dict[str, float]:
        """Return what the jobs would draw that are really kept back, W by job."""
        held = self.holds.memory.held if self.earnest else {}
        return {job_id: each.power_w for job_id, each in held.items()}

    @override
    async def look(self, view: View) -> None:
        """Keep back what there is no room for, and let go what there is room for."""
        if self._demanded and not view.demanded:
            # What was for the sake of something else is no delay for the sake of a peak.
            self.holds.begin_anew(self.hands.now_s)
        self._demanded = view.demanded
        room_w = -math.inf if view.demanded else view.room_w
        if room_w is None:
            return
        begins = self.holds.look(
            self._waiting(view.state),
            {
                job.id: job.eligible_at.timestamp() if job.eligible_at and self.earnest else None
                for job in view.state.pending
            },
            room_w=room_w,
            now_s=self.hands.now_s,
            longest_s=view.longest_s,
        )
        await self._tell(begins, self.mode)

    @override
    async def give_back(self) -> None:
        """Let all jobs go, one after the other."""
        await self.let_go()
        self.holds = Holds()

    @override
    async def let_go(self) -> None:
        """Let all jobs go; should they be looked at again, their first deadlines stand."""
        if self.earnest:
            begins = self.holds.give_back(self.hands.now_s)
            self._owed = await self._tell(begins, Consent.ON)

    @override
    async def settle(self) -> None:
        """Try again to let go what could not be."""
        if self._owed:
            self._owed = await self._tell(self._owed, Consent.ON)

    @override
    def to_state(self) -> dict[str, Any]:
        """Return which jobs are kept back."""
        return (self.holds if self.earnest else Holds()).to_state()

    @override
    def restore(self, state: Any) -> None:
        """Take up what was kept back."""
        self.holds = Holds.from_state(state)

    def _waiting(self, state: QueueState) -> list[Waiting]:
        """Return the jobs that may be put off, with what they would draw."""
        free = jobs_now(state).free_nodes
        waiting = []
        for job in state.pending:
            if job.held or job.reason in BLOCKED or not self.hands.may(job):
                continue
            at_once = min(job.tasks, job.tasks_at_once or job.tasks)
            fit = max(free.get(job.partition, 1) // max(job.nodes, 1), 1)
            ours = job.id in self.holds.told
            waiting.append(
                Waiting(
                    job_id=job.id,
                    power_w=self.hands.power_w(job) * min(at_once, fit),
                    starts_s=job.starts_at.timestamp() if job.starts_at and not ours else None,
                )
            )
        return waiting

    async def _tell(self, begins: list[Begin], mode: Consent) -> list[Begin]:
        """Tell the scheduler, and return what it did not take.

        What keeps a job back is on disk before.
        """
        now_s, failed = self.hands.now_s, []
        kept = [begin for begin in begins if begin.kept]
        for begin in kept:
            self.holds.sent(begin, now_s)
        if kept and mode is Consent.ON:
            await self._save()
        done: dict[Deed, list[Begin]] = {Deed.PUT_OFF: [], Deed.LET_GO: []}
        for begin in begins:
            until = datetime.fromtimestamp(begin.not_before_s, tz=UTC)
            request = self.hands.cluster.queue.defer(begin.job_id, until)
            if await self.hands.async_ask(mode, request):
                done[Deed.PUT_OFF if begin.kept else Deed.LET_GO].append(begin)
                self.holds.sent(begin, now_s)
            else:
                failed.append(begin)
                if begin.kept:
                    self.holds.told.pop(begin.job_id, None)
        for deed, some in done.items():
            if some:
                jobs = tuple(begin.job_id for begin in some)
                self.hands.note(deed, mode, jobs, sum(begin.power_w for begin in some))
        if begins and mode is Consent.ON:
            await self._save()
        return failed
