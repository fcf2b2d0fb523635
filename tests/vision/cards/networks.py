"""A small sound network and its card, from which the tests make others by one change each."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from city_brain.vision.cards.card import InputSpec, ModelCard

SIDE = 64
CELLS = (SIDE // 8) ** 2
CARD = ModelCard(
    name="small",
    file="small.onnx",
    sha256="0" * 64,
    origin="",
    licence="Apache-2.0",
    layout="yolox",
    input=InputSpec(width=SIDE, height=SIDE, colour="bgr"),
    labels=("car",),
    classes={"car": "car"},
    strides=(8,),
)
"""Of the network below, but for its hash."""


def card_of(data: bytes, card: ModelCard = CARD) -> ModelCard:
    """The card with the hash of these weights."""
    return msgspec.structs.replace(card, sha256=hashlib.sha256(data).hexdigest())


def sound(*more: NodeProto, end: str = "flat") -> ModelProto:
    """A network that passes: a convolution to cells of box, object and label; `more` nodes stand before its end.

    Those find the cells as `flat` (n, 6, 64); `end` is what of theirs goes on, of the same shape.
    """
    nodes = [
        helper.make_node("Conv", ["picture", "kernel"], ["grid"], name="conv", kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Reshape", ["grid", "shape"], ["flat"], name="flatten"),
        *more,
        helper.make_node("Transpose", [end], ["output"], name="turn", perm=[0, 2, 1]),
    ]
    constants = [array("kernel", np.full((6, 3, 8, 8), 1e-5, np.float32)), array("shape", np.array([0, 6, -1]))]
    graph = helper.make_graph(nodes, "small", [picture()], [value("output", ["n", CELLS, 6])], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def picture(shape: Sequence[int | str] | None = ("n", 3, SIDE, SIDE), kind: int = TensorProto.FLOAT) -> object:
    """The input."""
    return value("picture", shape, kind)


def value(name: str, shape: Sequence[int | str] | None, kind: int = TensorProto.FLOAT) -> object:
    """An input or output; None leaves its shape open."""
    return helper.make_tensor_value_info(name, kind, shape)


def array(name: str, values: np.ndarray) -> TensorProto:
    """A tensor whose numbers lie in the file."""
    return numpy_helper.from_array(values, name)


def one(name: str, number: int) -> TensorProto:
    """A single int64."""
    return array(name, np.array(number, np.int64))


def elsewhere(name: str, location: str, **more: str) -> TensorProto:
    """A tensor whose numbers lie in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, said in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=said)
    return tensor


def holding(tensor: TensorProto, name: str = "held") -> NodeProto:
    """A constant."""
    return helper.make_node("Constant", [], [name], name=name, value=tensor)


def branch(*nodes: NodeProto, constants: Sequence[TensorProto] = ()) -> GraphProto:
    """A graph for If, of these nodes and a constant that it gives."""
    given = helper.make_node("Constant", [], ["given"], value_float=1.0)
    return helper.make_graph([*nodes, given], "branch", [], [value("given", [])], list(constants))


def choice(inner: GraphProto, name: str = "choice") -> NodeProto:
    """An If with the same graph on either side."""
    return helper.make_node("If", ["yes"], [name], name=name, then_branch=inner, else_branch=inner)


def rounds(count: str, *nodes: NodeProto, name: str = "loop") -> NodeProto:
    """A Loop of as many rounds as the tensor `count` says, whose condition never ends it; it carries `flat` along.

    Nodes find it as `carried` and give `carried_on`; without any it goes on unchanged.
    """
    inner = [
        helper.make_node("Identity", ["going"], ["going_on"]),
        *(nodes or (helper.make_node("Identity", ["carried"], ["carried_on"]),)),
    ]
    inputs = [value("round", [], TensorProto.INT64), value("going", [], TensorProto.BOOL), value("carried", None)]
    outputs = [value("going_on", [], TensorProto.BOOL), value("carried_on", None)]
    body = helper.make_graph(inner, "body", inputs, outputs)
    return helper.make_node("Loop", [count, "", "flat"], [name], name=name, body=body)
