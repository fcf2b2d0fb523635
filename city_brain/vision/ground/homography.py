"""A homography from the picture to the ground, with its own error, and what both make of the error of a pixel.

For the pixel p = (u, v, 1) and the matrix H the ground is (x, y) = (H₁·p, H₂·p) / w with w = H₃·p (Hartley and
Zisserman, *Multiple View Geometry*, 2nd ed., ch. 2 and 5). The sign of H is such that w > 0 for the ground that the
camera sees; w = 0 is the horizon. Errors are carried to first order: ∂x/∂u = (H₁₁ - x·H₃₁) / w and so on, and a change
dH moves the place by (dH₁·p - x·dH₃·p) / w. Both grow without bound towards the horizon.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.types import Bools, Floats

SURE_SIGMAS = 3.0
"""A point nearer to the horizon than so many sigmas of the pixel may lie above it: it has no place."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places on the ground as columns (n,), in metres east and north of the camera; NaN where there is none.

    `xx`, `xy`, `yy` are the covariance in m², `shaken_xx` … the part of it that comes from the pixel and so is new in
    every frame; the rest is the same for all places of a camera.
    """

    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    shaken_xx: Floats
    shaken_xy: Floats
    shaken_yy: Floats

    @property
    def sigma_m(self) -> Floats:
        """1 σ (n,) of either coordinate: the root of the mean variance."""
        sigma: Floats = np.sqrt((self.xx + self.yy) / 2.0)
        return sigma

    @property
    def known(self) -> Bools:
        """Marks (n,) those that are on the ground."""
        known: Bools = np.isfinite(self.x)
        return known


@dataclass(frozen=True, slots=True, eq=False)
class Homography:
    """`matrix` (3, 3) takes pixels to metres; `spread` (9, k) is a root of the covariance of its nine entries, by rows:
    each of its columns is a change of 1 σ, independent of the others.
    """

    matrix: Floats
    spread: Floats

    def seen_from(self, x: float, y: float) -> "Homography":
        """The same with the sign that makes (x, y), in metres, a place that the camera sees."""
        inverse = np.linalg.inv(self.matrix)
        side = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
        return self if side > 0.0 else Homography(-self.matrix, -self.spread)

    @property
    def mirrored(self) -> bool:
        """Whether it shows the ground as from below: then x and y, or longitude and latitude, were exchanged."""
        return bool(np.linalg.det(self.matrix) > 0.0)

    def depth(self, u: Floats, v: Floats) -> Floats:
        """w (n,) of pixels: positive below the horizon, 0 on it."""
        h = self.matrix
        depth: Floats = h[2, 0] * u + h[2, 1] * v + h[2, 2]
        return depth

    def _below(self, u: Floats, v: Floats) -> Floats:
        """The depth (n,), NaN on and above the horizon."""
        depth = self.depth(u, v)
        return np.where(depth > 0.0, depth, np.nan)

    def to_ground(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Metres (n,), (n,) of pixels (n,), (n,) of a straight picture; NaN on and above the horizon."""
        h, w = self.matrix, self._below(u, v)
        return (h[0, 0] * u + h[0, 1] * v + h[0, 2]) / w, (h[1, 0] * u + h[1, 1] * v + h[1, 2]) / w

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Pixels (n,), (n,) of a straight picture, of metres (n,), (n,); NaN for ground behind the camera."""
        h = np.linalg.inv(self.matrix)
        w = h[2, 0] * x + h[2, 1] * y + h[2, 2]
        w = np.where(w > 0.0, w, np.nan)
        return (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w, (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w

    def place(self, u: Floats, v: Floats, sigma_u: Floats, sigma_v: Floats) -> Places:
        """The places of pixels (n,), (n,) whose errors are `sigma_u` and `sigma_v` (n,) in pixels."""
        (h11, h12, h13), (h21, h22, h23), (h31, h32, _) = self.matrix.tolist()
        depth = self._below(u, v)
        sigma_w2 = (h31 * sigma_u) ** 2 + (h32 * sigma_v) ** 2
        x, y = (h11 * u + h12 * v + h13) / depth, (h21 * u + h22 * v + h23) / depth
        own = self._own_error(u, v, x, y) if self.spread.shape[1] else None
        near = ~(depth > SURE_SIGMAS * np.sqrt(sigma_w2 if own is None else sigma_w2 + own[3]))
        x[near] = y[near] = np.nan
        by_u, by_v = sigma_u / depth, sigma_v / depth
        x_u, x_v = (h11 - x * h31) * by_u, (h12 - x * h32) * by_v
        y_u, y_v = (h21 - y * h31) * by_u, (h22 - y * h32) * by_v
        xx, xy, yy = x_u * x_u + x_v * x_v, x_u * y_u + x_v * y_v, y_u * y_u + y_v * y_v
        if own is None:
            return Places(x, y, xx, xy, yy, xx, xy, yy)
        return Places(x, y, xx + own[0], xy + own[1], yy + own[2], xx, xy, yy)

    def _own_error(self, u: Floats, v: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """What the changes of the matrix do to places, added up: xx, xy, yy and the variance of w, each (n,)."""
        spread = self.spread.reshape(3, 3, -1)
        moved = spread[:, 0, None] * u[:, None] + spread[:, 1, None] * v[:, None] + spread[:, 2, None]
        depth = self._below(u, v)[:, None]
        to_x, to_y = (moved[0] - x[:, None] * moved[2]) / depth, (moved[1] - y[:, None] * moved[2]) / depth
        xx, xy, yy, ww = ((a * b).sum(axis=1) for a, b in ((to_x, to_x), (to_x, to_y), (to_y, to_y), (moved[2],) * 2))
        return xx, xy, yy, ww
