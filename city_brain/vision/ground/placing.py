"""Where on the city's ground the things are that a camera sees, and how well that is known.

A calibrated camera gives every foot a place: the error is that of its pixel, that of the homography, and what the class
of the thing leaves open along the line of sight. A camera without calibration knows no more than that a thing is in its
view: every place is the middle of the view polygon, with the spread of that polygon as its error. No place is invented.

A calibration is one of pictures of a size. Where that is known, pictures of another size, as the second stream of a
camera has them, are scaled to it, each side by itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from city_brain.city.city_map import Camera
from city_brain.types import Codes, Floats, Ints
from city_brain.vision.ground.foot import feet_of
from city_brain.vision.ground.homography import Homography, Places
from city_brain.vision.ground.lens import Lens


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraGround:
    """A camera at (`x`, `y`) in the city's frame, its view polygon (k, 2), and its homography where it has one.

    `error_m` is 1 σ of places within `range_m` where the homography tells no spread of its own, as one from the map:
    beyond that it grows with the square of the distance, as the length of a pixel on the ground does. `picture_px`:
    width and height of the pictures that homography and lens are of, None where that is not known.
    """

    x: float
    y: float
    view: Floats
    range_m: float
    homography: Homography | None = None
    error_m: float = 0.0
    lens: Lens | None = None
    picture_px: tuple[float, float] | None = None

    @classmethod
    def of_map(cls, camera: Camera, lens: Lens | None = None, homography: Homography | None = None) -> "CameraGround":
        """What the map says of a camera, or the map and a `homography` that is known with its own spread, of a pose.

        A homography on the map without an error is taken to be as wrong as 1 m. `lens` replaces that of the map.
        """
        lens = lens or Lens.of_map(camera.lens)
        ground = cls(x=camera.x, y=camera.y, view=camera.view, range_m=camera.range_m, homography=homography, lens=lens)
        if homography is not None or camera.homography is None:
            return ground
        (mid_x, mid_y), _ = _moments(camera.view)
        ground = replace(ground, picture_px=camera.picture_px)
        found = Homography(camera.homography, np.zeros((9, 0))).seen_from(mid_x - camera.x, mid_y - camera.y)
        error_m = 1.0 if camera.homography_error_m is None else camera.homography_error_m
        return replace(ground, homography=found, error_m=error_m)

    @property
    def calibrated(self) -> bool:
        """Whether things have places of their own; without, speeds mean nothing."""
        return self.homography is not None

    def place(
        self, box: Floats, label: Codes, frame_height_px: Ints | float, frame_width_px: Ints | float | None = None
    ) -> Places:
        """Places (n,) in metres of the city's frame of what boxes (n, 4) of classes (n,) show, in a frame of a size.

        Without `frame_width_px` the frame is taken to be of the size that the calibration is of. NaN where the foot is
        cut off by the frame, on or above the horizon, or beyond what the lens can show.
        """
        if self.homography is None:
            return self._somewhere(len(box))
        feet = feet_of(box, label, frame_height_px)
        if self.picture_px is not None and frame_width_px is not None:
            feet = feet.scaled(self.picture_px[0] / frame_width_px, self.picture_px[1] / frame_height_px)
        u, v = (feet.u, feet.v) if self.lens is None else self.lens.straighten(feet.u, feet.v)
        seen = self.homography.place(u, np.where(feet.cut, np.nan, v), feet.sigma_u, feet.sigma_v)
        away = np.sqrt(seen.x**2 + seen.y**2)
        far = np.maximum(away, 1e-9)
        east, north = seen.x / far, seen.y / far
        behind2 = feet.behind_m**2
        drift2 = (self.error_m * np.maximum(1.0, away / self.range_m) ** 2) ** 2
        xx = seen.xx + behind2 * east * east + drift2
        yy = seen.yy + behind2 * north * north + drift2
        xy, shaken = seen.xy + behind2 * east * north, (seen.shaken_xx, seen.shaken_xy, seen.shaken_yy)
        return Places(self.x + seen.x, self.y + seen.y, xx, xy, yy, *shaken)

    def _somewhere(self, n: int) -> Places:
        (x, y), spread = _moments(self.view)
        columns = [np.full(n, value) for value in (x, y, spread[0, 0], spread[0, 1], spread[1, 1])]
        return Places(*columns, *columns[2:])


def _moments(outline: Floats) -> tuple[tuple[float, float], Floats]:
    """Middle, and covariance (2, 2) in m², of a point that lies anywhere in a polygon (k, 2), not closed.

    By Green's theorem, a sum over the edges; a polygon without area has its corners instead.
    """
    corner = outline.mean(axis=0)
    a = outline - corner
    b = np.roll(a, -1, axis=0)
    cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
    area = cross.sum() / 2.0
    if abs(area) < 1e-9:
        return (float(corner[0]), float(corner[1])), (a[:, :, None] * a[:, None, :]).mean(axis=0)
    middle = ((a + b) * cross[:, None]).sum(axis=0) / (6.0 * area)
    both = a[:, :, None] * a[:, None, :] + b[:, :, None] * b[:, None, :]
    mixed = (a[:, :, None] * b[:, None, :] + b[:, :, None] * a[:, None, :]) / 2.0
    second = ((both + mixed) * cross[:, None, None]).sum(axis=0) / (12.0 * area)
    x, y = (corner + middle).tolist()
    return (x, y), second - middle[:, None] * middle[None, :]
