"""The levers of compute: looked at with every answer of the scheduler, moved by consent.

No policy lives here: ``core.deferral``, ``core.holds`` and ``core.levers`` say what to do. Each
lever has its module. What is done is on disk before it is done, so that a start after a crash
finds it and gives it back.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.storage import Store

from ..cluster import OUTDATED, ClusterCoordinator
from ..const import DOMAIN, LOGGER
from ..core.deferral import give_w
from ..core.levers import Consent, Lever, Pressure, press, up_to, worst_of
from ..core.model import Quantity
from ..core.numbers import known
from ..core.queue import QueueState
from ..trouble import Trouble
from .base import Tool, View
from .cap import Cap
from .data import PEAK, LeverSettings
from .drain import Drain
from .hands import Hands
from .hold import Hold
from .requeue import Requeue

STORE_VERSION: Final = 1
STOP_S: Final = 10.0
"""Giving back must not keep Home Assistant from stopping."""
DEMANDED_S: Final = 24.0 * 3600.0
"""For so long a job may be put off where somebody asks for more than keeping a peak."""


def lever_store(hass: HomeAssistant, subentry_id: str) -> Store[dict[str, Any]]:
    """Return where it is kept what a cluster's levers may do, and what they have done."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{subentry_id}.levers")


class SiteLevers:
    """All levers of a site, for whoever needs less power."""

    def __init__(self, clusters: Iterable[ClusterCoordinator] = ()) -> None:
        """Belong to the site's clusters."""
        self.of = {cluster.asset_id: ClusterLevers(cluster) for cluster in clusters}
        """By the cluster's subentry id."""

    async def async_start(self) -> None:
        """Take up what an earlier run has done, and look from now on."""
        for each in self.of.values():
            await each.async_start()

    async def async_demand(self, claimant: str, worst: Lever | None) -> None:
        """Move all levers up to one, as far as the user has consented; None: no longer.

        ``claimant`` says why, in one word; it stands in the events.
        """
        await asyncio.gather(*(each.async_demand(claimant, worst) for each in self.of.values()))

    async def async_stop(self) -> None:
        """Give everything back."""
        await asyncio.gather(*(each.async_stop() for each in self.of.values()))


