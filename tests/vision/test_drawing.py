"""Drawn streets: what is drawn is found where it was drawn, under its class, and its foot is where the thing stands."""

import numpy as np
import pytest

from city_brain.observations.vocabulary import ObjectClass
from city_brain.types import Floats
from city_brain.vision.frames.drawing import COLOURS, HEIGHT_M, LINE, RIM, ROAD, Bodies, Painter, Strip, exact
from city_brain.vision.ground.foot import FOOTPRINT_M
from city_brain.vision.ground.pose import CameraPose
from models.tiny import build
from tests.vision.eyes.drives import detector

POSE = CameraPose(
    height_m=8.0, pitch_deg=17.0, heading_deg=0.0, fov_deg=60.0, width_px=build.WIDTH, height_px=build.HEIGHT
)
WORDS = tuple(COLOURS)


def bodies(*said: tuple[ObjectClass, float, float, float]) -> Bodies:
    """Things by class, metres right and ahead, and the direction of their body in degrees clockwise from north."""
    x, y, turn = (np.array(column, dtype=np.float64) for column in list(zip(*said, strict=True))[1:])
    cls = np.array([word for word, *_ in said], dtype=np.uint8)
    length_m = np.array([FOOTPRINT_M[word][0] for word, *_ in said])
    return Bodies(cls, x, y, np.sin(np.radians(turn)), np.cos(np.radians(turn)), length_m)


def found(shown: Bodies, painter: Painter) -> list[tuple[str, Floats]]:
    """What the tiny network finds in the frame of some things."""
    net = detector()
    (boxes,) = net.detect([painter.draw(shown)])
    return [(net.card.labels[label], box) for label, box in zip(boxes.label, boxes.box, strict=True)]


def test_colours_are_those_that_the_network_knows() -> None:
    assert {word.name.lower(): colour for word, colour in COLOURS.items()} == build.COLOURS
    assert HEIGHT_M.keys() == COLOURS.keys()


@pytest.mark.parametrize("turn", [0.0, 35.0, 90.0, 200.0])
def test_what_is_drawn_is_found_to_the_pixel(turn: float) -> None:
    """Each class at several places, as far as it is a cell large: found once, under its class, to the pixel."""
    painter = Painter(POSE)
    large = 0
    for word in WORDS:
        for right_m, ahead_m in ((-1.0, 14.0), (3.0, 25.0), (9.0, 40.0)):
            shown = bodies((word, right_m, ahead_m, turn))
            (wanted,) = np.rint(painter.boxes(shown))
            if (wanted[2:] - wanted[:2]).min() < build.STRIDE:
                continue
            ((label, box),) = found(shown, painter)
            assert label == word.name.lower()
            assert np.abs(box - np.minimum(wanted, [build.WIDTH, build.HEIGHT] * 2)).max() < 1e-3
            large += 1
    assert large > 10


@pytest.mark.parametrize("ahead_m", [15.0, 25.0, 45.0])
def test_the_foot_is_the_near_end_on_the_ground(ahead_m: float) -> None:
    """The lower edge of a car that drives away lies half a car before its middle."""
    shown = bodies((ObjectClass.CAR, 0.0, ahead_m, 0.0))
    ((left, _, right, bottom),) = Painter(POSE).boxes(shown).tolist()
    (x,), (y,) = exact(POSE).to_ground(np.array([(left + right) / 2.0]), np.array([bottom]))
    assert abs(x) < 1e-6
    assert abs(y - (ahead_m - FOOTPRINT_M[ObjectClass.CAR][0] / 2.0)) < 1e-6


def test_a_higher_level_is_nearer_to_the_camera() -> None:
    """A point above the ground is seen where the ray through it goes: by similar triangles."""
    (u,), (v,) = exact(POSE, 2.0).to_pixels(np.array([3.0]), np.array([30.0]))
    (x,), (y,) = exact(POSE).to_ground(np.array([u]), np.array([v]))
    assert (x, y) == pytest.approx((3.0 * 8.0 / 6.0, 30.0 * 8.0 / 6.0))


def test_two_of_one_colour_stay_two() -> None:
    """A car that half hides another one behind it: the near one is whole, the other is not part of it."""
    painter = Painter(POSE)
    shown = bodies((ObjectClass.CAR, 0.0, 25.0, 0.0), (ObjectClass.CAR, 1.5, 33.0, 0.0))
    near, far = np.rint(painter.boxes(shown))
    assert near[1] < far[3]
    assert far[0] < near[2]
    one, other = sorted((box for _, box in found(shown, painter)), key=lambda box: float(box[3]))
    assert np.abs(other - near).max() < 1e-3
    assert (one[:2] > far[:2] - 1e-3).all()
    assert (one[2:] < far[2:] + 1e-3).all()


def test_what_is_not_before_the_camera_is_not_drawn() -> None:
    """Things behind it, far aside, and of a class without a colour leave the street as it is; so does nothing."""
    painter = Painter(POSE)
    empty = painter.draw(bodies((ObjectClass.CAR, 0.0, -20.0, 0.0)))
    for said in (
        (ObjectClass.BUS, 300.0, 20.0, 0.0),
        (ObjectClass.SMOKE, 0.0, 30.0, 0.0),
        (ObjectClass.CAR, 0.0, 4e3, 0.0),
    ):
        assert (painter.draw(bodies(said)) == empty).all()
    assert not (painter.draw(bodies((ObjectClass.CAR, 0.0, 20.0, 0.0))) == empty).all()


def test_lanes_lie_on_the_ground_and_are_no_things() -> None:
    """A lane is seen where it runs, with lines along both sides; the network finds nothing on an empty street."""
    painter = Painter(POSE, [Strip(np.array([[0.0, -30.0], [0.0, 120.0]]), 3.5)])
    frame = painter.draw(bodies((ObjectClass.CAR, 0.0, -20.0, 0.0)))
    for x, colour in ((0.0, ROAD), (1.75, LINE), (-1.75, LINE)):
        (u,), (v,) = exact(POSE).to_pixels(np.array([x]), np.array([20.0]))
        near = frame[round(v), round(u) - 1 : round(u) + 2]
        assert (near == np.array(colour)).all(axis=1).any()
    assert not found(bodies((ObjectClass.CAR, 0.0, -20.0, 0.0)), painter)
    assert not any((colour[::-1] == frame).all(axis=2).any() for colour in COLOURS.values())
    assert RIM not in COLOURS.values()
