"""Who has the batteries: taken at once, handed back whenever control ends."""

from .lab import Lab


async def test_switching_on_commands_the_batteries_within_seconds(shaving: Lab) -> None:
    first = {w.device_id: w.elapsed_s for w in reversed(shaving.writes_since(0.0))}
    assert set(first) == {"cabinet1", "cabinet2"}
    assert max(first.values()) < 6.0
