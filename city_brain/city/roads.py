"""Lanes and roads as columns, and the matching of points to lanes.

Everything is derived from the centre lines and the `road` of each lane: which pieces continue one another, how far the
stop line is, which road comes the other way, on which side people drive. A map without lanes gives `empty` roads, which
match nothing.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.city.city_map import CityMap
from city_brain.city.grid.cells import BLOCK, ragged
from city_brain.city.grid.segments import Feet, SegmentGrid, Segments
from city_brain.city.network import roadside
from city_brain.city.network.chains import DROP_M, LaneEnds, link_lanes, metres_to_stop, turn_lanes
from city_brain.city.network.onward import Onward, straight_on, through_intersections
from city_brain.numerics import segment_sum
from city_brain.types import Bools, Floats, Indices, Ints

REACH_M = 12.0
"""Points farther than this from every lane match none."""

SAME_DIRECTION = 0.5
"""Least cosine between two directions that agree (60°); its negative for opposite ones."""


@dataclass(frozen=True, slots=True)
class LaneMatch:
    """Where points (n,) are on the network; without a lane: -1, NaN metres, no direction, infinite distance.

    `offset_m`: lateral, positive to the right of travel. `along_m`: from the road's start; `to_stop_m`: to its stop
    line, both along the road. `ux, uy`: unit direction of travel at the foot of the point.
    """

    lane: Indices
    road: Indices
    offset_m: Floats
    along_m: Floats
    to_stop_m: Floats
    ux: Floats
    uy: Floats
    distance_m: Floats

    @classmethod
    def none(cls, n: int) -> "LaneMatch":
        """No lane for any of n points."""
        lane, road = np.full(n, -1, dtype=np.int32), np.full(n, -1, dtype=np.int32)
        offset, along, to_stop = (np.full(n, np.nan) for _ in range(3))
        return cls(lane, road, offset, along, to_stop, np.zeros(n), np.zeros(n), np.full(n, np.inf))


class Roads:
    """The lanes (L,) and roads (R,) of a city; lanes are in the order of `CityMap.lanes`, roads sorted by id.

    Lanes: `lane_id`, `road`, `width_m`, `speed_limit_mps`, `length_m`, `lane_to_stop_m` (from the lane's end),
    `end_x`, `end_y`, `end_ux`, `end_uy`, `start_intersection`, `end_intersection` (of their road, -1 if none),
    `turn_lane` (branches off on the way), `kerb_lane` and `inner_lane` (outermost and innermost of their road).
    Roads: `road_id`, `road_length_m`, `road_start_xy`, `road_end_xy`, `road_start_u`, `road_end_u` (R, 2),
    `road_start_intersection`, `road_end_intersection`, `opposite_road` (-1 if none), and `drives_on_right`.
    """

    def __init__(self, city: CityMap) -> None:
        lanes = city.lanes
        self.empty = not lanes
        self.lane_id = tuple(lane.id for lane in lanes)
        self.road_id: tuple[str, ...] = tuple(sorted({lane.road for lane in lanes}))
        numbers = {road: number for number, road in enumerate(self.road_id)}
        self.road: Indices = np.array([numbers[lane.road] for lane in lanes], dtype=np.int32)
        self.width_m: Floats = np.array([lane.width_m for lane in lanes], dtype=np.float64)
        self.speed_limit_mps: Floats = np.array([lane.speed_limit_mps for lane in lanes], dtype=np.float64)
        points = np.concatenate([lane.line for lane in lanes]) if lanes else np.empty((0, 2))
        counts = np.array([len(lane.line) for lane in lanes], dtype=np.int64)
        self._grid = SegmentGrid(Segments.from_lines(points, counts), REACH_M)
        self._join()
        self._find_ends(city)
        self._find_sides()
        self._find_onward()

    def _join(self) -> None:
        ends = LaneEnds.from_grid(self._grid, self.road)
        links = link_lanes(self._grid, ends)
        self.length_m = ends.length_m
        self.end_x, self.end_y, self.end_ux, self.end_uy = ends.end_x, ends.end_y, ends.end_ux, ends.end_uy
        self.lane_to_stop_m = metres_to_stop(ends, links)
        whole = self.length_m + self.lane_to_stop_m
        self.road_length_m: Floats = np.zeros(len(self.road_id))
        np.maximum.at(self.road_length_m, self.road, whole)
        late = self.road_length_m[self.road] - whole > DROP_M
        self.turn_lane: Bools = turn_lanes(ends, links, late)
        last = np.ones(len(self.road), dtype=np.bool_)
        last[links.lane] = False
        self.road_start_xy, self.road_start_u = self._mean_ends(
            ~late, ends.start_x, ends.start_y, ends.start_ux, ends.start_uy
        )
        self.road_end_xy, self.road_end_u = self._mean_ends(
            last | (self.lane_to_stop_m <= 0.0), ends.end_x, ends.end_y, ends.end_ux, ends.end_uy
        )

    def _mean_ends(self, chosen: Bools, x: Floats, y: Floats, ux: Floats, uy: Floats) -> tuple[Floats, Floats]:
        road = self.road[chosen].astype(np.int64)
        roads = len(self.road_id)
        lanes = np.maximum(segment_sum(np.ones(len(road)), road, roads), 1.0)
        mean = [segment_sum(column[chosen], road, roads) / lanes for column in (x, y, ux, uy)]
        length = np.sqrt(mean[2] * mean[2] + mean[3] * mean[3])
        length[length == 0.0] = 1.0
        return np.stack(mean[:2], axis=1), np.stack([mean[2] / length, mean[3] / length], axis=1)

    def _find_ends(self, city: CityMap) -> None:
        start, end = self.road_start_xy, self.road_end_xy
        start_u, end_u = self.road_start_u, self.road_end_u
        at = roadside.intersections_at
        self.road_end_intersection = at(city.intersections, end[:, 0], end[:, 1], end_u[:, 0], end_u[:, 1])
        self.road_start_intersection = at(city.intersections, start[:, 0], start[:, 1], -start_u[:, 0], -start_u[:, 1])
        self.start_intersection: Indices = self.road_start_intersection[self.road]
        self.end_intersection: Indices = self.road_end_intersection[self.road]

    def _find_sides(self) -> None:
        every = np.arange(len(self.road))
        x, y, ux, uy = roadside.points_at(self._grid, self.length_m, every, self.length_m / 2)
        point, lane, left = roadside.nearest_opposing(self._grid, x, y, ux, uy)
        self.drives_on_right = bool(np.count_nonzero(left < 0) <= np.count_nonzero(left > 0))
        opposite = roadside.opposite_by_ends(self.road_start_xy, self.road_end_xy, self.road_length_m)
        beside = np.full(len(opposite), -1, dtype=np.int64)
        beside[self.road[point]] = self.road[lane]
        self.opposite_road: Indices = np.where(opposite >= 0, opposite, beside).astype(np.int32)
        kerb = 1.0 if self.drives_on_right else -1.0
        aside, near = self.width_m, 0.6 * self.width_m
        probe = roadside.has_neighbour
        right_x, right_y = kerb * aside * uy, -kerb * aside * ux
        self.kerb_lane: Bools = ~probe(self._grid, self.road, x + right_x, y + right_y, near)
        self.inner_lane: Bools = ~probe(self._grid, self.road, x - right_x, y - right_y, near)

    def _find_onward(self) -> None:
        road, onto = through_intersections(self.road_end_intersection, self.road_start_intersection, self.opposite_road)
        cut = np.flatnonzero(self.road_end_intersection < 0)
        cut_road, cut_onto = straight_on(self._grid, self.road, self.road_end_xy, self.road_end_u, cut)
        road, onto = np.concatenate([road, cut_road]), np.concatenate([onto, cut_onto])
        self._downstream = Onward.from_pairs(road, onto, len(self.road_id))
        self._upstream = Onward.from_pairs(onto, road, len(self.road_id))

    def downstream(self, road: int) -> Indices:
        """Roads that one reaches at the end of `road` without turning back, ascending."""
        return self._downstream.of(road)

    def upstream(self, road: int) -> Indices:
        """Roads from which one reaches `road` without turning back, ascending."""
        return self._upstream.of(road)

    def cell_middles(self, cell_m: float) -> tuple[Ints, Ints, Floats, Floats]:
        """Where lanes pass the middles of the cells into which roads are cut: lane, cell number in its road, x, y."""
        end = self.road_length_m[self.road] - self.lane_to_stop_m
        start = np.maximum(end - self.length_m, 0.0)
        low, high = np.floor(start / cell_m).astype(np.int64), np.floor(end / cell_m).astype(np.int64)
        lane, within = ragged(high - low + 1)
        cell = low[lane] + within
        road_end = self.road_length_m[self.road[lane]]
        middle = (cell * cell_m + np.minimum((cell + 1) * cell_m, road_end)) / 2
        passed = (middle >= start[lane]) & (middle < end[lane])
        lane, cell, station = lane[passed], cell[passed], (middle - start[lane])[passed]
        x, y, _, _ = roadside.points_at(self._grid, self.length_m, lane, station)
        return lane, cell, x, y

    def match(self, x: Floats, y: Floats, besides: Indices | None = None) -> LaneMatch:
        """The nearest lane of points (n,) in metres, within 12 m; with `besides` (n,), the nearest of the others."""
        return self._in_blocks(x, y, None, besides)

    def match_same_direction(
        self, x: Floats, y: Floats, hx: Floats, hy: Floats, besides: Indices | None = None
    ) -> LaneMatch:
        """The nearest lane that leads within 60° of the unit heading (hx, hy) (n,); none where the heading is 0."""
        return self._in_blocks(x, y, (hx, hy), besides)

    def match_opposite(self, x: Floats, y: Floats, hx: Floats, hy: Floats, besides: Indices | None = None) -> LaneMatch:
        """The nearest lane that leads within 60° against the unit heading (hx, hy) (n,); none where it is 0."""
        return self._in_blocks(x, y, (-hx, -hy), besides)

    def _in_blocks(
        self, x: Floats, y: Floats, heading: tuple[Floats, Floats] | None, besides: Indices | None
    ) -> LaneMatch:
        match = LaneMatch.none(len(x))
        if self.empty:
            return match
        s = self._grid.segments
        for start in range(0, len(x), BLOCK):
            block = slice(start, start + BLOCK)
            bx, by = x[block], y[block]
            feet = self._grid.feet(bx, by)
            wanted: Bools | None = None
            if heading is not None:
                hx, hy = np.repeat(heading[0][block], feet.counts), np.repeat(heading[1][block], feet.counts)
                wanted = hx * s.ux.take(feet.piece) + hy * s.uy.take(feet.piece) > SAME_DIRECTION
            if besides is not None:
                other: Bools = s.line.take(feet.piece) != np.repeat(besides[block], feet.counts)
                wanted = other if wanted is None else wanted & other
            point, row = feet.nearest(wanted)
            self._fill(match, start, bx, by, feet, point, row)
        return match

    def _fill(self, match: LaneMatch, start: int, x: Floats, y: Floats, feet: Feet, point: Ints, row: Ints) -> None:
        s = self._grid.segments
        piece, along = feet.piece[row], feet.along_m[row]
        lane, ux, uy = s.line[piece], s.ux[piece], s.uy[piece]
        to_stop = np.maximum(self.length_m[lane] - s.before_m[piece] - along, 0.0) + self.lane_to_stop_m[lane]
        at = point + start
        match.lane[at] = lane
        match.road[at] = self.road[lane]
        match.offset_m[at] = (x[point] - s.ax[piece]) * uy - (y[point] - s.ay[piece]) * ux
        match.to_stop_m[at] = to_stop
        match.along_m[at] = self.road_length_m[self.road[lane]] - to_stop
        match.ux[at], match.uy[at] = ux, uy
        match.distance_m[at] = np.sqrt(feet.distance2[row])