class ClusterLevers:
    """The levers of one cluster."""

    def __init__(self, cluster: ClusterCoordinator) -> None:
        """Prepare; ``async_start`` comes next."""
        self.cluster = cluster
        self.settings = LeverSettings()
        self.hands = Hands(cluster)
        self.hold = Hold(self.hands, self._async_save)
        self.cap = Cap(self.hands, self._async_save)
        self.tools: dict[Lever, Tool] = {
            Lever.HOLD: self.hold,
            Lever.CAP: self.cap,
            Lever.DRAIN: Drain(self.hands, self._async_save),
            Lever.REQUEUE: Requeue(self.hands, self._async_save),
        }
        self._runtime = cluster.config_entry.runtime_data
        self._store = lever_store(cluster.hass, cluster.asset_id)
        self._pressure = Pressure()
        self._demands: dict[str, Lever] = {}
        self._turn = asyncio.Lock()
        self._stopping = False
        self._trouble = Trouble(cluster.name)

    @property
    def allowed_w(self) -> float | None:
        """Return what compute may draw now; None: as much as it likes."""
        cut = self.cap.budget if self.cap.earnest else None
        limits = (self.settings.budget_w, cut.power_w if cut is not None else None)
        return min((each for each in limits if each is not None), default=None)

    def mode(self, lever: Lever) -> Consent:
        """Return what a lever may do now: while control is off, nothing in earnest."""
        consent = self.settings.consent[lever]
        if lever is not Lever.CAP and lever not in self.cluster.queue.abilities:
            return Consent.OFF
        if consent is Consent.ON and not self._runtime.controller.active:
            return Consent.DRY_RUN
        return consent

    async def async_change(self, settings: LeverSettings) -> None:
        """Put other settings into force, and give back what they no longer cover."""
        self.settings = settings
        await self._async_save()
        await self.async_look()
        self.cluster.async_update_listeners()

    async def async_demand(self, claimant: str, worst: Lever | None) -> None:
        """Move the levers up to one for somebody; None: no longer."""
        if worst is not None:
            self._demands[claimant] = worst
        elif self._demands.pop(claimant, None) is None:
            return
        self.hands.why = next(iter(self._demands), PEAK)
        await self.async_look()

    async def async_start(self) -> None:
        """Take up what an earlier run has done, and look with every answer of the scheduler."""
        await self._async_load()
        entry = self.cluster.config_entry
        entry.async_on_unload(self.cluster.async_add_listener(self._look_soon))
        stop = HassJob(self.async_stop, "computeload levers")
        entry.async_on_unload(self.cluster.hass.async_add_shutdown_job(stop))
        self._look_soon()

    async def async_stop(self) -> None:
        """Give everything back, within a time."""
        self._stopping = True
        try:
            async with asyncio.timeout(STOP_S), self._turn:
                for tool in self.tools.values():
                    await tool.let_go()
        except TimeoutError:
            LOGGER.warning(
                "%s: did not answer when its jobs were to be let go; they start by themselves"
                " when the time is up for which they were put off",
                self.cluster.name,
            )
        await self._async_save()

    @callback
    def _look_soon(self) -> None:
        if not self._turn.locked() and not self._stopping:
            self.cluster.config_entry.async_create_background_task(
                self.cluster.hass, self.async_look(), f"{DOMAIN} levers {self.cluster.name}"
            )

    async def async_look(self) -> None:
        """Look once what is to be done, and do it as far as it may be done."""
        async with self._turn:
            state, age_s = self.cluster.memory.state, self.cluster.age_s()
            if state is None or age_s is None or age_s > OUTDATED.total_seconds():
                # Nothing can be told; what was put off starts by itself when its time is up.
                return
            if not self._stopping:
                with self._trouble.survived():
                    await self._async_look(state)

    async def _async_look(self, state: QueueState) -> None:
        decision = self._runtime.controller.decision
        missing_w = decision.shortfall_w if decision is not None else 0.0
        headroom_w = decision.headroom_w if decision is not None else None
        self._pressure = press(missing_w, self.hands.now_s, self._pressure)
        demanded = up_to(worst_of(self._demands.values()))
        asked = up_to(self._pressure.worst) | demanded
        for lever, tool in self.tools.items():
            if (mode := self.mode(lever)) is not tool.mode:
                await tool.give_back()
                tool.mode = mode
                await self._async_save()
            await tool.settle()
            if mode is Consent.OFF:
                continue
            longest_s = DEMANDED_S if lever in demanded else self.settings.longest_s
            await tool.look(
                View(
                    state=state,
                    room_w=self._room_w(),
                    missing_w=missing_w,
                    headroom_w=headroom_w if known(headroom_w) else 0.0,
                    compute_w=self._compute_w(),
                    longest_s=longest_s,
                    asked=lever in asked,
                    demanded=lever in demanded,
                )
            )

    def _room_w(self) -> float | None:
        """Return what could be drawn on top for hours; None while the draw is not known."""
        controller = self._runtime.controller
        site = controller.data
        if site.load_power_w is None:
            return None
        net_w = site.load_power_w - (site.pv_power_w or 0.0)
        given_w = give_w(controller.batteries(), controller.reserve)
        target_w = site.target_w if known(site.target_w) else controller.target_w
        room_w = target_w + given_w - net_w
        if self.settings.budget_w is not None:
            room_w = min(room_w, self.settings.budget_w - (self._compute_w() or 0.0))
        return room_w

    def _compute_w(self) -> float | None:
        """Return what the cluster's branches draw together; None while one is not known."""
        devices = self._runtime.devices
        feeding = [devices.get(branch.asset_id) for branch in self.cluster.memory.branches]
        powers = [
            each.latest.number(Quantity.POWER_W) if each is not None and each.latest else None
            for each in feeding
        ]
        known_w = [power_w for power_w in powers if power_w is not None]
        return sum(known_w) if powers and len(known_w) == len(powers) else None

    async def _async_load(self) -> None:
        stored = await self._store.async_load()
        if stored is None:
            return
        try:
            self.settings = LeverSettings.from_state(stored["settings"])
            for lever, tool in self.tools.items():
                tool.restore(stored["done"][lever])
                # Only what was done in earnest is stored.
                tool.mode = Consent.ON
        except KeyError, TypeError, ValueError:
            LOGGER.warning("%s: what was stored could not be read", self.cluster.name)

    async def _async_save(self) -> None:
        await self._store.async_save(
            {
                "settings": self.settings.to_state(),
                "done": {lever: tool.to_state() for lever, tool in self.tools.items()},
            }
        )
