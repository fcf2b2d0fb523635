"""Pairs of points near each other, found through sorted cells: never by comparing all with all where they are many."""

from dataclasses import dataclass

import numpy as np

from city_brain.city.grid.cells import ragged
from city_brain.numerics import stable_order
from city_brain.types import Floats, Ints

_FEW_PAIRS = 16_000
"""So many pairs are simply all compared."""

_FEW_POINTS = 600
"""So many points are compared with those that lie a little farther east, wherever they lie north."""

_OVER = 1.0 + 1e-9
"""Leaves room for rounding."""

_ROW = 1 << 24
"""Cells in a row: more than there are between any two places on Earth."""


def near_pairs(ax: Floats, ay: Floats, bx: Floats, by: Floats, reach_m: Floats | float) -> tuple[Ints, Ints]:
    """Index pairs (k,), (k,) of points a and b within `reach_m` (of each b, or one for all), in order of (a, b)."""
    if len(ax) * len(bx) <= _FEW_PAIRS:
        dx, dy = ax[:, None] - bx, ay[:, None] - by
        dx *= dx
        dy *= dy
        dx += dy
        i, j = (dx <= reach_m * reach_m).nonzero()
        return i, j
    i, j = _neighbours(ax, ay, bx, by, float(np.max(reach_m)))
    dx, dy = ax[i] - bx[j], ay[i] - by[j]
    reach = reach_m[j] if isinstance(reach_m, np.ndarray) else reach_m
    near = (dx * dx + dy * dy <= reach * reach).nonzero()[0]
    return _sorted_pairs(i[near], j[near])


def close_pairs(x: Floats, y: Floats, reach_m: float) -> tuple[Ints, Ints]:
    """Index pairs i < j (k,), (k,) of points within `reach_m` of each other, in order of (i, j)."""
    if len(x) <= _FEW_POINTS:
        order = x.argsort(kind="stable")
        ordered = x[order]
        found = [_runs(order, order, np.arange(1, len(x) + 1), ordered.searchsorted(ordered + _OVER * reach_m))]
    else:
        keys = _cell_of(x, y, reach_m)
        order = stable_order(keys)
        keys = keys[order]
        beside = keys.searchsorted(keys + 1, side="right")
        above = keys.searchsorted(keys + (_ROW - 1)), keys.searchsorted(keys + (_ROW + 1), side="right")
        found = [_runs(order, order, np.arange(1, len(x) + 1), beside), _runs(order, order, *above)]
    i, j = (np.concatenate(side) for side in zip(*found, strict=True))
    dx, dy = x[i] - x[j], y[i] - y[j]
    near = (dx * dx + dy * dy <= reach_m * reach_m).nonzero()[0]
    i, j = i[near], j[near]
    return _sorted_pairs(np.minimum(i, j), np.maximum(i, j))


def _neighbours(ax: Floats, ay: Floats, bx: Floats, by: Floats, size_m: float) -> tuple[Ints, Ints]:
    """Pairs of points a and b in the same or adjoining cells of `size_m`, each pair once."""
    wanted, keys = _cell_of(ax, ay, size_m), _cell_of(bx, by, size_m)
    by_cell, order = stable_order(wanted), stable_order(keys)
    wanted, keys = wanted[by_cell], keys[order]
    found = []
    for row in (-_ROW, 0, _ROW):
        first, after = keys.searchsorted(wanted + (row - 1)), keys.searchsorted(wanted + (row + 1), side="right")
        found.append(_runs(by_cell, order, first, after))
    i, j = (np.concatenate(side) for side in zip(*found, strict=True))
    return i, j


def _runs(a: Ints, b: Ints, first: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Pairs of each a (n,) with b from place `first` (n,) up to place `after` (n,)."""
    owner, place = ragged(after - first)
    place += first[owner]
    return a[owner], b[place]


def _sorted_pairs(i: Ints, j: Ints) -> tuple[Ints, Ints]:
    """Pairs in order of (i, j)."""
    code = i << 32
    code |= j
    code.sort()
    return code >> 32, code & 0xFFFF_FFFF


def _cell_of(x: Floats, y: Floats, size_m: float) -> Ints:
    """The cell (n,) of points: ascending by row, then by column."""
    column, row = np.floor(x / size_m).astype(np.int64), np.floor(y / size_m).astype(np.int64)
    return row * _ROW + column


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each of n places those of many points that are near it: `point[first[k] : first[k + 1]]`, ascending."""

    first: Ints
    point: Ints

    @classmethod
    def within(cls, ax: Floats, ay: Floats, bx: Floats, by: Floats, reach_m: float) -> "Neighbours":
        """The points b within `reach_m` of each place a (n,)."""
        place, point = near_pairs(ax, ay, bx, by, reach_m)
        return cls(place.searchsorted(np.arange(len(ax) + 1)), point)

    def of(self, place: int) -> Ints:
        """The points near a place."""
        return self.point[self.first[place] : self.first[place + 1]]

    def place(self) -> Ints:
        """The place (k,) of each pair."""
        return np.arange(len(self.first) - 1).repeat(np.diff(self.first))
