"""Drain: nodes that are free take no further jobs."""

import math
from typing import Any, Final, override

from ..core.levers import Consent, free_nodes
from ..core.queue_jobs import DOWN
from .base import Save, Tool, View
from .data import Deed
from .hands import Hands

REASON: Final = "computeload: no power to spare"
AT_ONCE: Final = 0.25
"""This share of the nodes takes jobs again at a time."""


class Drain(Tool):
    """Takes free nodes out of service."""

    def __init__(self, hands: Hands, save: Save) -> None:
        """Start with all nodes in service."""
        super().__init__(hands, save)
        self.drained: set[str] = set()
        self._owed: set[str] = set()

    @override
    async def look(self, view: View) -> None:
        """Drain what is free while there is no power; give some back while there is."""
        if not view.asked:
            await self._resume(math.ceil(AT_ONCE * len(self.drained)))
            return
        if self.earnest:
            # A node that takes jobs again was given back by somebody else.
            down = {node.name for node in view.state.nodes if not node.states.isdisjoint(DOWN)}
            self.drained &= down
        served = {
            host
            for partition in view.state.partitions
            if self.hands.may_in(partition.name)
            for host in partition.hosts
        }
        nodes = [
            node for node in free_nodes(view.state) if node in served and node not in self.drained
        ]
        if not nodes:
            return
        self.drained.update(nodes)
        if self.earnest:
            await self._save()
        queue = self.hands.cluster.queue
        done = [n for n in nodes if await self.hands.async_ask(self.mode, queue.drain(n, REASON))]
        self.drained.difference_update(set(nodes) - set(done))
        if done:
            self.hands.note(Deed.DRAINED, self.mode, tuple(done))

    @override
    async def give_back(self) -> None:
        """Let all nodes take jobs again."""
        await self._resume(len(self.drained))
        self._owed, self.drained = self.drained if self.earnest else set(), set()

    @override
    async def settle(self) -> None:
        """Try again what was refused."""
        queue = self.hands.cluster.queue
        for node in tuple(self._owed):
            if await self.hands.async_ask(Consent.ON, queue.resume(node)):
                self._owed.discard(node)

    @override
    def to_state(self) -> list[str]:
        """Return the nodes that take no jobs because of us."""
        return sorted(self._owed | (self.drained if self.earnest else set()))

    @override
    def restore(self, state: Any) -> None:
        """Take up the nodes."""
        self.drained = set(map(str, state))

    async def _resume(self, most: int) -> None:
        """Let some of the nodes take jobs again."""
        queue = self.hands.cluster.queue
        some = sorted(self.drained)[:most]
        done = [n for n in some if await self.hands.async_ask(self.mode, queue.resume(n))]
        self.drained.difference_update(done)
        if done:
            if self.earnest:
                await self._save()
            self.hands.note(Deed.RESUMED, self.mode, tuple(done))
