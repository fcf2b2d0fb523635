"""Reads and writes the city map: a GeoJSON FeatureCollection (RFC 7946) with a top-level `datum`.

Every feature has an `id` and `properties.kind`. Any winding is read and counter-clockwise is written; a Multi geometry
of one part is read as that part, altitudes are dropped, unknown properties belong to others and are left alone. Top
level `origin` [longitude, latitude], WGS-84, fixes the local frame across edits of the map; without it the middle of
the map is taken.

A camera, a Polygon of the ground it sees, has `position`, `heading_deg`, `range_m` and `fov_deg`. It may have
`homography` (3 x 3, pixels to metres east and north of it), `homography_error_m` (1 σ), `picture_px` ([width, height]
of the picture whose pixels these are), `datum`, and `lens` (k1, k2, focal_px, centre_x, centre_y): then the pixels of
the homography are those of a straight picture.

A sensor, a Point, has `quantity`, `unit` and `period_s`. It may have `datum`, and `lowest` and `highest`, the range of
its instrument in its unit: what it cannot have read is not believed. Without them holds what its quantity may be, which
is wide, since a fire at a sensor that is made for it is no error.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np

from city_brain.city.city_map import Camera, CityMap, Crosswalk, Intersection, Lane, Sensor, Signal
from city_brain.city.features.areas import area_faults, make_area, read_area
from city_brain.city.features.fields import Fields, is_plain_text, read_datum, read_position
from city_brain.city.features.lenses import read_lens
from city_brain.city.features.shapes import Shapes, centroid
from city_brain.city.features.writing import geojson_lines
from city_brain.errors import MapError
from city_brain.wording.nearest import nearest, shown

MOST_FEATURES = 5_000_000
MOST_BYTES = 4_000_000_000
RESERVED_KINDS = ("asset", "unit", "zone")
"""Kinds that maps may hold already; they are kept as they are."""

Draft: TypeAlias = tuple[str, dict[str, Any]]


_BYTE = re.compile(r"\(byte (\d+)\)")


class Collection(msgspec.Struct):
    """A FeatureCollection."""

    type: str
    features: list[msgspec.Raw]
    datum: Any = None
    origin: Any = None


def load_city(source: Path | str | bytes, origin: tuple[float, float] | None = None, name: str = "city map") -> CityMap:
    """The map in a file, or in the bytes themselves; raises MapError with the feature, the field, wanted and got.

    `origin` (longitude, latitude) is that of the local frame where the map does not state its own; `name` is what
    messages call bytes.
    """
    if isinstance(source, bytes):
        return _read(source, name, origin)
    path = Path(source)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise MapError(f"{path}: wanted a map of at most {MOST_BYTES} bytes, got {size}")
        data = path.read_bytes()
    except (OSError, ValueError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) and wrong.strerror else str(wrong)
        raise MapError(f"{path}: wanted a readable file, got: {why}") from wrong
    return _read(data, str(path), origin)


def city_to_geojson(city: CityMap) -> bytes:
    """The map as a file: sorted by kind and id, one feature a line, counter-clockwise, in the datum of the map."""
    return b"\n".join(geojson_lines(city)) + b"\n"


def fingerprint(city: CityMap) -> str:
    """A hash of all that the map says, so that two maps can be told apart."""
    return hashlib.blake2b(city_to_geojson(city), digest_size=16).hexdigest()


def _read(data: bytes, name: str, origin: tuple[float, float] | None) -> CityMap:
    collection = collection_of(data, name)
    datum = read_datum(f"{name}: datum", collection.datum)
    if collection.origin is not None:
        origin = read_position(f"{name}: origin", collection.origin)
    shapes = Shapes()
    drafts: dict[str, list[Draft]] = {kind: [] for kind in READERS}
    unread: list[bytes] = []
    for number, raw in enumerate(collection.features):
        feature = feature_of(raw, f"{name}: feature number {number}")
        kind, place, identity = kind_and_id(feature, f"{name}: feature number {number}", name)
        if kind in RESERVED_KINDS:
            unread.append(bytes(raw))
            continue
        fields = Fields(place, feature["properties"])
        draft = {"id": identity, "name": fields.maybe_text("name"), "name_en": fields.maybe_text("name_en")}
        draft |= READERS[kind](fields, feature.get("geometry"), shapes)
        fields.finish()
        drafts[kind].append((place, draft))
    frame = shapes.settle(datum, origin)
    for wrong in chain(clashes(drafts), strays(drafts), area_faults(drafts["area"])):
        raise wrong
    return CityMap(
        frame=frame,
        datum=datum,
        cameras=tuple(_camera(shapes, place, draft) for place, draft in _by_id(drafts["camera"])),
        intersections=tuple(_intersection(shapes, place, draft) for place, draft in _by_id(drafts["intersection"])),
        signals=tuple(Signal(**_placed(shapes, draft)) for _, draft in _by_id(drafts["signal"])),
        sensors=tuple(Sensor(**_placed(shapes, draft)) for _, draft in _by_id(drafts["sensor"])),
        lanes=tuple(Lane(**_lined(shapes, draft)) for _, draft in _by_id(drafts["lane"])),
        crosswalks=tuple(Crosswalk(**_lined(shapes, draft)) for _, draft in _by_id(drafts["crosswalk"])),
        areas=tuple(make_area(frame, datum, place, draft) for place, draft in _by_id(drafts["area"])),
        unread=tuple(sorted(unread)),
    )


def collection_of(data: bytes, name: str) -> Collection:
    """The collection in a file's bytes, its features still unread; raises MapError."""
    try:
        collection = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=Collection)
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:
        at = _BYTE.search(str(wrong))
        line = data.count(b"\n", 0, int(at[1])) + 1 if at else 0
        place = f"{name}, line {line}" if at else name
        why = str(wrong).removeprefix("JSON is malformed: ")
        got = "a file that ends too early" if why == "Input data was truncated" else why or "lists nested too deep"
        raise MapError(f"{place}: wanted a GeoJSON FeatureCollection, got {got}") from wrong
    if collection.type != "FeatureCollection":
        raise MapError(f"{name}: type: wanted 'FeatureCollection', got {shown(collection.type)}")
    if len(collection.features) > MOST_FEATURES:
        raise MapError(f"{name}: wanted at most {MOST_FEATURES} features, got {len(collection.features)}")
    return collection


