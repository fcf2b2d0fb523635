"""Draws a calibration upon a frame: the points as read, the points as the homography has them, and a grid in metres.

The only file here that needs OpenCV, and only when it is called.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from city_brain.errors import CalibrationError
from city_brain.types import Floats
from city_brain.vision.calibration.fitting import Pairs
from city_brain.vision.frames.limits import load_opencv
from city_brain.vision.ground.homography import Homography
from city_brain.vision.ground.lens import Lens

_READ, _FITTED, _WRONG, _GRID, _NORTH = (0, 220, 255), (80, 220, 80), (40, 40, 255), (255, 200, 80), (255, 255, 255)
_LINES: Final = 12
"""About so many lines of the grid each way."""
_STEPS_M: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
_DOTS: Final = 60


def drawn(
    picture: Any, pairs: Pairs, seen: tuple[Floats, Floats], found: Homography, lens: Lens | None, wrong: int | None
) -> tuple[bytes, float]:
    """The overlay as PNG, and how many metres apart the lines of its grid are.

    `seen`: where the points were read in the frame; `wrong` is the number of the point that looks wrong.
    """
    cv2 = load_opencv("overlay")
    canvas = picture.copy()
    thick = max(1, round(canvas.shape[1] / 960))
    step_m = _grid(cv2, canvas, pairs, found, lens, thick)
    fitted = _bent(lens, *found.to_pixels(pairs.x, pairs.y))
    for row, name in enumerate(pairs.names):
        read, put = _pixel(seen[0][row], seen[1][row]), _pixel(fitted[0][row], fitted[1][row])
        colour = _WRONG if row == wrong else _READ
        if put is not None and read is not None:
            cv2.line(canvas, read, put, colour, thick, cv2.LINE_AA)
            cv2.drawMarker(canvas, put, _FITTED, cv2.MARKER_CROSS, 14 * thick, thick, cv2.LINE_AA)
        if read is not None:
            cv2.circle(canvas, read, 6 * thick, colour, thick, cv2.LINE_AA)
            _write(cv2, canvas, _plain(row, name), (read[0] + 8 * thick, read[1] - 8 * thick), colour, thick)
    told = f"grid {step_m:g} m, white to the north; circle: as read, cross: as fitted"
    _write(cv2, canvas, told, (10 * thick, 22 * thick), _NORTH, thick)
    done, png = cv2.imencode(".png", canvas)
    if not done:
        raise CalibrationError("overlay: wanted to write a PNG, got a refusal of OpenCV")
    return bytes(png), step_m


def _grid(cv2: Any, canvas: Any, pairs: Pairs, found: Homography, lens: Lens | None, thick: int) -> float:
    """Lines of whole metres around the points, those to the north in white."""
    low_x, high_x, low_y, high_y = _around(pairs)
    span = max(high_x - low_x, high_y - low_y)
    step = next((step for step in _STEPS_M if span / step <= _LINES), _STEPS_M[-1])
    for at in _whole(low_x, high_x, step):
        along = np.linspace(low_y, high_y, _DOTS)
        _line(cv2, canvas, _bent(lens, *found.to_pixels(np.full(_DOTS, at), along)), _NORTH, thick)
    for at in _whole(low_y, high_y, step):
        along = np.linspace(low_x, high_x, _DOTS)
        _line(cv2, canvas, _bent(lens, *found.to_pixels(along, np.full(_DOTS, at))), _GRID, thick)
    return step


def _around(pairs: Pairs) -> tuple[float, float, float, float]:
    """West, east, south and north of the points, a fifth wider all around."""
    more_x, more_y = 0.2 * (np.ptp(pairs.x) + 1.0), 0.2 * (np.ptp(pairs.y) + 1.0)
    return (
        float(pairs.x.min() - more_x),
        float(pairs.x.max() + more_x),
        float(pairs.y.min() - more_y),
        float(pairs.y.max() + more_y),
    )


def _whole(low: float, high: float, step: float) -> Iterator[float]:
    for k in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield k * step


def _line(cv2: Any, canvas: Any, dots: tuple[Floats, Floats], colour: tuple[int, int, int], thick: int) -> None:
    before = None
    for u, v in zip(*dots, strict=True):
        dot = _pixel(u, v)
        if before is not None and dot is not None:
            cv2.line(canvas, before, dot, colour, thick, cv2.LINE_AA)
        before = dot


def _pixel(u: float, v: float) -> tuple[int, int] | None:
    """A pixel that can be drawn to, or nothing for one far outside or none at all."""
    if not (abs(u) < 30_000.0 and abs(v) < 30_000.0):
        return None
    return round(float(u)), round(float(v))


def _bent(lens: Lens | None, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    return (u, v) if lens is None else lens.bend(u, v)


def _write(cv2: Any, canvas: Any, text: str, at: tuple[int, int], colour: tuple[int, int, int], thick: int) -> None:
    """Text on a dark rim, so that it can be read on any ground."""
    for rim, shade in ((3 * thick, (0, 0, 0)), (thick, colour)):
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thick, shade, rim, cv2.LINE_AA)


def _plain(row: int, name: str) -> str:
    """What OpenCV's letters can show, which are those of ASCII; else the number of the point."""
    return name[:24] if name.isascii() else f"{row + 1}"
