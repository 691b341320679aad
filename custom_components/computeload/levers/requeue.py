"""Requeue: jobs that run, and may be, are put back into the queue. The last resort."""

import math
from typing import Final, override

from ..core.levers import lose_least
from .base import Save, Tool, View
from .data import Deed
from .hands import Hands

SETTLE_S: Final = 180.0
"""So long after jobs were put back the draw may not show it yet."""


class Requeue(Tool):
    """Puts running jobs back; they begin anew when there is power."""

    def __init__(self, hands: Hands, save: Save) -> None:
        """Start with nothing put back."""
        super().__init__(hands, save)
        self._done_s = -math.inf

    @override
    async def look(self, view: View) -> None:
        """Put back as many jobs as are needed, those that lose least."""
        now_s = self.hands.now_s
        if not view.asked or now_s - self._done_s < SETTLE_S:
            return
        needed_w = math.inf if view.demanded else view.missing_w
        running = [(j, self.hands.power_w(j)) for j in view.state.running if self.hands.may(j)]
        queue = self.hands.cluster.queue
        done = [
            (job, power_w)
            for job, power_w in lose_least(running, needed_w, now_s)
            if await self.hands.async_ask(self.mode, queue.requeue(job.id))
        ]
        if done:
            self._done_s = now_s
            jobs = tuple(job.id for job, _ in done)
            self.hands.note(Deed.REQUEUED, self.mode, jobs, sum(power_w for _, power_w in done))
