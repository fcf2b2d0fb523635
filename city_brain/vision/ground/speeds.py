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
from city_brain.types import Floats, Ints
from city_brain.vision.ground.homography import Places

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
        self._time_ms, self._track = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self._seen = np.empty((5, 0))
        """Along the times: x, y, and the part of their covariance xx, xy, yy that is new in every frame."""

    @property
    def remembered(self) -> int:
        """How many places are kept."""
        return len(self._track)

    def step(self, time_ms: int, track: Ints, places: Places) -> Speeds:
        """The speeds of tracks (n,), each given once, seen at `places` (n,) in the frame of a media time."""
        return self.steps(np.full(len(track), time_ms), track, places)

    def steps(self, time_ms: Ints, track: Ints, places: Places) -> Speeds:
        """The same for several frames, whose media times `time_ms` (n,) do not fall; a track comes once in a frame."""
        if len(track) == 0:
            return Speeds(*(np.zeros(0) for _ in Speeds.__slots__))
        window_ms = int(1000.0 * self.settings.window_s)
        seen = np.array([places.x, places.y, places.shaken_xx, places.shaken_xy, places.shaken_yy])
        known, now_ms, of_track = places.known, time_ms, track
        if not known.all():
            seen, now_ms, of_track = seen[:, known], time_ms[known], track[known]
        # What is kept is in the order of time; where time has jumped back, what was later is of no use.
        old, end = self._time_ms.searchsorted((time_ms[0] - window_ms, time_ms[0])).tolist()
        self._time_ms = np.concatenate([self._time_ms[old:end], now_ms])
        self._track = np.concatenate([self._track[old:end], of_track])
        self._seen = np.concatenate([self._seen[:, old:end], seen], axis=1)
        of, row = self._in_window(time_ms, track, window_ms)
        t = (self._time_ms[row] - time_ms[of]) / 1000.0
        return self._fitted(of, t, self._seen[:, row], places)

    def _in_window(self, time_ms: Ints, track: Ints, window_ms: int) -> tuple[Ints, Ints]:
        """For each of the tracks the places remembered of it, the oldest first: two columns of numbers (k,)."""
        first_ms = int(time_ms[0]) - window_ms
        span_ms = int(time_ms[-1]) - first_ms + 1
        # One number for a track and a moment, so that one search finds where a track's window begins and ends.
        moment = self._track * span_ms + (self._time_ms - first_ms)
        order = moment.argsort(kind="stable")
        moment, now = moment[order], track * span_ms + (time_ms - first_ms)
        low, end = moment.searchsorted(now - window_ms), moment.searchsorted(now, side="right")
        count = end - low
        of = np.arange(len(track)).repeat(count)
        return of, order[np.arange(len(of)) + (low - count.cumsum() + count)[of]]

    def _fitted(self, of: Ints, t: Floats, seen: Floats, places: Places) -> Speeds:
        """Lines through places `seen` (5, k) at times `t` (k,) in s, before 0, of the tracks numbered `of` (k,)."""
        n, (x, y, xx, xy, yy) = len(places.x), seen
        weight = 1.0 / np.maximum(xx + yy, 1e-12)
        count, span = np.bincount(of, minlength=n), np.zeros(n)
        span[of[::-1]] = -t[::-1]  # of those of a track the last one written stays, and is the oldest
        with np.errstate(invalid="ignore", divide="ignore"):
            whole, moment = _totals(of, n, weight, weight * t)
            t = t - (moment / whole)[of]
            pull = weight * t
            pull2 = pull * pull
            lever, by_x, by_y, xx, xy, yy = _totals(
                of, n, pull * t, pull * x, pull * y, pull2 * xx, pull2 * xy, pull2 * yy
            )
            lever[(count < 3) | (span < self.settings.least_span_s)] = np.nan
            sway = self.settings.sway_s / span
            alike = 1.0 + 2.0 * sway * (count - 1) * np.maximum(1.0 - 3.0 * sway, _LEAST_ALIKE)
            shaken = alike / lever**2
            return self._turned(by_x / lever, by_y / lever, (shaken * xx, shaken * xy, shaken * yy), places)

    def _turned(self, vx: Floats, vy: Floats, spread: tuple[Floats, Floats, Floats], places: Places) -> Speeds:
        """Velocities (n,) east and north with their covariance, as speed and heading."""
        xx, xy, yy = spread
        speed = np.sqrt(vx * vx + vy * vy)
        east, north = vx / speed, vy / speed
        along2 = xx * east**2 + 2.0 * xy * east * north + yy * north**2
        across2 = np.maximum(xx + yy - along2, 0.0)
        shared2 = (places.xx - places.shaken_xx + places.yy - places.shaken_yy) / 2.0
        scale2 = 4.0 * shared2 / np.maximum((places.x - self.x) ** 2 + (places.y - self.y) ** 2, 1.0)
        error = np.sqrt(np.where(speed > 0.0, along2, (xx + yy) / 2.0) + scale2 * speed**2)
        clear = (speed >= self.settings.least_speed_mps) & (speed >= 2.0 * error)
        heading = np.where(clear, np.degrees(np.arctan2(vx, vy)) % 360.0, np.nan)
        off = np.where(clear, np.degrees(np.sqrt(across2 / speed**2 + scale2)), np.nan)
        return Speeds(speed, error, heading, off)


def _totals(of: Ints, n: int, *values: Floats) -> Floats:
    """Sums (values, n) of several columns (k,) by the number `of` (k,) of a track, each added in the order of rows."""
    at = of + n * np.arange(len(values))[:, None]
    sums = np.bincount(at.ravel(), weights=np.concatenate(values), minlength=n * len(values))
    return sums.astype(np.float64, copy=False).reshape(-1, n)