def feature_of(raw: msgspec.Raw, place: str) -> dict[str, Any]:
    """One feature with its properties; raises MapError."""
    try:
        feature = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:
        raise MapError(f"{place}: wanted a GeoJSON feature, got {wrong}") from wrong
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise MapError(f"{place}: wanted an object of type 'Feature', got {shown(feature)}")
    if not isinstance(feature.get("properties"), dict):
        raise MapError(f"{place}: properties: wanted an object with kind, got {shown(feature.get('properties'))}")
    return feature


def kind_and_id(feature: dict[str, Any], place: str, name: str) -> tuple[str, str, str]:
    """Kind of a feature, its place for messages, and its id; raises MapError."""
    identity, properties = feature.get("id"), feature["properties"]
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or not is_plain_text(identity):
        hint = "; properties hold an id, it belongs beside them" if identity is None and "id" in properties else ""
        raise MapError(f"{place}: id: wanted 1 to 200 printable characters, got {shown(identity)}{hint}")
    kind, known = properties.get("kind"), (*READERS, *RESERVED_KINDS)
    if not isinstance(kind, str) or kind not in known:
        hint = nearest(kind, known) if isinstance(kind, str) else nearest("kind", sorted(properties))
        raise MapError(f"{name}: feature {identity!r}: kind: wanted one of {', '.join(known)}, got {shown(kind)}{hint}")
    return kind, f"{name}: {kind} {identity!r}", identity


def _read_area(fields: Fields, geometry: Any, _: Shapes) -> dict[str, Any]:
    return read_area(fields, geometry)


def _read_camera(fields: Fields, geometry: Any, shapes: Shapes) -> dict[str, Any]:
    return {
        "at": shapes.add_position(fields.place, fields.position("position")),
        "heading_deg": fields.number("heading_deg", -360.0, 360.0, "degrees clockwise from north") % 360.0,
        "range_m": fields.number("range_m", 0.1, 10_000.0, "m"),
        "fov_deg": fields.number("fov_deg", 0.1, 360.0, "degrees"),
        "homography": fields.maybe_matrix("homography"),
        "homography_error_m": fields.maybe_number("homography_error_m", 0.0, 1000.0, "m"),
        "lens": read_lens(fields),
        "picture_px": fields.maybe_size("picture_px", 1.0, 65_536.0, "px"),
        "datum": fields.maybe_datum("datum"),
        "view": shapes.add(fields.place, geometry, "Polygon"),
    }


def _read_intersection(fields: Fields, geometry: Any, shapes: Shapes) -> dict[str, Any]:
    position = fields.maybe_position("position")
    return {
        "at": None if position is None else shapes.add_position(fields.place, position),
        "outline": shapes.add(fields.place, geometry, "Polygon"),
    }


