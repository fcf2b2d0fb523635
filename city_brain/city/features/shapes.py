"""Collects the coordinates of all features in one array, and turns them into metres, outlines and centre lines."""

from array import array
from typing import Any

import numpy as np

from city_brain.city.datum import Datum, to_wgs84
from city_brain.city.features.fields import read_position
from city_brain.errors import MapError
from city_brain.geo import LocalFrame
from city_brain.types import Floats
from city_brain.wording.nearest import nearest, shown

MOST_POINTS_OF_A_FEATURE = 10_000
MOST_POINTS = 30_000_000
FARTHEST_M = 200_000.0
"""Beyond this from the middle of the map the local frame would be more than a few per cent wrong."""

_SMALLEST_AREA_M2 = 0.01
_KINDS = ("Point", "LineString", "Polygon")


class Shapes:
    """Growing coordinates of features; a shape is the number of its first point and its number of points."""

    __slots__ = ("_coordinates", "_first", "_places", "_xy")

    def __init__(self) -> None:
        self._coordinates = array("d")
        self._first: list[int] = []
        self._places: list[str] = []
        self._xy: Floats = np.empty((0, 2))

    def add(self, place: str, geometry: Any, kind: str) -> tuple[int, int]:
        """Takes the geometry of a feature, which must be of `kind`; a ring loses its closing point."""
        wanted = f"a geometry of type {kind} with coordinates"
        if not isinstance(geometry, dict) or "coordinates" not in geometry:
            raise MapError(f"{place}: geometry: wanted {wanted}, got {shown(geometry)}")
        found, coordinates = geometry.get("type"), geometry["coordinates"]
        if found == f"Multi{kind}" and isinstance(coordinates, list) and len(coordinates) == 1:
            found, coordinates = kind, coordinates[0]
        if found != kind:
            hint = nearest(found, _KINDS) if isinstance(found, str) else ""
            raise MapError(f"{place}: geometry: wanted {wanted}, got type {shown(found)}{hint}")
        if kind == "Point":
            return self.add_position(place, read_position(f"{place}: geometry", coordinates))
        if kind == "Polygon":
            coordinates = _only_ring(place, coordinates)
        positions = _positions(place, coordinates)
        if kind == "Polygon":
            positions = _opened(place, positions)
        elif len(positions) < 2:
            raise MapError(f"{place}: geometry: wanted a line of two different points or more, got {len(positions)}")
        return self._append(place, positions)

    def add_position(self, place: str, position: tuple[float, float]) -> tuple[int, int]:
        """Takes a single point that is not the geometry itself."""
        return self._append(place, [position])

    def _append(self, place: str, positions: list[tuple[float, float]]) -> tuple[int, int]:
        first = len(self._coordinates) // 2
        if first + len(positions) > MOST_POINTS:
            raise MapError(f"{place}: geometry: wanted at most {MOST_POINTS} points on the map, got more")
        self._first.append(first)
        self._places.append(place)
        for position in positions:
            self._coordinates.extend(position)
        return first, len(positions)

    def settle(self, datum: Datum, origin: tuple[float, float] | None) -> LocalFrame:
        """Turns everything into metres; the frame's origin is the given one, else the middle of the map.

        Raises MapError for a feature farther than 200 km from the middle.
        """
        degrees = np.frombuffer(self._coordinates, np.float64).reshape(-1, 2) if self._coordinates else np.empty((0, 2))
        lon, lat = to_wgs84(datum, degrees[:, 0], degrees[:, 1])
        if len(lon):
            self._check_extent(lon, lat, degrees)
        if origin is None:
            # Rounded, so that most edits of a map leave the frame where it was.
            middle = [(np.min(c) + np.max(c)) / 2 if len(c) else 0.0 for c in (lon, lat)]
            origin = round(float(middle[0]), 2), round(float(middle[1]), 2)
        frame = LocalFrame(*origin)
        x, y = frame.to_metres(lon, lat)
        self._xy = np.stack([x, y], axis=1)
        if len(x) and float(np.max(np.abs(self._xy))) > 2 * FARTHEST_M:
            raise MapError(f"origin: wanted a point near the features, got {list(origin)}")
        self._xy.setflags(write=False)
        return frame

    def _check_extent(self, lon: Floats, lat: Floats, degrees: Floats) -> None:
        middle = LocalFrame(float(np.median(lon)), float(np.median(lat)))
        x, y = middle.to_metres(lon, lat)
        worst = int(np.argmax(x * x + y * y))
        if x[worst] * x[worst] + y[worst] * y[worst] > FARTHEST_M * FARTHEST_M:
            place = self._places[int(np.searchsorted(self._first, worst, side="right")) - 1]
            wanted = f"a point within {FARTHEST_M / 1000:g} km of the others"
            at = degrees[worst].tolist()
            x_swapped, y_swapped = middle.to_metres(lat[worst : worst + 1], lon[worst : worst + 1])
            near = float(x_swapped[0]) ** 2 + float(y_swapped[0]) ** 2 <= FARTHEST_M * FARTHEST_M
            swapped = "; these look swapped, longitude comes first" if near else ""
            raise MapError(f"{place}: geometry: wanted {wanted}, got {at}{swapped}")

    def point(self, shape: tuple[int, int]) -> tuple[float, float]:
        """A single point in metres."""
        x, y = self._xy[shape[0]].tolist()
        return x, y

    def line(self, shape: tuple[int, int]) -> Floats:
        """A line (k, 2) in metres, read-only."""
        return self._xy[shape[0] : shape[0] + shape[1]]

    def outline(self, place: str, shape: tuple[int, int]) -> Floats:
        """An outline (k, 2) in metres, counter-clockwise whatever it was, read-only; raises for a flat one."""
        ring = self.line(shape)
        area = signed_area_m2(ring)
        if abs(area) < _SMALLEST_AREA_M2:
            raise MapError(f"{place}: geometry: wanted an area, got a ring of {abs(area):.2g} m²")
        return ring if area > 0 else ring[::-1]


