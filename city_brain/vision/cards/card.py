"""A model card as values: what a network wants to see, how its output reads, and where it comes from."""

from typing import Literal

import msgspec

Layout = Literal["yolox", "yolov8", "yolov8_nms", "detr", "nanodet"]


class InputSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The picture that a network wants: size in pixels, order of colours, scale, mean and deviation of its values.

    A value is `(pixel * scale - mean) / std`, mean and deviation in the order of `colour`.
    """

    width: int
    height: int
    colour: Literal["bgr", "rgb"]
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    pad: int = 114
    resize: Literal["letterbox", "stretch"] = "letterbox"
    anchor: Literal["top_left", "centre"] = "centre"


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts: the least score, the overlap from which two boxes are one, and how many there are in a frame."""

    confidence: float = 0.25
    iou: float = 0.45
    most: int = 300


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network: its file and origin, its input, the layout of its output, its labels and our classes for them."""

    name: str
    file: str
    sha256: str
    origin: str
    licence: str
    layout: Layout
    input: InputSpec
    labels: tuple[str, ...]
    classes: dict[str, str]
    thresholds: Thresholds = Thresholds()
    strides: tuple[int, ...] = (8, 16, 32)
