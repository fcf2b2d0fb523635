"""Incidents as a GeoJSON FeatureCollection (RFC 7946), for maps: a feature each, its id that of the incident.

The geometry is a Point, or a GeometryCollection of it and the lines that a queue covers; seven decimals. Properties are
flat, so that tables of map programs show them:

number, type, state, status, revision   as in the incident
headline_zh, headline_en                in words
level, reason                           null where there is none
confidence, position_error_m, radius_m  figures; radius null for points and lines
began, announced, updated, ended        RFC 3339; null where it has not happened
place_zh, place_en, intersection, road  null where the map has no name
area_codes, sources                     joined by spaces; the largest area first
"""

from collections.abc import Iterable
from typing import Any

from city_brain.canonical import canonical_json
from city_brain.formats.times import UtcOffsets, rfc3339
from city_brain.incidents.explain import headline
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentTypes

_DECIMALS = 7


def feature_collection(incidents: Iterable[Incident], types: IncidentTypes, offsets: UtcOffsets) -> bytes:
    """The collection, a feature a line, in the order given; RuleError for a type that `types` does not hold."""
    features = [canonical_json(_feature(incident, types, offsets)) for incident in incidents]
    return b'{"type":"FeatureCollection","features":[\n' + b",\n".join(features) + b"\n]}\n"


def _feature(incident: Incident, types: IncidentTypes, offsets: UtcOffsets) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": incident.incident_id,
        "geometry": _geometry(incident),
        "properties": _properties(incident, types, offsets),
    }


def _geometry(incident: Incident) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": _position(incident.lon, incident.lat)}
    lines = incident.geometry.coordinates if incident.geometry else ()
    drawn = [[_position(*at) for at in line] for line in lines if len(line) > 1]
    if not drawn:
        return point
    return {"type": "GeometryCollection", "geometries": [point, {"type": "MultiLineString", "coordinates": drawn}]}


def _position(lon: float, lat: float) -> list[float]:
    return [round(lon, _DECIMALS), round(lat, _DECIMALS)]


def _properties(incident: Incident, types: IncidentTypes, offsets: UtcOffsets) -> dict[str, Any]:
    said = headline(incident, types[incident.type])
    place = incident.place

    def time(moment_ms: int | None) -> str | None:
        return None if moment_ms is None else rfc3339(moment_ms, offsets)

    return {
        "number": incident.number,
        "type": incident.type,
        "state": incident.state,
        "status": incident.status,
        "revision": incident.revision,
        "headline_zh": said.zh,
        "headline_en": said.en,
        "level": incident.level,
        "reason": incident.reason,
        "confidence": incident.confidence,
        "position_error_m": incident.position_error_m,
        "radius_m": incident.radius_m,
        "began": time(incident.first_seen_ms),
        "announced": time(incident.detected_ms),
        "updated": time(incident.updated_ms),
        "ended": time(incident.ended_ms),
        "place_zh": place.names.get("zh"),
        "place_en": place.names.get("en"),
        "intersection": place.intersection,
        "road": place.road,
        "area_codes": " ".join(place.area_codes),
        "sources": " ".join(incident.sources),
    }
