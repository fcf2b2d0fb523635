"""Outputs are held against the layout of the card: what it can be passes, all else is refused."""

from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper

from city_brain.errors import ModelError
from city_brain.vision.cards.card import InputSpec, ModelCard
from city_brain.vision.cards.checking import try_out
from city_brain.vision.cards.fitting import Shape, cells, check_outputs
from tests.vision.cards.networks import CARD, CELLS, array, picture, value

LABELS = tuple(f"label {at}" for at in range(80))
COCO = msgspec.structs.replace(
    CARD,
    labels=LABELS,
    classes={LABELS[0]: "person"},
    input=InputSpec(width=416, height=416, colour="bgr"),
    strides=(8, 16, 32),
)


def _card(layout: str, strides: tuple[int, ...] = (8, 16, 32)) -> ModelCard:
    return msgspec.structs.replace(COCO, layout=layout, strides=strides)


def test_cells_are_those_of_all_grids() -> None:
    """416² has 52² + 26² + 13² cells; a grid that does not divide the side has a last, cut cell."""
    assert cells(_card("yolox")) == 3549
    assert cells(_card("nanodet", (8, 16, 32, 64))) == 3549 + 7 * 7


@pytest.mark.parametrize(
    ("layout", "shapes"),
    [
        ("yolox", {"output": (1, 3549, 85)}),
        ("yolox", {"output": (-1, 3549, 85)}),
        ("yolox", {"output": (-1, -1, -1)}),
        ("yolox", {"output": None}),
        ("yolov8", {"output0": (1, 84, 3549)}),
        ("yolov8", {"output0": (-1, 84, -1)}),
        ("yolov8_nms", {"output0": (1, 300, 6)}),
        ("yolov8_nms", {"output0": (1, 0, 6)}),
        ("detr", {"pred_boxes": (1, 300, 4), "pred_logits": (1, 300, 80)}),
        ("detr", {"logits": (-1, 300, 80), "boxes": None}),
        ("detr", {"labels": (1, 300), "boxes": (1, 300, 4), "scores": (1, 300)}),
        ("nanodet", {"output": (1, 3549, 112)}),
    ],
)
def test_what_a_layout_can_be_passes(layout: str, shapes: Mapping[str, Shape | None]) -> None:
    """Also where the file leaves dims or the whole shape open: the first run will tell."""
    card = _card(layout)
    check_outputs(shapes, card, "x")
    assert card.layout == layout


@pytest.mark.parametrize(
    ("layout", "shapes"),
    [
        ("yolox", {"output": (1, 3549, 84)}),
        ("yolox", {"output": (1, 85, 3549)}),
        ("yolox", {"output": (1, 8400, 85)}),
        ("yolox", {"output": (3549, 85)}),
        ("yolox", {"output": ()}),
        ("yolox", {}),
        ("yolox", {"output": (1, 3549, 85), "more": (1, 3549, 85)}),
        ("yolov8", {"output0": (1, 3549, 84)}),
        ("yolov8_nms", {"output0": (1, 300, 7)}),
        ("yolov8_nms", {"output0": (1, 84, 3549)}),
        ("detr", {"output": (1, 300, 84)}),
        ("detr", {"boxes": (1, 300, 5), "logits": (1, 300, 80)}),
        ("detr", {"boxes": (1, 300, 4), "logits": (1, 300, 79)}),
        ("detr", {"boxes": (1, 300, 4), "box_logits": (1, 300, 80)}),
        ("detr", {"labels": (1, 300), "boxes": (1, 300, 4), "scores": (1, 300, 1)}),
        ("detr", {"labels": (1, 300), "boxes": (1, 300, 4)}),
        ("nanodet", {"output": (1, 3549, 111)}),
        ("nanodet", {"output": (1, 3549, 84)}),
        ("nanodet", {"output": (1, 2125, 112)}),
    ],
)
def test_what_a_layout_cannot_be_is_refused(layout: str, shapes: Mapping[str, Shape | None]) -> None:
    """The message names the layout, and both shapes."""
    with pytest.raises(ModelError, match=f"^x: output: wanted .*, for the layout {layout}, got "):
        check_outputs(shapes, _card(layout), "x")


def _sized() -> bytes:
    """A network of layout detr as its authors export it: it is told the size of frames, and gives three outputs."""
    nodes = [
        helper.make_node("Conv", ["picture", "kernel"], ["grid"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Reshape", ["grid", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["shares"], perm=[0, 2, 1]),
        helper.make_node("Tile", ["orig_target_sizes", "twice"], ["corners"]),
        helper.make_node("Cast", ["corners"], ["scale"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["scale", "row"], ["scales"]),
        helper.make_node("Mul", ["shares", "scales"], ["boxes"]),
        helper.make_node("ReduceMean", ["shares"], ["scores"], axes=[2], keepdims=0),
        helper.make_node("ArgMax", ["shares"], ["labels"], axis=2, keepdims=0),
    ]
    numbers = {"shape": [0, 4, -1], "twice": [1, 2], "row": [1]}
    constants = [array(name, np.array(number)) for name, number in numbers.items()]
    constants.append(array("kernel", np.full((4, 3, 8, 8), 1e-5, np.float32)))
    inputs = [picture(), value("orig_target_sizes", ["n", 2], TensorProto.INT64)]
    outputs = [
        value("labels", ["n", CELLS], TensorProto.INT64),
        value("boxes", ["n", CELLS, 4]),
        value("scores", ["n", CELLS]),
    ]
    graph = helper.make_graph(nodes, "sized", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_a_network_may_be_told_the_size_of_frames() -> None:
    """With the layout detr: its first run gets both inputs. With another layout the same file is refused."""
    data = _sized()
    card = msgspec.structs.replace(CARD, layout="detr")
    report = try_out(data, card, "x")
    assert report.sizes
    assert report.outputs == {"labels": (1, CELLS), "boxes": (1, CELLS, 4), "scores": (1, CELLS)}
    with pytest.raises(ModelError, match=r"^x: input: wanted one picture, got 2 inputs"):
        try_out(data, CARD, "x")
