"""Builds tiny.onnx, a network that finds plainly coloured rectangles: `python models/tiny/build.py` writes it anew.

Nothing in it is trained. README.md beside it says how it works and what it cannot do.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

WIDTH, HEIGHT, STRIDE = 320, 192, 8
COLOURS = {
    "car": (220, 40, 40),
    "truck": (40, 80, 220),
    "bus": (240, 200, 40),
    "motorcycle": (200, 60, 200),
    "bicycle": (40, 180, 70),
    "person": (40, 210, 210),
}
"""Red, green and blue of each label, in the order of the labels."""
TOLERANCE = 60.0
"""A pixel is of a colour when it differs by less, summed over red, green and blue: no two are within twice that."""
OPSET = 17
IR_VERSION = 8
"""Of the time of that opset, so that older runtimes load it."""

_MIDDLE = STRIDE // 2
"""Where in a cell the one pixel lies at which the network looks."""


class Graph:
    """Nodes and constants as they are put together; each method returns the name of what it adds."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, values: object, dtype: type = np.float32) -> str:
        """A tensor of fixed numbers."""
        self.constants.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def node(self, operator: str, name: str, inputs: Sequence[str], **attributes: object) -> str:
        """An operator with one output of its name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def every(self, name: str, of: str, axes: Sequence[int], steps: int = STRIDE) -> str:
        """Of rows (axis 2) or columns (axis 3) those through the middle of cells; with steps 1 all from there on."""
        start = self.constant(f"{name}_start", [_MIDDLE] * len(axes), np.int64)
        end = self.constant(f"{name}_end", [2**31 - 1] * len(axes), np.int64)
        along = self.constant(f"{name}_axes", axes, np.int64)
        step = self.constant(f"{name}_steps", [steps] * len(axes), np.int64)
        return self.node("Slice", name, [of, start, end, along, step])


def build() -> ModelProto:
    """The network: picture (n, 3, 192, 320) in RGB, 0 to 255 -> boxes (n, 960, 5 + labels) in the layout of YOLOX."""
    graph = Graph()
    near = _near(graph)
    seen = graph.node("Sign", "seen", [near])
    one = graph.constant("one", 1.0)
    road = graph.node("Sub", "road", [one, seen])
    at_cell = graph.every("seen_at_cell", seen, (2, 3))
    near_at_cell = graph.every("near_at_cell", near, (2, 3))
    half = graph.constant("half", 0.5)
    share = graph.node("Mul", "share", [near_at_cell, graph.constant("of_tolerance", 0.5 / TOLERANCE)])
    score = graph.node("Mul", "score", [at_cell, graph.node("Add", "half_and_share", [share, half])])
    columns = _side(graph, "x", graph.every("rows", road, (2,)), at_cell, WIDTH, 3)
    rows = _side(graph, "y", graph.every("columns", road, (3,)), at_cell, HEIGHT, 2)
    axis = graph.constant("axis", [1], np.int64)
    anything = graph.node("ReduceSum", "anything", [at_cell, axis], keepdims=1)
    parts = [columns[0], rows[0], columns[1], rows[1], anything, score]
    cells = graph.node("Concat", "cells", parts, axis=1)
    shape = graph.constant("shape", [0, 5 + len(COLOURS), -1], np.int64)
    flat = graph.node("Reshape", "flat", [cells, shape])
    graph.node("Transpose", "output", [flat], perm=[0, 2, 1])
    return _model(graph)


def _near(graph: Graph) -> str:
    """How far below the tolerance a pixel's difference from each colour is (n, labels, height, width); else 0."""
    labels = len(COLOURS)
    spread = graph.constant("spread", np.tile(np.eye(3), (labels, 1)).reshape(3 * labels, 3, 1, 1))
    colours = graph.constant("colours", [-value for colour in COLOURS.values() for value in colour])
    difference = graph.node("Conv", "difference", ["picture", spread, colours], kernel_shape=[1, 1])
    absolute = graph.node("Abs", "absolute", [difference])
    summed = graph.constant("summed", -np.kron(np.eye(labels), np.ones((1, 3))).reshape(labels, 3 * labels, 1, 1))
    tolerance = graph.constant("tolerance", [TOLERANCE] * labels)
    below = graph.node("Conv", "below", [absolute, summed, tolerance], kernel_shape=[1, 1])
    return graph.node("Relu", "near", [below])


