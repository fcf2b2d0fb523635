"""Joins the lane pieces of a road into chains that end at its stop line.

A road widens, narrows and is cut into pieces; what matters to a vehicle is how far its stop line is. Nothing here reads
a name: a piece continues another because it begins where that one ends and points the same way.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.city.grid.cells import BLOCK
from city_brain.city.grid.segments import SegmentGrid
from city_brain.numerics import first_of_run
from city_brain.types import Bools, Floats, Indices, Ints

TOUCH_M = 1.5
"""Pieces whose end and start are closer than this touch."""
DROP_M = 15.0
"""A lane that ends at least this far before its neighbour's end was dropped; less is a skewed stop line."""
ASIDE_M = 8.0
_AGREES = 0.5

_TOUCHES, _AHEAD, _ASIDE, _NOT = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class LaneEnds:
    """First and last point and direction of every lane (L,), its road, its length."""

    road: Indices
    length_m: Floats
    start_x: Floats
    start_y: Floats
    start_ux: Floats
    start_uy: Floats
    end_x: Floats
    end_y: Floats
    end_ux: Floats
    end_uy: Floats

    @classmethod
    def from_grid(cls, grid: SegmentGrid, road: Indices) -> "LaneEnds":
        """Reads the ends off the pieces."""
        s = grid.segments
        first = np.flatnonzero(first_of_run(s.line.astype(np.int64)))
        last = np.append(first[1:], len(s.line)) - 1 if len(first) else first
        length = s.before_m[last] + s.length_m[last]
        end_x = s.ax[last] + s.length_m[last] * s.ux[last]
        end_y = s.ay[last] + s.length_m[last] * s.uy[last]
        starts = s.ax[first], s.ay[first], s.ux[first], s.uy[first]
        return cls(road, length, *starts, end_x, end_y, s.ux[last], s.uy[last])


@dataclass(frozen=True, slots=True)
class Links:
    """Lane `lane` (m,) goes on as lane `onto`, whose end is `metres` further; sorted by lane, then by onto."""

    lane: Ints
    onto: Ints
    metres: Floats
    touching: Bools


def link_lanes(grid: SegmentGrid, ends: LaneEnds) -> Links:
    """Finds what each lane goes on as within its road: touching pieces, else a piece ahead, else the lane beside."""
    parts = [
        _links_of(grid, ends, np.arange(k, min(k + BLOCK, len(ends.road)))) for k in range(0, len(ends.road), BLOCK)
    ]
    if not parts:
        none = np.empty(0, np.int64)
        return Links(none, none, np.empty(0), np.empty(0, np.bool_))
    lane, onto, metres, touching = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Links(lane, onto, metres, touching)


def _links_of(grid: SegmentGrid, ends: LaneEnds, lanes: Ints) -> tuple[Ints, Ints, Floats, Bools]:
    feet = grid.feet(ends.end_x[lanes], ends.end_y[lanes])
    s = grid.segments
    lane, onto = lanes[feet.point], s.line[feet.piece].astype(np.int64)
    agrees = ends.end_ux[lane] * s.ux[feet.piece] + ends.end_uy[lane] * s.uy[feet.piece] > _AGREES
    fit = agrees & (ends.road[lane] == ends.road[onto]) & (lane != onto) & (feet.distance2 <= feet.reach2)
    lane, onto, piece = lane[fit], onto[fit], feet.piece[fit]
    away, station = np.sqrt(feet.distance2[fit]), s.before_m[piece] + feet.along_m[fit]
    order = np.lexsort((away, onto, lane))
    lane, onto, away, station = lane[order], onto[order], away[order], station[order]
    first = first_of_run(lane * len(ends.road) + onto)
    lane, onto, away, station = lane[first], onto[first], away[first], station[first]
    left = ends.length_m[onto] - station
    forward = (ends.start_x[onto] - ends.end_x[lane]) * ends.end_ux[lane]
    forward += (ends.start_y[onto] - ends.end_y[lane]) * ends.end_uy[lane]
    how = np.full(len(lane), _NOT)
    how[(station > TOUCH_M) & (left > DROP_M) & (away <= ASIDE_M)] = _ASIDE
    how[(station <= 0.0) & (forward > 0.9 * away)] = _AHEAD
    how[(station <= TOUCH_M) & (away <= TOUCH_M)] = _TOUCHES
    best = np.full(len(ends.road), _NOT)
    np.minimum.at(best, lane, how)
    kept = (how == best[lane]) & (how < _NOT)
    return lane[kept], onto[kept], (left + away * (how != _ASIDE))[kept], how[kept] == _TOUCHES


def metres_to_stop(ends: LaneEnds, links: Links) -> Floats:
    """Metres (L,) from the end of each lane to its road's stop line, by the shortest way; 0 in a ring without end."""
    left = np.zeros(len(ends.road))
    if len(links.lane) == 0:
        return left
    first = np.flatnonzero(first_of_run(links.lane))
    going_on = links.lane[first]
    left[going_on] = np.inf
    for _ in range(len(left)):
        shorter = np.minimum.reduceat(links.metres + left[links.onto], first)
        if np.array_equal(shorter, left[going_on]):
            break
        left[going_on] = shorter
    left[~np.isfinite(left)] = 0.0
    return left


def turn_lanes(ends: LaneEnds, links: Links, late: Bools) -> Bools:
    """Marks lanes (L,) that branch off another on the way, as pockets for turning do, and those that continue them.

    Of the pieces that touch the end of a lane, the straightest continues it and the others branch off. `late` marks
    lanes that begin well after the start of their road; such a lane that continues nothing is a pocket too.
    """
    lane, onto = links.lane[links.touching], links.onto[links.touching]
    across = (ends.end_x[onto] - ends.end_x[lane]) * ends.end_uy[lane]
    across -= (ends.end_y[onto] - ends.end_y[lane]) * ends.end_ux[lane]
    bend = np.abs(across) / np.maximum(ends.length_m[onto], 1.0)
    order = np.lexsort((onto, bend, lane))
    lane, onto = lane[order], onto[order]
    straight = first_of_run(lane)
    continued = np.zeros(len(ends.road), np.bool_)
    continued[onto] = True
    pocket = late & ~continued
    for _ in range(len(pocket)):
        whole = np.zeros(len(pocket), np.bool_)
        whole[onto[straight & ~pocket[lane]]] = True
        after = (continued & ~whole) | (late & ~continued)
        if np.array_equal(after, pocket):
            break
        pocket = after
    return pocket
