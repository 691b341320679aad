"""Jobs that are only counted: as many as there are, ending in the order in which they began."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.computeload.drivers.base import EntitySilentError, RefusedError
from custom_components.computeload.drivers.entity import EntityState
from custom_components.computeload.drivers.queued_work import MOST, QueuedWork


class Clock:
    """A clock that is set."""

    at = datetime(2026, 6, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time."""
        return self.at

    def monotonic_s(self) -> float:
        """Return the time in seconds."""
        return self.at.timestamp()


def work(states: dict[str, str | None], clock: Clock | None = None) -> QueuedWork:
    def get(entity: str) -> EntityState | None:
        return EntityState(value=states[entity]) if entity in states else None

    return QueuedWork(get, clock or Clock(), waiting="waiting", running="running", machines=4)


async def test_as_many_jobs_run_and_wait_as_there_are() -> None:
    state = await work({"waiting": "7", "running": "3"}).read()
    assert len(state.running) == 3
    assert [job.tasks for job in state.pending] == [7]
    assert sum("IDLE" in node.states for node in state.nodes) == 1


async def test_the_job_that_began_first_ends_first() -> None:
    states: dict[str, str | None] = {"waiting": "0", "running": "1"}
    clock = Clock()
    queue = work(states, clock)
    (first,) = (await queue.read()).running
    clock.at += timedelta(minutes=10)
    states["running"] = "2"
    await queue.read()
    clock.at += timedelta(minutes=10)
    states["running"] = "1"
    (second,) = (await queue.read()).running
    assert second.id != first.id
    assert second.starts_at == clock.at - timedelta(minutes=10)


@pytest.mark.parametrize("said", [None, "many", "nan"])
async def test_what_is_no_number_is_an_error_that_names_the_entity(said: str | None) -> None:
    with pytest.raises(EntitySilentError, match="waiting"):
        await work({"waiting": said, "running": "0"}).read()
    with pytest.raises(EntitySilentError, match="running"):
        await work({"waiting": "0"}).read()


async def test_no_number_is_taken_for_too_many_jobs() -> None:
    state = await work({"waiting": "1e300", "running": "-4"}).read()
    assert [job.tasks for job in state.pending] == [MOST]
    assert state.running == ()


async def test_nothing_can_be_asked_of_it() -> None:
    queue = work({})
    assert queue.abilities == frozenset()
    for request in (
        queue.defer("1", Clock.at),
        queue.requeue("1"),
        queue.drain("1", "why"),
        queue.resume("1"),
    ):
        with pytest.raises(RefusedError):
            await request
