"""A sparse raster of line segments: the nearest piece of a lane or crosswalk without looking at the others."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from city_brain.city.grid.cells import CellLists, cell_key, cell_size_m, ragged
from city_brain.numerics import first_of_run
from city_brain.types import Bools, Floats, Indices, Ints

_ALIKE = 0.966
"""Cosine of 15°: pieces of one line turned by less than this count as one direction."""

_BUILD_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Segments:
    """Pieces (s,) of polylines: start, unit direction, length, the line each belongs to, metres of line before it."""

    ax: Floats
    ay: Floats
    ux: Floats
    uy: Floats
    length_m: Floats
    line: Indices
    before_m: Floats

    @classmethod
    def from_lines(cls, points: Floats, counts: Ints) -> "Segments":
        """Cuts lines, given as all their `points` (p, 2) in a row and the number of points of each, into pieces."""
        line = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        inner = line[1:] == line[:-1]
        ax, ay = points[:-1, 0][inner], points[:-1, 1][inner]
        dx, dy = points[1:, 0][inner] - ax, points[1:, 1][inner] - ay
        length = np.sqrt(dx * dx + dy * dy)
        line = line[:-1][inner]
        total = np.cumsum(length) - length
        opens = np.ones(len(line), dtype=np.bool_)
        opens[1:] = line[1:] != line[:-1]
        first = np.flatnonzero(opens)
        before = total - np.repeat(total[first], np.diff(np.append(first, len(line))))
        return cls(ax, ay, dx / length, dy / length, length, line, before)


@dataclass(frozen=True, slots=True)
class Feet:
    """Feet of points on candidate pieces, one row per (point, piece) pair; rows of a point stand together.

    Candidates may lie beyond the reach: only rows with `distance2 <= reach2` are near.
    """

    reach2: float
    counts: Ints
    point: Ints
    piece: Ints
    along_m: Floats
    distance2: Floats

    def nearest(self, wanted: Bools | None = None) -> tuple[Ints, Ints]:
        """Points that have a candidate, and the pair row of the nearest; the earlier line wins a tie.

        With `wanted` (pairs,), only those pairs count.
        """
        distance2 = self.distance2 if wanted is None else np.where(wanted, self.distance2, np.inf)
        busy = self.counts[self.counts > 0]
        if len(busy) == 0:
            return self.point, self.point
        least = np.minimum.reduceat(distance2, np.cumsum(busy) - busy)
        row = np.flatnonzero(distance2 == np.repeat(least, busy))
        row = row[distance2[row] <= self.reach2]
        point = self.point[row]
        first = np.ones(len(row), dtype=np.bool_)
        first[1:] = point[1:] != point[:-1]
        return point[first], row[first]


class SegmentGrid:
    """Finds pieces within `reach_m` of points.

    A cell lists every piece that can be within reach of some point in it, except pieces of a line that another piece
    of the same line, turned by less than 15°, beats at every point of the cell.
    """

    __slots__ = ("_cells", "_reach2", "segments")

    def __init__(self, segments: Segments, reach_m: float, cell_m: float | None = None) -> None:
        """`cell_m`, a power of two, is chosen by the length of the lines if not given; answers do not depend on it."""
        self.segments = segments
        self._reach2 = reach_m * reach_m
        swept = float(np.sum((segments.length_m + 2 * reach_m) * (2 * reach_m)))
        self._cells = _cell_lists(segments, reach_m, cell_m or cell_size_m(swept, len(segments.line)))

    def feet(self, x: Floats, y: Floats) -> Feet:
        """Feet of points (n,) on the candidate pieces."""
        counts, point, piece = self._cells.pairs(x, y)
        s = self.segments
        px, py = np.repeat(x, counts) - s.ax.take(piece), np.repeat(y, counts) - s.ay.take(piece)
        ux, uy = s.ux.take(piece), s.uy.take(piece)
        along = px * ux + py * uy
        np.maximum(along, 0.0, out=along)
        np.minimum(along, s.length_m.take(piece), out=along)
        px -= np.multiply(along, ux, out=ux)
        py -= np.multiply(along, uy, out=uy)
        distance2 = np.multiply(px, px, out=px)
        distance2 += np.multiply(py, py, out=py)
        return Feet(self._reach2, counts, point, piece, along, distance2)


def _cell_lists(segments: Segments, reach_m: float, size_m: float) -> CellLists:
    keys, pieces = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for start, end in pairwise(_block_edges(segments, reach_m, size_m)):
        key, piece, distance = _touched(segments, start, end, reach_m, size_m)
        order = np.argsort(key, kind="stable")
        key, piece, distance = key[order], piece[order], distance[order]
        kept = _unbeaten(segments, key, piece, distance, size_m)
        keys.append(key[kept])
        pieces.append(piece[kept])
    return CellLists.from_entries(size_m, np.concatenate(keys), np.concatenate(pieces))


def _block_edges(segments: Segments, reach_m: float, size_m: float) -> list[int]:
    """Cuts the pieces, between lines, into blocks that touch about a million cells each."""
    if len(segments.line) == 0:
        return []
    rough = (segments.length_m + 4 * reach_m + size_m) * (4 * reach_m + size_m) / (size_m * size_m)
    first = np.flatnonzero(first_of_run(segments.line.astype(np.int64)))
    block = ((np.cumsum(rough) - rough)[first] // _BUILD_ENTRIES).astype(np.int64)
    return [*first[first_of_run(block)].tolist(), len(segments.line)]


def _touched(s: Segments, start: int, end: int, reach_m: float, size_m: float) -> tuple[Ints, Indices, Floats]:
    """Cells within reach of the pieces start..end-1: key, piece, distance of the cell's centre from the piece."""
    ay, uy = s.ay[start:end], s.uy[start:end]
    by = ay + s.length_m[start:end] * uy
    low = np.floor((np.minimum(ay, by) - reach_m) / size_m).astype(np.int64)
    high = np.floor((np.maximum(ay, by) + reach_m) / size_m).astype(np.int64)
    piece, within = ragged(high - low + 1)
    row = low[piece] + within
    piece += start
    # The part of the piece in reach of this row of cells bounds the columns.
    slope = np.where(np.abs(s.uy[piece]) > 1e-9, s.uy[piece], 1e-9)
    one = (row * size_m - reach_m - s.ay[piece]) / slope
    two = ((row + 1) * size_m + reach_m - s.ay[piece]) / slope
    length = s.length_m[piece]
    ends = [np.minimum(np.maximum(t, 0.0), length) * s.ux[piece] + s.ax[piece] for t in (one, two)]
    left = np.floor((np.minimum(*ends) - reach_m) / size_m).astype(np.int64)
    right = np.floor((np.maximum(*ends) + reach_m) / size_m).astype(np.int64)
    cell, within = ragged(right - left + 1)
    column, row, piece = left[cell] + within, row[cell], piece[cell]
    px = (column + 0.5) * size_m - s.ax[piece]
    py = (row + 0.5) * size_m - s.ay[piece]
    along = np.minimum(np.maximum(px * s.ux[piece] + py * s.uy[piece], 0.0), s.length_m[piece])
    px -= along * s.ux[piece]
    py -= along * s.uy[piece]
    distance = np.sqrt(px * px + py * py)
    near = distance <= reach_m + 0.7072 * size_m
    return cell_key(column[near], row[near]), piece[near].astype(np.int32), distance[near]


def _unbeaten(s: Segments, key: Ints, piece: Indices, distance: Floats, size_m: float) -> Bools:
    """Marks the entries (sorted by cell, then line) that no piece of the same line beats all over the cell."""
    if len(key) == 0 or int(s.line[-1]) + 1 == len(s.line):
        return np.ones(len(key), dtype=np.bool_)
    line = s.line[piece]
    opens = np.ones(len(key), dtype=np.bool_)
    opens[1:] = (key[1:] != key[:-1]) | (line[1:] != line[:-1])
    first = np.flatnonzero(opens)
    run = np.diff(np.append(first, len(key)))
    least = np.repeat(np.minimum.reduceat(distance, first), run)
    # The last of equals, so that every run has one best row.
    best_row = np.repeat(np.maximum.reduceat(np.where(distance == least, np.arange(len(key)), 0), first), run)
    best = piece[best_row]
    alike: Bools = s.ux[piece] * s.ux[best] + s.uy[piece] * s.uy[best] > _ALIKE
    alike &= distance > least + 1.4144 * size_m
    return np.logical_not(alike)
