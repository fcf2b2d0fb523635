"""Which partition a source or a place belongs to: compact blocks of the map, balanced by expected rows.

The plane is cut in two along the longer side of the sources, each half again, until there is a block for every
partition; cuts lie on lines 50 m apart. A source goes as a whole to the block of its position, its home, and also to
every block within the halo of what it sees, so that a rule that reaches less far than the halo finds all its rows in
the partition that owns the place. The same map and number of partitions always give the same blocks.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.city.city_map import Camera, CityMap, Sensor, Source
from city_brain.errors import SettingsError
from city_brain.numerics import find_sorted
from city_brain.types import Bools, Floats, Indices, Ints

CUT_M = 50.0
"""Distance of the lines on which cuts may lie: a source moved a little keeps its partition."""

HALO_M = 400.0
"""Default halo: wider than a plume's search and a jam's approach."""

MOST_PARTITIONS = 4096

_CAMERA_ROWS, _SIGNAL_ROWS, _MOST_SENSOR_ROWS = 5.0, 0.3, 10.0


@dataclass(frozen=True, slots=True)
class _Cut:
    """A line x = at (axis 0) or y = at (axis 1); `low` and `high` are what lies below and above, cuts or partitions."""

    axis: int
    at: float
    low: "_Cut | int"
    high: "_Cut | int"


class Routing:
    """Partitions 0..P-1 of a city; `blocks` (P, 4): west, south, east, north of each in metres, open ones infinite."""

    def __init__(self, city: CityMap, partitions: int, halo_m: float = HALO_M) -> None:
        if not 1 <= partitions <= MOST_PARTITIONS:
            raise SettingsError(f"partitions: wanted 1 to {MOST_PARTITIONS}, got {partitions}")
        if not 0.0 <= halo_m < np.inf:
            raise SettingsError(f"halo_m: wanted metres of 0 or more, got {halo_m}")
        self.partitions = partitions
        self._halo_m = halo_m
        self._keys = city.source_keys
        weights = np.array([_rows_per_second(source) for source in city.sources], dtype=np.float64)
        self._root = _cut(city.source_xy, weights, 0, partitions)
        self.blocks: Floats = np.array([(-np.inf, -np.inf, np.inf, np.inf)] * partitions)
        _fill_blocks(self._root, self.blocks, np.array([-np.inf, -np.inf, np.inf, np.inf]))
        self._home = self.owner(city.source_xy[:, 0], city.source_xy[:, 1])
        self._reached = self._near(np.array([_footprint(source) for source in city.sources]).reshape(-1, 4))
        self._reached[np.arange(len(self._home)), self._home] = True

    def owner(self, x: Floats, y: Floats) -> Indices:
        """The partition (n,) whose block holds each point (n,)."""
        found = np.zeros(len(x), dtype=np.int32)
        waiting: list[tuple[_Cut | int, Ints]] = [(self._root, np.arange(len(x), dtype=np.int64))]
        while waiting:
            node, points = waiting.pop()
            if isinstance(node, int):
                found[points] = node
            elif len(points):
                high = (x if node.axis == 0 else y)[points] >= node.at
                waiting += [(node.low, points[~high]), (node.high, points[high])]
        return found

    def home(self, source_key: Ints) -> Indices:
        """The partition (n,) that owns each source (n,); -1 for a source that is not on the map."""
        at = find_sorted(self._keys, source_key)
        if len(self._keys) == 0:
            return at.astype(np.int32)
        return np.where(at >= 0, self._home[at], -1).astype(np.int32)

    def partitions_of(self, source_keys: Ints) -> Bools:
        """The partitions (n, P) that get the rows of each source (n,): home and halo; none if it is not on the map."""
        at = find_sorted(self._keys, source_keys)
        if len(self._keys) == 0:
            return np.zeros((len(at), self.partitions), dtype=np.bool_)
        known: Bools = at >= 0
        return self._reached[at] & known[:, None]

    def partitions_near(self, x: Floats, y: Floats) -> Bools:
        """The partitions (n, P) within the halo of points (n,): for rows of sources that are not on the map."""
        return self._near(np.stack([x, y, x, y], axis=1))

    def _near(self, boxes: Floats) -> Bools:
        """Whether boxes (n, 4) lie within the halo of blocks: (n, P)."""
        west, south, east, north = (boxes[:, k, None] for k in range(4))
        dx = np.maximum(np.maximum(self.blocks[:, 0] - east, west - self.blocks[:, 2]), 0.0)
        dy = np.maximum(np.maximum(self.blocks[:, 1] - north, south - self.blocks[:, 3]), 0.0)
        near: Bools = dx * dx + dy * dy <= self._halo_m * self._halo_m
        return near


def _rows_per_second(source: Source) -> float:
    """What a source is expected to send, for balance only."""
    if isinstance(source, Camera):
        return _CAMERA_ROWS
    return min(1.0 / source.period_s, _MOST_SENSOR_ROWS) if isinstance(source, Sensor) else _SIGNAL_ROWS


def _footprint(source: Source) -> tuple[float, float, float, float]:
    """West, south, east, north of where the rows of a source lie."""
    if not isinstance(source, Camera):
        return source.x, source.y, source.x, source.y
    x, y = np.append(source.view[:, 0], source.x), np.append(source.view[:, 1], source.y)
    return float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y))


def _cut(xy: Floats, weights: Floats, first: int, count: int) -> _Cut | int:
    """Cuts sources (n, 2) with weights (n,) into blocks for the partitions first..first+count-1."""
    if count == 1:
        return first
    low_count = count // 2
    axis, at = _best_cut(xy, weights, low_count / count)
    low = xy[:, axis] < at
    return _Cut(
        axis,
        at,
        _cut(xy[low], weights[low], first, low_count),
        _cut(xy[~low], weights[~low], first + low_count, count - low_count),
    )


def _best_cut(xy: Floats, weights: Floats, share: float) -> tuple[int, float]:
    """The line across the longer side that leaves nearest to `share` of the weight below it."""
    if len(xy) == 0:
        return 0, 0.0
    strip = np.floor(xy / CUT_M).astype(np.int64)
    lowest, highest = np.min(strip, axis=0), np.max(strip, axis=0)
    axis = 1 if highest[1] - lowest[1] > highest[0] - lowest[0] else 0
    below = np.cumsum(np.bincount(strip[:, axis] - lowest[axis], weights=weights))
    # The last strip stays above the cut, unless there is only one.
    choices = below[:-1] if len(below) > 1 else below
    best = int(np.argmin(np.abs(choices - share * below[-1])))
    return axis, float((lowest[axis] + best + 1) * CUT_M)


def _fill_blocks(node: _Cut | int, blocks: Floats, box: Floats) -> None:
    if isinstance(node, int):
        blocks[node] = box
        return
    below, above = box.copy(), box.copy()
    below[node.axis + 2] = above[node.axis] = min(max(node.at, box[node.axis]), box[node.axis + 2])
    _fill_blocks(node.low, blocks, below)
    _fill_blocks(node.high, blocks, above)
