"""Position noise of each camera, learnt from traffic that keeps its lanes.

A camera states its error, or the usual one at that distance is assumed. Vehicles show whether that holds: where it does
their distance z from the middle of their lane, in sigmas of noise and lane keeping together and cut at 1.5, is half of
that in the mean. So z against what is left to the cut comes to 1 in sums, and grows as the noise does: to about 2 where
it is twice as much. The cut lies well inside a lane, since who seems to be beyond its edge is matched to the next one.
A camera that has seen little is taken for one like the others.
"""

import msgspec
import numpy as np

from city_brain.types import Floats, Ints

CUT = 1.5
"""In sigmas; of a normal distribution min(|z|, 1.5) is .74 in the mean."""

LANE_KEEPING_M = 0.35
"""1 σ of vehicles around the middle of their lane."""

PRIOR = 20.0
"""Looks at vehicles that must agree before half of what they say is believed."""

SLACK = 0.25
"""So much more than what is assumed changes nothing: cities differ, and so do lanes."""

MOST = 3.0
"""More noise than this is not believed."""

EVERY_ROWS = 8
"""Noise lasts about ten seconds, so of a track one row in so many is a look of its own."""


class CameraNoise(msgspec.Struct):
    """Sums per camera (cameras,) over looks: what lies `within`, and what is `left` to the cut. `factor`: by how much
    stated or assumed errors are multiplied, never less than 1.
    """

    within: np.ndarray
    left: np.ndarray
    factor: np.ndarray

    @classmethod
    def none(cls, cameras: int) -> "CameraNoise":
        """No noise known but the usual one, of `cameras` cameras."""
        return cls(np.zeros(cameras), np.zeros(cameras), np.ones(cameras))

    def of(self, camera: Ints) -> Floats:
        """The factor (n,) on what is assumed of the camera (n,) that saw something; 1 for camera -1."""
        if len(self.factor) == 0:
            return np.ones(len(camera))
        return np.where(camera >= 0, self.factor[camera], 1.0)

    def learn(self, camera: Ints, offset_m: Floats, sigma_m: Floats) -> None:
        """Learns from corrected places (n,), `offset_m` off the middle of a lane and taken to spread by `sigma_m`."""
        if len(camera) == 0:
            return
        assumed_m = sigma_m / self.factor[camera]
        within = np.minimum(np.abs(offset_m) / np.sqrt(assumed_m**2 + LANE_KEEPING_M**2), CUT)
        self.within += np.bincount(camera, weights=within, minlength=len(self.factor))
        self.left += np.bincount(camera, weights=CUT - within, minlength=len(self.factor))
        city = (PRIOR + self.within.cumsum()[-1]) / (PRIOR + self.left.cumsum()[-1])
        share = city / (1.0 + city)
        ratio = (PRIOR * CUT * share + self.within) / (PRIOR * CUT * (1.0 - share) + self.left)
        self.factor = np.minimum(np.maximum(ratio - SLACK, 1.0), MOST)
