"""What levers share: asking the scheduler, in earnest or not, and telling of what was done."""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers import issue_registry as ir

from ..cluster import ClusterCoordinator
from ..const import CONF_ACCOUNTS, CONF_PARTITIONS, DOMAIN, LOGGER
from ..core.levers import Consent
from ..core.queue import Job
from ..core.queue_jobs import view_of
from ..drivers.base import DeviceError
from ..trouble import Trouble
from .data import PEAK, Act, Deed

ACTS_KEPT: Final = 100

type Listener = Callable[[Act], None]


class Hands:
    """Asks one cluster's scheduler, and tells of what was done."""

    def __init__(self, cluster: ClusterCoordinator) -> None:
        """Start with nothing done."""
        self.cluster = cluster
        self.acts: deque[Act] = deque(maxlen=ACTS_KEPT)
        self.why = PEAK
        self._clock = cluster.config_entry.runtime_data.clock
        self._listeners: list[Listener] = []
        self._trouble = Trouble(cluster.name)

    @property
    def now_s(self) -> float:
        """Return the time (Unix s)."""
        return self._clock.now().timestamp()

    @callback
    def async_listen(self, listener: Listener) -> CALLBACK_TYPE:
        """Tell of everything that is done, or would be."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def may(self, job: Job) -> bool:
        """Return whether the user lets this job be put off or put back."""
        accounts = self.cluster.subentry.data.get(CONF_ACCOUNTS)
        return self.may_in(job.partition) and (not accounts or job.account in accounts)

    def may_in(self, partition: str) -> bool:
        """Return whether the user lets jobs of this partition be touched."""
        partitions = self.cluster.subentry.data.get(CONF_PARTITIONS)
        return partitions is None or partition in partitions

    def power_w(self, job: Job) -> float:
        """Return what one task of a job draws, as far as its like is known."""
        view = view_of(job)
        return self.cluster.memory.classes.estimate(view).node_w * view.nodes

    async def async_ask(self, mode: Consent, request: Coroutine[Any, Any, None]) -> bool:
        """Send a request, unless this is a dry run; return whether it counts as done."""
        if mode is not Consent.ON:
            request.close()
            return True
        try:
            await request
        except DeviceError as err:
            LOGGER.debug("%s: %s", self.cluster.name, err)
            self._report(err)
            return False
        self._report(None)
        return True

    def note(
        self, deed: Deed, mode: Consent, what: tuple[str, ...] = (), power_w: float | None = None
    ) -> None:
        """Say what was done, or would have been."""
        dry_run = mode is not Consent.ON
        at = self._clock.now()
        act = Act(at=at, deed=deed, what=what, power_w=power_w, why=self.why, dry_run=dry_run)
        self.acts.append(act)
        LOGGER.info("%s: %s%s %s", self.cluster.name, deed, " (dry run)" * dry_run, ", ".join(what))
        for listener in tuple(self._listeners):
            with self._trouble.survived():
                listener(act)

    def _report(self, err: DeviceError | None) -> None:
        """Tell the user that the scheduler refuses, and take it back once it does not."""
        hass, issue_id = self.cluster.hass, f"lever_refused_{self.cluster.asset_id}"
        if err is None:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="lever_refused",
            translation_placeholders={"cluster": self.cluster.name, "error": str(err)},
        )
