"""A sparse raster of polygons: which of them hold a point, exactly, without testing the others."""

from collections.abc import Sequence

import numpy as np

from city_brain.city.grid.cells import CellLists, cell_key, cell_size_m, ragged
from city_brain.numerics import stable_order
from city_brain.types import Bools, Floats, Ints

_BUILD_EDGES = 200_000


class PolygonGrid:
    """Tells which of many rings hold a point, by the even-odd rule.

    A cell lists the polygons that cover it wholly, and those whose border crosses it; only for the latter is the point
    tested against the border.
    """

    __slots__ = ("_ax", "_ay", "_bx", "_by", "_cells", "_counts", "_first")

    def __init__(self, rings: Sequence[Floats], cell_m: float | None = None) -> None:
        """`rings`: outlines (k, 2) in metres, not closed, any winding.

        `cell_m`, a power of two, is chosen by the areas if not given; answers do not depend on it.
        """
        self._counts = np.array([len(ring) for ring in rings], dtype=np.int64)
        self._first = np.cumsum(self._counts) - self._counts
        points = np.concatenate(rings) if rings else np.empty((0, 2))
        following = np.arange(1, len(points) + 1)
        following[self._first + self._counts - 1] = self._first
        self._ax, self._ay = points[:, 0].copy(), points[:, 1].copy()
        self._bx, self._by = self._ax[following], self._ay[following]
        area = float(np.sum(_box_areas(rings)))
        self._cells = self._cell_lists(cell_m or cell_size_m(area, len(rings)))

    def holding(self, x: Floats, y: Floats) -> tuple[Ints, Ints]:
        """(point, polygon) pairs for points (n,): ascending by point, then by polygon."""
        _, point, entry = self._cells.pairs(x, y)
        polygon, crossed = entry >> 1, (entry & 1).astype(np.bool_)
        inside = ~crossed
        inside[crossed] = self._inside(x[point[crossed]], y[point[crossed]], polygon[crossed])
        return point[inside], polygon[inside]

    def _inside(self, x: Floats, y: Floats, polygon: Ints) -> Bools:
        """Even-odd rule for pairs (m,) of a point and a polygon."""
        pair, within = ragged(self._counts[polygon])
        edge = self._first[polygon][pair] + within
        ay, by, py = self._ay[edge], self._by[edge], y[pair]
        spans = (ay > py) != (by > py)
        edge, pair, ay, by, py = edge[spans], pair[spans], ay[spans], by[spans], py[spans]
        ax = self._ax[edge]
        right = x[pair] < ax + (py - ay) * (self._bx[edge] - ax) / (by - ay)
        odd: Bools = np.bincount(pair[right], minlength=len(x)) % 2 == 1
        return odd

    def _cell_lists(self, size_m: float) -> CellLists:
        keys, entries = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        owner = np.repeat(np.arange(len(self._counts), dtype=np.int64), self._counts)
        block = self._first // _BUILD_EDGES
        for number in range(int(block[-1]) + 1 if len(block) else 0):
            members = np.flatnonzero(block == number)
            if len(members) == 0:
                continue
            edges = np.arange(self._first[members[0]], self._first[members[-1]] + self._counts[members[-1]])
            border_key, border_owner = self._border(edges, owner, size_m)
            fill_key, fill_owner = self._filling(edges, owner, size_m)
            key, entry = np.concatenate([border_key, fill_key]), np.concatenate([border_owner * 2 + 1, fill_owner * 2])
            # Of a border entry and a covering entry for one cell and polygon, the border one stands.
            order = np.lexsort((-entry, key))
            key, entry = key[order], entry[order]
            kept = np.ones(len(key), dtype=np.bool_)
            kept[1:] = (key[1:] != key[:-1]) | (entry[1:] >> 1 != entry[:-1] >> 1)
            keys.append(key[kept])
            entries.append(entry[kept].astype(np.int32))
        key, entry32 = np.concatenate(keys), np.concatenate(entries)
        order = stable_order(entry32)
        return CellLists.from_entries(size_m, key[order], entry32[order])

    def _border(self, edge: Ints, owner: Ints, size_m: float) -> tuple[Ints, Ints]:
        """Cells that the edges touch, with their polygons."""
        ax, ay, bx, by = (c[edge] for c in (self._ax, self._ay, self._bx, self._by))
        slack = 1e-6
        low = np.floor((np.minimum(ay, by) - slack) / size_m).astype(np.int64)
        high = np.floor((np.maximum(ay, by) + slack) / size_m).astype(np.int64)
        part, within = ragged(high - low + 1)
        row = low[part] + within
        rise = by - ay
        rise = np.where(np.abs(rise) > 1e-9, rise, 1e-9)[part]
        one = (row * size_m - slack - ay[part]) / rise
        two = ((row + 1) * size_m + slack - ay[part]) / rise
        run = (bx - ax)[part]
        ends = [np.minimum(np.maximum(t, 0.0), 1.0) * run + ax[part] for t in (one, two)]
        left = np.floor((np.minimum(*ends) - slack) / size_m).astype(np.int64)
        right = np.floor((np.maximum(*ends) + slack) / size_m).astype(np.int64)
        cell, within = ragged(right - left + 1)
        return cell_key(left[cell] + within, row[cell]), owner[edge][part[cell]]

    def _filling(self, edge: Ints, owner: Ints, size_m: float) -> tuple[Ints, Ints]:
        """Cells whose centre lies inside, with their polygons, by scan lines through the rows' middles."""
        ax, ay, bx, by = (c[edge] for c in (self._ax, self._ay, self._bx, self._by))
        low = np.ceil(np.minimum(ay, by) / size_m - 0.5).astype(np.int64)
        high = np.ceil(np.maximum(ay, by) / size_m - 0.5).astype(np.int64)
        part, within = ragged(high - low)
        row = low[part] + within
        cut = ax[part] + ((row + 0.5) * size_m - ay[part]) * (bx - ax)[part] / (by - ay)[part]
        polygon = owner[edge][part]
        order = np.lexsort((cut, row, polygon))
        cut, row, polygon = cut[order], row[order][0::2], polygon[order][0::2]
        left: Ints = np.ceil(cut[0::2] / size_m - 0.5).astype(np.int64)
        right: Ints = np.ceil(cut[1::2] / size_m - 0.5).astype(np.int64)
        span, within = ragged(right - left)
        return cell_key(left[span] + within, row[span]), polygon[span]


def _box_areas(rings: Sequence[Floats]) -> list[float]:
    return [float(np.prod(np.max(ring, axis=0) - np.min(ring, axis=0) + 4.0)) for ring in rings]
