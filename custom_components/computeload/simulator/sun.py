"""PV under a clear-sky sun with moving clouds.

The sun: declination and equation of time by their usual one-term approximations (Cooper
1969; Spencer 1971 shortened), direct beam by Meinel's air-mass formula, 10 % diffuse.
Good to some percent, which is all that a simulated roof needs.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from math import acos, asin, cos, exp, inf, pi, radians, sin
from random import Random
from typing import Final

_SOLAR_CONSTANT: Final = 1353.0
_SYSTEM_EFFICIENCY: Final = 0.88
"""Wiring, soiling, module temperature and inverter together."""
_SUN_STEP_S: Final = 60.0
_LIMIT_TAU_S: Final = 1.5
_CLOUD_TAU_S: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PvSpec:
    """One inverter and the modules on it."""

    id: str
    name: str
    peak_w: float
    """Module power under standard conditions."""
    rated_w: float
    """The most that the inverter gives; its WMax."""
    tilt_deg: float = 25.0
    azimuth_deg: float = 180.0
    """The way the modules look: 90 east, 180 south, 270 west."""
    cloud_delay_s: float = 0.0
    """How much later than over the first roof a cloud arrives here."""


def clear_sky(epoch_s: float, latitude: float, longitude: float, spec: PvSpec) -> float:
    """Return a plant's output under a cloudless sky as a fraction of its peak power.

    Latitude and longitude in degrees, north and east positive; the time in UTC.
    """
    moment = datetime.fromtimestamp(epoch_s, UTC)
    day = moment.timetuple().tm_yday
    year_angle = 2 * pi * (day - 81) / 365
    declination = radians(23.45) * sin(year_angle)
    equation_min = 9.87 * sin(2 * year_angle) - 7.53 * cos(year_angle) - 1.5 * sin(year_angle)
    hours = moment.hour + moment.minute / 60 + moment.second / 3600
    hour_angle = radians(15 * (hours - 12) + longitude + equation_min / 4)
    phi = radians(latitude)
    height = sin(phi) * sin(declination) + cos(phi) * cos(declination) * cos(hour_angle)
    if height <= 0.0:
        return 0.0
    elevation = asin(height)
    east_west = (sin(declination) - height * sin(phi)) / max(1e-9, cos(elevation) * cos(phi))
    azimuth = acos(max(-1.0, min(1.0, east_west)))
    if sin(hour_angle) > 0:
        azimuth = 2 * pi - azimuth
    beam: float = _SOLAR_CONSTANT * 0.7 ** ((1 / max(height, 0.01)) ** 0.678)
    tilt = radians(spec.tilt_deg)
    incidence = cos(tilt) * height + sin(tilt) * cos(elevation) * cos(
        azimuth - radians(spec.azimuth_deg)
    )
    return beam * (max(0.0, incidence) + 0.1) / 1000.0 * _SYSTEM_EFFICIENCY


class Clouds:
    """Alternating gaps and clouds that drift over the site, one roof after the other."""

    def __init__(self, cover: float, random: Random) -> None:
        """Start under the open sky. ``cover`` is the share of time in shade, 0..1."""
        self._cover = cover
        self._random = random
        self._next_s = 0.0 if cover > 0 else inf
        self._shaded = False
        self._queues: list[tuple[float, deque[tuple[float, float]]]] = []

    def over(self, delay_s: float) -> deque[tuple[float, float]]:
        """Return the queue of (time, transmission) edges that one roof will see."""
        queue: deque[tuple[float, float]] = deque()
        self._queues.append((delay_s, queue))
        return queue

    def tick(self, elapsed_s: float) -> None:
        """Let the next edge in, once it is due."""
        if elapsed_s < self._next_s:
            return
        random = self._random
        self._shaded = random.random() < self._cover
        transmission = random.uniform(0.18, 0.6) if self._shaded else 1.0
        for delay_s, queue in self._queues:
            queue.append((elapsed_s + delay_s, transmission))
        self._next_s = elapsed_s + random.uniform(40.0, 420.0)


class PvPhysics:
    """One inverter: what the sun gives, less what a limit takes away."""

    __slots__ = (
        "_clear_w",
        "_clouds",
        "_latitude",
        "_limit_alpha",
        "_longitude",
        "_slope_w",
        "_step_s",
        "_sun_s",
        "_transmission",
        "_transmission_alpha",
        "_transmission_to",
        "cap_w",
        "connected",
        "energy_ws",
        "limit_expires_s",
        "limit_fraction",
        "possible_w",
        "power_w",
        "spec",
    )

    def __init__(
        self, spec: PvSpec, clouds: Clouds, latitude: float, longitude: float, step_s: float
    ) -> None:
        """Put the plant on its roof, without a limit."""
        self.spec = spec
        self.power_w = 0.0
        """AC power now, production +."""
        self.possible_w = 0.0
        """What it would give without a limit."""
        self.cap_w = spec.rated_w
        """What the limit allows at the moment, following it within seconds."""
        self.energy_ws = 0.0
        self.connected = True
        self.limit_fraction: float | None = None
        """The limit in force as a fraction of the rated power; None: there is none."""
        self.limit_expires_s = inf
        self._clouds = clouds.over(spec.cloud_delay_s)
        self._latitude = latitude
        self._longitude = longitude
        self._step_s = step_s
        self._sun_s = -inf
        self._clear_w = self._slope_w = 0.0
        self._transmission = self._transmission_to = 1.0
        self._transmission_alpha = 1 - exp(-step_s / _CLOUD_TAU_S)
        self._limit_alpha = 1 - exp(-step_s / _LIMIT_TAU_S)

    def limit(self, fraction: float | None, expires_s: float = inf) -> None:
        """Limit the output to a fraction of the rated power until a simulated second.

        None lifts the limit.
        """
        self.limit_fraction = None if fraction is None else max(0.0, min(1.0, fraction))
        self.limit_expires_s = expires_s

    def tick(self, elapsed_s: float, epoch_s: float) -> float:
        """Advance by one step and return the AC power."""
        if elapsed_s >= self.limit_expires_s:
            self.limit(None)
        if elapsed_s >= self._sun_s:
            self._refresh_sun(elapsed_s, epoch_s)
        self._clear_w += self._slope_w
        clouds = self._clouds
        if clouds and clouds[0][0] <= elapsed_s:
            self._transmission_to = clouds.popleft()[1]
        self._transmission += (
            self._transmission_to - self._transmission
        ) * self._transmission_alpha
        possible_w = min(max(0.0, self._clear_w) * self._transmission, self.spec.rated_w)
        self.possible_w = possible_w
        fraction = self.limit_fraction
        cap_to_w = self.spec.rated_w if fraction is None else self.spec.rated_w * fraction
        self.cap_w += (cap_to_w - self.cap_w) * self._limit_alpha
        power_w = min(possible_w, self.cap_w) if self.connected else 0.0
        self.power_w = power_w
        return power_w

    def _refresh_sun(self, elapsed_s: float, epoch_s: float) -> None:
        """Take the sun once a minute and go straight in between."""
        peak_w = self.spec.peak_w
        now_w = clear_sky(epoch_s, self._latitude, self._longitude, self.spec) * peak_w
        then_w = (
            clear_sky(epoch_s + _SUN_STEP_S, self._latitude, self._longitude, self.spec) * peak_w
        )
        self._slope_w = (then_w - now_w) * self._step_s / _SUN_STEP_S
        self._clear_w = now_w - self._slope_w
        self._sun_s = elapsed_s + _SUN_STEP_S
