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

    def to_ground(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Metres (n,), (n,) of pixels (n,), (n,) of a straight picture; NaN on and above the horizon."""
        h, w = self.matrix, self.depth(u, v)
        w = np.where(w > 0.0, w, np.nan)
        return (h[0, 0] * u + h[0, 1] * v + h[0, 2]) / w, (h[1, 0] * u + h[1, 1] * v + h[1, 2]) / w

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Pixels (n,), (n,) of a straight picture, of metres (n,), (n,); NaN for ground behind the camera."""
        h = np.linalg.inv(self.matrix)
        w = h[2, 0] * x + h[2, 1] * y + h[2, 2]
        w = np.where(w > 0.0, w, np.nan)
        return (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w, (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w

    def slopes(self, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
        """x, y (n,) and the metres per pixel (n, 2, 2): rows x and y, columns u and v."""
        x, y = self.to_ground(u, v)
        h, w = self.matrix, self.depth(u, v)
        rows = [[(h[i, j] - g * h[2, j]) / w for j in (0, 1)] for i, g in ((0, x), (1, y))]
        return x, y, np.moveaxis(np.array(rows), 2, 0)

    def place(self, u: Floats, v: Floats, sigma_u: Floats, sigma_v: Floats) -> Places:
        """The places of pixels (n,), (n,) whose errors are `sigma_u` and `sigma_v` (n,) in pixels."""
        x, y, slope = self.slopes(u, v)
        pixel = slope * np.stack([sigma_u, sigma_v], axis=1)[:, None, :]
        own, own_w = self._own_error(u, v, x, y)
        h = self.matrix
        sigma_w = np.sqrt((h[2, 0] * sigma_u) ** 2 + (h[2, 1] * sigma_v) ** 2 + (own_w**2).sum(axis=1))
        near = ~(self.depth(u, v) > SURE_SIGMAS * sigma_w)
        x, y = np.where(near, np.nan, x), np.where(near, np.nan, y)
        (xx, xy, yy), (own_xx, own_xy, own_yy) = _squares(pixel, near), _squares(own, near)
        return Places(x, y, xx + own_xx, xy + own_xy, yy + own_yy, xx, xy, yy)

    def _own_error(self, u: Floats, v: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """What 1 σ of each independent change of the matrix does: to places (n, 2, k), and to w (n, k)."""
        spread = self.spread.reshape(3, 3, -1)
        moved = spread[:, 0, None] * u[:, None] + spread[:, 1, None] * v[:, None] + spread[:, 2, None]
        ground = np.stack([moved[0] - x[:, None] * moved[2], moved[1] - y[:, None] * moved[2]], axis=1)
        return ground / self.depth(u, v)[:, None, None], moved[2]


def _squares(root: Floats, near: Bools) -> tuple[Floats, Floats, Floats]:
    """xx, xy, yy (n,) of a root (n, 2, k) of covariances; NaN where `near`."""
    x, y = root[:, 0], root[:, 1]
    xx, xy, yy = (np.where(near, np.nan, (a * b).sum(axis=1)) for a, b in ((x, x), (x, y), (y, y)))
    return xx, xy, yy