def _side(graph: Graph, name: str, road: str, at_cell: str, size: int, axis: int) -> tuple[str, str]:
    """Centre and extent of boxes along x or y, as YOLOX encodes them (n, 1, rows, columns).

    The edges are the nearest pixels of road on either side of a cell's middle: with pixels numbered from 1 the greatest
    number of road before it, and numbered from the end the greatest behind it. Where there is none, it is 0: the rim.
    """
    numbers = np.arange(size)
    along = [1, 1, size, 1] if axis == 2 else [1, 1, 1, size]
    forth = graph.constant(f"{name}_forth", (numbers + 1).reshape(along))
    back = graph.constant(f"{name}_back", (size - numbers).reshape(along))
    before = _greatest(graph, f"{name}_before", graph.node("Mul", f"{name}_road_forth", [road, forth]), size, axis)
    behind_of = graph.every(f"{name}_behind_of", graph.node("Mul", f"{name}_road_back", [road, back]), (axis,), 1)
    behind = _greatest(graph, f"{name}_behind", behind_of, size - _MIDDLE, axis, behind=True)
    whole = graph.constant(f"{name}_size", float(size))
    channel = graph.constant(f"{name}_channel", [1], np.int64)
    edges = []
    for edge, of in (("first", before), ("last", graph.node("Sub", f"{name}_last_of", [whole, behind]))):
        own = graph.node("Mul", f"{name}_{edge}_own", [at_cell, of])
        edges.append(graph.node("ReduceSum", f"{name}_{edge}", [own, channel], keepdims=1))
    first, last = edges
    middle = graph.node("Add", f"{name}_middle", [first, last])
    in_cells = graph.node("Mul", f"{name}_in_cells", [middle, graph.constant(f"{name}_cell", 0.5 / STRIDE)])
    cells = np.arange(size // STRIDE).reshape([-1 if side == size else 1 for side in along])
    grid = graph.constant(f"{name}_grid", cells)
    centre = graph.node("Sub", f"{name}_centre", [in_cells, grid])
    extent = graph.node("Sub", f"{name}_extent", [last, first])
    at_least = graph.node("Max", f"{name}_at_least", [extent, graph.constant(f"{name}_pixel", 1.0)])
    strides = graph.node("Mul", f"{name}_strides", [at_least, graph.constant(f"{name}_stride", 1.0 / STRIDE)])
    return centre, graph.node("Log", f"{name}_log", [strides])


def _greatest(graph: Graph, name: str, of: str, size: int, axis: int, behind: bool = False) -> str:
    """The greatest number up to each cell's middle, or from it on."""
    before = 0 if behind else size - 1 - _MIDDLE
    after = size - _MIDDLE if behind else 0
    first, last, kernel, strides = [0, 0], [0, 0], [1, 1], [1, 1]
    first[axis - 2], last[axis - 2], kernel[axis - 2], strides[axis - 2] = before, after, size, STRIDE
    return graph.node("MaxPool", name, [of], kernel_shape=kernel, pads=[*first, *last], strides=strides)


def _model(graph: Graph) -> ModelProto:
    cells = (WIDTH // STRIDE) * (HEIGHT // STRIDE)
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, HEIGHT, WIDTH])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", cells, 5 + len(COLOURS)])
    made = helper.make_graph(graph.nodes, "tiny", [picture], [output], graph.constants)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(made, opset_imports=[opset], ir_version=IR_VERSION, producer_name="city-brain")


def main() -> None:
    """Writes tiny.onnx beside this file, and prints the hash that its card must have."""
    data = build().SerializeToString(deterministic=True)
    Path(__file__).with_name("tiny.onnx").write_bytes(data)
    print(f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
