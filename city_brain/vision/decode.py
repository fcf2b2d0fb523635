"""Raw output of a network as boxes in pixels of its input, by layout.

yolox       (b, n, 5 + labels): offset in the cell, log of the size, objectness, labels; the cells of all strides, row
            by row (Ge et al. 2021, arXiv:2107.08430; exported without decoding)
yolov8      (b, 4 + labels, n): centre, size, labels, as YOLOv8 and v11 are exported without suppression
yolov8_nms  (b, n, 6): corners, score, label, as they are exported with suppression
detr        logits (b, n, labels) and boxes (b, n, 4) as centre and size in shares of the input; or labels (b, n), boxes
            (b, n, 4) as corners in pixels, and scores (b, n) (RT-DETR, arXiv:2304.08069; D-FINE, arXiv:2410.13842)
nanodet     (b, n, labels + 32): labels, and for each side eight logits of how many strides it is away from the cell's
            corner (Li et al. 2020, arXiv:2006.04388; NanoDet-Plus as exported, so labels are probabilities already)

Only rows that reach the confidence of the card are read. A row with a number that is not finite, or without an area, is
no box. A row has its best label only, but in `detr` every label that reaches the confidence is a box, as in its papers.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np

from city_brain.errors import ModelError
from city_brain.types import Column, Floats, Ints
from city_brain.vision.cards.card import ModelCard
from city_brain.vision.detections import Boxes, with_area

SIDE_STEPS: Final = 8
"""Logits for each side in `nanodet`: distances of 0 to 7 strides."""
PROBABLE: Final = 1.01
"""Scores above it are no probabilities: the network was exported otherwise than its card says."""

Outputs = Mapping[str, Column]
"""What a network gave, by name of the output."""


def decode(card: ModelCard, outputs: Outputs, frames: int) -> list[Boxes]:
    """The boxes of each of the first `frames` inputs of a batch, in the order of the output's rows.

    Raises ModelError where the shape or kind of an output is not that of the card's layout, and where a score is no
    probability or a label is none of the card's.
    """
    with np.errstate(all="ignore"):
        return _LAYOUTS[card.layout](card, outputs, frames)


def _yolox(card: ModelCard, outputs: Outputs, frames: int) -> list[Boxes]:
    cells = _cells(card.input.width, card.input.height, card.strides)
    output = _only(card, outputs, (frames, len(cells), 5 + len(card.labels)))[:frames]
    # Of most cells one number is read: a label is at most certain, so objectness alone rules them out.
    of_frame, row = (output[:, :, 4] >= card.thresholds.confidence).nonzero()
    said = output[of_frame, row]
    label = said[:, 5:].argmax(axis=1)
    score = said[:, 4].astype(np.float64) * said[np.arange(len(row)), 5 + label]
    sure = _sure(card, score)
    read, cell = said[sure, :4].astype(np.float64), cells[row[sure]]
    centre, size = (read[:, :2] + cell[:, :2]) * cell[:, 2:], np.exp(read[:, 2:]) * cell[:, 2:]
    box = _corners(centre, size)
    whole = with_area(box)
    found = Boxes(box, np.minimum(score[sure], 1.0), label[sure]).take(whole)
    ends = of_frame[sure][whole].searchsorted(np.arange(frames + 1)).tolist()
    return [found.take(slice(*rows)) for rows in pairwise(ends)]


def _yolov8(card: ModelCard, outputs: Outputs, frames: int) -> list[Boxes]:
    found = []
    for columns in _only(card, outputs, (frames, 4 + len(card.labels), None))[:frames]:
        at = (columns[4:].max(axis=0) >= card.thresholds.confidence).nonzero()[0]
        read = columns[:, at].T.astype(np.float64)
        found.append(_boxes(card, _corners(read[:, :2], read[:, 2:4]), *_best(read[:, 4:])))
    return found


def _yolov8_nms(card: ModelCard, outputs: Outputs, frames: int) -> list[Boxes]:
    found = []
    for rows in _only(card, outputs, (frames, None, 6))[:frames]:
        read = rows[rows[:, 4] >= card.thresholds.confidence].astype(np.float64)
        found.append(_boxes(card, read[:, :4], read[:, 4], _labels(card, read[:, 5])))
    return found


def _detr(card: ModelCard, outputs: Outputs, frames: int) -> list[Boxes]:
    if len(outputs) == 3:
        return _detr_read(card, outputs, frames)
    boxes, logits = _named(card, outputs, "box"), _named(card, outputs, "logit")
    queries = boxes.shape[1] if boxes.ndim == 3 else None
    _check(card, boxes, (frames, None, 4))
    _check(card, logits, (frames, queries, len(card.labels)))
    size = np.array([card.input.width, card.input.height], dtype=np.float64)
    least = _logit(card.thresholds.confidence)
    found = []
    for box, logit in zip(boxes[:frames], logits[:frames], strict=True):
        row, label = (logit >= least).nonzero()
        read, score = box[row].astype(np.float64), 1.0 / (1.0 + np.exp(-logit[row, label].astype(np.float64)))
        found.append(_boxes(card, _corners(read[:, :2] * size, read[:, 2:] * size), score, label))
    return found


def _detr_read(card: ModelCard, outputs: Outputs, frames: int) -> list[Boxes]:
    """The layout of networks that were exported with the last step of their papers."""
    boxes, scores, labels = (_named(card, outputs, word) for word in ("box", "score", "label"))
    _check(card, boxes, (frames, None, 4))
    _check(card, scores, (frames, boxes.shape[1]))
    _check(card, labels, (frames, boxes.shape[1]), kinds="fiu")
    found = []
    for box, score, label in zip(boxes[:frames], scores[:frames], labels[:frames], strict=True):
        row = (score >= card.thresholds.confidence).nonzero()[0]
        label_of = _labels(card, label[row].astype(np.float64))
        found.append(_boxes(card, box[row].astype(np.float64), score[row].astype(np.float64), label_of))
    return found


def _nanodet(card: ModelCard, outputs: Outputs, frames: int) -> list[Boxes]:
    cells, labels = _cells(card.input.width, card.input.height, card.strides), len(card.labels)
    output = _only(card, outputs, (frames, len(cells), labels + 4 * SIDE_STEPS))
    most = np.array([card.input.width, card.input.height], dtype=np.float64)
    found = []
    for rows in output[:frames]:
        row = (rows[:, :labels].max(axis=1) >= card.thresholds.confidence).nonzero()[0]
        read, cell = rows[row].astype(np.float64), cells[row]
        away = _expected(read[:, labels:].reshape(-1, 4, SIDE_STEPS)) * cell[:, 2:]
        corner = cell[:, :2] * cell[:, 2:]
        low, high = np.clip(corner - away[:, :2], 0.0, most), np.clip(corner + away[:, 2:], 0.0, most)
        found.append(_boxes(card, np.concatenate([low, high], axis=1), *_best(read[:, :labels])))
    return found


_LAYOUTS: Final[dict[str, Callable[[ModelCard, Outputs, int], list[Boxes]]]] = {
    "yolox": _yolox,
    "yolov8": _yolov8,
    "yolov8_nms": _yolov8_nms,
    "detr": _detr,
    "nanodet": _nanodet,
}


@lru_cache(maxsize=16)
def _cells(width: int, height: int, strides: tuple[int, ...]) -> Floats:
    """Column, row and stride (n, 3) of the cells of an input; an input that a stride does not divide has one more."""
    levels = []
    for stride in strides:
        row, column = np.mgrid[: -(-height // stride), : -(-width // stride)]
        levels.append(np.stack([column.ravel(), row.ravel(), np.full(row.size, stride)], axis=1))
    cells = np.concatenate(levels).astype(np.float64)
    cells.flags.writeable = False
    return cells


def _corners(centre: Floats, size: Floats) -> Floats:
    return np.concatenate([centre - size / 2.0, centre + size / 2.0], axis=1)


def _best(scores: Floats) -> tuple[Floats, Ints]:
    """Score and number of the best label of each row (n, labels)."""
    label = scores.argmax(axis=1)
    return scores[np.arange(len(scores)), label], label


def _expected(logits: Floats) -> Floats:
    """The mean (n, 4) of the numbers 0..7 under the probabilities that logits (n, 4, 8) stand for."""
    weight = np.exp(logits - logits.max(axis=2, keepdims=True))
    mean: Floats = (weight * np.arange(SIDE_STEPS)).sum(axis=2) / weight.sum(axis=2)
    return mean


def _logit(probability: float) -> float:
    """A logit that no probability reaches from below, whatever is lost in rounding."""
    if 0.0 < probability < 1.0:
        return math.log(probability / (1.0 - probability)) - 1e-3
    return -math.inf if probability <= 0.0 else 0.0


def _labels(card: ModelCard, said: Floats) -> Ints:
    """Numbers of labels from what the network says; one that is not finite is -1, which is no box."""
    finite = np.isfinite(said)
    label = np.where(finite, said, -1.0).astype(np.int64)
    wrong = finite & ((said != label) | (said < 0) | (said >= len(card.labels)))
    if wrong.any():
        raise ModelError(f"{card.name}: wanted labels of 0 to {len(card.labels) - 1}, got {said[wrong][0]:g}")
    return label


def _sure(card: ModelCard, score: Floats) -> Ints:
    """Rows whose score (n,) reaches the confidence; ModelError where one is no probability."""
    sure: Ints = ((score >= card.thresholds.confidence) & (score < np.inf)).nonzero()[0]
    most = score[sure].max(initial=0.0)
    if most > PROBABLE:
        raise ModelError(f"{card.name}: wanted scores that are probabilities, got {most:g}; are they logits?")
    return sure


def _boxes(card: ModelCard, box: Floats, score: Floats, label: Ints) -> Boxes:
    """Those of the rows that are boxes: finite, with an area, and sure enough."""
    sure = _sure(card, score)
    rows = sure[with_area(box[sure]) & (label[sure] >= 0)]
    return Boxes(box[rows], np.minimum(score[rows], 1.0), label[rows].astype(np.int64))


def _only(card: ModelCard, outputs: Outputs, shape: tuple[int | None, ...]) -> Column:
    if len(outputs) != 1:
        raise ModelError(f"{card.name}: wanted one output for layout {card.layout}, got {_said(outputs)}")
    output = next(iter(outputs.values()))
    _check(card, output, shape)
    return output


def _named(card: ModelCard, outputs: Outputs, word: str) -> Column:
    """The output whose name holds a word."""
    named = [output for name, output in outputs.items() if word in name.lower()]
    if len(named) != 1:
        wanted = "outputs logits and boxes, or labels, boxes and scores"
        raise ModelError(f"{card.name}: wanted {wanted}, for layout {card.layout}, got {_said(outputs)}")
    return named[0]


def _said(outputs: Outputs) -> str:
    return ", ".join(f"{name} {output.shape}" for name, output in outputs.items()) or "none"


def _check(card: ModelCard, output: Column, shape: tuple[int | None, ...], kinds: str = "f") -> None:
    """Raises ModelError where a shape is another; its first number is the least, None is any."""
    fits = output.ndim == len(shape) and len(output) >= (shape[0] or 0)
    if not fits or any(a not in (None, b) for a, b in zip(shape[1:], output.shape[1:], strict=True)):
        wanted = ", ".join("n" if side is None else str(side) for side in shape)
        raise ModelError(f"{card.name}: wanted an output ({wanted}) for layout {card.layout}, got {output.shape}")
    if output.dtype.kind not in kinds:
        raise ModelError(f"{card.name}: wanted an output of floats for layout {card.layout}, got {output.dtype}")
