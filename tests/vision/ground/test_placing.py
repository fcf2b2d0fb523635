"""Boxes become places on the city's ground, with an error for each class, and never an invented place."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import shapely

from city_brain.city.city_map import Camera, LensShape
from city_brain.city.loading import city_to_geojson, load_city
from city_brain.observations.vocabulary import ObjectClass
from city_brain.vision.ground.foot import FOOT_ERROR_M, FOOTPRINT_M, feet_of
from city_brain.vision.ground.lens import Lens
from city_brain.vision.ground.placing import CameraGround
from tests.vision.ground.views import HEIGHT, OVER_A_STREET, WIDTH, exact

CAR, PERSON = np.array([int(ObjectClass.CAR)], np.uint8), np.array([int(ObjectClass.PERSON)], np.uint8)
FAN = np.array([[0.0, 0.0], [90.0, 40.0], [40.0, 90.0]])
CAMERA = Camera(
    id="cam", x=500.0, y=-300.0, heading_deg=40.0, range_m=90.0, fov_deg=60.0, view=FAN + np.array([500.0, -300.0])
)


def box_at(u: float, v: float, w: float = 60.0, h: float = 40.0) -> np.ndarray:
    """A box whose lower edge has its middle at a pixel."""
    return np.array([[u - w / 2, v - h, u + w / 2, v]])


def calibrated(error_m: float | None = 0.5, sign: float = 1.0) -> CameraGround:
    matrix = sign * OVER_A_STREET.homography().matrix
    return CameraGround.of_map(replace(CAMERA, homography=matrix, homography_error_m=error_m))


def test_a_box_stands_on_the_middle_of_its_lower_edge() -> None:
    """In the city's frame: the place of the camera and what the homography says of the foot, whatever its sign."""
    x, y = OVER_A_STREET.homography().to_ground(np.array([900.0]), np.array([800.0]))
    for sign in (1.0, -1.0):
        places = calibrated(sign=sign).place(box_at(900.0, 800.0), CAR, HEIGHT)
        assert np.allclose([places.x, places.y], [x + 500.0, y - 300.0])


def test_what_a_class_leaves_open_lies_along_the_line_of_sight() -> None:
    """A car is known 2.1 m worse towards and away from the camera than its pixel is, across not at all."""
    ground = replace(calibrated(), error_m=0.0)
    places = ground.place(box_at(900.0, 800.0), CAR, HEIGHT)
    assert places.x is not None
    line = np.array([places.x[0] - 500.0, places.y[0] + 300.0])
    line /= np.hypot(*line)
    added = np.array(
        [
            [places.xx[0] - places.shaken_xx[0], places.xy[0] - places.shaken_xy[0]],
            [places.xy[0] - places.shaken_xy[0], places.yy[0] - places.shaken_yy[0]],
        ]
    )
    assert np.sqrt(line @ added @ line) == pytest.approx(FOOT_ERROR_M[int(ObjectClass.CAR)])
    across = np.array([-line[1], line[0]])
    assert abs(across @ added @ across) < 1e-9


def test_the_error_of_a_foot_is_that_of_rectangles_seen_from_all_around() -> None:
    """Drawn directions: how far the middle of a footprint lies behind the line that first touches it."""
    t = np.random.default_rng(3).uniform(0.0, 2.0 * np.pi, 200_000)
    for word, (length, width) in FOOTPRINT_M.items():
        behind = length / 2 * np.abs(np.cos(t)) + width / 2 * np.abs(np.sin(t))
        assert FOOT_ERROR_M[word] == pytest.approx(np.sqrt((behind**2).mean()), rel=0.01)
    assert {word: round(float(FOOT_ERROR_M[word]), 1) for word in (ObjectClass.CAR, ObjectClass.BUS)} == {
        1: 2.1,
        3: 4.9,
    }


def test_every_class_has_a_foot() -> None:
    feet = feet_of(np.tile(box_at(500.0, 700.0), (len(ObjectClass), 1)), np.arange(12, dtype=np.uint8), HEIGHT)
    assert (feet.behind_m > 0.0).all()
    assert (feet.u == 500.0).all() and (feet.v == 700.0).all()


def test_a_foot_out_of_sight_has_no_place() -> None:
    """Cut by the lower edge of the frame, on the horizon, in the sky: not a number, and no guess."""
    boxes = np.concatenate([box_at(900.0, HEIGHT), box_at(900.0, 20.0), box_at(900.0, 800.0)])
    places = calibrated().place(boxes, np.repeat(CAR, 3), HEIGHT)
    assert places.known.tolist() == [False, False, True]
    assert np.isnan(places.sigma_m).tolist() == [True, True, False]


