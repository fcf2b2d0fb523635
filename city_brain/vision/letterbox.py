"""A frame as the input of a network, and the boxes of the network back in the frame.

A frame is resized to the input, by `letterbox` with its proportions kept and the rest padded, by `stretch` without. The
sides of the resized picture are whole pixels, so its two scales differ a little: boxes go back by the scale of their
axis, not by one for both.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from city_brain.errors import ObservationError
from city_brain.types import Floats
from city_brain.vision.cards.card import InputSpec

Frame: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3): blue, green, red."""
Planes: TypeAlias = npt.NDArray[np.float32]
"""(3, height, width), or (batch, 3, height, width): what a network reads."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the picture of a frame lies in the input: its left upper corner and its size, in pixels of the input."""

    frame_width: int
    frame_height: int
    left: int
    top: int
    width: int
    height: int

    def to_input(self, box: Floats) -> Floats:
        """Boxes (n, 4) of the frame in the input."""
        scale, corner, _ = _axes(self)
        return box * scale + corner

    def to_frame(self, box: Floats) -> Floats:
        """Boxes (n, 4) of the input in the frame, clipped to it."""
        scale, corner, most = _axes(self)
        inside: Floats = np.minimum(np.maximum((box - corner) / scale, 0.0), most)
        return inside


@lru_cache(maxsize=256)
def _axes(at: Placement) -> tuple[Floats, Floats, Floats]:
    """Scale and corner in the input, and sides of the frame, each along the columns of a box."""
    x, y = at.width / at.frame_width, at.height / at.frame_height
    scale, corner = np.array([x, y, x, y]), np.array([at.left, at.top] * 2, dtype=np.float64)
    return scale, corner, np.array([at.frame_width, at.frame_height] * 2, dtype=np.float64)


def place(spec: InputSpec, frame_width: int, frame_height: int) -> Placement:
    """Where a frame of at least one pixel comes to lie."""
    width, height = spec.width, spec.height
    if spec.resize == "letterbox":
        if spec.width * frame_height <= spec.height * frame_width:
            height = max(1, _rounded(frame_height * spec.width, frame_width))
        else:
            width = max(1, _rounded(frame_width * spec.height, frame_height))
    left, top = ((spec.width - width) // 2, (spec.height - height) // 2) if spec.anchor == "centre" else (0, 0)
    return Placement(frame_width, frame_height, left, top, width, height)


def _rounded(a: int, b: int) -> int:
    """a / b to the nearest integer, halves up, without a float between."""
    return (2 * a + b) // (2 * b)


def check_frame(frame: Frame) -> None:
    """Raises ObservationError where an array is not a frame of at least one pixel."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        got = f"{frame.shape} of {frame.dtype}"
        raise ObservationError(f"frame: wanted (height, width, 3) of uint8 with at least one pixel, got {got}")


class Scratch:
    """Room for a resized frame and its three colours: to ask for it anew each time costs as much as to fill it."""

    def __init__(self) -> None:
        self._take_size((0, 0))

    def of(self, height: int, width: int) -> tuple[Frame, list[Frame]]:
        """The room (height, width, 3), and (height, width) three times."""
        if self.picture.shape[:2] != (height, width):
            self._take_size((height, width))
        return self.picture, self.colours

    def _take_size(self, size: tuple[int, int]) -> None:
        self.picture: Frame = np.empty((*size, 3), dtype=np.uint8)
        self.colours: list[Frame] = [np.empty(size, dtype=np.uint8) for _ in range(3)]


def fill(
    spec: InputSpec, frame: Frame, into: Planes, before: Placement | None = None, scratch: Scratch | None = None
) -> Placement:
    """Writes a frame into all of the planes (3, height, width) of an input; ObservationError where it is no frame.

    `before` is where the frame lies that the planes hold, None where they hold anything else: around one that lies as
    this one does, the padding is there already.
    """
    import cv2

    check_frame(frame)
    at = place(spec, frame.shape[1], frame.shape[0])
    picture, colours = (scratch or Scratch()).of(at.height, at.width)
    if (at.width, at.height) == (at.frame_width, at.frame_height):
        picture = frame
    else:
        size = (at.width, at.height)
        picture = cv2.resize(frame, size, dst=picture, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    right, below, padded = at.left + at.width, at.top + at.height, at == before
    channels = cv2.split(picture, colours)
    if spec.colour == "rgb":
        channels = channels[::-1]
    for plane, channel, mean, std in zip(into, channels, spec.mean, spec.std, strict=True):
        factor, offset = spec.scale / std, -mean / std
        inner = plane[at.top : below, at.left : right]
        if not padded:
            padding = spec.pad * factor + offset
            plane[: at.top], plane[below:] = padding, padding
            plane[at.top : below, : at.left], plane[at.top : below, right:] = padding, padding
        inner[:] = channel
        if factor != 1.0:
            inner *= np.float32(factor)
        if offset != 0.0:
            inner += np.float32(offset)
    return at
