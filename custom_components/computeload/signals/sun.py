"""The sun over a place on a clear day: good to some percent, which a stand-in needs."""

from datetime import UTC, datetime
from math import cos, exp, pi, radians, sin
from typing import Final

FULL_SUN_W_M2: Final = 1000.0
"""The irradiance that modules are rated at."""


def clear_sky(at: datetime, latitude: float, longitude: float) -> float:
    """Return the irradiance on level ground under a clear sky, as a share of full sun.

    Sources: declination by Cooper (1969), equation of time by Spencer (1971) shortened,
    irradiance by Haurwitz (1945): 1098 W/m2 times cos(z) times exp(-0.057 / cos(z)).
    Latitude and longitude in degrees, north and east positive.
    """
    utc = at.astimezone(UTC)
    angle = 2.0 * pi * (utc.timetuple().tm_yday - 81) / 365.0
    declination = radians(23.45) * sin(angle)
    equation_min = 9.87 * sin(2.0 * angle) - 7.53 * cos(angle) - 1.5 * sin(angle)
    hours = utc.hour + utc.minute / 60.0 + utc.second / 3600.0
    hour_angle = radians(15.0 * (hours - 12.0) + longitude + equation_min / 4.0)
    phi = radians(latitude)
    height = sin(phi) * sin(declination) + cos(phi) * cos(declination) * cos(hour_angle)
    if height <= 0.0:
        return 0.0
    return 1098.0 * height * exp(-0.057 / height) / FULL_SUN_W_M2
