"""The boxes of a frame, as columns."""

from dataclasses import dataclass

import numpy as np

from city_brain.types import Column, Floats, Ints


@dataclass(frozen=True, slots=True)
class Boxes:
    """`box` (n, 4): x0, y0, x1, y1 in pixels of the frame; `score` (n,) of 0..1; `label` (n,): which of the card's.

    What a detector gives is in order of falling score, and every box has an area and lies within its frame.
    """

    box: Floats
    score: Floats
    label: Ints

    @property
    def n(self) -> int:
        """How many."""
        return len(self.score)

    def take(self, rows: Column) -> "Boxes":
        """Some of them: `rows` are indices or a mask."""
        return Boxes(self.box[rows], self.score[rows], self.label[rows])

    def part(self, first: int, end: int) -> "Boxes":
        """Those from `first` to before `end`, without a copy."""
        return Boxes(self.box[first:end], self.score[first:end], self.label[first:end])


def with_area(box: Floats) -> Column:
    """Marks (n,) the boxes (n, 4) that are finite and have an area."""
    marks: Column = np.isfinite(box).all(axis=1) & (box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1])
    return marks
