"""Which box belongs to which track: candidates by overlap or by distance in sigmas, then one to one.

The one-to-one step is the one that tracks of different cameras are joined by (`fusion.tracking.associate`): greedy by
mutual best, ties settled by order. Boxes and tracks come in an order of content, so nothing depends on how a detector
lists them.
"""

import numpy as np

from city_brain.fusion.tracking.associate import assign
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints
from city_brain.vision.tracker.kalman import centred, cornered, distance2, size_px

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


def pair_by_overlap(
    table: Table, tracks: Ints, box: Floats, label: Ints, boxes: Ints, least: float
) -> tuple[Ints, Ints]:
    """Rows of `tracks` and of `boxes` that belong together, two columns (k,), by IoU of at least `least`."""
    if len(tracks) == 0 or len(boxes) == 0:
        return tracks[:0], boxes[:0]
    iou = overlaps(cornered(table["place"][tracks]), box[boxes])
    left, right = (iou >= least).nonzero()
    other = table["votes"][tracks].argmax(axis=1)[left] != label[boxes[right]]
    cost = 1.0 - iou[left, right] + OTHER_CLASS_COST * other
    best = assign(left, right, cost, margin=0.0)
    return tracks[left[best]], boxes[right[best]]


def pair_by_distance(table: Table, tracks: Ints, box: Floats, label: Ints, boxes: Ints) -> tuple[Ints, Ints]:
    """The same where boxes do not overlap, after a gap or between frames far apart: within the gate, of like size and
    of the same class.
    """
    if len(tracks) == 0 or len(boxes) == 0:
        return tracks[:0], boxes[:0]
    left, right = (a.ravel() for a in np.indices((len(tracks), len(boxes))))
    seen = centred(box[boxes])
    ratio = (size_px(table["place"][tracks])[left] / size_px(seen)[right])[:, 0]
    same = table["votes"][tracks].argmax(axis=1)[left] == label[boxes[right]]
    cost = distance2(table, tracks[left], seen[right])
    near = (cost < GATE_CHI2) & (ratio < SIZE_RATIO) & (ratio > 1.0 / SIZE_RATIO) & same
    left, right, cost = left[near], right[near], cost[near]
    best = assign(left, right, cost, margin=FOUND_MARGIN_CHI2)
    return tracks[left[best]], boxes[right[best]]


def apart(box: Floats, most: float) -> Bools:
    """Marks (n,) the boxes (n, 4) that overlap no marked one before them by more than `most`."""
    over = overlaps(box, box) > most
    kept = np.zeros(len(box), dtype=np.bool_)
    for row in range(len(box)):
        kept[row] = not (over[row] & kept).any()
    return kept
