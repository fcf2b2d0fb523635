"""A cheap gate before the network: frames in which nothing moved need not be looked at again.

A frame is shrunk to grey cells and held against a running background. A cell has moved where it differs from the
background by several times its own running noise, so that leaves in the wind and the grain of a night picture close to
nothing; what all cells have in common, as when a cloud passes, is taken out first. Cells count where most of their
neighbours have moved too. (A running Gaussian average, as in Wren et al. 1997, Pfinder, with deviations for variances.)

What the gate does not see is bounded in time: it opens at least every `every_ms`, and stays open for `after_ms`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from city_brain.errors import SettingsError
from city_brain.vision.letterbox import Frame, check_frame

_TIMES_NOISE: Final = 4.0
"""Mean deviations from which a cell has moved: of Gaussian noise 1.4 in a thousand cells do, seldom with neighbours."""
_LEAST: Final = 6.0
"""Grey levels below which nothing has moved: the steps in which video is compressed."""
_LEARNS: Final = 1.0 / 16.0
"""Share of a frame in the running background and noise; of a cell that moved, a quarter of it."""
_MOVED_CELLS: Final = 3
"""Cells with their neighbours that are motion: a car of 16 pixels in a frame of 640."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """`after_ms`: open after motion; `every_ms`: open at least so often; `cells`: at least, across a wider frame."""

    after_ms: int = 500
    every_ms: int = 1000
    cells: int = 160


class MotionGate:
    """The gate of one camera. Memory: 8 bytes for each cell."""

    __slots__ = ("_background", "_moved_ms", "_noise", "_opened_ms", "_settings")

    def __init__(self, settings: MotionSettings) -> None:
        if min(settings.after_ms, settings.every_ms, settings.cells) < 1:
            raise SettingsError(f"motion: wanted after_ms, every_ms and cells of at least 1, got {settings}")
        self._settings = settings
        self._background = np.empty((0, 0), dtype=np.float32)
        self._noise = self._background
        self._moved_ms = self._opened_ms = 0

    def opens(self, frame: Frame, time_ms: int) -> bool:
        """Whether a frame of this time is worth a look, as one before the last look is; ObservationError: no frame."""
        if self._sees_motion(frame) or time_ms < self._opened_ms:
            self._moved_ms = time_ms
        recent = time_ms - self._moved_ms < self._settings.after_ms
        opens = recent or time_ms - self._opened_ms >= self._settings.every_ms
        if opens:
            self._opened_ms = time_ms
        return opens

    def _sees_motion(self, frame: Frame) -> bool:
        """Whether a frame differs from the background, which learns from it; the first of a size does."""
        import cv2

        grey = self._shrunk(frame)
        if self._background.shape != grey.shape:
            self._background, self._noise = grey, np.full_like(grey, _LEAST / _TIMES_NOISE)
            return True
        change = grey - self._background
        away = np.abs(change - np.median(change[::4, ::4]))
        moved = away > np.maximum(_TIMES_NOISE * self._noise, _LEAST)
        learns = np.where(moved, np.float32(_LEARNS / 4.0), np.float32(_LEARNS))
        self._background += learns * change
        self._noise += learns * (away - self._noise)
        return cv2.countNonZero(cv2.medianBlur(moved.view(np.uint8), 3)) >= _MOVED_CELLS

    def _shrunk(self, frame: Frame) -> npt.NDArray[np.float32]:
        """Grey cells, halved in each step: the mean of all their pixels, at a fraction of what other ways cost."""
        import cv2

        check_frame(frame)
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        while grey.shape[0] > 1 and grey.shape[1] >= 2 * self._settings.cells:
            grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_LINEAR)
        return grey.astype(np.float32)
