"""Draws a street as a camera over it sees it, so plainly that the network `tiny` finds all that is on it.

Nothing looks real: the ground is grey, and a thing is the upright rectangle about its body, in the colour by which
`tiny` knows its class, with a dark rim, so that two of one colour stay two. What is nearer hides what is behind it.
Where a thing is in the picture is no simplification: there the pose of the camera puts the corners of its body.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.types import Codes, Floats, Ints
from city_brain.vision.frames.limits import load_opencv
from city_brain.vision.ground.foot import FOOTPRINT_M
from city_brain.vision.ground.homography import Homography
from city_brain.vision.ground.pose import CameraPose
from city_brain.vision.letterbox import Frame

COLOURS: Final = {
    ObjectClass.CAR: (220, 40, 40),
    ObjectClass.TRUCK: (40, 80, 220),
    ObjectClass.BUS: (240, 200, 40),
    ObjectClass.MOTORCYCLE: (200, 60, 200),
    ObjectClass.BICYCLE: (40, 180, 70),
    ObjectClass.PERSON: (40, 210, 210),
}
"""Red, green and blue of each class that `tiny` knows; nothing else is drawn."""
HEIGHT_M: Final = {
    ObjectClass.CAR: 1.5,
    ObjectClass.TRUCK: 2.9,
    ObjectClass.BUS: 3.1,
    ObjectClass.MOTORCYCLE: 1.5,
    ObjectClass.BICYCLE: 1.6,
    ObjectClass.PERSON: 1.72,
}
SKY: Final = (235, 225, 205)
GROUND: Final = (168, 178, 172)
ROAD: Final = (150, 150, 150)
LINE: Final = (215, 215, 215)
RIM: Final = (60, 60, 60)
"""Blue, green and red of what is no thing: no colour of one, and not as bright as any, since a gate may see grey."""

_LEAST_PX: Final = 2
_NEAR_M: Final = 1.0
_FARTHEST_PX: Final = 10_000.0
"""What lies farther out of the picture is not drawn: there the ground is beside the camera, or behind it."""


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Things on the ground as columns (n,): ObjectClass, middle in metres east and north of the camera's foot,
    direction as a unit vector, length in metres.
    """

    cls: Codes
    x: Floats
    y: Floats
    hx: Floats
    hy: Floats
    length_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A lane: its centre line (k, 2) in metres east and north of the camera's foot, and how wide it is."""

    line: Floats
    width_m: float


class Painter:
    """Draws what stands and drives before one camera; the same things give the same frame."""

    def __init__(self, pose: CameraPose, street: Iterable[Strip] = ()) -> None:
        self._pose = pose
        self._ground = exact(pose)
        self._tops = {word: exact(pose, above_m) for word, above_m in HEIGHT_M.items() if above_m < pose.height_m}
        self._empty = self._street(street)

    def draw(self, bodies: Bodies) -> Frame:
        """The frame of a moment, the farther things first."""
        frame, box = self._empty.copy(), self.boxes(bodies)
        height, width = frame.shape[:2]
        # Comparisons with what is no number are false.
        shown = (box[:, 2] > 0.0) & (box[:, 3] > 0.0) & (box[:, 0] < width) & (box[:, 1] < height)
        shown &= (box[:, 2:] - box[:, :2] >= _LEAST_PX).all(axis=1)
        at = np.flatnonzero(shown)
        order = at[np.lexsort((box[at, 0], box[at, 3]))]
        for (x0, y0, x1, y1), word in zip(
            np.rint(box[order]).astype(int).tolist(), bodies.cls[order].tolist(), strict=True
        ):
            frame[max(y0 - 1, 0) : max(y1 + 1, 0), max(x0 - 1, 0) : max(x1 + 1, 0)] = RIM
            frame[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = COLOURS[ObjectClass(word)][::-1]
        return frame

    def boxes(self, bodies: Bodies) -> Floats:
        """The rectangles (n, 4), x0, y0, x1, y1 in pixels, which may reach out of the frame; NaN for what is not drawn:
        what is not before the camera, reaches as high as it hangs, or is of a class without a colour.
        """
        box = np.full((len(bodies.cls), 4), np.nan)
        for word, top in self._tops.items():
            at = np.flatnonzero(bodies.cls == int(word))
            if len(at) == 0:
                continue
            x, y = _corners(bodies, at, FOOTPRINT_M[word][1])
            u, v = np.concatenate([self._ground.to_pixels(x, y), top.to_pixels(x, y)], axis=1)
            box[at] = np.stack([u.min(axis=0), v.min(axis=0), u.max(axis=0), v.max(axis=0)], axis=1)
        return box

    def _street(self, street: Iterable[Strip]) -> Frame:
        """The picture without anything on it: sky, ground, lanes with their lines."""
        cv2 = load_opencv("drawing")
        width, height = round(self._pose.width_px), round(self._pose.height_px)
        v, u = np.mgrid[:height, :width] + 0.5
        frame = np.where((self._ground.depth(u, v) > 0.0)[:, :, None], GROUND, SKY).astype(np.uint8)
        quads = [quad for strip in street for quad in self._quads(strip)]
        for quad in quads:
            cv2.fillConvexPoly(frame, quad, ROAD)
        for quad in quads:
            cv2.line(frame, quad[0].tolist(), quad[1].tolist(), LINE)
            cv2.line(frame, quad[3].tolist(), quad[2].tolist(), LINE)
        return frame

    def _quads(self, strip: Strip) -> Iterable[Floats]:
        """Pieces of a lane of about a metre, as four whole pixels: left side, then right side backwards."""
        begin, end = strip.line[:-1], strip.line[1:]
        steps = np.maximum(np.ceil(np.hypot(*(end - begin).T) / _NEAR_M), 1.0).astype(int)
        pieces = [
            a + (b - a) * np.linspace(0.0, 1.0, n + 1)[:, None] for a, b, n in zip(begin, end, steps, strict=True)
        ]
        for piece in pieces:
            along = (piece[-1] - piece[0]) / max(float(np.hypot(*(piece[-1] - piece[0]))), 1e-9)
            across = np.array([-along[1], along[0]]) * strip.width_m / 2.0
            left, right = (np.stack(self._ground.to_pixels(*(piece + side).T), axis=1) for side in (across, -across))
            for quad in np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1):
                if (np.abs(quad) < _FARTHEST_PX).all():
                    yield np.rint(quad).astype(np.int32)


def exact(pose: CameraPose, above_m: float = 0.0) -> Homography:
    """From pixels to the level so many metres above the ground, the pose taken to be without error."""
    level = msgspec.structs.replace(pose, height_m=pose.height_m - above_m)
    return Homography(level.homography().matrix, np.zeros((9, 0)))


def _corners(bodies: Bodies, at: Ints, width_m: float) -> tuple[Floats, Floats]:
    """East and north (4, k) of the corners of bodies `at` (k,)."""
    half_m = bodies.length_m[at] / 2.0
    fx, fy = bodies.hx[at] * half_m, bodies.hy[at] * half_m
    sx, sy = bodies.hy[at] * width_m / 2.0, -bodies.hx[at] * width_m / 2.0
    x = bodies.x[at] + np.stack([fx + sx, fx - sx, -fx - sx, -fx + sx])
    y = bodies.y[at] + np.stack([fy + sy, fy - sy, -fy - sy, -fy + sy])
    return x, y
