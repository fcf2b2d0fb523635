"""Pixels to the ground and back, and errors that are as large as they say."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from city_brain.errors import CalibrationError
from city_brain.vision.ground.homography import Homography
from city_brain.vision.ground.lens import Lens
from city_brain.vision.ground.pose import CameraPose
from tests.vision.ground.views import HEIGHT, OVER_A_STREET, POSES, WIDTH, exact, pixels


@given(POSES, st.integers(0, 2**32 - 1))
def test_ground_to_pixels_and_back_is_the_same_ground(pose: CameraPose, seed: int) -> None:
    """For any pose, ground that is in sight comes back to a millimetre in a kilometre."""
    found = pose.homography()
    u, v = pixels(np.random.default_rng(seed), 30, 0.0)
    x, y = found.to_ground(u, v)
    near = np.hypot(x, y) < 1000.0
    assume(near.any())
    back_u, back_v = found.to_pixels(x[near], y[near])
    assert np.abs(back_u - u[near]).max() < 1e-4
    assert np.abs(back_v - v[near]).max() < 1e-4
    again = found.to_ground(back_u, back_v)
    assert np.abs(again[0] - x[near]).max() < 1e-3


@given(POSES, st.integers(0, 2**32 - 1))
def test_a_pose_shows_what_a_pinhole_camera_shows(pose: CameraPose, seed: int) -> None:
    """Points on the ground, turned into the camera's own axes one rotation after another, fall on the same pixels."""
    draw = np.random.default_rng(seed)
    u, v = pixels(draw, 20)
    x, y = pose.homography().to_ground(u, v)
    seen = np.isfinite(x) & (np.hypot(x, y) < 1e4)
    assume(seen.any())
    world = np.stack([x[seen], y[seen], np.full(int(seen.sum()), -pose.height_m)])
    heading, pitch, roll = np.radians([pose.heading_deg, pose.pitch_deg, pose.roll_deg])
    turned = turn(2, heading) @ world  # north becomes ahead
    turned = turn(0, pitch) @ turned  # ahead becomes along the axis of the camera
    turned = turn(1, -roll) @ turned
    right, ahead, up = turned
    focal = WIDTH / 2.0 / np.tan(np.radians(pose.fov_deg or 0.0) / 2.0)
    assert np.allclose(WIDTH / 2 + focal * right / ahead, u[seen], atol=1e-4)
    assert np.allclose(HEIGHT / 2 - focal * up / ahead, v[seen], atol=1e-4)


def turn(axis: int, angle: float) -> np.ndarray:
    """A rotation of coordinates by an angle about one of the axes."""
    a, b = [k for k in range(3) if k != axis] if axis != 1 else (2, 0)
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix


def test_a_camera_straight_down_is_a_map() -> None:
    """From 10 m, with 1,000 pixels of focal length, a pixel is a centimetre; up in the picture is ahead."""
    pose = CameraPose(height_m=10.0, pitch_deg=90.0, heading_deg=0.0, focal_px=1000.0, width_px=800.0, height_px=600.0)
    x, y = pose.homography().to_ground(np.array([400.0, 500.0, 400.0]), np.array([300.0, 300.0, 200.0]))
    assert np.allclose(x, [0.0, 1.0, 0.0])
    assert np.allclose(y, [0.0, 0.0, 1.0])


def test_above_the_horizon_there_is_no_place() -> None:
    """With a level camera the horizon is the middle row: above it nothing has a place, nor what may lie above it."""
    pose = CameraPose(height_m=5.0, pitch_deg=0.0, heading_deg=90.0, fov_deg=60.0, width_px=WIDTH, height_px=HEIGHT)
    v = np.array([0.0, 500.0, 540.0, 545.0, 600.0, 1000.0])
    one = np.ones(6)
    assert exact(pose).place(960.0 * one, v, 2.0 * one, 2.0 * one).known.tolist() == [False] * 4 + [True] * 2
    assert pose.homography().place(960.0 * one, v, 2.0 * one, 2.0 * one).known.tolist() == [False] * 4 + [True] * 2


@given(POSES)
def test_the_error_grows_towards_the_horizon(pose: CameraPose) -> None:
    """Row by row up the middle of the picture, a place is known less and less well, until it is not known at all."""
    v = np.arange(HEIGHT, 0.0, -20.0)
    u, error = np.full(len(v), WIDTH / 2), np.full(len(v), 2.0)
    sigma = pose.homography().place(u, v, error, error).sigma_m
    away = np.hypot(*pose.homography().to_ground(u, v))
    rising = np.flatnonzero(np.isfinite(sigma[1:]) & (away[:-1] > 2.0 * pose.height_m))
    assert (np.diff(sigma)[rising] > 0.0).all()
    unknown = np.isnan(sigma)
    assert (np.diff(unknown.astype(int)) >= 0).all()


def test_a_pixel_error_is_what_it_makes_on_the_ground() -> None:
    """Of places drawn with an error of 3 px, 68 % and 95 % lie within the ellipses of one and two sigmas."""
    draw, found = np.random.default_rng(1), exact(OVER_A_STREET)
    u, v = pixels(draw, 20_000)
    error = np.full(len(u), 3.0)
    told = found.place(u, v, error, error)
    x, y = found.to_ground(u + draw.normal(0, 3.0, len(u)), v + draw.normal(0, 3.0, len(u)))
    inside = within(told.xx, told.xy, told.yy, x - told.x, y - told.y)
    assert abs((inside < 2.30).mean() - 0.683) < 0.02
    assert abs((inside < 6.18).mean() - 0.954) < 0.02


