"""Whether the picture of a camera can be believed: frozen, black, blurred, or of another view than it was.

Once a second a frame is shrunk to grey and judged; a word is told when several looks in a row agree, and taken back
when several agree that it is over.

frozen   the very same picture, to the last bit, for five seconds while frames come
black    99 of 100 pixels darker than `BLACK`: a lens that is covered, a sensor without light; a night street has lamps
blurred  hardly any detail beyond what a blur leaves of it (after Crété et al. 2007, The Blur Effect), in a picture
         that has contrast: out of focus, dirt or fog before the lens
moved    the standing part of the picture lies elsewhere by phase correlation (Kuglin & Hines 1975), or most parts of
         it have changed: somebody turned the camera, and its calibration does not hold. A lorry hides some parts,
         and drives on. After ten minutes the new view counts as the camera's own
"""

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from city_brain.vision.letterbox import Frame, check_frame

WORDS: Final = ("frozen", "black", "blurred", "moved")
"""What may be said of a picture."""
LOOK_MS: Final = 1000
GAP_MS: Final = 3000
"""Without a look for so long, what was before it says nothing of how long a picture stood still."""
FROZEN_MS: Final = 5000
BLACK: Final = 32.0
LIGHT: Final = 44.0
"""Grey levels of the pixel that is brighter than 99 of 100: from the first down it is black, from the second up not."""
BLURRED: Final = 0.68
SHARP: Final = 0.60
"""Share of the changes from pixel to pixel that a blur leaves where they are. Sharp pictures had .30 to .53; those that
were blurred by 1/320 of their width .75 and more, and by twice that and packed as JPEGs of quality 20 .72.
"""
LEAST_CONTRAST: Final = 1.0
"""Grey levels from pixel to pixel in the mean, below which there is nothing that could be sharp."""
SHIFTED: Final = 0.03
"""Of the picture's width: half of it puts cars into the next lane."""
SURE_SHIFT: Final = 0.15
"""Response of a phase correlation from which a shift is believed."""
CHANGED: Final = 0.7
UNCHANGED: Final = 0.4
"""Share of the parts with detail that look otherwise than they did."""
ALIKE: Final = 0.5
"""Correlation of two parts from which they show the same."""
LOOKS: Final = 3
"""In a row, for black and blurred."""
LOOKS_MOVED: Final = 4
NEW_VIEW_LOOKS: Final = 600
LEARNT_LOOKS: Final = 5
"""Of which a view is made before anything is held against it."""
_LEARNS: Final = 1.0 / 30.0
"""Share of a look in the standing picture: what drives by leaves no trace, and the sun's way is followed."""
_CELLS: Final = 160
_GRID: Final = (6, 8)
_DETAIL: Final = 3.0
"""Grey levels of deviation from which a part has detail."""

Grey = npt.NDArray[np.float32]


class PictureJudge:
    """Judges the pictures of one camera. Memory: some 200 kB, whatever the size of a frame."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets all, as when somebody has set the camera up anew."""
        self._looked_ms: int | None = None
        self._still_ms = 0
        self._sum: int | None = None
        self._shape: tuple[int, ...] = ()
        self._black, self._blurred, self._moved = _Held(LOOKS), _Held(LOOKS), _Held(LOOKS_MOVED)
        self._view = _View()
        self._said: frozenset[str] = frozenset()

    def judge(self, frame: Frame, event_ms: int) -> frozenset[str]:
        """What is wrong with the pictures, of `WORDS`; ObservationError where an array is no frame."""
        if self._looked_ms is not None and 0 <= event_ms - self._looked_ms < LOOK_MS:
            return self._said
        check_frame(frame)
        if frame.shape != self._shape:
            self.reset()
            self._shape = frame.shape
        frozen = self._is_frozen(frame, event_ms)
        self._looked_ms = event_ms
        if not frozen:
            self._look(frame)
        held = zip(WORDS, (frozen, self._black.holds, self._blurred.holds, self._moved.holds), strict=True)
        self._said = frozenset(word for word, holds in held if holds)
        return self._said

    def _is_frozen(self, frame: Frame, event_ms: int) -> bool:
        """All of the pixels count: the mean of a quiet scene may well stay the same."""
        total = zlib.crc32(np.ascontiguousarray(frame).data)
        gap = self._looked_ms is None or not 0 <= event_ms - self._looked_ms <= GAP_MS
        if gap or total != self._sum:
            self._sum, self._still_ms = total, event_ms
        return event_ms - self._still_ms >= FROZEN_MS

    def _look(self, frame: Frame) -> None:
        fine = _shrunk(frame, 2 * _CELLS)
        bright = float(np.percentile(fine, 99.0))
        self._black.step(bright <= BLACK, bright >= LIGHT)
        if bright <= LIGHT:
            return
        blur = _blur(fine)
        self._blurred.step(blur is not None and blur >= BLURRED, blur is None or blur <= SHARP)
        if blur is not None and blur >= SHARP:
            return
        shift, changed = self._view.compare(_shrunk(fine, _CELLS))
        self._moved.step(shift >= SHIFTED or changed >= CHANGED, shift < SHIFTED / 2.0 and changed <= UNCHANGED)
        if self._moved.looks >= NEW_VIEW_LOOKS:
            self._view, self._moved = _View(), _Held(LOOKS_MOVED)


