"""Each layout read a second time, slowly: one number after the other, from the published descriptions.

yolox       Ge et al. 2021 (arXiv:2107.08430), section 2.1; `demo_postprocess` in Megvii-BaseDetection/YOLOX
yolov8      the example YOLOv8-ONNXRuntime in ultralytics/ultralytics
yolov8_nms  the export option `nms` in the documentation of the same: x1, y1, x2, y2, score, class
detr        Zhao et al. 2023 (arXiv:2304.08069); `RTDETRPostProcessor` in lyuwenyu/RT-DETR: a sigmoid for each label
nanodet     Li et al. 2020 (arXiv:2006.04388), section 3: the mean of a general distribution; `NanoDetPlusHead` in
            RangiLyu/nanodet: where the points are

A row that reaches the confidence is (x0, y0, x1, y1, score, label), in pixels of the input.
"""

import math

from city_brain.types import Column
from city_brain.vision.cards.card import ModelCard

Row = tuple[float, float, float, float, float, int]


def read(card: ModelCard, outputs: dict[str, Column], frame: int) -> list[Row]:
    """The rows of one frame of a batch, in the order of the output."""
    values = {name: output[frame].tolist() for name, output in outputs.items()}
    rows = {"yolox": _yolox, "yolov8": _yolov8, "yolov8_nms": _yolov8_nms, "detr": _detr, "nanodet": _nanodet}
    return [row for row in rows[card.layout](card, values) if row[4] >= card.thresholds.confidence]


def _points(card: ModelCard) -> list[tuple[int, int, int]]:
    return [
        (x, y, stride)
        for stride in card.strides
        for y in range(math.ceil(card.input.height / stride))
        for x in range(math.ceil(card.input.width / stride))
    ]


def _highest(scores: list[float]) -> tuple[float, int]:
    label = 0
    for other in range(1, len(scores)):
        if scores[other] > scores[label]:
            label = other
    return scores[label], label


def _around(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _yolox(card: ModelCard, values: dict) -> list[Row]:
    rows = []
    for (x, y, stride), cell in zip(_points(card), values["output"], strict=True):
        score, label = _highest(cell[5:])
        width, height = math.exp(cell[2]) * stride, math.exp(cell[3]) * stride
        box = _around((x + cell[0]) * stride, (y + cell[1]) * stride, width, height)
        rows.append((*box, cell[4] * score, label))
    return rows


def _yolov8(card: ModelCard, values: dict) -> list[Row]:
    columns, rows = values["output0"], []
    for at in range(len(columns[0])):
        score, label = _highest([columns[4 + k][at] for k in range(len(card.labels))])
        rows.append((*_around(columns[0][at], columns[1][at], columns[2][at], columns[3][at]), score, label))
    return rows


def _yolov8_nms(card: ModelCard, values: dict) -> list[Row]:
    return [(x0, y0, x1, y1, score, int(label)) for x0, y0, x1, y1, score, label in values["output0"]]


def _detr(card: ModelCard, values: dict) -> list[Row]:
    if "scores" in values:
        return [(*box, s, k) for box, s, k in zip(values["boxes"], values["scores"], values["labels"], strict=True)]
    rows = []
    for logits, (x, y, width, height) in zip(values["logits"], values["pred_boxes"], strict=True):
        for label, logit in enumerate(logits):
            w, h = card.input.width, card.input.height
            rows.append((*_around(x * w, y * h, width * w, height * h), 1 / (1 + math.exp(-logit)), label))
    return rows


def _nanodet(card: ModelCard, values: dict) -> list[Row]:
    rows, labels = [], len(card.labels)
    for (x, y, stride), cell in zip(_points(card), values["output"], strict=True):
        score, label = _highest(cell[:labels])
        sides = []
        for side in range(4):
            weights = [math.exp(cell[labels + 8 * side + step]) for step in range(8)]
            sides.append(stride * sum(step * weight for step, weight in enumerate(weights)) / sum(weights))
        left, top, right, bottom = sides
        x0, y0 = max(0.0, x * stride - left), max(0.0, y * stride - top)
        x1, y1 = min(card.input.width, x * stride + right), min(card.input.height, y * stride + bottom)
        rows.append((x0, y0, x1, y1, score, label))
    return rows
