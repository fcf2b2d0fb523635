"""What is seen from where: cameras over a point, the intersection it lies in, the crosswalk near it, roads watched.

Views and outlines are tested exactly; the raster only spares the tests that cannot matter.
"""

import numpy as np

from city_brain.city.city_map import CityMap
from city_brain.city.grid.cells import BLOCK, ragged
from city_brain.city.grid.polygons import PolygonGrid
from city_brain.city.grid.segments import SegmentGrid, Segments
from city_brain.city.roads import Roads
from city_brain.numerics import KeyIndex, first_of_run, hash63, segment_sum, stable_order
from city_brain.types import Floats, Indices, Ints

MOST_CAMERAS = 8
"""Cameras told per point, the nearest ones; more than eight over one point do not add knowledge."""

CROSSWALK_REACH_M = 30.0
CELL_M = 10.0
"""Length of the cells of a road in which its cameras are listed."""


class Views:
    """Lookups around points; cameras and intersections are numbered as in `CityMap.cameras` and `.intersections`.

    `road_cover` (R,): fraction of each road's length that one camera or more sees. Roads are cut into cells of 10 m:
    those of road r are `cell_first[r] : cell_first[r + 1]`, and `cell_cameras` (cells, 8) lists the cameras of each,
    -1 padded, nearest first.
    """

    def __init__(self, city: CityMap, roads: Roads) -> None:
        self._camera_x: Floats = np.array([camera.x for camera in city.cameras], dtype=np.float64)
        self._camera_y: Floats = np.array([camera.y for camera in city.cameras], dtype=np.float64)
        keys = np.array([hash63(camera.id) for camera in city.cameras], dtype=np.int64)
        self._by_key = KeyIndex(keys)
        self._view_grid = PolygonGrid([camera.view for camera in city.cameras])
        self._intersection_grid = PolygonGrid([intersection.outline for intersection in city.intersections])
        lines = [crosswalk.line for crosswalk in city.crosswalks]
        points = np.concatenate(lines) if lines else np.empty((0, 2))
        counts = np.array([len(line) for line in lines], dtype=np.int64)
        self._crosswalk_grid = SegmentGrid(Segments.from_lines(points, counts), CROSSWALK_REACH_M)
        self._watch(roads)

    def camera_index(self, source_key: Ints) -> Indices:
        """Camera (n,) of each source key (n,); -1 where the key is no camera's."""
        return self._by_key.find(source_key).astype(np.int32)

    def cameras_seeing(self, x: Floats, y: Floats) -> Indices:
        """The cameras (n, 8) whose view holds each point (n,), nearest first, -1 padded."""
        seen = np.empty((len(x), MOST_CAMERAS), dtype=np.int32)
        for start in range(0, len(x), BLOCK):
            bx, by = x[start : start + BLOCK], y[start : start + BLOCK]
            point, camera = self._view_grid.holding(bx, by)
            away = self._distance2(camera, bx[point], by[point])
            seen[start : start + BLOCK] = _nearest_first(point, camera, away, len(bx))
        return seen

    def distance_m(self, camera: Indices, x: Floats, y: Floats) -> Floats:
        """Metres (n,) from each camera (n,) to its point (n,); infinite for camera -1."""
        if len(self._camera_x) == 0:
            return np.full(len(x), np.inf)
        return np.where(camera >= 0, np.sqrt(self._distance2(camera, x, y)), np.inf)

    def _distance2(self, camera: Ints | Indices, x: Floats, y: Floats) -> Floats:
        dx, dy = x - self._camera_x[camera], y - self._camera_y[camera]
        squared: Floats = dx * dx + dy * dy
        return squared

    def in_intersection(self, x: Floats, y: Floats) -> Indices:
        """The intersection (n,) that holds each point (n,), the first by id where several do; -1 if none."""
        found = np.full(len(x), -1, dtype=np.int32)
        for start in range(0, len(x), BLOCK):
            point, intersection = self._intersection_grid.holding(x[start : start + BLOCK], y[start : start + BLOCK])
            first = first_of_run(point)
            found[point[first] + start] = intersection[first]
        return found

    def near_crosswalk(self, x: Floats, y: Floats) -> Floats:
        """Metres (n,) to the centre line of the nearest crosswalk; infinite beyond 30 m."""
        away = np.full(len(x), np.inf)
        for start in range(0, len(x), BLOCK):
            feet = self._crosswalk_grid.feet(x[start : start + BLOCK], y[start : start + BLOCK])
            point, row = feet.nearest()
            away[point + start] = np.sqrt(feet.distance2[row])
        return away

    def _watch(self, roads: Roads) -> None:
        """Lists the cameras of every cell of every road, as seen from the middle of the cell on each lane."""
        cells = np.ceil(roads.road_length_m / CELL_M).astype(np.int64)
        self.cell_first: Ints = np.concatenate([[0], np.cumsum(cells)])
        lane, cell, x, y = roads.cell_middles(CELL_M)
        cell = cell + self.cell_first[roads.road[lane]]
        watched: list[tuple[Ints, Ints, Floats]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
        for start in range(0, len(x), BLOCK):
            bx, by = x[start : start + BLOCK], y[start : start + BLOCK]
            point, camera = self._view_grid.holding(bx, by)
            watched.append((cell[point + start], camera, self._distance2(camera, bx[point], by[point])))
        of_cell, camera, away = (np.concatenate(column) for column in zip(*watched, strict=True))
        order = np.lexsort((away, camera, of_cell))
        of_cell, camera, away = of_cell[order], camera[order], away[order]
        once = first_of_run(of_cell * max(len(self._camera_x), 1) + camera)
        self.cell_cameras: Indices = _nearest_first(of_cell[once], camera[once], away[once], int(self.cell_first[-1]))
        road, within = ragged(cells)
        length = np.minimum(roads.road_length_m[road] - within * CELL_M, CELL_M)
        seen = segment_sum(np.where(self.cell_cameras[:, 0] >= 0, length, 0.0), road, len(cells))
        self.road_cover: Floats = seen / np.maximum(roads.road_length_m, CELL_M * 1e-6)

    def cell_of(self, road: Indices, along_m: Floats) -> Ints:
        """The cell (n,), an index into `cell_cameras`, at metres (n,) from the start of roads (n,); -1 for road -1."""
        known = road >= 0
        first, last = self.cell_first[np.where(known, road, 0)], self.cell_first[np.where(known, road + 1, 1)] - 1
        cell = first + np.floor(np.where(known, along_m, 0.0) / CELL_M).astype(np.int64)
        return np.where(known, np.minimum(np.maximum(cell, first), last), -1)


def _nearest_first(row: Ints, camera: Ints, away: Floats, rows: int) -> Indices:
    """A table (rows, 8) of the cameras of each row, nearest first, ties by number, -1 padded."""
    table = np.full((rows, MOST_CAMERAS), -1, dtype=np.int32)
    order = stable_order(row, stable_order(away, stable_order(camera)))
    row, camera = row[order], camera[order]
    first = np.flatnonzero(first_of_run(row))
    rank = np.arange(len(row)) - np.repeat(first, np.diff(np.append(first, len(row))))
    kept = rank < MOST_CAMERAS
    table[row[kept], rank[kept]] = camera[kept]
    return table
