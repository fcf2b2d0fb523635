"""Which box belongs to which track: candidates by overlap or by distance in sigmas, then one to one.

Both are greedy by mutual best, ties settled by order. Where two candidates that lie close must leave a track without a
box, the step is the one that tracks of different cameras are joined by (`fusion.tracking.associate`). Boxes and tracks
come in an order of content, so nothing depends on how a detector lists them.
"""

import numpy as np

from city_brain.fusion.tracking.associate import assign
from city_brain.types import Bools, Floats, Ints
from city_brain.vision.tracker.kalman import PLACE, centred, distance2, size_px

OTHER_CLASS_COST = 0.2
"""What another class costs, in IoU: a car is often called a truck, but a rider is not the bicycle below."""
GATE_CHI2 = 13.8
"""A lost track is found within this squared distance: 99.9 % of χ² with two degrees of freedom."""
SIZE_RATIO = 1.6
"""A lost track comes back at most so many times larger or smaller."""
FOUND_MARGIN_CHI2 = 3.0
"""A lost track with two boxes this close in distance takes neither: a new track is better than a wrong one."""


def overlaps(a: Floats, b: Floats) -> Floats:
    """IoU (n, m) of boxes (n, 4) and (m, 4), corners x0, y0, x1, y1; 0 where both are empty."""
    (ax, ay, ax2, ay2), (bx, by, bx2, by2) = a.T[:, :, None], b.T
    wide = np.minimum(ax2, bx2) - np.maximum(ax, bx)
    high = np.minimum(ay2, by2) - np.maximum(ay, by)
    shared = np.maximum(wide, 0.0) * np.maximum(high, 0.0)
    areas = (ax2 - ax) * (ay2 - ay) + (bx2 - bx) * (by2 - by)
    iou: Floats = shared / np.maximum(areas - shared, 1e-12)
    return iou


def pair_by_overlap(track: Floats, word: Ints, box: Floats, label: Ints, least: float) -> tuple[Ints, Ints]:
    """Rows of tracks, expected at `track` (n, 4), and of boxes (m, 4) that belong together, two columns (k,).

    `word` (n,) and `label` (m,) are their classes; the IoU of a pair is at least `least`.
    """
    iou = overlaps(track, box)
    left, right = (iou >= least).nonzero()
    cost = 1.0 - iou[left, right] + OTHER_CLASS_COST * (word[left] != label[right])
    # Candidates are few, and most of them pairs: one after the other costs less here than a dozen columns.
    tracks, boxes = dict[int, int](), set[int]()
    order = np.lexsort((right, left, cost))
    for one, other in zip(left[order].tolist(), right[order].tolist(), strict=True):
        if one not in tracks and other not in boxes:
            tracks[one] = other
            boxes.add(other)
    return np.array([*tracks.keys()], dtype=np.int64), np.array([*tracks.values()], dtype=np.int64)


def pair_by_distance(state: Floats, word: Ints, box: Floats, label: Ints) -> tuple[Ints, Ints]:
    """The same where boxes do not overlap, after a gap or between frames far apart: within the gate, of like size and
    of the same class. `state` (n, 5, 4) is that of the tracks.
    """
    seen = centred(box)
    ratio = size_px(state[:, PLACE]) / size_px(seen)[:, 0]
    like = (ratio < SIZE_RATIO) & (ratio > 1.0 / SIZE_RATIO) & (word[:, None] == label)
    left, right = like.nonzero()
    cost = distance2(state, left, seen[right])
    near = cost < GATE_CHI2
    left, right, cost = left[near], right[near], cost[near]
    best = assign(left, right, cost, margin=FOUND_MARGIN_CHI2)
    return left[best], right[best]


def apart(box: Floats, most: float) -> Bools:
    """Marks (n,) the boxes (n, 4) that overlap no marked one before them by more than `most`."""
    over = overlaps(box, box) > most
    kept = np.zeros(len(box), dtype=np.bool_)
    for row in range(len(box)):
        kept[row] = not (over[row] & kept).any()
    return kept
