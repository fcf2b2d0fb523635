"""A camera over a road, and coloured cars that drive there as the tiny network sees them: frames, files, map, truth."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from city_brain.city.city_map import Camera
from city_brain.city.loading import load_city
from city_brain.geo import LocalFrame
from city_brain.vision.cards.registry import card_at
from city_brain.vision.detector import Detector
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.ground.homography import Homography
from city_brain.vision.ground.pose import CameraPose
from city_brain.vision.letterbox import Frame
from models.tiny.build import COLOURS, HEIGHT, WIDTH
from tests.house import ROOT
from tests.vision.ground.views import exact

TINY = ROOT / "models" / "tiny"
POSE = CameraPose(height_m=8.0, pitch_deg=20.0, heading_deg=40.0, fov_deg=60.0, width_px=WIDTH, height_px=HEIGHT)
TRUE: Homography = exact(POSE)
LON, LAT = 117.02, 36.67
FRAME = LocalFrame(LON, LAT)
"""Of the map; the camera stands in its origin."""
START, START_MS = "2026-03-01T08:00:00+08:00", 1_772_323_200_000
STEP_MS = 100
"""Between frames."""
ROAD = 150
LOSSLESS = "FFV1"


@dataclass(frozen=True)
class Car:
    """A thing that drives straight on until `until_ms` and then stands: metres ahead and right of the camera's foot."""

    label: str
    ahead_m: float
    right_m: float
    ahead_mps: float = 0.0
    right_mps: float = 0.0
    until_ms: int = 1_000_000

    @property
    def speed_mps(self) -> float:
        """While it drives."""
        return float(np.hypot(self.ahead_mps, self.right_mps))

    @property
    def heading_deg(self) -> float:
        """While it drives, clockwise from north."""
        return float(np.degrees(np.arctan2(self.right_mps, self.ahead_mps)) + POSE.heading_deg) % 360.0

    def at(self, time_ms: int) -> tuple[float, float]:
        """Where its near end is, in metres east and north of the camera."""
        driven_s = min(time_ms, self.until_ms) / 1000.0
        ahead, right = self.ahead_m + driven_s * self.ahead_mps, self.right_m + driven_s * self.right_mps
        turn = radians(POSE.heading_deg)
        return ahead * sin(turn) + right * cos(turn), ahead * cos(turn) - right * sin(turn)

    def box(self, time_ms: int) -> tuple[int, int, int, int]:
        """Its rectangle in whole pixels, which may reach out of the frame: 3 m wide, 1.6 m high."""
        x, y = self.at(time_ms)
        (u,), (v,) = TRUE.to_pixels(np.array([x]), np.array([y]))
        scale = POSE.focal / np.sqrt(x * x + y * y + POSE.height_m**2)
        return round(u - 1.5 * scale), round(v - 1.6 * scale), round(u + 1.5 * scale), round(v)


THREE = (
    Car("car", ahead_m=22.0, right_m=-8.0, right_mps=5.0, until_ms=3000),
    Car("truck", ahead_m=46.0, right_m=3.0, ahead_mps=-4.0, until_ms=3000),
    Car("bus", ahead_m=16.0, right_m=6.0),
)
"""One crosses, one comes nearer, one stands; after three seconds all stand."""


def drawn(cars: Iterable[Car], time_ms: int) -> Frame:
    """The frame of a moment: a road, the cars upon it, the farther ones first."""
    frame = np.full((HEIGHT, WIDTH, 3), ROAD, dtype=np.uint8)
    for car in sorted(cars, key=lambda car: car.box(time_ms)[3]):
        x0, y0, x1, y1 = (max(side, 0) for side in car.box(time_ms))
        frame[y0:y1, x0:x1] = COLOURS[car.label][::-1]
    return frame


def frames(cars: Iterable[Car], until_ms: int) -> list[TimedFrame]:
    """The frames from 0 on."""
    cars = tuple(cars)
    return [TimedFrame(time_ms, drawn(cars, time_ms)) for time_ms in range(0, until_ms, STEP_MS)]


def video(path: Path, shown: Iterable[TimedFrame], codec: str = LOSSLESS) -> Path:
    """Frames as a file; lossless unless another codec is named."""
    size = (WIDTH, HEIGHT)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), 1000.0 / STEP_MS, size)
    assert writer.isOpened()
    for timed in shown:
        writer.write(timed.frame)
    writer.release()
    return path


def images(folder: Path, shown: Iterable[TimedFrame]) -> Path:
    """Frames as a folder of images, numbered without leading zeros."""
    folder.mkdir()
    for number, timed in enumerate(shown):
        assert cv2.imwrite(str(folder / f"frame{number}.png"), timed.frame)
    return folder


def city(homography: Homography | None = TRUE) -> dict[str, Any]:
    """A map with the camera `mast-1`."""
    lon, lat = FRAME.to_degrees(np.array([0.0, 70.0, 20.0, 0.0]), np.array([0.0, 25.0, 75.0, 0.0]))
    known = {"homography": homography.matrix.tolist(), "homography_error_m": 0.3} if homography else {}
    camera = {
        "type": "Feature",
        "id": "mast-1",
        "geometry": {"type": "Polygon", "coordinates": [np.stack([lon, lat], axis=1).tolist()]},
        "properties": {
            "kind": "camera", "position": [LON, LAT], "heading_deg": 40, "range_m": 60, "fov_deg": 60, **known,
        },
    }  # fmt: skip
    return {"type": "FeatureCollection", "datum": "WGS-84", "origin": [LON, LAT], "features": [camera]}


def map_of(folder: Path, homography: Homography | None = TRUE) -> Path:
    """The map as a file."""
    path = folder / "city.geojson"
    path.write_text(json.dumps(city(homography)), encoding="utf-8")
    return path


def camera(homography: Homography | None = TRUE) -> Camera:
    """The camera as the map has it."""
    return load_city(json.dumps(city(homography)).encode()).cameras[0]


def detector(hides: Iterable[str] = ()) -> Detector:
    """The tiny network; labels that it `hides` have no class, and are to be blurred."""
    card, hides = card_at(TINY / "card.toml"), tuple(hides)
    classes = {label: word for label, word in card.classes.items() if label not in hides}
    return Detector(msgspec.structs.replace(card, classes=classes, blur=hides), (TINY / "tiny.onnx").read_bytes())
