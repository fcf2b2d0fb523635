"""Intersections as drivers and signal controllers see them: approaches by compass side, exits, movements.

An approach is named by the side of the junction on which its road lies, as signal controllers name it: traffic of
approach N comes from the north and heads south.
"""

import numpy as np

from city_brain.city.city_map import CityMap
from city_brain.city.grid.cells import ragged
from city_brain.city.roads import Roads
from city_brain.numerics import find_sorted, first_of_run
from city_brain.types import Bools, Codes, Floats, Indices, Ints

SIDES = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
"""Compass sides by index, clockwise from north."""

LEFT, THROUGH, RIGHT, UTURN, NO_MOVEMENT = 0, 1, 2, 3, 255
MOVEMENTS = ("left", "through", "right", "uturn")
"""Movements by code."""

_TAN_22_5 = 0.41421356237309503
_COS_45 = 0.7071067811865476


class Junctions:
    """Approaches and exits of roads (R,), numbered as in `Roads`, at intersections, numbered as in `CityMap`.

    `approach_side`, `exit_side` (R,): index into SIDES, -1 where the road does not end, or begin, at an intersection.
    `approach_intersection`, `exit_intersection` (R,): -1 likewise. `stop_xy` (R, 2): middle of the road's stop line.
    `movements` (R, 4): which movements the road's end leads to. `centre_xy` (intersections, 2). `signal_intersection`
    (signals,): the intersection of each signal of the map.
    """

    def __init__(self, city: CityMap, roads: Roads) -> None:
        centres = [(intersection.x, intersection.y) for intersection in city.intersections]
        self.centre_xy: Floats = np.array(centres, dtype=np.float64).reshape(-1, 2)
        numbers = {intersection.id: number for number, intersection in enumerate(city.intersections)}
        self.signal_intersection: Indices = np.array([numbers[s.intersection] for s in city.signals], dtype=np.int32)
        self.approach_intersection = roads.road_end_intersection
        self.exit_intersection = roads.road_start_intersection
        self.stop_xy = roads.road_end_xy
        self._roads = len(roads.road_id)
        self._name_sides(roads)
        self._turn(roads)

    def approach_of(self, road: Indices) -> tuple[Indices, Indices]:
        """(intersection, side) (n,) at the end of roads (n,); -1 where there is none, or for road -1."""
        return _picked(self.approach_intersection, road), _picked(self.approach_side, road)

    def exit_of(self, road: Indices) -> tuple[Indices, Indices]:
        """(intersection, side) (n,) at the start of roads (n,); -1 where there is none, or for road -1."""
        return _picked(self.exit_intersection, road), _picked(self.exit_side, road)

    def movement(self, in_road: Indices, out_road: Indices) -> Codes:
        """The movement (n,) from approaches (n,) to exits (n,): left 0, through 1, right 2, uturn 3.

        255 where either is -1 or the two do not meet at one intersection.
        """
        known = (in_road >= 0) & (out_road >= 0)
        pair = np.where(known, in_road.astype(np.int64) * max(self._roads, 1) + out_road, -1)
        at = find_sorted(self._turn_pairs, pair)
        if len(self._turn_pairs) == 0:
            return np.full(len(pair), NO_MOVEMENT, dtype=np.uint8)
        return np.where(at >= 0, self._turn_codes[at], NO_MOVEMENT).astype(np.uint8)

    def approaches(self, intersection: int) -> Indices:
        """Roads that end at an intersection, ascending."""
        return np.flatnonzero(self.approach_intersection == intersection).astype(np.int32)

    def exits(self, intersection: int) -> Indices:
        """Roads that begin at an intersection, ascending."""
        return np.flatnonzero(self.exit_intersection == intersection).astype(np.int32)

    def _name_sides(self, roads: Roads) -> None:
        self.approach_side: Indices = _sides(-roads.road_end_u)
        self.exit_side: Indices = _sides(roads.road_start_u)
        self.approach_side[self.approach_intersection < 0] = -1
        self.exit_side[self.exit_intersection < 0] = -1
        _part(self.approach_intersection, self.approach_side, -roads.road_end_u)
        back = roads.opposite_road
        paired = (back >= 0) & (self.exit_intersection >= 0)
        paired &= self.exit_intersection == self.approach_intersection[back]
        self.exit_side[paired] = self.approach_side[back[paired]]

    def _turn(self, roads: Roads) -> None:
        """Tables the movement of every pair of an approach and an exit of one intersection."""
        order = np.argsort(self.exit_intersection, kind="stable").astype(np.int64)
        starts = self.exit_intersection[order]
        first = np.searchsorted(starts, self.approach_intersection, side="left")
        last = np.searchsorted(starts, self.approach_intersection, side="right")
        into, within = ragged(np.where(self.approach_intersection >= 0, last - first, 0))
        out = order[first[into] + within]
        a, b = roads.road_end_u[into], roads.road_start_u[out]
        ahead = a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1]
        left = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        back = (roads.opposite_road[into] == out) | (self.approach_side[into] == self.exit_side[out])
        order = np.lexsort((out, -ahead, into))
        straightest = np.zeros(len(into), dtype=np.bool_)
        straightest[order[first_of_run(into[order])]] = True
        code = np.where(left > 0, LEFT, RIGHT)
        code[straightest & (ahead > _COS_45)] = THROUGH
        code[back] = UTURN
        pairs = into * max(self._roads, 1) + out
        order = np.argsort(pairs, kind="stable")
        self._turn_pairs: Ints = pairs[order]
        self._turn_codes: Codes = code[order].astype(np.uint8)
        self.movements: Bools = np.zeros((self._roads, len(MOVEMENTS)), dtype=np.bool_)
        self.movements[into, code] = True


def _picked(column: Indices, at: Indices) -> Indices:
    if len(column) == 0:
        return np.full(len(at), -1, dtype=np.int32)
    return np.where(at >= 0, column[at], -1).astype(np.int32)


def _sides(u: Floats) -> Indices:
    """Index into SIDES (n,) of unit directions (n, 2), east and north: the nearest of eight."""
    east, north = np.abs(u[:, 0]), np.abs(u[:, 1])
    upright, level = east <= _TAN_22_5 * north, north < _TAN_22_5 * east
    straight = np.where(upright, np.where(u[:, 1] > 0, 0, 4), np.where(u[:, 0] > 0, 2, 6))
    slanting = np.where(u[:, 0] > 0, np.where(u[:, 1] > 0, 1, 3), np.where(u[:, 1] > 0, 7, 5))
    return np.where(upright | level, straight, slanting).astype(np.int32)


def _part(intersection: Indices, side: Indices, u: Floats) -> None:
    """Gives approaches of one intersection that fall on one side their own sides, in place, where one beside is free.

    The one nearest to the side's axis keeps it; the others go to the side they lean to.
    """
    axis = np.array([(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)], dtype=np.float64)
    of = axis[side] / np.sqrt(np.sum(axis * axis, axis=1))[side][:, None]
    clockwise = u[:, 0] * of[:, 1] - u[:, 1] * of[:, 0]
    order = np.lexsort((np.abs(clockwise), side, intersection))
    order = order[intersection[order] >= 0]
    repeat = ~first_of_run(intersection[order].astype(np.int64) * 8 + side[order])
    taken = set(zip(intersection[order].tolist(), side[order].tolist(), strict=True))
    for road in order[repeat].tolist():
        beside = int(intersection[road]), (int(side[road]) + (1 if clockwise[road] > 0 else 7)) % 8
        if beside not in taken:
            taken.add(beside)
            side[road] = beside[1]
