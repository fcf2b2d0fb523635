"""What lies beside a lane or road: the kerb, the oncoming carriageway, the intersection at its end."""

import numpy as np
import shapely

from city_brain.city.city_map import Intersection
from city_brain.city.grid.cells import BLOCK
from city_brain.city.grid.segments import SegmentGrid
from city_brain.types import Bools, Floats, Indices, Ints

_OPPOSES = -0.5
_PAIR_M = 60.0
_JUNCTION_M = 20.0
_STEP_M = 2.0


def points_at(
    grid: SegmentGrid, length_m: Floats, lane: Ints, station_m: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Points and directions x, y, ux, uy (n,) at metres (n,) along lanes (n,); `length_m` (L,) is of all."""
    s = grid.segments
    lane_first = np.cumsum(length_m) - length_m
    piece_first = s.before_m + lane_first[s.line]
    piece = np.searchsorted(piece_first, lane_first[lane] + station_m, side="right") - 1
    # Sums of lengths may put a point at a border on the neighbouring lane.
    bounds = np.searchsorted(s.line, lane, side="left"), np.searchsorted(s.line, lane, side="right") - 1
    piece = np.minimum(np.maximum(piece, bounds[0]), bounds[1])
    along, ux, uy = station_m - s.before_m[piece], s.ux[piece], s.uy[piece]
    return s.ax[piece] + along * ux, s.ay[piece] + along * uy, ux, uy


def has_neighbour(grid: SegmentGrid, road: Indices, x: Floats, y: Floats, near_m: Floats) -> Bools:
    """Whether another lane of the same road passes within `near_m` (L,) of the lanes' probe points (L,)."""
    found = np.zeros(len(road), dtype=np.bool_)
    for start in range(0, len(road), BLOCK):
        block = slice(start, start + BLOCK)
        feet = grid.feet(x[block], y[block])
        lane, other = feet.point + start, grid.segments.line[feet.piece]
        near = (feet.distance2 <= near_m[lane] * near_m[lane]) & (road[lane] == road[other]) & (lane != other)
        found[lane[near]] = True
    return found


def nearest_opposing(grid: SegmentGrid, x: Floats, y: Floats, ux: Floats, uy: Floats) -> tuple[Ints, Ints, Floats]:
    """Points of (n,) with an oncoming lane in reach of their direction, that lane, metres it lies to the left."""
    points, lanes, lefts = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    s = grid.segments
    for start in range(0, len(x), BLOCK):
        block = slice(start, start + BLOCK)
        bx, by, bux, buy = x[block], y[block], ux[block], uy[block]
        feet = grid.feet(bx, by)
        dot = bux[feet.point] * s.ux[feet.piece] + buy[feet.point] * s.uy[feet.piece]
        point, row = feet.nearest(dot < _OPPOSES)
        piece, along = feet.piece[row], feet.along_m[row]
        dx, dy = s.ax[piece] + along * s.ux[piece] - bx[point], s.ay[piece] + along * s.uy[piece] - by[point]
        points.append(point + start)
        lanes.append(s.line[piece].astype(np.int64))
        lefts.append(bux[point] * dy - buy[point] * dx)
    return np.concatenate(points), np.concatenate(lanes), np.concatenate(lefts)


def opposite_by_ends(start_xy: Floats, end_xy: Floats, length_m: Floats) -> Ints:
    """The road (R,) that begins where a road ends and ends where it begins, within 60 m at each end; -1 if none.

    Only mutual pairs count, so of several carriageways each has at most one opposite.
    """
    none = np.full(len(length_m), -1, dtype=np.int64)
    if len(length_m) == 0:
        return none
    reach = 1.4143 * np.minimum(_PAIR_M, 0.5 * length_m)
    tree = shapely.STRtree(shapely.points(end_xy))
    road, candidate = tree.query(shapely.points(start_xy), predicate="dwithin", distance=reach)
    ends = np.concatenate([start_xy[road] - end_xy[candidate], end_xy[road] - start_xy[candidate]], axis=1)
    away = np.sqrt((ends * ends).sum(axis=1))
    order = np.lexsort((-candidate, -away, road))
    order = order[away[order] <= reach[road[order]]]
    other = none.copy()
    other[road[order]] = candidate[order]
    found = other >= 0
    mutual = found & (other[other] == np.arange(len(other))) & (other != np.arange(len(other)))
    return np.where(mutual, other, none)


def intersections_at(intersections: tuple[Intersection, ...], x: Floats, y: Floats, ux: Floats, uy: Floats) -> Indices:
    """Index (n,) of the intersection that one meets going on from points (n,) in a direction; -1 beyond 20 m.

    The nearest outline to a step ahead counts, so a stop line may lie before the outline or inside it.
    """
    found = np.full(len(x), -1, dtype=np.int32)
    if not intersections or len(x) == 0:
        return found
    tree = shapely.STRtree([shapely.Polygon(intersection.outline) for intersection in intersections])
    ahead = shapely.points(x + _STEP_M * ux, y + _STEP_M * uy)
    point, polygon = tree.query_nearest(ahead, max_distance=_JUNCTION_M, all_matches=True)
    order = np.lexsort((-polygon, point))
    found[point[order]] = polygon[order]
    return found
