"""Where a thing stands, of all that its box shows: the middle of the lower edge.

A homography holds for points on the ground only. Of a thing that stands there, the lower edge of its box is the one
part that touches the ground: the wheels or feet nearest to the camera. The middle of a box is in the air, and where the
homography would put it lies metres behind the thing, the more so the lower the camera hangs.

What is left is known in kind: the lower edge shows the *near* end of what the thing covers, and its middle lies half a
thing farther from the camera. Over all directions from which a thing of length 2a and width 2b may be seen, that is
|a·cos t| + |b·sin t| with the root mean square √((a² + b²)/2 + 2ab/π). It is the same from frame to frame, so it is no
error of speed, and fusion learns it as the bias of a camera.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.types import Bools, Codes, Floats, Ints

FOOTPRINT_M: Final = {
    ObjectClass.CAR: (4.6, 1.8),
    ObjectClass.TRUCK: (8.5, 2.5),
    ObjectClass.BUS: (12.0, 2.55),
    ObjectClass.MOTORCYCLE: (2.1, 0.8),
    ObjectClass.BICYCLE: (1.8, 0.6),
    ObjectClass.PERSON: (0.5, 0.4),
    ObjectClass.ANIMAL: (1.0, 0.4),
    ObjectClass.DEBRIS: (1.0, 1.0),
    ObjectClass.FIRE: (4.0, 4.0),
    ObjectClass.WATER: (10.0, 10.0),
    ObjectClass.SMOKE: (20.0, 20.0),
    ObjectClass.OTHER: (4.6, 1.8),
}
"""Length and width in metres of a usual thing of each class. Smoke drifts off the ground: its foot is a poor guess."""

EDGE_SIGMA = 0.03
"""1 σ of an edge of a box, in sides of the box, and never under `EDGE_SIGMA_LEAST_PX`."""
EDGE_SIGMA_LEAST_PX = 1.0


def _near_end_m(length_m: float, width_m: float) -> float:
    a, b = length_m / 2.0, width_m / 2.0
    return math.sqrt((a * a + b * b) / 2.0 + 2.0 * a * b / math.pi)


FOOT_ERROR_M: Final = np.array([_near_end_m(*FOOTPRINT_M[word]) for word in ObjectClass])
"""How far the middle of a thing lies behind its foot, root mean square in metres, by code of its class: person 0.29,
bicycle 0.79, motorcycle 0.95, car 2.1, truck 3.6, bus 4.9.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Feet:
    """Feet as columns (n,): pixels with their 1 σ, and `behind_m`, by how much the middle of the thing is farther.

    `cut` marks boxes that the lower edge of the frame cuts: their foot is out of sight, and has no place.
    """

    u: Floats
    v: Floats
    sigma_u: Floats
    sigma_v: Floats
    behind_m: Floats
    cut: Bools

    def scaled(self, across: Floats | float, down: Floats | float) -> "Feet":
        """The same feet in a picture that is so many times as wide and as high."""
        sigma_u, sigma_v = self.sigma_u * across, self.sigma_v * down
        return replace(self, u=self.u * across, v=self.v * down, sigma_u=sigma_u, sigma_v=sigma_v)


def feet_of(box: Floats, label: Codes, frame_height_px: Ints | float) -> Feet:
    """The feet of boxes (n, 4) of classes (n,) in a frame so high, or each in one of its own height (n,)."""
    width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    return Feet(
        u=(box[:, 0] + box[:, 2]) / 2.0,
        v=box[:, 3].copy(),
        sigma_u=np.maximum(EDGE_SIGMA * width, EDGE_SIGMA_LEAST_PX),
        sigma_v=np.maximum(EDGE_SIGMA * height, EDGE_SIGMA_LEAST_PX),
        behind_m=FOOT_ERROR_M[label],
        cut=box[:, 3] >= frame_height_px - 1.0,
    )
