"""What a feed is, and how it reaches a card."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.messages import event_message
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..const import DOMAIN
from ..coordinator import ComputeLoadConfigEntry
from ..core.ledger_db import LedgerError

type Payload = dict[str, Any]
"""Ready for JSON. Moments are in Unix ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One kind of data for cards."""

    name: str
    payload: Callable[[HomeAssistant, ComputeLoadConfigEntry], Awaitable[Payload]]
    """Makes what is sent. May raise LedgerError; whatever blocks goes to the executor."""
    listen: Callable[[HomeAssistant, ComputeLoadConfigEntry, Callable[[], None]], CALLBACK_TYPE]
    """Calls back whenever there is news; returns what ends that."""


class Subscription:
    """Sends one feed of one site to one card, over reloads of the site, until it is stopped."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ComputeLoadConfigEntry,
        feed: Feed,
        connection: ActiveConnection,
        message_id: int,
    ) -> None:
        """Prepare; ``async_start`` sends the first time."""
        self._hass, self._entry, self._feed = hass, entry, feed
        self._connection, self._id = connection, message_id
        self._end_listening: CALLBACK_TYPE | None = None
        self._end_watching: CALLBACK_TYPE | None = None
        self._sending = self._news = self._told_stopped = False

    @callback
    def async_start(self) -> None:
        """Send now and from now on."""
        self._end_watching = self._entry.async_on_state_change(self._async_follow)
        self._async_follow()

    @callback
    def async_stop(self) -> None:
        """Send nothing any more."""
        for end in (self._end_watching, self._end_listening):
            if end is not None:
                end()
        self._end_watching = self._end_listening = None

    @callback
    def _async_follow(self) -> None:
        """Follow the site: it has begun to run, or does not run any more."""
        if self._end_listening is not None:
            self._end_listening()
            self._end_listening = None
        if self._entry.state is ConfigEntryState.LOADED:
            self._told_stopped = False
            self._end_listening = self._feed.listen(self._hass, self._entry, self._async_news)
            self._async_news()
        elif not self._told_stopped:
            self._told_stopped = True
            self._send({"stopped": True})

    @callback
    def _async_news(self) -> None:
        """Send what is new; what comes while that is made is sent together afterwards."""
        self._news = True
        if not self._sending:
            self._sending = True
            self._entry.async_create_background_task(
                self._hass, self._async_send(), f"{DOMAIN} {self._feed.name}"
            )

    async def _async_send(self) -> None:
        try:
            while self._news and self._end_listening is not None:
                self._news = False
                try:
                    payload = await self._feed.payload(self._hass, self._entry)
                except LedgerError as err:
                    payload = {"problem": str(err)}
                if self._end_listening is not None:
                    self._send(payload)
        finally:
            self._sending = False

    @callback
    def _send(self, payload: Payload) -> None:
        self._connection.send_message(event_message(self._id, payload))


def unix_ms(at: datetime) -> int:
    """Return a moment in Unix milliseconds, as browsers count."""
    return round(at.timestamp() * 1000.0)
