"""The local metric frame of a city: the only file that knows the order of longitude and latitude."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)

METRES_PER_DEGREE = 111_320.0
"""Length of a degree of latitude on the sphere that the frame assumes; 0.3 % at most from WGS-84 in mid latitudes."""


@dataclass(frozen=True, slots=True)
class LocalFrame:
    """East and north in metres from (`lon0`, `lat0`), equirectangular.

    Over a city of 50 km the distortion stays under 0.4 %; distances used for fusion are hundreds of metres.
    """

    lon0: float
    lat0: float

    @property
    def metres_per_lon(self) -> float:
        """Metres per degree of longitude at the frame's latitude."""
        return METRES_PER_DEGREE * math.cos(math.radians(self.lat0))

    def to_metres(self, lon: Number, lat: Number) -> tuple[Number, Number]:
        """Degrees to (east, north) in metres."""
        return (lon - self.lon0) * self.metres_per_lon, (lat - self.lat0) * METRES_PER_DEGREE

    def to_degrees(self, x: Number, y: Number) -> tuple[Number, Number]:
        """(east, north) in metres to (longitude, latitude) in degrees."""
        return self.lon0 + x / self.metres_per_lon, self.lat0 + y / METRES_PER_DEGREE
