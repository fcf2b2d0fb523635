"""Reads areas: districts, streets and blocks with their codes, as polygons that may have holes and several parts.

The boundary of a province may reach far beyond a city, so areas do not decide where the local frame lies, nor how far
from one another the features of a map may be.
"""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import shapely

from city_brain.city.city_map import Area
from city_brain.city.datum import Datum, to_wgs84
from city_brain.city.features.fields import Fields, read_position
from city_brain.city.features.shapes import signed_area_m2
from city_brain.errors import MapError
from city_brain.geo import LocalFrame
from city_brain.types import Floats
from city_brain.wording.nearest import nearest, shown

MOST_POINTS_OF_AN_AREA = 200_000
LONGEST_CODE = 20
_LENGTHS = (6, 9, 12)
"""Digits of a code by GB/T 2260 and GB/T 10114: to the county, to the street, to the village."""


def read_area(fields: Fields, geometry: Any) -> dict[str, Any]:
    """The properties of an area, and its rings in degrees, checked; `polygons` are still arrays of degrees."""
    return {
        "code": read_code(fields, "code"),
        "parent": read_code(fields, "parent", needed=False),
        "polygons": _polygons(fields.place, geometry),
    }


def read_code(fields: Fields, name: str, needed: bool = True) -> str | None:
    """A code of 6, 9 or 12 digits, or any other short code without spaces."""
    code = fields.text(name) if needed else fields.maybe_text(name)
    if code is None:
        return None
    wanted = f"6, 9 or 12 digits, or a code of 1 to {LONGEST_CODE} characters without spaces"
    if len(code) > LONGEST_CODE or any(map(str.isspace, code)):
        fields.wrong(name, wanted, code)
    if code.isascii() and code.isdigit() and len(code) >= _LENGTHS[0] and len(code) not in _LENGTHS:
        fields.wrong(name, wanted, code)
    return code


def area_faults(drafts: list[tuple[str, dict[str, Any]]]) -> Iterator[MapError]:
    """Codes that are not unique, parents that are no areas of the map, and areas that are part of themselves."""
    places: dict[str, str] = {}
    for place, draft in drafts:
        if draft["code"] in places:
            yield MapError(f"{place}: code: wanted a code of its own, got {draft['code']!r} of {places[draft['code']]}")
        places.setdefault(draft["code"], place)
    parents: dict[str, str | None] = {draft["code"]: draft["parent"] for _, draft in drafts}
    for place, draft in drafts:
        parent = draft["parent"]
        if parent is not None and parent not in parents:
            hint = nearest(parent, sorted(parents))
            yield MapError(f"{place}: parent: wanted the code of an area on the map, got {parent!r}{hint}")
    yield from _circles(places, {code: above for code, above in parents.items() if above in parents})


def _circles(places: Mapping[str, str], parents: Mapping[str, str | None]) -> Iterator[MapError]:
    sound: set[str] = set()
    for code in parents:
        trail: dict[str, None] = {}
        above: str | None = code
        while above is not None and above not in sound:
            if above in trail:
                yield MapError(f"{places[code]}: parent: wanted parents without a circle, got {' < '.join(trail)}")
                break
            trail[above] = None
            above = parents.get(above)
        sound.update(trail)


def make_area(frame: LocalFrame, datum: Datum, place: str, draft: dict[str, Any]) -> Area:
    """The area in metres of a frame; raises MapError where its border crosses itself or encloses nothing."""
    polygons = tuple(
        tuple(_in_metres(frame, datum, ring, hole=number > 0) for number, ring in enumerate(rings))
        for rings in draft.pop("polygons")
    )
    area = Area(**draft, polygons=polygons)
    shape = area.shape
    if not shape.is_valid or not shape.area > 0.0:
        why = shapely.is_valid_reason(shape) if not shape.is_valid else "a flat ring"
        raise MapError(f"{place}: geometry: wanted borders that enclose an area and do not cross, got {why}")
    return area


def _in_metres(frame: LocalFrame, datum: Datum, degrees: Floats, hole: bool) -> Floats:
    x, y = frame.to_metres(*to_wgs84(datum, degrees[:, 0], degrees[:, 1]))
    ring: Floats = np.stack([x, y], axis=1)
    if (signed_area_m2(ring) > 0) == hole:
        ring = ring[::-1]
    ring.setflags(write=False)
    return ring


def _polygons(place: str, geometry: Any) -> list[list[Floats]]:
    kinds = ("Polygon", "MultiPolygon")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in kinds or "coordinates" not in geometry:
        hint = nearest(kind, kinds) if isinstance(kind, str) else ""
        _wrong(place, "a geometry of type Polygon or MultiPolygon with coordinates", shown(geometry) + hint)
    coordinates = geometry["coordinates"]
    parts = coordinates if kind == "MultiPolygon" else [coordinates]
    if not isinstance(parts, list) or not parts:
        _wrong(place, "one polygon at least", shown(parts))
    left = MOST_POINTS_OF_AN_AREA
    polygons = []
    for rings in parts:
        if not isinstance(rings, list) or not rings:
            _wrong(place, "a polygon of one ring at least", shown(rings))
        left -= sum(len(ring) for ring in rings if isinstance(ring, list))
        if left < 0:
            _wrong(place, f"at most {MOST_POINTS_OF_AN_AREA} positions", "more")
        polygons.append([_ring(place, ring) for ring in rings])
    return polygons


def _ring(place: str, coordinates: Any) -> Floats:
    """An open ring (k, 2) in degrees, without immediate repeats."""
    if not isinstance(coordinates, list):
        _wrong(place, "a ring of positions", shown(coordinates))
    flat = array("d")
    for position in _positions(place, coordinates):
        flat.extend(position)
    ring = np.frombuffer(flat, np.float64).reshape(-1, 2) if flat else np.empty((0, 2))
    if len(ring) < 4:
        _wrong(place, "a ring of three different points or more and the first again", f"{len(ring)} positions")
    if not np.array_equal(ring[0], ring[-1]):
        ends = f"{ring[0].tolist()} and {ring[-1].tolist()}"
        _wrong(place, "a closed ring", f"different first and last positions {ends}")
    return ring[:-1]


def _positions(place: str, coordinates: list[Any]) -> Iterator[tuple[float, float]]:
    last: tuple[float, float] | None = None
    for number, value in enumerate(coordinates):
        position = read_position(f"{place}: geometry: position {number}", value)
        if position != last:
            yield position
        last = position


def _wrong(place: str, wanted: str, got: str) -> NoReturn:
    raise MapError(f"{place}: geometry: wanted {wanted}, got {got}")
