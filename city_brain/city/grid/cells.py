"""Cells with candidate lists: tiles of cells where there is something, so that empty land costs next to nothing."""

from dataclasses import dataclass

import numpy as np

from city_brain.numerics import stable_order
from city_brain.types import Floats, Indices, Ints

BLOCK = 4096
"""Points handled at once: their columns stay in the processor's cache."""

_CELL_SIZES_M = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_ENTRIES, _ENTRIES_PER_ITEM = 6_000_000, 10
_TILE_BITS, _MOST_TILES = 4, 1 << 22
"""Tiles are of 16 cells a side, or larger where a map is so wide that it had more than four million."""


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
    """Items by cell: `items[first[c] : first[c + 1]]` belong to cell c, which its place gives without a search.

    Cells stand in square tiles of 2 ** `bits` a side. `tiles` (rows, columns) numbers those of the map's box and of a
    border around it, from column `west` and row `south` of cells on; all without items are number 0.
    """

    size_m: float
    west: int
    south: int
    bits: int
    tiles: Indices
    first: Indices
    items: Indices

    @classmethod
    def from_entries(cls, size_m: float, keys: Ints, items: Indices) -> "CellLists":
        """Builds the lists from entries (m,) by key; within a cell their order stays."""
        bits = _TILE_BITS
        if len(keys) == 0:
            return cls(size_m, 0, 0, bits, np.zeros((1, 1), np.int32), np.zeros((1 << 2 * bits) + 1, np.int32), items)
        column = keys << 32 >> 32
        row = (keys - column) >> 32
        while (int(np.ptp(column)) >> bits) * (int(np.ptp(row)) >> bits) > _MOST_TILES:
            bits += 1
        west, south = ((int(axis.min() >> bits) - 1) << bits for axis in (column, row))
        column -= west
        row -= south
        tiles = np.zeros((int(row.max() >> bits) + 2, int(column.max() >> bits) + 2), dtype=np.int32)
        tiles[row >> bits, column >> bits] = 1
        tiles[tiles > 0] = np.arange(1, np.count_nonzero(tiles) + 1)
        cell = _cell(tiles, bits, column, row)
        del column, row  # as large as all the rest
        counts = np.bincount(cell, minlength=(int(tiles.max()) + 1) << 2 * bits)
        first = np.append(0, counts.cumsum()).astype(np.int32)
        return cls(size_m, west, south, bits, tiles, first, items[stable_order(cell)])

    def pairs(self, x: Floats, y: Floats) -> tuple[Ints, Ints, Ints]:
        """Every (point, item) worth testing for points (n,): counts (n,), and per pair the point and the item."""
        cell = self._cell_of(x, y)
        first = self.first.take(cell).astype(np.int64)
        counts = self.first.take(cell + 1) - first
        point = np.repeat(np.arange(len(x), dtype=np.int64), counts)
        entry = np.repeat(first - (np.cumsum(counts) - counts), counts)
        entry += np.arange(len(point), dtype=np.int64)
        return counts, point, self.items.take(entry).astype(np.int64)

    def _cell_of(self, x: Floats, y: Floats) -> Ints:
        """The cell (n,) of points; far away, and for NaN, one without items."""
        rows, columns = (side << self.bits for side in self.tiles.shape)
        # The cell sizes are powers of two, so that multiplying is dividing; fmax and fmin send NaN to the border.
        scale = 1.0 / self.size_m
        column = np.floor(np.fmin(np.fmax(x * scale, self.west), self.west + columns - 1)).astype(np.int64)
        row = np.floor(np.fmin(np.fmax(y * scale, self.south), self.south + rows - 1)).astype(np.int64)
        column -= self.west
        row -= self.south
        return _cell(self.tiles, self.bits, column, row)


def _cell(tiles: Indices, bits: int, column: Ints, row: Ints) -> Ints:
    """The number (n,) of cells at column and row from the first tile's corner on."""
    tile = tiles.take((row >> bits) * tiles.shape[1] + (column >> bits)).astype(np.int64)
    within = (1 << bits) - 1
    cell: Ints = (tile << 2 * bits) + ((row & within) << bits) + (column & within)
    return cell