def signed_area_m2(ring: Floats) -> float:
    """Area of an open ring (k, 2); positive when counter-clockwise."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2.0


def centroid(ring: Floats) -> tuple[float, float]:
    """Centre of area of an open ring (k, 2) whose area is not zero."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    cross = x * next_y - next_x * y
    scale = 3.0 * float(np.sum(cross))
    east, north = float(np.sum((x + next_x) * cross)) / scale, float(np.sum((y + next_y) * cross)) / scale
    return east + float(ring[0, 0]), north + float(ring[0, 1])


def _only_ring(place: str, coordinates: Any) -> Any:
    if not isinstance(coordinates, list) or len(coordinates) != 1:
        got = f"{len(coordinates)} rings" if isinstance(coordinates, list) else shown(coordinates)
        raise MapError(f"{place}: geometry: wanted a polygon of one ring without holes, got {got}")
    return coordinates[0]


def _positions(place: str, coordinates: Any) -> list[tuple[float, float]]:
    """Positions without immediate repeats."""
    if not isinstance(coordinates, list) or len(coordinates) > MOST_POINTS_OF_A_FEATURE:
        got = f"{len(coordinates)} positions" if isinstance(coordinates, list) else shown(coordinates)
        raise MapError(f"{place}: geometry: wanted a list of at most {MOST_POINTS_OF_A_FEATURE} positions, got {got}")
    positions: list[tuple[float, float]] = []
    for number, value in enumerate(coordinates):
        # Nearly all positions are two numbers in range; the others are read with a place for the error.
        if _is_plain(value):
            position = value[0], value[1]
        else:
            position = read_position(f"{place}: geometry: position {number}", value)
        if not positions or position != positions[-1]:
            positions.append(position)
    return positions


def _is_plain(value: Any) -> bool:
    if type(value) is not list or len(value) != 2:
        return False
    lon, lat = value
    return type(lon) is float and type(lat) is float and -180.0 <= lon <= 180.0 and -85.0 <= lat <= 85.0


def _opened(place: str, positions: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(positions) < 4:
        wanted = "a ring of three different points or more and the first again"
        raise MapError(f"{place}: geometry: wanted {wanted}, got {len(positions)} positions")
    if positions[0] != positions[-1]:
        ends = f"{list(positions[0])} and {list(positions[-1])}"
        raise MapError(f"{place}: geometry: wanted a closed ring, got different first and last positions {ends}")
    return positions[:-1]
