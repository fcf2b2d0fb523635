"""A homography from how a camera hangs: its height, angles and focal length, each with its error.

The camera looks along f = (cos pitch · sin heading, cos pitch · cos heading, -sin pitch) in east, north, up; right of
it is r = (cos heading, -sin heading, 0), below it d = f × r, and roll turns r and d about f. The ray through the pixel
(u, v) is F·f + (u - cx)·r + (v - cy)·d, with the focal length F in pixels, and it meets flat ground `height_m` below.
"""

import math

import msgspec
import numpy as np

from city_brain.errors import CalibrationError
from city_brain.types import Floats
from city_brain.vision.ground.homography import Homography

_STEP = 1e-4
"""Of the differences that stand for derivatives: in degrees, and as a part of height and focal length."""

_RANGES = {
    "height_m": (0.1, 2000.0, "m"),
    "pitch_deg": (-89.9, 90.0, "degrees below the horizon"),
    "roll_deg": (-180.0, 180.0, "degrees clockwise"),
    "heading_deg": (-360.0, 360.0, "degrees clockwise from north"),
    "focal_px": (1.0, 1e5, "pixels"),
    "width_px": (1.0, 65_536.0, "pixels"),
    "height_px": (1.0, 65_536.0, "pixels"),
}
_ERRORS = ("height_error_m", "pitch_error_deg", "roll_error_deg", "heading_error_deg", "focal_error")


class CameraPose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a camera hangs over flat ground. Raises CalibrationError where it cannot.

    `pitch_deg` is how far below the horizon it looks, `roll_deg` how far it is turned clockwise about its own axis. Of
    `focal_px` and `fov_deg` (the horizontal angle of view) one is given. The errors are 1 σ, as a spirit level, a
    compass and a tape leave them; `focal_error` is a part of the focal length.
    """

    height_m: float
    pitch_deg: float
    heading_deg: float
    width_px: float
    height_px: float
    roll_deg: float = 0.0
    focal_px: float | None = None
    fov_deg: float | None = None
    height_error_m: float = 0.2
    pitch_error_deg: float = 0.5
    roll_error_deg: float = 0.5
    heading_error_deg: float = 1.0
    focal_error: float = 0.02

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise CalibrationError(f"camera pose: {name}: wanted {low:g} to {high:g} {unit}, got {value}")
        for name in _ERRORS:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise CalibrationError(f"camera pose: {name}: wanted 0 or more, got {value}")
        if (self.focal_px is None) == (self.fov_deg is None):
            got = "neither" if self.focal_px is None else "both"
            raise CalibrationError(f"camera pose: wanted one of focal_px and fov_deg, got {got}")
        if self.fov_deg is not None and not 1.0 <= self.fov_deg <= 170.0:
            raise CalibrationError(f"camera pose: fov_deg: wanted 1 to 170 degrees, got {self.fov_deg}")

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        if self.focal_px is not None:
            return self.focal_px
        return self.width_px / 2.0 / math.tan(math.radians(self.fov_deg or 0.0) / 2.0)

    def homography(self) -> Homography:
        """From pixels to metres east and north of the camera; raises CalibrationError where no ground is in sight."""
        given = np.array([self.height_m, self.pitch_deg, self.roll_deg, self.heading_deg, self.focal])
        steps = np.array([_STEP * self.height_m, _STEP, _STEP, _STEP, _STEP * self.focal])
        errors = (
            self.height_error_m, self.pitch_error_deg, self.roll_error_deg, self.heading_error_deg,
            self.focal_error * self.focal,
        )  # fmt: skip
        columns = []
        for k, error in enumerate(errors):
            aside = np.where(np.arange(5) == k, steps, 0.0)
            change = (self._matrix(given + aside) - self._matrix(given - aside)) / (2.0 * steps[k])
            columns.append(change.ravel() * error)
        found = Homography(self._matrix(given), np.stack(columns, axis=1))
        corners = np.array([0.0, self.width_px, 0.0, self.width_px]), np.array([0.0, 0.0, 1.0, 1.0]) * self.height_px
        if not (found.depth(*corners) > 0.0).any():
            raise CalibrationError("camera pose: wanted ground in the picture, got only what is above the horizon")
        return found

    def _matrix(self, pose: Floats) -> Floats:
        height, pitch, roll, heading, focal = pose.tolist()
        sin_p, cos_p = math.sin(math.radians(pitch)), math.cos(math.radians(pitch))
        sin_h, cos_h = math.sin(math.radians(heading)), math.cos(math.radians(heading))
        sin_r, cos_r = math.sin(math.radians(roll)), math.cos(math.radians(roll))
        forward = np.array([cos_p * sin_h, cos_p * cos_h, -sin_p])
        level = np.array([cos_h, -sin_h, 0.0])
        under = np.cross(forward, level)
        right, down = level * cos_r + under * sin_r, under * cos_r - level * sin_r
        middle = focal * forward - self.width_px / 2.0 * right - self.height_px / 2.0 * down
        rays = np.stack([right, down, middle], axis=1)
        return np.stack([height * rays[0], height * rays[1], -rays[2]])
