"""Pixels that become an incident: one camera of the city is drawn, and a network looks at it as at any camera.

What the city made up for that camera gives way to what is seen in the pictures, before anything is fused; the map
learns the homography of the pose from which they are drawn. The pictures show the city as it was, and the network is
tiny, but from the pixels on it is the way of a real camera: gate, network, tracker, ground.
"""

import io
import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import zstandard

from city_brain.cli.common import Progress, plural
from city_brain.cli.demo.telling import Teller
from city_brain.cli.vision.models import need_extra
from city_brain.errors import SettingsError
from city_brain.incidents.incident import Incident
from city_brain.scoring import Truth
from city_brain.scoring.records import TrueIncident
from city_brain.synth import SynthCity
from city_brain.synth.files import IDENTITY, MAP, OBSERVATIONS, PACKED, write_map
from city_brain.synth.ground.cameras import ROUND
from city_brain.synth.sights import Sights
from city_brain.types import Floats

if TYPE_CHECKING:
    from city_brain.city.city_map import Camera, CityMap
    from city_brain.vision.eyes import EyesCounters
    from city_brain.vision.frames.drawing import Painter
    from city_brain.vision.frames.limits import TimedFrame
    from city_brain.vision.ground.pose import CameraPose

NETWORK: Final = "tiny"
WIDTH, HEIGHT, EVERY_MS = 320, 192, 400
"""Of the frames: as large as the input of the network, and enough of them for the speed of a car."""
MAST_M: Final = 12.0
SKY_DEG: Final = 2.0
"""So much of the picture, from above down, is sky."""
ERROR_M: Final = 0.3
"""Of the homography, as the map is told: the pose is known, but edges are whole pixels."""
WORTH_DRAWING: Final = {"stopped_vehicle": 60.0, "crash": 30.0, "wrong_way": 5.0}
"""Incidents that one camera can show by cars alone, the plainest first, and how many seconds of each are enough."""
LEAST_SHARE: Final = 0.25
"""Of the way of what moves, that must be before the camera."""
SMALLEST_PX: Final = 9.0
"""A car from behind is found for sure where it is as wide."""
CAR_M: Final = 1.8
RIM_PX: Final = 16.0
FARTHEST_M: Final = 120.0
"""What is farther off is too small to be drawn."""
BATCH: Final = 8
_LINES_TOLD: Final = 4
_ARRIVAL: Final = re.compile(rb'"arrival_time_ms":(\d+)')
_BELIEVED_MS: Final = 60_000
"""A line that arrived so much later than the one before it is garbage."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What came of the pictures of one camera: `lines` are the numbers of its rows in the recording, which stand in
    place of `dropped` others; `shows` is the type of the incident before it.
    """

    camera: str
    shows: str
    counters: "EyesCounters"
    lines: frozenset[int]
    dropped: int


@dataclass(frozen=True, slots=True)
class _View:
    """A camera, by its number in the city, with its pose, and the incident before it."""

    number: int
    pose: "CameraPose"
    shows: TrueIncident


def put_pixels(city: SynthCity, sights: Sights, truth: Truth, folder: Path) -> Pixels | str:
    """Draws one camera of a world and puts what is seen there into its files; or why that was left out."""
    try:
        need_extra("demo", "cv2", "onnxruntime")
        network = _network()
    except SettingsError as wrong:
        return str(wrong).partition(": ")[2]
    if not sights.whole:
        return "the city is too large to be remembered as it was"
    view = _chosen(city, truth)
    if view is None:
        return "nothing that cars alone can show happens near enough to a camera with a view of its own"
    name = city.cameras.ids[view.number]
    _calibrate(folder / MAP, name, view.pose)
    lines, arrival_ms, counters = _look(city, sights, view, folder / MAP, network)
    numbers, dropped = _replace(folder / OBSERVATIONS, name, lines, arrival_ms)
    _forget(folder / IDENTITY, name)
    return Pixels(name, view.shows.type, counters, numbers, dropped)


