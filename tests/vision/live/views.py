"""Pictures of a camera that stands still, and what can become of them, for tests."""

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from city_brain.vision.letterbox import Frame
from city_brain.vision.live.health import PictureJudge

WIDTH, HEIGHT = 320, 180


def scene(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    """A street as far as a judge cares: planes with edges, lines, and detail."""
    chance = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 110, np.uint8)
    for _ in range(60):
        corner = chance.integers(0, (width, height))
        size = chance.integers(width // 40, width // 5, 2)
        shade = [int(level) for level in chance.integers(30, 230, 3)]
        cv2.rectangle(picture, corner.tolist(), (corner + size).tolist(), shade, -1)
    for _ in range(40):
        ends = chance.integers(0, (width, height), (2, 2)).tolist()
        cv2.line(picture, ends[0], ends[1], [int(level) for level in chance.integers(0, 255, 3)], 2)
    return picture


def watched(picture: Frame, seconds: int, seed: int = 0) -> Iterator[Frame]:
    """A look a second at a scene, with the grain of a camera."""
    grains = np.random.default_rng(seed).normal(0.0, 2.0, (8, *picture.shape)).astype(np.int8)
    for second in range(seconds):
        yield np.asarray(cv2.add(picture, np.roll(grains[second % 8], second, axis=1), dtype=cv2.CV_8U), np.uint8)


def black(frame: Frame) -> Frame:
    """As with the cap on: dark, with the sensor's noise."""
    return frame // 16


def blurred(frame: Frame) -> Frame:
    """Out of focus by a hundred-and-sixtieth of its width."""
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), frame.shape[1] / 160.0), np.uint8)


def turned(share: float) -> Callable[[Frame], Frame]:
    """By a share of the picture's width, with the rim as what was not seen before."""

    def turn(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        move = np.array([[1.0, 0.0, share * width], [0.0, 1.0, 0.3 * share * width]])
        return np.asarray(cv2.warpAffine(frame, move, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)

    return turn


def rolled(degrees: float) -> Callable[[Frame], Frame]:
    """Tilted about its middle."""

    def roll(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        move = cv2.getRotationMatrix2D((width / 2.0, height / 2.0), degrees, 1.0)
        return np.asarray(cv2.warpAffine(frame, move, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)

    return roll


def flipped(frame: Frame) -> Frame:
    """Another view altogether, of the same kind."""
    return np.ascontiguousarray(frame[:, ::-1])


def judged(judge: PictureJudge, frames: Iterable[Frame], from_s: int = 0) -> list[frozenset[str]]:
    """What is said at each look, a second apart."""
    return [judge.judge(frame, 1000 * (from_s + at)) for at, frame in enumerate(frames)]
