"""The Gaussian plume over a city: what a source at one place adds at another.

Ground-level source and receptor, spreads of Briggs for urban neutral air (class D; G. A. Briggs, Diffusion Estimation
for Small Emissions, 1973), widened by what a vane does not know of the direction. Near the source the plume starts
with the width of a yard, not of a point.
"""

import msgspec
import numpy as np

from city_brain.types import Floats

MICROGRAMS_PER_GRAM = 1e6
LEAST_WIND_MPS = 0.7
"""In weaker wind a plume has no direction."""

_ACROSS, _ACROSS_FAR = 0.16, 0.0004
_UP, _UP_FAR = 0.14, 0.0003
_DIRECTION_ERROR = 0.07
"""Uncertainty of the mean direction of the wind, as a tangent: 4 degrees."""

_START_M = 6.0
_VIRTUAL_M = 15.0
"""The point from which the cone opens lies so far upwind of the source."""


class Wind(msgspec.Struct, frozen=True):
    """Where the air moves: unit vector towards, and speed in m/s."""

    east: float
    north: float
    speed_mps: float


def along_across(dx: Floats, dy: Floats, wind: Wind) -> tuple[Floats, Floats]:
    """Metres downwind and across (any shape) of places that lie (dx, dy) from a source."""
    return dx * wind.east + dy * wind.north, dx * wind.north - dy * wind.east


def fall(z: Floats) -> Floats:
    """Close to exp(-z) for z >= 0, by multiplications only, with the same bits everywhere; the tail is fatter."""
    base = 1.0 / (1.0 + z / 32.0)
    for _ in range(5):
        base *= base
    return base


def unit_plume(along: Floats, across: Floats, speed_mps: float) -> Floats:
    """What 1 g/s adds in ug/m3 (any shape) at places so far downwind and across; upwind nothing."""
    reach = np.maximum(along + _VIRTUAL_M, 0.0)
    across2 = (_ACROSS * reach) ** 2 / (1.0 + _ACROSS_FAR * reach) + (_DIRECTION_ERROR * reach) ** 2 + _START_M**2
    up2 = (_UP * reach) ** 2 / (1.0 + _UP_FAR * reach) + _START_M**2
    peak = MICROGRAMS_PER_GRAM / (np.pi * np.sqrt(across2 * up2) * max(speed_mps, LEAST_WIND_MPS))
    added: Floats = np.where(reach > 0, peak * fall(across * across / (2.0 * across2)), 0.0)
    return added


def travel_s(along: Floats, speed_mps: float) -> Floats:
    """Seconds (any shape) that the air takes from a source to places so far downwind."""
    return np.maximum(along, 0.0) / max(speed_mps, LEAST_WIND_MPS)
