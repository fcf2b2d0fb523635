"""Networks that fit no card, or break only when they are loaded or run: those in a child that they cannot leave."""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.vision.cards.networks import CELLS, SIDE, array, one, picture, rounds, sound, value

INPUT = "wanted batch × 3 × 64 × 64"
OUTPUT = "wanted any × 64 × 6, for the layout yolox, got"


def _fed(*inputs: object) -> ModelProto:
    model = sound()
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model


def _giving(*outputs: object) -> ModelProto:
    model = sound()
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    return model


def _sequence() -> ModelProto:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 3, SIDE, SIDE]))
    return _fed(helper.make_value_info("picture", kind))


def _with(model: ModelProto, *constants: TensorProto) -> ModelProto:
    model.graph.initializer.extend(constants)
    return model


def _blown_up(operator: str, sizes: np.ndarray, **said: object) -> ModelProto:
    """The operator makes something immense of the cells, whose sum goes on."""
    big = helper.make_node(operator, ["flat", "sizes"], ["big"], **said)
    total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
    more = helper.make_node("Add", ["flat", "total"], ["sum"])
    return _with(sound(big, total, more, end="sum"), array("sizes", sizes))


def _doubling(times: int) -> ModelProto:
    nodes, last = [], "flat"
    for at in range(times):
        nodes.append(helper.make_node("Concat", [last, last], [f"c{at}"], axis=0))
        last = f"c{at}"
    total = helper.make_node("ReduceSum", [last], ["total"], keepdims=0)
    return sound(*nodes, total, helper.make_node("Add", ["flat", "total"], ["sum"]), end="sum")


def _filled() -> ModelProto:
    """So much is made of constants that loading, which computes these, takes all memory."""
    fill = helper.make_node("ConstantOfShape", ["sizes"], ["big"])
    total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
    more = helper.make_node("Add", ["flat", "total"], ["sum"])
    return _with(sound(fill, total, more, end="sum"), array("sizes", np.array([2**17, 2**17])))


def _counted() -> ModelProto:
    numbers = helper.make_node("Range", ["zero", "many", "step"], ["big"])
    total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
    more = helper.make_node("Add", ["flat", "total"], ["sum"])
    said = {"zero": 0.0, "many": 1e12, "step": 1.0}
    constants = [array(name, np.array(number, np.float32)) for name, number in said.items()]
    return _with(sound(numbers, total, more, end="sum"), *constants)


