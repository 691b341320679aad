"""Benchmark only: a house full of sensors, 200 recorded state changes a second."""

import asyncio

from homeassistant.core import HomeAssistant
from homeassistant.helpers.typing import ConfigType

SENSORS = 100
TICK_S = 0.05
PER_TICK = 10


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001
    """Start changing states."""

    async def change() -> None:
        count = 0
        due_s = hass.loop.time()
        while True:
            for _ in range(PER_TICK):
                count += 1
                hass.states.async_set(
                    f"sensor.background_{count % SENSORS}",
                    str(count),
                    {"unit_of_measurement": "W", "device_class": "power"},
                )
            due_s += TICK_S
            await asyncio.sleep(max(due_s - hass.loop.time(), 0.0))

    hass.async_create_background_task(change(), "background states")
    return True
