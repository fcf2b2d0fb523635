"""Cards and raw outputs of every layout, and tiny networks, for tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from city_brain.types import Column
from city_brain.vision.cards.card import InputSpec, ModelCard, Thresholds

LAYOUTS = ("yolox", "yolov8", "yolov8_nms", "detr", "detr_read", "nanodet")
"""`detr_read` is the layout `detr` with labels, boxes and scores."""
COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    *(f"thing {number}" for number in range(10, 80)),
)  # fmt: skip
"""The labels of the network in the shared data, as far as a street has them."""
OURS = {name: name for name in ("person", "bicycle", "car", "motorcycle", "bus", "truck")}


def card(layout: str, labels: Sequence[str] = ("car", "bus", "person"), **changed: Any) -> ModelCard:
    """A card of a small network; `width`, `height` and what else a card has may be changed."""
    spec = InputSpec(width=changed.pop("width", 64), height=changed.pop("height", 48), colour="bgr")
    said = {
        "name": "sample", "file": "sample.onnx", "sha256": "0" * 64, "origin": "https://example.org/sample.onnx",
        "licence": "Apache-2.0", "layout": layout.removesuffix("_read"), "input": spec, "labels": tuple(labels),
        "classes": {label: label for label in labels},
    }  # fmt: skip
    return ModelCard(**(said | changed))


def yolox_nano(**changed: Any) -> ModelCard:
    """The card of the network in the shared data."""
    spec = InputSpec(width=416, height=416, colour="bgr", anchor="top_left")
    return card("yolox", COCO, **({"input": spec, "classes": OURS, "thresholds": Thresholds()} | changed))


def cells(card: ModelCard) -> int:
    """How many cells the grids of all strides have."""
    return sum(-(-card.input.width // stride) * -(-card.input.height // stride) for stride in card.strides)


def outputs(card: ModelCard, layout: str, frames: int, seed: int) -> dict[str, Column]:
    """Random outputs such as a network of this card might give."""
    chance, labels, n = np.random.default_rng(seed), len(card.labels), cells(card)
    sides = np.array([card.input.width, card.input.height])

    def some(*shape: int) -> Column:
        return chance.random((frames, *shape)).astype(np.float32)

    def normal(*shape: int) -> Column:
        return chance.normal(size=(frames, *shape)).astype(np.float32)

    def corners(n: int) -> Column:
        low, size = some(n, 2) * sides, (0.1 + some(n, 2)) * sides
        return np.concatenate([low, low + size], axis=2).astype(np.float32)

    if layout == "yolox":
        return {"output": np.concatenate([normal(n, 4), some(n, 1 + labels)], axis=2)}
    if layout == "yolov8":
        box = np.concatenate([some(2, 37) * 64, 1 + some(2, 37) * 30], axis=1)
        return {"output0": np.concatenate([box, some(labels, 37)], axis=1).astype(np.float32)}
    if layout == "yolov8_nms":
        label = chance.integers(0, labels, (frames, 20, 1)).astype(np.float32)
        return {"output0": np.concatenate([corners(20), some(20, 1), label], axis=2)}
    if layout == "detr":
        return {"logits": normal(25, labels) * 3, "pred_boxes": 0.01 + some(25, 4)}
    if layout == "detr_read":
        return {"labels": chance.integers(0, labels, (frames, 25)), "boxes": corners(25), "scores": some(25)}
    return {"output": np.concatenate([some(n, labels), normal(n, 32) * 2], axis=2)}


def brightest(batch: int | str = "batch", side: int = 32) -> bytes:
    """A network of layout yolov8_nms: one box, its corner at (blue, green) of the brightest, its score red / 255."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["most"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["most"], ["row"], axes=[1]),
        helper.make_node("Split", ["row"], ["blue", "green", "red"], axis=2),
        helper.make_node("Sub", ["blue", "blue"], ["zero"]),
        helper.make_node("Div", ["red", "all"], ["score"]),
        helper.make_node("Concat", ["zero", "zero", "blue", "green", "score", "zero"], ["output0"], axis=2),
    ]
    return network(nodes, {"images": [batch, 3, side, side]}, {"output0": [batch, 1, 6]}, {"all": [255.0]})


def network(
    nodes: list[Any],
    inputs: dict[str, list[int | str]],
    outputs: dict[str, list[int | str]],
    constants: dict[str, list[float]],
    kinds: dict[str, int] | None = None,
) -> bytes:
    """An ONNX file of nodes; inputs, outputs and constants are of floats unless `kinds` says otherwise."""
    kinds = kinds or {}

    def typed(named: dict[str, list[int | str]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)
            for name, shape in named.items()
        ]

    held = [
        helper.make_tensor(name, kinds.get(name, TensorProto.FLOAT), [len(values)], values)
        for name, values in constants.items()
    ]
    graph = helper.make_graph(nodes, "sample", typed(inputs), typed(outputs), held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
