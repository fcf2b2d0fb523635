"""Vehicles in order along their roads, and the leader of each: the nearest vehicle ahead in its own lane.

Vehicles are sorted by (road, metres to the stop line). A leader lies a little further on in that order, so a few
shifted comparisons of whole columns find it; lanes need no names, only the lateral distance counts.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.numerics import stable_order
from city_brain.types import Bools, Floats, Ints

LOOK_AHEAD = 10
"""Places in the order that are compared: three or four vehicles ahead in each of three lanes."""

NEAREST_M = 4.0
"""Vehicles in one lane cannot stand closer, centre to centre; nearer ones are one vehicle seen twice, or abreast."""

LANE_M = 1.9
"""Lateral distance within which two vehicles are in one lane: half a lane and what cameras are off."""

CLOSE_M = 10.0
CLOSE_LANE_M = 2.3
"""Right behind a vehicle that stands half in the lane there is no way past without changing lanes."""

OTHER_LANE_M = 2.4
"""Lateral distance from which on two vehicles are in two lanes, and not one vehicle seen twice."""

BESIDE_M = 25.0
LOOK_BESIDE = 6

ROAD_SPAN_M = 1.0e6
"""More than the length of any road: keys of (road, metres) as one number."""


@dataclass(frozen=True, slots=True)
class RoadOrder:
    """Vehicles (n,) in order of (road, `to_stop_m`): place in m, lane direction, speed in m/s, `row` of the caller."""

    road: Ints
    to_stop_m: Floats
    x: Floats
    y: Floats
    ux: Floats
    uy: Floats
    speed: Floats
    row: Ints

    @classmethod
    def sort(cls, road: Ints, to_stop_m: Floats, places: tuple[Floats, ...], speed: Floats, row: Ints) -> "RoadOrder":
        """Sorts vehicles in any order; `places` are x, y, ux, uy; equal places stay in the caller's order."""
        order = stable_order(road, stable_order(to_stop_m))
        x, y, ux, uy = (column[order] for column in places)
        return cls(road[order], to_stop_m[order], x, y, ux, uy, speed[order], row[order])

    def leaders(self) -> tuple[Ints, Floats]:
        """Place in this order (n,) of each vehicle's leader, -1 for none, and metres between centres, else inf."""
        n = len(self.road)
        leader, gap = np.full(n, -1, dtype=np.int64), np.full(n, np.inf)
        for back in range(1, min(LOOK_AHEAD, n - 1) + 1):
            me, other = slice(back, n), slice(0, n - back)
            dx, dy = self.x[other] - self.x[me], self.y[other] - self.y[me]
            along = dx * self.ux[me] + dy * self.uy[me]
            across = dx * self.uy[me] - dy * self.ux[me]
            width = np.where(along <= CLOSE_M, CLOSE_LANE_M, LANE_M)
            ahead: Bools = (self.road[other] == self.road[me]) & (along >= NEAREST_M) & (np.abs(across) <= width)
            nearer = np.flatnonzero(ahead & (along < gap[me]))
            gap[nearer + back] = along[nearer]
            leader[nearer + back] = nearer
        return leader, gap

    def beside(self, slow: Bools) -> Bools:
        """Whether a slow vehicle of another lane of its road is within `BESIDE_M` of each vehicle (n,)."""
        n = len(self.road)
        found = np.zeros(n, dtype=np.bool_)
        for back in range(1, min(LOOK_BESIDE, n - 1) + 1):
            me, other = slice(back, n), slice(0, n - back)
            near = (self.road[other] == self.road[me]) & (self.to_stop_m[me] - self.to_stop_m[other] <= BESIDE_M)
            dx, dy = self.x[other] - self.x[me], self.y[other] - self.y[me]
            near &= np.abs(dx * self.uy[me] - dy * self.ux[me]) > OTHER_LANE_M
            found[me] |= near & slow[other]
            found[other] |= near & slow[me]
        return found


def passed(road: Ints, from_m: Floats, to_m: Floats, stand_road: Ints, stand_m: Floats) -> Ints:
    """How many vehicles (m,) passed each stand (k,): it lies on their way from `from_m` to `to_m` before the stop."""
    order = stable_order(stand_road, stable_order(stand_m))
    places = stand_road[order] * ROAD_SPAN_M + stand_m[order]
    first = np.searchsorted(places, road * ROAD_SPAN_M + to_m, side="left")
    after = np.searchsorted(places, road * ROAD_SPAN_M + from_m, side="left")
    steps = np.bincount(first, minlength=len(order) + 1) - np.bincount(after, minlength=len(order) + 1)
    count = np.zeros(len(order), dtype=np.int64)
    count[order] = np.cumsum(steps)[:-1]
    return count
