"""Radial distortion of a lens: where a pixel would lie if straight lines stayed straight.

Brown's model (Brown, "Decentering distortion of lenses", 1966) with its two first radial terms, as OpenCV has them.
With r the distance from the centre in focal lengths: r_seen = r · (1 + k1·r² + k2·r⁴). It is turned round by bisection
up to the radius where it folds back upon itself; a pixel beyond that is no picture of anything, and has no place.
"""

import math

import msgspec
import numpy as np

from city_brain.city.city_map import LensShape
from city_brain.errors import CalibrationError
from city_brain.types import Floats

_STEPS = 64
_WIDEST = 1000.0
"""Focal lengths: 0.06° short of a half circle; no lens of this model sees so far."""


class Lens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lens: `k1`, `k2`, its focal length in pixels and the pixel that it looks at. Raises CalibrationError."""

    k1: float
    k2: float = 0.0
    focal_px: float
    centre_x: float
    centre_y: float

    def __post_init__(self) -> None:
        for name in ("k1", "k2", "focal_px", "centre_x", "centre_y"):
            value, low = getattr(self, name), 1.0 if name == "focal_px" else -1e5
            if not (math.isfinite(value) and low <= value <= 1e5):
                raise CalibrationError(f"lens: {name}: wanted {low:g} to 1e5, got {value}")

    @classmethod
    def of_map(cls, shape: LensShape | None) -> "Lens | None":
        """What the map says of a camera's lens, None where it says nothing."""
        if shape is None:
            return None
        focal_px, centre_x, centre_y = shape.focal_px, shape.centre_x, shape.centre_y
        return cls(k1=shape.k1, k2=shape.k2, focal_px=focal_px, centre_x=centre_x, centre_y=centre_y)

    @property
    def widest(self) -> float:
        """The radius, in focal lengths of a straight picture, at which the model folds back upon itself."""
        # 1 + 3·k1·s + 5·k2·s² = 0 for s = r²
        a, b = 5.0 * self.k2, 3.0 * self.k1
        if a == 0.0:
            roots = [] if b == 0.0 else [-1.0 / b]
        else:
            inside = b * b - 4.0 * a
            roots = [] if inside < 0.0 else [(-b + sign * math.sqrt(inside)) / (2.0 * a) for sign in (-1.0, 1.0)]
        return min([math.sqrt(root) for root in roots if root > 0.0] + [_WIDEST])

    def straighten(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Pixels (n,), (n,) of the frame to those of a straight picture; NaN beyond the fold."""
        x, y = (u - self.centre_x) / self.focal_px, (v - self.centre_y) / self.focal_px
        seen = np.sqrt(x * x + y * y)
        low, high = np.zeros_like(seen), np.full_like(seen, self.widest)
        beyond = ~(seen <= self._bent(high))
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            under = self._bent(middle) < seen
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        stretch = np.where(seen > 0.0, high / np.maximum(seen, 1e-300), 1.0)
        stretch[beyond] = np.nan
        return self.centre_x + self.focal_px * x * stretch, self.centre_y + self.focal_px * y * stretch

    def bend(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Pixels (n,), (n,) of a straight picture to those of the frame; NaN beyond the fold."""
        x, y = (u - self.centre_x) / self.focal_px, (v - self.centre_y) / self.focal_px
        radius = np.sqrt(x * x + y * y)
        stretch = np.where(radius <= self.widest, 1.0 + self.k1 * radius**2 + self.k2 * radius**4, np.nan)
        return self.centre_x + self.focal_px * x * stretch, self.centre_y + self.focal_px * y * stretch

    def _bent(self, radius: Floats) -> Floats:
        bent: Floats = radius * (1.0 + self.k1 * radius**2 + self.k2 * radius**4)
        return bent