class _Held:
    """A word that is said and taken back only when so many looks in a row agree; `looks`: since it is said."""

    __slots__ = ("_after", "_agree", "holds", "looks")

    def __init__(self, after: int) -> None:
        self._after = after
        self._agree = self.looks = 0
        self.holds = False

    def step(self, begins: bool, ends: bool) -> None:
        """Another look; what is neither leaves things as they are, and breaks the row."""
        self._agree = self._agree + 1 if (ends if self.holds else begins) else 0
        self.looks = self.looks + 1 if self.holds else 0
        if self._agree >= self._after:
            self.holds, self._agree, self.looks = not self.holds, 0, 0


class _View:
    """What of a picture stands still: the mean of all looks that showed the same view."""

    def __init__(self) -> None:
        self._standing: Grey | None = None
        self._looks = 0

    def compare(self, grey: Grey) -> tuple[float, float]:
        """How far the view lies from where it was, in widths, and the share of its parts that look otherwise."""
        import cv2

        if self._standing is None:
            self._standing = grey.copy()
        if self._looks < LEARNT_LOOKS:
            self._looks += 1
            self._standing += (grey - self._standing) / np.float32(self._looks)
            return 0.0, 0.0
        standing, now = _detail(self._standing), _detail(grey)
        window = cv2.createHanningWindow((grey.shape[1], grey.shape[0]), cv2.CV_32F)
        (x, y), response = cv2.phaseCorrelate(standing, now, window)
        shift = float(np.hypot(x, y)) / grey.shape[1] if response >= SURE_SHIFT else 0.0
        changed = _changed(standing, now)
        if shift < SHIFTED / 2.0 and changed <= UNCHANGED:
            self._standing += np.float32(_LEARNS) * (grey - self._standing)
        return shift, changed


def _shrunk(picture: "Frame | Grey", cells: int) -> Grey:
    """Grey, halved in each step until it is less than twice so many pixels wide."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    while grey.shape[0] > 1 and grey.shape[1] >= 2 * cells:
        grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_LINEAR)
    return grey.astype(np.float32)


def _blur(grey: Grey) -> float | None:
    """How much of the changes from pixel to pixel a blur leaves where they are; None where there are hardly any."""
    import cv2

    softened = cv2.blur(grey, (3, 3))
    changes = left = 0.0
    for axis in (0, 1):
        before, after = (np.abs(np.diff(picture, axis=axis)) for picture in (grey, softened))
        changes += float(before.mean())
        left += float(np.minimum(before, after).mean())
    return None if changes < LEAST_CONTRAST else left / changes


def _detail(grey: Grey) -> Grey:
    """A picture without its light and shade."""
    import cv2

    detail: Grey = grey - cv2.blur(grey, (15, 15))
    return detail


def _changed(before: Grey, after: Grey) -> float:
    """Share of the parts of a picture, of those with detail before, that do not look alike."""
    rows, columns = (np.array_split(np.arange(side), parts) for side, parts in zip(before.shape, _GRID, strict=True))
    parts = changed = 0
    for row in rows:
        for column in columns:
            one, other = (picture[row[0] : row[-1] + 1, column[0] : column[-1] + 1] for picture in (before, after))
            one, other = one - one.mean(), other - other.mean()
            strength = float((one * one).mean())
            if strength < _DETAIL**2:
                continue
            parts += 1
            alike = float((one * other).mean()) / max(np.sqrt(strength * float((other * other).mean())), 1e-6)
            changed += alike < ALIKE
    return changed / parts if parts else 0.0
