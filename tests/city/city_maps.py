"""Small maps for tests, written as metres around a point in Jinan and turned into GeoJSON."""

import math
from typing import Any

import msgspec
import numpy as np

from city_brain.city.city_map import CityMap
from city_brain.city.loading import load_city
from city_brain.geo import LocalFrame
from city_brain.types import Floats

ORIGIN = (117.0, 36.65)
FRAME = LocalFrame(*ORIGIN)

Feature = dict[str, Any]
Points = list[tuple[float, float]]


def degrees(x: float, y: float) -> list[float]:
    """Metres to [longitude, latitude]."""
    return list(FRAME.to_degrees(x, y))


def feature(kind: str, identity: str, geometry: str, coordinates: Any, **properties: Any) -> Feature:
    """One feature."""
    shape = {"type": geometry, "coordinates": coordinates}
    return {"type": "Feature", "id": identity, "geometry": shape, "properties": {"kind": kind, **properties}}


def ring(points: Points) -> list[list[list[float]]]:
    """A closed ring as polygon coordinates."""
    return [[degrees(*point) for point in [*points, points[0]]]]


def square(x: float, y: float, half: float) -> Points:
    """Corners of a square, counter-clockwise."""
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]


def lane(identity: str, road: str, points: Points, width_m: float = 3.2) -> Feature:
    """A lane."""
    line = [degrees(*point) for point in points]
    return feature("lane", identity, "LineString", line, road=road, width_m=width_m, speed_limit_mps=13.9)


def camera(identity: str, x: float, y: float, view: Points) -> Feature:
    """A camera with a given view."""
    facts = {"position": degrees(x, y), "heading_deg": 0.0, "range_m": 100.0, "fov_deg": 60.0}
    return feature("camera", identity, "Polygon", ring(view), **facts)


def intersection(identity: str, points: Points) -> Feature:
    """An intersection."""
    return feature("intersection", identity, "Polygon", ring(points))


def signal(identity: str, at: str, x: float = 0.0, y: float = 0.0) -> Feature:
    """A signal controller."""
    return feature("signal", identity, "Point", degrees(x, y), intersection=at)


def sensor(identity: str, x: float, y: float) -> Feature:
    """A sensor of fine dust."""
    return feature("sensor", identity, "Point", degrees(x, y), quantity="pm2_5", unit="ug/m3", period_s=10)


def crosswalk(identity: str, points: Points) -> Feature:
    """A crosswalk."""
    return feature("crosswalk", identity, "LineString", [degrees(*point) for point in points], width_m=4.0)


def area(identity: str, points: Points, code: str = "", **properties: Any) -> Feature:
    """An area with one border; its code is its id where none is given."""
    return feature("area", identity, "Polygon", ring(points), code=code or identity, **properties)


def collection(*features: Feature, **members: Any) -> dict[str, Any]:
    """A map as a JSON value, with the frame's origin fixed."""
    head = {"type": "FeatureCollection", "datum": "WGS-84", "origin": list(ORIGIN)}
    return {**head, **members, "features": list(features)}


def built(*features: Feature, **members: Any) -> CityMap:
    """A map, loaded."""
    return load_city(msgspec.json.encode(collection(*features, **members)))


def turned(points: Points, bearing_deg: float) -> Points:
    """Points turned clockwise about the origin."""
    a = math.radians(bearing_deg)
    return [(x * math.cos(a) + y * math.sin(a), y * math.cos(a) - x * math.sin(a)) for x, y in points]


def crossing(bearings: list[float], length: float = 150.0) -> list[Feature]:
    """A junction at the origin with an arm at each bearing: two lanes in, two lanes out, driving on the right.

    The arm at bearing 90 has the roads `in090` and `out090`; a pocket lane opens 60 m before the stop line.
    """
    features = [intersection("X", [(12 * math.sin(k * math.pi / 4), 12 * math.cos(k * math.pi / 4)) for k in range(8)])]
    for bearing in bearings:
        into, out = f"in{bearing:03.0f}", f"out{bearing:03.0f}"
        parts = {
            f"{into}_kerb": (into, [(-4.8, length), (-4.8, 12.0)]),
            f"{into}_far": (into, [(-1.6, length), (-1.6, 60.0)]),
            f"{into}_mid": (into, [(-1.6, 60.0), (-1.6, 12.0)]),
            f"{into}_pocket": (into, [(-1.6, 60.0), (0.0, 50.0), (1.6, 40.0), (1.6, 12.0)]),
            f"{out}_inner": (out, [(4.8, 12.0), (4.8, length)]),
            f"{out}_kerb": (out, [(8.0, 12.0), (8.0, length)]),
        }
        features += [lane(name, road, turned(points, bearing)) for name, (road, points) in parts.items()]
    return features


def winding_roads(seed: int, roads: int = 12) -> list[Feature]:
    """Roads that wander, with parallel lanes both ways: many pieces, near one another, crossing anyhow."""
    rng = np.random.default_rng(seed)
    features = []
    for road in range(roads):
        at, heading = rng.uniform(-300, 300, 2), rng.uniform(0, 2 * np.pi)
        points = [at]
        for _ in range(int(rng.integers(2, 15))):
            heading += rng.normal(0, 0.35)
            at = at + rng.uniform(4, 40) * np.array([np.cos(heading), np.sin(heading)])
            points.append(at)
        middle = np.array(points)
        for number, offset in enumerate((1.7, 5.1, -1.7, -5.1)):
            shifted = middle + offset * _normals(middle)
            line = shifted if offset > 0 else shifted[::-1]
            way = "a" if offset > 0 else "b"
            features.append(lane(f"{road:02}{way}{number}", f"{road:02}{way}", [(x, y) for x, y in line.tolist()]))
    return features


def _normals(line: Floats) -> Floats:
    """Right-hand unit normals at the points of a line, from the mean direction of the pieces beside them."""
    step = np.diff(line, axis=0)
    step /= np.linalg.norm(step, axis=1)[:, None]
    mean = np.concatenate([step[:1], step[1:] + step[:-1], step[-1:]])
    mean /= np.linalg.norm(mean, axis=1)[:, None]
    return np.stack([mean[:, 1], -mean[:, 0]], axis=1)