def _read_signal(fields: Fields, geometry: Any, shapes: Shapes) -> dict[str, Any]:
    return {
        "intersection": fields.text("intersection"),
        "datum": fields.maybe_datum("datum"),
        "at": shapes.add(fields.place, geometry, "Point"),
    }


def _read_sensor(fields: Fields, geometry: Any, shapes: Shapes) -> dict[str, Any]:
    lowest, highest = (fields.maybe_number(name, -1e9, 1e9, "") for name in ("lowest", "highest"))
    if lowest is not None and highest is not None and lowest >= highest:
        fields.wrong("highest", f"more than lowest, {lowest:g}", highest)
    return {
        "quantity": fields.text("quantity"),
        "unit": fields.text("unit"),
        "period_s": fields.number("period_s", 0.001, 31_536_000.0, "s"),
        "lowest": lowest,
        "highest": highest,
        "datum": fields.maybe_datum("datum"),
        "at": shapes.add(fields.place, geometry, "Point"),
    }


def _read_lane(fields: Fields, geometry: Any, shapes: Shapes) -> dict[str, Any]:
    return {
        "road": fields.text("road"),
        "width_m": fields.number("width_m", 0.5, 30.0, "m"),
        "speed_limit_mps": fields.number("speed_limit_mps", 0.1, 100.0, "m/s"),
        "line": shapes.add(fields.place, geometry, "LineString"),
    }


def _read_crosswalk(fields: Fields, geometry: Any, shapes: Shapes) -> dict[str, Any]:
    return {
        "width_m": fields.number("width_m", 0.5, 100.0, "m"),
        "line": shapes.add(fields.place, geometry, "LineString"),
    }


READERS: dict[str, Callable[[Fields, Any, Shapes], dict[str, Any]]] = {
    "area": _read_area,
    "camera": _read_camera,
    "crosswalk": _read_crosswalk,
    "intersection": _read_intersection,
    "lane": _read_lane,
    "sensor": _read_sensor,
    "signal": _read_signal,
}
"""The properties and the shape of a feature, by its kind."""


def _by_id(drafts: list[Draft]) -> Iterator[Draft]:
    """Hands out the drafts in order of id, and forgets them on the way."""
    drafts.sort(key=lambda draft: draft[1]["id"], reverse=True)
    while drafts:
        yield drafts.pop()


def _placed(shapes: Shapes, draft: dict[str, Any]) -> dict[str, Any]:
    draft["x"], draft["y"] = shapes.point(draft.pop("at"))
    return draft


def _lined(shapes: Shapes, draft: dict[str, Any]) -> dict[str, Any]:
    draft["line"] = shapes.line(draft["line"])
    return draft


def _camera(shapes: Shapes, place: str, draft: dict[str, Any]) -> Camera:
    draft["view"] = shapes.outline(place, draft["view"])
    if draft["homography"] is not None:
        draft["homography"] = np.array(draft["homography"])
    return Camera(**_placed(shapes, draft))


def _intersection(shapes: Shapes, place: str, draft: dict[str, Any]) -> Intersection:
    draft["outline"] = shapes.outline(place, draft["outline"])
    at = draft.pop("at")
    draft["x"], draft["y"] = centroid(draft["outline"]) if at is None else shapes.point(at)
    return Intersection(**draft)


def clashes(drafts: dict[str, list[Draft]]) -> Iterator[MapError]:
    """Ids that are not unique within a kind, or among everything that sends rows."""
    sending = {"camera": "source", "signal": "source", "sensor": "source"}
    seen: dict[tuple[str, str], str] = {}
    for kind, listed in drafts.items():
        for place, draft in listed:
            key = sending.get(kind, kind), draft["id"]
            if key in seen:
                other = seen[key].rpartition(": ")[2]
                yield MapError(f"{place}: id: wanted an id of its own, got that of another feature, {other}")
            seen.setdefault(key, place)


def strays(drafts: dict[str, list[Draft]]) -> Iterator[MapError]:
    """Signals of intersections that are not on the map."""
    intersections = {draft["id"] for _, draft in drafts["intersection"]}
    for place, draft in drafts["signal"]:
        if draft.get("intersection") and draft["intersection"] not in intersections:
            hint = nearest(draft["intersection"], sorted(intersections))
            wanted = "the id of an intersection on the map"
            yield MapError(f"{place}: intersection: wanted {wanted}, got {draft['intersection']!r}{hint}")
