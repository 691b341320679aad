"""Going on after a programming error: whoever controls a battery must not stop for a typo."""

from collections.abc import Iterator
from contextlib import contextmanager

from .const import LOGGER


class Trouble:
    """Notes errors that nobody expected; each is logged once, with its traceback."""

    def __init__(self, name: str) -> None:
        """Begin without any; ``name`` is what the log calls the part of the site."""
        self._name = name
        self._seen: set[str] = set()

    def note(self, error: Exception) -> None:
        """Log an error, unless the same was logged before."""
        if repr(error) not in self._seen:
            self._seen.add(repr(error))
            LOGGER.error("%s: unexpected error, going on without it", self._name, exc_info=error)

    @contextmanager
    def survived(self) -> Iterator[None]:
        """Go on after the block, whatever is raised in it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - not knowing what is the point
            self.note(error)
