"""What can be wrong with a signal, in a form that can be translated."""

from collections.abc import Mapping
from typing import final


@final
class SignalError(Exception):
    """A source that cannot be used now.

    ``key`` names the sentence in the translations, ``field`` the field of the options
    flow that has to be changed (None: none of them), ``details`` fill the sentence.
    """

    def __init__(
        self,
        key: str,
        details: Mapping[str, str] | None = None,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Say what is wrong; ``retry_after_s`` is how long the source asks to be left alone."""
        super().__init__(key, details)
        self.key = key
        self.field = field
        self.retry_after_s = retry_after_s
        self.details = dict(details or {})


def unexpected(what: str, field: str | None = None) -> SignalError:
    """Return the error of an answer that is not what the source has always sent."""
    return SignalError("payload_unexpected", {"what": what}, field=field)