def test_the_errors_of_a_pose_are_what_they_make_on_the_ground() -> None:
    """Of poses drawn about the true one, 68 % and 95 % put a pixel within one and two sigmas of where it is said."""
    draw, n = np.random.default_rng(2), 4000
    found, pose = OVER_A_STREET.homography(), OVER_A_STREET
    u, v = pixels(draw, n)
    told = found.place(u, v, np.zeros(n), np.zeros(n))
    shift = draw.normal(size=(n, 5)) * [0.2, 0.5, 0.5, 1.0, 0.02 * pose.focal]
    inside = []
    for k in range(n):
        drawn = CameraPose(
            height_m=pose.height_m + shift[k, 0],
            pitch_deg=pose.pitch_deg + shift[k, 1],
            roll_deg=shift[k, 2],
            heading_deg=pose.heading_deg + shift[k, 3],
            focal_px=pose.focal + shift[k, 4],
            width_px=WIDTH,
            height_px=HEIGHT,
        )
        row = np.arange(k, k + 1)
        x, y = exact(drawn).to_ground(u[row], v[row])
        inside.append(within(told.xx[k], told.xy[k], told.yy[k], x[0] - told.x[k], y[0] - told.y[k]))
    assert abs((np.array(inside) < 2.30).mean() - 0.683) < 0.03
    assert abs((np.array(inside) < 6.18).mean() - 0.954) < 0.03


def within(xx: np.ndarray, xy: np.ndarray, yy: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance."""
    return (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)


def test_sides_are_told_apart() -> None:
    """The sign of a matrix means nothing: what the camera sees decides which side of the horizon is the ground."""
    found = exact(OVER_A_STREET)
    x, y = found.to_ground(np.array([900.0]), np.array([900.0]))
    for sign in (1.0, -1.0):
        turned = Homography(sign * found.matrix, found.spread).seen_from(float(x[0]), float(y[0]))
        assert np.array_equal(turned.matrix, found.matrix)
    assert not found.mirrored
    assert Homography(np.diag([-1.0, 1.0, 1.0]) @ found.matrix, found.spread).mirrored


LENSES = [(-0.3, 0.1), (-0.25, 0.0), (0.1, 0.0), (0.0, 0.0), (0.05, -0.02)]


@pytest.mark.parametrize(("k1", "k2"), LENSES)
def test_a_lens_is_straightened_and_bent_back(k1: float, k2: float) -> None:
    lens = Lens(k1=k1, k2=k2, focal_px=1600.0, centre_x=960.0, centre_y=540.0)
    u, v = (side.ravel() for side in np.meshgrid(np.linspace(0, WIDTH, 21), np.linspace(0, HEIGHT, 13)))
    straight = lens.straighten(u, v)
    assert np.isfinite(straight[0]).all()
    back = lens.bend(*straight)
    assert max(np.abs(back[0] - u).max(), np.abs(back[1] - v).max()) < 1e-6


def test_a_lens_agrees_with_opencv() -> None:
    """Brown's model as OpenCV has it, to a thousandth of a pixel."""
    import cv2

    lens = Lens(k1=-0.28, k2=0.07, focal_px=1200.0, centre_x=960.0, centre_y=540.0)
    u, v = np.array([960.0, 100.0, 1800.0, 1000.0]), np.array([540.0, 50.0, 1000.0, 700.0])
    inner = np.array([[1200.0, 0.0, 960.0], [0.0, 1200.0, 540.0], [0.0, 0.0, 1.0]])
    flat = np.stack([(u - 960.0) / 1200.0, (v - 540.0) / 1200.0, np.ones(4)], axis=1)
    theirs, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), inner, np.array([-0.28, 0.07, 0.0, 0.0]))
    ours = np.stack(lens.bend(u, v), axis=1)
    assert np.abs(theirs[:, 0] - ours).max() < 1e-3


def test_beyond_the_fold_of_a_lens_there_is_no_place() -> None:
    lens = Lens(k1=-0.3, focal_px=600.0, centre_x=960.0, centre_y=540.0)
    u, _ = lens.straighten(np.array([960.0, 1000.0, 1900.0]), np.array([540.0, 540.0, 1000.0]))
    assert np.isfinite(u).tolist() == [True, True, False]
    assert u[0] == 960.0


GOOD = {"height_m": 8.0, "pitch_deg": 25.0, "heading_deg": 0.0, "fov_deg": 60.0, "width_px": 800.0, "height_px": 600.0}
WRONG = [
    ({"height_m": 0.0}, "height_m: wanted 0.1 to 2000 m, got 0.0"),
    ({"height_m": float("nan")}, "height_m: wanted"),
    ({"pitch_deg": 95.0}, "pitch_deg: wanted"),
    ({"fov_deg": 180.0}, "fov_deg: wanted 1 to 170 degrees"),
    ({"fov_deg": None}, "wanted one of focal_px and fov_deg, got neither"),
    ({"focal_px": 900.0}, "wanted one of focal_px and fov_deg, got both"),
    ({"pitch_error_deg": -1.0}, "pitch_error_deg: wanted 0 or more"),
    ({"pitch_deg": -60.0}, "wanted ground in the picture, got only what is above the horizon"),
]


@pytest.mark.parametrize(("change", "why"), WRONG, ids=itertools.count())
def test_a_pose_that_cannot_be_is_refused(change: dict[str, float], why: str) -> None:
    with pytest.raises(CalibrationError, match=f"^camera pose: {why}"):
        CameraPose(**(GOOD | change)).homography()


@pytest.mark.parametrize("change", [{"k1": float("inf")}, {"focal_px": 0.0}, {"k2": 1e9}])
def test_a_lens_that_cannot_be_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(CalibrationError, match=r"^lens: \w+: wanted"):
        Lens(**({"k1": 0.0, "focal_px": 900.0, "centre_x": 0.0, "centre_y": 0.0} | change))
