"""Makes faces and licence plates unknowable in a picture before it is written anywhere.

What the network finds of a card's `blur` labels is put into a few cells, each the mean of its pixels, and the edges of
the cells are smoothed. Nothing sharpens that again: at most 4 x 4 colours of it are left, whatever its size. A box is
taken a little larger than it was found, and stays for a moment: from frame to frame a network misses some.
"""

from collections import deque
from typing import Final

import numpy as np

from city_brain.types import Floats
from city_brain.vision.letterbox import Frame

CELLS: Final = 4
"""Along the longer side of what is blurred: of a face no feature is left, of a plate no character."""
MARGIN: Final = 0.15
"""Of its side, by which a box is larger on each edge: networks cut ears and the rims of plates off."""
STAYS_MS: Final = 500
"""How long a box is blurred after it was found."""


class Blur:
    """Blurs the frames of one camera; remembers boxes for `STAYS_MS`."""

    def __init__(self) -> None:
        self._boxes: deque[tuple[int, Floats]] = deque()

    def apply(self, frame: Frame, time_ms: int, hidden: Floats) -> Frame:
        """A frame without what boxes `hidden` (k, 4) show, nor what those of a moment before show: the frame itself
        where there are none, else a copy.
        """
        if len(hidden):
            self._boxes.append((time_ms, hidden))
        while self._boxes and not 0 <= time_ms - self._boxes[0][0] < STAYS_MS:
            self._boxes.popleft()
        if not self._boxes:
            return frame
        canvas = frame.copy()
        for box in np.concatenate([boxes for _, boxes in self._boxes]):
            _blur(canvas, box)
        return canvas


def _blur(canvas: Frame, box: Floats) -> None:
    import cv2

    x0, y0, x1, y1 = _enlarged(box, canvas.shape[1], canvas.shape[0])
    part = canvas[y0:y1, x0:x1]
    height, width = part.shape[:2]
    if not height or not width:
        return
    cell = max(max(width, height) / CELLS, 2.0)
    few = (max(1, round(width / cell)), max(1, round(height / cell)))
    cells = cv2.resize(part, few, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    part[:] = cv2.GaussianBlur(coarse, (0, 0), cell / 3.0, borderType=cv2.BORDER_REPLICATE)


def _enlarged(box: Floats, width: int, height: int) -> tuple[int, int, int, int]:
    """Whole pixels around a box and its margin, within the frame."""
    x0, y0, x1, y1 = box.tolist()
    aside, above = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    low_x, low_y = max(0, int(x0 - aside)), max(0, int(y0 - above))
    return low_x, low_y, min(width, int(x1 + aside) + 1), min(height, int(y1 + above) + 1)
