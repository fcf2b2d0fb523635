"""Places: what people call a position, from intersections, lanes and areas of the city map."""

import numpy as np
import shapely

from city_brain.city.city_map import CityMap, Intersection
from city_brain.incidents.incident import Place
from city_brain.types import Floats, Ints

INTERSECTION_M = 30.0
"""An intersection gives its name to what lies so near its outline."""

ROAD_M = 60.0
"""A road gives its name to what lies so near its lanes."""

_STRIP_M = 64.0


class Places:
    """Looks up the place of a position. A map without lanes has no roads, one without intersections no junctions.

    A place lies in every area that holds it, its border included; so on a border it lies in both.

    Memory: 40 bytes per piece of lane of up to 64 m.
    """

    def __init__(self, city: CityMap) -> None:
        self._intersections = {item.id: item for item in city.intersections}
        self._outlines = _Strips([(at, _spokes(item)) for at, item in enumerate(city.intersections)])
        self._lanes = _Strips([(at, lane.line) for at, lane in enumerate(city.lanes)])
        self._areas = shapely.STRtree([area.shape for area in city.areas])
        rank = {code: at for at, code in enumerate(city.area_codes)}
        self._area_codes = city.area_codes
        self._area_rank: Ints = np.array([rank[area.code] for area in city.areas], dtype=np.int64)
        self._city = city
        self._lane_of_road = {lane.road: lane for lane in reversed(city.lanes)}

    def at(self, x: float, y: float, road: str = "", intersection: str = "") -> Place:
        """The place at (`x`, `y`) metres; what the caller knows already goes first."""
        junction = self._intersections.get(intersection) or self._intersection_at(x, y)
        lane = self._lane_of_road.get(road)
        if lane is None:
            nearest = self._lanes.nearest(x, y, ROAD_M)
            lane = None if nearest < 0 else self._city.lanes[nearest]
        names: dict[str, str] = {}
        for named in (lane, junction):
            if named is not None:
                names |= {"zh": named.name} if named.name else {}
                names |= {"en": named.name_en} if named.name_en else {}
        return Place(
            intersection=intersection or (junction.id if junction else None),
            road=road or (lane.road if lane else None),
            area_codes=self._areas_at(x, y),
            names=names,
        )

    def _areas_at(self, x: float, y: float) -> tuple[str, ...]:
        """Codes of the areas that hold a point, the largest first, ties by code."""
        if len(self._area_rank) == 0:
            return ()
        found: Ints = np.sort(self._area_rank[self._areas.query(shapely.Point(x, y), predicate="intersects")])
        return tuple(self._area_codes[at] for at in found.tolist())

    def _intersection_at(self, x: float, y: float) -> Intersection | None:
        found = self._outlines.nearest(x, y, INTERSECTION_M)
        return None if found < 0 else self._city.intersections[found]


class _Strips:
    """Segments of named lines in strips of equal northing, for the nearest one to a point."""

    def __init__(self, lines: list[tuple[int, Floats]]) -> None:
        pieces = [_pieces(line) for _, line in lines]
        owner = [np.full(len(piece), name, dtype=np.int64) for (name, _), piece in zip(lines, pieces, strict=True)]
        found = np.concatenate(pieces) if pieces else np.empty((0, 4))
        strip = np.floor((found[:, 1] + found[:, 3]) / 2 / _STRIP_M).astype(np.int64)
        order = np.argsort(strip, kind="stable")
        self._strip: Ints = strip[order]
        self._pieces: Floats = found[order]
        self._owner: Ints = (np.concatenate(owner) if owner else np.empty(0, dtype=np.int64))[order]

    def nearest(self, x: float, y: float, reach: float) -> int:
        """The line nearest to a point, the first of equals, -1 where none is within `reach` metres."""
        low = np.searchsorted(self._strip, np.floor((y - reach - _STRIP_M) / _STRIP_M), side="left")
        high = np.searchsorted(self._strip, np.floor((y + reach + _STRIP_M) / _STRIP_M), side="right")
        ax, ay, bx, by = self._pieces[low:high].T
        dx, dy, px, py = bx - ax, by - ay, x - ax, y - ay
        length = dx * dx + dy * dy
        share = np.clip((px * dx + py * dy) / np.where(length > 0, length, 1.0), 0.0, 1.0)
        apart = (px - share * dx) ** 2 + (py - share * dy) ** 2
        near = np.flatnonzero(apart <= reach * reach)
        if len(near) == 0:
            return -1
        best = near[apart[near] == apart[near].min()]
        return int(self._owner[low:high][best].min())


def _pieces(line: Floats) -> Floats:
    """The segments (m, 4) of a line (k, 2), none longer than a strip is wide."""
    start, end = line[:-1], line[1:]
    if len(start) == 0:
        start = end = line
    parts = np.maximum(np.ceil(np.abs(end - start).max(axis=1) / _STRIP_M), 1).astype(np.int64)
    owner = np.repeat(np.arange(len(parts)), parts)
    step = (np.arange(len(owner)) - (np.cumsum(parts) - parts)[owner])[:, None] / parts[owner][:, None]
    span = (end - start)[owner]
    first = start[owner] + step * span
    return np.concatenate([first, first + span / parts[owner][:, None]], axis=1)


def _spokes(item: Intersection) -> Floats:
    """Outline and spokes from the centre as one line, so that the inside of a wide junction is near it too."""
    centre = np.array([item.x, item.y])
    around = np.concatenate([item.outline, item.outline[:1]])
    return np.stack([around[:-1], around[1:], np.broadcast_to(centre, item.outline.shape)], axis=1).reshape(-1, 2)
