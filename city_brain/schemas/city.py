"""The schema of a city map; its reader is written by hand, and so is this, and tests hold them together.

What no schema can say (ids are unique, rings closed, a signal's intersection is on the map) `city-brain check` says.
"""

from typing import Any, Final

from city_brain.city.datum import Datum
from city_brain.schemas.generating import DIALECT, Schema, described

_DATUM: Final[Schema] = {"enum": [datum.label for datum in Datum]}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 200}
_POSITION: Final[Schema] = {
    "description": "Longitude, latitude in degrees; an altitude is dropped.",
    "type": "array",
    "prefixItems": [
        {"type": "number", "minimum": -180, "maximum": 180},
        {"type": "number", "minimum": -85, "maximum": 85},
        {"type": "number"},
    ],
    "minItems": 2,
    "items": False,
}
_LENS: Final = 1e5


def _number(low: float, high: float, text: str = "") -> Schema:
    return {"type": "number", "minimum": low, "maximum": high, "description": text}


def _shape(kind: str, coordinates: Schema, multi: bool = True) -> Schema:
    """A geometry of a kind; a Multi geometry of one part is read as that part."""
    one = _geometry(kind, coordinates)
    parts = {"type": "array", "items": coordinates, "minItems": 1, "maxItems": 1}
    return {"anyOf": [one, _geometry(f"Multi{kind}", parts)]} if multi else one


def _geometry(kind: str, coordinates: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"type": {"const": kind}, "coordinates": coordinates},
        "required": ["type", "coordinates"],
    }


_LINE: Final[Schema] = {"type": "array", "items": {"$ref": "#/$defs/position"}, "minItems": 2, "maxItems": 10_000}
_RING: Final[Schema] = {**_LINE, "minItems": 4}
_POLYGON: Final[Schema] = {"type": "array", "items": _RING, "minItems": 1, "maxItems": 1}
_RINGS: Final[Schema] = {"type": "array", "items": {**_RING, "maxItems": 200_000}, "minItems": 1}
_POINT: Final = _shape("Point", {"$ref": "#/$defs/position"})

_KINDS: Final[dict[str, tuple[Schema, dict[str, Schema], tuple[str, ...]]]] = {
    "camera": (
        _shape("Polygon", _POLYGON),
        {
            "position": {"$ref": "#/$defs/position"},
            "heading_deg": _number(-360, 360, "Clockwise from north."),
            "range_m": _number(0.1, 10_000, "How far it sees."),
            "fov_deg": _number(0.1, 360, "Width of its view."),
            "homography": {
                "type": "array",
                "items": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
                "minItems": 3,
                "maxItems": 3,
                "description": "3 × 3, pixels to metres east and north of the camera; invertible.",
            },
            "homography_error_m": _number(0, 1000, "Its error, 1 σ."),
            "picture_px": {
                "type": "array", "items": _number(1, 65_536), "minItems": 2, "maxItems": 2,
                "description": "Width and height of the picture whose pixels these are.",
            },
            "lens": {
                "type": "object",
                "properties": {
                    "k1": _number(-_LENS, _LENS, "No unit."),
                    "k2": _number(-_LENS, _LENS, "No unit."),
                    "focal_px": _number(1, _LENS),
                    "centre_x": _number(-_LENS, _LENS, "In pixels."),
                    "centre_y": _number(-_LENS, _LENS, "In pixels."),
                },
                "required": ["k1", "focal_px", "centre_x", "centre_y"],
                "additionalProperties": False,
                "description": "How its lens bends straight lines (Brown).",
            },
            "datum": _DATUM,
        },
        ("position", "heading_deg", "range_m", "fov_deg"),
    ),
    "intersection": (_shape("Polygon", _POLYGON), {"position": {"$ref": "#/$defs/position"}}, ()),
    "signal": (
        _POINT,
        {"intersection": {**_TEXT, "description": "The id of the one that it serves."}, "datum": _DATUM},
        ("intersection",),
    ),
    "sensor": (
        _POINT,
        {
            "quantity": {**_TEXT, "description": "What it measures."},
            "unit": {**_TEXT, "description": "Of readings that say none."},
            "period_s": _number(0.001, 31_536_000, "Between its readings."),
            "lowest": _number(-1e9, 1e9, "What its instrument reads at least, in that unit."),
            "highest": _number(-1e9, 1e9, "What its instrument reads at most."),
            "datum": _DATUM,
        },
        ("quantity", "unit", "period_s"),
    ),
    "lane": (
        _shape("LineString", _LINE),
        {
            "road": {**_TEXT, "description": "The road that it is of."},
            "width_m": _number(0.5, 30),
            "speed_limit_mps": _number(0.1, 100),
        },
        ("road", "width_m", "speed_limit_mps"),
    ),
    "crosswalk": (_shape("LineString", _LINE), {"width_m": _number(0.5, 100)}, ("width_m",)),
    "area": (
        {"anyOf": [_geometry("Polygon", _RINGS), _geometry("MultiPolygon", {"type": "array", "items": _RINGS})]},
        {
            "code": {"type": "string", "minLength": 1, "maxLength": 20, "description": "By GB/T 2260, or its own."},
            "parent": {"type": "string", "minLength": 1, "maxLength": 20, "description": "Code of what it is part of."},
        },
        ("code",),
    ),
}  # fmt: skip
"""Geometry, properties and required properties of each kind."""


def city_schema() -> dict[str, Any]:
    """The schema of a whole map. Properties that are not ours may stand beside ours."""
    feature = {
        "type": "object",
        "properties": {
            "type": {"const": "Feature"},
            "id": {"type": ["string", "integer"], "maxLength": 200, "minLength": 1},
            "properties": {
                "type": "object",
                "properties": {"kind": {"enum": [*sorted(_KINDS), "asset", "unit", "zone"]}},
                "required": ["kind"],
            },
        },
        "required": ["type", "id", "properties"],
        "allOf": [_conditional(kind) for kind in sorted(_KINDS)],
    }
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": {
            "type": {"const": "FeatureCollection"},
            "datum": {**_DATUM, "description": "Of all positions here, and of rows that say none."},
            "origin": {"$ref": "#/$defs/position"},
            "features": {"type": "array", "items": {"$ref": "#/$defs/feature"}},
        },
        "required": ["type", "datum", "features"],
        "$defs": {"position": _POSITION, "feature": feature},
    }


def _conditional(kind: str) -> Schema:
    geometry, properties, required = _KINDS[kind]
    names = {"name": _TEXT | {"description": "For people."}, "name_en": _TEXT | {"description": "In English."}}
    known: dict[str, Schema] = {}
    for key, said in {**names, **properties}.items():
        text = described(said.get("description", ""), key)
        known[key] = said if "$ref" in said or not text else {**said, "description": text}
        if key not in required:
            texts = {"description": text} if text else {}
            known[key] = {"anyOf": [known[key], {"type": "null"}], **texts}
    return {
        "if": {"properties": {"properties": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}}},
        "then": {
            "properties": {"geometry": geometry, "properties": {"properties": known, "required": list(required)}},
            "required": ["geometry"],
        },
    }
