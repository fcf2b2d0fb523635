"""The boxes of a frame, as columns."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from city_brain.types import Column, Floats, Ints

_NONE: Final = np.empty((0, 4))


@dataclass(frozen=True, slots=True)
class Boxes:
    """`box` (n, 4): x0, y0, x1, y1 in pixels of the frame; `score` (n,) of 0..1; `label` (n,): which of the card's.

    What a detector gives is in order of falling score, and every box has an area and lies within its frame. `hidden`
    (k, 4) are boxes of what the card wants blurred in every picture, and no others.
    """

    box: Floats
    score: Floats
    label: Ints
    hidden: Floats = field(default_factory=lambda: _NONE)

    @property
    def n(self) -> int:
        """How many."""
        return len(self.score)

    def take(self, rows: Column | slice) -> "Boxes":
        """Some of them, and none that are hidden: `rows` are indices, a mask, or a slice, which copies nothing."""
        return Boxes(self.box[rows], self.score[rows], self.label[rows])


def with_area(box: Floats) -> Column:
    """Marks (n,) the boxes (n, 4) that are finite and have an area."""
    marks: Column = np.isfinite(box).all(axis=1) & (box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1])
    return marks
