"""Writes features as GeoJSON: counter-clockwise rings, seven decimals, one feature a line."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from city_brain.city.city_map import Area, Camera, CityMap, Lane, Names, Sensor, Signal
from city_brain.city.datum import Datum, from_wgs84
from city_brain.city.features.lenses import lens_properties
from city_brain.geo import LocalFrame
from city_brain.types import Floats


def geojson_lines(city: CityMap) -> Iterator[bytes]:
    """The lines of the file, without line ends."""
    origin = [city.frame.lon0, city.frame.lat0]
    head = {"type": "FeatureCollection", "datum": city.datum.label, "origin": origin}
    yield msgspec.json.encode(head)[:-1] + b',"features":['
    features = [msgspec.json.encode(feature) for feature in _features(city)]
    features.extend(city.unread)
    for number, feature in enumerate(features):
        yield feature if number == len(features) - 1 else feature + b","
    yield b"]}"


def _features(city: CityMap) -> Iterator[dict[str, Any]]:
    degrees = _Degrees(city.frame, city.datum)
    for area in city.areas:
        yield _feature(area, "area", _multi_polygon(degrees, area), {"code": area.code, "parent": area.parent})
    for camera in city.cameras:
        yield _feature(camera, "camera", _polygon(degrees, camera.view), _camera(degrees, camera))
    for crosswalk in city.crosswalks:
        yield _feature(crosswalk, "crosswalk", _line(degrees, crosswalk.line), {"width_m": crosswalk.width_m})
    for intersection in city.intersections:
        centre = {"position": degrees.point(intersection.x, intersection.y)}
        yield _feature(intersection, "intersection", _polygon(degrees, intersection.outline), centre)
    for lane in city.lanes:
        yield _feature(lane, "lane", _line(degrees, lane.line), _lane(lane))
    for sensor in city.sensors:
        yield _feature(sensor, "sensor", _point(degrees, sensor), _sensor(sensor))
    for signal in city.signals:
        known = {"intersection": signal.intersection, "datum": _label(signal.datum)}
        yield _feature(signal, "signal", _point(degrees, signal), known)


class _Degrees:
    """Metres to degrees in the datum of the map, rounded to 1e-7° (about 1 cm)."""

    __slots__ = ("_datum", "_frame")

    def __init__(self, frame: LocalFrame, datum: Datum) -> None:
        self._frame, self._datum = frame, datum

    def points(self, xy: Floats) -> list[list[float]]:
        lon, lat = from_wgs84(self._datum, *self._frame.to_degrees(xy[:, 0], xy[:, 1]))
        rounded: list[list[float]] = np.round(np.stack([lon, lat], axis=1), 7).tolist()
        return rounded

    def point(self, x: float, y: float) -> list[float]:
        return self.points(np.array([[x, y]]))[0]


def _feature(names: Names, kind: str, geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    known = {"kind": kind, "name": names.name, "name_en": names.name_en, **properties}
    present = {key: value for key, value in known.items() if value is not None}
    return {"type": "Feature", "id": names.id, "geometry": geometry, "properties": present}


def _polygon(degrees: _Degrees, ring: Floats) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [degrees.points(np.concatenate([ring, ring[:1]]))]}


def _multi_polygon(degrees: _Degrees, area: Area) -> dict[str, Any]:
    """A Polygon where it has one part; holes clockwise."""
    parts = [[degrees.points(np.concatenate([ring, ring[:1]])) for ring in rings] for rings in area.polygons]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _line(degrees: _Degrees, line: Floats) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": degrees.points(line)}


def _point(degrees: _Degrees, source: Signal | Sensor) -> dict[str, Any]:
    return {"type": "Point", "coordinates": degrees.point(source.x, source.y)}


def _camera(degrees: _Degrees, camera: Camera) -> dict[str, Any]:
    return {
        "position": degrees.point(camera.x, camera.y),
        "heading_deg": camera.heading_deg,
        "range_m": camera.range_m,
        "fov_deg": camera.fov_deg,
        "homography": None if camera.homography is None else camera.homography.tolist(),
        "homography_error_m": camera.homography_error_m,
        "lens": lens_properties(camera.lens),
        "picture_px": None if camera.picture_px is None else list(camera.picture_px),
        "datum": _label(camera.datum),
    }


def _sensor(sensor: Sensor) -> dict[str, Any]:
    return {
        "quantity": sensor.quantity,
        "unit": sensor.unit,
        "period_s": sensor.period_s,
        "lowest": sensor.lowest,
        "highest": sensor.highest,
        "datum": _label(sensor.datum),
    }


def _lane(lane: Lane) -> dict[str, Any]:
    return {"road": lane.road, "width_m": lane.width_m, "speed_limit_mps": lane.speed_limit_mps}


def _label(datum: Datum | None) -> str | None:
    return None if datum is None else datum.label
