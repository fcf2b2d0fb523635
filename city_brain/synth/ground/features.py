"""The synthetic city as GeoJSON features (RFC 7946, WGS-84), in the schema of the city map."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from city_brain.geo import LocalFrame
from city_brain.observations.vocabulary import Quantity
from city_brain.synth.ground.cameras import ROUND, Cameras, junction_name, road_name
from city_brain.synth.ground.sensors import Sensors
from city_brain.synth.ground.streets import POCKET, Streets
from city_brain.types import Floats

_ARC_POINTS = 11
Feature = dict[str, Any]


class MapWriter:
    """Yields the features one by one, so that a map of a million sources needs no more memory than its city."""

    def __init__(self, frame: LocalFrame, streets: Streets, cameras: Cameras, sensors: Sensors) -> None:
        self._frame, self._streets, self._cameras, self._sensors = frame, streets, cameras, sensors

    def features(self) -> Iterator[Feature]:
        """All features: junctions, signals, cameras, sensors, lanes, crosswalks."""
        yield from self._junctions()
        yield from self._views()
        yield from self._stations()
        yield from self._lanes()
        yield from self._crosswalks()

    def _place(self, points: Floats) -> list[list[float]]:
        lon, lat = self._frame.to_degrees(points[:, 0], points[:, 1])
        return np.stack([np.round(lon, 7), np.round(lat, 7)], axis=1).tolist()  # type: ignore[no-any-return]

    def _feature(self, name: str, shape: str, points: Floats, properties: dict[str, Any]) -> Feature:
        placed = self._place(points)
        coordinates: Any = {"Point": placed[0], "LineString": placed, "Polygon": [[*placed, placed[0]]]}[shape]
        return {
            "type": "Feature",
            "id": name,
            "geometry": {"type": shape, "coordinates": coordinates},
            "properties": properties,
        }

    def _junctions(self) -> Iterator[Feature]:
        s = self._streets
        for j in range(s.junctions):
            centre = np.array([[s.junction_x[j], s.junction_y[j]]])
            outgoing = s.arm_out[j][s.arm_out[j] >= 0]
            half = s.median[outgoing] / 2 + s.lanes[outgoing] * s.width[outgoing]
            sides = [np.stack(s.point(outgoing, np.zeros(len(half)), sign * half)[:2], axis=1) for sign in (-1, 1)]
            corners = np.concatenate(sides)
            angle = np.arctan2(corners[:, 1] - centre[0, 1], corners[:, 0] - centre[0, 0])
            name = junction_name(s, j)
            east, north = int(s.junction_column[j]) + 1, int(s.junction_row[j]) + 1
            properties = {
                "kind": "intersection",
                "position": self._place(centre)[0],
                "name": f"经{east}路与纬{north}路路口",
                "name_en": f"Jing {east} Road and Wei {north} Road",
            }
            yield self._feature(name, "Polygon", corners[np.argsort(angle)], properties)
            yield self._feature(f"sig-{name}", "Point", centre, {"kind": "signal", "intersection": name})

    def _views(self) -> Iterator[Feature]:
        c = self._cameras
        for k in range(c.count):
            at = np.array([[c.x[k], c.y[k]]])
            half = c.fov_deg[k] / 2
            turns = np.deg2rad(c.heading_deg[k] + np.linspace(half, -half, _ARC_POINTS))
            arc = at + c.range_m[k] * np.stack([np.sin(turns), np.cos(turns)], axis=1)
            shape = arc[:-1] if c.kind[k] == ROUND else np.concatenate([at, arc])
            properties = {
                "kind": "camera",
                "position": self._place(at)[0],
                "heading_deg": float(c.heading_deg[k]),
                "range_m": float(c.range_m[k]),
                "fov_deg": float(c.fov_deg[k]),
            }
            yield self._feature(c.ids[k], "Polygon", shape, properties)

    def _stations(self) -> Iterator[Feature]:
        s = self._sensors
        for k in range(s.count):
            quantity = Quantity(int(s.quantity[k])).name.lower()
            properties = {
                "kind": "sensor",
                "quantity": quantity,
                "unit": s.unit_name(k),
                "period_s": int(s.period_s[k]),
            }
            yield self._feature(s.ids[k], "Point", np.array([[s.x[k], s.y[k]]]), properties)

    def _lanes(self) -> Iterator[Feature]:
        s = self._streets
        for road in range(s.roads):
            name = road_name(s, road)
            for slot in range(int(s.lanes[road])):
                yield self._lane(road, name, slot, np.array([0.0, s.first_length[road], s.length[road]]))
            if s.pocket[road] > 0:
                yield self._lane(road, name, POCKET, np.array([s.length[road] - s.pocket[road], s.length[road]]))

    def _lane(self, road: int, name: str, slot: int, along: Floats) -> Feature:
        s = self._streets
        roads = np.full(len(along), road, dtype=np.int32)
        x, y, _, _ = s.point(roads, along, np.full(len(along), s.lateral[road, slot]))
        properties = {
            "kind": "lane",
            "road": name,
            "width_m": float(s.width[road]),
            "speed_limit_mps": float(s.limit[road]),
        }
        return self._feature(f"{name}_{slot}", "LineString", np.stack([x, y], axis=1), properties)

    def _crosswalks(self) -> Iterator[Feature]:
        s = self._streets
        for j in range(s.junctions):
            for arm in range(4):
                if s.arm_out[j, arm] >= 0:
                    ends = np.stack(crosswalk(s, int(s.arm_out[j, arm])), axis=0)
                    yield self._feature(
                        f"{junction_name(s, j)}-walk-{arm}", "LineString", ends, {"kind": "crosswalk", "width_m": 4.0}
                    )


def crosswalk(streets: Streets, outgoing: int) -> tuple[Floats, Floats]:
    """Both ends (2,) of the crosswalk over an arm, given by the road that leaves over it: 3 m inside the stop line."""
    half = streets.median[outgoing] / 2 + streets.lanes[outgoing] * streets.width[outgoing] + 1.5
    road = np.full(2, outgoing, dtype=np.int32)
    x, y, _, _ = streets.point(road, np.full(2, -3.0), np.array([-half, half]))
    return np.array([x[0], y[0]]), np.array([x[1], y[1]])
