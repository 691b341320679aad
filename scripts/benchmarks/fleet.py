"""Many meters that answer as fast as Python can, and note when they were asked.

Runs as a process of its own. Prints the ports of its devices, one of which takes requests and
never answers; then, for each line on its standard input, one line of JSON with the times of
all requests per device since the line before (s, on this process's clock).
"""

import asyncio
from functools import partial
import json
import sys
import time
from typing import Final

from custom_components.computeload.drivers.decode import encode
from custom_components.computeload.drivers.profile import load_library
from custom_components.computeload.drivers.spec import (
    Constant,
    Expectation,
    Part,
    Profile,
    Register,
)
from scripts.benchmarks.responder import Connection, Registers

PROFILES: Final = (
    "eastron_sdm630",
    "janitza_umg",
    "schneider_iem3000",
    "siemens_pac",
    "abb_b23",
    "socomec_countis",
    "phoenix_contact_eem",
    "janitza_umg604_float",
    "schneider_pm5000",
    "eastron_sdm120",
)
ALIVE: Final = 30
SPACES: Final = {3: "holding", 4: "input"}


def profile_of(device: int) -> str:
    """Return which profile a device is read through."""
    return PROFILES[device % len(PROFILES)]


class Meter:
    """The registers of one device, and when it was asked for them."""

    def __init__(self, profile: Profile) -> None:
        """Show what the profile expects of the right device; everything else is 0."""
        self.asked_s: list[float] = []
        self._spaces = {code: Registers(0x10000) for code in SPACES}
        for expectation in profile.expectations:
            place = expectation.field.location
            if isinstance(place, Register):
                words = _expected(expectation, place)
                code = next(code for code, space in SPACES.items() if space == place.space)
                for offset, word in enumerate(words):
                    self._spaces[code].put(place.address + offset, "H", word)

    def image(self, code: int) -> bytearray:
        """Return the registers of a space, and note that they were asked for."""
        self.asked_s.append(time.perf_counter())
        return self._spaces[code].data


def _expected(expectation: Expectation, place: Register) -> list[int]:
    """Return the words that the profile wants to see."""
    field = expectation.field
    low, high = expectation.between or (0.0, 0.0)
    value = next((each for each in expectation.equals), (low + high) / 2.0)
    value = float(value) if not isinstance(value, str) else 0.0
    part = Part(
        location=place,
        expression=Constant(value),
        factor=field.factor,
        offset=field.offset,
        low=-1e18,
        high=1e18,
    )
    return encode(part, place, value)


class Silent(asyncio.Protocol):
    """Takes whatever it is sent."""


async def main() -> None:
    """Serve until the input ends."""
    loop = asyncio.get_running_loop()
    library = load_library()
    meters = [Meter(library.profiles[profile_of(device)]) for device in range(ALIVE)]
    ports = []
    for meter in meters:
        connection = partial(Connection, meter.image, lambda _: None, 0.0)
        server = await loop.create_server(connection, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
    dead = await loop.create_server(Silent, "127.0.0.1", 0)
    ports.append(dead.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps([meter.asked_s for meter in meters]), flush=True)
        for meter in meters:
            meter.asked_s.clear()


if __name__ == "__main__":
    asyncio.run(main())
