"""Speed and heading of tracks, from where they were on the ground in the last second and a half.

A straight line is fitted to the places of a track over time, weighted by how well each is known (weighted least
squares; the variance of its slope is carried from that of the places). Two things are added to that:

- the edges of a box sway for some tenths of a second, so neighbouring errors are alike: the variance is multiplied by
  1 + 2·τ/dt · (1 - 3·τ/T), which is what a correlation of e^(-t/τ) between frames dt apart does to a slope over a time
  T much longer than τ (the integral of the kernel, and its loss at both ends);
- an error that all places of a camera share is no error of difference, but one of scale and direction: twice its part
  of the distance, since a wrong pitch stretches speeds along the line of sight twice as much as distances.
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.errors import SettingsError
from city_brain.numerics import segment_sum
from city_brain.table import Table
from city_brain.types import Floats, Ints
from city_brain.vision.ground.homography import Places

_SCHEMA = {
    "track": np.int64,
    "time_ms": np.int64,
    **dict.fromkeys(("x", "y", "xx", "xy", "yy"), np.float64),
}


_LEAST_ALIKE = 0.25
"""The bracket above never counts for less: over a short time its two terms are not all there is."""


class SpeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`window_s`: how far back places count. `least_span_s`: a track seen for less has no speed. `sway_s`: τ above.

    `least_speed_mps`: below it a track has no heading; neither has one whose speed is less than twice its error.
    """

    window_s: float = 1.5
    least_span_s: float = 0.4
    sway_s: float = 0.2
    least_speed_mps: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("window_s", 0.1, 60.0), ("least_span_s", 0.0, self.window_s), ("sway_s", 0.0, 10.0),
            ("least_speed_mps", 0.0, 100.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SettingsError(f"speeds: {name}: wanted {low:g} to {high:g}, got {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Speeds:
    """Columns (n,) along the tracks asked for: NaN where too little is known. Headings are in degrees clockwise from
    north; errors are 1 σ.
    """

    speed_mps: Floats
    speed_error_mps: Floats
    heading_deg: Floats
    heading_error_deg: Floats


class Speedometer:
    """Remembers the places of one camera's tracks for the length of the window; the camera stands at (`x`, `y`).

    Memory: 56 bytes for each track and frame within the window.
    """

    def __init__(self, x: float, y: float, settings: SpeedSettings | None = None) -> None:
        self.x, self.y = x, y
        self.settings = settings or SpeedSettings()
        self._kept = Table(_SCHEMA)

    @property
    def remembered(self) -> int:
        """How many places are kept."""
        return self._kept.n

    def step(self, time_ms: int, track: Ints, places: Places) -> Speeds:
        """The speeds of tracks (n,), each given once, seen at `places` (n,) in the frame of a media time."""
        kept, limits = self._kept, self.settings
        age_ms = time_ms - kept["time_ms"]
        kept.keep((age_ms > 0) & (age_ms <= 1000.0 * limits.window_s))
        known = places.known
        new = {name: getattr(places, name)[known] for name in ("x", "y")}
        new |= {name: getattr(places, f"shaken_{name}")[known] for name in ("xx", "xy", "yy")}
        kept.append(int(known.sum()), track=track[known], time_ms=time_ms, **new)
        order = track.argsort(kind="stable")
        row = track[order].searchsorted(kept["track"]) if len(track) else np.zeros(kept.n, np.int64)
        mine = (row < len(track)) & (track[order].take(row, mode="clip") == kept["track"]) if len(track) else row > 0
        chosen = {name: kept[name][mine] for name in ("time_ms", "x", "y", "xx", "xy", "yy")}
        return self._fitted(time_ms, order[row[mine]], len(track), chosen, places)

    def _fitted(self, time_ms: int, of: Ints, n: int, kept: dict[str, Floats], places: Places) -> Speeds:
        t = (kept["time_ms"] - time_ms) / 1000.0
        weight = 1.0 / np.maximum(kept["xx"] + kept["yy"], 1e-12)

        def total(values: Floats) -> Floats:
            return segment_sum(values, of, n)

        count, span = np.bincount(of, minlength=n), np.zeros(n)
        np.maximum.at(span, of, -t)
        with np.errstate(invalid="ignore", divide="ignore"):
            t = t - (total(weight * t) / total(weight))[of]
            lever = total(weight * t * t)
            lever[(count < 3) | (span < self.settings.least_span_s)] = np.nan
            vx, vy = total(weight * t * kept["x"]) / lever, total(weight * t * kept["y"]) / lever
            sway = self.settings.sway_s / span
            alike = 1.0 + 2.0 * sway * (count - 1) * np.maximum(1.0 - 3.0 * sway, _LEAST_ALIKE)
            xx, xy, yy = (alike * total((weight * t) ** 2 * kept[name]) / lever**2 for name in ("xx", "xy", "yy"))
            return self._turned(vx, vy, (xx, xy, yy), places)

    def _turned(self, vx: Floats, vy: Floats, spread: tuple[Floats, Floats, Floats], places: Places) -> Speeds:
        """Velocities (n,) east and north with their covariance, as speed and heading."""
        xx, xy, yy = spread
        speed = np.sqrt(vx * vx + vy * vy)
        east, north = vx / speed, vy / speed
        along2 = xx * east**2 + 2.0 * xy * east * north + yy * north**2
        across2 = xx * north**2 - 2.0 * xy * east * north + yy * east**2
        shared2 = (places.xx - places.shaken_xx + places.yy - places.shaken_yy) / 2.0
        scale2 = 4.0 * shared2 / np.maximum((places.x - self.x) ** 2 + (places.y - self.y) ** 2, 1.0)
        error = np.sqrt(np.where(speed > 0.0, along2, (xx + yy) / 2.0) + scale2 * speed**2)
        clear = (speed >= self.settings.least_speed_mps) & (speed >= 2.0 * error)
        heading = np.where(clear, np.degrees(np.arctan2(vx, vy)) % 360.0, np.nan)
        off = np.where(clear, np.degrees(np.sqrt(across2 / speed**2 + scale2)), np.nan)
        return Speeds(speed, error, heading, off)
