"""Position bias of each camera, learnt from traffic that keeps its lanes.

A camera's ground positions are off by a nearly constant vector b. Vehicles drive, on average, at the centre of their
lane, so the lateral offset of a vehicle on a lane with right-hand normal n is n·b plus noise. Over lanes of several
directions ridge regression gives both components: (Σ n nᵀ + λ I) b = Σ n · offset.
"""

import msgspec
import numpy as np

from city_brain.types import Bools, Floats, Ints

RIDGE = 12.0
"""λ, in rows: about this many vehicles' rows must agree before half of a bias is believed."""

KNOWN_RIDGES = 10.0
"""From so many times that on a bias is taken for known."""

USUAL_M = 0.5
"""Standard deviation of the bias of a camera of which nothing is known, along each axis."""

OFFSET_LIMIT_M = 2.2
"""Offsets beyond are another lane, a parked car or a turn, not a bias."""


class CameraBias(msgspec.Struct):
    """Normal equations per camera: `nn` (cameras, 3) is Σ nx², Σ nx·ny, Σ ny²; `no` (cameras, 2) is Σ n · offset."""

    nn: np.ndarray
    no: np.ndarray
    east_m: np.ndarray
    north_m: np.ndarray

    @classmethod
    def none(cls, cameras: int) -> "CameraBias":
        """No bias known of `cameras` cameras."""
        return cls(np.zeros((cameras, 3)), np.zeros((cameras, 2)), np.zeros(cameras), np.zeros(cameras))

    def correct(self, camera: Ints, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Positions (n,) in metres without the bias of the camera (n,) that saw them; camera -1 has none."""
        known = camera >= 0
        if len(self.east_m) == 0:
            return x, y
        at = np.where(known, camera, 0)
        return x - np.where(known, self.east_m[at], 0.0), y - np.where(known, self.north_m[at], 0.0)

    def known(self, camera: Ints) -> Bools:
        """Whether enough vehicles were seen by the camera (n,), none of them -1, that hardly any bias is left."""
        rows = self.nn[camera, 0] + self.nn[camera, 2]
        enough: Bools = rows > KNOWN_RIDGES * RIDGE
        return enough

    def left_m(self, camera: Ints, ux: Floats, uy: Floats) -> Floats:
        """Standard deviation (n,) of what is left of the bias of the camera (n,), across lanes of unit direction
        (ux, uy).

        That of the ridge regression: σ² λ nᵀ (Σ n nᵀ + λ I)⁻¹ n; all of it for camera -1.
        """
        if len(self.east_m) == 0:
            return np.full(len(camera), USUAL_M)
        a, b, c = (self.nn[camera] + np.array([RIDGE, 0.0, RIDGE])).T
        share = RIDGE * (c * uy**2 + 2.0 * b * ux * uy + a * ux**2) / (a * c - b * b)
        left: Floats = USUAL_M * np.sqrt(np.where(camera >= 0, share, 1.0))
        return left

    def learn(self, camera: Ints, ux: Floats, uy: Floats, offset_m: Floats, good: Bools) -> None:
        """Learns from corrected rows (n,) on lanes of direction (ux, uy) at `offset_m` right of the centre."""
        good = good & (camera >= 0) & (np.abs(offset_m) <= OFFSET_LIMIT_M)
        if not good.any():
            return
        camera, nx, ny = camera[good], uy[good], -ux[good]
        raw = offset_m[good] + nx * self.east_m[camera] + ny * self.north_m[camera]
        cameras = len(self.east_m)
        for k, values in enumerate((nx * nx, nx * ny, ny * ny)):
            self.nn[:, k] += np.bincount(camera, weights=values, minlength=cameras)
        for k, values in enumerate((nx * raw, ny * raw)):
            self.no[:, k] += np.bincount(camera, weights=values, minlength=cameras)
        self._solve()

    def _solve(self) -> None:
        a, b, c = self.nn[:, 0] + RIDGE, self.nn[:, 1], self.nn[:, 2] + RIDGE
        det = a * c - b * b
        self.east_m = (c * self.no[:, 0] - b * self.no[:, 1]) / det
        self.north_m = (a * self.no[:, 1] - b * self.no[:, 0]) / det