def tell_pixels(teller: Teller, pixels: Pixels | str, revisions: Sequence[Incident]) -> None:
    """What came from pixels: frames, detections, the incident that names them."""
    if isinstance(pixels, str):
        teller.section("PIXELS", f"left out: {pixels}")
        return
    counters = pixels.counters
    shows = pixels.shows.replace("_", " ")
    teller.section("PIXELS", f"{pixels.camera} is drawn as it sees its street, and looked at; before it is a {shows}")
    teller.line(
        f"{plural(counters.frames, 'frame')} of {WIDTH} × {HEIGHT} pixels, {1000 / EVERY_MS:g} a second; "
        f"{counters.skipped} skipped by the gate; {counters.boxes} boxes by the network {NETWORK}, "
        f"{plural(counters.tracks, 'track')}"
    )
    teller.line(
        f"{plural(counters.detections, 'detection')} on the ground, in place of {pixels.dropped} lines that the city "
        f"made up for this camera"
    )
    found = [(len(_rows(incident, pixels)), at) for at, incident in enumerate(revisions) if incident.detected_ms]
    most, at = max(found, key=lambda item: (item[0], -item[1]), default=(0, 0))
    if not most:
        teller.line("no incident was announced that names it")
        return
    incident = revisions[at]
    lines = sorted({line for other in _of(revisions, incident) for line in _rows(other, pixels)})
    some = ", ".join(map(str, lines[:_LINES_TOLD])) + (", …" if len(lines) > _LINES_TOLD else "")
    told = f"{plural(len(lines), 'row')} of its evidence from pixels, among what arrived as number {some}"
    teller.line(f"{incident.number} {incident.type} names it: {told}", "green")


def _of(revisions: Iterable[Incident], incident: Incident) -> Iterator[Incident]:
    return (other for other in revisions if other.incident_id == incident.incident_id)


def _rows(incident: Incident, pixels: Pixels) -> set[int]:
    """Lines of the recording behind what speaks for an incident that came from pixels."""
    named = [item for item in incident.evidence if pixels.camera in item.sources]
    return {line for item in named for _, line, _ in item.rows if line in pixels.lines}


def _network() -> Any:
    """The network, which lies in a checkout and is as its card says."""
    from city_brain.vision.cards.checking import read_weights
    from city_brain.vision.cards.registry import Registry
    from city_brain.vision.detector import Detector

    registry = Registry.of()
    if NETWORK not in registry.names():
        raise SettingsError(f"demo: wanted the network {NETWORK}, got none: it lies in a checkout of city-brain")
    entry = registry.entry(NETWORK)
    return Detector(entry.card, read_weights(entry.weights, entry.card))


def _pose(heading_deg: float, fov_deg: float) -> "CameraPose":
    """How a camera of the synthetic city hangs: its horizon just below the upper edge of the picture."""
    from city_brain.vision.ground.pose import CameraPose

    focal_px = WIDTH / 2.0 / math.tan(math.radians(fov_deg) / 2.0)
    pitch_deg = math.degrees(math.atan(HEIGHT / 2.0 / focal_px)) - SKY_DEG
    return CameraPose(
        height_m=MAST_M, pitch_deg=pitch_deg, heading_deg=heading_deg, fov_deg=fov_deg, width_px=WIDTH, height_px=HEIGHT
    )


def _chosen(city: SynthCity, truth: Truth) -> _View | None:
    """The camera that has the plainest incident before it, most of it, and nearest; none that fell silent meanwhile.

    Looking into the truth is how one chooses where to put up an easel; nothing that fuses knows of it.
    """
    cameras, silent = city.cameras, {spell.note for spell in truth.coverage_lost or ()}
    found: list[tuple[int, float, float, int, _View]] = []
    for shows in truth.incidents:
        if shows.ignore or shows.end - shows.start < 1000 * WORTH_DRAWING.get(shows.type, math.inf):
            continue
        lon, lat = np.array(shows.extent or [(shows.lon, shows.lat)]).T
        x, y = city.frame.to_metres(lon, lat)
        for number in range(cameras.count):
            if cameras.kind[number] == ROUND or cameras.ids[number] in silent:
                continue
            pose = _pose(float(cameras.heading_deg[number]), float(cameras.fov_deg[number]))
            share, away_m = _before(pose, x - cameras.x[number], y - cameras.y[number])
            if share >= LEAST_SHARE:
                rank = list(WORTH_DRAWING).index(shows.type)
                found.append((rank, -share, away_m, number, _View(number, pose, shows)))
    return min(found, key=lambda item: item[:4])[4] if found else None


def _before(pose: "CameraPose", dx: Floats, dy: Floats) -> tuple[float, float]:
    """Which share of places (n,) is in the picture, near enough for a car to be found, and how near the nearest is."""
    from city_brain.vision.frames.drawing import exact

    u, v = exact(pose).to_pixels(dx, dy)
    away_m = np.hypot(dx, dy)
    # Comparisons with what is no number are false.
    inside = (u > RIM_PX) & (u < WIDTH - RIM_PX) & (v < HEIGHT - RIM_PX)
    inside &= away_m <= pose.focal * CAR_M / SMALLEST_PX
    return float(inside.mean()), float(away_m.min())


