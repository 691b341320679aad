"""Devices: one poll loop each, at the device's own cadence.

The control loop wants every sample at once, entities want news now and then. So a
device's loop runs by itself: it hands each reading to whoever listens for samples, and
publishes to the entities at most every few seconds. It goes on when no entity listens,
keeps its cadence when the device is slow, and a dead device costs nobody else anything.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .const import CONF_ACCEPT_STUCK, CONF_CHANNELS, CONF_SUBENTRY, DOMAIN, LOGGER, PUBLISH_S
from .core.model import AssetKind, Clock, Identity, Reading
from .drivers.base import AuthError, Device, DeviceError, Scope
from .drivers.profile import Library
from .trouble import Trouble

if TYPE_CHECKING:
    from .cluster import ClusterCoordinator
    from .controller import Controller
    from .core.tariff import Tariff
    from .drivers.redfish import RedfishClient
    from .ledger_store import LedgerStore
    from .levers import SiteLevers
    from .outage import OutageCoordinator
    from .planning import PlanningCoordinator
    from .proof import SiteProof
    from .proof_trial import BatteryTrials
    from .savings import SavingsCoordinator
    from .signals.site import SiteSignals
    from .simulator.server import SimulatedSite

type ComputeLoadConfigEntry = ConfigEntry[SiteRuntime]

MISSED_POLLS = 3
"""A device that failed this often in a row is shown as unavailable; one blip is not."""
LEAST_FULL_S = 5.0
"""How often at most the slow registers are read beside the fast ones."""
REFUSED_S = 3600.0
"""Wrong credentials are tried no more often than this: many servers lock an account."""
BACKOFF_S = 30.0
"""A dead device is asked no more often than this, so that it does not block a shared link."""


@dataclass(kw_only=True, slots=True)
class LinkQuality:
    """How well a device answers."""

    polls: int = 0
    failures: int = 0
    in_a_row: int = 0
    latency_s: float | None = None
    """Running mean of the time that a poll takes."""
    last_error: str | None = None

    @property
    def answered(self) -> float | None:
        """Return the share of polls that were answered, 0..1."""
        return None if self.polls == 0 else 1.0 - self.failures / self.polls

    def success(self, took_s: float) -> None:
        """Count an answer."""
        self.polls += 1
        self.in_a_row = 0
        self.last_error = None
        old = took_s if self.latency_s is None else self.latency_s
        self.latency_s = old + 0.05 * (took_s - old)

    def failure(self, error: Exception) -> None:
        """Count a missing answer."""
        self.polls += 1
        self.failures += 1
        self.in_a_row += 1
        self.last_error = str(error)


type SampleListener = Callable[[Reading | None], None]


class DeviceCoordinator(DataUpdateCoordinator[Reading]):
    """Polls one device and publishes what it says."""

    config_entry: ComputeLoadConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ComputeLoadConfigEntry,
        subentry: ConfigSubentry,
        *,
        device: Device,
        clock: Clock,
        poll_s: float,
    ) -> None:
        """Prepare; nothing is read before ``async_start``."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            # The title stands in for host and serial number, which logs must not carry.
            name=subentry.title,
            update_interval=None,
            always_update=False,
        )
        self.subentry = subentry
        self.device = device
        self.datasheet = device.datasheet
        self.clock = clock
        self.poll_s = poll_s
        self.identity: Identity | None = None
        self.link = LinkQuality()
        self.latest: Reading | None = None
        """The newest reading, published or not."""
        self._trouble = Trouble(self.name)
        self._listeners_for_samples: list[SampleListener] = []
        self._published_s = float("-inf")
        self._full_s = float("-inf")
        self._news = asyncio.Event()
        self._locked_out = False

    @property
    def kind(self) -> AssetKind:
        """Return what this device is to the site."""
        return AssetKind(self.subentry.subentry_type)

    @property
    def controllable(self) -> bool:
        """Return whether this device may be commanded, by its contract and by its user."""
        contract = self.device.contract
        if contract is None:
            return False
        return not contract.needs_consent or bool(self.subentry.data.get(CONF_ACCEPT_STUCK))

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Return what the user calls the branches of a multi-channel device, in its order."""
        names = self.subentry.data.get(CONF_CHANNELS)
        return tuple(names or (f"#{n + 1}" for n in range(self.datasheet.channel_count)))

    @property
    def asset_id(self) -> str:
        """Return the id by which control and storage know this asset."""
        return self.subentry.subentry_id

    @callback
    def async_listen_for_samples(self, listener: SampleListener) -> CALLBACK_TYPE:
        """Call ``listener`` with every reading, and with None for every failed poll."""
        self._listeners_for_samples.append(listener)

        @callback
        def unsubscribe() -> None:
            self._listeners_for_samples.remove(listener)

        return unsubscribe

    @callback
    def async_start(self) -> None:
        """Poll from now on, until the entry unloads."""
        self.config_entry.async_create_background_task(
            self.hass, self._async_run(), f"{DOMAIN} poll {self.name}"
        )

    @callback
    def async_wake(self) -> None:
        """Poll now and not when it is due: the device has news."""
        self._news.set()

    async def async_poll(self, scope: Scope) -> Reading:
        """Read the device once. Raises DeviceError."""
        started_s = self.hass.loop.time()
        try:
            if self.identity is None:
                self.identity = await self.device.identify()
            reading = await self.device.read(scope)
        except DeviceError as err:
            self.link.failure(err)
            raise
        except Exception as err:
            self._trouble.note(err)
            self.link.failure(err)
            raise DeviceError(f"{self.name}: {err!r}", device=self.name) from err
        self.link.success(self.hass.loop.time() - started_s)
        if scope is Scope.FAST and self.latest is not None:
            # The rest stays what it was; what was asked for and not given is not known.
            rest = {k: v for k, v in self.latest.values.items() if k not in self.datasheet.fast}
            reading = Reading(
                at=reading.at,
                monotonic_s=reading.monotonic_s,
                values={**rest, **reading.values},
                channels=reading.channels or self.latest.channels,
            )
        self.latest = reading
        return reading

    @override
    async def _async_update_data(self) -> Reading:
        """Read everything; the first refresh and a refresh that a user asks for."""
        try:
            return await self.async_poll(Scope.FULL)
        except DeviceError as err:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=err.key,
                translation_placeholders={"device": self.name, **err.placeholders},
            ) from err

    async def _async_run(self) -> None:
        """Keep the cadence: the next poll is due a period after the last one was."""
        loop = self.hass.loop
        due_s = loop.time()
        while True:
            with self._trouble.survived():
                await self.async_sample()
            period_s = self.poll_s
            if self.link.in_a_row > MISSED_POLLS:
                period_s = max(self.poll_s, min(BACKOFF_S, self.poll_s * self.link.in_a_row))
            if self._locked_out:
                period_s = REFUSED_S
            # A poll that overran its period skips the ones it missed instead of bunching.
            due_s = max(due_s + period_s, loop.time() if period_s == 0.0 else due_s)
            if (late_s := loop.time() - due_s) > 0.0 and period_s > 0.0:
                due_s += period_s * int(late_s / period_s + 1.0)
            try:
                async with asyncio.timeout_at(due_s):
                    await self._news.wait()
                due_s = loop.time()
            except TimeoutError:
                pass
            self._news.clear()

    async def async_sample(self) -> None:
        """Poll once as the loop does: tell the listeners, and the entities now and then."""
        now_s = self.hass.loop.time()
        full = now_s - self._full_s >= max(LEAST_FULL_S, self.poll_s)
        try:
            reading = await self.async_poll(Scope.FULL if full else Scope.FAST)
        except DeviceError as err:
            self._notify_samples(None)
            self._locked_out = isinstance(err, AuthError)
            if self._locked_out:
                self._ask_for_credentials()
            if self.link.in_a_row >= MISSED_POLLS and self.last_update_success:
                self._set_unavailable(err)
            return
        self._locked_out = False
        if full:
            self._full_s = now_s
        self._notify_samples(reading)
        if now_s - self._published_s >= PUBLISH_S or not self.last_update_success:
            if not self.last_update_success:
                LOGGER.info("%s: answers again", self.name)
            self._published_s = now_s
            self.async_set_updated_data(reading)

    @callback
    def _ask_for_credentials(self) -> None:
        """Ask the user for new ones; one asset of a site at a time."""
        self.config_entry.async_start_reauth(
            self.hass,
            context={
                "title_placeholders": {"name": f"{self.config_entry.title}: {self.name}"},
            },
            data={CONF_SUBENTRY: self.asset_id},
        )

    @callback
    def _set_unavailable(self, err: DeviceError) -> None:
        """Show the device as unavailable; a device that falls silent is no error of ours."""
        LOGGER.warning("%s: not available: %s", self.name, err)
        self.last_exception = err
        self.last_update_success = False
        self.async_update_listeners()

    @callback
    def _notify_samples(self, reading: Reading | None) -> None:
        for listener in tuple(self._listeners_for_samples):
            with self._trouble.survived():
                listener(reading)


@dataclass(kw_only=True, slots=True)
class SiteRuntime:
    """What a loaded site is made of."""

    controller: Controller
    library: Library
    clock: Clock
    devices: dict[str, DeviceCoordinator] = field(default_factory=dict)
    """By subentry id."""
    clusters: dict[str, ClusterCoordinator] = field(default_factory=dict)
    """By subentry id."""
    levers: SiteLevers = field(init=False)
    simulator: SimulatedSite | None = None
    redfish: dict[tuple[object, ...], RedfishClient] = field(default_factory=dict)
    """One client for all chassis behind the same service, by address and credentials."""
    tariff: Tariff = field(init=False)
    signals: SiteSignals = field(init=False)
    ledger: LedgerStore = field(init=False)
    planning: PlanningCoordinator = field(init=False)
    savings: SavingsCoordinator = field(init=False)
    proof: SiteProof = field(init=False)
    trials: BatteryTrials = field(init=False)
    outage: OutageCoordinator = field(init=False)

    def of_kind(self, kind: AssetKind) -> list[DeviceCoordinator]:
        """Return the site's devices of one kind, in the order they were added."""
        return [device for device in self.devices.values() if device.kind is kind]
