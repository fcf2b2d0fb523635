"""Cameras over known ground, for tests: poses as Hypothesis draws them, and pixels with errors of a known size."""

import numpy as np
from hypothesis import strategies as st

from city_brain.types import Floats
from city_brain.vision.ground.homography import Homography
from city_brain.vision.ground.pose import CameraPose

WIDTH, HEIGHT = 1920.0, 1080.0

POSES = st.builds(
    CameraPose,
    height_m=st.floats(3.0, 60.0),
    pitch_deg=st.floats(5.0, 80.0),
    roll_deg=st.floats(-20.0, 20.0),
    heading_deg=st.floats(0.0, 360.0),
    fov_deg=st.floats(20.0, 110.0),
    width_px=st.just(WIDTH),
    height_px=st.just(HEIGHT),
)

OVER_A_STREET = CameraPose(
    height_m=8.0, pitch_deg=15.0, heading_deg=40.0, fov_deg=60.0, width_px=WIDTH, height_px=HEIGHT
)
"""A camera on a mast, as most are: it sees ground from 12 m on, and a strip of sky."""


def pixels(draw: np.random.Generator, n: int, low: float = 0.35, high: float = 0.98) -> tuple[Floats, Floats]:
    """Random pixels of the lower part of the picture."""
    return draw.uniform(0.02 * WIDTH, 0.98 * WIDTH, n), draw.uniform(low * HEIGHT, high * HEIGHT, n)


def exact(pose: CameraPose) -> Homography:
    """The homography of a pose, taken to be without error."""
    return Homography(pose.homography().matrix, np.zeros((9, 0)))
