"""Which roads follow which: through an intersection, or straight on where a road is cut without one."""

from dataclasses import dataclass

import numpy as np

from city_brain.city.grid.cells import BLOCK, ragged
from city_brain.city.grid.segments import SegmentGrid
from city_brain.types import Floats, Indices, Ints

_AGREES = 0.5
_TOUCH_M = 5.0


@dataclass(frozen=True, slots=True)
class Onward:
    """Roads after each road: `roads[first[r] : first[r + 1]]`, ascending."""

    first: Ints
    roads: Indices

    def of(self, road: int) -> Indices:
        """The roads after one road."""
        return self.roads[self.first[road] : self.first[road + 1]]

    @classmethod
    def from_pairs(cls, road: Ints, onto: Ints, roads: int) -> "Onward":
        """Builds the lists from (road, onto) pairs in any order, repeats allowed."""
        pairs = np.unique(road * max(roads, 1) + onto)
        road, onto = pairs // max(roads, 1), pairs % max(roads, 1)
        counts = np.bincount(road, minlength=roads)
        return cls(np.concatenate([[0], np.cumsum(counts)]), onto.astype(np.int32))


def through_intersections(ends_at: Indices, starts_at: Indices, opposite: Indices) -> tuple[Ints, Ints]:
    """(road, onto) for every road that ends at an intersection and every other that begins there, not back."""
    order = np.argsort(starts_at, kind="stable").astype(np.int64)
    sorted_starts = starts_at[order]
    first = np.searchsorted(sorted_starts, ends_at, side="left")
    last = np.searchsorted(sorted_starts, ends_at, side="right")
    road, within = ragged(np.where(ends_at >= 0, last - first, 0))
    onto = order[first[road] + within]
    kept = (opposite[road] != onto) & (road != onto)
    return road[kept], onto[kept]


def straight_on(
    grid: SegmentGrid, road_of_lane: Indices, end_xy: Floats, end_u: Floats, cut: Ints
) -> tuple[Ints, Ints]:
    """(road, onto) for the roads `cut` (their indices) that end on a lane of another road leading the same way."""
    roads, ontos = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    s = grid.segments
    for start in range(0, len(cut), BLOCK):
        road = cut[start : start + BLOCK]
        feet = grid.feet(end_xy[road, 0], end_xy[road, 1])
        from_road = road[feet.point]
        onto = road_of_lane[s.line[feet.piece]].astype(np.int64)
        cosine = end_u[from_road, 0] * s.ux[feet.piece] + end_u[from_road, 1] * s.uy[feet.piece]
        fit = (cosine > _AGREES) & (feet.distance2 <= _TOUCH_M * _TOUCH_M) & (onto != from_road)
        roads.append(from_road[fit])
        ontos.append(onto[fit])
    return np.concatenate(roads), np.concatenate(ontos)
