"""The camera of the mission: a film is put before a lane of the city, and what its network sees becomes rows."""

import math
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np
import shapely

from city_brain.city.city_map import CityMap
from city_brain.city.loading import load_city
from city_brain.distributed import MARK_HEADER, RAW_TOPICS
from city_brain.errors import ObservationError
from city_brain.incidents.hypothesis import LogPosition
from city_brain.kafka.settings import KafkaSettings
from city_brain.observations.envelope import from_envelope
from city_brain.observations.json_twin import from_lines, to_lines
from city_brain.vision.eyes import Eyes, EyesCounters
from city_brain.vision.frames.drawing import exact
from city_brain.vision.ground.pose import CameraPose
from tests.chaos.logs import read_log
from tests.mission.films import Film

CAMERA: Final = "cam-film"
RANGE_M: Final = 70.0
ERROR_M: Final = 0.3
"""Of its homography: the film is put where its car stands on the lane, so there it is exact."""
BATCH: Final = 8

Feature = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Watched:
    """What was seen in a film: lines, the times of their arrival in epoch ms, and what became of the frames."""

    lines: list[bytes]
    arrival_ms: list[int]
    counters: EyesCounters


def before_lane(film: Film, city: CityMap, lon: float, lat: float) -> Feature:
    """The camera of a film as a feature of the map: turned and moved so that its car drives along the lane nearest to a
    place of the city, and comes to stand in the middle of it.
    """
    x, y = city.frame.to_metres(lon, lat)
    lines = [shapely.LineString(lane.line) for lane in city.lanes]
    lane = min(lines, key=lambda line: line.distance(shapely.Point(x, y)))
    along_m = lane.project(shapely.Point(x, y))
    stop, before = lane.interpolate(along_m), lane.interpolate(max(along_m - 10.0, 0.0))
    way = math.atan2(stop.x - before.x, stop.y - before.y)
    (x1, x0), (y1, y0) = exact(film.pose).to_ground(*np.array([film.stands, film.came]).T)
    heading_deg = math.degrees(way - math.atan2(x1 - x0, y1 - y0)) % 360.0
    pose = msgspec.structs.replace(film.pose, heading_deg=round(heading_deg, 1))
    homography = exact(pose)
    (east,), (north,) = homography.to_ground(*np.array([film.stands]).T)
    return _feature(city, pose, homography.matrix, stop.x - float(east), stop.y - float(north))


def _feature(city: CityMap, pose: CameraPose, homography: np.ndarray, x: float, y: float) -> Feature:
    fov_deg = 2.0 * math.degrees(math.atan(pose.width_px / 2.0 / pose.focal))
    turns = np.radians(pose.heading_deg + np.linspace(fov_deg / 2.0, -fov_deg / 2.0, 9))
    corners = [(x, y), *zip(x + RANGE_M * np.sin(turns), y + RANGE_M * np.cos(turns), strict=True), (x, y)]
    degrees = [[round(float(value), 7) for value in city.frame.to_degrees(*corner)] for corner in corners]
    facts = {
        "kind": "camera", "position": degrees[0], "heading_deg": pose.heading_deg, "range_m": RANGE_M,
        "fov_deg": round(fov_deg, 1), "homography": homography.tolist(), "homography_error_m": ERROR_M,
    }  # fmt: skip
    return {
        "type": "Feature",
        "id": CAMERA,
        "geometry": {"type": "Polygon", "coordinates": [degrees]},
        "properties": facts,
    }


def watch(film: Film, city_map: bytes, start_ms: int, stop_ms: int, until_ms: int) -> Watched:
    """Looks at a film, in which the car stops so long after `start_ms`, with the eyes of the camera on a map."""
    city = load_city(city_map)
    camera = next(camera for camera in city.cameras if camera.id == CAMERA)
    eyes = Eyes(camera, city.frame, film.detector(), start_ms)
    frames, lines, arrival_ms = film.frames(stop_ms, until_ms), list[bytes](), list[int]()
    while batch := list(islice(frames, BATCH)):
        for seen in eyes.see(batch):
            lines += to_lines(seen.observations)
            arrival_ms += seen.observations.common.arrival_ms.tolist()
    return Watched(lines, arrival_ms, eyes.counters)


def stored(settings: KafkaSettings, places: list[tuple[str, int]]) -> set[LogPosition]:
    """Where the rows of the camera lie in the topic of detections, as evidence names them."""
    found: set[LogPosition] = set()
    for raw, (topic, partition) in enumerate(places):
        for record in read_log(settings, topic, partition) if topic == RAW_TOPICS[0] else ():
            if any(name == MARK_HEADER for name, _ in record.headers):
                continue
            value = record.value or b""
            try:
                rows = from_envelope(value) if value[:1] == b"\x08" else from_lines(value.split(b"\n")).observations
            except ObservationError:
                continue
            sources = rows.common.source.tolist()
            found |= {(raw, record.offset, at) for at, source in enumerate(sources) if rows.strings[source] == CAMERA}
    return found
