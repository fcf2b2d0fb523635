"""One box per thing: greedy suppression of boxes that overlap a better one of their group (non-maximum suppression).

Boxes are taken in order of falling score, equal ones in their order, so the same boxes give the same answer. They are
held against those kept before in blocks, so memory stays small however many there are. A box whose
area is beyond all numbers overlaps with nothing.
"""

from typing import Final

import numpy as np

from city_brain.types import Bools, Floats, Ints

MOST_CANDIDATES: Final = 4096
"""Boxes that are looked at: the best ones. A network that calls for more of them sees noise; it would cost seconds."""
_BLOCK: Final = 256


def best(score: Floats, most: int) -> Ints:
    """Rows of the `most` highest scores (n,), best first, equal ones in their order."""
    return (-score).argsort(kind="stable")[:most]


def suppress(box: Floats, score: Floats, group: Ints, iou: float, most: int) -> Ints:
    """Rows that stay, best first, at most `most`: no two of a group overlap by more than `iou`.

    `box` (n, 4) as x0, y0, x1, y1, finite and x0 <= x1, y0 <= y1; `score`, `group` (n,).
    """
    order = best(score, MOST_CANDIDATES)
    box, group = box[order], group[order]
    kept = np.empty(0, dtype=np.int64)
    for first in range(0, len(order), _BLOCK):
        if len(kept) >= most:
            break
        block = np.arange(first, min(first + _BLOCK, len(order)))
        if len(kept):
            block = block[~_alike(box, group, kept, block, iou).any(axis=0)]
        kept = np.concatenate([kept, block[_first_ones(_alike(box, group, block, block, iou))]])
    return order[kept[:most]]


def _first_ones(alike: Bools) -> list[int]:
    """Which rows stay where each that stays removes those after it that are like it (n, n)."""
    stays, gone = [], np.zeros(len(alike), dtype=np.bool_)
    for row in range(len(alike)):
        if not gone[row]:
            stays.append(row)
            gone |= alike[row]
    return stays


def _alike(box: Floats, group: Ints, a: Ints, b: Ints, iou: float) -> Bools:
    """Which of rows `a` (n,) and `b` (m,) are one thing, their intersection more than `iou` of their union: (n, m)."""
    left, top, right, bottom = box[a].T[:, :, None]
    left_b, top_b, right_b, bottom_b = box[b].T
    with np.errstate(all="ignore"):
        shared: Floats = np.maximum(np.minimum(right, right_b) - np.maximum(left, left_b), 0.0)
        shared *= np.maximum(np.minimum(bottom, bottom_b) - np.maximum(top, top_b), 0.0)
        union = (right - left) * (bottom - top) + (right_b - left_b) * (bottom_b - top_b) - shared
        same: Bools = (group[a][:, None] == group[b]) & (shared > iou * union)
    return same