def test_the_error_on_the_map_holds_within_range_and_grows_beyond() -> None:
    """Without an error on the map it is 1 m; at twice the range it is four times as large."""
    u, v = OVER_A_STREET.homography().to_pixels(
        np.array([40.0, 180.0]) * np.sin(np.radians(40)), np.array([40.0, 180.0]) * np.cos(np.radians(40))
    )
    boxes = np.concatenate([box_at(u[0], v[0], 20, 20), box_at(u[1], v[1], 4, 4)])
    for error_m, told in ((0.5, 0.5), (None, 1.0)):
        ground = calibrated(error_m)
        none = replace(ground, error_m=0.0)
        more = ground.place(boxes, np.repeat(PERSON, 2), HEIGHT), none.place(boxes, np.repeat(PERSON, 2), HEIGHT)
        assert np.allclose(np.sqrt(more[0].xx - more[1].xx), [told, 4.0 * told], rtol=1e-6)


def test_without_calibration_a_thing_is_somewhere_in_view() -> None:
    """Every place is the middle of the view, and its error is the spread of the view: drawn points have the same."""
    places = CameraGround.of_map(CAMERA).place(
        np.concatenate([box_at(1, 2), box_at(800, 900)]), np.repeat(CAR, 2), HEIGHT
    )
    middle = shapely.Polygon(CAMERA.view).centroid
    assert places.x.tolist() == pytest.approx([middle.x] * 2)
    assert places.y.tolist() == pytest.approx([middle.y] * 2)
    draw = np.random.default_rng(4).dirichlet((1, 1, 1), 200_000) @ FAN
    spread = np.cov(draw.T)
    assert np.allclose(
        [places.xx[0], places.xy[0], places.yy[0]], [spread[0, 0], spread[0, 1], spread[1, 1]], rtol=0.02
    )
    assert not CameraGround.of_map(CAMERA).calibrated


def test_a_lens_is_straightened_before_the_ground() -> None:
    lens = Lens(k1=-0.2, k2=0.05, focal_px=1660.0, centre_x=960.0, centre_y=540.0)
    straight = exact(OVER_A_STREET).to_pixels(np.array([20.0]), np.array([25.0]))
    u, v = lens.bend(*straight)
    seen = replace(calibrated(), lens=lens).place(box_at(float(u[0]), float(v[0])), CAR, HEIGHT)
    assert np.allclose([seen.x[0], seen.y[0]], [520.0, -275.0], atol=1e-6)


def test_a_picture_of_another_size_is_scaled_to_that_of_the_calibration() -> None:
    """A second stream, squeezed by three and by two: the same places, known as badly as its pixels are large."""
    ground = replace(calibrated(), picture_px=(float(WIDTH), float(HEIGHT)))
    whole, squeezed = box_at(900.0, 800.0, 6.0, 6.0), np.array([3.0, 2.0, 3.0, 2.0])
    one = ground.place(whole, CAR, HEIGHT, WIDTH)
    other = ground.place(whole / squeezed, CAR, HEIGHT / 2, WIDTH / 3)
    assert np.allclose([one.x, one.y], [other.x, other.y])
    blind = calibrated().place(whole / squeezed, CAR, HEIGHT / 2, WIDTH / 3)
    assert not np.hypot(blind.x - one.x, blind.y - one.y)[0] < 10.0
    assert other.shaken_xx[0] > 3.9 * one.shaken_xx[0]


def test_homography_and_lens_of_the_map_come_through_its_file() -> None:
    """Written into a map and read from it, they put a box on the same place, which is that of the lens itself."""
    city = load_city(
        b'{"type":"FeatureCollection","datum":"WGS-84","features":[{"type":"Feature","id":"cam","properties":'
        b'{"kind":"camera","position":[120.0,30.0],"heading_deg":40,"range_m":90,"fov_deg":60},"geometry":'
        b'{"type":"Polygon","coordinates":[[[120.0,30.0],[120.0009,30.0004],[120.0004,30.0009],[120.0,30.0]]]}}]}'
    )
    lens = LensShape(k1=-0.2, k2=0.05, focal_px=1660.0, centre_x=960.0, centre_y=540.0)
    matrix = OVER_A_STREET.homography().matrix
    size = (float(WIDTH), float(HEIGHT))
    camera = replace(city.cameras[0], homography=matrix, homography_error_m=0.5, lens=lens, picture_px=size)
    again = load_city(city_to_geojson(replace(city, cameras=(camera,)))).cameras[0]
    assert again.picture_px == size
    box = box_at(900.0, 800.0)
    one, other = (CameraGround.of_map(each).place(box, CAR, HEIGHT) for each in (camera, again))
    assert np.allclose([one.x - camera.x, one.y - camera.y], [other.x - again.x, other.y - again.y])
    bare = CameraGround.of_map(replace(camera, lens=None), Lens(**asdict(lens))).place(box, CAR, HEIGHT)
    assert (bare.x[0], bare.y[0]) == (one.x[0], one.y[0])
    assert one.x[0] != CameraGround.of_map(replace(camera, lens=None)).place(box, CAR, HEIGHT).x[0]