def growing(numbers: int) -> ModelProto:
    """For each frame it takes so many numbers of 4 bytes for a moment: a network that is too large for many cameras."""
    row = CELLS * 6
    many = helper.make_node("Tile", ["flat", "times"], ["many"])
    root = helper.make_node("Sqrt", ["many"], ["roots"])
    low = helper.make_node("ReduceMin", ["roots"], ["low"], axes=[1, 2], keepdims=1)
    more = helper.make_node("Add", ["flat", "low"], ["sum"])
    return _with(sound(many, root, low, more, end="sum"), array("times", np.array([1, 1, numbers // row])))


def only_one() -> ModelProto:
    """It says that it takes any number of frames, and breaks on two."""
    shaped = helper.make_node("Reshape", ["flat", "one frame"], ["frame"])
    return _with(sound(shaped, end="frame"), array("one frame", np.array([1, 6, CELLS])))


def _laborious() -> ModelProto:
    """Ten thousand rounds, each of a product of large matrices: a minute of work and more."""
    work = helper.make_node("MatMul", ["matrix", "matrix"], ["product"])
    total = helper.make_node("ReduceMean", ["product"], ["mean"], keepdims=0)
    more = helper.make_node("Add", ["carried", "mean"], ["moved"])
    spin = helper.make_node("MatMul", ["turning", "matrix"], ["turned"])
    first = helper.make_node("ReduceMean", ["carried"], ["of_carried"], keepdims=0)
    turn = helper.make_node("Add", ["matrix", "of_carried"], ["turning"])
    end = helper.make_node("ReduceMean", ["turned"], ["of_turned"], keepdims=0)
    both = helper.make_node("Add", ["moved", "of_turned"], ["carried_on"])
    loop = rounds("count", work, total, more, first, turn, spin, end, both)
    matrix = array("matrix", np.full((1500, 1500), 1e-9, np.float32))
    return _with(sound(loop, end="loop"), one("count", 10_000), matrix)


def _padded() -> ModelProto:
    return _blown_up("Pad", np.array([0, 0, 2**30, 0, 0, 2**30]))


def _resized() -> ModelProto:
    big = helper.make_node("Resize", ["flat", "", "scales"], ["big"], mode="nearest")
    total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
    more = helper.make_node("Add", ["flat", "total"], ["sum"])
    return _with(sound(big, total, more, end="sum"), array("scales", np.array([1, 1e4, 1e4], np.float32)))


def _not_a_number() -> ModelProto:
    none = helper.make_node("Sub", ["flat", "flat"], ["none"])
    return sound(none, helper.make_node("Div", ["none", "none"], ["ratio"]), end="ratio")


def _in_a_circle() -> ModelProto:
    there = helper.make_node("Add", ["flat", "back"], ["there"])
    return sound(there, helper.make_node("Relu", ["there"], ["back"]), end="back")


def _cut_out() -> ModelProto:
    """Which shape comes out depends on the picture: the declared one fits, the real one does not."""
    rows = helper.make_node("Slice", ["flat", "zero", "few", "axes"], ["cut"])
    said = {"zero": [0], "few": [3], "axes": [2]}
    model = _with(sound(rows, end="cut"), *(array(name, np.array(number)) for name, number in said.items()))
    model.graph.output[0].CopyFrom(value("output", None))
    return model


UNFIT: dict[str, tuple[str, Callable[[], ModelProto]]] = {
    "no input": ("wanted one picture, got 0 inputs", lambda: _fed()),
    "two inputs": ("wanted one picture, got 2 inputs", lambda: _fed(picture(), value("more", [1]))),
    "sizes of frames, where none are wanted": (
        "wanted one picture, got 2 inputs",
        lambda: _fed(picture(), value("orig_target_sizes", ["n", 2], TensorProto.INT64)),
    ),
    "a picture of float16": ("wanted a tensor of float32", lambda: _fed(picture(kind=TensorProto.FLOAT16))),
    "a picture of bytes": ("wanted a tensor of float32", lambda: _fed(picture(kind=TensorProto.UINT8))),
    "a sequence of pictures": ("wanted a tensor of float32", _sequence),
    "channels last": (INPUT, lambda: _fed(picture(["n", SIDE, SIDE, 3]))),
    "another size": (INPUT, lambda: _fed(picture(["n", 3, 128, 128]))),
    "an open size": (INPUT, lambda: _fed(picture(["n", 3, "h", "w"]))),
    "no batch": (INPUT, lambda: _fed(picture([3, SIDE, SIDE]))),
    "no shape": (INPUT, lambda: _fed(picture(None))),
    "a batch of nothing": (INPUT, lambda: _fed(picture([0, 3, SIDE, SIDE]))),
    "a batch of a million": (INPUT, lambda: _fed(picture([1_000_000, 3, SIDE, SIDE]))),
    "no output": ("output: wanted 1 to 8, got 0", lambda: _giving()),
    "too many outputs": ("output: wanted 1 to 8", lambda: _giving(*(value(f"o{at}", None) for at in range(9)))),
    "two outputs": (OUTPUT, lambda: _giving(value("output", ["n", CELLS, 6]), value("flat", None))),
    "an output of integers": ("tensor of float32", lambda: _giving(value("output", ["n", CELLS, 6], 7))),
    "another number of cells": (OUTPUT, lambda: _giving(value("output", ["n", CELLS + 1, 6]))),
    "another number of labels": (OUTPUT, lambda: _giving(value("output", ["n", CELLS, 85]))),
    "an output of two dims": (OUTPUT, lambda: _giving(value("output", [CELLS, 6]))),
    "an output that nothing makes": ("wanted a network that loads", lambda: _giving(value("nobody", None))),
}
"""By name: what the refusal says, and the network that does not fit its card."""

BROKEN: dict[str, tuple[str, Callable[[], ModelProto]]] = {
    "a shape that comes out otherwise": ("got 'output' 1 × 3 × 6", _cut_out),
    "numbers that are none": ("wanted finite numbers", _not_a_number),
    "nodes in a circle": ("wanted a network that loads", _in_a_circle),
    "a tensor that nothing makes": ("that loads", lambda: sound(helper.make_node("Relu", ["nobody"], ["o"]))),
    "an operator with too many inputs": ("that loads", lambda: sound(helper.make_node("Relu", ["flat"] * 9, ["o"]))),
    "two tensors of one name": ("that loads", lambda: sound(helper.make_node("Relu", ["flat"], ["grid"]))),
    "a tensor filled beyond memory": ("wanted a network that", _filled),
    "numbers counted beyond memory": ("wanted a network that", _counted),
    "cells expanded beyond memory": ("wanted a network that", lambda: _blown_up("Expand", np.array([2**24, 6, 64]))),
    "cells tiled beyond memory": ("wanted a network that", lambda: _blown_up("Tile", np.array([2**12, 2**6, 2**6]))),
    "cells padded beyond memory": ("wanted a network that", _padded),
    "cells resized beyond memory": ("wanted a network that", _resized),
    "cells doubled 30 times": ("wanted a network that", lambda: _doubling(30)),
    "work for minutes": ("wanted a network that loads and runs within 1024 MiB and 10 s of a core, got", _laborious),
}
"""By name: what the refusal says, and the network that breaks when it is loaded or run."""
