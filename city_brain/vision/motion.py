"""A cheap gate before the network: frames in which nothing moved need not be looked at again.

A frame is shrunk to cells of brightness and of two differences of colour (Y, Cr and Cb of ITU-R BT.601), and these are
held against a running background. A cell has moved where one of the three differs from the background by several times
its own running noise, so that leaves in the wind and the grain of a night picture close to nothing; what all cells have
in common, as when a cloud passes, is taken out first. Cells count where most of their neighbours have moved too. (A
running Gaussian average, as in Wren et al. 1997, Pfinder, with deviations for variances.)

What the gate does not see is bounded in time: it opens at least every `every_ms`, and stays open for `after_ms`. While
it is open anyway, it looks for motion a few times only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from city_brain.errors import SettingsError
from city_brain.vision.letterbox import Frame, Planes, check_frame

_TIMES_NOISE: Final = np.float32(4.0)
"""Mean deviations from which a cell has moved: of Gaussian noise 1.4 in a thousand cells do, seldom with neighbours."""
_LEAST: Final = np.float32(6.0)
"""Levels below which nothing has moved: the steps in which video is compressed."""
_LEARNS: Final = 1.0 / 16.0
"""Share of a frame in the running background and noise; of a cell that moved, a quarter of it."""
_LEARNS_MOST: Final = 1.0 / 4.0
"""A frame counts for those before it that nobody held against the background, but for no more than this."""
_MOVED_CELLS: Final = 3
"""Cells with their neighbours that are motion: a car of 16 pixels in a frame of 640."""
_LOOKS: Final = 5
"""How often motion is looked for in the time that the gate is open after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """`after_ms`: open after motion, or up to a fifth of it less; `every_ms`: open at least so often; `cells`: at
    least, across a wider frame.
    """

    after_ms: int = 500
    every_ms: int = 1000
    cells: int = 160


class MotionGate:
    """The gate of one camera. Memory: 48 bytes for each cell."""

    __slots__ = (
        "_away",
        "_background",
        "_cells",
        "_looked_ms",
        "_moved_ms",
        "_noise",
        "_opened_ms",
        "_passed",
        "_settings",
    )

    def __init__(self, settings: MotionSettings) -> None:
        if min(settings.after_ms, settings.every_ms, settings.cells) < 1:
            raise SettingsError(f"motion: wanted after_ms, every_ms and cells of at least 1, got {settings}")
        self._settings = settings
        self._take_size((0, 0))
        self._moved_ms = self._opened_ms = self._looked_ms = 0
        self._passed = 0

    def opens(self, frame: Frame, time_ms: int) -> bool:
        """Whether a frame of this time is worth a look, as one before the last look is; ObservationError: no frame."""
        check_frame(frame)
        limits = self._settings
        if time_ms < self._opened_ms:
            self._moved_ms = self._looked_ms = time_ms
        self._passed += 1
        known_ms = time_ms - self._looked_ms
        if time_ms - self._moved_ms >= limits.after_ms or not 0 < _LOOKS * known_ms < limits.after_ms:
            self._looked_ms = time_ms
            if self._sees_motion(frame):
                self._moved_ms = time_ms
        opens = time_ms - self._moved_ms < limits.after_ms or time_ms - self._opened_ms >= limits.every_ms
        if opens:
            self._opened_ms = time_ms
        return opens

    def _sees_motion(self, frame: Frame) -> bool:
        """Whether a frame differs from the background, which learns from it; the first of a size does."""
        import cv2

        learns, self._passed = min(_LEARNS * self._passed, _LEARNS_MOST), 0
        if not self._shrink(frame):
            return True
        change, away, noise = self._cells, self._away, self._noise
        change -= self._background
        sample = change[:, ::4, ::4].reshape(3, -1)
        middle = sample.shape[1] // 2
        shared = np.partition(sample, middle, axis=1)[:, middle]
        np.subtract(change, shared[:, None, None], out=away)
        np.abs(away, out=away)
        moved = (away > np.maximum(_TIMES_NOISE * noise, _LEAST)).any(axis=0)
        share = np.where(moved, np.float32(learns / 4.0), np.float32(learns))
        change *= share
        self._background += change
        away -= noise
        away *= share
        noise += away
        return cv2.countNonZero(cv2.medianBlur(moved.view(np.uint8), 3)) >= _MOVED_CELLS

    def _shrink(self, frame: Frame) -> bool:
        """Fills the cells, by halving the frame: the mean of all their pixels, at a fraction of what other ways cost.

        False where the frame is the first of its size: then it is the background.
        """
        import cv2

        small = frame
        while small.shape[0] > 1 and small.shape[1] >= 2 * self._settings.cells:
            half = (small.shape[1] // 2, small.shape[0] // 2)
            small = cv2.resize(small, half, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        known = self._cells.shape[1:] == small.shape[:2]
        if not known:
            self._take_size((small.shape[0], small.shape[1]))
        for plane, channel in zip(self._cells, cv2.split(cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb)), strict=True):
            plane[:] = channel
        if not known:
            self._background[:] = self._cells
        return known

    def _take_size(self, size: tuple[int, int]) -> None:
        """Makes room for so many rows and columns of cells."""
        self._cells: Planes = np.empty((3, *size), dtype=np.float32)
        self._away, self._background = np.empty_like(self._cells), np.empty_like(self._cells)
        self._noise = np.full_like(self._cells, _LEAST / _TIMES_NOISE)
