"""Graphs that must be refused before anything loads them: each by its name, with what the refusal must speak of."""

from collections.abc import Callable

import numpy as np
from onnx import AttributeProto, ModelProto, SparseTensorProto, TensorProto, helper

from tests.vision.cards.networks import array, branch, choice, elsewhere, holding, one, rounds, sound

OTHER_FILE = "wanted data in this file"
FOREIGN = "wanted an operator of the domain ai.onnx"
OPSET = "opset_import: wanted"
HUGE = 2**40

Change = Callable[[ModelProto], object]


def _sparse(values: TensorProto, indices: TensorProto, dims: list[int]) -> SparseTensorProto:
    return helper.make_sparse_tensor(values, indices, dims)


def _claiming(attribute: AttributeProto, kind: int) -> AttributeProto:
    attribute.type = kind
    return attribute


def _initializer(tensor: TensorProto) -> ModelProto:
    model = sound()
    model.graph.initializer.append(tensor)
    return model


def _raw(dims: list[int], size: int, kind: int = TensorProto.FLOAT) -> ModelProto:
    return _initializer(TensorProto(name="t", data_type=kind, dims=dims, raw_data=bytes(size)))


def _changed(change: Change, model: ModelProto | None = None) -> ModelProto:
    model = model or sound()
    change(model)
    return model


def _opsets(*said: tuple[str, int]) -> ModelProto:
    model = sound()
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*each) for each in said)
    return model


def _function(domain: str, name: str, calls: str) -> ModelProto:
    node = helper.make_node(calls, ["x"], ["y"], domain=domain)
    made = helper.make_function(domain, name, ["x"], ["y"], [node], [helper.make_opsetid("", 17)])
    return _changed(lambda model: model.functions.append(made))


def _nested(depth: int) -> ModelProto:
    inner = branch()
    for _ in range(depth):
        inner = branch(choice(inner))
    return sound(choice(inner))


def _looping(count: TensorProto | None, *nodes: object) -> ModelProto:
    model = sound(rounds("count" if count is not None else "", *nodes), end="loop")
    if count is not None:
        model.graph.initializer.append(count)
    return model


def _fed_count() -> ModelProto:
    """The count is a constant that whoever runs the network may replace."""
    model = _looping(one("count", 3))
    model.graph.input.append(helper.make_tensor_value_info("count", TensorProto.INT64, []))
    return model


def _many_nodes(count: int) -> ModelProto:
    return sound(*(helper.make_node("Identity", ["flat"], [f"i{at}"]) for at in range(count)))


def _sparse_elsewhere(part: int) -> ModelProto:
    parts = [array("v", np.ones(4, np.float32)), array("i", np.arange(4))]
    parts[part] = elsewhere("v", "../weights")
    model = sound()
    model.graph.sparse_initializer.append(_sparse(*parts, [16]))
    return model


