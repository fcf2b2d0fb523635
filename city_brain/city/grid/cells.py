"""Cells with candidate lists: sorted cell keys and one array of items, so that empty land costs nothing."""

from dataclasses import dataclass

import numpy as np

from city_brain.numerics import KeyIndex
from city_brain.types import Floats, Indices, Ints

BLOCK = 4096
"""Points handled at once: their columns stay in the processor's cache."""

FAR_M = 1.0e7
"""Coordinates beyond this, and NaN, lie in no cell."""

_CELL_SIZES_M = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_ENTRIES, _ENTRIES_PER_ITEM = 6_000_000, 10


def ragged(counts: Ints) -> tuple[Ints, Ints]:
    """Spreads `counts` (n,) into rows: the owner 0..n-1 of each row, and its place 0..count-1 within the owner."""
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner), dtype=np.int64) - first[owner]


def cell_size_m(area_m2: float, items: int) -> float:
    """The finest cell that needs at most 6 million entries (about 60 MB), or 10 per item, for a total item area."""
    for size in _CELL_SIZES_M:
        if area_m2 / (size * size) <= max(_ENTRIES, _ENTRIES_PER_ITEM * items):
            return size
    return _CELL_SIZES_M[-1]


def cell_key(column: Ints, row: Ints) -> Ints:
    """One integer for a cell; ascending by row, then by column."""
    key: Ints = (row << 32) + column
    return key


@dataclass(frozen=True, slots=True)
class CellLists:
    """Items by cell: `items[first[i] : first[i + 1]]` belong to the cell `keys[i]`; keys ascend."""

    size_m: float
    keys: Ints
    first: Ints
    items: Indices
    index: KeyIndex

    @classmethod
    def from_entries(cls, size_m: float, keys: Ints, items: Indices) -> "CellLists":
        """Builds the lists from entries (m,) already sorted by key; within a cell their order stays."""
        distinct, first = np.unique(keys, return_index=True)
        index = KeyIndex(distinct, ascending=True)
        return cls(size_m, distinct, np.append(first, len(keys)).astype(np.int64), items, index)

    def pairs(self, x: Floats, y: Floats) -> tuple[Ints, Ints, Ints]:
        """Every (point, item) worth testing for points (n,): counts (n,), and per pair the point and the item."""
        counts, first = self._find(x, y)
        point = np.repeat(np.arange(len(x), dtype=np.int64), counts)
        entry = np.repeat(first - (np.cumsum(counts) - counts), counts)
        entry += np.arange(len(point), dtype=np.int64)
        return counts, point, self.items.take(entry).astype(np.int64)

    def _find(self, x: Floats, y: Floats) -> tuple[Ints, Ints]:
        if len(self.keys) == 0:
            nothing = np.zeros(len(x), dtype=np.int64)
            return nothing, nothing
        # The cell sizes are powers of two, so that multiplying is dividing; fmax and fmin send NaN to the edge.
        scale = 1.0 / self.size_m
        column = np.floor(np.fmin(np.fmax(x, -FAR_M), FAR_M) * scale).astype(np.int64)
        row = np.floor(np.fmin(np.fmax(y, -FAR_M), FAR_M) * scale).astype(np.int64)
        at = self.index.find(cell_key(column, row))
        first = self.first.take(at)
        counts = self.first.take(at + 1) - first
        counts[at < 0] = 0
        return counts, first
