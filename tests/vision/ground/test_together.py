"""From boxes to tracks to places to speeds: a car that drives past a camera is where it is, and as fast as it is."""

import numpy as np
import pytest

from city_brain.city.city_map import Camera
from city_brain.observations.vocabulary import ObjectClass
from city_brain.types import Floats
from city_brain.vision.ground.placing import CameraGround
from city_brain.vision.ground.speeds import Speedometer
from city_brain.vision.tracker.tracker import Tracker
from tests.vision.ground.views import HEIGHT, OVER_A_STREET, WIDTH, exact

FRAME_S = 0.1
CAMERA = Camera(
    id="mast", x=1000.0, y=2000.0, heading_deg=40.0, range_m=80.0, fov_deg=60.0,
    view=np.array([[1000.0, 2000.0], [1080.0, 2030.0], [1030.0, 2080.0]]),
)  # fmt: skip


def seen(draw: np.random.Generator, x: float, y: float) -> Floats:
    """The box of a car whose near end touches the ground at metres from the camera, its edges off by 2 %."""
    u, v = (float(side[0]) for side in exact(OVER_A_STREET).to_pixels(np.array([x]), np.array([y])))
    scale = OVER_A_STREET.focal / np.sqrt(x * x + y * y + OVER_A_STREET.height_m**2)
    w, h = 3.0 * scale, 1.6 * scale
    return np.array([[u - w / 2, v - h, u + w / 2, v]]) + draw.normal(0.0, 0.02, (1, 4)) * [w, h, w, h]


@pytest.mark.parametrize(("vx", "vy"), [(12.0, 0.0), (0.0, 9.0), (-6.0, 8.0)])
def test_a_car_is_where_it_is_and_as_fast_as_it_is(vx: float, vy: float) -> None:
    """By the homography of a pose: 9 of 10 speeds and headings within two of the errors told, and half within 1 m/s."""
    ground = CameraGround.of_map(CAMERA, homography=OVER_A_STREET.homography())
    speed, off_place, off_speed, off_heading = np.hypot(vx, vy), [], [], []
    for seed in range(8):
        draw, tracker, meter = np.random.default_rng(seed), Tracker(), Speedometer(CAMERA.x, CAMERA.y)
        for k in range(35):
            x, y = 25.0 + vx * (k - 17) * FRAME_S, 28.0 + vy * (k - 17) * FRAME_S
            box = seen(draw, x, y)
            if draw.random() < 0.1 or box[0, 3] > HEIGHT - 2 or box[0, 2] > WIDTH:
                continue
            time_ms = round(1000 * k * FRAME_S)
            tracks = tracker.step(time_ms, box, np.array([0.8]), np.array([int(ObjectClass.CAR)]))
            places = ground.place(tracks.box, tracks.label, HEIGHT)
            told = meter.step(time_ms, tracks.track, places)
            if k < 15 or len(tracks.track) == 0:
                continue
            off_place.append(np.hypot(places.x[0] - CAMERA.x - x, places.y[0] - CAMERA.y - y) / places.sigma_m[0])
            off_speed.append((told.speed_mps[0] - speed, told.speed_error_mps[0]))
            turned = (told.heading_deg[0] - np.degrees(np.arctan2(vx, vy)) + 180.0) % 360.0 - 180.0
            off_heading.append((turned, told.heading_error_deg[0]))
    assert len(off_place) > 100
    assert np.mean(np.array(off_place) < 2.0) > 0.9
    speeds, headings = np.abs(off_speed), np.abs(off_heading)
    assert (speeds[:, 0] < 2.0 * speeds[:, 1]).mean() > 0.9
    assert np.median(speeds[:, 0]) < 1.0
    assert (headings[:, 0] < 2.0 * headings[:, 1]).mean() > 0.9