EXTERNAL: dict[str, Callable[[], ModelProto]] = {
    "beside": lambda: _initializer(elsewhere("t", "weights.bin")),
    "above": lambda: _initializer(elsewhere("t", "../../secret")),
    "above, later in the path": lambda: _initializer(elsewhere("t", "a/../../secret")),
    "absolute": lambda: _initializer(elsewhere("t", "/etc/passwd")),
    "a symbolic link": lambda: _initializer(elsewhere("t", "link")),
    "a hard link": lambda: _initializer(elsewhere("t", "hard")),
    "an address": lambda: _initializer(elsewhere("t", "file:///etc/passwd")),
    "of Windows": lambda: _initializer(elsewhere("t", "..\\secret")),
    "a place in memory": lambda: _initializer(elsewhere("t", "*/_ORT_MEM_ADDR_/*", offset="4096", length="16")),
    "with an offset": lambda: _initializer(elsewhere("t", "w", offset=str(2**63), length="-1")),
    "without a place": lambda: _initializer(
        TensorProto(name="t", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    ),
    "that says it is here": lambda: _changed(
        lambda model: setattr(model.graph.initializer[2], "data_location", TensorProto.DEFAULT),
        _initializer(elsewhere("t", "w")),
    ),
    "in an attribute": lambda: sound(holding(elsewhere("t", "w"))),
    "in an attribute that claims to be a number": lambda: _changed(
        lambda model: _claiming(model.graph.node[2].attribute[0], AttributeProto.INT),
        sound(holding(elsewhere("t", "w"))),
    ),
    "in a list of tensors": lambda: _changed(
        lambda model: model.graph.node[0].attribute.append(helper.make_attribute("more", [elsewhere("t", "w")]))
    ),
    "in a graph within": lambda: sound(choice(branch(constants=[elsewhere("t", "w")]))),
    "in an attribute of a graph within": lambda: sound(choice(branch(choice(branch(holding(elsewhere("t", "w"))))))),
    "as values of a sparse tensor": lambda: _sparse_elsewhere(0),
    "as indices of a sparse tensor": lambda: _sparse_elsewhere(1),
    "in a sparse attribute": lambda: _changed(
        lambda model: model.graph.node[0].attribute.append(
            helper.make_attribute("sparse", _sparse(elsewhere("v", "w"), array("i", np.arange(4)), [16]))
        )
    ),
}
"""Data that lie somewhere else."""

REFUSED: dict[str, tuple[str, Callable[[], ModelProto]]] = {
    **{f"external data {name}": (OTHER_FILE, made) for name, made in EXTERNAL.items()},
    "an operator of Microsoft": (
        FOREIGN,
        lambda: sound(helper.make_node("Gelu", ["flat"], ["o"], domain="com.microsoft")),
    ),
    "an operator of ai.onnx.ml": (
        FOREIGN,
        lambda: sound(helper.make_node("Scaler", ["flat"], ["o"], domain="ai.onnx.ml")),
    ),
    "a domain with a space": (FOREIGN, lambda: sound(helper.make_node("Relu", ["flat"], ["o"], domain="ai.onnx "))),
    "a foreign operator in a graph within": (
        FOREIGN,
        lambda: sound(choice(branch(helper.make_node("Run", [], ["o"], domain="evil")))),
    ),
    "an operator that is none": ("did you mean 'Conv'", lambda: sound(helper.make_node("Convv", ["flat"], ["o"]))),
    "an operator of a later opset": ("opset 17, got 'Gelu'", lambda: sound(helper.make_node("Gelu", ["flat"], ["o"]))),
    "an overload": ("without an overload", lambda: sound(helper.make_node("Relu", ["flat"], ["o"], overload="x"))),
    "a foreign opset": (OPSET, lambda: _opsets(("", 17), ("com.microsoft", 1))),
    "no opset": (OPSET, lambda: _opsets()),
    "two opsets": (OPSET, lambda: _opsets(("", 17), ("ai.onnx", 11))),
    "an opset of the stone age": (OPSET, lambda: _opsets(("", 1))),
    "an opset of the future": (OPSET, lambda: _opsets(("", 999))),
    "an opset below zero": (OPSET, lambda: _opsets(("", -(2**62)))),
    "a foreign function": ("functions: wanted", lambda: _function("evil", "Run", "Go")),
    "a function in place of an operator": ("functions: wanted", lambda: _function("", "Relu", "Abs")),
    "a function that calls itself": ("functions: wanted", lambda: _function("ai.onnx", "Round", "Round")),
    "a training graph": ("training_info: wanted", lambda: _changed(lambda model: model.training_info.add())),
    "an attribute by reference": (
        "reference to an attribute",
        lambda: _changed(lambda model: setattr(model.graph.node[0].attribute[0], "ref_attr_name", "x")),
    ),
    "huge dims without data": ("wanted dims of at most", lambda: _raw([HUGE], 0)),
    "dims whose product overflows": ("wanted dims of at most", lambda: _raw([2**32, 2**32], 0)),
    "dims below zero": ("wanted dims of at most", lambda: _raw([-1, -4], 16)),
    "more dims than make sense": ("at most 8 dims", lambda: _raw([1] * 9, 4)),
    "a million dims": ("at most 8 dims", lambda: _raw([1] * 1_000_000, 4)),
    "too few bytes": ("wanted 400 bytes", lambda: _raw([10, 10], 396)),
    "too many bytes": ("wanted 400 bytes", lambda: _raw([10, 10], 404)),
    "no data at all": ("wanted 16 numbers", lambda: _initializer(TensorProto(name="t", data_type=1, dims=[16]))),
    "too few numbers": (
        "wanted 16 numbers",
        lambda: _initializer(TensorProto(name="t", data_type=1, dims=[16], float_data=[1.0] * 15)),
    ),
    "data twice": (
        "wanted 16 bytes",
        lambda: _initializer(TensorProto(name="t", data_type=1, dims=[4], float_data=[1.0] * 4, raw_data=bytes(16))),
    ),
    "data of two types": (
        "wanted 4 numbers",
        lambda: _initializer(TensorProto(name="t", data_type=1, dims=[4], float_data=[1.0] * 2, int64_data=[1] * 2)),
    ),
    "texts": (
        "wanted numbers",
        lambda: _initializer(TensorProto(name="t", data_type=8, dims=[1], string_data=[b"x"])),
    ),
    "elements of no type": ("wanted numbers", lambda: _raw([1], 4, 0)),
    "elements of a type to come": ("wanted numbers", lambda: _raw([1], 4, 99)),
    "a segment": (
        "a segment of one",
        lambda: _initializer(
            TensorProto(name="t", data_type=1, dims=[1], raw_data=bytes(4), segment=TensorProto.Segment(begin=0, end=1))
        ),
    ),
    "a sparse tensor that is huge": (
        "wanted dims of at most",
        lambda: _changed(
            lambda model: model.graph.sparse_initializer.append(
                _sparse(array("v", np.ones(1, np.float32)), array("i", np.zeros(1, np.int64)), [HUGE])
            )
        ),
    ),
    "graphs in graphs": ("at most 4 graphs in one another", lambda: _nested(4)),
    "graphs in graphs in graphs": ("at most 4 graphs in one another", lambda: _nested(9)),
    "more nodes than a detector has": ("at most 20000 nodes", lambda: _many_nodes(20_001)),
    "more nodes in graphs within": (
        "at most 20000 nodes",
        lambda: sound(choice(branch(*(helper.make_node("Identity", ["flat"], [f"i{at}"]) for at in range(10_001))))),
    ),
    "an endless loop": ("a count of rounds that is a constant", lambda: _looping(None)),
    "a loop of a computed count": (
        "a count of rounds that is a constant",
        lambda: sound(helper.make_node("Size", ["picture"], ["count"]), rounds("count"), end="loop"),
    ),
    "a loop whose count can be fed": ("a count of rounds that is a constant", lambda: _fed_count()),
    "a loop of many rounds": ("at most 10000 rounds, got", lambda: _looping(one("count", 2**62))),
    "a loop of rounds below zero": ("at most 10000 rounds, got -1", lambda: _looping(one("count", -1))),
    "loops in a loop": (
        "at most 10000 rounds of nested loops, got 1000000",
        lambda: _looping(
            one("count", 1000), rounds("count", name="inner"), helper.make_node("Identity", ["inner"], ["carried_on"])
        ),
    ),
    "no graph": ("wanted a graph with nodes", lambda: _changed(lambda model: model.ClearField("graph"))),
    "a graph without nodes": ("wanted a graph with nodes", lambda: _changed(lambda m: m.graph.ClearField("node"))),
}
"""By name: what the refusal says, and the network."""
