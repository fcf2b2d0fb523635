"""One source of a plume: where it is, what it gives since when, and what it can explain.

A source explains a hot sensor if, with its strength within a factor and the wind within some degrees, it could have
brought that much there by then.
"""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.environment.plume.fit import Fit
from city_brain.incidents.detectors.environment.plume.kernel import Wind, along_across, travel_s, unit_plume
from city_brain.types import Bools, Floats, Ints

REACH_M = 1_000.0
"""Sensors farther from a plume's strongest sensor say nothing about its source."""

STRENGTH_FACTOR = 4.0
FARTHEST_M = 5_000.0
"""A plume is taken to reach no farther: beyond, no instrument tells it from the city's air."""

ASIDE_SHARE = 0.18
"""Tangent of how far off the mean wind air may travel: 10 degrees."""

ASIDE_M = 15.0
MOST_UNSURE_M = 60.0
EARLY_SHARE = 0.6
EARLY_MS = 25_000.0
LATE_SHARE = 1.6
LATE_MS = 60_000.0
"""Gusts and lulls: shares of the mean travel time in which air may come, with what the periods of sensors hide."""

STILL_GIVES = 1 << 62

FIRE_MAY_G_S = 6.0
"""What a fire seen on camera may give whatever sensors beside its plume have told: fires grow, and smoke lifts."""

FIT_EVERY_MS = 10_000


class Source(msgspec.Struct):
    """One source. `number` in order of discovery; `fixed` where a camera sees it; `since_ms` its first hot reading,
    on channel `found_by`.

    `x`, `y`, `error_m` metres; `strength` g/s, or 0 while nothing is known; `start_ms` when it began to give,
    `end_ms` when it ceased, as its nearest sensor tells; `wind_*` sums of unit vector and speed over `wind_n` looks.
    """

    number: int
    quantity: int
    fixed: bool
    x: float
    y: float
    error_m: float
    strength: float
    start_ms: int
    since_ms: int
    found_by: int = -1
    end_ms: int = STILL_GIVES
    wind_east: float = 0.0
    wind_north: float = 0.0
    wind_speed: float = 0.0
    wind_n: int = 0
    members: int = 0
    log_evidence: float = 0.0
    fit_due_ms: int = 0

    def look(self, scene: Scene) -> None:
        """Takes the present wind at the source into its mean."""
        wind = scene.sensors.weather.wind_at(self.x, self.y)
        if wind is not None:
            self.wind_east, self.wind_north = self.wind_east + wind[0], self.wind_north + wind[1]
            self.wind_speed, self.wind_n = self.wind_speed + wind[2], self.wind_n + 1

    @property
    def wind(self) -> Wind | None:
        """The mean wind since it was found, None where no vane has told."""
        length = (self.wind_east**2 + self.wind_north**2) ** 0.5
        if self.wind_n == 0 or length < 0.2 * self.wind_n:
            return None
        return Wind(self.wind_east / length, self.wind_north / length, self.wind_speed / self.wind_n)

    def may_reach(self, x: float, y: float) -> bool:
        """Whether a place is so near that it may add something there."""
        return (x - self.x) ** 2 + (y - self.y) ** 2 <= FARTHEST_M**2

    def adds(self, x: Floats, y: Floats, now_ms: Ints | int) -> Floats:
        """What it adds (n,) in ug/m3 at places (n,) by a time."""
        if self.wind is None or self.strength == 0.0:
            return np.zeros(len(x))
        along, across = along_across(x - self.x, y - self.y, self.wind)
        way_ms = 1000 * travel_s(along, self.wind.speed_mps)
        reached = (now_ms - self.start_ms >= way_ms) & (now_ms - self.end_ms <= LATE_SHARE * way_ms + LATE_MS)
        return np.where(reached, self.strength * unit_plume(along, across, self.wind.speed_mps), 0.0)

    def explains(self, x: Floats, y: Floats, excess: Floats, first_ms: Ints) -> Bools:
        """Whether it could have brought an `excess` (n,) in ug/m3 to places (n,) by `first_ms` (n,)."""
        if self.wind is None:
            return (x - self.x) ** 2 + (y - self.y) ** 2 <= (0.3 * REACH_M) ** 2
        along, across = along_across(x - self.x, y - self.y, self.wind)
        unsure = min(self.error_m, MOST_UNSURE_M)
        along = along + unsure
        slack = ASIDE_M + unsure + ASIDE_SHARE * np.maximum(along, 0.0)
        across = np.maximum(np.abs(across) - slack, 0.0)
        strength = max(STRENGTH_FACTOR * self.strength, FIRE_MAY_G_S if self.fixed else 0.0)
        enough = excess <= strength * unit_plume(along, across, self.wind.speed_mps)
        soonest_ms = 1000 * EARLY_SHARE * travel_s(along - 2 * self.error_m, self.wind.speed_mps) - EARLY_MS
        latest_ms = 1000 * LATE_SHARE * travel_s(along, self.wind.speed_mps) + LATE_MS
        answer: Bools = enough & (first_ms - self.start_ms >= soonest_ms) & (first_ms - self.end_ms <= latest_ms)
        return answer

    def look_for_end(self, along: Floats, hot: Bools, last_ms: Ints) -> None:
        """Takes from its sensors (n,), so far downwind, hot or not since `last_ms`, whether it still gives."""
        nearest = int(np.argmin(along))
        if hot[nearest] or self.wind is None:
            self.end_ms = STILL_GIVES
            return
        self.end_ms = int(last_ms[nearest]) - round(1000 * float(travel_s(along, self.wind.speed_mps)[nearest]))

    def place(self, fit: Fit) -> None:
        """Takes what a fit found."""
        self.x, self.y, self.error_m, self.strength = fit.x, fit.y, fit.error_m, fit.strength
        self.start_ms, self.log_evidence = round(1000 * fit.start_s), fit.log_evidence

    def fit_is_due(self, now_ms: int, members: int) -> bool:
        """Whether to fit again: with other sensors at once, else often while it is new, seldom when little changes."""
        if now_ms < self.fit_due_ms and members == self.members:
            return False
        self.fit_due_ms, self.members = now_ms + max(FIT_EVERY_MS, (now_ms - self.since_ms) // 5), members
        return True