def _calibrate(path: Path, name: str, pose: "CameraPose") -> None:
    """Writes the homography of a camera into the map."""
    from city_brain.vision.frames.drawing import exact

    features = orjson.loads(path.read_bytes())["features"]
    for feature in features:
        if feature["id"] == name:
            feature["properties"] |= {"homography": exact(pose).matrix.tolist(), "homography_error_m": ERROR_M}
    write_map(path, features)


def _look(
    city: SynthCity, sights: Sights, view: _View, map_path: Path, network: Any
) -> tuple[list[bytes], list[int], "EyesCounters"]:
    """What the network sees of all frames: lines, when they arrive, and what became of the frames."""
    from city_brain.city.loading import load_city
    from city_brain.observations.json_twin import to_lines
    from city_brain.vision.eyes import Eyes

    city_map = load_city(map_path)
    camera = next(camera for camera in city_map.cameras if camera.id == city.cameras.ids[view.number])
    eyes = Eyes(camera, city_map.frame, network, city.settings.start_ms)
    lines: list[bytes] = []
    arrival_ms: list[int] = []
    progress = Progress("pixels")
    frames = _frames(city, sights, view, _painter(city_map, camera, view.pose))
    while batch := list(islice(frames, BATCH)):
        for seen in eyes.see(batch):
            lines += to_lines(seen.observations)
            arrival_ms += seen.observations.common.arrival_ms.tolist()
        progress.show(f"{eyes.counters.frames} frames, {plural(eyes.counters.detections, 'detection')}")
    progress.done()
    return lines, arrival_ms, eyes.counters


def _painter(city_map: "CityMap", camera: "Camera", pose: "CameraPose") -> "Painter":
    """Who draws a camera: the lanes of the map lie on its ground."""
    from city_brain.vision.frames.drawing import Painter, Strip

    foot = np.array([camera.x, camera.y])
    return Painter(pose, [Strip(lane.line - foot, lane.width_m) for lane in city_map.lanes])


def _frames(city: SynthCity, sights: Sights, view: _View, painter: "Painter") -> Iterator["TimedFrame"]:
    from city_brain.vision.frames.drawing import Bodies
    from city_brain.vision.frames.limits import TimedFrame

    x, y = float(city.cameras.x[view.number]), float(city.cameras.y[view.number])
    for time_ms in range(0, sights.until_ms, EVERY_MS):
        there = sights.about(x, y, FARTHEST_M, time_ms)
        bodies = Bodies(there.cls, there.x, there.y, there.hx, there.hy, there.length_m)
        yield TimedFrame(time_ms, painter.draw(bodies))


def _replace(path: Path, name: str, lines: list[bytes], arrival_ms: list[int]) -> tuple[frozenset[int], int]:
    """Puts lines among those of a recording, each where it arrives, in place of all that name the camera.

    Gives their line numbers, and how many lines gave way.
    """
    waiting, numbers, part = deque(zip(arrival_ms, lines, strict=True)), set(), path.with_suffix(".part")
    number = dropped = now_ms = 0
    mark = b'"source_id":"%s"' % name.encode()
    with (
        path.open("rb") as packed,
        io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed)) as read,
        part.open("wb") as raw,
        zstandard.ZstdCompressor(level=PACKED).stream_writer(raw) as out,
    ):
        for line in read:
            found = _ARRIVAL.search(line)
            at_ms = int(found[1]) if found else now_ms
            now_ms = at_ms if not now_ms or now_ms <= at_ms < now_ms + _BELIEVED_MS else now_ms
            while waiting and waiting[0][0] <= now_ms:
                number += 1
                numbers.add(number)
                out.write(waiting.popleft()[1] + b"\n")
            if mark in line:
                dropped += 1
                continue
            number += 1
            out.write(line)
        for _, line in waiting:
            number += 1
            numbers.add(number)
            out.write(line + b"\n")
    part.replace(path)
    return frozenset(numbers), dropped


def _forget(path: Path, name: str) -> None:
    """Takes the tracks of a camera out of an identity: nobody says which car it was that a network followed."""
    known = {key: value for key, value in orjson.loads(path.read_bytes()).items() if not key.startswith(f"{name}|")}
    entries = [orjson.dumps(key) + b":" + orjson.dumps(value) for key, value in known.items()]
    path.write_bytes(b"{\n" + b",\n".join(entries) + b"\n}\n")
