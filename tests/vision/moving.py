"""A still street with grain, and things that drive over it unlike it by so much: what a motion gate must see."""

import cv2
import numpy as np

from city_brain.types import Floats
from city_brain.vision.letterbox import Frame
from city_brain.vision.motion import MotionGate, MotionSettings

WIDTH, HEIGHT = 640, 352
FRAME_MS = 40
LEARNING = 50
"""Frames of the empty street before anything drives."""
GRAIN = 4.0
"""1 σ of each colour of each pixel: a camera at dusk."""


def street(seed: int = 1) -> Floats:
    """A still picture with some texture (352, 640), grey."""
    rough = np.random.default_rng(seed).random((11, 20)) * 120 + 60
    return np.asarray(cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.float64)


def shade(brightness: float, red: float, blue: float) -> Floats:
    """The change (3,) of blue, green and red that changes Y, Cr and Cb by so many levels (ITU-R BT.601)."""
    return brightness + np.array([1.773 * blue, -0.344 * blue - 0.714 * red, 1.403 * red])


class Grain:
    """Noise that is another one in every frame, cut out of one sheet."""

    def __init__(self, seed: int, grain: float = GRAIN) -> None:
        self._chance = np.random.default_rng(seed)
        self._sheet = self._chance.normal(0.0, grain, (HEIGHT + 64, WIDTH + 64, 3)).astype(np.float32)

    def on(self, picture: Floats) -> Frame:
        """The picture (352, 640, 3) as a camera gives it."""
        y, x = self._chance.integers(0, 64, 2).tolist()
        return np.clip(picture + self._sheet[y : y + HEIGHT, x : x + WIDTH], 0, 255).astype(np.uint8)


def missed(change: Floats, seed: int = 1, frames: int = 60, grain: float = GRAIN) -> float:
    """The share of frames in which a thing of 20 x 15 pixels, unlike the street by `change` (3,), drives unseen."""
    gate, noise = MotionGate(MotionSettings(after_ms=1, every_ms=10**9)), Grain(seed, grain)
    still = np.repeat(street(seed)[:, :, None], 3, axis=2).astype(np.float32)
    chance, unseen = np.random.default_rng(seed), 0
    top, left = int(chance.integers(0, HEIGHT - 15)), int(chance.integers(0, WIDTH - 20 - 3 * frames))
    for number in range(LEARNING + frames):
        picture = still
        if number >= LEARNING:
            picture = still.copy()
            at = left + 3 * (number - LEARNING)
            picture[top : top + 15, at : at + 20] += change
        opens = gate.opens(noise.on(picture), FRAME_MS * number)
        unseen += number >= LEARNING and not opens
    return unseen / frames
